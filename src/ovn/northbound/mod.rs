//! The Northbound database as the drivers see it: typed rows, indexes, and which rows a change
//! concerns.

mod feed;
mod network;
mod rows;
#[cfg(test)]
mod tests;
mod upkeep;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp::evpn::Vni;
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

pub use self::feed::monitor;
pub use self::network::Network;
pub use self::rows::{
    Balancer, DhcpOptions, Fip, FipMode, Interface, Nat, Octavia, PortAddress, PortKind, Purpose,
    Router, RouterPort, Snat, StaticRoute, Switch, SwitchPort, Told, router_id,
};
use super::index::Index;
use super::{Membership, Vpn};

/// A replica of the rows the NB driver uses.
#[derive(Clone, Debug, Default)]
pub struct Northbound {
    ports: FxHashMap<Uuid, Arc<SwitchPort>>,
    switches: FxHashMap<Uuid, Arc<Switch>>,
    routers: FxHashMap<Uuid, Arc<Router>>,
    router_ports: FxHashMap<Uuid, Arc<RouterPort>>,
    nats: FxHashMap<Uuid, Arc<Nat>>,
    static_routes: FxHashMap<Uuid, Arc<StaticRoute>>,
    balancers: FxHashMap<Uuid, Arc<Balancer>>,
    dhcp_options: FxHashMap<Uuid, Arc<DhcpOptions>>,
    fip_modes: FxHashMap<Uuid, FipMode>,
    lacks_hosting_chassis: bool,

    networks: FxHashMap<Arc<str>, Network>,
    ports_by_name: Index<Arc<str>>,
    switches_by_name: Index<Arc<str>>,
    switches_by_vni: Index<Vni>,
    /// Switch ports that are where the port of this name is: its subports, and virtual ports that it may claim.
    children: Index<Arc<str>>,
    nats_by_port: Index<Arc<str>>,
    /// Which switches list a port in their `ports`.
    switches_of_port: Index<Uuid>,
    routers_by_id: Index<Arc<str>>,
    router_ports_by_name: Index<Arc<str>>,
    routers_of_nat: Index<Uuid>,
    routers_of_port: Index<Uuid>,
    routers_of_route: Index<Uuid>,
    /// Switch ports of type `router`, by the router they name.
    interfaces_by_router: Index<Arc<str>>,
    /// The same, by the router port they name.
    interfaces_by_peer: Index<Arc<str>>,
    balancers_by_router: Index<Arc<str>>,
    /// By the switch port that holds the VIP.
    balancers_by_port: Index<Arc<str>>,
    /// By the addresses of their members, but for port forwardings of a router.
    balancers_by_member: Index<IpAddr>,
    /// Next hops of IPv6 default routes, with the routes that use them.
    ipv6_gateways: Index<Ipv6Addr>,

    affected: Affected,
}

