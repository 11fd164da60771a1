//! Who has advertised itself on a link.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use super::advertiser::INTERVAL;
use super::contest::ASKING;
use super::packet::RouterAdvertisement;

/// Routers remembered per link. Two are too many already, so a flood of invented ones costs nothing.
const MAX: usize = 8;

/// How long a router is believed in that gives no lifetime of its own: BGP speakers advertise a lifetime of
/// zero, so as not to become default router of hosts on the link. Three of FRR's intervals.
const SHORTEST_LIFETIME: Duration = INTERVAL.saturating_mul(3);

/// The routers of one link, in the order of their first advertisement.
#[derive(Debug, Default)]
pub(super) struct Routers(Vec<Router>);

#[derive(Debug)]
struct Router {
    address: Ipv6Addr,
    heard: Instant,
    expires: Instant,
    /// It has been asked whether it is still there.
    asked: bool,
}

impl Router {
    /// When to ask it before its time is over: it may advertise itself rarely.
    fn doubt(&self) -> Instant {
        self.expires.checked_sub(ASKING).unwrap_or(self.expires)
    }
}

impl Routers {
    /// Takes in an advertisement; true when its sender was not known.
    pub(super) fn hear(
        &mut self,
        address: Ipv6Addr,
        advertisement: &RouterAdvertisement,
        now: Instant,
    ) -> bool {
        let lifetime = Duration::from_secs(advertisement.router_lifetime.into());
        let expires = now + lifetime.max(SHORTEST_LIFETIME);
        if let Some(router) = self.0.iter_mut().find(|router| router.address == address) {
            (router.heard, router.expires, router.asked) = (now, expires, false);
            return false;
        }
        if self.0.len() >= MAX {
            return false;
        }
        self.0.push(Router {
            address,
            heard: now,
            expires,
            asked: false,
        });
        true
    }

    /// Forgets those whose lifetime has passed; true when there were any.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let before = self.0.len();
        self.0.retain(|router| router.expires > now);
        self.0.len() != before
    }

    /// Whether one that has been silent for long should be asked; once for each.
    pub(super) fn take_doubt(&mut self, now: Instant) -> bool {
        let mut doubtful = self
            .0
            .iter_mut()
            .filter(|router| router.doubt() <= now && !router.asked);
        doubtful.any(|router| {
            router.asked = true;
            true
        })
    }

    /// Forgets those that were not heard since `then`, unless that is all of them.
    pub(super) fn keep_heard_since(&mut self, then: Instant) {
        if self.0.iter().any(|router| router.heard >= then) {
            self.0.retain(|router| router.heard >= then);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |router: &Router| {
            if router.asked {
                router.expires
            } else {
                router.doubt()
            }
        };
        self.0.iter().map(due).min()
    }

    pub(super) fn addresses(&self) -> Vec<Ipv6Addr> {
        self.0.iter().map(|router| router.address).collect()
    }

    /// The router, when there is exactly one.
    pub(super) fn only(&self) -> Option<Ipv6Addr> {
        match self.0.as_slice() {
            [router] => Some(router.address),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn are_several(&self) -> bool {
        self.0.len() > 1
    }
}
