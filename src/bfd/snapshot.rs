//! What `show bfd` prints, as of one moment. Names as in FRR's `show bfd peers json` and `… counters json`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bgp::bfd::{Diagnostic, SessionStatus, State};
use serde::{Deserialize, Serialize};

/// BFD at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    /// Every session, sorted by peer.
    pub peers: Vec<SessionSnapshot>,
    /// How the system schedules the thread.
    pub scheduling: String,
    /// Of a hundred wake-ups, one was later than this (microseconds).
    pub wakeup_delay_p99: u64,
    /// None was later than this (microseconds).
    pub wakeup_delay_max: u64,
    /// What does not work, beyond single sessions.
    pub errors: Vec<String>,
    /// Datagrams that were discarded, by reason.
    pub discarded: BTreeMap<String, u64>,
}

/// One session. Intervals in milliseconds, times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SessionSnapshot {
    /// There may be routers between.
    pub multihop: bool,
    /// The other end.
    pub peer: IpAddr,
    /// Our end, as configured or as the peer reaches us.
    pub local: Option<IpAddr>,
    /// The interface it is bound to.
    pub interface: Option<String>,
    /// Lowest TTL accepted, of a multihop session.
    pub minimum_ttl: Option<u8>,
    /// Our discriminator.
    pub id: u32,
    /// The peer's discriminator; 0: not heard.
    pub remote_id: u32,
    /// We wait until the peer speaks.
    pub passive_mode: bool,
    /// State, in FRR's words: `shutdown`, `down`, `init` or `up`.
    pub status: String,
    /// State of the peer's session, as it says.
    pub remote_status: String,
    /// Seconds since it came up, while up.
    pub uptime: Option<u64>,
    /// Seconds since it came down, or was added, while not up.
    pub downtime: Option<u64>,
    /// Why our state changed last.
    pub diagnostic: String,
    /// Why the peer's did.
    pub remote_diagnostic: String,
    /// Our Required Min RX.
    pub receive_interval: u32,
    /// Our Desired Min TX as configured.
    pub transmit_interval: u32,
    /// Packets missing until the peer declares us down.
    pub detect_multiplier: u8,
    /// The peer's Required Min RX.
    pub remote_receive_interval: u32,
    /// The peer's Desired Min TX.
    pub remote_transmit_interval: u32,
    /// The peer's Detect Mult.
    pub remote_detect_multiplier: u8,
    /// The peer's BFD outlives its control plane (C bit).
    pub remote_control_plane_independent: bool,
    /// The interval at which we send, jitter aside.
    pub negotiated_transmit_interval: u32,
    /// The session goes down after so long without a packet; 0: nothing heard.
    pub detection_time: u32,
    /// Control packets accepted.
    pub control_packet_input: u64,
    /// Control packets sent.
    pub control_packet_output: u64,
    /// Datagrams for this session that were discarded.
    pub control_packet_discarded: u64,
    /// How often it came up.
    pub session_up: u64,
    /// How often it left that state.
    pub session_down: u64,
    /// What keeps its packets from being sent.
    pub error: Option<String>,
}

impl SessionSnapshot {
    pub(super) fn of(status: &SessionStatus, error: Option<&String>, now: Instant) -> Self {
        let since = now.saturating_duration_since(status.since).as_secs();
        let up = status.state == State::Up;
        let (key, remote) = (&status.key, &status.remote);
        Self {
            multihop: key.multihop,
            peer: key.remote,
            local: key.local.or(status.local),
            interface: key.interface.as_deref().map(str::to_owned),
            minimum_ttl: key.multihop.then_some(status.config.minimum_ttl),
            id: status.discriminator.0.get(),
            remote_id: remote.discriminator,
            passive_mode: status.config.passive,
            status: status.state.to_string(),
            remote_status: remote.state.to_string(),
            uptime: up.then_some(since),
            downtime: (!up).then_some(since),
            diagnostic: words(status.diagnostic),
            remote_diagnostic: words(remote.diagnostic),
            receive_interval: millis(status.receive_interval.into()),
            transmit_interval: millis(status.config.transmit_interval),
            detect_multiplier: status.config.detect_multiplier,
            remote_receive_interval: millis(remote.receive_interval.into()),
            remote_transmit_interval: millis(remote.transmit_interval.into()),
            remote_detect_multiplier: remote.detect_multiplier,
            remote_control_plane_independent: remote.control_plane_independent,
            negotiated_transmit_interval: millis(status.negotiated_transmit_interval),
            detection_time: millis(status.detection_time),
            control_packet_input: status.counters.received,
            control_packet_output: status.counters.sent,
            control_packet_discarded: status.counters.discarded,
            session_up: status.counters.ups,
            session_down: status.counters.downs,
            error: error.cloned(),
        }
    }
}

fn words(diagnostic: Diagnostic) -> String {
    diagnostic.to_string()
}

fn millis(interval: Duration) -> u32 {
    u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
}
