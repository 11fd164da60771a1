//! Why a peer is left alone, in words for an operator.

use std::fmt;
use std::time::Instant;

/// Why a peer in Idle is neither dialled nor let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleReason {
    /// Not started yet, or removed.
    Stopped,
    /// Administratively down.
    Shutdown,
    /// Its address is not known: nobody was discovered on its link.
    NoNeighbour,
    /// It made a mistake and is refused until then.
    Held(Instant),
    /// It taught more routes than it may, and is refused until then; `None`: until the operator resets it.
    TooManyRoutes(Option<Instant>),
}

impl IdleReason {
    /// When it ends by itself.
    pub fn until(self) -> Option<Instant> {
        match self {
            Self::Held(until) => Some(until),
            Self::TooManyRoutes(until) => until,
            Self::Stopped | Self::Shutdown | Self::NoNeighbour => None,
        }
    }

    /// The peer did something to deserve it: only time or the operator ends it.
    pub(super) fn is_penalty(self) -> bool {
        matches!(self, Self::Held(_) | Self::TooManyRoutes(_))
    }
}

impl fmt::Display for IdleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "not started",
            Self::Shutdown => "administratively shut down",
            Self::NoNeighbour => "no neighbour discovered yet",
            Self::Held(_) => "held back after an error",
            Self::TooManyRoutes(Some(_)) => "held back: it sent more routes than max_prefixes",
            Self::TooManyRoutes(None) => {
                "down: it sent more routes than max_prefixes; reset it when that is settled"
            }
        })
    }
}
