//! Routers, their ports and routes.

use std::net::Ipv6Addr;
use std::sync::Arc;

use uuid::Uuid;

use crate::ovn::index::{self, difference};
use crate::ovn::northbound::{Northbound, Router, RouterPort, StaticRoute};

impl Northbound {
    pub(super) fn replace_router(&mut self, uuid: Uuid, new: Option<Router>) {
        let old = self.routers.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        // A floating IP that comes or goes concerns nothing else of the router.
        let only_nat = match (&old, &new) {
            (Some(old), Some(new)) => {
                let nat = new.nat.clone();
                Router {
                    nat,
                    ..(**old).clone()
                } == *new
            }
            _ => false,
        };
        if !only_nat {
            self.affect_router(uuid);
        }
        let (gone, come) = {
            let none: &[Uuid] = &[];
            let (old, new) = (old.as_deref(), new.as_ref());
            difference(old.map_or(none, |r| &r.nat), new.map_or(none, |r| &r.nat))
        };
        for nat in &gone {
            self.affect_nat(*nat);
        }
        if let Some(old) = &old {
            self.unlink_router(old);
            self.routers.remove(&uuid);
        }
        if let Some(new) = new.map(Arc::new) {
            self.routers.insert(uuid, new.clone());
            self.link_router(&new);
        }
        for nat in &come {
            self.affect_nat(*nat);
        }
        if !only_nat {
            self.affect_router(uuid);
        }
    }

    fn link_router(&mut self, router: &Router) {
        let uuid = router.uuid;
        self.routers_by_id.insert(router.id().into(), uuid);
        for nat in &router.nat {
            self.routers_of_nat.insert(*nat, uuid);
        }
        for port in &router.ports {
            self.routers_of_port.insert(*port, uuid);
        }
        for route in &router.static_routes {
            self.routers_of_route.insert(*route, uuid);
        }
    }

    fn unlink_router(&mut self, router: &Router) {
        let uuid = router.uuid;
        self.routers_by_id.remove(router.id(), uuid);
        for nat in &router.nat {
            self.routers_of_nat.remove(nat, uuid);
        }
        for port in &router.ports {
            self.routers_of_port.remove(port, uuid);
        }
        for route in &router.static_routes {
            self.routers_of_route.remove(route, uuid);
        }
    }

    /// All that is decided by a router: its ports and NAT, load balancers, and what is on the networks
    /// it has interfaces to.
    pub(super) fn affect_router(&mut self, uuid: Uuid) {
        let Some(router) = self.routers.get(&uuid).cloned() else {
            return;
        };
        self.affect_one_router(&router);
        // A port has one router. While rows say otherwise, which of them it is may change with any of them.
        let owners = router
            .ports
            .iter()
            .flat_map(|port| self.routers_of_port.get(port));
        let others: Vec<_> = owners.filter(|other| **other != uuid).copied().collect();
        for other in others {
            if let Some(other) = self.routers.get(&other).cloned() {
                self.affect_one_router(&other);
            }
        }
    }

    fn affect_one_router(&mut self, router: &Router) {
        self.affected.router_ports.extend(&router.ports);
        self.affected.nats.extend(&router.nat);
        let balancers = self.balancers_by_router.get(router.id());
        self.affected.balancers.extend(balancers);
        let mut interfaces = self.interfaces_by_router.get(router.id()).to_vec();
        for port in &router.ports {
            if let Some(port) = self.router_ports.get(port) {
                interfaces.extend(self.interfaces_by_peer.get(&port.name));
            }
        }
        for interface in interfaces {
            self.affect_interface(interface);
        }
    }

    /// What is on the network of a switch port of type `router`.
    fn affect_interface(&mut self, port: Uuid) {
        let port = self.ports.get(&port).filter(|port| port.is_inner());
        if let Some(network) = port.and_then(|port| self.network_of(port)).cloned() {
            self.affected.routed.insert(network);
        }
    }

    /// All that is decided by where a router port is hosted.
    pub(super) fn affect_gateway(&mut self, uuid: Uuid) {
        self.affected.router_ports.insert(uuid);
        for router in self.routers_of_port.get(&uuid).to_vec() {
            self.affect_router(router);
        }
    }

    pub(super) fn replace_router_port(&mut self, uuid: Uuid, new: Option<RouterPort>) {
        let old = self.router_ports.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        if let Some(old) = old {
            self.affect_router_port(&old);
            self.unlink_router_port(&old);
            self.router_ports.remove(&uuid);
        }
        if let Some(mut new) = new {
            new.network = new.network.map(|name| self.shared(name));
            let new = Arc::new(new);
            self.router_ports.insert(uuid, new.clone());
            self.link_router_port(&new);
            self.affect_router_port(&new);
        }
    }

    fn link_router_port(&mut self, port: &RouterPort) {
        let uuid = port.uuid;
        self.router_ports_by_name.insert(port.name.clone(), uuid);
        if let Some(name) = &port.network {
            let network = self.networks.entry(name.clone()).or_default();
            index::insert(&mut network.router_ports, uuid);
            let matters = network.note(port, true);
            self.affect_network(name, matters || self.is_ipv6_gateway(port));
        }
    }

    fn unlink_router_port(&mut self, port: &RouterPort) {
        let uuid = port.uuid;
        self.router_ports_by_name.remove(&port.name, uuid);
        if let Some(name) = &port.network
            && let Some(network) = self.networks.get_mut(name)
        {
            index::remove(&mut network.router_ports, uuid);
            let matters = network.note(port, false);
            self.affect_network(name, matters || self.is_ipv6_gateway(port));
            self.forget_if_empty(name);
        }
    }

    /// A router port with all of its router, of which it may be the gateway, and what is on its own
    /// network.
    fn affect_router_port(&mut self, port: &RouterPort) {
        for interface in self.interfaces_by_peer.get(&port.name).to_vec() {
            self.affect_interface(interface);
        }
        self.affect_gateway(port.uuid);
    }

    pub(super) fn replace_static_route(&mut self, uuid: Uuid, new: Option<StaticRoute>) {
        let old = self.static_routes.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        if let Some(gateway) = old.and_then(|route| route.ipv6_gateway()) {
            self.ipv6_gateways.remove(&gateway, uuid);
            self.affect_networks_around(gateway);
        }
        if let Some(gateway) = new.as_ref().and_then(StaticRoute::ipv6_gateway) {
            self.ipv6_gateways.insert(gateway, uuid);
            self.affect_networks_around(gateway);
        }
        match new {
            Some(new) => drop(self.static_routes.insert(uuid, Arc::new(new))),
            None => drop(self.static_routes.remove(&uuid)),
        }
        for router in self.routers_of_route.get(&uuid).to_vec() {
            self.affect_router(router);
        }
    }

    fn affect_networks_around(&mut self, gateway: Ipv6Addr) {
        let networks = self.networks.iter();
        let around = networks.filter(|(_, network)| network.covers(gateway));
        self.affected
            .networks
            .extend(around.map(|(name, _)| name.clone()));
    }
}
