//! Route changes on their way to the speaker's thread.
//!
//! A slot per prefix rather than a queue: the agent never waits, and however far the speaker is behind,
//! memory is bounded by the number of prefixes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bgp::Route;
use ipnet::IpNet;
use tokio::sync::Notify;

/// What shall become of a prefix: a route, or nothing.
pub(super) type Changes = BTreeMap<IpNet, Option<Route>>;

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    changes: Mutex<Changes>,
    filled: Notify,
}

impl Mailbox {
    /// Later changes of a prefix replace earlier ones.
    pub(super) fn put(&self, changes: impl IntoIterator<Item = (IpNet, Option<Route>)>) {
        self.lock().extend(changes);
        self.filled.notify_one();
    }

    /// Everything put since the last call.
    pub(super) fn take(&self) -> Changes {
        std::mem::take(&mut *self.lock())
    }

    /// Completes when there is something to take.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Changes> {
        // A map of plain values is sound whatever its holder was doing.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
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
            mailbox.put([(prefix, Some(Route::new(prefix)))]);
            mailbox.put([(prefix, None)]);
        }
        assert_eq!(mailbox.take(), Changes::from([(prefix, None)]));
        assert!(mailbox.take().is_empty());
    }
}
