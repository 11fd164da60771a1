//! Pure: what makes FRR route for tenants over EVPN, one VRF per VNI, and advertise their hosts a router; and the
//! difference to what runs. These are the Python agent's lines (upstream.md 6.3, 6.4), without its faults.
//!
//! ```text
//! vrf vrf-VNI
//!  vni VNI
//! router bgp AS vrf vrf-VNI
//!  address-family ipv4|ipv6 unicast
//!   redistribute connected|kernel [route-map …]            with what policies say: [`super::attributed`]
//!  address-family l2vpn evpn
//!   advertise ipv4|ipv6 unicast
//!   rd RD
//!   route-target import|export RT
//! router bgp AS
//!  address-family l2vpn evpn
//!   vni VNI
//!    rd RD
//!    route-target import|export RT
//! interface DEVICE
//!  ipv6 nd managed-config-flag
//!  ipv6 nd prefix PREFIX [no-autoconfig]
//!  ipv6 nd rdnss SERVER
//!  no ipv6 nd suppress-ra
//! ```
//!
//! What is named like ours and looks like ours, and is not wanted, goes: FRR has no other mark. That FRR advertises
//! VNIs at all (`advertise-all-vni`, neighbours of the family) is the operator's part, and its absence is said.

mod advertising;
mod bridged;
mod redistribution;
mod vrf;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use bgp::wire::evpn::{RouteDistinguisher, RouteTarget};

use super::attributed::{self, Attributed};
use super::leaking::{CannotLeak, default_instance};
use super::running::Running;
use crate::exposure::{self, Entry};
use crate::router_advertisement::Advertisement;
pub use redistribution::Redistributed;

/// What FRR is to do for tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenants {
    /// AS number of FRR's default instance: `bgp_AS`.
    pub asn: u32,
    /// By VNI, 1 to 16,777,215. The VRF of VNI 1001 is named `vrf-1001`, in the kernel and in FRR.
    pub tenants: BTreeMap<u32, Tenant>,
    /// By VNI, the stretched networks: of these only distinguisher and targets count.
    pub bridged: BTreeMap<u32, Tenant>,
    /// What distinguishers are derived of: the VTEP, or the router-id.
    pub node: Option<Ipv4Addr>,
    /// By device, what its hosts are told.
    pub advertisements: BTreeMap<Arc<str>, Advertisement>,
}

/// One VNI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Of its BGP instance: that of the default one, or what the network asks for.
    pub asn: u32,
    /// `None`: the one that FRR makes.
    pub rd: Option<RouteDistinguisher>,
    /// None: the one that FRR makes, AS:VNI.
    pub import: BTreeSet<RouteTarget>,
    /// None: the one that FRR makes, AS:VNI.
    pub export: BTreeSet<RouteTarget>,
    /// Which routes of the VRF are advertised.
    pub redistributed: Redistributed,
    /// What policies say of its routes.
    pub attributes: Attributed,
}

/// Why FRR cannot route for tenants, or for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotHost {
    /// What ours builds on is not there.
    #[error(transparent)]
    Default(#[from] CannotLeak),
    /// The operator's part.
    #[error(
        "FRR does not advertise VNIs: configure advertise-all-vni below 'address-family l2vpn evpn' of 'router bgp {asn}'"
    )]
    NoVnis {
        /// AS number of the default instance.
        asn: String,
    },
    /// An instance that is not ours to remove.
    #[error(
        "FRR runs 'router bgp {found} vrf {vrf}' with lines of others, and the network asks for AS {asn}: remove it from \
         FRR, or give the network that AS"
    )]
    OtherAs {
        /// The VRF.
        vrf: String,
        /// The AS that is asked for.
        asn: u32,
        /// The AS that runs.
        found: String,
    },
}

/// What FRR is to be told, and what is in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// As typed after `configure terminal`.
    pub commands: Vec<String>,
    /// Of tenants that are left out.
    pub problems: Vec<CannotHost>,
}

impl Tenant {
    /// What FRR is to do for a tenant of the agent's. `asn` is `bgp_AS`; without an `rd` FRR has one of its own.
    pub fn of(tenant: &exposure::Tenant, asn: u32, rd: Option<RouteDistinguisher>) -> Self {
        Self {
            asn: tenant.asn.unwrap_or(asn),
            rd,
            import: tenant.import.clone(),
            export: tenant.export.clone(),
            redistributed: match tenant.entry {
                Entry::PerNetwork => Redistributed::Everything,
                Entry::PerGateway => Redistributed::Hosts,
            },
            attributes: Attributed::default(),
        }
    }
}

