//! Route changes on their way to the speaker's thread.
//!
//! A slot per prefix rather than a queue: the agent never waits, and however far the speaker is behind,
//! memory is bounded by the number of prefixes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bgp::{AddressHash, Route, RouteAttributes};
use indexmap::IndexMap;
use ipnet::IpNet;
use tokio::sync::Notify;

use super::tenants::TenantChanges;
use crate::metrics::Histogram;

/// What shall become of a prefix: a route, or nothing. In the order in which they were first asked for.
pub(super) type Changes = IndexMap<IpNet, Option<Arc<RouteAttributes>>, AddressHash>;

/// What was put.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) changes: Changes,
    pub(super) tenants: TenantChanges,
    /// When the oldest of it was.
    pub(super) since: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    slots: Mutex<Slots>,
    filled: Notify,
    /// From a change to the first UPDATE about it, or about one that came with it.
    pub(super) told_after: Arc<Histogram>,
}

#[derive(Debug, Default)]
struct Slots {
    changes: Changes,
    tenants: TenantChanges,
    /// When the oldest of them was put.
    since: Option<Instant>,
}

impl Mailbox {
    /// Puts routes. Later changes of a prefix replace earlier ones.
    pub(super) fn originate(&self, routes: impl IntoIterator<Item = Route>) {
        let changes = routes.into_iter();
        self.put(changes.map(|route| (route.prefix.trunc(), Some(route.attributes))));
    }

    /// Puts withdrawals.
    pub(super) fn withdraw(&self, prefixes: impl IntoIterator<Item = IpNet>) {
        let changes = prefixes.into_iter();
        self.put(changes.map(|prefix| (prefix.trunc(), None)));
    }

    /// Puts changes in tenants' tables. Later changes of a subject replace earlier ones.
    pub(super) fn change_tenants(&self, later: TenantChanges) {
        if later.is_empty() {
            return;
        }
        let now = Instant::now();
        {
            let mut slots = self.lock();
            slots.tenants.add(later);
            slots.since.get_or_insert(now);
        }
        self.filled.notify_one();
    }

    fn put(&self, changes: impl Iterator<Item = (IpNet, Option<Arc<RouteAttributes>>)>) {
        let now = Instant::now();
        {
            let mut slots = self.lock();
            slots.changes.extend(changes);
            slots.since.get_or_insert(now);
        }
        self.filled.notify_one();
    }

    /// Everything put since the last call.
    pub(super) fn take(&self) -> Taken {
        let Slots {
            changes,
            tenants,
            since,
        } = std::mem::take(&mut *self.lock());
        Taken {
            changes,
            tenants,
            since,
        }
    }

    /// Completes when there is something to take.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slots> {
        // A map of plain values is sound whatever its holder was doing.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_prefix_collapse() {
        let mailbox = Mailbox::default();
        let prefix: IpNet = "192.0.2.1/32".parse().unwrap();
        for _ in 0..1000 {
            mailbox.originate([Route::new(prefix)]);
            mailbox.withdraw([prefix]);
        }
        let taken = mailbox.take();
        assert_eq!(taken.changes, Changes::from_iter([(prefix, None)]));
        assert!(taken.since.is_some());
        let taken = mailbox.take();
        assert!(taken.changes.is_empty() && taken.since.is_none());
    }
}
