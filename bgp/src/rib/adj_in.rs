//! What one peer has taught us, as it said it, and what the import policy makes of that.
//!
//! Both are kept, so that a change of policy needs no help of the peer (soft reconfiguration). Routes of one
//! UPDATE share one [`Received`] and one [`LearnedPath`]: a route costs its map entry and no more.

use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::import::Importer;
use super::learned_path::{LearnedPath, Stale};
use crate::hash::AddressMap;
use crate::wire::{Community, Family, NextHop, PathAttributes};

/// What an UPDATE says of each of its destinations.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Received {
    pub(crate) next_hop: NextHop,
    pub(crate) attributes: Arc<PathAttributes>,
}

/// Adj-RIB-In of one peer, all families.
#[derive(Debug, Default)]
pub(crate) struct AdjRibIn {
    routes: AddressMap<IpNet, Paths>,
    len: usize,
    unconfirmed: usize,
}

/// The paths to one prefix: one, unless the peer uses add-path (RFC 7911).
#[derive(Debug)]
enum Paths {
    One(Entry),
    Many(Vec<Entry>),
}

#[derive(Debug)]
struct Entry {
    path_id: u32,
    /// Told before the peer restarted or began a refresh, and not again since.
    unconfirmed: bool,
    received: Arc<Received>,
    /// Absent when policy or a loop keeps it from being used.
    used: Option<Arc<LearnedPath>>,
}

impl AdjRibIn {
    /// Take in a path; true when that changed what can be used.
    pub(crate) fn insert(
        &mut self,
        prefix: IpNet,
        path_id: u32,
        received: &Arc<Received>,
        used: Option<Arc<LearnedPath>>,
    ) -> bool {
        let entry = Entry {
            path_id,
            unconfirmed: false,
            received: Arc::clone(received),
            used,
        };
        let paths = match self.routes.entry(prefix) {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                let usable = entry.used.is_some();
                vacant.insert(Paths::One(entry));
                self.len += 1;
                return usable;
            }
            std::collections::hash_map::Entry::Occupied(occupied) => occupied.into_mut(),
        };
        let Some(known) = paths.find(path_id) else {
            let usable = entry.used.is_some();
            paths.push(entry);
            self.len += 1;
            return usable;
        };
        self.unconfirmed -= usize::from(known.unconfirmed);
        let changed = known.used != entry.used;
        *known = entry;
        changed
    }

    /// Drop a path; true when that changed what can be used.
    pub(crate) fn remove(&mut self, prefix: &IpNet, path_id: u32) -> bool {
        self.remove_if(prefix, |entry| entry.path_id == path_id)
    }

    /// The peer tells a family anew: everything known of it waits to be confirmed (RFC 7313 §4).
    pub(crate) fn expect_again(&mut self, family: Family) {
        for (_, entry) in entries_of(&mut self.routes, family) {
            self.unconfirmed += usize::from(!entry.unconfirmed);
            entry.unconfirmed = true;
        }
    }

    /// The peer is away: everything known of a family is stale until it is confirmed (RFC 4724 §4.2). Returns the
    /// prefixes whose paths changed by that.
    pub(crate) fn mark_stale(&mut self, family: Family) -> Vec<IpNet> {
        self.expect_again(family);
        self.keep_unconfirmed(family, Stale::Restarting)
    }

    /// The peer is away for longer: its stale routes are the last resort, and those that must not be kept so long
    /// are forgotten (RFC 9494 §4.3). Returns the prefixes of both.
    pub(crate) fn mark_long_lived(&mut self, family: Family) -> Vec<IpNet> {
        let mut changed = self.forget_if(family, |entry| {
            let communities = &entry.received.attributes.communities;
            entry.unconfirmed && communities.contains(&Community::NO_LLGR)
        });
        changed.extend(self.keep_unconfirmed(family, Stale::LongLived));
        changed
    }

    /// Forget what was not confirmed since; returns the prefixes of it.
    pub(crate) fn purge_unconfirmed(&mut self, family: Family) -> Vec<IpNet> {
        self.forget_if(family, |entry| entry.unconfirmed)
    }

    /// Paths that wait to be confirmed.
    pub(crate) fn unconfirmed_count(&self) -> usize {
        self.unconfirmed
    }

    /// The paths to a prefix that can be used.
    pub(crate) fn get(&self, prefix: &IpNet) -> impl Iterator<Item = &LearnedPath> {
        let entries = self.routes.get(prefix).into_iter().flat_map(Paths::entries);
        entries.filter_map(|entry| entry.used.as_deref())
    }

    /// What the peer says of a prefix, whether or not it can be used.
    pub(crate) fn said_of(&self, prefix: &IpNet) -> impl Iterator<Item = &PathAttributes> {
        let entries = self.routes.get(prefix).into_iter().flat_map(Paths::entries);
        entries.map(|entry| &*entry.received.attributes)
    }

    /// Ask the import policy again; returns the prefixes for which it says something else now.
    pub(crate) fn reevaluate(&mut self, importer: &mut Importer<'_>) -> Vec<IpNet> {
        let mut changed = Vec::new();
        let mut kept = Kept::default();
        for (prefix, paths) in &mut self.routes {
            let mut differs = false;
            for entry in paths.entries_mut() {
                let stale = entry.used.as_ref().and_then(|used| used.stale);
                let mut used = importer.path(prefix, &entry.received);
                if let Some(stale) = stale {
                    used = used.map(|used| kept.shared(&used, stale));
                }
                differs |= entry.used != used;
                entry.used = used;
            }
            if differs {
                changed.push(*prefix);
            }
        }
        changed
    }

    /// Forget everything; returns what was known.
    pub(crate) fn clear(&mut self) -> Vec<IpNet> {
        std::mem::take(self).routes.into_keys().collect()
    }

    /// Every path that can be used, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNet, &LearnedPath)> {
        self.routes.iter().flat_map(|(prefix, paths)| {
            let used = paths
                .entries()
                .iter()
                .filter_map(|entry| entry.used.as_deref());
            used.map(move |path| (prefix, path))
        })
    }

    /// Paths received, used or not.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Is a path to this prefix known under this identifier?
    pub(crate) fn contains(&self, prefix: &IpNet, path_id: u32) -> bool {
        let paths = self.routes.get(prefix);
        paths.is_some_and(|paths| paths.entries().iter().any(|entry| entry.path_id == path_id))
    }

    fn keep_unconfirmed(&mut self, family: Family, stale: Stale) -> Vec<IpNet> {
        let mut kept = Kept::default();
        let mut changed = Vec::new();
        for (prefix, entry) in entries_of(&mut self.routes, family) {
            if let Some(used) = entry.used.as_mut().filter(|_| entry.unconfirmed) {
                *used = kept.shared(used, stale);
                changed.push(*prefix);
            }
        }
        changed
    }

    fn forget_if(&mut self, family: Family, gone: impl Fn(&Entry) -> bool) -> Vec<IpNet> {
        let doomed: Vec<_> = entries_of(&mut self.routes, family)
            .filter(|(_, entry)| gone(entry))
            .map(|(prefix, _)| *prefix)
            .collect();
        for prefix in &doomed {
            self.remove_if(prefix, &gone);
        }
        doomed
    }

    /// True when something that could be used is gone.
    fn remove_if(&mut self, prefix: &IpNet, gone: impl Fn(&Entry) -> bool) -> bool {
        let Some(paths) = self.routes.get_mut(prefix) else {
            return false;
        };
        let mut lost = false;
        let (len, unconfirmed) = (&mut self.len, &mut self.unconfirmed);
        let mut goes = |entry: &Entry| {
            if !gone(entry) {
                return false;
            }
            *len -= 1;
            *unconfirmed -= usize::from(entry.unconfirmed);
            lost |= entry.used.is_some();
            true
        };
        let empty = match paths {
            Paths::One(entry) => goes(entry),
            Paths::Many(entries) => {
                entries.retain(|entry| !goes(entry));
                entries.is_empty()
            }
        };
        if empty {
            self.routes.remove(prefix);
        }
        lost
    }
}

