//! When to send: our own advertisements (RFC 4861 §6.2.4, §6.2.6) and solicitations (§6.3.7).

use std::time::{Duration, Instant};

use crate::session::Jitter;

/// Advertisements of a burst (MAX_INITIAL_RTR_ADVERTISEMENTS is 3; FRR, which a peer may be used to, sends 4).
const BURST: u32 = 4;
/// Between those of a burst.
const BURST_INTERVAL: Duration = Duration::from_secs(1);
/// Between those after it, at most: FRR's interval on unnumbered links.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);
/// MIN_DELAY_BETWEEN_RAS, for answers to solicitations.
const ANSWER_INTERVAL: Duration = Duration::from_secs(3);
/// MAX_RA_DELAY_TIME: routers must not all answer at once.
const ANSWER_DELAY: Duration = Duration::from_millis(500);

/// The schedule of our advertisements.
#[derive(Debug)]
pub(super) struct Advertiser {
    due: Instant,
    sent: Option<Instant>,
    /// Left of the burst.
    burst: u32,
}

impl Advertiser {
    /// The interface has just become usable.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            sent: None,
            burst: BURST,
        }
    }

    /// Somebody is there who may not know us yet.
    pub(super) fn burst(&mut self, now: Instant) {
        self.burst = BURST;
        self.advance(now, BURST_INTERVAL);
    }

    /// A solicitation was received.
    pub(super) fn answer(&mut self, jitter: &mut Jitter, now: Instant) {
        // `apply` gives 75 to 100 %, of which 0 to 100 % is made.
        let drawn = jitter.apply(ANSWER_DELAY * 4);
        let delay = drawn.saturating_sub(ANSWER_DELAY * 3);
        self.advance(now + delay, ANSWER_INTERVAL);
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// An advertisement was sent.
    pub(super) fn count_sent(&mut self, jitter: &mut Jitter, now: Instant) {
        self.sent = Some(now);
        self.burst = self.burst.saturating_sub(1);
        let interval = if self.burst > 0 {
            BURST_INTERVAL
        } else {
            jitter.apply(INTERVAL)
        };
        self.due = now + interval;
    }

    /// The next one at `at`, but not sooner than `pause` after the last.
    fn advance(&mut self, at: Instant, pause: Duration) {
        let allowed = self.sent.map_or(at, |sent| sent + pause);
        self.due = self.due.min(at.max(allowed));
    }
}

/// First interval between solicitations (RTR_SOLICITATION_INTERVAL).
const SOLICIT_FIRST: Duration = Duration::from_secs(4);
/// Longest: whoever does not answer advertises itself as often.
const SOLICIT_LONGEST: Duration = Duration::from_secs(60);

/// Not more often, whatever happens.
const SOLICIT_PAUSE: Duration = Duration::from_secs(1);

/// The schedule of our solicitations while no router is known: they thin out (RFC 7559 §2).
#[derive(Debug)]
pub(super) struct Solicitor {
    due: Option<Instant>,
    sent: Option<Instant>,
    interval: Duration,
}

impl Solicitor {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: Some(now),
            sent: None,
            interval: SOLICIT_FIRST,
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Ask as soon as it is seemly, and go on asking.
    pub(super) fn start(&mut self, now: Instant) {
        let allowed = self.sent.map_or(now, |sent| sent + SOLICIT_PAUSE);
        self.due = Some(now.max(allowed));
        self.interval = SOLICIT_FIRST;
    }

    /// There is an answer.
    pub(super) fn stop(&mut self) {
        self.due = None;
    }

    pub(super) fn count_sent(&mut self, jitter: &mut Jitter, now: Instant) {
        self.sent = Some(now);
        self.due = Some(now + jitter.apply(self.interval));
        self.interval = (self.interval * 2).min(SOLICIT_LONGEST);
    }
}
