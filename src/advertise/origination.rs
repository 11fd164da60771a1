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
    /// The speaker is told of nothing for the time being.
    held: bool,
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
        let held = shared.held;
        let routes = shared.origins.routes().filter(|_| !held);
        let speaker = start(routes.collect())?;
        shared.speaker = handle(&speaker);
        Ok(speaker)
    }

    /// Has the speaker withdraw everything, and tells it of nothing more. The sources hold what they hold.
    pub fn hold(&self) {
        let mut shared = self.lock();
        shared.held = true;
        if let Some(speaker) = &shared.speaker {
            speaker.withdraw(shared.origins.routes().map(|route| route.prefix));
        }
    }

    /// The end of [`Self::hold`].
    pub fn release(&self) {
        let mut shared = self.lock();
        if std::mem::take(&mut shared.held)
            && let Some(speaker) = &shared.speaker
        {
            speaker.originate(shared.origins.routes());
        }
    }

    /// True between [`Self::hold`] and [`Self::release`].
    pub fn is_held(&self) -> bool {
        self.lock().held
    }

    /// Looks at what is originated. Short: everybody else waits.
    pub fn with<T>(&self, look: impl FnOnce(&Origins) -> T) -> T {
        look(&self.lock().origins)
    }

    /// The speaker is told under the lock: in the order in which the changes were made.
    fn change(&self, change: impl FnOnce(&mut Origins) -> Changes) {
        let mut shared = self.lock();
        let changes = change(&mut shared.origins);
        if let Some(speaker) = &shared.speaker
            && !shared.held
            && !changes.is_empty()
        {
            speaker.originate(changes.originate);
            speaker.withdraw(changes.withdraw);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A map of plain values is sound whatever its holder was doing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
