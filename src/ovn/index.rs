//! Sorted sets of row ids by key, and the difference of two of them.

use std::borrow::Borrow;
use std::hash::Hash;

use rustc_hash::FxHashMap;
use uuid::Uuid;

/// Rows by key. Several rows may share a key (also for an instant, when one replaces the other in
/// one transaction); they are kept sorted so that order of arrival never shows.
#[derive(Clone, Debug)]
pub(in crate::ovn) struct Index<K>(FxHashMap<K, Vec<Uuid>>);

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<K: Hash + Eq> Index<K> {
    pub(in crate::ovn) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> &[Uuid]
    where
        K: Borrow<Q>,
    {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    pub(in crate::ovn) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    pub(in crate::ovn) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::ovn) fn insert(&mut self, key: K, row: Uuid) {
        insert(self.0.entry(key).or_default(), row);
    }

    pub(in crate::ovn) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, row: Uuid)
    where
        K: Borrow<Q>,
    {
        if let Some(rows) = self.0.get_mut(key) {
            remove(rows, row);
            if rows.is_empty() {
                self.0.remove(key);
            }
        }
    }
}

/// Adds to a sorted set.
pub(in crate::ovn) fn insert(rows: &mut Vec<Uuid>, row: Uuid) {
    if let Err(place) = rows.binary_search(&row) {
        rows.insert(place, row);
    }
}

/// Removes from a sorted set.
pub(in crate::ovn) fn remove(rows: &mut Vec<Uuid>, row: Uuid) {
    if let Ok(place) = rows.binary_search(&row) {
        rows.remove(place);
    }
}

/// What only one of two sorted sets contains: in `old` alone, and in `new` alone.
pub(in crate::ovn) fn difference(old: &[Uuid], new: &[Uuid]) -> (Vec<Uuid>, Vec<Uuid>) {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (olds.peek(), news.peek()) {
            (None, None) => return (gone, come),
            (Some(a), Some(b)) if a == b => {
                olds.next();
                news.next();
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                gone.push(**a);
                olds.next();
            }
            (_, Some(b)) => {
                come.push(**b);
                news.next();
            }
            // The third arm takes every pair that has no right side.
            (Some(_), None) => return (gone, come),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_one_side_alone_has() {
        let ids: Vec<Uuid> = (0..6).map(Uuid::from_u128).collect();
        let (gone, come) = difference(&[ids[0], ids[1], ids[4]], &[ids[1], ids[2], ids[5]]);
        assert_eq!(gone, [ids[0], ids[4]]);
        assert_eq!(come, [ids[2], ids[5]]);
        assert_eq!(difference(&ids, &ids), (vec![], vec![]));
        assert_eq!(difference(&[], &ids).1, ids);
        assert_eq!(difference(&ids, &[]).0, ids);
    }
}
