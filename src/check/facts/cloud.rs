//! What the OVN databases say, as far as `check` judges it: a digest of rows. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::agent::{Core, southbound_scope};
use crate::config::{Agent, Driver};
use crate::exposure::{Exposure, Options};
use crate::ovn::northbound::FipMode;
use crate::ovn::southbound::Scope;
use crate::ovn::{AddressScopes, Northbound, Southbound};
use crate::ovsdb::{Change, Condition, Datum, Monitor};

/// A digest of the rows that could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cloud {
    /// Whether the driver's database was read: without it nothing below but `chassis` is known.
    pub is_read: bool,
    /// Hostname by name of each row of SB `Chassis`; `None` where SB was not read.
    pub chassis: Option<BTreeMap<String, String>>,
    /// The hosts that ports of NB are bound to, each with how many.
    pub hosts: BTreeMap<String, usize>,
    /// Address scopes of router ports.
    pub scopes: BTreeSet<String>,
    /// Physical networks of localnet ports, each with the largest MTU of a network on it, where Neutron says.
    pub physical_networks: BTreeMap<String, Option<u32>>,
    /// The VNIs that ports of routers have, anywhere (SB).
    pub vnis: BTreeSet<Vni>,
    /// The provider networks of VNIs that are mapped here, by name.
    pub vni_networks: BTreeMap<String, VniNetwork>,
    /// Physical networks with a network on a VLAN.
    pub vlans: BTreeSet<String>,
    /// NB: nothing says whether floating IPs are distributed.
    pub fip_mode_unset: bool,
    /// What this node exposes.
    pub exposed: Vec<Exposed>,
    /// Rows that cannot be read, each in words.
    pub unreadable: Vec<String>,
}

/// A provider network of a VNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VniNetwork {
    pub vni: Vni,
    /// Octets of its largest packet, where OVN says so.
    pub mtu: Option<u32>,
}

/// An exposure, as far as it can get in the way of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    pub prefix: IpNet,
    /// The tenant subnet that it is reached through.
    pub subnet: Option<IpNet>,
    /// Logical switch port or logical router port it belongs to.
    pub port: String,
    /// Gateway address, and its bridge: the way in.
    pub way: String,
}

/// Rows as they were read, and who asks.
pub struct Rows<'a> {
    pub agent: &'a Agent,
    /// The machine's name.
    pub host: &'a str,
    /// Of Open_vSwitch, as the agent monitors it.
    pub vswitch: &'a [Change],
    /// Of the driver's database, as the driver monitors it; `None` where it could not be read.
    pub driver: Option<&'a [Change]>,
    /// Of [`Cloud::chassis_monitor`].
    pub chassis: Option<&'a [Change]>,
    /// Of [`Cloud::switch_monitor`].
    pub switches: &'a [Change],
}

impl Cloud {
    /// The names of chassis, of OVN_Southbound.
    pub fn chassis_monitor() -> Monitor {
        Monitor::default().with_table("Chassis", &["name", "hostname"], Condition::All)
    }

    /// What Neutron notes with networks, of OVN_Northbound.
    pub fn switch_monitor() -> Monitor {
        Monitor::default().with_table("Logical_Switch", &["name", "external_ids"], Condition::All)
    }

    /// Digests the rows.
    pub fn of(rows: &Rows<'_>) -> Self {
        let mut cloud = Self {
            is_read: rows.driver.is_some(),
            chassis: rows.chassis.map(chassis),
            ..Self::default()
        };
        let Some(changes) = rows.driver else {
            return cloud;
        };
        match rows.agent.driver {
            Driver::Northbound => cloud.northbound(changes, &mtus(rows.switches)),
            Driver::Southbound | Driver::StretchedL2 | Driver::Evpn | Driver::Native => {
                cloud.southbound(changes, southbound_scope(rows.agent.driver));
            }
        }
        cloud.decide(rows, changes);
        cloud
    }

    fn northbound(&mut self, changes: &[Change], mtus: &BTreeMap<String, u32>) {
        let mut nb = Northbound::default();
        nb.apply(changes);
        for port in nb.ports() {
            let host = port.requested_chassis.first().or(port.host_id.as_ref());
            if let Some(host) = host {
                *self.hosts.entry(host.to_string()).or_default() += 1;
            }
            self.scopes(port.interface.as_ref().map(|interface| &interface.scopes));
        }
        for localnet in nb.all_localnets() {
            let network = nb.network_of(localnet);
            let mtu = network.and_then(|name| mtus.get(&**name)).copied();
            self.physical(localnet.physical_network.as_ref(), mtu, localnet.tag);
        }
        self.fip_mode_unset = nb.fip_mode() == FipMode::Unset;
    }

