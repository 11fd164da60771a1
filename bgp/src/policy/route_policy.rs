//! A small match/set policy: what a route map is elsewhere.

use std::net::IpAddr;
use std::sync::Arc;

use super::prefix_list::PrefixList;
use crate::wire::{Asn, Community, ExtendedCommunity, LargeCommunity, Origin};

/// Ordered terms; the first whose matches all hold decides, and no match denies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// What the operator calls it.
    pub name: Arc<str>,
    /// In the order of their sequence numbers.
    pub terms: Vec<Term>,
}

/// One term of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Whether a match passes.
    pub permit: bool,
    /// All must hold; none matches everything.
    pub matches: Vec<Match>,
    /// What a permitted route is changed to, in order.
    pub sets: Vec<Set>,
}

/// A condition on a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// The list permits the prefix.
    Prefix(Arc<PrefixList>),
    /// The list permits the next hop, as a host prefix.
    NextHop(Arc<PrefixList>),
    /// It carries one of these.
    Community(Vec<Community>),
    /// It carries one of these.
    ExtendedCommunity(Vec<ExtendedCommunity>),
    /// It carries one of these.
    LargeCommunity(Vec<LargeCommunity>),
    /// The AS is somewhere in AS_PATH.
    AsPath(Asn),
    /// MULTI_EXIT_DISC is this; absent counts as 0.
    Med(u32),
    /// ORIGIN is this.
    Origin(Origin),
}

/// A change to a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// LOCAL_PREF.
    LocalPref(u32),
    /// MULTI_EXIT_DISC.
    Med(u32),
    /// ORIGIN.
    Origin(Origin),
    /// Standard communities: added to those there, or in their place.
    Communities {
        /// Which.
        communities: Vec<Community>,
        /// Keep what is there.
        additive: bool,
    },
    /// Extended communities.
    ExtendedCommunities {
        /// Which.
        communities: Vec<ExtendedCommunity>,
        /// Keep what is there.
        additive: bool,
    },
    /// Large communities.
    LargeCommunities {
        /// Which.
        communities: Vec<LargeCommunity>,
        /// Keep what is there.
        additive: bool,
    },
    /// Drop every standard, extended and large community.
    NoCommunities,
    /// Put these in front of AS_PATH, the last one nearest to what is there.
    Prepend(Vec<Asn>),
    /// The next hop, of the route's family or (RFC 8950) IPv6.
    NextHop(IpAddr),
}
