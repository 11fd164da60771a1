//! What waits for an interface.

use std::sync::Arc;

use bgp::{AddressMap, AddressSet};
use rustc_hash::FxHashMap;

use crate::reconcile::object::Key;

/// Objects that wait for an interface, each for one: forgotten with the object as with the interface.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_link: FxHashMap<Arc<str>, AddressSet<Key>>,
    link_of: AddressMap<Key, Arc<str>>,
}

impl Waiting {
    /// An object waits for an interface from now on, and for no other.
    pub(super) fn insert(&mut self, link: Arc<str>, key: Key) {
        self.remove(&key);
        self.by_link
            .entry(Arc::clone(&link))
            .or_default()
            .insert(key.clone());
        self.link_of.insert(key, link);
    }

    /// It waits no more.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(link) = self.link_of.remove(key) else {
            return;
        };
        if let Some(keys) = self.by_link.get_mut(&link) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_link.remove(&link);
            }
        }
    }

    /// All that wait for an interface wait no more.
    pub(super) fn take(&mut self, link: &str) -> Vec<Key> {
        let keys = self.by_link.remove(link).into_iter().flatten();
        let keys: Vec<Key> = keys.collect();
        for key in &keys {
            self.link_of.remove(key);
        }
        keys
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let waiting = self.by_link.values().map(|keys| keys.len()).sum();
        assert_eq!(self.link_of.len(), waiting);
        waiting
    }
}
