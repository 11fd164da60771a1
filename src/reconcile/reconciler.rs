//! The diff, kept up to date: a change costs what it touches, however much is there.

mod phases;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp::{AddressMap, AddressSet};
use rustc_hash::FxHashSet;

use self::waiting::Waiting;
use super::diff::{link_key, satisfies};
use super::holder::{Domain, Holder};
use super::object::{Key, LinkKind, Value};
use super::{Advert, Announcement, BlockReason, Blocked, Destination, Found, Plan, Step};

/// Remembers what is desired and what is observed, and says what to do next.
///
/// ```text
/// hold, set_advert, observe…  →  next_steps  →  apply  →  succeeded / failed  →  next_steps  → … → empty
/// ```
///
/// Each [`Reconciler::next_steps`] returns one phase of the order in [`super`]: the next phase
/// depends on what the steps of this one came to.
#[derive(Debug, Default)]
pub struct Reconciler {
    wishes: AddressMap<Key, Vec<(Holder, Value)>>,
    held: AddressMap<Holder, Arc<[Key]>>,
    observed: AddressMap<Key, Found>,
    /// The interfaces among it: a handful, where routes are thousands.
    links: FxHashSet<Arc<str>>,
    adverts: BTreeMap<Destination, Advert>,
    advertised: BTreeMap<Destination, Announcement>,
    dirty: BTreeSet<Key>,
    dirty_adverts: BTreeSet<Destination>,
    /// Adverts and withdrawals that the speaker refused.
    failed_adverts: BTreeSet<Destination>,
    blocked: BTreeMap<Key, BlockReason>,
    /// Blocked objects by the interface whose change could help.
    awaiting_link: Waiting,
    /// Adverts not out yet, by the first object found missing.
    awaiting_object: AddressMap<Key, BTreeSet<Destination>>,
    /// [`Self::full`] has found nothing, and nothing has changed since.
    at_rest: bool,
}

impl Reconciler {
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces everything `holder` wants; an empty list lets go of it all.
    pub fn hold(&mut self, holder: Holder, objects: Vec<(Key, Value)>) {
        self.at_rest = false;
        let keys: Arc<[Key]> = objects.iter().map(|(key, _)| key.clone()).collect();
        let before = if keys.is_empty() {
            self.held.remove(&holder)
        } else {
            self.held.insert(holder, keys)
        };
        let mut gone: AddressSet<Key> = before.iter().flat_map(|b| b.iter().cloned()).collect();
        for (key, value) in objects {
            gone.remove(&key);
            self.wish(holder, key, value);
        }
        for key in gone {
            self.unwish(holder, &key);
        }
    }

    /// The holders that want something now.
    pub fn holders(&self) -> impl Iterator<Item = Holder> {
        self.held.keys().copied()
    }

    /// Wants `to` advertised once `advert.requires` are in place, or not any more.
    pub fn set_advert(&mut self, to: impl Into<Destination>, advert: Option<Advert>) {
        let to = to.into();
        let changed = match advert {
            Some(advert) if self.adverts.get(&to) == Some(&advert) => false,
            Some(advert) => {
                self.adverts.insert(to, advert);
                true
            }
            None => self.adverts.remove(&to).is_some(),
        };
        if changed {
            self.dirty_adverts.insert(to);
        }
    }

    /// One object was seen to be so, or (`None`) not to be there.
    pub fn observe(&mut self, key: Key, found: Option<Found>) {
        if self.record(&key, found) {
            self.touch(key);
        }
    }

    /// A dump: everything of `domain` that exists. What it does not name does not exist. What
    /// failed or was blocked there is tried again.
    pub fn observe_all(
        &mut self,
        domain: &Domain,
        objects: impl IntoIterator<Item = (Key, Found)>,
    ) {
        let objects: Vec<(Key, Found)> = objects.into_iter().collect();
        let there: AddressSet<&Key> = objects.iter().map(|(key, _)| key).collect();
        let known = self.observed.keys().filter(|key| domain.covers(key));
        let gone: Vec<Key> = known.filter(|key| !there.contains(key)).cloned().collect();
        for (key, found) in objects {
            self.observe(key, Some(found));
        }
        for key in gone {
            self.observe(key, None);
        }
        self.observe_same(domain);
    }

    /// A dump of `domain` that says what the one before said. What failed or was blocked there is tried again.
    pub fn observe_same(&mut self, domain: &Domain) {
        let blocked = self.blocked.keys().filter(|key| domain.covers(key));
        self.dirty.extend(blocked.cloned());
    }

