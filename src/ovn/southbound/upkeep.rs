//! Keeping the indexes, and noting what a change may concern: what hung together with a row before
//! the change, and what does after it.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    AdvertisedRoute, BindingKind, Chassis, Datapath, DatapathGroup, LoadBalancer, PortBinding, Row,
    Southbound, Table,
};
use crate::ovn::index;

/// A closure that takes the content of one variant of [`Row`].
macro_rules! only {
    ($variant:path) => {
        |row| match row {
            $variant(row) => Some(row),
            _ => None,
        }
    };
}

impl Southbound {
    /// Puts a row in place of what `table` has under `uuid`; `None` removes that.
    pub fn replace(&mut self, table: Table, uuid: Uuid, row: Option<Row>) {
        match table {
            Table::PortBinding => {
                self.replace_binding(uuid, row.and_then(only!(Row::PortBinding)));
            }
            Table::Datapath => self.replace_datapath(uuid, row.and_then(only!(Row::Datapath))),
            Table::Chassis => self.replace_chassis(uuid, row.and_then(only!(Row::Chassis))),
            Table::LoadBalancer => {
                self.replace_balancer(uuid, row.and_then(only!(Row::LoadBalancer)));
            }
            Table::DatapathGroup => {
                self.replace_group(uuid, row.and_then(only!(Row::DatapathGroup)));
            }
            Table::AdvertisedRoute => {
                self.replace_route(uuid, row.and_then(only!(Row::AdvertisedRoute)));
            }
        }
    }

    fn replace_binding(&mut self, uuid: Uuid, new: Option<PortBinding>) {
        let old = self.bindings.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        // Floating IPs come and go: they concern nothing behind the router.
        let only_nat = match (&old, &new) {
            (Some(old), Some(new)) => differ_in_nat_alone(old, new),
            _ => false,
        };
        if let Some(old) = old {
            self.note(&old, only_nat);
            self.unlink(&old);
            self.bindings.remove(&uuid);
        }
        if let Some(new) = new {
            let new = Arc::new(new);
            self.bindings.insert(uuid, new.clone());
            self.link(&new);
            self.note(&new, only_nat);
        }
    }

    fn link(&mut self, binding: &PortBinding) {
        let uuid = binding.uuid;
        self.by_name.insert(binding.logical_port.clone(), uuid);
        for port in residents(binding) {
            self.answering_for.insert(port.clone(), uuid);
        }
        if let Some(balancer) = &binding.vip_of {
            self.vip_ports.insert(balancer.clone(), uuid);
        }
        let Some(datapath) = binding.datapath else {
            return;
        };
        let on = self.on_datapath.entry(datapath).or_default();
        index::insert(on.list(&binding.kind), uuid);
        for address in binding.gateway_like() {
            self.note_gateway_like(datapath, address);
            self.gateway_like.insert((datapath, address), uuid);
        }
    }

    fn unlink(&mut self, binding: &PortBinding) {
        let uuid = binding.uuid;
        self.by_name.remove(&binding.logical_port, uuid);
        for port in residents(binding) {
            self.answering_for.remove(port, uuid);
        }
        if let Some(balancer) = &binding.vip_of {
            self.vip_ports.remove(balancer, uuid);
        }
        let Some(datapath) = binding.datapath else {
            return;
        };
        for address in binding.gateway_like() {
            self.gateway_like.remove(&(datapath, address), uuid);
            self.note_gateway_like(datapath, address);
        }
        if let Some(on) = self.on_datapath.get_mut(&datapath) {
            index::remove(on.list(&binding.kind), uuid);
            if on.is_empty() {
                self.on_datapath.remove(&datapath);
            }
        }
    }

    /// An address that nobody on the datapath has at this moment comes or goes: what this node
    /// answers neighbour solicitations for changes.
    fn note_gateway_like(&mut self, datapath: Uuid, address: std::net::Ipv6Addr) {
        if !self.owns(datapath, address) && self.localnets_on(datapath).next().is_some() {
            self.affected.datapaths.insert(datapath);
        }
    }

