//! BFD, sans-IO: asynchronous mode (RFC 5880) over one hop (RFC 5881) and over several (RFC 5883).
//!
//! The shell owns the sockets and the clock. It feeds [`Sessions`] the datagrams that arrive and the time, and
//! does what [`Sessions::poll_output`] says, until that is [`Output::Timeout`].
//!
//! ```text
//!   datagram ──► Sessions: demultiplex (RFC 5880 §6.3) ──► Session: state machine (§6.8.6) ──► Output::Send
//!   time ──────►                                             │ Timing: intervals, polls (§6.8.3)   Output::Changed
//!                                                            ▼
//!                                                     SessionStatus
//! ```
//!
//! What is deliberately not done:
//! * The echo function: we advertise that we accept none (Required Min Echo RX Interval 0).
//! * Demand mode of our own; a remote system that asks for it is obeyed (§6.6).
//! * Authentication: packets that carry it are discarded and counted (§6.8.6).
//! * The C bit is never set: these sessions end with the process that speaks BGP, so they do share fate with
//!   the control plane (§4.1), and a peer's graceful-restart helper may overlook their end (RFC 5882 §4.3).

mod config;
mod packet;
mod random;
mod session;
mod sessions;
mod status;
#[cfg(test)]
mod tests;
mod timing;

pub use config::{ConfigError, KeyError, SessionConfig, SessionKey};
pub use packet::{Authentication, ControlPacket, Diagnostic, Discard, Interval, State};
pub use sessions::{AddError, Arrival, MAX_SESSIONS, Output, Sessions};
pub use status::{Change, Counters, RemoteStatus, SessionStatus};

/// UDP port of single-hop sessions (RFC 5881 §4).
pub const SINGLE_HOP_PORT: u16 = 3784;

/// UDP port of multihop sessions (RFC 5883 §5).
pub const MULTIHOP_PORT: u16 = 4784;

/// Source ports of sessions (RFC 5881 §4).
pub const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;

/// TTL or hop limit of what we send, and of what a single-hop session takes (RFC 5881 §5).
pub const TTL: u8 = 255;

/// Our discriminator of a session: not zero, unique on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Discriminator(pub std::num::NonZeroU32);

impl std::fmt::Display for Discriminator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
