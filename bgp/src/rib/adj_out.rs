//! What one peer has been told, and what it has yet to be told.
//!
//! Pending changes are keyed by prefix: however often a route flaps while a peer reads slowly, at
//! most one change per prefix waits. They hang on their attribute set (one bucket per set), which is
//! how they are packed into UPDATE messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::attributes::RouteAttributes;

/// Adj-RIB-Out of one peer and one address family.
#[derive(Debug, Default)]
pub(crate) struct AdjRibOut {
    sent: FxHashMap<IpNet, Sent>,
    queued: FxHashMap<IpNet, Arc<RouteAttributes>>,
    buckets: BTreeMap<Arc<RouteAttributes>, BTreeSet<IpNet>>,
    withdrawals: BTreeSet<IpNet>,
    end_of_rib_due: bool,
    end_of_refresh_due: bool,
}

#[derive(Debug)]
struct Sent {
    attributes: Arc<RouteAttributes>,
    /// The peer asked for a refresh: it must hear of this route again even if nothing changed.
    stale: bool,
}

/// One message's worth of pending changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    Announce(Arc<RouteAttributes>, Vec<IpNet>),
    Withdraw(Vec<IpNet>),
    EndOfRib,
    EndOfRefresh,
}

impl AdjRibOut {
    /// State what the peer should have for `prefix`: these attributes, or nothing.
    pub(crate) fn set(&mut self, prefix: IpNet, desired: Option<&Arc<RouteAttributes>>) {
        match (self.queued.get(&prefix), desired) {
            (Some(queued), Some(desired)) if queued == desired => return,
            _ => self.unqueue(&prefix),
        }
        let sent = self.sent.get(&prefix);
        match desired {
            Some(desired) => {
                let known = sent.is_some_and(|sent| !sent.stale && sent.attributes == *desired);
                if !known {
                    self.queue(prefix, Arc::clone(desired));
                }
            }
            None if sent.is_some() => {
                self.withdrawals.insert(prefix);
            }
            None => {}
        }
    }

    /// Everything sent must be sent again (ROUTE-REFRESH, RFC 2918 §4).
    pub(crate) fn resend(&mut self) {
        let mut again = Vec::with_capacity(self.sent.len());
        for (prefix, sent) in &mut self.sent {
            sent.stale = true;
            let superseded = self.queued.contains_key(prefix) || self.withdrawals.contains(prefix);
            if !superseded {
                again.push((*prefix, Arc::clone(&sent.attributes)));
            }
        }
        for (prefix, attributes) in again {
            self.queue(prefix, attributes);
        }
    }

    /// End-of-RIB follows once the announcements queued now are out (RFC 4724 §2).
    pub(crate) fn end_of_rib_after_pending(&mut self) {
        self.end_of_rib_due = true;
    }

    /// The end of the refresh (EoRR, RFC 7313 §4) follows once what is queued now is out.
    pub(crate) fn end_of_refresh_after_pending(&mut self) {
        self.end_of_refresh_due = true;
    }

    /// Not everything has been told once: End-of-RIB is still to come.
    pub(crate) fn is_initial(&self) -> bool {
        self.end_of_rib_due
    }

    /// True when [`Self::next_batch`] has something.
    pub(crate) fn has_pending(&self) -> bool {
        !self.withdrawals.is_empty()
            || !self.queued.is_empty()
            || self.end_of_rib_due
            || self.end_of_refresh_due
    }

    /// Changes that wait for the peer.
    pub(crate) fn pending_count(&self) -> usize {
        self.withdrawals.len() + self.queued.len()
    }

    /// The next message, of at most `limit` prefixes, now counted as sent. Withdrawals go first:
    /// a stale route misleads traffic, a missing one only delays it.
    pub(crate) fn next_batch(&mut self, limit: usize) -> Option<Batch> {
        if !self.withdrawals.is_empty() {
            return Some(Batch::Withdraw(self.take_withdrawals(limit)));
        }
        if let Some((attributes, prefixes)) = self.take_bucket(limit) {
            for prefix in &prefixes {
                self.queued.remove(prefix);
                let sent = Sent {
                    attributes: Arc::clone(&attributes),
                    stale: false,
                };
                self.sent.insert(*prefix, sent);
            }
            return Some(Batch::Announce(attributes, prefixes));
        }
        if std::mem::take(&mut self.end_of_rib_due) {
            return Some(Batch::EndOfRib);
        }
        std::mem::take(&mut self.end_of_refresh_due).then_some(Batch::EndOfRefresh)
    }

    /// What the peer has been sent, in no particular order.
    pub(crate) fn sent(&self) -> impl Iterator<Item = (&IpNet, &Arc<RouteAttributes>)> {
        self.sent
            .iter()
            .map(|(prefix, sent)| (prefix, &sent.attributes))
    }

    pub(crate) fn contains(&self, prefix: &IpNet) -> bool {
        self.sent.contains_key(prefix)
    }

    pub(crate) fn sent_count(&self) -> usize {
        self.sent.len()
    }

    fn queue(&mut self, prefix: IpNet, attributes: Arc<RouteAttributes>) {
        self.buckets
            .entry(Arc::clone(&attributes))
            .or_default()
            .insert(prefix);
        self.queued.insert(prefix, attributes);
    }

    fn unqueue(&mut self, prefix: &IpNet) {
        self.withdrawals.remove(prefix);
        let Some(attributes) = self.queued.remove(prefix) else {
            return;
        };
        if let Some(bucket) = self.buckets.get_mut(&attributes) {
            bucket.remove(prefix);
            if bucket.is_empty() {
                self.buckets.remove(&attributes);
            }
        }
    }

    fn take_withdrawals(&mut self, limit: usize) -> Vec<IpNet> {
        let mut taken = Vec::with_capacity(limit.min(self.withdrawals.len()));
        while taken.len() < limit
            && let Some(prefix) = self.withdrawals.pop_first()
        {
            self.sent.remove(&prefix);
            taken.push(prefix);
        }
        taken
    }

    fn take_bucket(&mut self, limit: usize) -> Option<(Arc<RouteAttributes>, Vec<IpNet>)> {
        let mut entry = self.buckets.first_entry()?;
        let attributes = Arc::clone(entry.key());
        let bucket = entry.get_mut();
        let mut taken = Vec::with_capacity(limit.min(bucket.len()));
        while taken.len() < limit
            && let Some(prefix) = bucket.pop_first()
        {
            taken.push(prefix);
        }
        if entry.get().is_empty() {
            entry.remove();
        }
        Some((attributes, taken))
    }
}

#[cfg(test)]
mod tests;