    /// Notes whatever depends on a binding that is in the indexes.
    fn note(&mut self, binding: &PortBinding, only_nat: bool) {
        self.affected.bindings.insert(binding.uuid);
        if only_nat {
            return;
        }
        let name = &binding.logical_port;
        if !self.affected.rebound.contains(name) {
            self.affected.rebound.insert(name.clone());
        }
        let answering = self.answering_for.get(name);
        self.affected.bindings.extend(answering);
        self.affected.balancers.extend(binding.vip_of.clone());
        self.note_routes_by(binding.uuid);
        self.note_kind(binding);
        // Others of this name, while one replaces the other: only one of them counts.
        for other in self.by_name.get(name).to_vec() {
            if let Some(other) = self.bindings.get(&other).cloned()
                && other.uuid != binding.uuid
            {
                self.affected.bindings.insert(other.uuid);
                self.note_kind(&other);
            }
        }
    }

    fn note_kind(&mut self, binding: &PortBinding) {
        let Some(datapath) = binding.datapath else {
            return;
        };
        match &binding.kind {
            // A load balancer without router counts its members on its own network.
            BindingKind::Vif | BindingKind::Virtual => {
                if self.localnets_on(datapath).next().is_some() {
                    self.note_balancers_on(datapath);
                }
            }
            BindingKind::Localnet(_) => {
                self.affected.datapaths.insert(datapath);
                self.affected.localnets = true;
            }
            BindingKind::Patch(_) => self.note_link(binding, datapath),
            BindingKind::ChassisRedirect { distributed_port } => {
                self.affected.routers.insert(datapath);
                let port = distributed_port.as_ref();
                if let Some(port) = port.and_then(|port| self.binding_named(port)) {
                    self.note_routes_by(port.uuid);
                }
            }
            BindingKind::L3Gateway { peer } => {
                let end = peer.as_ref().and_then(|peer| self.binding_named(peer));
                let router = end.and_then(|end| end.datapath);
                let ends = [Some(datapath), router].into_iter().flatten();
                let routers: Vec<_> = ends.filter(|dp| self.is_router(*dp)).collect();
                self.affected.routers.extend(routers);
            }
            BindingKind::Other(_) => {}
        }
    }

    /// The routers that want routes to be advertised which leave by this port, or lead to it.
    fn note_routes_by(&mut self, port: Uuid) {
        let routes = self.routes_by_port.get(&port).iter();
        let routes = routes.filter_map(|route| self.routes.get(route));
        self.affected
            .routers
            .extend(routes.map(|route| route.router));
    }

    /// A link between a router and a switch comes or goes, seen from either end.
    fn note_link(&mut self, binding: &PortBinding, datapath: Uuid) {
        if self.is_router(datapath) {
            self.affected.routers.insert(datapath);
        }
        let ends = |router_end: &PortBinding, switch_end: &PortBinding| {
            let gateway = router_end.patch().is_some_and(|patch| patch.is_gateway());
            let ports = [router_end.uuid, switch_end.uuid];
            (ports, router_end.datapath, switch_end.datapath, gateway)
        };
        let to_switch = self.switch_end(binding).map(|end| ends(binding, end));
        let to_router = || Some(ends(self.router_end(binding)?, binding));
        let Some((ports, router, switch, gateway)) = to_switch.or_else(to_router) else {
            return;
        };
        self.affected.bindings.extend(ports);
        self.affected.routers.extend(router);
        // On a gateway's network it changes nothing for the other ports.
        if !gateway {
            self.affected.switches.extend(switch);
        }
    }

    fn note_balancers_on(&mut self, datapath: Uuid) {
        let names: Vec<_> = self
            .balancers_on(datapath)
            .map(|b| b.name.clone())
            .collect();
        self.affected.balancers.extend(names);
    }

    fn replace_datapath(&mut self, uuid: Uuid, new: Option<Datapath>) {
        if self.datapaths.get(&uuid).map(|row| &**row) == new.as_ref() {
            return;
        }
        self.affected.datapaths.insert(uuid);
        self.note_links_of(uuid);
        match new {
            Some(new) => drop(self.datapaths.insert(uuid, Arc::new(new))),
            None => drop(self.datapaths.remove(&uuid)),
        }
        self.note_links_of(uuid);
    }

    /// What depends on whether a datapath is a router.
    fn note_links_of(&mut self, datapath: Uuid) {
        let patches: Vec<_> = self.rows(datapath, |on| &on.patches).cloned().collect();
        for patch in patches {
            self.note_link(&patch, datapath);
        }
        self.note_balancers_on(datapath);
    }

