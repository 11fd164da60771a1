//! What the speaker and each peer are configured with. The shell's facts (ports, passwords, TTL,
//! devices) are not here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::policy::Filters;
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
    /// How many equally good paths to a prefix are used.
    pub multipath: Multipath,
    /// Ask peers from the start to prefer any other path than ours (RFC 8326), as [`crate::Speaker::drain`] does.
    pub graceful_shutdown: bool,
    /// Seed of the jitter; draw it at random outside tests.
    pub seed: u64,
}

/// What the Graceful Restart capability says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    /// How long the peer keeps our routes while we are away; whole seconds, at most 4095.
    pub restart_time: Duration,
    /// There was a speaker before this one, and what it forwarded is forwarded still: the kernel's routes outlive the
    /// process, but not a reboot (F, and with it R, RFC 4724 §3).
    pub forwarding_preserved: bool,
}

impl GracefulRestart {
    /// Forwarding outlives the process.
    pub fn new(restart_time: Duration) -> Self {
        Self {
            restart_time,
            forwarding_preserved: true,
        }
    }
}

/// Which paths count as equally good, and how many are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multipath {
    /// At most this many paths to a prefix; 1 uses the best only.
    pub max_paths: usize,
    /// AS_PATHs of one length are equal whatever ASes they name.
    pub relax_as_path: bool,
}

impl Default for Multipath {
    fn default() -> Self {
        Self {
            max_paths: 16,
            relax_as_path: true,
        }
    }
}

/// Another AS number than the speaker's, towards one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAs {
    /// The number.
    pub asn: Asn,
    /// Put it in front of received paths as well (off: `no-prepend` elsewhere).
    pub prepend_received: bool,
    /// Send paths without the speaker's own number behind it (`replace-as` elsewhere).
    pub replace: bool,
}

/// Routes whose AS_PATH names our own AS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AllowAsIn {
    /// Are loops.
    #[default]
    Never,
    /// Are accepted while it is named at most so often.
    Times(u8),
    /// Are accepted if only their origin is in our AS.
    Origin,
}

/// How many routes a peer may teach: memory per peer is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPrefixes {
    /// More than this, over all families, end the session (RFC 4486 Cease/1).
    pub limit: usize,
    /// A warning is given at this percentage of the limit; 1 to 100.
    pub warn_percent: u8,
    /// Only warn: the session goes on, and what exceeds the limit is not taken.
    pub warn_only: bool,
    /// Come back after this; `None`: only when the operator says so.
    pub restart: Option<Duration>,
}

impl Default for MaxPrefixes {
    fn default() -> Self {
        Self {
            limit: 200_000,
            warn_percent: 75,
            warn_only: false,
            restart: Some(Duration::from_secs(60)),
        }
    }
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
    /// Its address; `None`: it will be discovered on its link ([`crate::Speaker::set_remote`]).
    pub remote_address: Option<IpAddr>,
    /// The interface of a link-local session: the same address may live on several links.
    pub link: Option<Arc<str>>,
    /// Its AS.
    pub remote_as: RemoteAs,
    /// Our AS towards this peer, in place of the speaker's.
    pub local_as: Option<LocalAs>,
    /// Administratively down, with the words the peer is told (RFC 9003).
    pub shutdown: Option<String>,
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
    /// Offer messages of up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Accept several paths to one prefix (RFC 7911).
    pub add_path_receive: bool,
    /// Accept and send IPv4 routes with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// Keep the peer's routes while it restarts (RFC 4724 §4.2).
    pub graceful_restart_helper: bool,
    /// Keep them at least preference for as long as it asks, but no longer than this (RFC 9494); `None` does not.
    pub long_lived_stale: Option<Duration>,
    /// What it may teach.
    pub import: Filters,
    /// What it may be told.
    pub export: Filters,
    /// Routes that have been in our AS before.
    pub allowas_in: AllowAsIn,
    /// Use routes with an AS_SET or AS_CONFED_SET in their path, which RFC 9774 §3 has treated as withdrawn.
    pub accept_as_sets: bool,
    /// How much it may teach.
    pub max_prefixes: MaxPrefixes,
}

impl PeerConfig {
    /// A peer with the defaults that will be discovered on `link`, its interface. Its IPv4 routes need
    /// IPv6 next hops (RFC 8950), so these are offered.
    pub fn unnumbered(name: impl Into<String>, link: &str, remote_as: RemoteAs) -> Self {
        Self {
            remote_address: None,
            link: Some(link.into()),
            extended_next_hop: true,
            ..Self::new(name, IpAddr::V6(Ipv6Addr::UNSPECIFIED), remote_as)
        }
    }

    /// A peer with the defaults: hold 90 s, keepalive 30 s, both families, host prefixes out.
    pub fn new(name: impl Into<String>, remote_address: IpAddr, remote_as: RemoteAs) -> Self {
        Self {
            name: name.into(),
            remote_address: Some(remote_address),
            link: None,
            remote_as,
            local_as: None,
            shutdown: None,
            passive: false,
            hold_time: Duration::from_secs(90),
            keepalive: Duration::from_secs(30),
            connect_retry: Duration::from_secs(10),
            idle_hold: Duration::from_secs(60),
            send_hold: Duration::from_secs(480),
            families: vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST],
            next_hop_v4: None,
            next_hop_v6: None,
            extended_messages: true,
            add_path_receive: true,
            extended_next_hop: false,
            graceful_restart_helper: true,
            long_lived_stale: None,
            import: Filters::default(),
            export: Filters::host_prefixes(),
            allowas_in: AllowAsIn::Never,
            accept_as_sets: false,
            max_prefixes: MaxPrefixes::default(),
        }
    }
}
