//! The exposures in force, kept by the row that each comes from.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Inputs, Unit, Verdict};
use crate::exposure::{Delta, Exposure};
use crate::ovn::Northbound;
use crate::ovn::northbound::{Affected, Network};

/// The exposures in force, by the row that each comes from.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    by_row: FxHashMap<Unit, Vec<Arc<Exposure>>>,
}

impl Standing {
    /// Takes again the decisions that may have changed. `affected` comes from
    /// [`Northbound::take_affected`]; set `everything` when the node, the options or which database
    /// says where gateways are have changed.
    pub fn update(&mut self, inputs: Inputs<'_>, affected: Affected) -> Delta {
        let mut delta = Delta::default();
        for unit in self.concerned(inputs.northbound, affected) {
            let mut verdict = Verdict::default();
            unit.decide(inputs, &mut verdict);
            self.replace(unit, verdict.exposures, &mut delta);
        }
        delta.added.sort();
        delta.removed.sort();
        delta
    }

    /// The exposures in force, in no particular order.
    pub fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        self.by_row.values().flatten()
    }

    fn concerned(&self, nb: &Northbound, affected: Affected) -> FxHashSet<Unit> {
        if affected.everything {
            return self.by_row.keys().copied().chain(Unit::all(nb)).collect();
        }
        let mut units = FxHashSet::default();
        units.extend(affected.ports.into_iter().map(Unit::Port));
        units.extend(affected.router_ports.into_iter().map(Unit::RouterPort));
        units.extend(affected.nats.into_iter().map(Unit::Fip));
        units.extend(affected.balancers.into_iter().map(Unit::Balancer));
        let networks = affected.networks.iter().filter_map(|name| nb.network(name));
        for network in networks {
            units.extend(ports_of(nb, network));
            units.extend(network.router_ports().iter().copied().map(Unit::RouterPort));
            units.extend(network.nats().iter().copied().map(Unit::Fip));
        }
        let routed = affected.routed.difference(&affected.networks);
        for network in routed.filter_map(|name| nb.network(name)) {
            units.extend(ports_of(nb, network));
        }
        units
    }

    /// Puts a row's exposures in place of its old ones, and notes the difference.
    fn replace(&mut self, unit: Unit, mut new: Vec<Arc<Exposure>>, delta: &mut Delta) {
        new.sort();
        let old = self.by_row.get(&unit).map_or(&[][..], Vec::as_slice);
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
            self.by_row.remove(&unit);
        } else {
            self.by_row.insert(unit, new);
        }
    }
}

/// The ports on a network, and the load balancers whose VIPs they hold.
fn ports_of(nb: &Northbound, network: &Network) -> impl Iterator<Item = Unit> {
    network.ports().iter().flat_map(|uuid| {
        let port = nb.port(*uuid);
        let balancers = port.map(|port| nb.balancers_of_port(&port.name));
        let balancers = balancers.into_iter().flatten();
        std::iter::once(Unit::Port(*uuid)).chain(balancers.map(|row| Unit::Balancer(row.uuid)))
    })
}
