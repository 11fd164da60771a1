//! Keeping the indexes, and noting what a change may concern.

use std::net::Ipv6Addr;
use std::sync::Arc;

use uuid::Uuid;

use super::network::OnNetwork;
use super::{
    FipMode, Nat, Network, Northbound, PortKind, Router, RouterPort, Row, StaticRoute, Switch,
    SwitchPort, Table,
};
use crate::ovn::index::{self, difference};

/// A closure that takes the content of one variant of [`Row`].
macro_rules! only {
    ($variant:path) => {
        |row| match row {
            $variant(row) => Some(row),
            _ => None,
        }
    };
}

impl Northbound {
    /// Puts a row in place of what `table` has under `uuid`; `None` removes that.
    pub fn replace(&mut self, table: Table, uuid: Uuid, row: Option<Row>) {
        match table {
            Table::SwitchPort => {
                self.replace_port(uuid, row.and_then(only!(Row::SwitchPort)));
            }
            Table::Switch => self.replace_switch(uuid, row.and_then(only!(Row::Switch))),
            Table::Router => self.replace_router(uuid, row.and_then(only!(Row::Router))),
            Table::RouterPort => {
                self.replace_router_port(uuid, row.and_then(only!(Row::RouterPort)));
            }
            Table::Nat => self.replace_nat(uuid, row.and_then(only!(Row::Nat))),
            Table::StaticRoute => {
                self.replace_static_route(uuid, row.and_then(only!(Row::StaticRoute)));
            }
            Table::Global => self.replace_global(uuid, row.and_then(only!(Row::Global))),
        }
    }

    fn replace_port(&mut self, uuid: Uuid, new: Option<SwitchPort>) {
        let old = self.ports.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        if let Some(old) = old {
            self.unlink_port(&old);
            self.ports.remove(&uuid);
        }
        if let Some(mut new) = new {
            new.network = new.network.map(|name| self.shared(name));
            let new = Arc::new(new);
            self.ports.insert(uuid, new.clone());
            self.link_port(&new);
        }
    }

    fn link_port(&mut self, port: &SwitchPort) {
        self.ports_by_name.insert(port.name.clone(), port.uuid);
        if let Some(parent) = &port.parent {
            self.children.insert(parent.clone(), port.uuid);
        }
        if let Some(network) = self.network_of(port).cloned() {
            self.join(port, &network);
        }
        self.affect_port(port);
    }

    fn unlink_port(&mut self, port: &SwitchPort) {
        self.affect_port(port);
        if let Some(network) = self.network_of(port).cloned() {
            self.leave(port, &network);
        }
        if let Some(parent) = &port.parent {
            self.children.remove(parent, port.uuid);
        }
        self.ports_by_name.remove(&port.name, port.uuid);
    }

    /// The port itself, its subports, and whoever else has its name.
    fn affect_port(&mut self, port: &SwitchPort) {
        let affected = &mut self.affected.ports;
        affected.insert(port.uuid);
        affected.extend(self.children.get(&port.name));
        affected.extend(self.ports_by_name.get(&port.name));
    }

    fn join(&mut self, port: &SwitchPort, name: &Arc<str>) {
        let network = self.networks.entry(name.clone()).or_default();
        index::insert(&mut network.ports, port.uuid);
        let mut matters = network.note(port, true);
        if port.kind == PortKind::Localnet {
            index::insert(&mut network.localnets, port.uuid);
            matters = true;
            self.affected.localnets = true;
        }
        self.affect_network(name, matters || self.is_ipv6_gateway(port));
    }

    fn leave(&mut self, port: &SwitchPort, name: &Arc<str>) {
        let Some(network) = self.networks.get_mut(name) else {
            return;
        };
        index::remove(&mut network.ports, port.uuid);
        index::remove(&mut network.localnets, port.uuid);
        let localnet = port.kind == PortKind::Localnet;
        let matters = network.note(port, false) || localnet;
        self.affected.localnets |= localnet;
        self.affect_network(name, matters || self.is_ipv6_gateway(port));
        self.forget_if_empty(name);
    }

    fn affect_network(&mut self, name: &Arc<str>, matters: bool) {
        if matters && !self.affected.networks.contains(name) {
            self.affected.networks.insert(name.clone());
        }
    }

    fn is_ipv6_gateway(&self, port: &impl OnNetwork) -> bool {
        !self.ipv6_gateways.is_empty()
            && port
                .addresses()
                .any(|address| !self.ipv6_gateways.get(&address).is_empty())
    }

    fn forget_if_empty(&mut self, name: &Arc<str>) {
        if self.networks.get(name).is_some_and(Network::is_empty) {
            self.networks.remove(name);
        }
    }

    /// One copy of a network's name, however many rows have it.
    fn shared(&self, name: Arc<str>) -> Arc<str> {
        let known = self.networks.get_key_value(&name);
        known.map_or(name, |(known, _)| known.clone())
    }

    fn replace_switch(&mut self, uuid: Uuid, new: Option<Switch>) {
        let old = self.switches.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        let renamed = old.as_ref().map(|s| &s.name) != new.as_ref().map(|s| &s.name);
        let (gone, come) = match (&old, &new) {
            (Some(old), Some(new)) if !renamed => difference(&old.ports, &new.ports),
            (old, new) => (
                old.as_ref().map(|s| s.ports.clone()).unwrap_or_default(),
                new.as_ref().map(|s| s.ports.clone()).unwrap_or_default(),
            ),
        };
        // A port is moved in steps, so that it leaves the network it joined.
        self.relist(&gone, |nb, port| nb.switches_of_port.remove(&port, uuid));
        match new {
            Some(new) => drop(self.switches.insert(uuid, Arc::new(new))),
            None => drop(self.switches.remove(&uuid)),
        }
        self.relist(&come, |nb, port| nb.switches_of_port.insert(port, uuid));
    }

