//! What a driver has decided: collected for one decision, and kept from one to the next.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::policy::southbound;
use super::{Decision, Delta, Exposure, Options, Withheld};
use crate::ovn::Southbound;

/// What is decided so far.
#[derive(Default)]
pub(super) struct Verdict {
    exposures: Vec<Arc<Exposure>>,
    /// Only where somebody reads it: a node sees far more candidates than it exposes.
    withheld: Option<Vec<Withheld>>,
}

impl Verdict {
    /// One that also says why not.
    pub(super) fn explained() -> Self {
        Self {
            exposures: Vec::new(),
            withheld: Some(Vec::new()),
        }
    }

    /// Whether somebody reads what is withheld.
    pub(super) fn explains(&self) -> bool {
        self.withheld.is_some()
    }

    pub(super) fn expose(&mut self, exposure: Exposure) {
        self.exposures.push(Arc::new(exposure));
    }

    pub(super) fn withhold(&mut self, why: impl FnOnce() -> Withheld) {
        if let Some(withheld) = &mut self.withheld {
            withheld.push(why());
        }
    }

    /// How many exposures there are so far.
    pub(super) fn exposed(&self) -> usize {
        self.exposures.len()
    }

    /// Says of the exposures from the `from`th on what no policy has said.
    pub(super) fn complete(&mut self, from: usize, complete: impl Fn(&mut Exposure)) {
        for exposure in self.exposures.iter_mut().skip(from) {
            complete(Arc::make_mut(exposure));
        }
    }

    /// Applies the policy of the Southbound drivers to the exposures from the `from`th on.
    pub(super) fn rule(&mut self, sb: &Southbound, options: &Options, from: usize) {
        let Self {
            exposures,
            withheld,
        } = self;
        southbound::rule(sb, options, exposures, from, withheld);
    }

    /// Sorted, each once.
    pub(super) fn into_decision(mut self) -> Decision {
        self.exposures.sort();
        self.exposures.dedup();
        let mut withheld = self.withheld.unwrap_or_default();
        withheld.sort();
        withheld.dedup();
        Decision {
            exposures: self.exposures,
            withheld,
            tenants: std::collections::BTreeMap::new(),
        }
    }
}

/// The exposures in force, by what each was decided for.
#[derive(Clone, Debug)]
pub(super) struct Kept<K>(FxHashMap<K, Vec<Arc<Exposure>>>);

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<K: Hash + Eq + Clone> Kept<K> {
    /// Puts what is decided for `key` in place of what was, and notes the difference.
    pub(super) fn replace(&mut self, key: K, verdict: Verdict, delta: &mut Delta) {
        let mut new = verdict.exposures;
        new.sort();
        new.dedup();
        let old = self.0.get(&key).map_or(&[][..], Vec::as_slice);
        if old == new {
            return;
        }
        let only_in = |some: &[Arc<Exposure>], others: &[Arc<Exposure>]| -> Vec<Arc<Exposure>> {
            let missing = some.iter().filter(|e| others.binary_search(e).is_err());
            missing.cloned().collect()
        };
        delta.removed.extend(only_in(old, &new));
        delta.added.extend(only_in(&new, old));
        if new.is_empty() {
            self.0.remove(&key);
        } else {
            self.0.insert(key, new);
        }
    }

    /// What exposures are kept for.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    /// All of them, in no particular order.
    pub(super) fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        self.0.values().flatten()
    }
}
