//! What sessions tell, and how they are.

use std::time::{Duration, Instant};

use super::Discriminator;
use super::config::{SessionConfig, SessionKey};
use super::packet::{Diagnostic, Interval, State};

/// A session changed state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub key: SessionKey,
    /// From.
    pub from: State,
    /// To.
    pub to: State,
    /// Why.
    pub diagnostic: Diagnostic,
    /// What the remote system last said of its own state.
    pub remote_state: State,
    /// The remote system's BFD goes on when its control plane does not (its C bit, RFC 5880 §4.1).
    pub remote_control_plane_independent: bool,
    /// When.
    pub at: Instant,
}

impl Change {
    /// Has the path failed? An operator who takes the session down, here or there, says nothing about the
    /// path, and neither does a session that never was up (RFC 5882 §3.2, §4.1).
    pub fn is_path_failure(&self) -> bool {
        self.from == State::Up && self.to == State::Down && self.remote_state != State::AdminDown
    }
}

/// Counted since the session was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Control packets accepted.
    pub received: u64,
    /// Control packets sent.
    pub sent: u64,
    /// Datagrams that were for this session and were discarded.
    pub discarded: u64,
    /// How often the session came up.
    pub ups: u64,
    /// How often it went from up to something else.
    pub downs: u64,
}

/// What the remote system last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteStatus {
    /// Its discriminator; zero: not heard, or not for the detection time.
    pub discriminator: u32,
    /// State of its session.
    pub state: State,
    /// Why that changed last.
    pub diagnostic: Diagnostic,
    /// Its Desired Min TX.
    pub transmit_interval: Interval,
    /// Its Required Min RX.
    pub receive_interval: Interval,
    /// Its Required Min Echo RX.
    pub echo_receive_interval: Interval,
    /// Its Detect Mult.
    pub detect_multiplier: u8,
    /// Its C bit.
    pub control_plane_independent: bool,
    /// Its D bit.
    pub demand: bool,
}

impl Default for RemoteStatus {
    /// Nothing heard: Required Min RX is then one microsecond (RFC 5880 §6.8.1).
    fn default() -> Self {
        Self {
            discriminator: 0,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            transmit_interval: Interval(0),
            receive_interval: Interval(1),
            echo_receive_interval: Interval(0),
            detect_multiplier: 0,
            control_plane_independent: false,
            demand: false,
        }
    }
}

/// A session as it is.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// Which one.
    pub key: SessionKey,
    /// Our discriminator.
    pub discriminator: Discriminator,
    /// As configured.
    pub config: SessionConfig,
    /// Where the state machine is.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why it last changed.
    pub diagnostic: Diagnostic,
    /// The address at which the remote system reaches us, once heard.
    pub local: Option<std::net::IpAddr>,
    /// The remote system.
    pub remote: RemoteStatus,
    /// Desired Min TX as our packets say it.
    pub transmit_interval: Interval,
    /// Required Min RX as our packets say it.
    pub receive_interval: Interval,
    /// The interval at which we send, jitter aside.
    pub negotiated_transmit_interval: Duration,
    /// After this long without a packet the session goes down; zero while nothing is heard.
    pub detection_time: Duration,
    /// A Poll Sequence is under way.
    pub polling: bool,
    /// What was counted.
    pub counters: Counters,
}
