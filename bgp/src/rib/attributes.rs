//! What an originated route carries besides its prefix, stored once however many routes share it.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::wire::{Community, ExtendedCommunity, LargeCommunity, Origin};

/// Attributes the originator of a route chooses; the rest (AS_PATH, and what is left out here) follows from the
/// session the route leaves by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteAttributes {
    /// ORIGIN; incomplete unless set, as of every route that was redistributed.
    pub origin: Origin,
    /// Next hop, of the route's family or (RFC 8950) IPv6; the session's own address unless set.
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC (RFC 4271 §5.1.4); absent unless set.
    pub med: Option<u32>,
    /// LOCAL_PREF towards internal peers; 100 unless set.
    pub local_pref: Option<u32>,
    /// Standard communities (RFC 1997), in the order given.
    pub communities: Vec<Community>,
    /// Extended communities (RFC 4360).
    pub extended_communities: Vec<ExtendedCommunity>,
    /// Large communities (RFC 8092).
    pub large_communities: Vec<LargeCommunity>,
}

impl Default for RouteAttributes {
    fn default() -> Self {
        Self {
            origin: Origin::Incomplete,
            next_hop: None,
            med: None,
            local_pref: None,
            communities: Vec::new(),
            extended_communities: Vec::new(),
            large_communities: Vec::new(),
        }
    }
}

/// Interns [`RouteAttributes`]: equal sets are one allocation, and comparing two is a pointer compare.
#[derive(Debug, Default)]
pub(crate) struct AttributeStore {
    sets: FxHashSet<Arc<RouteAttributes>>,
    /// Unused sets are dropped when the store has grown to this many.
    sweep_at: usize,
}

impl AttributeStore {
    /// The shared copy of `attributes`.
    pub(crate) fn intern(&mut self, attributes: &RouteAttributes) -> Arc<RouteAttributes> {
        if let Some(known) = self.sets.get(attributes) {
            return Arc::clone(known);
        }
        if self.sets.len() >= self.sweep_at.max(64) {
            self.sets.retain(|set| Arc::strong_count(set) > 1);
            self.sweep_at = self.sets.len() * 2;
        }
        let shared = Arc::new(attributes.clone());
        self.sets.insert(Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_share_one_allocation() {
        let mut store = AttributeStore::default();
        let first = store.intern(&RouteAttributes::default());
        let second = store.intern(&RouteAttributes::default());
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn sets_nobody_uses_are_dropped() {
        let mut store = AttributeStore::default();
        for med in 0..10_000 {
            store.intern(&RouteAttributes {
                med: Some(med),
                ..RouteAttributes::default()
            });
        }
        assert!(store.sets.len() <= 64, "{} sets kept", store.sets.len());
    }
}
