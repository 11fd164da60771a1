//! Prefixes in the order in which they are to be told, those with one attribute set together: that is how they are
//! packed into UPDATEs.

use std::collections::VecDeque;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::adj_out::Entry;
use super::destination::Destination;
use super::export::ExportedRoute;
use super::reader::{same, wanted};

/// Attribute sets in one batch: each may fill a message, and a batch must not be much more than a window.
pub(super) const MAX_RUNS: usize = 64;

/// Prefixes that wait. What has changed since an entry was made is not looked for: whoever takes an entry checks
/// that it still means something.
#[derive(Debug, Clone)]
pub(super) struct Queue<D = IpNet> {
    withdrawals: VecDeque<D>,
    /// By the address of the route, which the bucket holds.
    buckets: FxHashMap<usize, Bucket<D>>,
    order: VecDeque<usize>,
    len: usize,
}

#[derive(Debug, Clone)]
struct Bucket<D> {
    route: Arc<ExportedRoute>,
    prefixes: VecDeque<D>,
}

impl<D> Default for Queue<D> {
    fn default() -> Self {
        Self {
            withdrawals: VecDeque::new(),
            buckets: FxHashMap::default(),
            order: VecDeque::new(),
            len: 0,
        }
    }
}

impl<D: Destination> Queue<D> {
    /// A prefix is to be told as the table has it, where that is not what is held.
    pub(super) fn push_due(
        &mut self,
        prefix: D,
        held: &Option<Arc<ExportedRoute>>,
        entry: Option<&Entry>,
    ) {
        if !same(held.as_ref(), wanted(entry)) {
            self.push(prefix, wanted(entry));
        }
    }

    /// A prefix is to be told with this route, or to be withdrawn.
    fn push(&mut self, prefix: D, route: Option<&Arc<ExportedRoute>>) {
        self.len += 1;
        let Some(route) = route else {
            self.withdrawals.push_back(prefix);
            return;
        };
        let key = Arc::as_ptr(route).addr();
        let bucket = self.buckets.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Bucket {
                route: Arc::clone(route),
                prefixes: VecDeque::new(),
            }
        });
        bucket.prefixes.push_back(prefix);
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn next_withdrawal(&mut self) -> Option<D> {
        let next = self.withdrawals.pop_front()?;
        self.len -= 1;
        Some(next)
    }

    /// At most `limit` prefixes of the route that waits longest.
    pub(super) fn next_announcements(
        &mut self,
        limit: usize,
    ) -> Option<(Arc<ExportedRoute>, Vec<D>)> {
        let key = *self.order.front()?;
        let bucket = self.buckets.get_mut(&key)?;
        let route = Arc::clone(&bucket.route);
        let taken = limit.min(bucket.prefixes.len());
        let prefixes: Vec<_> = bucket.prefixes.drain(..taken).collect();
        if bucket.prefixes.is_empty() {
            self.buckets.remove(&key);
            self.order.pop_front();
        }
        self.len -= prefixes.len();
        Some((route, prefixes))
    }
}

/// Prefixes sorted by route, in the order in which the routes come.
#[derive(Debug)]
pub(super) struct ByRoute<D = IpNet> {
    pub(super) runs: Vec<(Arc<ExportedRoute>, Vec<D>)>,
    /// Position by the address of the route.
    positions: FxHashMap<usize, usize>,
}

impl<D> Default for ByRoute<D> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            positions: FxHashMap::default(),
        }
    }
}

impl<D: Destination> ByRoute<D> {
    /// False when this route would be one too many.
    pub(super) fn has_room(&self, route: &Arc<ExportedRoute>) -> bool {
        let known = || self.positions.contains_key(&Arc::as_ptr(route).addr());
        self.runs.len() < MAX_RUNS || known()
    }

    pub(super) fn add(&mut self, route: &Arc<ExportedRoute>, prefix: D) {
        // Neighbours mostly share their route.
        if let Some((last, prefixes)) = self.runs.last_mut()
            && Arc::ptr_eq(last, route)
        {
            prefixes.push(prefix);
            return;
        }
        let key = Arc::as_ptr(route).addr();
        let position = *self.positions.entry(key).or_insert(self.runs.len());
        match self.runs.get_mut(position) {
            Some((_, prefixes)) => prefixes.push(prefix),
            None => self.runs.push((Arc::clone(route), vec![prefix])),
        }
    }
}
