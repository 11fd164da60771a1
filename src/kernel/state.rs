//! Pure: what the kernel said, as objects. Messages in, touched keys out.
//!
//! Only what the [`Scope`] covers is kept, so that a node with a full routing table or thousands of
//! taps costs nothing.

mod leak;
mod links;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp::AddressMap;
use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;
use rustc_hash::FxHashMap;

pub(super) use rules::RuleId;
use rules::Rules;

use super::message::{
    self, AddressFacts, LinkFacts, NeighbourFacts, RouteFacts, RouteId, RuleSeen,
};
use crate::mac::MacAddr;
use crate::reconcile::Found;
use crate::reconcile::object::{Key, Link, Route, TableId, Value};
use crate::reconcile::ownership::{
    PROTOCOL, RULE_PRIORITY, RuleFacts, Scope, VlanFacts, is_helper_address,
};

/// Metric that the kernel gives IPv6 routes that ask for none; IPv4 routes then have 0.
pub(super) const IPV6_METRIC: u32 = 1024;

/// What is known of the kernel.
#[derive(Debug, Default)]
pub(super) struct State {
    scope: Scope,
    links: BTreeMap<u32, LinkFacts>,
    indexes: FxHashMap<Arc<str>, u32>,
    /// With the protocol each is marked with, 0 for none.
    addresses: BTreeMap<(u32, IpNet), u8>,
    routes: AddressMap<RouteId, RouteFacts>,
    rules: Rules,
    neighbours: AddressMap<(u32, IpAddr), NeighbourFacts>,
    /// With the protocol each is marked with, 0 for none.
    proxies: AddressMap<(u32, Ipv6Addr), u8>,
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
        let Some(index) = self.indexes.get(name) else {
            return;
        };
        if answers {
            self.answering.insert(*index);
        } else {
            self.answering.remove(index);
        }
    }

    pub(super) fn set_table_names(&mut self, names: BTreeMap<Arc<str>, TableId>) {
        self.table_names = names;
    }

    /// The interface with this name.
    pub(super) fn link(&self, name: &str) -> Option<&LinkFacts> {
        self.links.get(self.indexes.get(name)?)
    }

    pub(super) fn mac(&self, name: &str) -> Option<MacAddr> {
        self.link(name)?.mac
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &LinkFacts> {
        self.links.values()
    }

    /// The VLAN devices with names we give.
    pub(super) fn vlan_devices(&self) -> impl Iterator<Item = &Arc<str>> {
        let vlans = self.links.values().filter(|link| link.vlan.is_some());
        vlans.filter(|l| self.is_device(l)).map(|link| &link.name)
    }

    /// The indexes of the interfaces that can carry objects of ours.
    pub(super) fn device_indexes(&self) -> Vec<u32> {
        let ours = self.links.values().filter(|link| self.is_device(link));
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

/// From what is known to objects.
impl State {
    /// Every object.
    pub(super) fn objects(&self) -> Vec<(Key, Found)> {
        let mut keys: Vec<Key> = Vec::with_capacity(self.routes.len() + self.rules.len() + 64);
        keys.extend(self.links.values().map(|l| link_key(&l.name)));
        keys.extend(self.master_keys());
        keys.extend(self.routes.keys().map(RouteId::key));
        keys.extend(self.rules.keys());
        for (index, address) in self.addresses.keys() {
            keys.extend(self.device_name(*index).map(|dev| Key::Address {
                dev,
                address: *address,
            }));
        }
        for (index, address) in self.neighbours.keys() {
            keys.extend(self.neighbour_key(*index, *address));
        }
        for (index, address) in self.proxies.keys() {
            keys.extend(self.proxy_key(*index, *address));
        }
        keys.extend(self.sysctls.keys().map(|path| Key::Sysctl {
            path: Arc::clone(path),
        }));
        keys.extend(self.table_names.keys().map(|name| Key::TableName {
            name: Arc::clone(name),
        }));
        let found = |key: Key| self.found(&key).map(|found| (key, found));
        keys.into_iter().filter_map(found).collect()
    }

    /// One object as it is.
    pub(super) fn found(&self, key: &Key) -> Option<Found> {
        match key {
            Key::Link { name } => self.found_link(name),
            Key::Master { dev } => self.found_master(dev),
            Key::Address { dev, address } => {
                let index = *self.indexes.get(dev)?;
                self.addresses.get(&(index, *address))?;
                Some(Found {
                    value: Value::Address {},
                    owned: is_helper_address(address) || self.owns_leaked_address(index, address),
                })
            }
            Key::Route { .. } | Key::StrayRoute { .. } => self.found_route(key),
            Key::Rule {
                priority,
                to,
                table,
            } => {
                self.rules.as_found(&(*priority, *to, *table))?;
                Some(Found::owned(Value::Rule {}))
            }
            Key::Neighbour { dev, address } => {
                let facts = self.neighbours.get(&(*self.indexes.get(dev)?, *address))?;
                let steered = self.is_steered(*address);
                let owned = self.scope.owns_neighbour(facts.protocol, steered);
                let value = Value::Neighbour { mac: facts.mac };
                Some(Found { value, owned })
            }
            Key::Proxy { dev, address } => {
                let protocol = *self.proxies.get(&(*self.indexes.get(dev)?, *address))?;
                let owned = self.scope.owns_proxy(protocol, *address);
                let value = Value::Proxy {};
                Some(Found { value, owned })
            }
            Key::Sysctl { path } => {
                let value = Arc::clone(self.sysctls.get(path)?);
                Some(Found::foreign(Value::Sysctl { value }))
            }
            Key::TableName { name } => {
                let id = *self.table_names.get(name)?;
                Some(Found::foreign(Value::TableName { id }))
            }
            Key::Flow { .. } | Key::StrayFlow { .. } | Key::SwitchPort { .. } => None,
            Key::BridgePort { .. }
            | Key::Unreachable { .. }
            | Key::Fdb { .. }
            | Key::Flood { .. } => None,
        }
    }

    /// Only interfaces that concern us are objects.
    fn found_link(&self, name: &Arc<str>) -> Option<Found> {
        let link = self.link(name)?;
        let vlan = self.vlan(link);
        let wanted = self.scope.interfaces.contains(name) || self.concerns_us(link);
        if !wanted && !self.is_name_we_need(name) {
            return None;
        }
        let kind = self.kind(link);
        let owned = self.owns_leaking(link)
            || vlan.is_some_and(|(parent, id)| {
                self.scope.owns_vlan(&VlanFacts {
                    name,
                    parent,
                    id,
                    alias: link.alias.as_deref(),
                    has_helper_address: self.has_helper_address(link.index),
                    answers_for_others: self.answers_for_others(link.index, parent),
                })
            });
        let value = Value::Link(Link {
            kind,
            up: link.up,
            mac: link.mac,
        });
        Some(Found { value, owned })
    }

    fn found_route(&self, key: &Key) -> Option<Found> {
        let facts = self.routes.get(&RouteId::of(key)?)?;
        let value = match self.device_name(facts.index) {
            Some(dev) if facts.plain => Value::Route(Route::new(dev, facts.via)),
            // Several next hops, or none that we know: nothing that we would wish.
            _ => Value::Stray {
                text: "a route with other next hops".into(),
            },
        };
        Some(Found::owned(value))
    }

    /// True when a rule or route of ours has this very address.
    fn is_steered(&self, address: IpAddr) -> bool {
        let host = IpNet::from(address);
        self.scope.bridges.values().any(|table| {
            self.routes.contains_key(&RouteId::plain(*table, host))
                || self
                    .rules
                    .as_found(&(RULE_PRIORITY, host, *table))
                    .is_some()
        })
    }

    /// One without our mark.
    fn has_helper_address(&self, index: u32) -> bool {
        let lowest = (index, crate::reconcile::ownership::default_prefix(false));
        self.addresses
            .range(lowest..)
            .take_while(|((i, _), _)| *i == index)
            .any(|((_, address), mark)| is_helper_address(address) && *mark != PROTOCOL)
    }

    fn answers_for_others(&self, index: u32, bridge: &Arc<str>) -> bool {
        let table = self.scope.bridges.get(bridge);
        self.answering.contains(&index)
            && self.routes.iter().any(|(id, route)| {
                Some(&id.table) == table
                    && route.index == index
                    && route.protocol == libc::RTPROT_BOOT
            })
    }

    /// True for a mapped bridge or a VLAN device with the name we give.
    fn is_device(&self, link: &LinkFacts) -> bool {
        let vlan = self.vlan(link).map(|(parent, id)| (&**parent, id));
        self.scope.has_device(&link.name, vlan) || self.is_leak_device(&link.name)
    }

    fn device_name(&self, index: u32) -> Option<Arc<str>> {
        self.links.get(&index).map(|link| Arc::clone(&link.name))
    }

    fn neighbour_key(&self, index: u32, address: IpAddr) -> Option<Key> {
        let dev = self.device_name(index)?;
        Some(Key::Neighbour { dev, address })
    }

    fn proxy_key(&self, index: u32, address: Ipv6Addr) -> Option<Key> {
        let dev = self.device_name(index)?;
        Some(Key::Proxy { dev, address })
    }
}

/// From messages to what is known.
impl State {
    fn new_link(&mut self, message: &LinkMessage, touched: &mut Touched) {
        let Some(link) = message::link(message) else {
            return;
        };
        let before = self.links.get(&link.index);
        let ours_before = before.is_some_and(|b| self.concerns_us(b));
        let moved = self.note_master(before, &link, touched);
        let renamed = before.is_some_and(|b| b.name != link.name);
        let went_down = before.is_some_and(|b| b.up && !link.up);
        let came_up = link.up && before.is_none_or(|b| !b.up);
        if let Some(before) = before.filter(|_| renamed) {
            touched.keys.insert(link_key(&before.name));
            self.indexes.remove(&before.name);
        }
        if came_up || before.is_none() {
            touched.interfaces.insert(Arc::clone(&link.name));
        }
        touched.keys.insert(link_key(&link.name));
        self.indexes.insert(Arc::clone(&link.name), link.index);
        let index = link.index;
        self.links.insert(index, link);
        let ours = ours_before || self.links.get(&index).is_some_and(|l| self.concerns_us(l));
        // A kernel that takes an interface down flushes its IPv4 routes without announcing it. It
        // does so too when a device enters or leaves a VRF.
        touched.stale |= (renamed || went_down || moved) && ours;
    }

    fn del_link(&mut self, message: &LinkMessage, touched: &mut Touched) {
        let Some(link) = self.links.get(&message.header.index) else {
            return;
        };
        touched.stale |= self.concerns_us(link);
        touched.keys.insert(link_key(&link.name));
        touched.keys.insert(leak::master_key(&link.name));
        self.answering.remove(&message.header.index);
        if let Some(link) = self.links.remove(&message.header.index)
            && self.indexes.get(&link.name) == Some(&link.index)
        {
            self.indexes.remove(&link.name);
        }
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
        let Some(link) = self.links.get(&index).filter(|l| self.is_device(l)) else {
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
        let leaked = self.is_leaked_route(&id, &facts);
        if !leaked && !self.scope.owns_route(id.table, facts.protocol) {
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
        let index = message.header.ifindex;
        if !self.links.get(&index).is_some_and(|l| self.is_device(l)) {
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
