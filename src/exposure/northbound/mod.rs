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
mod standing;
mod subnet;
mod tenant;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ipnet::IpNet;

use super::policy::northbound as policy;
use super::{
    Attachment, Attributes, Code, Decision, Exposure, Kind, Node, Options, Reason, Withheld,
};
use crate::ovn::{Northbound, Southbound};
pub use standing::Standing;

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
        exposures: Vec::new(),
        withheld: Some(Vec::new()),
    };
    for unit in Unit::all(inputs.northbound) {
        unit.decide(inputs, &mut verdict);
    }
    verdict.exposures.sort();
    let mut withheld = verdict.withheld.unwrap_or_default();
    withheld.sort();
    Decision {
        exposures: verdict.exposures,
        withheld,
        tenants: std::collections::BTreeMap::new(),
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
        let Verdict {
            exposures,
            withheld,
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

/// Why something is not exposed.
type Refusal = (Code, String);

/// What is decided so far.
#[derive(Default)]
struct Verdict {
    exposures: Vec<Arc<Exposure>>,
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
}

/// An exposure that enters OVN on this network; what only some kinds have is left out.
fn exposure(
    prefix: IpNet,
    kind: Kind,
    port: &Arc<str>,
    (network, attachment): (&Arc<str>, Attachment),
    reason: Reason,
) -> Exposure {
    Exposure {
        prefix,
        kind,
        port: port.clone(),
        network: network.clone(),
        attachment: Some(attachment),
        vni: None,
        layer: crate::exposure::Layer::default(),
        via: None,
        subnet: None,
        next_hop: None,
        mac: None,
        proxied: proxied::none(),
        attributes: Attributes::default(),
        reason,
    }
}
