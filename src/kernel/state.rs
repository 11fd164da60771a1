//! Pure: what the kernel said, as objects. Messages in, touched keys out.
//!
//! Only what the [`Scope`] covers is kept, so that a node with a full routing table or thousands of
//! taps costs nothing.

mod fdb;
mod leak;
mod links;
mod objects;
mod rules;
mod tenants;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp::AddressMap;
use ipnet::IpNet;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use fdb::Forwarding;
pub(super) use fdb::InTheWay;
use links::Links;
pub(super) use rules::RuleId;
use rules::Rules;

use super::message::{
    self, AddressFacts, LinkFacts, NeighbourFacts, RouteFacts, RouteId, RuleSeen,
};
use crate::mac::MacAddr;
use crate::reconcile::object::{Key, TableId};
use crate::reconcile::ownership::{RuleFacts, Scope};

/// Metric that the kernel gives IPv6 routes that ask for none; IPv4 routes then have 0.
pub(super) const IPV6_METRIC: u32 = 1024;

/// What is known of the kernel.
#[derive(Debug, Default)]
pub(super) struct State {
    scope: Scope,
    links: Links,
    /// With the protocol each is marked with, 0 for none.
    addresses: BTreeMap<(u32, IpNet), u8>,
    routes: AddressMap<RouteId, RouteFacts>,
    rules: Rules,
    neighbours: AddressMap<(u32, IpAddr), NeighbourFacts>,
    /// With the protocol each is marked with, 0 for none.
    proxies: AddressMap<(u32, Ipv6Addr), u8>,
    forwarding: Forwarding,
    sysctls: BTreeMap<Arc<str>, Arc<str>>,
    /// VLAN devices with names we give that answer ARP and NDP for others.
    answering: BTreeSet<u32>,
    table_names: BTreeMap<Arc<str>, TableId>,
}

/// What is read from files: sysctls and rt_tables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    sysctls: BTreeMap<Arc<str>, Arc<str>>,
    answering: BTreeSet<u32>,
    table_names: BTreeMap<Arc<str>, TableId>,
}

/// What a message changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) keys: BTreeSet<Key>,
    /// The kernel removed more than it announced: only a dump tells what is left.
    pub(super) stale: bool,
    /// Interfaces that came, or came up: their sysctls are to be read.
    pub(super) interfaces: BTreeSet<Arc<str>>,
}

impl State {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            ..Self::default()
        }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Takes in one message of a dump or a notification.
    pub(super) fn handle(&mut self, message: &RouteNetlinkMessage, touched: &mut Touched) {
        use RouteNetlinkMessage as M;
        match message {
            M::NewLink(link) => self.new_link(link, touched),
            M::DelLink(link) => self.del_link(link, touched),
            M::NewAddress(address) => self.address(address, true, touched),
            M::DelAddress(address) => self.address(address, false, touched),
            M::NewRoute(route) => self.route(route, true, touched),
            M::DelRoute(route) => self.route(route, false, touched),
            M::NewRule(rule) => self.rule(rule, true, touched),
            M::DelRule(rule) => self.rule(rule, false, touched),
            M::NewNeighbour(neighbour) => self.neighbour(neighbour, true, touched),
            M::DelNeighbour(neighbour) => self.neighbour(neighbour, false, touched),
            _ => {}
        }
    }

    /// These instead of those in the scope.
    pub(super) fn watch_sysctls(&mut self, paths: Vec<Arc<str>>) {
        self.scope.sysctls = paths;
    }

    /// What is known of files, to see whether reading them again has brought anything.
    pub(super) fn files(&self) -> Files {
        Files {
            sysctls: self.sysctls.clone(),
            answering: self.answering.clone(),
            table_names: self.table_names.clone(),
        }
    }

    pub(super) fn set_sysctl(&mut self, path: &Arc<str>, value: Option<Arc<str>>) {
        match value {
            Some(value) => self.sysctls.insert(Arc::clone(path), value),
            None => self.sysctls.remove(path),
        };
    }

    /// Whether a VLAN device answers ARP and NDP for others.
    pub(super) fn set_answering(&mut self, name: &str, answers: bool) {
        let Some(index) = self.links.index(name) else {
            return;
        };
        if answers {
            self.answering.insert(index);
        } else {
            self.answering.remove(&index);
        }
    }

    pub(super) fn set_table_names(&mut self, names: BTreeMap<Arc<str>, TableId>) {
        self.table_names = names;
    }

    /// The interface with this name.
    pub(super) fn link(&self, name: &str) -> Option<&LinkFacts> {
        self.links.named(name)
    }

    pub(super) fn mac(&self, name: &str) -> Option<MacAddr> {
        self.link(name)?.mac
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &LinkFacts> {
        self.links.iter()
    }

    /// The VLAN devices with names we give.
    pub(super) fn vlan_devices(&self) -> impl Iterator<Item = &Arc<str>> {
        let vlans = self.links.iter().filter(|link| link.vlan().is_some());
        vlans.filter(|l| self.is_device(l)).map(|link| &link.name)
    }

    /// The indexes of the interfaces that can carry objects of ours.
    pub(super) fn device_indexes(&self) -> Vec<u32> {
        let ours = self.links.iter().filter(|link| self.is_device(link));
        ours.map(|link| link.index).collect()
    }

    /// The rule of an object as the kernel has it.
    pub(super) fn rule_as_found(&self, rule: &RuleId) -> Option<RuleId> {
        self.rules.as_found(rule)
    }

    /// True for a rule that differs from a foreign one only in selectors we do not set, so that the
    /// kernel might delete the wrong one.
    pub(super) fn has_look_alike(&self, rule: &RuleId) -> bool {
        self.rules.has_look_alike(rule)
    }

    /// How a route of ours is marked; to delete that one and no other.
    pub(super) fn route_protocol(&self, id: &RouteId) -> Option<u8> {
        self.routes.get(id).map(|r| r.protocol)
    }
}

