//! What the speaker and each peer are configured with. The shell's facts (ports, passwords, TTL,
//! devices) are not here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::policy::ExportPolicy;
use crate::wire::{Asn, Family, RouterId};

/// The speaker as a whole.
#[derive(Debug, Clone)]
pub struct SpeakerConfig {
    /// Our AS number.
    pub asn: Asn,
    /// BGP Identifier: not zero, unique in the AS (RFC 6286).
    pub router_id: RouterId,
    /// Graceful restart as the restarting speaker (RFC 4724); `None` does not advertise it.
    pub graceful_restart: Option<GracefulRestart>,
    /// Seed of the jitter; draw it at random outside tests.
    pub seed: u64,
}

/// What the Graceful Restart capability says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    /// How long the peer keeps our routes while we are away; whole seconds, at most 4095.
    pub restart_time: Duration,
}

/// Which AS a peer may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteAs {
    /// Exactly this one.
    Number(Asn),
    /// Ours (iBGP).
    Internal,
    /// Any but ours (eBGP).
    External,
    /// Whatever its OPEN says.
    Auto,
}

impl RemoteAs {
    /// Does a peer that says `remote` fit, seen from `local`?
    pub(crate) fn accepts(self, local: Asn, remote: Asn) -> bool {
        match self {
            Self::Number(number) => number == remote,
            Self::Internal => remote == local,
            Self::External => remote != local,
            Self::Auto => true,
        }
    }
}

/// One neighbour.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// What the operator calls it.
    pub name: String,
    /// Its address.
    pub remote_address: IpAddr,
    /// Its AS.
    pub remote_as: RemoteAs,
    /// Our AS towards this peer, in place of the speaker's.
    pub local_as: Option<Asn>,
    /// Never connect, only wait.
    pub passive: bool,
    /// Offered hold time: zero (no keepalives) or at least 3 s.
    pub hold_time: Duration,
    /// Keepalive interval; a third of the negotiated hold time is the upper bound.
    pub keepalive: Duration,
    /// Longest time between connection attempts, and the time one may take.
    pub connect_retry: Duration,
    /// Longest time the peer is held in Idle after errors.
    pub idle_hold: Duration,
    /// How long the peer may read nothing before it is reset (RFC 9687); zero disables.
    pub send_hold: Duration,
    /// Offered address families.
    pub families: Vec<Family>,
    /// Next hop of IPv4 routes, instead of the session's own address.
    pub next_hop_v4: Option<Ipv4Addr>,
    /// Next hop of IPv6 routes, instead of the interface's own address.
    pub next_hop_v6: Option<Ipv6Addr>,
    /// What it may be told.
    pub export: ExportPolicy,
    /// More routes than this from the peer end the session (RFC 4486 Cease/1): memory per peer is
    /// bounded.
    pub max_prefixes: usize,
}

impl PeerConfig {
    /// A peer with the defaults: hold 90 s, keepalive 30 s, both families, host prefixes out.
    pub fn new(name: impl Into<String>, remote_address: IpAddr, remote_as: RemoteAs) -> Self {
        Self {
            name: name.into(),
            remote_address,
            remote_as,
            local_as: None,
            passive: false,
            hold_time: Duration::from_secs(90),
            keepalive: Duration::from_secs(30),
            connect_retry: Duration::from_secs(10),
            idle_hold: Duration::from_secs(60),
            send_hold: Duration::from_secs(480),
            families: vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST],
            next_hop_v4: None,
            next_hop_v6: None,
            export: ExportPolicy::default(),
            max_prefixes: 200_000,
        }
    }
}
