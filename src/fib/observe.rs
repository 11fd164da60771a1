//! What the kernel tells, all at once or bit by bit, and what follows from it for our routes. Pure.

use std::net::IpAddr;
use std::sync::Arc;

use bgp::AddressMap;
use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage;

use super::message;
use super::node::{Address, Node};
use super::route::{PROTOCOL, Place, Seen};
use super::table::{Installed, Table};
use crate::kernel::LinkFacts;
use crate::kernel::message::link;

/// The table through which next hops are found.
pub(super) const MAIN: u32 = libc::RT_TABLE_MAIN as u32;

/// The kernel, read from the beginning.
#[derive(Debug)]
pub(super) struct Dump {
    place: Place,
    node: Node,
    /// Routes in places that ours have or could have.
    taken: Vec<Seen>,
}

impl Dump {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            node: Node::default(),
            taken: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, message: &RouteNetlinkMessage) {
        match message {
            RouteNetlinkMessage::NewLink(message) => {
                if let Some(facts) = link(message) {
                    self.node.put_link(facts);
                }
            }
            RouteNetlinkMessage::NewAddress(message) => {
                if let Some(address) = message::address_of(message) {
                    self.node.put_address(address);
                }
            }
            RouteNetlinkMessage::NewRoute(message) => match message::route(message) {
                Some(seen) if self.place.is_taken_by(&seen) => self.taken.push(seen),
                Some(seen) if seen.table == MAIN => drop(self.node.put_other(seen)),
                _ => {}
            },
            _ => {}
        }
    }
}

impl Table {
    /// Everything there is. What is known of the kernel is replaced.
    pub(super) fn read(&mut self, dump: Dump) {
        if dump.place != self.place() {
            return;
        }
        let adopting = !self.read;
        self.touch_all();
        self.node = dump.node;
        self.taken.clear();
        let mut installed = AddressMap::default();
        for seen in dump.taken {
            if self.is_ours(&seen, adopting) {
                let state = self.as_seen(&seen);
                // Twins of one place: the next write makes one of them.
                let state = if installed.contains_key(&seen.prefix) {
                    Installed::Doubtful
                } else {
                    state
                };
                installed.insert(seen.prefix, state);
            } else {
                self.taken.insert(seen.prefix, seen.protocol);
                self.note_other(seen);
            }
        }
        self.installed = installed;
        if adopting {
            self.hold_installed();
        }
        self.touch_all();
        (self.moved, self.doubtful, self.read) = (true, false, true);
    }

    /// Our protocol in our place. When the kernel is first read that is an earlier process of ours, or zebra with
    /// its nexthop objects, from which only what is imported is taken over. Later it is ours if we put it there.
    fn is_ours(&self, seen: &Seen, adopting: bool) -> bool {
        if seen.protocol != PROTOCOL {
            return false;
        }
        if !adopting {
            return self.installed.contains_key(&seen.prefix) && !seen.by_object;
        }
        match seen.by_object {
            true => self.settings.imports(&seen.prefix),
            false => self.settings.import.is_some(),
        }
    }

    fn as_seen(&mut self, seen: &Seen) -> Installed {
        if seen.plain {
            Installed::As(self.shared.share(seen.route.clone()))
        } else {
            Installed::Doubtful
        }
    }

    /// Takes in an announcement; those of our own changes need not come.
    pub(super) fn observe(&mut self, message: &RouteNetlinkMessage) {
        match message {
            RouteNetlinkMessage::NewLink(message) => {
                if let Some(facts) = link(message) {
                    self.link_is(facts);
                }
            }
            RouteNetlinkMessage::DelLink(message) => {
                if let Some(facts) = link(message) {
                    self.link_went(facts.index);
                    self.moved |= self.node.remove_link(facts.index);
                }
            }
            RouteNetlinkMessage::NewAddress(message) => {
                if let Some(address) = message::address_of(message)
                    && self.node.put_address(address)
                {
                    self.address_changed(address.net.addr());
                }
            }
            RouteNetlinkMessage::DelAddress(message) => {
                if let Some(address) = message::address_of(message)
                    && self.node.remove_address(&address)
                {
                    self.address_went(&address);
                }
            }
            RouteNetlinkMessage::NewRoute(message) => {
                if let Some(seen) = message::route(message) {
                    self.route_is(seen);
                }
            }
            RouteNetlinkMessage::DelRoute(message) => {
                if let Some(seen) = message::route(message) {
                    self.route_went(&seen);
                }
            }
            _ => {}
        }
    }

