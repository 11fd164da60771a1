//! Several routers on a link: which of them are really there?

use std::time::{Duration, Instant};

/// A router answers a solicitation within MAX_RA_DELAY_TIME, or MIN_DELAY_BETWEEN_RAS after its last advertisement
/// (RFC 4861 §6.2.6): after 3.5 s. Who has not by then is not there.
pub(super) const ASKING: Duration = Duration::from_secs(4);
/// The second solicitation of the same question, should the first be lost.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// While several are there, the question is asked again so often.
pub(super) const RECONSIDER: Duration = Duration::from_secs(10);

/// Where the question stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Contest {
    /// Answers are awaited.
    Asking {
        since: Instant,
        again: Option<Instant>,
        until: Instant,
        /// It has been asked before, and several had answered.
        refused: bool,
    },
    /// Several have answered: nobody is taken.
    Refused { reconsider: Instant },
}

impl Contest {
    pub(super) fn ask(refused: bool, now: Instant) -> Self {
        Self::Asking {
            since: now,
            again: Some(now + ASK_AGAIN),
            until: now + ASKING,
            refused,
        }
    }

    pub(super) fn is_refused(self) -> bool {
        match self {
            Self::Asking { refused, .. } => refused,
            Self::Refused { .. } => true,
        }
    }

    /// A solicitation is due; true once.
    pub(super) fn take_again(&mut self, now: Instant) -> bool {
        match self {
            Self::Asking { again, .. } => again.take_if(|again| *again <= now).is_some(),
            Self::Refused { .. } => false,
        }
    }

    pub(super) fn deadline(self) -> Instant {
        match self {
            Self::Asking { again, until, .. } => again.map_or(until, |again| again.min(until)),
            Self::Refused { reconsider } => reconsider,
        }
    }
}
