//! Sessions: the RFC 4271 state machine of one peer, negotiation, collision, back-off.

mod backoff;
mod collision;
mod connection;
mod counters;
mod idle;
mod machine;
mod negotiation;
mod offer;
mod reset;
mod state;

pub(crate) use backoff::Jitter;
pub use connection::{ConnectionId, Ends};
pub use counters::{MessageCount, MessageCounters};
pub use idle::IdleReason;
pub(crate) use machine::{Action, Env, Session};
pub use negotiation::Negotiated;
pub(crate) use offer::LocalSpeaker;
pub(crate) use reset::Reset;
pub use state::{DownReason, State};
