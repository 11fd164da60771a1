//! After a start: when the peers have told all they have, and what an earlier process left in the kernel can go
//! (RFC 4724 §4.1).
//!
//! Our own routes never wait for this. Only peers that carry a family are waited for, and for none of them long: a
//! peer that never says End-of-RIB, say one without graceful restart, must not silence a node (osrg/gobgp#1632,
//! cloudnativelabs/kube-router#1323).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::port::PeerId;
use crate::wire::Family;

/// How long peers may take from the first session on, and all in all where no restart time is configured
/// (Selection_Deferral_Timer).
const DEFERRAL: Duration = Duration::from_secs(30);

/// Which families still wait for which peers.
#[derive(Debug)]
pub(crate) struct Convergence {
    /// When nothing is waited for any more, whoever is up.
    latest: Instant,
    /// By family, when it is waited for no longer.
    waiting: BTreeMap<Family, Instant>,
    /// Peers that ought to come up, with what they may carry.
    expected: BTreeMap<PeerId, Vec<Family>>,
    /// Peers that are up, with what they do carry and have not told to the end.
    telling: BTreeMap<PeerId, BTreeSet<Family>>,
}

impl Convergence {
    /// Started at `now`; peers that were told to keep our routes for `restart_time` may take as long to come back.
    pub(crate) fn new(restart_time: Option<Duration>, now: Instant) -> Self {
        let latest = now + restart_time.unwrap_or(DEFERRAL);
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        Self {
            latest,
            waiting: families.map(|family| (family, latest)).into(),
            expected: BTreeMap::new(),
            telling: BTreeMap::new(),
        }
    }

    /// This peer ought to come up with these families; none: it is not waited for.
    pub(crate) fn expect(&mut self, peer: PeerId, families: &[Family]) {
        if self.is_over() {
            return;
        }
        if families.is_empty() {
            self.expected.remove(&peer);
        } else {
            if families.contains(&Family::L2VPN_EVPN) {
                self.waiting
                    .entry(Family::L2VPN_EVPN)
                    .or_insert(self.latest);
            }
            self.expected.insert(peer, families.to_vec());
        }
    }

    /// A peer is gone for good.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.expected.remove(&peer);
        self.telling.remove(&peer);
    }

    /// A session came up with these families.
    pub(crate) fn up(&mut self, peer: PeerId, families: &[Family], now: Instant) {
        if self.is_over() {
            return;
        }
        for family in families {
            if let Some(latest) = self.waiting.get_mut(family) {
                *latest = (*latest).min(now + DEFERRAL);
            }
        }
        self.telling
            .insert(peer, families.iter().copied().collect());
    }

    /// A session went down.
    pub(crate) fn down(&mut self, peer: PeerId) {
        self.telling.remove(&peer);
    }

    /// A peer has told all it has of a family.
    pub(crate) fn end_of_rib(&mut self, peer: PeerId, family: Family) {
        if let Some(telling) = self.telling.get_mut(&peer) {
            telling.remove(&family);
        }
    }

    /// Families that have converged by `now`; each is named once.
    pub(crate) fn take_converged(&mut self, now: Instant) -> Vec<Family> {
        let converged: Vec<_> = self
            .waiting
            .iter()
            .filter(|(family, latest)| **latest <= now || self.is_told(**family))
            .map(|(family, _)| *family)
            .collect();
        for family in &converged {
            self.waiting.remove(family);
        }
        if self.is_over() {
            self.expected.clear();
            self.telling.clear();
        }
        converged
    }

    /// When [`Self::take_converged`] is due at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().min().copied()
    }

    /// Nothing is waited for any more.
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Every peer that may carry the family is up and has told it, or does not carry it; there is at least one.
    fn is_told(&self, family: Family) -> bool {
        let mut expected = self
            .expected
            .iter()
            .filter(|(_, families)| families.contains(&family))
            .peekable();
        expected.peek().is_some()
            && expected.all(|(peer, _)| {
                let telling = self.telling.get(peer);
                telling.is_some_and(|telling| !telling.contains(&family))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Family = Family::IPV4_UNICAST;
    const V6: Family = Family::IPV6_UNICAST;
    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(2);

    fn started(restart_time: u64) -> (Convergence, Instant) {
        let now = Instant::now();
        let restart_time = Duration::from_secs(restart_time);
        (Convergence::new(Some(restart_time), now), now)
    }

    #[test]
    fn all_expected_peers_have_to_tell_what_they_carry() {
        let (mut convergence, now) = started(120);
        convergence.expect(A, &[V4, V6]);
        convergence.expect(B, &[V4, V6]);
        convergence.up(A, &[V4, V6], now);
        convergence.up(B, &[V4], now);
        assert_eq!(convergence.take_converged(now), []);
        convergence.end_of_rib(A, V6);
        assert_eq!(convergence.take_converged(now), [V6], "B does not carry it");
        convergence.end_of_rib(A, V4);
        assert_eq!(convergence.take_converged(now), []);
        convergence.end_of_rib(B, V4);
        assert_eq!(convergence.take_converged(now), [V4]);
        assert!(convergence.is_over());
        assert_eq!(convergence.deadline(), None);
    }

    #[test]
    fn a_peer_that_never_tells_is_not_waited_for_long() {
        let (mut convergence, now) = started(120);
        convergence.expect(A, &[V4, V6]);
        let up = now + Duration::from_secs(3);
        convergence.up(A, &[V4, V6], up);
        assert_eq!(convergence.deadline(), Some(up + DEFERRAL));
        assert_eq!(convergence.take_converged(up + DEFERRAL), [V4, V6]);
    }

    #[test]
    fn while_no_peer_is_up_the_restart_time_counts() {
        let (mut convergence, now) = started(120);
        convergence.expect(A, &[V4]);
        let later = now + Duration::from_secs(119);
        assert_eq!(convergence.take_converged(later), []);
        let over = now + Duration::from_secs(120);
        assert_eq!(convergence.take_converged(over), [V4, V6]);
    }

    #[test]
    fn a_peer_that_goes_again_is_waited_for_again() {
        let (mut convergence, now) = started(120);
        convergence.expect(A, &[V4]);
        convergence.up(A, &[V4], now);
        convergence.end_of_rib(A, V4);
        convergence.down(A);
        assert_eq!(convergence.take_converged(now), []);
        convergence.forget(A);
        assert_eq!(convergence.take_converged(now), [], "nobody is expected");
    }
}
