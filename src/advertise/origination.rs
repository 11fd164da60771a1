//! The way from those who want prefixes originated to the speaker: shared by the agent's loop, the
//! control socket and the thread that watches the node's addresses, each as a [`Source`] of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bgp::Route;
use ipnet::IpNet;

use super::origins::{Changes, Origins, Source};
use super::tenants::TenantOrigination;
use crate::peering::{Handle, TenantChanges};

/// What this node originates. Clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct Origination {
    shared: Arc<Mutex<Shared>>,
    tenants: TenantOrigination,
}

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

    /// What is originated in tenants' tables (EVPN).
    pub fn tenants(&self) -> &TenantOrigination {
        &self.tenants
    }

    /// Starts the speaker with what is originated by now, tenants' tables included; from then on it is told every change.
    ///
    /// # Errors
    /// Those of `start`. Nothing is told then, and it may be tried again.
    pub fn start<T, E>(
        &self,
        start: impl FnOnce(Vec<Route>, TenantChanges) -> Result<T, E>,
        handle: impl Fn(&T) -> Option<Handle>,
    ) -> Result<T, E> {
        let mut shared = self.lock();
        let held = shared.held;
        let routes = shared.origins.routes().filter(|_| !held).collect();
        let start = |tenants| start(routes, tenants);
        let speaker = self.tenants.start(start, &handle)?;
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
        self.tenants.hold(true);
    }

    /// The end of [`Self::hold`].
    pub fn release(&self) {
        let mut shared = self.lock();
        if std::mem::take(&mut shared.held)
            && let Some(speaker) = &shared.speaker
        {
            speaker.originate(shared.origins.routes());
        }
        self.tenants.hold(false);
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
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
