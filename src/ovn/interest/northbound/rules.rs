//! What leads to what.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::bindings::{BINDING, Bindings};
use super::leads::{Kind, Leads, Port, Router, RouterPort, VPN_TYPE};
use super::placement::Placement;
use super::{
    BALANCER, DHCP, NAT, Needs, Own, PORT, ROUTE, ROUTER, ROUTER_PORT, SWITCH, TABLES, TenantRows,
    Want, Wanted,
};
use crate::ovn::VpnKind;

const NETWORK: &str = "neutron:network_name";

/// All that the rules look at.
pub(super) struct View<'a> {
    pub(super) own: &'a Own,
    pub(super) needs: Needs,
    pub(super) leads: &'a Leads,
    pub(super) placement: &'a Placement,
    pub(super) bindings: &'a Bindings,
    pub(super) northbound_read: bool,
    /// Rows of switches hold something that decides.
    pub(super) switches_tell: bool,
}

/// What is needed of OVN_Northbound and of OVN_Southbound.
pub(super) fn apply(view: &View<'_>) -> (Wanted, Wanted) {
    let mut rules = Rules::new(view);
    rules.this_node();
    rules.bound_here();
    rules.ports_here();
    rules.gateways_here();
    rules.provider_networks();
    if view.needs.vpns {
        rules.vpn_networks();
    }
    rules.ports_by_name();
    (rules.northbound, rules.southbound)
}

struct Rules<'a> {
    view: &'a View<'a>,
    northbound: Wanted,
    southbound: Wanted,
    /// Logical ports bound to this chassis, as OVN_Southbound says.
    bound: FxHashSet<&'a str>,
    /// Switch ports that are needed for their name.
    names: FxHashSet<&'a Arc<str>>,
    /// Networks with a localnet port.
    provider: FxHashSet<&'a Arc<str>>,
    /// NAT rows by the router port that they name as their gateway.
    nats_by_gateway: FxHashMap<Uuid, Vec<Uuid>>,
    /// Interfaces by the id of their router, and by the name of the router port behind them.
    interfaces: FxHashMap<&'a Arc<str>, Vec<&'a Port>>,
    /// Networks of floating IPs of ports here.
    external: FxHashSet<Arc<str>>,
    /// Networks that ports and gateways here are on, and whether one of those has an IPv6 address.
    networks: FxHashSet<(&'a Arc<str>, bool)>,
}

impl<'a> Rules<'a> {
    fn new(view: &'a View<'a>) -> Self {
        let mut rules = Self {
            northbound: Wanted::none_of(&TABLES),
            southbound: match view.bindings.is_followed() {
                true => Wanted::none_of(&[BINDING]),
                false => Wanted::default(),
            },
            bound: FxHashSet::default(),
            names: FxHashSet::default(),
            provider: FxHashSet::default(),
            nats_by_gateway: FxHashMap::default(),
            interfaces: FxHashMap::default(),
            external: FxHashSet::default(),
            networks: FxHashSet::default(),
            view,
        };
        rules.index();
        rules
    }

    fn index(&mut self) {
        let leads = self.view.leads;
        for port in leads.ports.values() {
            match &port.kind {
                Kind::Localnet => self.provider.extend(&port.network),
                Kind::Interface(router) => {
                    for key in router.iter().chain(&port.peer) {
                        self.interfaces.entry(key).or_default().push(port);
                    }
                }
                Kind::Workload | Kind::Vip | Kind::Other => {}
            }
        }
        for (uuid, nat) in &leads.nats {
            if let Some(gateway) = nat.gateway {
                self.nats_by_gateway.entry(gateway).or_default().push(*uuid);
            }
        }
    }

    /// What can be named without having seen anything.
    fn this_node(&mut self) {
        self.want(PORT, Want::Text("type", "localnet".into()));
        for name in self.view.own.names() {
            let name = || Arc::clone(name);
            self.want(PORT, Want::Pair("options", "requested-chassis", name()));
            self.want(PORT, Want::Pair("external_ids", "neutron:host_id", name()));
        }
        let chassis = Arc::clone(&self.view.own.chassis);
        self.want(
            ROUTER_PORT,
            Want::Pair("status", "hosting-chassis", chassis),
        );
    }

