//! The exposures in force, kept by the row that each comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp::evpn::Vni;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Inputs, Stations, Unit, Verdict, router_address, tenants};
use crate::exposure::{Delta, Exposure, Station, Tenant};
use crate::ovn::Northbound;
use crate::ovn::northbound::{Affected, Network};

/// The exposures in force, by the row that each comes from, and the tenants whose they are.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    by_row: FxHashMap<Unit, Vec<Arc<Exposure>>>,
    /// How many of them each network of a VNI has.
    occupied: FxHashMap<Arc<str>, usize>,
    /// The router addresses of those networks.
    routers: FxHashMap<Arc<str>, Vec<Arc<Exposure>>>,
    /// What is here without an IP address, by the row that each comes from, and by network.
    stations_by_row: FxHashMap<Unit, Vec<(Arc<str>, Station)>>,
    stations: Stations,
    tenants: BTreeMap<Vni, Arc<Tenant>>,
}

impl Standing {
    /// Takes again the decisions that may have changed. `affected` comes from
    /// [`Northbound::take_affected`]; set `everything` when the node, the options or which database
    /// says where gateways are have changed.
    pub fn update(&mut self, inputs: Inputs<'_>, affected: Affected) -> Delta {
        let mut delta = Delta::default();
        let mut touched = Touched::of(&affected);
        for unit in self.concerned(inputs.northbound, affected) {
            let mut verdict = Verdict::default();
            unit.decide(inputs, &mut verdict);
            self.replace(unit, verdict.exposures, &mut touched, &mut delta);
            self.replace_stations(unit, verdict.stations, &mut touched);
        }
        if inputs.options.method.has_tenants() || !self.tenants.is_empty() {
            self.update_tenants(inputs, touched, &mut delta);
        }
        delta.added.sort();
        delta.removed.sort();
        delta
    }

    /// The exposures in force, in no particular order.
    pub fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        let exposures = self.by_row.values().chain(self.routers.values());
        exposures.flatten()
    }

    /// The tenants that this node reaches.
    pub fn tenants(&self) -> &BTreeMap<Vni, Arc<Tenant>> {
        &self.tenants
    }

    fn concerned(&self, nb: &Northbound, affected: Affected) -> FxHashSet<Unit> {
        if affected.everything {
            let known = self.by_row.keys().chain(self.stations_by_row.keys());
            return known.copied().chain(Unit::all(nb)).collect();
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
    fn replace(
        &mut self,
        unit: Unit,
        mut new: Vec<Arc<Exposure>>,
        touched: &mut Touched,
        delta: &mut Delta,
    ) {
        new.sort();
        let old = self.by_row.get(&unit).map_or(&[][..], Vec::as_slice);
        if old == new {
            return;
        }
        let (removed, added) = difference(old, &new);
        for exposure in added.iter().filter(|e| e.vni.is_some()) {
            let name = &exposure.network;
            let count = self.occupied.entry(name.clone()).or_insert(0);
            if *count == 0 {
                touched.networks.insert(name.clone());
            }
            *count += 1;
        }
        for exposure in removed.iter().filter(|e| e.vni.is_some()) {
            let name = &exposure.network;
            if let Some(count) = self.occupied.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.occupied.remove(name);
                    touched.networks.insert(name.clone());
                }
            }
        }
        delta.removed.extend(removed);
        delta.added.extend(added);
        if new.is_empty() {
            self.by_row.remove(&unit);
        } else {
            self.by_row.insert(unit, new);
        }
    }

    /// The same of what has no IP address. Few rows have such.
    fn replace_stations(
        &mut self,
        unit: Unit,
        new: Vec<(Arc<str>, Station)>,
        touched: &mut Touched,
    ) {
        let old = self.stations_by_row.remove(&unit).unwrap_or_default();
        for (network, station) in old.iter().filter(|one| !new.contains(one)) {
            if let Some(stations) = self.stations.get_mut(network) {
                stations.remove(station);
                if stations.is_empty() {
                    self.stations.remove(network);
                }
            }
            touched.networks.insert(network.clone());
        }
        for (network, station) in new.iter().filter(|one| !old.contains(one)) {
            let stations = self.stations.entry(network.clone()).or_default();
            stations.insert(station.clone());
            touched.networks.insert(network.clone());
        }
        if !new.is_empty() {
            self.stations_by_row.insert(unit, new);
        }
    }

    /// The networks of VNIs as a whole: what they are depends on whether something of them is here.
    fn update_tenants(&mut self, inputs: Inputs<'_>, touched: Touched, delta: &mut Delta) {
        let nb = inputs.northbound;
        let (mut networks, mut vnis) = (touched.networks, touched.vnis);
        if touched.everything {
            networks.extend(self.routers.keys().chain(self.occupied.keys()).cloned());
            vnis.extend(self.tenants.keys().copied().chain(nb.vnis()));
        }
        for name in &networks {
            vnis.extend(nb.vpn_of(name).and_then(|vpn| vpn.vni()));
            self.replace_routers(inputs, name, delta);
        }
        for vni in vnis {
            let occupied = |name: &str| self.occupied.contains_key(name);
            let new = tenants::of_vni(inputs, vni, occupied, &self.stations);
            if self.tenants.get(&vni).map(|tenant| &**tenant) == new.as_ref() {
                continue;
            }
            let new = new.map(Arc::new);
            match &new {
                Some(tenant) => drop(self.tenants.insert(vni, tenant.clone())),
                None => drop(self.tenants.remove(&vni)),
            }
            delta.tenants.insert(vni, new);
        }
    }

    fn replace_routers(&mut self, inputs: Inputs<'_>, network: &Arc<str>, delta: &mut Delta) {
        let mut verdict = Verdict::default();
        if self.occupied.contains_key(network) {
            router_address::decide(inputs, network, &mut verdict);
        }
        let mut new = verdict.exposures;
        new.sort();
        let old = self.routers.get(network).map_or(&[][..], Vec::as_slice);
        let (removed, added) = difference(old, &new);
        delta.removed.extend(removed);
        delta.added.extend(added);
        if new.is_empty() {
            self.routers.remove(network);
        } else {
            self.routers.insert(network.clone(), new);
        }
    }
}

/// Networks and VNIs that have to be looked at as a whole.
struct Touched {
    everything: bool,
    networks: FxHashSet<Arc<str>>,
    vnis: BTreeSet<Vni>,
}

impl Touched {
    fn of(affected: &Affected) -> Self {
        let networks = affected.vpn_networks.iter();
        let networks = networks.chain(&affected.networks).chain(&affected.routed);
        Self {
            everything: affected.everything,
            networks: networks.cloned().collect(),
            vnis: affected.vnis.iter().copied().collect(),
        }
    }
}

/// What only one of two sorted lists has: the old one, and the new one.
fn difference(
    old: &[Arc<Exposure>],
    new: &[Arc<Exposure>],
) -> (Vec<Arc<Exposure>>, Vec<Arc<Exposure>>) {
    let only_in = |some: &[Arc<Exposure>], others: &[Arc<Exposure>]| -> Vec<Arc<Exposure>> {
        let missing = some.iter().filter(|e| others.binary_search(e).is_err());
        missing.cloned().collect()
    };
    (only_in(old, new), only_in(new, old))
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