    fn southbound(&mut self, changes: &[Change], scope: Scope) {
        let mut sb = Southbound::new(scope);
        sb.apply(changes);
        for binding in sb.bindings() {
            self.scopes(binding.patch().map(|patch| &patch.scopes));
            if let Ok(Some((vni, _))) = binding.bgpvpn.vni() {
                self.vnis.insert(vni);
            }
        }
        for localnet in sb.all_localnets() {
            self.physical(localnet.physical_network.as_ref(), None, localnet.vlan);
        }
    }

    fn scopes(&mut self, scopes: Option<&AddressScopes>) {
        let Some(scopes) = scopes else {
            return;
        };
        let anywhere = [
            Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 0).map(IpNet::V4),
            Ipv6Net::new(Ipv6Addr::UNSPECIFIED, 0).map(IpNet::V6),
        ];
        let scopes = anywhere
            .into_iter()
            .flatten()
            .filter_map(|net| scopes.of(net));
        self.scopes.extend(scopes.map(ToString::to_string));
    }

    fn physical(&mut self, name: Option<&Arc<str>>, mtu: Option<u32>, vlan: Option<u16>) {
        let Some(name) = name else {
            return;
        };
        let known = self.physical_networks.entry(name.to_string()).or_default();
        *known = (*known).max(mtu);
        if vlan.is_some() {
            self.vlans.insert(name.to_string());
        }
    }

    fn decide(&mut self, rows: &Rows<'_>, changes: &[Change]) {
        let agent = rows.agent;
        let options = Options::from(agent);
        let mut core = Core::new(rows.host, agent.bgp_vrf_table_id, agent.driver, options);
        let mut problems = core.take_vswitch(rows.vswitch);
        problems.extend(match agent.driver {
            Driver::Northbound => core.take_northbound(changes),
            _ => core.take_southbound(changes),
        });
        self.unreadable = problems.iter().map(ToString::to_string).collect();
        let decision = core.decision().unwrap_or_default();
        let networks = decision.tenants.iter().flat_map(|(vni, tenant)| {
            let networks = tenant.networks.iter();
            networks.map(|(name, n)| {
                (
                    name.to_string(),
                    VniNetwork {
                        vni: *vni,
                        mtu: n.mtu,
                    },
                )
            })
        });
        self.vni_networks = networks.collect();
        self.exposed = decision.exposures.iter().map(|e| Exposed::of(e)).collect();
    }
}

impl Exposed {
    fn of(exposure: &Exposure) -> Self {
        let bridge = exposure.bridge().map(|bridge| bridge.to_string());
        let via = exposure.via.or(exposure.next_hop);
        let via = via.map(|via| via.to_string()).unwrap_or_default();
        Self {
            prefix: exposure.prefix,
            subnet: exposure.subnet,
            port: exposure.port.to_string(),
            way: format!("{via}%{}", bridge.unwrap_or_default()),
        }
    }
}

fn rows(changes: &[Change]) -> impl Iterator<Item = (&str, Option<&Datum>)> {
    changes.iter().filter_map(|change| {
        let row = change.new.as_ref()?;
        Some((row.get(0)?.as_str()?, row.get(1)))
    })
}

fn chassis(changes: &[Change]) -> BTreeMap<String, String> {
    let hostname = |datum: Option<&Datum>| {
        datum
            .and_then(|d| d.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    rows(changes)
        .map(|(name, host)| (name.to_owned(), hostname(host)))
        .collect()
}

/// By network, what Neutron notes as `neutron:mtu`.
fn mtus(changes: &[Change]) -> BTreeMap<String, u32> {
    let mtu = |ids: Option<&Datum>| {
        let mut pairs = ids?.pairs().iter();
        let (_, value) = pairs.find(|(key, _)| key.as_str() == Some("neutron:mtu"))?;
        value.as_str()?.parse().ok()
    };
    rows(changes)
        .filter_map(|(name, ids)| Some((name.to_owned(), mtu(ids)?)))
        .collect()
}