    fn link_is(&mut self, facts: LinkFacts) {
        let (index, up) = (facts.index, facts.up);
        let state = (Arc::clone(&facts.name), facts.up, facts.carrier);
        let before = self.node.put_link(facts);
        if before.as_ref().is_some_and(|link| link.up) && !up {
            self.link_went(index);
        }
        self.moved |= before.map(|link| (link.name, link.up, link.carrier)) != Some(state);
    }

    /// The kernel takes IPv4 routes away with their interface, and does not say so.
    fn link_went(&mut self, index: u32) {
        self.doubt(|route| route.uses_link(index));
        self.doubtful |= self.node.has_v4_route_over(index);
    }

    fn address_changed(&mut self, address: IpAddr) {
        self.moved = true;
        let settings = &self.settings;
        let source = [
            settings.source_v4.map(IpAddr::V4),
            settings.source_v6.map(IpAddr::V6),
        ];
        if source.contains(&Some(address)) {
            self.touch_all();
        }
    }

    /// With an address go the IPv4 routes that prefer it, with the last of an interface all over it, both without
    /// a word; IPv6 routes lose their preference for it (rt6_remove_prefsrc).
    fn address_went(&mut self, address: &Address) {
        let (index, ip) = (address.index, address.net.addr());
        self.doubt(|route| route.source == Some(ip));
        if ip.is_ipv4() {
            self.link_went(index);
        }
        self.address_changed(ip);
    }

    /// Routes that may be gone are written again, or removed again.
    fn doubt(&mut self, concerned: impl Fn(&super::route::KernelRoute) -> bool) {
        let mut touched: Vec<IpNet> = Vec::new();
        for (prefix, installed) in &mut self.installed {
            if matches!(installed, Installed::As(route) if concerned(route)) {
                *installed = Installed::Doubtful;
                touched.push(*prefix);
            }
        }
        touched.into_iter().for_each(|prefix| self.touch(prefix));
    }

    fn route_is(&mut self, seen: Seen) {
        let prefix = seen.prefix;
        if self.place().is_taken_by(&seen) {
            self.touch(prefix);
            if self.is_ours(&seen, false) {
                // Somebody has changed it: it is put right.
                let state = self.as_seen(&seen);
                self.installed.insert(prefix, state);
                return;
            }
            if seen.protocol == PROTOCOL {
                // Zebra's, in place of ours: a removal would hit it.
                self.installed.remove(&prefix);
            } else if let Some(ours) = self.installed.get_mut(&prefix) {
                // It may be beside ours, which then gives way to it, or have replaced ours without a word.
                *ours = Installed::Doubtful;
            }
            self.taken.insert(prefix, seen.protocol);
        }
        self.note_other(seen);
    }

    fn route_went(&mut self, seen: &Seen) {
        if self.place().is_taken_by(seen) {
            self.touch(seen.prefix);
            if self.is_ours(seen, false) {
                // One next hop of it may be left.
                self.installed.insert(seen.prefix, Installed::Doubtful);
                return;
            }
            self.taken.remove(&seen.prefix);
        }
        if seen.table == MAIN {
            self.moved |= self.node.remove_other(seen);
        }
    }

    fn note_other(&mut self, seen: Seen) {
        if seen.table == MAIN {
            self.moved |= self.node.put_other(seen);
        }
    }
}
