//! The paths in use to every prefix that peers teach (Loc-RIB, RFC 4271 §3.2).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::best_path::Decision;
use super::learned_path::LearnedPath;
use crate::speaker::Multipath;

/// Whether the node has a way to a next hop, as whoever keeps its routing table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reachability {
    /// No way: paths through it are not used (RFC 4271 §9.1.2.1).
    Unreachable,
    /// A way of this interior cost, less is better (§9.1.2.2 e).
    Cost(u32),
}

/// What is in use.
#[derive(Debug)]
pub(crate) struct LocRib {
    paths: FxHashMap<IpNet, Arc<[LearnedPath]>>,
    /// What was chosen last: routes of one UPDATE mostly share it.
    recent: Option<Arc<[LearnedPath]>>,
    multipath: Multipath,
    reachability: FxHashMap<IpAddr, Reachability>,
}

/// What choosing again has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Unchanged,
    Changed(Arc<[LearnedPath]>),
    Lost,
}

impl LocRib {
    pub(crate) fn new(multipath: Multipath) -> Self {
        Self {
            paths: FxHashMap::default(),
            recent: None,
            multipath,
            reachability: FxHashMap::default(),
        }
    }

    /// Choose among all paths to a prefix.
    pub(crate) fn decide<'a>(
        &mut self,
        prefix: IpNet,
        candidates: impl Iterator<Item = &'a LearnedPath>,
    ) -> Choice {
        let mut candidates: Vec<_> = candidates.collect();
        let decision = Decision {
            multipath: self.multipath,
            reachability: &self.reachability,
        };
        decision.choose(&mut candidates);
        if candidates.is_empty() {
            return match self.paths.remove(&prefix) {
                Some(_) => Choice::Lost,
                None => Choice::Unchanged,
            };
        }
        let same = |paths: &Arc<[LearnedPath]>| paths.iter().eq(candidates.iter().copied());
        if self.paths.get(&prefix).is_some_and(same) {
            return Choice::Unchanged;
        }
        let chosen = match &self.recent {
            Some(recent) if same(recent) => Arc::clone(recent),
            _ => candidates.into_iter().cloned().collect(),
        };
        self.recent = Some(Arc::clone(&chosen));
        self.paths.insert(prefix, Arc::clone(&chosen));
        Choice::Changed(chosen)
    }

    /// True when that is news.
    pub(crate) fn set_reachability(
        &mut self,
        next_hop: IpAddr,
        reachability: Option<Reachability>,
    ) -> bool {
        let before = match reachability {
            Some(reachability) => self.reachability.insert(next_hop, reachability),
            None => self.reachability.remove(&next_hop),
        };
        before != reachability
    }

    /// Another number of paths, or another idea of what is equal; true when that is news.
    pub(crate) fn set_multipath(&mut self, multipath: Multipath) -> bool {
        std::mem::replace(&mut self.multipath, multipath) != multipath
    }

    /// The paths in use, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNet, &Arc<[LearnedPath]>)> {
        self.paths.iter()
    }

    pub(crate) fn get(&self, prefix: &IpNet) -> Option<&Arc<[LearnedPath]>> {
        self.paths.get(prefix)
    }
}
