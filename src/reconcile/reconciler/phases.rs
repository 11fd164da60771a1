//! The four phases.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Reconciler;
use crate::reconcile::diff::{Made, Verdict, brings, judge, link_key, master, with_it};
use crate::reconcile::object::{Key, LinkKind, Value};
use crate::reconcile::{BlockReason, Destination, Plan, Step};

impl Reconciler {
    pub(super) fn withdraw(&mut self, plan: &mut Plan) {
        let withdrawn =
            |p: &&Destination| self.advertised.contains_key(*p) && !self.adverts.contains_key(*p);
        let destinations: Vec<Destination> = self
            .dirty_adverts
            .iter()
            .filter(withdrawn)
            .copied()
            .collect();
        for destination in destinations {
            self.dirty_adverts.remove(&destination);
            plan.steps.push(Step::Withdraw { destination });
        }
    }

    /// Examines the dirty objects that are desired; the others stay for [`Self::remove`].
    pub(super) fn wire(&mut self, plan: &mut Plan) {
        let mut made = Made::expecting(self.coming());
        let mut unwanted = BTreeSet::new();
        while let Some(key) = self.dirty.pop_first() {
            let Some(wish) = self.desired(&key) else {
                unwanted.insert(key);
                continue;
            };
            let exists = |name: &str| self.observed.contains_key(&link_key(name));
            let verdict = judge(&key, wish, self.observed.get(&key), exists, &mut made);
            self.follow(key, verdict, plan);
        }
        self.dirty = unwanted;
    }

    /// The interfaces that steps of this pass bring.
    fn coming(&self) -> Vec<Arc<str>> {
        let brings = |key| brings(key, self.desired(key)?, self.observed.get(key));
        self.dirty.iter().filter_map(brings).cloned().collect()
    }

    fn follow(&mut self, key: Key, verdict: Verdict, plan: &mut Plan) {
        match verdict {
            Verdict::Settled => {
                self.unblock(&key);
                self.wake_adverts(&key);
            }
            Verdict::Do(step) => {
                self.wake_objects_on(&key);
                if recreates_link(&step) {
                    self.touch_objects_on(&key);
                }
                plan.steps.push(step);
            }
            Verdict::Awaited(device) => {
                self.awaiting_link.insert(device, key);
            }
            Verdict::Blocked(reason) => {
                let device = match &reason {
                    BlockReason::NoDevice(device) => Some(Arc::clone(device)),
                    _ => None,
                };
                plan.blocked.extend(self.block(&key, reason, device));
            }
        }
    }

    fn wake_adverts(&mut self, key: &Key) {
        if let Some(destinations) = self.awaiting_object.remove(key) {
            self.dirty_adverts.extend(destinations);
        }
    }

    /// What is on an interface that is replaced has to be examined in the same phase.
    fn touch_objects_on(&mut self, key: &Key) {
        let Key::Link { name } = key else { return };
        let on_it = |key: &&Key, value: &Value| {
            key.device(value) == Some(name) || master(value) == Some(name)
        };
        let keys: Vec<Key> = self
            .wishes
            .iter()
            .filter(|(key, wishes)| wishes.first().is_some_and(|(_, v)| on_it(key, v)))
            .map(|(key, _)| key.clone())
            .collect();
        self.dirty.extend(keys);
    }

    pub(super) fn advertise(&mut self, plan: &mut Plan) {
        while let Some(destination) = self.dirty_adverts.pop_first() {
            let Some(advert) = self.adverts.get(&destination) else {
                continue;
            };
            if self.advertised.get(&destination) == Some(&advert.announcement) {
                continue;
            }
            let missing = advert.requires.iter().find(|key| !self.is_settled(key));
            match missing.cloned() {
                Some(key) => {
                    self.awaiting_object
                        .entry(key)
                        .or_default()
                        .insert(destination);
                }
                None => plan.steps.push(Step::Advertise {
                    destination,
                    announcement: advert.announcement.clone(),
                }),
            }
        }
    }

    pub(super) fn remove(&mut self, plan: &mut Plan) {
        while let Some(key) = self.dirty.pop_last() {
            let link = with_it(&key).filter(|link| self.dirty.remove(link));
            for key in link.into_iter().chain([key]) {
                self.unblock(&key);
                if let Some(found) = self.observed.get(&key).filter(|f| f.owned) {
                    plan.steps.push(Step::Remove {
                        key,
                        value: found.value.clone(),
                    });
                }
            }
        }
    }
}

/// A step on a link that is not merely setting it up, judged without the observation: an
/// examination too many does no harm.
fn recreates_link(step: &Step) -> bool {
    matches!(step, Step::Replace { key: Key::Link { .. }, value: Value::Link(link) } if link.kind != LinkKind::Foreign)
}