fn entries_of(
    routes: &mut AddressMap<IpNet, Paths>,
    family: Family,
) -> impl Iterator<Item = (&IpNet, &mut Entry)> {
    let of_family = routes
        .iter_mut()
        .filter(move |(p, _)| Family::of(p) == family);
    of_family.flat_map(|(prefix, paths)| paths.entries_mut().iter_mut().map(move |e| (prefix, e)))
}

/// Paths marked as stale: those that were one before are one afterwards.
#[derive(Default)]
struct Kept(FxHashMap<usize, (Arc<LearnedPath>, Arc<LearnedPath>)>);

impl Kept {
    fn shared(&mut self, path: &Arc<LearnedPath>, stale: Stale) -> Arc<LearnedPath> {
        let pair = self.0.entry(Arc::as_ptr(path).addr());
        // The path is held beside its mark, so that its address stays its own.
        let (_, marked) = pair.or_insert_with(|| (Arc::clone(path), Arc::new(path.kept(stale))));
        Arc::clone(marked)
    }
}

impl Paths {
    fn entries(&self) -> &[Entry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    fn entries_mut(&mut self) -> &mut [Entry] {
        match self {
            Self::One(entry) => std::slice::from_mut(entry),
            Self::Many(entries) => entries,
        }
    }

    fn find(&mut self, path_id: u32) -> Option<&mut Entry> {
        let mut entries = self.entries_mut().iter_mut();
        entries.find(|entry| entry.path_id == path_id)
    }

    fn push(&mut self, entry: Entry) {
        match std::mem::replace(self, Self::Many(Vec::new())) {
            Self::One(first) => *self = Self::Many(vec![first, entry]),
            Self::Many(mut entries) => {
                entries.push(entry);
                *self = Self::Many(entries);
            }
        }
    }
}

#[cfg(test)]
mod tests;