impl Tenants {
    /// The commands that are missing, and those that take away what is not wanted any more. `active` names the VRFs
    /// that the kernel has: FRR keeps them ([`Self::asks_for_vrfs`]).
    ///
    /// # Errors
    /// FRR's default instance is missing or has another AS number, and there is something to build on it.
    pub fn difference(
        &self,
        running: &Running,
        active: &BTreeSet<String>,
    ) -> Result<Difference, CannotHost> {
        let mut difference = Difference {
            commands: vrf::removal(running, active, |vni| self.tenants.contains_key(&vni)),
            problems: Vec::new(),
        };
        let chosen = self.tenants.values().map(|tenant| tenant.redistributed);
        let hosts = chosen.into_iter().any(|of| of == Redistributed::Hosts);
        if self.has_any() {
            default_instance(running, self.asn)?;
        }
        if hosts {
            difference
                .commands
                .extend(redistribution::missing_filter(running));
        }
        for (vni, tenant) in &self.tenants {
            match tenant.missing(*vni, running) {
                Ok(commands) => difference.commands.extend(commands),
                Err(problem) => difference.problems.push(problem),
            }
        }
        if !hosts {
            difference
                .commands
                .extend(redistribution::unused_filter(running));
        }
        // After the instances that used them.
        let maps = attributed::running_vnis(running).into_iter();
        let unused = maps.filter(|vni| !self.tenants.contains_key(vni));
        let unused = unused.flat_map(|vni| attributed::removal(&attributed::of_vni(vni), running));
        difference.commands.extend(unused);
        difference.commands.extend(self.bridged_difference(running));
        let commands = advertising::difference(&self.advertisements, running);
        difference.commands.extend(commands);
        Ok(difference)
    }

    /// The same with what policies say of the routes of each VNI.
    #[must_use]
    pub fn attributing(&self, attributes: impl Fn(u32) -> Option<Attributed>) -> Self {
        let mut this = self.clone();
        for (vni, tenant) in &mut this.tenants {
            tenant.attributes = attributes(*vni).unwrap_or_default();
        }
        this
    }

    fn has_any(&self) -> bool {
        !self.tenants.is_empty() || !self.bridged.is_empty()
    }

    /// True if FRR has a VRF that is ours to remove once the kernel has it no more: ask which it has.
    pub fn asks_for_vrfs(&self, running: &Running) -> bool {
        vrf::leftovers(running, |vni| self.tenants.contains_key(&vni))
            .next()
            .is_some()
    }

    /// What keeps FRR from advertising tenants although it has all that [`Self::difference`] asks for.
    ///
    /// # Errors
    /// The operator's part of FRR's configuration.
    pub fn complete(&self, running: &Running) -> Result<(), CannotHost> {
        let Some(default) = running.default_instance() else {
            return Ok(());
        };
        if self.has_any() && !default.has(vrf::EVPN, "advertise-all-vni") {
            let asn = default.asn.clone();
            return Err(CannotHost::NoVnis { asn });
        }
        for (vni, tenant) in &self.tenants {
            tenant.complete(*vni, running)?;
        }
        Ok(())
    }
}

/// What the log says before commands are sent: the Python agent's line for each VRF and device.
pub(super) fn headline(commands: &[String]) -> String {
    let about = commands.iter().filter_map(|command| {
        let (action, rest) = match command.strip_prefix("no ") {
            Some(rest) => ("del-vrf", rest),
            None => ("add-vrf", command.as_str()),
        };
        if let Some((_, vrf)) = rest.strip_prefix("router bgp ")?.split_once(" vrf ") {
            return Some(format!("action = {action} for {vrf}"));
        }
        None
    });
    let devices = commands
        .iter()
        .filter_map(|command| command.strip_prefix("interface "));
    let devices = devices.map(|device| format!("IPv6 ND of {device}"));
    let policies = commands.iter().filter_map(|command| {
        let (_, rest) = command.split_once(attributed::LEAKED)?;
        let vni = rest.strip_prefix("-vni-")?.split(['-', ' ']).next()?;
        Some(format!("policies of VNI {vni}"))
    });
    let policies: BTreeSet<String> = policies.collect();
    let about: Vec<String> = about.chain(devices).chain(policies).collect();
    format!("FRR reconfiguration ({})", about.join(", "))
}

/// The VRFs that `show vrf` gives a table. One that it does not name is no more, though FRR 10's mgmtd may have kept
/// its configuration.
pub(super) fn active(shown: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let mut words = line.strip_prefix("vrf ")?.split_whitespace();
        let name = words.next()?;
        (words.next() == Some("id")).then(|| name.to_owned())
    };
    shown.lines().filter_map(|line| name(line.trim())).collect()
}

#[cfg(test)]
mod tests;
