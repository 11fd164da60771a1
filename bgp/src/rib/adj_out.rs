//! What the peers of an update group should have: the Adj-RIB-Out they share.

use std::collections::hash_map;
use std::sync::Arc;

use ipnet::IpNet;

use super::destination::Destination;
use super::export::ExportedRoute;
use crate::hash::AddressMap;

/// Where a route stands in the order in which prefixes came, for those who walk through all of them. A prefix that
/// is withdrawn and comes again takes a new place, behind everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

impl Place {
    /// Before every route.
    pub(crate) const START: Self = Self(0);
}

/// The routes of one family that a group of peers should have.
#[derive(Debug)]
pub(crate) struct AdjRibOut<D = IpNet> {
    routes: AddressMap<D, Entry>,
    next_place: u64,
    /// By place; kept only while somebody walks. A prefix that left or moved is still in its old place.
    order: Option<Vec<(Place, D)>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) route: Arc<ExportedRoute>,
    pub(crate) place: Place,
}

/// What became of a prefix.
#[derive(Debug)]
pub(crate) struct Change<D = IpNet> {
    pub(crate) prefix: D,
    pub(crate) before: Option<Entry>,
    pub(crate) after: Option<Entry>,
}

impl<D> Default for AdjRibOut<D> {
    fn default() -> Self {
        Self {
            routes: AddressMap::default(),
            next_place: 0,
            order: None,
        }
    }
}

impl<D: Destination> AdjRibOut<D> {
    /// State what the peers should have for a prefix: a route (interned: equal ones are the same), or nothing.
    /// Gives what changed by that.
    pub(crate) fn set(
        &mut self,
        prefix: D,
        route: Option<Arc<ExportedRoute>>,
    ) -> Option<Change<D>> {
        let Some(route) = route else {
            let before = Some(self.routes.remove(&prefix)?);
            self.trim();
            let after = None;
            return Some(Change {
                prefix,
                before,
                after,
            });
        };
        let (before, after) = match self.routes.entry(prefix) {
            hash_map::Entry::Occupied(known) if Arc::ptr_eq(&known.get().route, &route) => {
                return None;
            }
            hash_map::Entry::Occupied(mut known) => {
                let place = known.get().place;
                let after = Entry { route, place };
                (Some(known.insert(after.clone())), after)
            }
            hash_map::Entry::Vacant(vacant) => {
                let place = Place(self.next_place);
                self.next_place += 1;
                if let Some(order) = &mut self.order {
                    order.push((place, prefix));
                }
                (None, vacant.insert(Entry { route, place }).clone())
            }
        };
        Some(Change {
            prefix,
            before,
            after: Some(after),
        })
    }

    pub(crate) fn get(&self, prefix: &D) -> Option<&Entry> {
        self.routes.get(prefix)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&D, &Entry)> {
        self.routes.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Somebody is going to walk.
    pub(crate) fn keep_order(&mut self) {
        if self.order.is_none() {
            let mut order: Vec<_> = self.routes.iter().map(|(p, e)| (e.place, *p)).collect();
            order.sort_unstable_by_key(|(place, _)| *place);
            self.order = Some(order);
        }
    }

    /// Nobody walks any more.
    pub(crate) fn drop_order(&mut self) {
        self.order = None;
    }

    /// The routes from a place on, in order.
    pub(crate) fn starting_at(&self, place: Place) -> impl Iterator<Item = (&D, &Entry)> {
        let order = self.order.as_deref().unwrap_or_default();
        let start = order.partition_point(|(at, _)| *at < place);
        let rest = order.get(start..).unwrap_or_default().iter();
        rest.filter_map(|(place, prefix)| {
            let entry = self.routes.get(prefix)?;
            (entry.place == *place).then_some((prefix, entry))
        })
    }

    /// Churn while somebody walks must not make the order grow for ever.
    fn trim(&mut self) {
        let routes = &self.routes;
        if let Some(order) = &mut self.order
            && order.len() > 2 * routes.len() + 64
        {
            order.retain(|(place, prefix)| routes.get(prefix).is_some_and(|e| e.place == *place));
        }
    }
}

impl Place {
    /// The place behind this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