    /// What OVN_Southbound says is bound to this chassis, whatever OVN_Northbound says of it yet.
    fn bound_here(&mut self) {
        let view = self.view;
        let chassis = view.bindings.own_chassis(view.own);
        for uuid in &chassis {
            self.southbound.want(BINDING, Want::Row("chassis", *uuid));
        }
        for port in view.bindings.bound_to(&chassis) {
            self.bound.insert(port);
            if let Some(gateway) = port.strip_prefix("cr-") {
                self.want(ROUTER_PORT, Want::Text("name", gateway.into()));
            } else if self.view.northbound_read {
                self.names.insert(port);
            }
        }
    }

    fn ports_here(&mut self) {
        let here: Vec<_> = self
            .view
            .leads
            .ports
            .values()
            .filter(|p| self.is_here(p))
            .collect();
        let mut names = FxHashSet::default();
        for port in here {
            let Some(name) = &port.name else { continue };
            names.insert(name);
            self.want(NAT, Want::Text("logical_port", Arc::clone(name)));
            // Neutron writes no host on subports. OVN_Southbound has them by name.
            if !self.view.bindings.is_heeded() && port.parent.is_none() {
                self.want(PORT, Want::Text("parent_name", Arc::clone(name)));
            }
            if port.migrates() && self.view.bindings.is_followed() {
                let binding = Want::Text("logical_port", Arc::clone(name));
                self.southbound.want(BINDING, binding);
            }
            self.networks
                .extend(port.network.iter().map(|n| (n, port.has_ipv6)));
        }
        for (uuid, nat) in &self.view.leads.nats {
            if nat.port.as_ref().is_some_and(|port| names.contains(port)) {
                self.want(ROUTER, Want::Member("nat", *uuid));
                // What its network says of routes counts.
                if let Some(id) = &nat.network {
                    let network = format!("neutron-{id}").into();
                    self.switch(&network);
                    self.external.insert(network);
                }
            }
        }
    }

    /// Whether a port counts as this node's: by its own row, its parent's, or its binding.
    fn is_here(&self, port: &Port) -> bool {
        let named = |port: &Port| {
            port.names(self.view.own)
                || port
                    .name
                    .as_ref()
                    .is_some_and(|n| self.bound.contains(&**n))
        };
        let parent = || {
            let parent = self.view.leads.port_named(port.parent.as_ref()?)?;
            Some(named(parent.1))
        };
        port.is_workload() && (named(port) || parent().unwrap_or(false))
    }

    fn gateways_here(&mut self) {
        let view = self.view;
        let mut here = FxHashSet::default();
        for (uuid, port) in &view.leads.router_ports {
            let bound = port
                .name
                .as_ref()
                .is_some_and(|name| self.is_bound_gateway(name));
            if bound || port.hosting.as_ref().is_some_and(|c| view.own.is(c)) {
                here.insert(*uuid);
                self.want(ROUTER, Want::Member("ports", *uuid));
                self.binding_of_gateway(port);
                self.networks
                    .extend(port.network.iter().map(|n| (n, port.has_ipv6)));
            }
        }
        for router in view.leads.routers.values() {
            if router.ports.iter().any(|port| here.contains(port)) {
                self.router(router);
            }
        }
    }

    fn is_bound_gateway(&self, name: &str) -> bool {
        !self.bound.is_empty() && self.bound.contains(&*format!("cr-{name}"))
    }

    /// Everything behind a gateway that is here.
    fn router(&mut self, router: &'a Router) {
        for uuid in &router.ports {
            self.want(ROUTER_PORT, Want::this(*uuid));
            if let Some(port) = self.view.leads.router_ports.get(uuid) {
                self.binding_of_gateway(port);
            }
        }
        for uuid in &router.static_routes {
            self.want(ROUTE, Want::this(*uuid));
        }
        self.floating_ips(router);
        let Some(name) = &router.name else { return };
        let id: Arc<str> = name.strip_prefix("neutron-").unwrap_or(name).into();
        for name in [name, &id] {
            for key in ["lr_ref", "neutron:router_name"] {
                self.want(BALANCER, Want::Pair("external_ids", key, Arc::clone(name)));
            }
        }
        self.tenant_networks(&id, &router.ports);
    }

