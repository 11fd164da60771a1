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
}

impl fmt::Display for IdleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "not started",
            Self::Shutdown => "administratively shut down",
            Self::NoNeighbour => "no neighbour discovered yet",
            Self::Held(_) => "held back after an error",
        })
    }
}
