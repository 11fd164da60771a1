//! Routes as the kernel has them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::reconcile::object::TableId;

/// Our mark: what zebra uses for BGP too, so that `ip route show proto bgp` shows what it always showed, and so
/// that what zebra has left is taken over in place.
pub(super) const PROTOCOL: u8 = 186;

/// Metric that the kernel gives IPv6 routes that ask for none.
const IPV6_METRIC: u32 = 1024;

/// Where the traffic of a route, or of a part of it, goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Hop {
    /// Index of the interface.
    pub(super) link: u32,
    /// The next router, of either family (RFC 8950); `None`: the destination is on the link.
    pub(super) via: Option<IpAddr>,
    /// The router is on the link although no route says so.
    pub(super) onlink: bool,
}

/// A route, apart from its destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KernelRoute {
    /// Sorted, each once, at least one.
    pub(super) hops: Vec<Hop>,
    /// Preferred source address.
    pub(super) source: Option<IpAddr>,
}

/// Where our routes are, besides their destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) table: TableId,
    pub(super) metric: u32,
}

/// A route that the kernel has told of, ours or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) table: TableId,
    pub(super) prefix: IpNet,
    pub(super) metric: u32,
    pub(super) tos: u8,
    pub(super) protocol: u8,
    /// Empty for one that refuses traffic: unreachable, prohibit, blackhole.
    pub(super) route: KernelRoute,
    /// It has nothing that we would not give it.
    pub(super) plain: bool,
    /// It uses a nexthop object, as zebra's do and ours never.
    pub(super) by_object: bool,
}

impl Place {
    /// The metric in the kernel's words.
    pub(super) fn metric_of(&self, prefix: &IpNet) -> u32 {
        match (self.metric, prefix) {
            (0, IpNet::V6(_)) => IPV6_METRIC,
            (metric, _) => metric,
        }
    }

    /// True for a route that cannot be beside ours to the same prefix.
    pub(super) fn is_taken_by(&self, seen: &Seen) -> bool {
        seen.table == self.table && seen.tos == 0 && seen.metric == self.metric_of(&seen.prefix)
    }
}

impl KernelRoute {
    /// Hops in the order in which they are compared.
    pub(super) fn new(mut hops: Vec<Hop>, source: Option<IpAddr>) -> Self {
        hops.sort_unstable();
        hops.dedup();
        Self { hops, source }
    }

    pub(super) fn uses_link(&self, index: u32) -> bool {
        self.hops.iter().any(|hop| hop.link == index)
    }
}