    /// Where a gateway is, if the port is one: OVN_Southbound knows first.
    fn binding_of_gateway(&mut self, port: &RouterPort) {
        if let Some(name) = port
            .name
            .as_ref()
            .filter(|_| self.view.bindings.is_followed())
        {
            let binding = Want::Text("logical_port", format!("cr-{name}").into());
            self.southbound.want(BINDING, binding);
        }
    }

    /// The router's NAT rows, and those that name one of its ports as their gateway.
    fn floating_ips(&mut self, router: &'a Router) {
        let own: FxHashSet<Uuid> = router.nat.iter().copied().collect();
        for uuid in &own {
            self.want(NAT, Want::this(*uuid));
            self.answered_here(*uuid);
        }
        for port in &router.ports {
            self.want(NAT, Want::Row("gateway_port", *port));
            for uuid in self.nats_by_gateway.get(port).cloned().unwrap_or_default() {
                if !own.contains(&uuid) {
                    // Its router may be another one.
                    self.want(ROUTER, Want::Member("nat", uuid));
                    self.answered_here(uuid);
                }
            }
        }
    }

    /// A floating IP that the gateway answers for, if it is centralised, or that of a load balancer's VIP
    /// which the load balancer serves.
    fn answered_here(&mut self, nat: Uuid) {
        let leads = self.view.leads;
        let Some(port) = leads.nats.get(&nat).and_then(|nat| nat.port.as_ref()) else {
            return;
        };
        self.names.insert(port);
        let row = leads.port_named(port);
        if row.is_none_or(|(_, port)| port.kind == Kind::Vip) {
            self.balancer_of(port);
        }
    }

    fn balancer_of(&mut self, vip_port: &Arc<str>) {
        let key = "neutron:vip_port_id";
        self.want(
            BALANCER,
            Want::Pair("external_ids", key, Arc::clone(vip_port)),
        );
    }

    /// The networks that a router has an interface to: by its id, as Neutron writes it, or by its ports, which
    /// is what OVN goes by.
    fn tenant_networks(&mut self, router: &Arc<str>, ports: &[Uuid]) {
        let interfaces = Want::Pair("external_ids", "neutron:device_id", Arc::clone(router));
        self.want(PORT, interfaces);
        let router_ports = &self.view.leads.router_ports;
        let names = ports
            .iter()
            .filter_map(|uuid| router_ports.get(uuid)?.name.as_ref());
        let names: FxHashSet<_> = names.collect();
        for name in &names {
            self.want(PORT, Want::Pair("options", "router-port", Arc::clone(name)));
        }
        let keys = names.iter().copied().chain([router]);
        let interfaces = keys.filter_map(|key| self.interfaces.get(key));
        let interfaces: Vec<&Port> = interfaces.flatten().copied().collect();
        for interface in interfaces {
            // The router port behind it is the router's, or should be.
            if let Some(peer) = interface.peer.as_ref().filter(|peer| !names.contains(peer)) {
                self.want(ROUTER_PORT, Want::Text("name", Arc::clone(peer)));
            }
            let network = interface.network.as_ref();
            let Some(network) = network.filter(|_| self.view.needs.tenants != TenantRows::None)
            else {
                continue;
            };
            self.switch(network);
            if self.view.needs.tenants == TenantRows::Ports {
                self.want(
                    PORT,
                    Want::Pair("external_ids", NETWORK, Arc::clone(network)),
                );
            }
        }
    }

