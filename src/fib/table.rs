//! The routes that the kernel shall have, those it has, and the steps from one to the other. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bgp::wire::Family;
use bgp::{AddressMap, AddressSet, LearnedPath, Via};
use ipnet::IpNet;

use super::dirty::Dirty;
use super::message::Put;
use super::node::Node;
use super::resolve::{Resolution, Target, follows_learned};
use super::route::{Hop, KernelRoute, Place};
use super::settings::Settings;
use super::shared::SharedRoutes;
use crate::exposure::native::Learning;
use crate::kernel::connection::Refusal;
use crate::peering::LearnedNews;

/// Next hops kept before those that nothing uses are looked for.
pub(super) const MANY: usize = 1024;

/// A route of ours in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Installed {
    /// As acknowledged, or as last read.
    As(Arc<KernelRoute>),
    /// It may be gone or otherwise: the kernel takes routes away without a word, and an answer may be missing.
    Doubtful,
}

/// What is wanted for a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Route(KernelRoute),
    /// That of an earlier process, for as long as nobody has taught this one another.
    Held,
    Nothing(Withheld),
}

/// Why no route is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withheld {
    /// No peer teaches it.
    NotLearned,
    /// The configuration keeps it out of the kernel.
    NotImported,
    /// A route of somebody else's has its place.
    Taken { protocol: u8 },
    /// No next hop can be used.
    Unreachable,
    /// The router that the table is of wants it advertised itself.
    Own,
    /// It is the network of a port of the router.
    OwnNetwork,
    /// No next hop is one that the router can send to.
    OffNetwork,
    /// This node is no next router of its family for the router of a VNI: the tenant has no devices here, or the router
    /// no network.
    NoEntrance,
    /// There are as many as the table may have.
    Full,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) prefix: IpNet,
    pub(super) place: Place,
    pub(super) step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Put(Arc<KernelRoute>, Put),
    Remove,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) settings: Settings,
    /// What the router wants that the table is of; `None` is the node's own.
    pub(super) learning: Option<Arc<Learning>>,
    /// At most so many routes.
    pub(super) limit: usize,
    /// Routes on their way there, beside those installed.
    pub(super) coming: usize,
    pub(super) node: Node,
    pub(super) learned: AddressMap<IpNet, Arc<[LearnedPath]>>,
    pub(super) resolved: AddressMap<Target, Resolution>,
    /// Those of them that the speaker shall not choose.
    pub(super) ineligible: AddressSet<Target>,
    /// What it has yet to be told of that.
    pub(super) verdicts: Vec<(Via, bool)>,
    pub(super) installed: AddressMap<IpNet, Installed>,
    /// Routes of an earlier process that this one has not been taught yet.
    pub(super) stale: AddressSet<IpNet>,
    /// Until when, by family: IPv4, IPv6.
    hold: [Option<Instant>; 2],
    /// Protocols of the routes in the places that ours would have.
    pub(super) taken: AddressMap<IpNet, u8>,
    /// Routes in places of before a change of table or metric: they go once all others have come.
    pub(super) former: Vec<(IpNet, Place)>,
    pub(super) dirty: Dirty,
    /// What the kernel has refused, in its words.
    pub(super) refused: BTreeMap<IpNet, String>,
    pub(super) shared: SharedRoutes,
    /// Resolved next hops that nothing uses are dropped when there are so many: peers may teach ever new ones.
    pub(super) resolve_until: usize,
    /// The node has changed: next hops may lead elsewhere.
    pub(super) moved: bool,
    /// Learned routes have changed by which next hops may be found: those are looked at again once all else is
    /// done, so that fifty thousand changes make one look.
    taught: bool,
    /// What is known of the kernel may be wrong: it has to be read again.
    pub(super) doubtful: bool,
    /// The kernel has been read once.
    pub(super) read: bool,
}

impl Table {
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        let until = now + settings.stale_hold;
        Self {
            settings,
            learning: None,
            limit: usize::MAX,
            coming: 0,
            node: Node::default(),
            learned: AddressMap::default(),
            resolved: AddressMap::default(),
            ineligible: AddressSet::default(),
            verdicts: Vec::new(),
            installed: AddressMap::default(),
            stale: AddressSet::default(),
            hold: [Some(until); 2],
            taken: AddressMap::default(),
            former: Vec::new(),
            dirty: Dirty::default(),
            refused: BTreeMap::new(),
            shared: SharedRoutes::default(),
            resolve_until: MANY,
            moved: false,
            taught: false,
            doubtful: true,
            read: false,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place {
            table: self.settings.table,
            metric: self.settings.metric,
        }
    }