/// From messages to what is known.
impl State {
    fn new_link(&mut self, message: &LinkMessage, touched: &mut Touched) {
        if let Some((index, port)) = message::bridge_port(message) {
            self.note_port(index, port, touched);
            return;
        }
        let Some(link) = message::link(message) else {
            return;
        };
        let (index, name) = (link.index, Arc::clone(&link.name));
        let before = self.links.get(index);
        let moved = self.note_master(before, &link, touched);
        let came_up = link.up && before.is_none_or(|b| !b.up);
        if came_up || before.is_none() {
            touched.interfaces.insert(Arc::clone(&name));
        }
        let titles = self.titles(before, Some(&link));
        let before = self.links.insert(link);
        let renamed = before.as_ref().filter(|b| b.name != name);
        touched.keys.extend(renamed.map(|b| link_key(&b.name)));
        touched.keys.insert(link_key(&name));
        let (before, now) = (before.as_ref(), self.links.get(index));
        let ours = [before, now]
            .into_iter()
            .flatten()
            .any(|l| self.concerns_us(l));
        let went_down = before.is_some_and(|b| b.up && now.is_some_and(|n| !n.up));
        // A kernel that takes an interface down flushes its IPv4 routes without announcing it. It
        // does so too when a device enters or leaves a VRF.
        let flushed = went_down || (moved && self.has_routes_by(index, &name));
        touched.stale |= (renamed.is_some() || flushed) && ours;
        touched.stale |= self.note_tenant(before, now, &titles, touched);
    }

    fn del_link(&mut self, message: &LinkMessage, touched: &mut Touched) {
        let index = message.header.index;
        if message::bridge_port(message).is_some() {
            self.note_port(index, None, touched);
            return;
        }
        let Some(link) = self.links.get(index) else {
            return;
        };
        touched.stale |= self.concerns_us(link);
        touched.keys.insert(link_key(&link.name));
        touched.keys.insert(leak::master_key(&link.name));
        let titles = self.titles(Some(link), None);
        self.answering.remove(&index);
        let link = self.links.remove(index);
        touched.stale |= self.note_tenant(link.as_ref(), None, &titles, touched);
    }

    /// Where routes lead by way of the interface, a device of a leak's included, which may have them unseen.
    fn has_routes_by(&self, index: u32, name: &str) -> bool {
        self.is_leak_nic(name) || self.routes.values().any(|route| route.index == index)
    }

    fn address(&mut self, message: &AddressMessage, present: bool, touched: &mut Touched) {
        let Some(AddressFacts {
            index,
            address,
            protocol,
        }) = message::address(message)
        else {
            return;
        };
        let Some(link) = self.links.get(index).filter(|l| self.is_device(l)) else {
            return;
        };
        let dev = Arc::clone(&link.name);
        // Whether a VLAN device is ours depends on its addresses.
        touched.keys.insert(link_key(&dev));
        touched.keys.insert(Key::Address { dev, address });
        if present {
            self.addresses.insert((index, address), protocol);
        } else {
            self.addresses.remove(&(index, address));
            // With the last IPv4 address all IPv4 routes of the interface go unannounced.
            touched.stale |= address.addr().is_ipv4() && !self.has_ipv4_address(index);
        }
    }

    fn route(&mut self, message: &RouteMessage, present: bool, touched: &mut Touched) {
        let Some((id, facts)) = message::route(message) else {
            return;
        };
        if !self.is_route_of_ours(&id, &facts) {
            return;
        }
        touched.keys.insert(id.key());
        if present {
            self.routes.insert(id, facts);
        } else {
            self.routes.remove(&id);
        }
    }

    fn rule(&mut self, message: &RuleMessage, present: bool, touched: &mut Touched) {
        let Some(RuleSeen {
            priority,
            to,
            table,
            destination_only,
        }) = message::rule(message)
        else {
            return;
        };
        if !self.scope.has_table(table) {
            return;
        }
        let facts = RuleFacts {
            table,
            destination_only,
        };
        let id = (priority, to, table);
        if self.scope.owns_rule(&facts) {
            touched.keys.insert(rules::key(&id));
            self.rules.note(id, present);
        } else {
            self.rules.note_look_alike(id, present);
        }
    }

    fn neighbour(&mut self, message: &NeighbourMessage, present: bool, touched: &mut Touched) {
        if message.header.family == AddressFamily::Bridge {
            self.fdb(message, present, touched);
            return;
        }
        let index = message.header.ifindex;
        if !self.links.get(index).is_some_and(|l| self.is_device(l)) {
            return;
        }
        if let Some((address, protocol)) = message::proxy(message) {
            touched.keys.extend(self.proxy_key(index, address));
            if present {
                self.proxies.insert((index, address), protocol);
            } else {
                self.proxies.remove(&(index, address));
            }
            return;
        }
        let Some((address, facts)) = message::neighbour(message) else {
            return;
        };
        touched.keys.extend(self.neighbour_key(index, address));
        // Only permanent entries are wiring; the rest is the kernel's own.
        match facts.filter(|_| present) {
            Some(facts) => self.neighbours.insert((index, address), facts),
            None => self.neighbours.remove(&(index, address)),
        };
    }
}

fn link_key(name: &Arc<str>) -> Key {
    Key::Link {
        name: Arc::clone(name),
    }
}

#[cfg(test)]
mod tests;
