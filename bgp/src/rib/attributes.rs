//! What an originated route carries besides its prefix, stored once however many routes share it.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::wire::Community;

/// Attributes the originator of a route chooses; the rest (ORIGIN incomplete, AS_PATH, NEXT_HOP,
/// LOCAL_PREF) follow from the session the route leaves by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteAttributes {
    /// MULTI_EXIT_DISC (RFC 4271 §5.1.4); absent unless set.
    pub med: Option<u32>,
    /// Standard communities (RFC 1997), in the order given.
    pub communities: Vec<Community>,
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
