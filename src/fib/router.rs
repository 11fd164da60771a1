//! The table of an OVN router: ovn-controller looks there for what the fabric teaches. Pure.
//!
//! Nothing of the node goes by such a table; it is a message in the kernel's form. A route is for it whose next router
//! the OVN router can send to ([`Learning::leads`]), and that it does not want advertised itself.

use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::message::Put;
use super::route::Hop;
use super::settings::Settings;
use super::table::{Change, Step, Table, Withheld, fits};
use crate::exposure::native::Learning;

impl Table {
    /// That of a router; `settings` are those of [`Settings::of_router`].
    pub(super) fn of_router(settings: Settings, now: Instant) -> Self {
        let limit = settings.router_limit;
        let mut table = Self::new(settings, now);
        table.limit = limit;
        table
    }

    /// The router wants this from now on; `None`: it has gone, and nothing of an earlier process is waited for.
    pub(super) fn learn_for(&mut self, learning: Option<&Learning>) {
        if self.learning.as_deref() != learning {
            self.learning = learning.cloned().map(Arc::new);
            self.touch_all();
        }
        if learning.is_none() {
            (0..2).for_each(|family| self.release(family));
        }
    }

    /// Whether the table is for this prefix at all.
    pub(super) fn excludes(&self, prefix: &IpNet) -> Option<Withheld> {
        if !self.settings.imports(prefix) {
            return Some(Withheld::NotImported);
        }
        let learning = self.learning.as_ref();
        let is_own = learning.is_some_and(|learning| learning.advertised.contains(prefix));
        is_own.then_some(Withheld::Own)
    }

    /// Whether a route may lead there.
    pub(super) fn leads(&self, prefix: &IpNet, hop: &Hop) -> bool {
        // ovn-controller leaves out a route without a next router.
        let leads = |learning: &Arc<Learning>| {
            hop.via
                .is_some_and(|via| learning.leads(via, &self.node.name(hop.link)))
        };
        fits(prefix, hop) && self.learning.as_ref().is_none_or(leads)
    }

    /// True when there are, or are about to be, as many routes as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.installed.len() + self.coming >= self.limit
    }

    /// A step has been answered, or never will be.
    pub(super) fn arrived(&mut self, change: &Change) {
        if matches!(change.step, Step::Put(_, Put::New)) {
            self.coming = self.coming.saturating_sub(1);
        }
    }

    /// True when nothing of it is in the kernel any more, nor on the way there.
    pub(super) fn is_gone(&self) -> bool {
        self.read && self.installed.is_empty() && self.former.is_empty() && self.coming == 0
    }
}
