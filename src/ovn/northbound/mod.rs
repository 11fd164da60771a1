//! The Northbound database as the drivers see it: typed rows, indexes, and which rows a change
//! concerns.

mod feed;
mod network;
mod rows;
#[cfg(test)]
mod tests;
mod upkeep;

use std::net::Ipv6Addr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

pub use self::feed::monitor;
pub use self::network::Network;
pub use self::rows::{
    FipMode, Nat, PortAddress, PortKind, Router, RouterPort, StaticRoute, Switch, SwitchPort,
};
use super::index::Index;

/// A replica of the rows the NB driver uses.
#[derive(Clone, Debug, Default)]
pub struct Northbound {
    ports: FxHashMap<Uuid, Arc<SwitchPort>>,
    switches: FxHashMap<Uuid, Arc<Switch>>,
    routers: FxHashMap<Uuid, Arc<Router>>,
    router_ports: FxHashMap<Uuid, Arc<RouterPort>>,
    nats: FxHashMap<Uuid, Arc<Nat>>,
    static_routes: FxHashMap<Uuid, Arc<StaticRoute>>,
    fip_modes: FxHashMap<Uuid, FipMode>,
    lacks_hosting_chassis: bool,

    networks: FxHashMap<Arc<str>, Network>,
    ports_by_name: Index<Arc<str>>,
    children: Index<Arc<str>>,
    nats_by_port: Index<Arc<str>>,
    /// Which switches list a port in their `ports`.
    switches_of_port: Index<Uuid>,
    routers_of_nat: Index<Uuid>,
    routers_of_port: Index<Uuid>,
    /// Next hops of IPv6 default routes, with the routes that use them.
    ipv6_gateways: Index<Ipv6Addr>,

    affected: Affected,
}

/// What the changes since the last look may concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Every decision must be taken again.
    pub everything: bool,
    /// Switch ports: themselves, their parent, or a NAT row that names them.
    pub ports: FxHashSet<Uuid>,
    /// Router ports.
    pub router_ports: FxHashSet<Uuid>,
    /// Networks: their localnet ports, or the gateway addresses on them.
    pub networks: FxHashSet<Arc<str>>,
    /// The localnet ports of some network ([`Northbound::all_localnets`]).
    pub localnets: bool,
}

/// A row of one of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    SwitchPort(SwitchPort),
    Switch(Switch),
    Router(Router),
    RouterPort(RouterPort),
    Nat(Nat),
    StaticRoute(StaticRoute),
    Global(FipMode),
}

/// The tables the driver uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    SwitchPort,
    Switch,
    Router,
    RouterPort,
    Nat,
    StaticRoute,
    Global,
}

impl Northbound {
    /// Notes whether the server lacks `Logical_Router_Port.status` (OVN before 23.09): gateway ports
    /// are then withheld.
    pub(crate) fn set_lacks_hosting_chassis(&mut self, lacks: bool) {
        self.affected.everything |= self.lacks_hosting_chassis != lacks;
        self.lacks_hosting_chassis = lacks;
    }

    /// Whether the server lacks `Logical_Router_Port.status`.
    pub fn lacks_hosting_chassis(&self) -> bool {
        self.lacks_hosting_chassis
    }

    /// Takes what the changes since the last call may concern.
    pub fn take_affected(&mut self) -> Affected {
        std::mem::take(&mut self.affected)
    }

    /// Notes that a decision about this switch port may change for a reason outside this database.
    pub fn affect_port_named(&mut self, name: &str) {
        let affected = &mut self.affected.ports;
        affected.extend(self.ports_by_name.get(name));
        affected.extend(self.children.get(name));
    }

    /// Every switch port, in no particular order.
    pub fn ports(&self) -> impl Iterator<Item = &Arc<SwitchPort>> {
        self.ports.values()
    }

    /// A switch port by row id.
    pub fn port(&self, uuid: Uuid) -> Option<&Arc<SwitchPort>> {
        self.ports.get(&uuid)
    }

    /// A switch port by name.
    pub fn port_named(&self, name: &str) -> Option<&Arc<SwitchPort>> {
        let uuid = self.ports_by_name.get(name).first()?;
        self.ports.get(uuid)
    }

    /// Every router port, in no particular order.
    pub fn router_ports(&self) -> impl Iterator<Item = &Arc<RouterPort>> {
        self.router_ports.values()
    }

    /// A router port by row id.
    pub fn router_port(&self, uuid: Uuid) -> Option<&Arc<RouterPort>> {
        self.router_ports.get(&uuid)
    }

    /// Every floating IP, in no particular order.
    pub fn nats(&self) -> impl Iterator<Item = &Arc<Nat>> {
        self.nats.values()
    }

    /// A floating IP by row id.
    pub fn nat(&self, uuid: Uuid) -> Option<&Arc<Nat>> {
        self.nats.get(&uuid)
    }

    /// The floating IPs whose `logical_port` is this port.
    pub fn nats_of_port(&self, name: &str) -> impl Iterator<Item = &Arc<Nat>> {
        let rows = self.nats_by_port.get(name).iter();
        rows.filter_map(|uuid| self.nats.get(uuid))
    }

    /// The router whose `nat` names this row.
    pub fn router_of_nat(&self, nat: Uuid) -> Option<&Arc<Router>> {
        self.routers.get(self.routers_of_nat.get(&nat).first()?)
    }

    /// The router whose `ports` names this router port.
    pub fn router_of_port(&self, port: Uuid) -> Option<&Arc<Router>> {
        self.routers.get(self.routers_of_port.get(&port).first()?)
    }

    /// What is known of the logical switch of this name.
    pub fn network(&self, name: &str) -> Option<&Network> {
        self.networks.get(name)
    }

    /// The network a switch port is on: the one it names, else the switch that lists it.
    pub fn network_of<'a>(&'a self, port: &'a SwitchPort) -> Option<&'a Arc<str>> {
        port.network.as_ref().or_else(|| {
            let switches = self.switches_of_port.get(&port.uuid).iter();
            let names = switches.filter_map(|uuid| Some(&self.switches.get(uuid)?.name));
            names.min()
        })
    }

    /// The localnet ports of a network.
    pub fn localnets(&self, network: &str) -> impl Iterator<Item = &Arc<SwitchPort>> {
        let ports = self.networks.get(network).map(|n| n.localnets.iter());
        ports
            .into_iter()
            .flatten()
            .filter_map(|uuid| self.ports.get(uuid))
    }

    /// Every localnet port that a network has, in no particular order.
    pub fn all_localnets(&self) -> impl Iterator<Item = &Arc<SwitchPort>> {
        let ports = self.networks.values().flat_map(|n| &n.localnets);
        ports.filter_map(|uuid| self.ports.get(uuid))
    }

    /// The next hops of IPv6 default routes inside a subnet, in no particular order.
    pub fn ipv6_gateways(&self, subnet: ipnet::Ipv6Net) -> impl Iterator<Item = Ipv6Addr> + '_ {
        let gateways = self.ipv6_gateways.keys().copied();
        gateways.filter(move |gateway| subnet.contains(gateway))
    }

    /// Where floating IPs are answered for.
    pub fn fip_mode(&self) -> FipMode {
        // NB_Global has one row; `min` by id only makes two of them deterministic.
        let row = self.fip_modes.iter().min_by_key(|(uuid, _)| **uuid);
        row.map_or(FipMode::Unset, |(_, mode)| *mode)
    }
}
