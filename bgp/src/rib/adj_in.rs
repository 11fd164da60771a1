//! What one peer has taught us, unfiltered.

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::learned_path::LearnedPath;

/// Adj-RIB-In of one peer, all families.
#[derive(Debug, Default)]
pub(crate) struct AdjRibIn {
    paths: FxHashMap<IpNet, LearnedPath>,
}

impl AdjRibIn {
    /// True when that changed anything.
    pub(crate) fn insert(&mut self, prefix: IpNet, path: LearnedPath) -> bool {
        let changed = self.paths.get(&prefix) != Some(&path);
        if changed {
            self.paths.insert(prefix, path);
        }
        changed
    }

    /// True when there was such a route.
    pub(crate) fn remove(&mut self, prefix: &IpNet) -> bool {
        self.paths.remove(prefix).is_some()
    }

    pub(crate) fn get(&self, prefix: &IpNet) -> Option<&LearnedPath> {
        self.paths.get(prefix)
    }

    /// Forget everything; returns what was known.
    pub(crate) fn clear(&mut self) -> Vec<IpNet> {
        std::mem::take(&mut self.paths).into_keys().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNet, &LearnedPath)> {
        self.paths.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }
}