/// What the changes since the last look may concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Every decision must be taken again.
    pub everything: bool,
    /// Switch ports: themselves, or their parent.
    pub ports: FxHashSet<Uuid>,
    /// Router ports.
    pub router_ports: FxHashSet<Uuid>,
    /// NAT rows: themselves, their port, their router, or its gateways.
    pub nats: FxHashSet<Uuid>,
    /// Load balancers: themselves, the port of the VIP, their router, their members.
    pub balancers: FxHashSet<Uuid>,
    /// Networks: their localnet ports, or the gateway addresses on them.
    pub networks: FxHashSet<Arc<str>>,
    /// Networks to which something changed about a router: its interface there, or anything behind it
    /// that decides what of the network is exposed.
    pub routed: FxHashSet<Arc<str>>,
    /// Networks of which it changed what VPN they belong to, where their localnet ports are, or what ports on them
    /// are told.
    pub vpn_networks: FxHashSet<Arc<str>>,
    /// VNIs that networks left or joined, or whose networks say something else of them.
    pub vnis: FxHashSet<Vni>,
    /// What some network's row says of a VPN, whether or not that makes it a VNI's.
    pub memberships: bool,
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
    Balancer(Balancer),
    DhcpOptions(DhcpOptions),
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
    Balancer,
    DhcpOptions,
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

    /// A logical switch by name.
    pub fn switch_named(&self, name: &str) -> Option<&Arc<Switch>> {
        self.switches.get(self.switches_by_name.get(name).first()?)
    }

    /// A logical switch by row id.
    pub fn switch(&self, uuid: Uuid) -> Option<&Arc<Switch>> {
        self.switches.get(&uuid)
    }

    /// Every logical switch, in no particular order.
    pub fn switches(&self) -> impl Iterator<Item = &Arc<Switch>> {
        self.switches.values()
    }

    /// Octets of a network's largest packet, where its row says so.
    pub fn mtu_of(&self, network: &str) -> Option<u32> {
        self.switch_named(network)?.mtu.octets()
    }

    /// What the row of this name says of the VPN that the network belongs to.
    pub fn vpn_of(&self, network: &str) -> Option<&Vpn> {
        self.switch_named(network).map(|switch| &switch.vpn)
    }

    /// The networks that belong to a VNI, in no particular order.
    pub fn networks_of_vni(&self, vni: Vni) -> impl Iterator<Item = (&Arc<str>, &Membership)> {
        let rows = self.switches_by_vni.get(&vni).iter();
        rows.filter_map(move |uuid| {
            let switch = self.switches.get(uuid)?;
            // Of two rows with the name, one counts.
            let counts = self.switches_by_name.get(&switch.name).first() == Some(uuid);
            let membership = switch.vpn.membership()?.ok()?;
            counts.then_some((&switch.name, membership))
        })
    }

    /// The VNIs that networks belong to, in no particular order.
    pub fn vnis(&self) -> impl Iterator<Item = Vni> + '_ {
        self.switches_by_vni.keys().copied()
    }

    /// What ports on a network are told of it, in the order of the rows' ids.
    pub fn dhcp_of(&self, network: &str) -> impl Iterator<Item = &Arc<DhcpOptions>> {
        let rows = self.networks.get(network).into_iter();
        let rows = rows.flat_map(Network::dhcp_options);
        rows.filter_map(|uuid| self.dhcp_options.get(&uuid))
    }

    /// Every router port, in no particular order.
    pub fn router_ports(&self) -> impl Iterator<Item = &Arc<RouterPort>> {
        self.router_ports.values()
    }

    /// A router port by row id.
    pub fn router_port(&self, uuid: Uuid) -> Option<&Arc<RouterPort>> {
        self.router_ports.get(&uuid)
    }

    /// A router port by name.
    pub fn router_port_named(&self, name: &str) -> Option<&Arc<RouterPort>> {
        let uuid = self.router_ports_by_name.get(name).first()?;
        self.router_ports.get(uuid)
    }

    /// Every floating IP, in no particular order.
    pub fn fips(&self) -> impl Iterator<Item = &Fip> {
        self.nats.values().filter_map(|nat| nat.as_fip())
    }

    /// A floating IP by row id.
    pub fn fip(&self, uuid: Uuid) -> Option<&Fip> {
        self.nats.get(&uuid)?.as_fip()
    }

    /// What a router hides behind addresses of its own, in the order of the rows' ids.
    pub fn snats_of<'a>(&'a self, router: &'a Router) -> impl Iterator<Item = &'a Snat> {
        let nats = router.nat.iter().filter_map(|uuid| self.nats.get(uuid));
        nats.filter_map(|nat| nat.as_snat())
    }

    /// The next hops of a router's default routes, in the order of the rows' ids.
    pub fn default_gateways<'a>(&'a self, router: &'a Router) -> impl Iterator<Item = IpAddr> + 'a {
        let routes = router.static_routes.iter();
        routes.filter_map(|uuid| self.static_routes.get(uuid)?.default_gateway)
    }

    /// Every load balancer, in no particular order.
    pub fn balancers(&self) -> impl Iterator<Item = &Arc<Balancer>> {
        self.balancers.values()
    }

    /// A load balancer by row id.
    pub fn balancer(&self, uuid: Uuid) -> Option<&Arc<Balancer>> {
        self.balancers.get(&uuid)
    }

    /// The load balancers whose VIP this switch port holds, in the order of the rows' ids.
    pub fn balancers_of_port(&self, name: &str) -> impl Iterator<Item = &Arc<Balancer>> {
        let rows = self.balancers_by_port.get(name).iter();
        rows.filter_map(|uuid| self.balancers.get(uuid))
    }

    /// A router by its id, as [`router_id`] has it.
    pub fn router_by_id(&self, id: &str) -> Option<&Arc<Router>> {
        self.routers.get(self.routers_by_id.get(id).first()?)
    }

    /// The ports of a router, in the order of the rows' ids.
    pub fn ports_of_router<'a>(
        &'a self,
        router: &'a Router,
    ) -> impl Iterator<Item = &'a Arc<RouterPort>> {
        let ports = router.ports.iter();
        ports.filter_map(|uuid| self.router_ports.get(uuid))
    }

    /// The router port behind a switch port of type `router`.
    pub fn peer_of(&self, port: &SwitchPort) -> Option<&Arc<RouterPort>> {
        self.router_port_named(port.interface.as_ref()?.peer.as_ref()?)
    }

    /// The router behind a switch port of type `router`: the one that Neutron names, else the one that
    /// has the router port.
    pub fn router_behind(&self, port: &SwitchPort) -> Option<&Arc<Router>> {
        match &port.interface.as_ref()?.router {
            Some(id) => self.router_by_id(id),
            None => self.router_of_port(self.peer_of(port)?.uuid),
        }
    }

    /// The switch ports of type `router` of a network, in the order of the rows' ids.
    pub fn interfaces(&self, network: &str) -> impl Iterator<Item = &Arc<SwitchPort>> {
        let ports = self.networks.get(network).map(|n| n.interfaces.iter());
        let ports = ports.into_iter().flatten();
        ports.filter_map(|uuid| self.ports.get(uuid))
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
