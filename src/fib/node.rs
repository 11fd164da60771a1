//! What the node has of itself: links, addresses, and the routes of others, by which next hops are found. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::AddressMap;
use ipnet::IpNet;

use super::route::{Hop, Seen};
use crate::kernel::LinkFacts;

/// Routes of others beyond this many are not looked at: their number is not ours to bound.
const MAX_OTHERS: usize = 100_000;

/// An address of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) index: u32,
    /// With the length of its subnet.
    pub(super) net: IpNet,
    /// Duplicate address detection has let it pass.
    pub(super) usable: bool,
    /// It will be replaced before long (RFC 8981).
    pub(super) temporary: bool,
}

/// A route of somebody else's to a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) metric: u32,
    tos: u8,
    protocol: u8,
    /// None: it refuses traffic.
    pub(super) hops: Vec<Hop>,
}

/// Links, addresses and routes of others.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    links: BTreeMap<u32, LinkFacts>,
    addresses: AddressMap<(u32, IpNet), Address>,
    others: AddressMap<IpNet, Vec<Other>>,
    count: usize,
}

impl Node {
    pub(super) fn link(&self, index: u32) -> Option<&LinkFacts> {
        self.links.get(&index)
    }

    pub(super) fn link_named(&self, name: &str) -> Option<&LinkFacts> {
        self.links.values().find(|link| *link.name == *name)
    }

    /// Up, and with carrier: what is sent there may arrive.
    pub(super) fn carries(&self, index: u32) -> bool {
        self.link(index).is_some_and(|link| link.up && link.carrier)
    }

    /// For people.
    pub(super) fn name(&self, index: u32) -> Arc<str> {
        match self.link(index) {
            Some(link) => Arc::clone(&link.name),
            None => format!("#{index}").into(),
        }
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.values()
    }

    /// Whether the node has this address, and may send from it.
    pub(super) fn owns(&self, ip: IpAddr) -> bool {
        self.addresses().any(|a| a.net.addr() == ip && a.usable)
    }

    /// The routes of others to exactly this prefix.
    pub(super) fn others(&self, prefix: &IpNet) -> &[Other] {
        self.others.get(prefix).map_or(&[], Vec::as_slice)
    }

    /// Whether an IPv4 route of somebody else's leads over this interface.
    pub(super) fn has_v4_route_over(&self, index: u32) -> bool {
        let over = |other: &Other| other.hops.iter().any(|hop| hop.link == index);
        let v4 = self
            .others
            .iter()
            .filter(|(prefix, _)| prefix.addr().is_ipv4());
        v4.flat_map(|(_, others)| others).any(over)
    }

    /// True when there are more routes of others than are looked at.
    pub(super) fn is_full(&self) -> bool {
        self.count >= MAX_OTHERS
    }

    /// The link as it was before, if it was there.
    pub(super) fn put_link(&mut self, link: LinkFacts) -> Option<LinkFacts> {
        self.links.insert(link.index, link)
    }

    /// What was on the link goes with it.
    pub(super) fn remove_link(&mut self, index: u32) -> bool {
        self.addresses.retain(|(link, _), _| *link != index);
        self.links.remove(&index).is_some()
    }

    /// True when that is news.
    pub(super) fn put_address(&mut self, address: Address) -> bool {
        let known = self.addresses.insert((address.index, address.net), address);
        known != Some(address)
    }

    pub(super) fn remove_address(&mut self, address: &Address) -> bool {
        self.addresses
            .remove(&(address.index, address.net))
            .is_some()
    }

    /// Notes a route of somebody else's. True when that is news.
    pub(super) fn put_other(&mut self, seen: Seen) -> bool {
        if self.is_full() {
            return false;
        }
        let other = Other::from(&seen);
        let known = self.others.entry(seen.prefix).or_default();
        if known.contains(&other) {
            return false;
        }
        // IPv4 has one route of a metric, unless appended; IPv6 one for each link (fe80::/64).
        let before = known.len();
        known.retain(|k| {
            !(k.is_place_of(&other) && (seen.prefix.addr().is_ipv4() || k.shares_link(&other)))
        });
        known.push(other);
        known.sort_by_key(|other| other.metric);
        self.count += known.len();
        self.count -= before;
        true
    }

    pub(super) fn remove_other(&mut self, seen: &Seen) -> bool {
        let other = Other::from(seen);
        let Some(known) = self.others.get_mut(&seen.prefix) else {
            return false;
        };
        let before = known.len();
        known.retain(|k| {
            !(k.is_place_of(&other) && (seen.prefix.addr().is_ipv4() || k.shares_link(&other)))
        });
        let gone = before - known.len();
        self.count -= gone;
        if known.is_empty() {
            self.others.remove(&seen.prefix);
        }
        gone > 0
    }
}

impl Other {
    fn is_place_of(&self, other: &Self) -> bool {
        (self.metric, self.tos, self.protocol) == (other.metric, other.tos, other.protocol)
    }

    fn shares_link(&self, other: &Self) -> bool {
        let shared = |hop: &Hop| self.hops.iter().any(|own| own.link == hop.link);
        other.hops.iter().any(shared) || (self.hops.is_empty() && other.hops.is_empty())
    }
}

impl From<&Seen> for Other {
    fn from(seen: &Seen) -> Self {
        Self {
            metric: seen.metric,
            tos: seen.tos,
            protocol: seen.protocol,
            hops: seen.route.hops.clone(),
        }
    }
}
