//! What `nb_ovn_bgp_driver` exposes: ports of provider networks, floating IPs, gateways; behind these
//! tenant networks, load balancers and port forwardings.
//!
//! [`decide`] says it for a whole snapshot, with what is withheld and why. [`Standing`] keeps the
//! exposures and takes again only the decisions that a change may concern: same result, at the cost
//! of the change.

mod balancer;
mod fip;
mod fip_on_gateway;
mod forwarding;
mod gateway;
mod interface;
mod place;
mod port;
mod proxied;
mod router;
mod router_address;
mod standing;
mod subnet;
mod tenant;
mod tenants;
#[cfg(test)]
mod tests;
mod vpn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use self::place::Site;
use super::policy::northbound as policy;
use super::{
    Attributes, Code, Decision, Exposure, Kind, Layer, Node, Options, Reason, Station, Withheld,
};
use crate::ovn::{Northbound, Southbound};
pub use standing::Standing;
pub use tenants::{Conflict, conflicts, left_out};

/// All that the driver decides by.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub northbound: &'a Northbound,
    /// Where it is connected, port bindings decide where gateways are, and ports that migrate.
    pub southbound: Option<&'a Southbound>,
    pub node: &'a Node,
    /// What of tenant networks is exposed.
    pub options: &'a Options,
}

/// Decides everything, and says why not for every candidate that is withheld.
pub fn decide(inputs: Inputs<'_>) -> Decision {
    let mut verdict = Verdict {
        withheld: Some(Vec::new()),
        ..Verdict::default()
    };
    for unit in Unit::all(inputs.northbound) {
        unit.decide(inputs, &mut verdict);
    }
    let occupied = verdict.exposures.iter().filter(|e| e.vni.is_some());
    let occupied: BTreeSet<_> = occupied.map(|e| e.network.clone()).collect();
    for network in &occupied {
        router_address::decide(inputs, network, &mut verdict);
    }
    verdict.exposures.sort();
    let mut stations = Stations::default();
    for (network, station) in std::mem::take(&mut verdict.stations) {
        stations.entry(network).or_default().insert(station);
    }
    let mut withheld = verdict.withheld.unwrap_or_default();
    withheld.sort();
    Decision {
        exposures: verdict.exposures,
        withheld,
        tenants: tenants::all(inputs, |network| occupied.contains(network), &stations),
    }
}

/// A row that is decided about by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Port(uuid::Uuid),
    RouterPort(uuid::Uuid),
    Fip(uuid::Uuid),
    Balancer(uuid::Uuid),
}

impl Unit {
    fn all(nb: &Northbound) -> impl Iterator<Item = Self> {
        let ports = nb.ports().map(|port| Self::Port(port.uuid));
        let router_ports = nb.router_ports().map(|port| Self::RouterPort(port.uuid));
        let fips = nb.fips().map(|fip| Self::Fip(fip.uuid));
        let balancers = nb.balancers().map(|row| Self::Balancer(row.uuid));
        ports.chain(router_ports).chain(fips).chain(balancers)
    }

    /// A row that is not there decides nothing. What policies say comes last.
    fn decide(self, inputs: Inputs<'_>, verdict: &mut Verdict) {
        let from = verdict.exposures.len();
        self.expose(inputs, verdict);
        verdict.withhold_without_mac(from);
        let Verdict {
            exposures,
            withheld,
            ..
        } = verdict;
        policy::rule(inputs, self.decided(), exposures, from, withheld);
    }

    fn decided(self) -> policy::Decided {
        match self {
            Self::Port(uuid) => policy::Decided::Port(uuid),
            Self::RouterPort(uuid) => policy::Decided::RouterPort(uuid),
            Self::Fip(uuid) => policy::Decided::Fip(uuid),
            Self::Balancer(uuid) => policy::Decided::Balancer(uuid),
        }
    }

    fn expose(self, inputs: Inputs<'_>, verdict: &mut Verdict) {
        let nb = inputs.northbound;
        match self {
            Self::Port(uuid) => {
                if let Some(row) = nb.port(uuid) {
                    port::decide(inputs, row, verdict);
                }
            }
            Self::RouterPort(uuid) => {
                if let Some(row) = nb.router_port(uuid) {
                    gateway::decide(inputs, row, verdict);
                }
            }
            Self::Fip(uuid) => {
                if let Some(row) = nb.fip(uuid) {
                    fip::decide(inputs, row, verdict);
                }
            }
            Self::Balancer(uuid) => {
                if let Some(row) = nb.balancer(uuid) {
                    balancer::decide(inputs, row, verdict);
                }
            }
        }
    }
}

/// What is here of stretched networks without an IP address, by network.
type Stations = BTreeMap<Arc<str>, BTreeSet<Station>>;

/// Why something is not exposed.
type Refusal = (Code, String);

/// What is decided so far.
#[derive(Default)]
struct Verdict {
    exposures: Vec<Arc<Exposure>>,
    /// What is here without an IP address, each with its network.
    stations: Vec<(Arc<str>, Station)>,
    /// Only where somebody reads it: a node sees far more candidates than it exposes.
    withheld: Option<Vec<Withheld>>,
}

impl Verdict {
    fn expose(&mut self, exposure: Exposure) {
        self.exposures.push(Arc::new(exposure));
    }

    fn withhold(&mut self, why: impl FnOnce() -> Withheld) {
        if let Some(withheld) = &mut self.withheld {
            withheld.push(why());
        }
    }

    /// Takes away what is stretched and cannot be, of the exposures from the `from`th on: an address there is its MAC's.
    fn withhold_without_mac(&mut self, from: usize) {
        let homeless = |e: &Exposure| e.layer == Layer::Bridged && e.mac.is_none();
        if !self.exposures.iter().skip(from).any(|e| homeless(e)) {
            return;
        }
        for exposure in self.exposures.split_off(from) {
            if homeless(&exposure) {
                self.withhold(|| without_mac(&exposure));
            } else {
                self.exposures.push(exposure);
            }
        }
    }
}

fn without_mac(exposure: &Exposure) -> Withheld {
    Withheld {
        prefix: exposure.prefix,
        kind: exposure.kind,
        port: exposure.port.clone(),
        code: Code::NoMac,
        reason: format!(
            "network {} is stretched, and nothing says which MAC address has it: a virtual port has that of the port in \
             Port_Binding.virtual_parent; without OVN_Southbound, exactly one of options:virtual-parents must be up on \
             its host",
            exposure.network
        ),
    }
}

/// An exposure that enters OVN on this network; what only some kinds have is left out.
fn exposure(
    prefix: IpNet,
    kind: Kind,
    port: &Arc<str>,
    (network, site): (&Arc<str>, Site),
    reason: Reason,
) -> Exposure {
    Exposure {
        prefix,
        kind,
        port: port.clone(),
        network: network.clone(),
        attachment: Some(site.attachment),
        vni: site.vni,
        layer: site.layer,
        via: None,
        subnet: None,
        next_hop: None,
        mac: None,
        proxied: proxied::none(),
        attributes: Attributes::default(),
        reason,
    }
}