    /// The next phase of what is to be done; no steps when there is nothing to do.
    pub fn next_steps(&mut self) -> Plan {
        self.at_rest &= self.dirty.is_empty() && self.dirty_adverts.is_empty();
        let mut plan = Plan::default();
        self.withdraw(&mut plan);
        if plan.steps.is_empty() {
            self.wire(&mut plan);
        }
        if plan.steps.is_empty() {
            self.advertise(&mut plan);
        }
        if plan.steps.is_empty() {
            self.remove(&mut plan);
        }
        plan
    }

    /// A step was taken: the kernel, the bridge or the speaker has acknowledged it.
    pub fn succeeded(&mut self, step: &Step) {
        self.at_rest = false;
        match step {
            Step::Withdraw { destination } => {
                self.advertised.remove(destination);
                self.dirty_adverts.insert(*destination);
            }
            Step::Advertise {
                destination,
                announcement,
            } => {
                self.advertised.insert(*destination, announcement.clone());
            }
            Step::Add { key, value } | Step::Replace { key, value } => {
                let found = self.made(key, value);
                self.record(key, Some(found));
                self.unblock(key);
                self.wake(key);
            }
            Step::Remove { key, .. } => {
                self.record(key, None);
                self.unblock(key);
            }
        }
    }

    /// A step failed; it is tried again when the object or its interface changes, or at
    /// [`Reconciler::retry`]. Returns what to report, unless it was reported before.
    pub fn failed(&mut self, step: &Step, error: &str) -> Option<Blocked> {
        self.at_rest = false;
        match step {
            Step::Withdraw { destination } | Step::Advertise { destination, .. } => {
                self.failed_adverts.insert(*destination);
                None
            }
            Step::Add { key, value }
            | Step::Replace { key, value }
            | Step::Remove { key, value } => {
                let device = key.device(value).map(Arc::from);
                self.block(key, BlockReason::Failed(error.into()), device)
            }
        }
    }

    /// Examines everything again: the periodic safety net. What is as it should be, and kept from nothing, is
    /// passed over here, which for most of the time is all there is.
    pub fn full(&mut self) {
        if std::mem::replace(&mut self.at_rest, true) {
            return;
        }
        let links: FxHashSet<&str> = self.observed.keys().filter_map(link_name).collect();
        let wished = self
            .wishes
            .keys()
            .filter(|key| !self.is_at_rest(key, &links));
        let unwanted = |(key, found): &(&Key, &Found)| {
            !self.wishes.contains_key(*key) && (found.owned || self.blocked.contains_key(*key))
        };
        let unwanted = self.observed.iter().filter(unwanted).map(|(key, _)| key);
        let dirty: Vec<Key> = wished.chain(unwanted).cloned().collect();
        self.dirty.extend(dirty);
        let told = |(destination, advert): &(&Destination, &Advert)| {
            self.advertised.get(*destination) != Some(&advert.announcement)
        };
        let untold = self
            .adverts
            .iter()
            .filter(told)
            .map(|(destination, _)| destination);
        let unwanted = |destination: &&Destination| !self.adverts.contains_key(*destination);
        let unwanted = self.advertised.keys().filter(unwanted);
        self.dirty_adverts.extend(untold.chain(unwanted));
        self.at_rest = self.dirty.is_empty() && self.dirty_adverts.is_empty();
    }

    /// Examining a desired object would come to nothing; `links` are the interfaces observed.
    fn is_at_rest(&self, key: &Key, links: &FxHashSet<&str>) -> bool {
        let (Some(wish), Some(found)) = (self.desired(key), self.observed.get(key)) else {
            return false;
        };
        satisfies(&found.value, wish)
            && key.device(wish).is_none_or(|device| links.contains(device))
            && !self.blocked.contains_key(key)
            && !self.awaiting_object.contains_key(key)
    }

    /// Tries again what failed or was blocked.
    pub fn retry(&mut self) {
        self.dirty.extend(self.blocked.keys().cloned());
        self.dirty_adverts.append(&mut self.failed_adverts);
    }

    /// What cannot be had now, and why.
    pub fn blocked(&self) -> impl Iterator<Item = (&Key, &BlockReason)> {
        self.blocked.iter()
    }

    /// What an object should be, if it should be.
    pub fn desired(&self, key: &Key) -> Option<&Value> {
        let (_, value) = self.wishes.get(key)?.first()?;
        Some(value)
    }

    /// What an object is, if it exists.
    pub fn observed(&self, key: &Key) -> Option<&Found> {
        self.observed.get(key)
    }

    /// Everything that exists, as far as it was observed.
    pub fn all_observed(&self) -> BTreeMap<Key, Found> {
        let observed = self.observed.iter();
        observed
            .map(|(key, found)| (key.clone(), found.clone()))
            .collect()
    }

    /// Everything that exists, as far as it was observed, in no particular order.
    pub fn observations(&self) -> impl Iterator<Item = (&Key, &Found)> {
        self.observed.iter()
    }

