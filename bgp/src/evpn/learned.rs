//! What the peers teach of EVPN, and the best path to each route.
//!
//! A route of EVPN carries its origin in its route distinguisher, so that several peers mostly tell the same of it:
//! reflectors of one origin. Among them the usual decision is made (RFC 4271 §9.1.2.2).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::path::{EvpnPath, Says};
use crate::hash::{AddressMap, AddressSet};
use crate::rib::{Decision, LearnedPath, Received, Stale};
use crate::speaker::{Multipath, PeerId};
use crate::wire::Community;
use crate::wire::evpn::EvpnRoute;

/// Routes of all peers.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// By key: see [`EvpnRoute::key`].
    routes: AddressMap<EvpnRoute, Vec<Entry>>,
    counts: BTreeMap<PeerId, Count>,
    /// What was read of the last attributes: those of one UPDATE share it.
    recent: Option<(Arc<LearnedPath>, Arc<Says>)>,
}

#[derive(Debug)]
struct Entry {
    peer: PeerId,
    /// Told before the peer restarted or began a refresh, and not again since.
    unconfirmed: bool,
    /// As the peer told it.
    route: EvpnRoute,
    received: Arc<Received>,
    /// Absent when a loop keeps it from being used.
    path: Option<EvpnPath>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    routes: usize,
    unconfirmed: usize,
}

impl Learned {
    /// Take in a route; true when that changed what can be used.
    pub(crate) fn insert(
        &mut self,
        peer: PeerId,
        route: EvpnRoute,
        received: &Arc<Received>,
        learned: Option<Arc<LearnedPath>>,
    ) -> bool {
        let path = learned.map(|learned| {
            let says = self.says(&learned);
            EvpnPath::new(route, learned, says)
        });
        let entry = Entry {
            peer,
            unconfirmed: false,
            route,
            received: Arc::clone(received),
            path,
        };
        let count = self.counts.entry(peer).or_default();
        let entries = self.routes.entry(route.key()).or_default();
        let Some(known) = entries.iter_mut().find(|entry| entry.peer == peer) else {
            let usable = entry.path.is_some();
            count.routes += 1;
            entries.push(entry);
            return usable;
        };
        count.unconfirmed -= usize::from(known.unconfirmed);
        let changed = known.path != entry.path;
        *known = entry;
        changed
    }

    /// Drop a route; true when that changed what can be used.
    pub(crate) fn remove(&mut self, peer: PeerId, key: &EvpnRoute) -> bool {
        self.remove_if(key, |entry| entry.peer == peer)
    }

    /// The peer tells the family anew: everything known of it waits to be confirmed.
    pub(crate) fn expect_again(&mut self, peer: PeerId) {
        let count = self.counts.entry(peer).or_default();
        for entry in self.routes.values_mut().flatten() {
            if entry.peer == peer {
                entry.unconfirmed = true;
            }
        }
        count.unconfirmed = count.routes;
    }

    /// The peer is away: what it told is stale until it is confirmed (RFC 4724 §4.2), at last the last resort
    /// (RFC 9494 §4.3). Returns what changed by that.
    pub(crate) fn mark(&mut self, peer: PeerId, stale: Stale) -> Vec<EvpnRoute> {
        let mut changed = Vec::new();
        match stale {
            Stale::Restarting => self.expect_again(peer),
            // RFC 9494 §4.3: what must not be kept so long is forgotten.
            Stale::LongLived => {
                changed = self.forget_if(|entry| {
                    let path = entry.path.as_ref();
                    let refuses = path.is_some_and(|p| p.learned.has_community(Community::NO_LLGR));
                    entry.peer == peer && entry.unconfirmed && refuses
                });
            }
        }
        for (key, entries) in &mut self.routes {
            for entry in entries.iter_mut().filter(|entry| entry.peer == peer) {
                if let Some(path) = entry.path.as_mut().filter(|_| entry.unconfirmed) {
                    path.learned = Arc::new(path.learned.kept(stale));
                    changed.push(*key);
                }
            }
        }
        changed
    }

    /// What can be used of what a peer tells is judged anew; returns what changed by that.
    pub(crate) fn reevaluate(
        &mut self,
        peer: PeerId,
        mut judge: impl FnMut(&EvpnRoute, &Arc<Received>) -> Option<Arc<LearnedPath>>,
    ) -> Vec<EvpnRoute> {
        let mut changed = Vec::new();
        for (key, entries) in &mut self.routes {
            for entry in entries.iter_mut().filter(|entry| entry.peer == peer) {
                let stale = entry.path.as_ref().and_then(|path| path.learned.stale);
                let path = judge(&entry.route, &entry.received).map(|learned| {
                    let says = Arc::new(Says::of(&learned.attributes));
                    let kept = stale.map(|stale| Arc::new(learned.kept(stale)));
                    EvpnPath::new(entry.route, kept.unwrap_or(learned), says)
                });
                if path != entry.path {
                    entry.path = path;
                    changed.push(*key);
                }
            }
        }
        changed
    }

