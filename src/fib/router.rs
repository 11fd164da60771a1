//! The table of an OVN router: ovn-controller looks there for what the fabric teaches. Pure.
//!
//! Nothing of the node goes by such a table; it is a message in the kernel's form. A route is for it whose next router
//! the OVN router can send to ([`Learning::leads`]), and that it does not want advertised itself. To a router of a VNI
//! this node is the next one ([`Lessons`]): the tenant's own table knows how it goes on.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bgp::{AddressMap, LearnedPath};
use ipnet::IpNet;

use super::message::Put;
use super::route::Hop;
use super::settings::Settings;
use super::table::{Change, Step, Table, Withheld, fits};
use crate::exposure::native::{Learning, Lessons};

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
        let is_same = match (self.learning.as_deref(), learning) {
            (Some(before), Some(now)) => before.is_like(now),
            (before, now) => before.is_none() && now.is_none(),
        };
        self.learning = learning.cloned().map(Arc::new);
        if !is_same {
            self.touch_all();
        }
        if learning.is_none() {
            (0..2).for_each(|family| self.release(family));
        }
    }

    /// What peers teach the VNI of its router is what there is to learn, and nothing else.
    pub(super) fn learn_lessons(&mut self, lessons: &Lessons) {
        let prefixes = &lessons.prefixes;
        let gone = self.learned.keys().filter(|p| !prefixes.contains(*p));
        let gone: Vec<IpNet> = gone.copied().collect();
        for prefix in gone {
            self.learned.remove(&prefix);
            self.touch(prefix);
        }
        for prefix in prefixes.iter() {
            if !self.learned.contains_key(prefix) {
                self.stale.remove(prefix);
                // How they lead there is the tenant's table to know.
                self.learned.insert(*prefix, Arc::from([]));
                self.touch(*prefix);
            }
        }
        if lessons.complete {
            (0..2).for_each(|family| self.release(family));
        }
    }

    /// What peers teach the default instance is what there is to learn, and nothing else.
    pub(super) fn learn_all(&mut self, learned: &AddressMap<IpNet, Arc<[LearnedPath]>>) {
        self.touch_all();
        self.learned.clone_from(learned);
        self.touch_all();
    }

    /// Whether a VNI teaches its router.
    pub(super) fn has_lessons(&self) -> bool {
        self.lessons().is_some()
    }

    fn lessons(&self) -> Option<&Lessons> {
        self.learning.as_ref()?.lessons()
    }

    /// Where a route of a VNI leads as far as OVN is concerned: to this node. The device says nothing, unless the router
    /// learns by one alone; the tenant's own must not be it, to which the next router is the kernel's own address.
    pub(super) fn to_tenant(&self, prefix: &IpNet) -> Option<Vec<Hop>> {
        let lessons = self.lessons()?;
        let named = self.learning.as_ref()?.devices.as_ref();
        let device = match named {
            Some(devices) => devices.first(),
            None => Some(&lessons.device),
        };
        let link = device.and_then(|device| self.node.link_named(device));
        let link = link.filter(|link| self.node.carries(link.index));
        let same_family = |via: &&IpAddr| via.is_ipv4() == prefix.addr().is_ipv4();
        let hops = lessons.next.iter().filter(same_family).filter_map(|via| {
            Some(Hop {
                via: Some(*via),
                link: link?.index,
                // A link-local address is on every link.
                onlink: via.is_ipv4(),
            })
        });
        Some(hops.collect())
    }

    /// Whether the table is for this prefix at all.
    pub(super) fn excludes(&self, prefix: &IpNet) -> Option<Withheld> {
        if !self.settings.imports(prefix) {
            return Some(Withheld::NotImported);
        }
        let learning = self.learning.as_ref();
        let is_own = learning.is_some_and(|learning| learning.advertised.contains(prefix));
        if is_own {
            return Some(Withheld::Own);
        }
        let learning = learning.filter(|learning| learning.lessons().is_some())?;
        let mut networks = learning.networks.iter();
        let is_network = networks.any(|net| net.trunc() == *prefix);
        is_network.then_some(Withheld::OwnNetwork)
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