    /// The interfaces that exist, as far as they were observed, in no particular order.
    pub fn links(&self) -> impl Iterator<Item = (&Key, &Found)> {
        let keys = self.links.iter().map(|name| link_key(name));
        keys.filter_map(|key| self.observed.get_key_value(&key))
    }

    /// The desired objects that a holder wants, in the order given.
    pub fn held(&self, holder: Holder) -> &[Key] {
        self.held.get(&holder).map_or(&[], |keys| keys)
    }

    /// True when the desired object exists as desired.
    pub fn is_settled(&self, key: &Key) -> bool {
        match (self.desired(key), self.observed.get(key)) {
            (Some(wish), Some(found)) => satisfies(&found.value, wish),
            _ => false,
        }
    }

    /// True when it is out.
    pub fn is_advertised(&self, destination: &Destination) -> bool {
        self.advertised.contains_key(destination)
    }
}

/// Wishes and observations.
impl Reconciler {
    fn wish(&mut self, holder: Holder, key: Key, value: Value) {
        let wishes = self.wishes.entry(key.clone()).or_default();
        match wishes.binary_search_by_key(&holder, |(h, _)| *h) {
            Ok(at) if wishes.get(at).is_some_and(|(_, v)| *v == value) => return,
            Ok(at) => {
                if let Some(wish) = wishes.get_mut(at) {
                    wish.1 = value;
                }
            }
            Err(at) => {
                wishes.insert(at, (holder, value));
                if at > 0 {
                    return;
                }
            }
        }
        self.touch(key);
    }

    fn unwish(&mut self, holder: Holder, key: &Key) {
        let Some(wishes) = self.wishes.get_mut(key) else {
            return;
        };
        let Ok(at) = wishes.binary_search_by_key(&holder, |(h, _)| *h) else {
            return;
        };
        wishes.remove(at);
        if wishes.is_empty() {
            self.wishes.remove(key);
        }
        if at == 0 {
            self.touch(key.clone());
        }
    }

    /// Stores an observation; false when nothing changed.
    fn record(&mut self, key: &Key, found: Option<Found>) -> bool {
        if let Key::Link { name } = key {
            match found {
                Some(_) => drop(self.links.insert(Arc::clone(name))),
                None => drop(self.links.remove(name)),
            }
        }
        match found {
            Some(found) if self.observed.get(key) == Some(&found) => false,
            Some(found) => {
                self.observed.insert(key.clone(), found);
                true
            }
            None => self.observed.remove(key).is_some(),
        }
    }

    /// Marks an object for examination, and whatever waits for it.
    fn touch(&mut self, key: Key) {
        self.wake(&key);
        self.dirty.insert(key);
    }

    fn wake(&mut self, key: &Key) {
        if let Some(destinations) = self.awaiting_object.remove(key) {
            self.dirty_adverts.extend(destinations);
        }
        self.wake_objects_on(key);
    }

    /// Marks what was blocked for want of an interface.
    fn wake_objects_on(&mut self, key: &Key) {
        if let Key::Link { name } = key {
            self.dirty.extend(self.awaiting_link.take(name));
        }
    }

    /// What a successful step leaves. Setting up somebody else's interface, a sysctl, or a row of
    /// rt_tables does not make it ours to remove.
    fn made(&self, key: &Key, value: &Value) -> Found {
        let before = self.observed.get(key);
        match (key, value, before.map(|f| &f.value)) {
            (Key::TableName { .. } | Key::Sysctl { .. } | Key::BridgePort { .. }, ..) => {
                Found::foreign(value.clone())
            }
            (_, Value::Link(wish), Some(Value::Link(found)))
                if wish.kind == LinkKind::Foreign || wish.kind == found.kind =>
            {
                let mut link = found.clone();
                link.up |= wish.up;
                link.mac = wish.mac.or(link.mac);
                link.mtu = wish.mtu.or(link.mtu);
                Found {
                    value: Value::Link(link),
                    owned: before.is_some_and(|f| f.owned),
                }
            }
            _ => Found::owned(value.clone()),
        }
    }

    fn block(
        &mut self,
        key: &Key,
        reason: BlockReason,
        device: Option<Arc<str>>,
    ) -> Option<Blocked> {
        if let Some(device) = device {
            self.awaiting_link.insert(device, key.clone());
        }
        if self.blocked.get(key) == Some(&reason) {
            return None;
        }
        self.blocked.insert(key.clone(), reason.clone());
        Some(Blocked {
            key: key.clone(),
            reason,
        })
    }

    fn unblock(&mut self, key: &Key) {
        self.blocked.remove(key);
        self.awaiting_link.remove(key);
    }

    /// How many objects wait for an interface.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.awaiting_link.len()
    }
}

fn link_name(key: &Key) -> Option<&str> {
    match key {
        Key::Link { name } => Some(name),
        _ => None,
    }
}
