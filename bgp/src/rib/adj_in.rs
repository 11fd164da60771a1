//! What one peer has taught us, unfiltered.

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};

use super::learned_path::{LearnedPath, Stale};
use crate::wire::{Community, Family};

/// Adj-RIB-In of one peer, all families.
#[derive(Debug, Default)]
pub(crate) struct AdjRibIn {
    paths: FxHashMap<IpNet, LearnedPath>,
    /// Told before the peer restarted or began a refresh, and not again since.
    unconfirmed: FxHashSet<IpNet>,
}

impl AdjRibIn {
    /// True when that changed anything.
    pub(crate) fn insert(&mut self, prefix: IpNet, path: LearnedPath) -> bool {
        self.unconfirmed.remove(&prefix);
        let changed = self.paths.get(&prefix) != Some(&path);
        if changed {
            self.paths.insert(prefix, path);
        }
        changed
    }

    /// True when there was such a route.
    pub(crate) fn remove(&mut self, prefix: &IpNet) -> bool {
        self.unconfirmed.remove(prefix);
        self.paths.remove(prefix).is_some()
    }

    /// The peer tells a family anew: everything known of it waits to be confirmed (RFC 7313 §4).
    pub(crate) fn expect_again(&mut self, family: Family) {
        let of_family = self.paths.keys().filter(|p| Family::of(p) == family);
        self.unconfirmed.extend(of_family);
    }

    /// The peer is away: everything known of a family is stale until it is confirmed (RFC 4724 §4.2).
    pub(crate) fn mark_stale(&mut self, family: Family) {
        self.expect_again(family);
        for (_, path) in self
            .paths
            .iter_mut()
            .filter(|(p, _)| Family::of(p) == family)
        {
            path.stale = Some(Stale::Restarting);
        }
    }

    /// The peer is away for longer: its stale routes are the last resort, and those that must not be kept so long
    /// are forgotten (RFC 9494 §4.3). Returns what changed.
    pub(crate) fn mark_long_lived(&mut self, family: Family) -> Vec<IpNet> {
        let of_family = |p: &IpNet| Family::of(p) == family;
        let stale: Vec<_> = self.unconfirmed.iter().copied().filter(of_family).collect();
        for prefix in &stale {
            match self.paths.get_mut(prefix) {
                Some(path) if !path.has_community(Community::NO_LLGR) => {
                    path.stale = Some(Stale::LongLived);
                }
                _ => {
                    self.remove(prefix);
                }
            }
        }
        stale
    }

    /// Forget what was not confirmed since; returns it.
    pub(crate) fn purge_unconfirmed(&mut self, family: Family) -> Vec<IpNet> {
        let of_family = |p: &IpNet| Family::of(p) == family;
        let gone: Vec<_> = self.unconfirmed.extract_if(of_family).collect();
        for prefix in &gone {
            self.paths.remove(prefix);
        }
        gone
    }

    /// Routes that wait to be confirmed.
    pub(crate) fn unconfirmed_count(&self) -> usize {
        self.unconfirmed.len()
    }

    pub(crate) fn get(&self, prefix: &IpNet) -> Option<&LearnedPath> {
        self.paths.get(prefix)
    }

    /// Forget everything; returns what was known.
    pub(crate) fn clear(&mut self) -> Vec<IpNet> {
        self.unconfirmed.clear();
        std::mem::take(&mut self.paths).into_keys().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNet, &LearnedPath)> {
        self.paths.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }
}
