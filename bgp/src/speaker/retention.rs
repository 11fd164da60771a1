//! What is kept of a peer's routes while it is away (graceful restart, RFC 4724 §4.2; long-lived, RFC 9494) and
//! while it tells them again (enhanced route refresh, RFC 7313).
//!
//! ```text
//!   session lost ──► Away ── restart time ──► LongLived ── stale time ──► forgotten
//!                     │                          │
//!                     └──── session is back ─────┴──► Confirming ── End-of-RIB, or too long ──► the rest forgotten
//! ```

use std::time::{Duration, Instant};

use crate::session::Negotiated;
use crate::wire::Family;

/// How long a peer that is back, or that began a refresh, may take to say that it has told everything.
const CONFIRM_WITHIN: Duration = Duration::from_secs(360);

/// What has to happen to the Adj-RIB-In of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Everything is stale from now on.
    MarkStale(Family),
    /// Everything waits to be told again.
    ExpectAgain(Family),
    /// What is stale is the last resort from now on.
    MarkLongLived(Family),
    /// What was not confirmed is forgotten.
    Purge(Family),
    /// Everything is forgotten.
    Forget(Family),
}

impl Step {
    /// Of which family.
    pub(crate) const fn family(self) -> Family {
        match self {
            Self::MarkStale(family)
            | Self::ExpectAgain(family)
            | Self::MarkLongLived(family)
            | Self::Purge(family)
            | Self::Forget(family) => family,
        }
    }
}

/// The families of one peer of which something waits to be confirmed.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    kept: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    family: Family,
    phase: Phase,
    until: Instant,
    /// How long the routes may be kept after the restart time.
    stale_time: Duration,
    /// The end of that, once it has begun: a second loss does not prolong it (RFC 9494 §4.2).
    last_resort_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Away,
    LongLived,
    Confirming,
    Refreshing,
}

/// What the peer had agreed to when it went away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost<'a> {
    pub(crate) negotiated: &'a Negotiated,
    /// Routes may be kept: we help, and the session ended in a way that does not forbid it.
    pub(crate) graceful: bool,
    /// The longest time we keep anything after the restart time; `None` keeps nothing.
    pub(crate) long_lived: Option<Duration>,
}

impl Retention {
    /// The session was lost: which families stay.
    pub(crate) fn lost(&mut self, lost: Lost<'_>, now: Instant) -> Vec<Step> {
        let families = &lost.negotiated.families;
        let mut steps = Vec::new();
        for family in families {
            let earlier = self.take(*family);
            let restart = lost.restart_time(*family);
            let stale_time = lost.stale_time(*family);
            let Some(restart) = restart.filter(|restart| !(*restart + stale_time).is_zero()) else {
                steps.push(Step::Forget(*family));
                continue;
            };
            // RFC 4724 §4.2: what an earlier restart left stale is not kept twice; RFC 9494 §4.2 does keep it,
            // but not for longer.
            if earlier.is_some() && stale_time.is_zero() {
                steps.push(Step::Purge(*family));
            }
            steps.push(Step::MarkStale(*family));
            self.kept.push(Kept {
                family: *family,
                phase: Phase::Away,
                until: now + restart,
                stale_time,
                last_resort_until: earlier.and_then(|kept| kept.last_resort_until),
            });
        }
        steps.extend(self.expire(now));
        steps
    }

    /// The session is up again: what it does not vouch for is forgotten at once (RFC 4724 §4.2, RFC 9494 §4.2).
    pub(crate) fn returned(&mut self, negotiated: &Negotiated, now: Instant) -> Vec<Step> {
        let mut steps = Vec::new();
        self.kept.retain_mut(|kept| {
            if !vouched_for(negotiated, kept) {
                steps.push(Step::Purge(kept.family));
                return false;
            }
            kept.phase = Phase::Confirming;
            kept.until = now + CONFIRM_WITHIN;
            if let Some(until) = kept.last_resort_until {
                kept.until = kept.until.min(until);
            }
            true
        });
        steps
    }

