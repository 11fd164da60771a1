//! How far the peers that read an Adj-RIB-Out together have got: what they hold, and what they have yet to be told.
//!
//! Only differences are kept. A prefix without a record is held as the table has it; so a peer that is told
//! everything costs nothing, and however often a route flaps while a peer reads slowly, at most one change of it
//! waits. Whoever has just come, or has asked for a refresh, walks through the table instead of holding a record
//! for each of its routes.

use std::collections::hash_map;
use std::sync::Arc;

use ipnet::IpNet;

use super::adj_out::{AdjRibOut, Change, Entry, Place};
use super::destination::Destination;
use super::export::ExportedRoute;
use super::queue::{ByRoute, MAX_RUNS, Queue};
use crate::hash::AddressMap;

/// What is held for a prefix; `None`: nothing.
type Held = Option<Arc<ExportedRoute>>;
/// Where that is noted.
type Record<'a, D> = hash_map::OccupiedEntry<'a, D, Held>;

/// One message's worth of changes, or a few.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Batch<D = IpNet> {
    Announce(Vec<(Arc<ExportedRoute>, Vec<D>)>),
    Withdraw(Vec<D>),
    EndOfRib,
    EndOfRefresh,
}

#[derive(Debug, Clone)]
pub(crate) struct Reader<D = IpNet> {
    /// What is held where it is not what goes without saying.
    records: AddressMap<D, Held>,
    queue: Queue<D>,
    walk: Option<Walk>,
    /// One more walk is to follow this one.
    refresh_due: bool,
    end_of_rib_due: bool,
    end_of_refresh_due: bool,
}

/// A way through all routes of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Walk {
    /// What is before has been told.
    next: Place,
    /// What is ahead is held as the table has it, but has to be told again. Otherwise it is not held.
    refresh: bool,
}

/// How far a reader has walked, and whether it walks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    walk: Option<Walk>,
    refresh_due: bool,
}

impl Walk {
    const FIRST: Self = Self {
        next: Place::START,
        refresh: false,
    };
    const REFRESH: Self = Self {
        next: Place::START,
        refresh: true,
    };
}

impl<D> Default for Reader<D> {
    fn default() -> Self {
        Self {
            records: AddressMap::default(),
            queue: Queue::default(),
            walk: None,
            refresh_due: false,
            end_of_rib_due: false,
            end_of_refresh_due: false,
        }
    }
}

impl<D: Destination> Reader<D> {
    /// Holds nothing, and is due everything and then End-of-RIB (RFC 4724 §2).
    pub(crate) fn newcomer() -> Self {
        Self {
            walk: Some(Walk::FIRST),
            end_of_rib_due: true,
            ..Self::default()
        }
    }

    /// Comes from another table, where it was due what `predecessor` was: it holds `held` and is due what differs.
    pub(crate) fn successor(
        predecessor: &Self,
        mut held: AddressMap<D, Arc<ExportedRoute>>,
        table: &AdjRibOut<D>,
    ) -> Self {
        let refresh = predecessor.refresh_due || predecessor.walk.is_some_and(|walk| walk.refresh);
        let mut reader = Self {
            walk: refresh.then_some(Walk::REFRESH),
            end_of_rib_due: predecessor.end_of_rib_due,
            end_of_refresh_due: predecessor.end_of_refresh_due,
            ..Self::default()
        };
        for (prefix, entry) in table.iter() {
            reader.record(*prefix, held.remove(prefix), Some(entry));
        }
        for (prefix, route) in held {
            reader.record(prefix, Some(route), None);
        }
        reader
    }

    /// Everything held must be told again (ROUTE-REFRESH, RFC 2918 §4).
    pub(crate) fn refresh(&mut self) {
        match self.walk {
            Some(walk) if walk == Walk::FIRST => {}
            Some(Walk { refresh: false, .. }) => self.refresh_due = true,
            _ => self.walk = Some(Walk::REFRESH),
        }
    }

    /// The end of the refresh (EoRR, RFC 7313 §4) follows once all that is due now is out.
    pub(crate) fn end_of_refresh_after_pending(&mut self) {
        self.end_of_refresh_due = true;
    }

    /// Not everything has been told once: End-of-RIB is still to come.
    pub(crate) fn is_initial(&self) -> bool {
        self.end_of_rib_due
    }

    pub(crate) fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    /// Holds what the table has, and nothing is due.
    pub(crate) fn is_idle(&self) -> bool {
        self.records.is_empty() && self.walk.is_none() && !self.has_marker()
    }