    /// Changes which switches list some ports, moving those whose network that decides.
    fn relist(&mut self, ports: &[Uuid], change: impl Fn(&mut Self, Uuid)) {
        for uuid in ports {
            let port = self
                .ports
                .get(uuid)
                .filter(|p| p.network.is_none())
                .cloned();
            if let Some(port) = &port {
                self.unlink_port(port);
            }
            change(self, *uuid);
            if let Some(port) = &port {
                self.link_port(port);
            }
        }
    }

    fn replace_router(&mut self, uuid: Uuid, new: Option<Router>) {
        let old = self.routers.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        let none: &[Uuid] = &[];
        let (old_nat, old_ports) = old.as_ref().map_or((none, none), |r| (&r.nat, &r.ports));
        let (new_nat, new_ports) = new.as_ref().map_or((none, none), |r| (&r.nat, &r.ports));
        let (gone_nat, come_nat) = difference(old_nat, new_nat);
        let (gone_ports, come_ports) = difference(old_ports, new_ports);
        let mut affected: Vec<Uuid> = gone_nat.iter().chain(&come_nat).copied().collect();
        self.affected
            .router_ports
            .extend(gone_ports.iter().chain(&come_ports));
        if old.as_ref().map(|r| r.enabled) != new.as_ref().map(|r| r.enabled) {
            affected.extend(old_nat.iter().chain(new_nat));
            self.affected
                .router_ports
                .extend(old_ports.iter().chain(new_ports));
        }
        for nat in gone_nat {
            self.routers_of_nat.remove(&nat, uuid);
        }
        for nat in come_nat {
            self.routers_of_nat.insert(nat, uuid);
        }
        for port in gone_ports {
            self.routers_of_port.remove(&port, uuid);
        }
        for port in come_ports {
            self.routers_of_port.insert(port, uuid);
        }
        for nat in affected {
            self.affect_nat(nat);
        }
        match new {
            Some(new) => drop(self.routers.insert(uuid, Arc::new(new))),
            None => drop(self.routers.remove(&uuid)),
        }
    }

    fn affect_nat(&mut self, uuid: Uuid) {
        if let Some(port) = self.nats.get(&uuid).and_then(|n| n.logical_port.as_ref()) {
            self.affected.ports.extend(self.ports_by_name.get(port));
        }
    }

    fn replace_router_port(&mut self, uuid: Uuid, new: Option<RouterPort>) {
        let old = self.router_ports.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        self.affected.router_ports.insert(uuid);
        if let Some(old) = old {
            self.router_ports.remove(&uuid);
            if let Some(name) = &old.network
                && let Some(network) = self.networks.get_mut(name)
            {
                index::remove(&mut network.router_ports, uuid);
                let matters = network.note(&*old, false);
                self.affect_network(name, matters || self.is_ipv6_gateway(&*old));
                self.forget_if_empty(name);
            }
        }
        if let Some(mut new) = new {
            if let Some(name) = new.network.take().map(|name| self.shared(name)) {
                new.network = Some(name.clone());
                let network = self.networks.entry(name.clone()).or_default();
                index::insert(&mut network.router_ports, uuid);
                let matters = network.note(&new, true);
                self.affect_network(&name, matters || self.is_ipv6_gateway(&new));
            }
            self.router_ports.insert(uuid, Arc::new(new));
        }
    }

    fn replace_nat(&mut self, uuid: Uuid, new: Option<Nat>) {
        let old = self.nats.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        self.affect_nat(uuid);
        if let Some(old) = old {
            self.nats.remove(&uuid);
            if let Some(port) = &old.logical_port {
                self.nats_by_port.remove(port, uuid);
            }
            if let Some(name) = &old.network {
                if let Some(network) = self.networks.get_mut(name) {
                    index::remove(&mut network.nats, uuid);
                }
                self.forget_if_empty(name);
            }
        }
        if let Some(mut new) = new {
            if let Some(port) = &new.logical_port {
                self.nats_by_port.insert(port.clone(), uuid);
            }
            new.network = new.network.map(|name| self.shared(name));
            if let Some(name) = &new.network {
                let network = self.networks.entry(name.clone()).or_default();
                index::insert(&mut network.nats, uuid);
            }
            self.nats.insert(uuid, Arc::new(new));
        }
        self.affect_nat(uuid);
    }

    fn replace_static_route(&mut self, uuid: Uuid, new: Option<StaticRoute>) {
        let old = self.static_routes.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        if let Some(gateway) = old.and_then(|route| route.ipv6_gateway) {
            self.ipv6_gateways.remove(&gateway, uuid);
            self.affect_networks_around(gateway);
        }
        if let Some(gateway) = new.as_ref().and_then(|route| route.ipv6_gateway) {
            self.ipv6_gateways.insert(gateway, uuid);
            self.affect_networks_around(gateway);
        }
        match new {
            Some(new) => drop(self.static_routes.insert(uuid, Arc::new(new))),
            None => drop(self.static_routes.remove(&uuid)),
        }
    }

    fn affect_networks_around(&mut self, gateway: Ipv6Addr) {
        let networks = self.networks.iter();
        let around = networks.filter(|(_, network)| network.covers(gateway));
        self.affected
            .networks
            .extend(around.map(|(name, _)| name.clone()));
    }

    fn replace_global(&mut self, uuid: Uuid, new: Option<FipMode>) {
        let before = self.fip_mode();
        match new {
            Some(mode) => drop(self.fip_modes.insert(uuid, mode)),
            None => drop(self.fip_modes.remove(&uuid)),
        }
        self.affected.everything |= before != self.fip_mode();
    }
}
