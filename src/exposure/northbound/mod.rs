//! What `nb_ovn_bgp_driver` exposes: ports of provider networks, distributed floating IPs, gateways.
//!
//! [`decide`] says it for a whole snapshot, with what is withheld and why. [`Standing`] keeps the
//! exposures and takes again only the decisions that a change may concern: same result, at the cost
//! of the change.

mod fip;
mod gateway;
mod place;
mod port;
mod proxied;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::{Decision, Delta, Exposure, Node, Options, Withheld};
use crate::ovn::northbound::Affected;
use crate::ovn::{Northbound, Southbound};

/// All that the driver decides by.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub northbound: &'a Northbound,
    /// Where it is connected, port bindings decide while a port migrates.
    pub southbound: Option<&'a Southbound>,
    pub node: &'a Node,
    /// What of tenant networks is exposed.
    pub options: &'a Options,
}

/// Decides everything, and says why not for every candidate that is withheld.
pub fn decide(inputs: Inputs<'_>) -> Decision {
    let mut verdict = Verdict::explained();
    for port in inputs.northbound.ports() {
        port::decide(inputs, port, &mut verdict);
    }
    for port in inputs.northbound.router_ports() {
        gateway::decide(inputs, port, &mut verdict);
    }
    for nat in inputs.northbound.nats() {
        fip::without_port(inputs, nat, &mut verdict);
    }
    verdict.exposures.sort();
    let mut withheld = verdict.withheld.unwrap_or_default();
    withheld.sort();
    Decision {
        exposures: verdict.exposures,
        withheld,
    }
}

/// The exposures in force, by the row that each comes from.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    ports: ByRow,
    router_ports: ByRow,
}

type ByRow = FxHashMap<Uuid, Vec<Arc<Exposure>>>;

impl Standing {
    /// Takes again the decisions that may have changed. `affected` comes from
    /// [`Northbound::take_affected`]; set `everything` when the node changed.
    pub fn update(&mut self, inputs: Inputs<'_>, affected: Affected) -> Delta {
        let mut delta = Delta::default();
        if affected.everything {
            self.update_everything(inputs, &mut delta);
        } else {
            self.update_some(inputs, affected, &mut delta);
        }
        delta.added.sort();
        delta.removed.sort();
        delta
    }

    /// The exposures in force, in no particular order.
    pub fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        self.ports
            .values()
            .chain(self.router_ports.values())
            .flatten()
    }

    fn update_everything(&mut self, inputs: Inputs<'_>, delta: &mut Delta) {
        let nb = inputs.northbound;
        let gone = |known: &ByRow, exists: &dyn Fn(Uuid) -> bool| -> Vec<Uuid> {
            known
                .keys()
                .copied()
                .filter(|uuid| !exists(*uuid))
                .collect()
        };
        for uuid in gone(&self.ports, &|uuid| nb.port(uuid).is_some()) {
            self.update_port(inputs, uuid, delta);
        }
        for uuid in gone(&self.router_ports, &|uuid| nb.router_port(uuid).is_some()) {
            self.update_router_port(inputs, uuid, delta);
        }
        for port in nb.ports() {
            self.update_port(inputs, port.uuid, delta);
        }
        for port in nb.router_ports() {
            self.update_router_port(inputs, port.uuid, delta);
        }
    }

    fn update_some(&mut self, inputs: Inputs<'_>, mut affected: Affected, delta: &mut Delta) {
        let nb = inputs.northbound;
        for name in &affected.networks {
            let Some(network) = nb.network(name) else {
                continue;
            };
            affected.ports.extend(network.ports());
            affected.router_ports.extend(network.router_ports());
            for nat in network.nats().iter().filter_map(|uuid| nb.nat(*uuid)) {
                let port = nat
                    .logical_port
                    .as_ref()
                    .and_then(|name| nb.port_named(name));
                affected.ports.extend(port.map(|port| port.uuid));
            }
        }
        for uuid in affected.ports {
            self.update_port(inputs, uuid, delta);
        }
        for uuid in affected.router_ports {
            self.update_router_port(inputs, uuid, delta);
        }
    }

    fn update_port(&mut self, inputs: Inputs<'_>, uuid: Uuid, delta: &mut Delta) {
        let mut verdict = Verdict::default();
        if let Some(row) = inputs.northbound.port(uuid) {
            port::decide(inputs, row, &mut verdict);
        }
        replace(&mut self.ports, uuid, verdict.exposures, delta);
    }

    fn update_router_port(&mut self, inputs: Inputs<'_>, uuid: Uuid, delta: &mut Delta) {
        let mut verdict = Verdict::default();
        if let Some(row) = inputs.northbound.router_port(uuid) {
            gateway::decide(inputs, row, &mut verdict);
        }
        replace(&mut self.router_ports, uuid, verdict.exposures, delta);
    }
}

/// Puts a row's exposures in place of its old ones, and notes the difference.
fn replace(by_row: &mut ByRow, uuid: Uuid, mut new: Vec<Arc<Exposure>>, delta: &mut Delta) {
    new.sort();
    let old = by_row.get(&uuid).map_or(&[][..], Vec::as_slice);
    if old == new {
        return;
    }
    let only_in = |some: &[Arc<Exposure>], others: &[Arc<Exposure>]| -> Vec<Arc<Exposure>> {
        let missing = some.iter().filter(|e| others.binary_search(e).is_err());
        missing.cloned().collect()
    };
    delta.removed.extend(only_in(old, &new));
    delta.added.extend(only_in(&new, old));
    if new.is_empty() {
        by_row.remove(&uuid);
    } else {
        by_row.insert(uuid, new);
    }
}

/// What is decided so far.
#[derive(Default)]
struct Verdict {
    exposures: Vec<Arc<Exposure>>,
    /// Only where somebody reads it: a node sees far more candidates than it exposes.
    withheld: Option<Vec<Withheld>>,
}

impl Verdict {
    fn explained() -> Self {
        Self {
            exposures: Vec::new(),
            withheld: Some(Vec::new()),
        }
    }

    fn expose(&mut self, exposure: Exposure) {
        self.exposures.push(Arc::new(exposure));
    }

    fn withhold(&mut self, why: impl FnOnce() -> Withheld) {
        if let Some(withheld) = &mut self.withheld {
            withheld.push(why());
        }
    }
}