    /// [`Self::next_batch`] has something.
    pub(crate) fn has_pending(&self) -> bool {
        !self.is_idle()
    }

    /// True when both are due the same from here on, and nothing but a walk: one batch does for both.
    pub(crate) fn walks_beside(&self, other: &Self) -> bool {
        let only_walks = |reader: &Self| reader.walk.is_some() && reader.records.is_empty();
        only_walks(self) && only_walks(other) && self.progress() == other.progress()
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            walk: self.walk,
            refresh_due: self.refresh_due,
        }
    }

    /// Go as far as the one beside has gone.
    pub(crate) fn follow(&mut self, progress: Progress) {
        self.walk = progress.walk;
        self.refresh_due = progress.refresh_due;
    }

    /// The table has changed.
    pub(crate) fn note(&mut self, change: &Change<D>, table: &AdjRibOut<D>) {
        let (prefix, after) = (change.prefix, change.after.as_ref());
        let without_saying = unrecorded(self.walk, after);
        match self.records.entry(prefix) {
            hash_map::Entry::Occupied(record) if same(record.get().as_ref(), without_saying) => {
                record.remove();
            }
            hash_map::Entry::Occupied(record) => {
                self.queue.push_due(prefix, record.get(), after);
            }
            hash_map::Entry::Vacant(vacant) => {
                let held = unrecorded(self.walk, change.before.as_ref());
                if !same(held, without_saying) {
                    let held = vacant.insert(held.cloned());
                    self.queue.push_due(prefix, held, after);
                }
            }
        }
        if self.queue.len() > 2 * self.records.len() + 64 {
            self.requeue(table);
        }
    }

    /// What is held of a prefix.
    pub(crate) fn held<'a>(
        &'a self,
        prefix: &D,
        table: &'a AdjRibOut<D>,
    ) -> Option<&'a Arc<ExportedRoute>> {
        match self.records.get(prefix) {
            Some(held) => held.as_ref(),
            None => unrecorded(self.walk, table.get(prefix)),
        }
    }

    /// Everything held, in no particular order.
    pub(crate) fn all_held<'a>(
        &'a self,
        table: &'a AdjRibOut<D>,
    ) -> impl Iterator<Item = (&'a D, &'a Arc<ExportedRoute>)> {
        let unrecorded = table.iter().filter_map(|(prefix, entry)| {
            let route = unrecorded(self.walk, Some(entry))?;
            (!self.records.contains_key(prefix)).then_some((prefix, route))
        });
        let recorded = self.records.iter();
        unrecorded.chain(recorded.filter_map(|(prefix, held)| Some((prefix, held.as_ref()?))))
    }

    /// How many prefixes are held.
    pub(crate) fn held_count(&self, table: &AdjRibOut<D>) -> usize {
        if self.walk.is_some_and(|walk| !walk.refresh) {
            return self.all_held(table).count();
        }
        let mut count = table.len();
        for (prefix, held) in &self.records {
            match (held, table.get(prefix)) {
                (Some(_), None) => count += 1,
                (None, Some(_)) => count -= 1,
                _ => {}
            }
        }
        count
    }

    /// How many changes are due.
    pub(crate) fn pending_count(&self, table: &AdjRibOut<D>) -> usize {
        let ahead = self
            .walk
            .map_or(0, |walk| table.starting_at(walk.next).count());
        let due = |(prefix, held): &(&D, &Held)| !same(held.as_ref(), wanted(table.get(prefix)));
        self.records.iter().filter(due).count() + ahead
    }

    /// The next of what is due, about `limit` prefixes, now counted as told. Withdrawals go first: a stale route
    /// misleads traffic, a missing one only delays it.
    pub(crate) fn next_batch(&mut self, table: &AdjRibOut<D>, limit: usize) -> Option<Batch<D>> {
        let withdrawn = self.take_withdrawals(table, limit);
        if !withdrawn.is_empty() {
            return Some(Batch::Withdraw(withdrawn));
        }
        while self.walk.is_some() {
            let announced = self.step(table, limit);
            if !announced.is_empty() {
                return Some(Batch::Announce(announced));
            }
        }
        let announced = self.take_announcements(table, limit);
        if !announced.is_empty() {
            return Some(Batch::Announce(announced));
        }
        if std::mem::take(&mut self.end_of_rib_due) {
            return Some(Batch::EndOfRib);
        }
        std::mem::take(&mut self.end_of_refresh_due).then_some(Batch::EndOfRefresh)
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    fn has_marker(&self) -> bool {
        self.end_of_rib_due || self.end_of_refresh_due
    }

    /// Note what is held of a prefix, where it does not go without saying, and queue what is due for it.
    fn record(&mut self, prefix: D, held: Held, entry: Option<&Entry>) {
        if !same(held.as_ref(), unrecorded(self.walk, entry)) {
            self.queue.push_due(prefix, &held, entry);
            self.records.insert(prefix, held);
        }
    }

    /// The record of a prefix, once the peer holds what the table has.
    fn settle(walk: Option<Walk>, mut record: Record<'_, D>, entry: Option<&Entry>) {
        // Ahead of a first walk that does not go without saying.
        if same(wanted(entry), unrecorded(walk, entry)) {
            record.remove();
        } else {
            record.insert(wanted(entry).cloned());
        }
    }

    /// Flaps leave entries in the queue that mean nothing any more: start it anew.
    fn requeue(&mut self, table: &AdjRibOut<D>) {
        self.queue = Queue::default();
        for (prefix, held) in &self.records {
            self.queue.push_due(*prefix, held, table.get(prefix));
        }
    }

    fn take_withdrawals(&mut self, table: &AdjRibOut<D>, limit: usize) -> Vec<D> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(prefix) = self.queue.next_withdrawal()
        {
            if let hash_map::Entry::Occupied(record) = self.records.entry(prefix)
                && record.get().is_some()
                && table.get(&prefix).is_none()
            {
                Self::settle(self.walk, record, None);
                taken.push(prefix);
            }
        }
        self.shrink();
        taken
    }

    fn take_announcements(
        &mut self,
        table: &AdjRibOut<D>,
        limit: usize,
    ) -> Vec<(Arc<ExportedRoute>, Vec<D>)> {
        let (mut runs, mut count) = (Vec::new(), 0);
        while count < limit
            && runs.len() < MAX_RUNS
            && let Some((route, prefixes)) = self.queue.next_announcements(limit - count)
        {
            let mut due = Vec::with_capacity(prefixes.len());
            for prefix in prefixes {
                let hash_map::Entry::Occupied(record) = self.records.entry(prefix) else {
                    continue;
                };
                let entry = table.get(&prefix);
                let differs = !same(record.get().as_ref(), Some(&route));
                if differs && same(wanted(entry), Some(&route)) {
                    Self::settle(self.walk, record, entry);
                    due.push(prefix);
                }
            }
            if !due.is_empty() {
                count += due.len();
                runs.push((route, due));
            }
        }
        self.shrink();
        runs
    }

    /// One step of the walk; nothing when it told nothing new, or ended.
    fn step(&mut self, table: &AdjRibOut<D>, limit: usize) -> Vec<(Arc<ExportedRoute>, Vec<D>)> {
        let Some(walk) = self.walk else {
            return Vec::new();
        };
        let mut announced = ByRoute::default();
        let mut last = None;
        for (prefix, entry) in table.starting_at(walk.next).take(limit) {
            if !announced.has_room(&entry.route) {
                break;
            }
            last = Some(entry.place);
            let told = self.records.remove(prefix).flatten();
            // On a first walk a record says that a change has been told since.
            if !same(told.as_ref(), Some(&entry.route)) {
                announced.add(&entry.route, *prefix);
            }
        }
        self.walk = last.map(|last| Walk {
            next: last.next(),
            ..walk
        });
        self.end_walk();
        announced.runs
    }

    /// When it has ended, another may be due.
    fn end_walk(&mut self) {
        if self.walk.is_none() && std::mem::take(&mut self.refresh_due) {
            self.walk = Some(Walk::REFRESH);
        }
    }

    /// What a burst needed is given back.
    fn shrink(&mut self) {
        if self.records.is_empty() {
            self.records = AddressMap::default();
            self.queue = Queue::default();
        }
    }
}

/// What is held of a prefix that has no record, on such a walk.
fn unrecorded(walk: Option<Walk>, entry: Option<&Entry>) -> Option<&Arc<ExportedRoute>> {
    let entry = entry?;
    let unheard = |walk: Walk| !walk.refresh && entry.place >= walk.next;
    (!walk.is_some_and(unheard)).then_some(&entry.route)
}

/// What the table has.
pub(super) fn wanted(entry: Option<&Entry>) -> Option<&Arc<ExportedRoute>> {
    entry.map(|entry| &entry.route)
}

/// Routes are interned: equal ones are the same.
pub(super) fn same(one: Option<&Arc<ExportedRoute>>, other: Option<&Arc<ExportedRoute>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
