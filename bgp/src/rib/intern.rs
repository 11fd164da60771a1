//! Equal values stored once: comparing two is a pointer compare.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashSet;

/// Every distinct value in use, once.
#[derive(Debug)]
pub(crate) struct Interner<T> {
    values: FxHashSet<Arc<T>>,
    /// The last one given: routes come in runs of equal attributes, and comparing costs less than hashing.
    recent: Option<Arc<T>>,
    /// Values that nobody uses are dropped when there are this many.
    sweep_at: usize,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            values: FxHashSet::default(),
            recent: None,
            sweep_at: 64,
        }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// The shared copy of `value`.
    pub(crate) fn intern(&mut self, value: T) -> Arc<T> {
        if let Some(recent) = self.recent.as_ref().filter(|recent| ***recent == value) {
            return Arc::clone(recent);
        }
        let shared = self.find_or_insert(value);
        self.recent = Some(Arc::clone(&shared));
        shared
    }

    /// The shared copy of a value that its giver shares already.
    pub(crate) fn intern_shared(&mut self, value: &Arc<T>) -> Arc<T> {
        // Whoever gives many routes mostly gives them the same one, which is equal at a glance.
        if let Some(recent) = self.recent.as_ref().filter(|recent| *recent == value) {
            return Arc::clone(recent);
        }
        let shared = self.find(value).unwrap_or_else(|| {
            self.insert(Arc::clone(value));
            Arc::clone(value)
        });
        self.recent = Some(Arc::clone(&shared));
        shared
    }

    fn find_or_insert(&mut self, value: T) -> Arc<T> {
        self.find(&value).unwrap_or_else(|| {
            let shared = Arc::new(value);
            self.insert(Arc::clone(&shared));
            shared
        })
    }

    fn find(&self, value: &T) -> Option<Arc<T>> {
        self.values.get(value).map(Arc::clone)
    }

    fn insert(&mut self, shared: Arc<T>) {
        if self.values.len() >= self.sweep_at {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.sweep_at = (self.values.len() * 2).max(64);
        }
        self.values.insert(shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_one_allocation() {
        let mut interner = Interner::default();
        let first = interner.intern("a".to_owned());
        let second = interner.intern("a".to_owned());
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_shared_value_is_kept_as_it_is_unless_an_equal_one_is_known() {
        let mut interner = Interner::default();
        let given = Arc::new("a".to_owned());
        assert!(Arc::ptr_eq(&given, &interner.intern_shared(&given)));
        let other = interner.intern("b".to_owned());
        assert!(Arc::ptr_eq(&given, &interner.intern("a".to_owned())));
        let copy = Arc::new("b".to_owned());
        assert!(Arc::ptr_eq(&other, &interner.intern_shared(&copy)));
    }

    #[test]
    fn values_nobody_uses_are_dropped() {
        let mut interner = Interner::default();
        let kept = interner.intern(0);
        for value in 1..10_000 {
            interner.intern(value);
        }
        assert!(interner.values.len() <= 64, "{}", interner.values.len());
        assert!(Arc::ptr_eq(&kept, &interner.intern(0)));
    }
}