    /// Provider networks that something here is on. On a tenant network without gateway here nothing is exposed
    /// but floating IPs, which are of the provider network.
    fn provider_networks(&mut self) {
        let networks = self.networks.iter().copied();
        let networks: Vec<_> = networks
            .filter(|(n, _)| self.provider.contains(n))
            .collect();
        let mut balancers = FxHashSet::default();
        for (network, has_ipv6) in networks {
            self.switch(network);
            balancers.insert(network);
            if has_ipv6 {
                self.neighbours(network);
            }
        }
        // A load balancer without router is found by the switch that lists it.
        for switch in self.view.leads.switches.values() {
            if switch
                .name
                .as_ref()
                .is_some_and(|name| balancers.contains(name))
            {
                for uuid in &switch.balancers {
                    self.without_router(*uuid);
                }
            }
        }
        for balancer in self.view.leads.balancers.values() {
            self.names.extend(&balancer.vip_port);
        }
    }

    /// A load balancer that may have no router. Its members are those of all its rows.
    fn without_router(&mut self, balancer: Uuid) {
        self.want(BALANCER, Want::this(balancer));
        let row = self.view.leads.balancers.get(&balancer);
        let row = row.filter(|row| !row.has_router);
        if let Some(port) = row.and_then(|row| row.vip_port.as_ref()) {
            self.balancer_of(port);
        }
    }

    /// The networks that belong to VNIs: what a tenant is follows from all of its networks. Of those that something
    /// here is on, what their ports are told of them.
    fn vpn_networks(&mut self) {
        for kind in [VpnKind::L3, VpnKind::L2] {
            let kind = Want::Pair("external_ids", VPN_TYPE, kind.name().into());
            self.want(SWITCH, kind);
        }
        let leads = self.view.leads;
        let here = |name: &Arc<str>| {
            let on = |has_ipv6| self.networks.contains(&(name, has_ipv6));
            self.external.contains(name) || on(true) || on(false)
        };
        let vpns = leads
            .switches
            .values()
            .filter(|switch| switch.is_routed_vpn);
        let vpns = vpns.filter_map(|switch| switch.name.as_ref());
        let vpns: FxHashSet<_> = vpns.filter(|name| here(name)).collect();
        for name in &vpns {
            let on = Want::Pair("external_ids", NETWORK, Arc::clone(name));
            self.want(PORT, on);
        }
        for port in leads.ports.values() {
            if port
                .network
                .as_ref()
                .is_some_and(|name| vpns.contains(name))
            {
                for row in &port.dhcp {
                    self.want(DHCP, Want::this(*row));
                }
            }
        }
    }

    /// Whose addresses a provider network has: the node answers neighbour solicitations for gateways of
    /// IPv6 subnets that no port owns.
    fn neighbours(&mut self, network: &Arc<str>) {
        let name = || Arc::clone(network);
        self.want(PORT, Want::Pair("external_ids", NETWORK, name()));
        self.want(ROUTER_PORT, Want::Pair("external_ids", NETWORK, name()));
        self.want(ROUTE, Want::Text("ip_prefix", "::/0".into()));
    }

    fn switch(&mut self, network: &Arc<str>) {
        if self.view.switches_tell {
            self.want(SWITCH, Want::Text("name", Arc::clone(network)));
        }
    }

    /// Ports that are needed for their name, unless another clause brings them.
    fn ports_by_name(&mut self) {
        for name in std::mem::take(&mut self.names) {
            let row = self.view.leads.port_named(name);
            let brought = row.is_some_and(|(uuid, port)| self.is_brought(uuid, port));
            if !brought {
                self.want(PORT, Want::Text("name", Arc::clone(name)));
            }
        }
    }

    fn is_brought(&self, uuid: Uuid, port: &Port) -> bool {
        if port.kind == Kind::Localnet || port.names(self.view.own) {
            return true;
        }
        // A network that was asked for separately is not in the row that the server holds.
        let network = port.network.as_ref();
        let Some(network) = network.filter(|_| !self.view.placement.has(uuid)) else {
            return false;
        };
        let on = Want::Pair("external_ids", NETWORK, Arc::clone(network));
        self.northbound.has(PORT, &on)
    }

    fn want(&mut self, table: &'static str, want: Want) {
        self.northbound.want(table, want);
    }
}