    /// The peer has told all it has of a family.
    pub(crate) fn end_of_rib(&mut self, family: Family) -> Option<Step> {
        self.end(family, Phase::Confirming)
    }

    /// The peer begins to tell a family again.
    pub(crate) fn refresh_begins(&mut self, family: Family, now: Instant) -> Step {
        if !self.kept.iter().any(|kept| kept.family == family) {
            self.kept.push(Kept {
                family,
                phase: Phase::Refreshing,
                until: now + CONFIRM_WITHIN,
                stale_time: Duration::ZERO,
                last_resort_until: None,
            });
        }
        for kept in self.kept.iter_mut().filter(|kept| kept.family == family) {
            kept.phase = Phase::Refreshing;
            kept.until = now + CONFIRM_WITHIN;
        }
        Step::ExpectAgain(family)
    }

    /// The peer has told a family again.
    pub(crate) fn refresh_ends(&mut self, family: Family) -> Option<Step> {
        self.end(family, Phase::Refreshing)
    }

    /// Nothing is kept any more.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    /// When [`Self::expire`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.kept.iter().map(|kept| kept.until).min()
    }

    /// What has waited long enough by `now`.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Step> {
        let mut steps = Vec::new();
        self.kept.retain_mut(|kept| {
            if kept.until > now {
                return true;
            }
            if kept.phase == Phase::Away && !kept.stale_time.is_zero() {
                let begun = kept.until;
                let until = *kept
                    .last_resort_until
                    .get_or_insert(begun + kept.stale_time);
                if until > now {
                    kept.phase = Phase::LongLived;
                    kept.until = until;
                    steps.push(Step::MarkLongLived(kept.family));
                    return true;
                }
            }
            steps.push(Step::Purge(kept.family));
            false
        });
        steps
    }

    fn end(&mut self, family: Family, phase: Phase) -> Option<Step> {
        let at = self
            .kept
            .iter()
            .position(|kept| kept.family == family && kept.phase == phase)?;
        self.kept.swap_remove(at);
        Some(Step::Purge(family))
    }

    fn take(&mut self, family: Family) -> Option<Kept> {
        let at = self.kept.iter().position(|kept| kept.family == family)?;
        Some(self.kept.swap_remove(at))
    }
}

impl Lost<'_> {
    /// How long the peer asked us to wait for it, if it listed the family.
    fn restart_time(&self, family: Family) -> Option<Duration> {
        let restart = self.negotiated.graceful_restart.as_ref()?;
        let listed = restart.families.iter().any(|line| line.family == family);
        (self.graceful && listed).then(|| Duration::from_secs(restart.time.into()))
    }

    fn stale_time(&self, family: Family) -> Duration {
        let mut lines = self.negotiated.long_lived.iter();
        let line = lines.find(|line| line.family == family);
        let asked = line.map(|line| Duration::from_secs(line.stale_time.into()));
        asked
            .zip(self.long_lived)
            .map_or(Duration::ZERO, |(asked, most)| asked.min(most))
    }
}

/// Its new OPEN says that it went on forwarding.
fn vouched_for(negotiated: &Negotiated, kept: &Kept) -> bool {
    if !negotiated.families.contains(&kept.family) {
        return false;
    }
    let restart = negotiated.graceful_restart.iter();
    let short = restart.flat_map(|restart| &restart.families);
    let short = short.map(|line| (line.family, line.forwarding));
    let long = negotiated.long_lived.iter();
    let long = long.map(|line| (line.family, line.forwarding));
    if kept.phase == Phase::LongLived {
        long.into_iter().any(|line| line == (kept.family, true))
    } else {
        short.into_iter().any(|line| line == (kept.family, true))
    }
}

#[cfg(test)]
#[path = "retention/tests.rs"]
mod tests;
