//! The way from those who want prefixes originated to the speaker: shared by the agent's loop, the
//! control socket and the thread that watches the node's addresses, each as a [`Source`] of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bgp::Route;
use ipnet::IpNet;

use super::origins::{Changes, Origins, Source};
use crate::peering::Handle;

/// What this node originates. Clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct Origination(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    origins: Origins,
    /// Once the speaker runs.
    speaker: Option<Handle>,
}

impl Origination {
    /// See [`Origins::originate`]. Returns at once.
    pub fn originate(&self, source: Source, routes: impl IntoIterator<Item = Route>) {
        self.change(|origins| origins.originate(source, routes));
    }

    /// See [`Origins::withdraw`]. Returns at once.
    pub fn withdraw(&self, source: Source, prefixes: impl IntoIterator<Item = IpNet>) {
        self.change(|origins| origins.withdraw(source, prefixes));
    }

    /// See [`Origins::replace`]. Returns at once.
    pub fn replace(&self, source: Source, routes: impl IntoIterator<Item = Route>) {
        self.change(|origins| origins.replace(source, routes));
    }

    /// See [`Origins::withdraw_all`]. Returns at once.
    pub fn withdraw_all(&self, source: Source) {
        self.change(|origins| origins.withdraw_all(source));
    }

    /// Starts the speaker with what is originated by now; from then on it is told every change.
    ///
    /// # Errors
    /// Those of `start`. Nothing is told then, and it may be tried again.
    pub fn start<T, E>(
        &self,
        start: impl FnOnce(Vec<Route>) -> Result<T, E>,
        handle: impl FnOnce(&T) -> Option<Handle>,
    ) -> Result<T, E> {
        let mut shared = self.lock();
        let speaker = start(shared.origins.routes().collect())?;
        shared.speaker = handle(&speaker);
        Ok(speaker)
    }

    /// Looks at what is originated. Short: everybody else waits.
    pub fn with<T>(&self, look: impl FnOnce(&Origins) -> T) -> T {
        look(&self.lock().origins)
    }

    /// The speaker is told under the lock: in the order in which the changes were made.
    fn change(&self, change: impl FnOnce(&mut Origins) -> Changes) {
        let mut shared = self.lock();
        let changes = change(&mut shared.origins);
        if let Some(speaker) = shared.speaker.as_ref().filter(|_| !changes.is_empty()) {
            speaker.originate(changes.originate);
            speaker.withdraw(changes.withdraw);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A map of plain values is sound whatever its holder was doing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
