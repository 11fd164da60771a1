//! From what is known to objects.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::{State, link_key};
use crate::kernel::message::{LinkFacts, RouteFacts, RouteId};
use crate::reconcile::Found;
use crate::reconcile::object::{Key, Link, Route, Value};
use crate::reconcile::ownership::{
    PROTOCOL, RULE_PRIORITY, VlanFacts, default_prefix, is_helper_address,
};

impl State {
    /// Every object.
    pub(in crate::kernel) fn objects(&self) -> Vec<(Key, Found)> {
        let mut keys: Vec<Key> = Vec::with_capacity(self.routes.len() + self.rules.len() + 64);
        keys.extend(self.links.iter().map(|l| link_key(&l.name)));
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
        keys.extend(self.tenant_keys());
        keys.extend(self.forwarding_keys());
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
    pub(in crate::kernel) fn found(&self, key: &Key) -> Option<Found> {
        match key {
            Key::Link { name } => self.found_link(name),
            Key::Master { dev } => self.found_master(dev),
            Key::Address { dev, address } => {
                let index = self.links.index(dev)?;
                let protocol = *self.addresses.get(&(index, *address))?;
                let owned = match &self.scope.tenants {
                    Some(tenants) if self.is_tenant_entry(dev) => {
                        let on_ours = self.is_our_entry(dev);
                        tenants.owns_address(address, protocol, on_ours)
                    }
                    _ => is_helper_address(address) || self.owns_leaked_address(index, address),
                };
                let value = Value::Address {};
                Some(Found { value, owned })
            }
            Key::Route { .. } | Key::Unreachable { .. } | Key::StrayRoute { .. } => {
                self.found_route(key)
            }
            Key::Rule {
                priority,
                to,
                table,
            } => {
                self.rules.as_found(&(*priority, *to, *table))?;
                Some(Found::owned(Value::Rule {}))
            }
            Key::Neighbour { dev, address } => {
                let facts = self.neighbours.get(&(self.links.index(dev)?, *address))?;
                let owned = match &self.scope.tenants {
                    Some(tenants) if self.is_tenant_entry(dev) => {
                        tenants.owns_neighbour(facts.protocol, self.is_our_entry(dev))
                    }
                    _ => {
                        let steered = self.is_steered(*address);
                        self.scope.owns_neighbour(facts.protocol, steered)
                    }
                };
                let value = Value::Neighbour { mac: facts.mac };
                Some(Found { value, owned })
            }
            Key::Proxy { dev, address } => {
                let protocol = *self.proxies.get(&(self.links.index(dev)?, *address))?;
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
            Key::BridgePort { dev } => self.found_port(dev),
            Key::Fdb { dev, mac } => self.found_fdb(dev, *mac),
            Key::Flood { dev, vtep } => self.found_flood(dev, *vtep),
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
            || self.owns_tenant_device(link)
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
            mtu: Some(link.mtu).filter(|mtu| *mtu != 0),
        });
        Some(Found { value, owned })
    }

    fn found_route(&self, key: &Key) -> Option<Found> {
        let id = RouteId::of(key)?;
        let facts = self.routes.get(&id)?;
        let value = match self.device_name(facts.index) {
            _ if id.unreachable => Value::Unreachable {},
            // Zebra's have next hops as objects of their own, and say them all the same.
            Some(dev) if facts.plain || self.inherits_route(&id, facts) => Value::Route(Route {
                dev,
                via: Arc::clone(&facts.via),
            }),
            // Several next hops, or none that we know: nothing that we would wish.
            _ => Value::Stray {
                text: "a route with other next hops".into(),
            },
        };
        let owned = self.owns_tenant_route(id.table, facts.protocol);
        Some(Found {
            value,
            owned: owned.unwrap_or(true),
        })
    }

    /// True for what a table of ours has of ours.
    pub(super) fn is_route_of_ours(&self, id: &RouteId, facts: &RouteFacts) -> bool {
        let in_bridge_table = !id.unreachable && self.scope.owns_route(id.table, facts.protocol);
        in_bridge_table
            || self.is_leaked_route(id, facts)
            || self.inherits_route(id, facts)
            || self
                .owns_tenant_route(id.table, facts.protocol)
                .is_some_and(|owned| owned || facts.protocol == libc::RTPROT_BOOT)
    }

    fn is_our_entry(&self, dev: &str) -> bool {
        let link = self.links.named(dev);
        link.is_some_and(|link| self.owns_tenant_device(link) || self.is_tenant_member(dev))
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
        let lowest = (index, default_prefix(false));
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
    pub(super) fn is_device(&self, link: &LinkFacts) -> bool {
        let vlan = self.vlan(link).map(|(parent, id)| (&**parent, id));
        self.scope.has_device(&link.name, vlan)
            || self.is_leak_device(&link.name)
            || self.is_tenant_entry(&link.name)
    }

    fn device_name(&self, index: u32) -> Option<Arc<str>> {
        self.links.name(index).map(Arc::clone)
    }

    pub(super) fn neighbour_key(&self, index: u32, address: IpAddr) -> Option<Key> {
        let dev = self.device_name(index)?;
        Some(Key::Neighbour { dev, address })
    }

    pub(super) fn proxy_key(&self, index: u32, address: Ipv6Addr) -> Option<Key> {
        let dev = self.device_name(index)?;
        Some(Key::Proxy { dev, address })
    }
}