    /// Forget what the peer has not confirmed since; returns the keys of it.
    pub(crate) fn purge_unconfirmed(&mut self, peer: PeerId) -> Vec<EvpnRoute> {
        self.forget_if(|entry| entry.peer == peer && entry.unconfirmed)
    }

    /// Forget all that the peer told; returns the keys of it.
    pub(crate) fn forget(&mut self, peer: PeerId) -> Vec<EvpnRoute> {
        let gone = self.forget_if(|entry| entry.peer == peer);
        self.counts.remove(&peer);
        gone
    }

    /// Whether the peer teaches a route, by its key.
    pub(crate) fn contains(&self, peer: PeerId, key: &EvpnRoute) -> bool {
        let entries = self.routes.get(key);
        entries.is_some_and(|entries| entries.iter().any(|entry| entry.peer == peer))
    }

    /// Routes the peer teaches, used or not.
    pub(crate) fn len(&self, peer: PeerId) -> usize {
        self.counts.get(&peer).map_or(0, |count| count.routes)
    }

    /// Routes of the peer that wait to be confirmed.
    pub(crate) fn unconfirmed_count(&self, peer: PeerId) -> usize {
        self.counts.get(&peer).map_or(0, |count| count.unconfirmed)
    }

    /// The path to use.
    pub(crate) fn best(&self, key: &EvpnRoute) -> Option<&EvpnPath> {
        let entries = self.routes.get(key)?;
        let paths: Vec<_> = entries.iter().filter_map(|e| e.path.as_ref()).collect();
        if let [only] = paths[..] {
            return Some(only);
        }
        let decision = Decision {
            multipath: Multipath {
                max_paths: 1,
                ..Multipath::default()
            },
            unreachable: &AddressSet::default(),
        };
        let mut running: Vec<_> = paths.iter().map(|path| &*path.learned).collect();
        decision.choose(&mut running);
        let best = *running.first()?;
        paths
            .into_iter()
            .find(|path| std::ptr::eq(&raw const *path.learned, best))
    }

    /// Every route with its best path, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&EvpnRoute, &EvpnPath)> {
        self.routes
            .keys()
            .filter_map(|key| Some((key, self.best(key)?)))
    }

    /// Every route none of whose paths can be used.
    pub(crate) fn unusable(&self) -> impl Iterator<Item = &EvpnRoute> {
        let routes = self.routes.iter();
        let unusable = routes.filter(|(_, entries)| entries.iter().all(|e| e.path.is_none()));
        unusable.map(|(key, _)| key)
    }

    /// Every route of a peer as it told it, and whether it can be used.
    pub(crate) fn of_peer(&self, peer: PeerId) -> impl Iterator<Item = (&EvpnRoute, bool)> {
        let entries = self.routes.values().flatten();
        let of_peer = entries.filter(move |entry| entry.peer == peer);
        of_peer.map(|entry| (&entry.route, entry.path.is_some()))
    }

    fn says(&mut self, learned: &Arc<LearnedPath>) -> Arc<Says> {
        match &self.recent {
            Some((of, says)) if Arc::ptr_eq(of, learned) => Arc::clone(says),
            _ => {
                let says = Arc::new(Says::of(&learned.attributes));
                self.recent = Some((Arc::clone(learned), Arc::clone(&says)));
                says
            }
        }
    }

    fn forget_if(&mut self, gone: impl Fn(&Entry) -> bool) -> Vec<EvpnRoute> {
        let doomed = self.routes.iter();
        let doomed: Vec<_> = doomed
            .filter(|(_, entries)| entries.iter().any(&gone))
            .map(|(key, _)| *key)
            .collect();
        for key in &doomed {
            self.remove_if(key, &gone);
        }
        doomed
    }

    fn remove_if(&mut self, key: &EvpnRoute, gone: impl Fn(&Entry) -> bool) -> bool {
        let Some(entries) = self.routes.get_mut(key) else {
            return false;
        };
        let counts = &mut self.counts;
        let mut lost = false;
        entries.retain(|entry| {
            if !gone(entry) {
                return true;
            }
            let count = counts.entry(entry.peer).or_default();
            count.routes -= 1;
            count.unconfirmed -= usize::from(entry.unconfirmed);
            lost |= entry.path.is_some();
            false
        });
        if entries.is_empty() {
            self.routes.remove(key);
        }
        lost
    }
}

#[cfg(test)]
#[path = "tests/learned.rs"]
mod tests;
