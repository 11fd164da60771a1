//! What one peer has taught us, unfiltered.

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};

use super::best_path::LearnedPath;
use crate::wire::Family;

/// Adj-RIB-In of one peer, all families.
#[derive(Debug, Default)]
pub(crate) struct AdjRibIn {
    paths: FxHashMap<IpNet, LearnedPath>,
    /// Told before the peer restarted or began a refresh, and not again since.
    stale: FxHashSet<IpNet>,
}

impl AdjRibIn {
    /// True when that changed anything.
    pub(crate) fn insert(&mut self, prefix: IpNet, path: LearnedPath) -> bool {
        self.stale.remove(&prefix);
        let changed = self.paths.get(&prefix) != Some(&path);
        if changed {
            self.paths.insert(prefix, path);
        }
        changed
    }

    /// True when there was such a route.
    pub(crate) fn remove(&mut self, prefix: &IpNet) -> bool {
        self.stale.remove(prefix);
        self.paths.remove(prefix).is_some()
    }

    /// Everything known of a family waits to be confirmed.
    pub(crate) fn mark_stale(&mut self, family: Family) {
        let of_family = self.paths.keys().filter(|p| Family::of(p) == family);
        self.stale.extend(of_family);
    }

    /// Forget what was not confirmed since [`Self::mark_stale`]; returns it.
    pub(crate) fn purge_stale(&mut self, family: Family) -> Vec<IpNet> {
        let gone: Vec<_> = self.stale.extract_if(|p| Family::of(p) == family).collect();
        for prefix in &gone {
            self.paths.remove(prefix);
        }
        gone
    }

    /// Routes of a family that wait to be confirmed.
    pub(crate) fn stale_count(&self, family: Family) -> usize {
        let of_family = self.stale.iter().filter(|p| Family::of(p) == family);
        of_family.count()
    }

    pub(crate) fn get(&self, prefix: &IpNet) -> Option<&LearnedPath> {
        self.paths.get(prefix)
    }

    /// Forget everything; returns what was known.
    pub(crate) fn clear(&mut self) -> Vec<IpNet> {
        self.stale.clear();
        std::mem::take(&mut self.paths).into_keys().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNet, &LearnedPath)> {
        self.paths.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }
}