    /// Takes in what peers teach.
    pub(super) fn learn(&mut self, news: LearnedNews) {
        for (prefix, paths) in news.routes {
            self.stale.remove(&prefix);
            // It may lead to other routes' next hops.
            self.taught |= self.excludes(&prefix).is_none();
            match paths {
                Some(paths) => self.learned.insert(prefix, paths),
                None => self.learned.remove(&prefix),
            };
            self.touch(prefix);
        }
        if self.resolved.len() > self.resolve_until {
            self.forget_next_hops();
        }
        for family in news.converged {
            match family {
                Family::IPV4_UNICAST => self.release(0),
                Family::IPV6_UNICAST => self.release(1),
                // What tenants are taught is not in this table.
                _ => {}
            }
        }
    }

    /// What an earlier process has installed stays for now.
    pub(super) fn hold_installed(&mut self) {
        let held = |prefix: &&IpNet| {
            self.hold
                .get(family_of(prefix))
                .is_some_and(Option::is_some)
        };
        let unknown = self
            .installed
            .keys()
            .filter(|prefix| !self.learned.contains_key(*prefix));
        self.stale = unknown.filter(held).copied().collect();
    }

    /// The next deadline that [`Table::expire`] waits for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.hold.iter().flatten().min().copied()
    }

    /// Lets go of what was held until now.
    pub(super) fn expire(&mut self, now: Instant) {
        for family in 0..2 {
            if self
                .hold
                .get(family)
                .is_some_and(|at| at.is_some_and(|at| at <= now))
            {
                self.release(family);
            }
        }
    }

    pub(super) fn release(&mut self, family: usize) {
        if let Some(hold) = self.hold.get_mut(family) {
            *hold = None;
        }
        let gone = self.stale.extract_if(|prefix| family_of(prefix) == family);
        let gone: Vec<IpNet> = gone.collect();
        gone.into_iter().for_each(|prefix| self.touch(prefix));
    }

    /// Other settings from now on.
    pub(super) fn reconfigure(&mut self, settings: Settings) {
        let before = self.place();
        self.settings = settings;
        if self.place() != before {
            let gone = self.installed.drain().map(|(prefix, _)| (prefix, before));
            self.former.extend(gone);
            // In the new place there may be routes of an earlier process, or of others.
            self.stale.clear();
            self.taken.clear();
            (self.read, self.doubtful) = (false, true);
        }
        self.touch_all();
        self.moved = true;
    }

    /// Has this prefix looked at.
    pub(super) fn touch(&mut self, prefix: IpNet) {
        self.dirty.insert(prefix);
    }

    /// Has all prefixes looked at.
    pub(super) fn touch_all(&mut self) {
        let all = self.learned.keys().chain(self.installed.keys());
        self.dirty.extend(all.copied());
    }

    /// Tries again what the kernel has refused.
    pub(super) fn retry(&mut self) {
        let refused: Vec<IpNet> = self.refused.keys().copied().collect();
        refused.into_iter().for_each(|prefix| self.touch(prefix));
    }

    pub(super) fn has_work(&self) -> bool {
        let left = !self.dirty.is_empty() || !self.former.is_empty();
        self.read && (self.moved || self.taught || left)
    }

    /// The next steps, at most so many: routes that come or change, then those that go. Each is to be
    /// [settled](Table::settle) before the next are asked for.
    pub(super) fn next(&mut self, limit: usize) -> Vec<Change> {
        if !self.read {
            return Vec::new();
        }
        if self.dirty.is_empty() && std::mem::take(&mut self.taught) {
            self.moved |= self.resolved.values().any(follows_learned);
        }
        self.follow_next_hops();
        let (mut puts, mut removals) = (Vec::new(), Vec::new());
        while puts.len() + removals.len() < limit
            && let Some(prefix) = self.dirty.pop()
        {
            match self.step(prefix) {
                Some(Step::Remove) => removals.push(self.change(prefix, Step::Remove)),
                Some(put) => puts.push(self.change(prefix, put)),
                None => {}
            }
        }
        puts.append(&mut removals);
        if puts.is_empty() {
            let some = self.former.len().min(limit);
            let former = self.former.drain(..some);
            puts.extend(former.map(|(prefix, place)| Change {
                prefix,
                place,
                step: Step::Remove,
            }));
        }
        puts
    }

    fn change(&self, prefix: IpNet, step: Step) -> Change {
        Change {
            prefix,
            place: self.place(),
            step,
        }
    }

    fn step(&mut self, prefix: IpNet) -> Option<Step> {
        match self.wanted(&prefix) {
            Wanted::Held => None,
            Wanted::Nothing(_) => {
                self.refused.remove(&prefix);
                self.installed.contains_key(&prefix).then_some(Step::Remove)
            }
            Wanted::Route(route) => match self.installed.get(&prefix) {
                Some(Installed::As(there)) if **there == route => {
                    self.refused.remove(&prefix);
                    None
                }
                Some(_) => Some(Step::Put(self.shared.share(route), Put::Over)),
                None => {
                    self.coming += 1;
                    Some(Step::Put(self.shared.share(route), Put::New))
                }
            },
        }
    }

    /// What has become of a step.
    pub(super) fn settle(&mut self, change: &Change, outcome: Result<(), Refusal>) {
        let prefix = change.prefix;
        self.arrived(change);
        if change.place != self.place() {
            return;
        }
        match (&change.step, outcome) {
            (Step::Put(route, _), Ok(())) => {
                self.refused.remove(&prefix);
                let route = Arc::clone(route);
                self.installed.insert(prefix, Installed::As(route));
            }
            (Step::Put(_, Put::New), Err(refusal)) => {
                // Somebody was faster; who, only the kernel can tell.
                self.doubtful |= refusal.errno == libc::EEXIST;
                self.refused.insert(prefix, refusal.to_string());
            }
            (Step::Remove, Err(refusal)) if !is_gone(&refusal) => {
                self.installed.insert(prefix, Installed::Doubtful);
                self.refused.insert(prefix, refusal.to_string());
            }
            (Step::Remove, _) => {
                self.refused.remove(&prefix);
                let was_full = self.is_full();
                self.installed.remove(&prefix);
                if was_full {
                    // Whoever found no room has it now.
                    self.touch_all();
                }
            }
            (Step::Put(_, Put::Over), Err(refusal)) => {
                self.installed.insert(prefix, Installed::Doubtful);
                self.refused.insert(prefix, refusal.to_string());
            }
        }
    }

    /// Whether a step was taken is not known.
    pub(super) fn unsettle(&mut self, change: &Change) {
        self.arrived(change);
        if change.place == self.place() {
            self.installed.insert(change.prefix, Installed::Doubtful);
            self.touch(change.prefix);
        }
        self.doubtful = true;
    }

    pub(super) fn wanted(&mut self, prefix: &IpNet) -> Wanted {
        if self.stale.contains(prefix) {
            return Wanted::Held;
        }
        let Some(paths) = self.learned.get(prefix).map(Arc::clone) else {
            return Wanted::Nothing(Withheld::NotLearned);
        };
        if let Some(why) = self.excludes(prefix) {
            return Wanted::Nothing(why);
        }
        if let Some(protocol) = self.taken.get(prefix).copied() {
            return Wanted::Nothing(Withheld::Taken { protocol });
        }
        let hops = match self.hops(prefix, &paths) {
            Ok(hops) => hops,
            Err(why) => return Wanted::Nothing(why),
        };
        if self.is_full() && !self.installed.contains_key(prefix) {
            return Wanted::Nothing(Withheld::Full);
        }
        Wanted::Route(KernelRoute::new(hops, self.source(prefix)))
    }

    fn hops(&mut self, prefix: &IpNet, paths: &[LearnedPath]) -> Result<Vec<Hop>, Withheld> {
        if let Some(hops) = self.to_tenant(prefix) {
            return Some(hops)
                .filter(|hops| !hops.is_empty())
                .ok_or(Withheld::NoEntrance);
        }
        let mut hops = Vec::with_capacity(paths.len());
        for path in paths {
            if let Some(Ok(resolved)) = self.resolution(path) {
                hops.extend_from_slice(&resolved.hops);
            }
        }
        let reachable = !hops.is_empty();
        hops.retain(|hop| self.leads(prefix, hop));
        match hops.is_empty() {
            false => Ok(hops),
            true if reachable && self.learning.is_some() => Err(Withheld::OffNetwork),
            true => Err(Withheld::Unreachable),
        }
    }

    /// The preferred source, once the node has the address.
    fn source(&self, prefix: &IpNet) -> Option<IpAddr> {
        let source = self.settings.source(prefix)?;
        self.node.owns(source).then_some(source)
    }
}

fn family_of(prefix: &IpNet) -> usize {
    usize::from(matches!(prefix, IpNet::V6(_)))
}

/// IPv4 routes may have routers of either family (RFC 8950), IPv6 routes only IPv6 ones.
pub(super) fn fits(prefix: &IpNet, hop: &Hop) -> bool {
    prefix.addr().is_ipv4() || hop.via.is_none_or(|via| via.is_ipv6())
}

/// Gone already, as wished.
fn is_gone(refusal: &Refusal) -> bool {
    matches!(refusal.errno, libc::ESRCH | libc::ENOENT | libc::ENODEV)
}