    fn replace_chassis(&mut self, uuid: Uuid, new: Option<Chassis>) {
        if self.chassis.get(&uuid) == new.as_ref() {
            return;
        }
        match new {
            Some(new) => drop(self.chassis.insert(uuid, new)),
            None => drop(self.chassis.remove(&uuid)),
        }
        // A chassis comes or goes about once a month: no index.
        let bound = self.bindings.values();
        let bound: Vec<_> = bound
            .filter(|row| row.chassis == Some(uuid))
            .cloned()
            .collect();
        for binding in bound {
            self.note(&binding, false);
        }
    }

    fn replace_balancer(&mut self, uuid: Uuid, new: Option<LoadBalancer>) {
        let old = self.balancers.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        if let Some(old) = old {
            self.note_balancer(&old);
            self.balancers_by_name.remove(&old.name, uuid);
            for group in &old.groups {
                self.balancers_by_group.remove(group, uuid);
            }
            for datapath in &old.datapaths {
                self.balancers_by_datapath.remove(datapath, uuid);
            }
            self.balancers.remove(&uuid);
        }
        if let Some(new) = new {
            self.balancers_by_name.insert(new.name.clone(), uuid);
            for group in &new.groups {
                self.balancers_by_group.insert(*group, uuid);
            }
            for datapath in &new.datapaths {
                self.balancers_by_datapath.insert(*datapath, uuid);
            }
            self.note_balancer(&new);
            self.balancers.insert(uuid, Arc::new(new));
        }
    }

    /// A load balancer itself, and the floating IPs for which its routers' gateways answer: some are its VIPs'. As a rule they
    /// are on the gateway's own network; while that changes another patch port may still name it.
    fn note_balancer(&mut self, balancer: &LoadBalancer) {
        self.affected.balancers.insert(balancer.name.clone());
        let datapaths: Vec<_> = self.datapaths_of(balancer).collect();
        for datapath in datapaths {
            let gateways = self.gateways(datapath);
            let answering: Vec<_> = gateways
                .flat_map(|gateway| self.answering_for(&gateway.redirect.logical_port))
                .collect();
            self.affected.bindings.extend(answering);
        }
    }

    fn replace_route(&mut self, uuid: Uuid, new: Option<AdvertisedRoute>) {
        if self.routes.get(&uuid) == new.as_ref() {
            return;
        }
        if let Some(old) = self.routes.remove(&uuid) {
            self.affected.routers.insert(old.router);
            self.routes_by_router.remove(&old.router, uuid);
            for port in [Some(old.port), old.tracked].into_iter().flatten() {
                self.routes_by_port.remove(&port, uuid);
            }
        }
        if let Some(new) = new {
            self.affected.routers.insert(new.router);
            self.routes_by_router.insert(new.router, uuid);
            for port in [Some(new.port), new.tracked].into_iter().flatten() {
                self.routes_by_port.insert(port, uuid);
            }
            self.routes.insert(uuid, new);
        }
    }

    fn replace_group(&mut self, uuid: Uuid, new: Option<DatapathGroup>) {
        if self.groups.get(&uuid) == new.as_ref() {
            return;
        }
        self.note_balancers_of(uuid);
        if let Some(old) = self.groups.remove(&uuid) {
            for datapath in &old.datapaths {
                self.groups_by_datapath.remove(datapath, uuid);
            }
        }
        if let Some(new) = new {
            for datapath in &new.datapaths {
                self.groups_by_datapath.insert(*datapath, uuid);
            }
            self.groups.insert(uuid, new);
        }
        self.note_balancers_of(uuid);
    }

    fn note_balancers_of(&mut self, group: Uuid) {
        let rows = self.balancers_by_group.get(&group).iter();
        let rows: Vec<_> = rows
            .filter_map(|uuid| self.balancers.get(uuid).cloned())
            .collect();
        for balancer in rows {
            self.note_balancer(&balancer);
        }
    }
}

/// The ports that the `nat_addresses` of a binding name.
fn residents(binding: &PortBinding) -> impl Iterator<Item = &Arc<str>> {
    let entries = binding.patch().into_iter().flat_map(|p| &p.nat_addresses);
    entries.filter_map(|entry| entry.resident.as_ref())
}

fn differ_in_nat_alone(old: &PortBinding, new: &PortBinding) -> bool {
    let (Some(old_patch), Some(_)) = (old.patch(), new.patch()) else {
        return false;
    };
    let mut like_old = new.clone();
    if let BindingKind::Patch(patch) = &mut like_old.kind {
        patch.nat_addresses.clone_from(&old_patch.nat_addresses);
    }
    like_old == *old
}
