//! This node as a BGP speaker: what `[bgp]` and the sections of its neighbours come to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bgp::{AllowAsIn, Filters, LocalAs, MaxPrefixes, Multipath, PrefixList};
use ipnet::IpNet;

use super::choice::{ConnectedAs, Families, RemoteAs, Ttl, UpdateSource};
use super::secret::Secret;

/// This node as a BGP speaker: `[bgp]`, with `bgp_AS` and `bgp_router_id` of `[DEFAULT]`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bgp {
    /// FRR's configuration, which the sections here add to.
    pub frr_config: Option<PathBuf>,
    /// Our AS number: `[bgp] as`, else `[DEFAULT] bgp_AS`.
    pub asn: u32,
    /// `[bgp] router_id`, else `[DEFAULT] bgp_router_id`; `None`: see [`Bgp::router_id_from`].
    pub router_id: Option<Ipv4Addr>,
    /// Local addresses that accept sessions; empty listens on none.
    pub listen: Vec<IpAddr>,
    /// TCP port of the listeners.
    pub port: u16,
    /// Whether peers are asked to keep forwarding while this process restarts (RFC 4724).
    pub graceful_restart: bool,
    /// Restart Time of the capability, at most 4095 s (RFC 4724 §3).
    pub graceful_restart_time: Duration,
    /// Which paths are used together.
    pub multipath: Multipath,
    /// Tell neighbours to prefer any other path (RFC 8326), from the start on.
    pub graceful_shutdown: bool,
    /// Prefixes originated whatever OVN says.
    pub originate: Vec<IpNet>,
    /// Interfaces, as names with `*` and `?`, whose addresses are originated.
    pub redistribute_connected: Vec<String>,
    /// What of these addresses.
    pub redistribute_as: ConnectedAs,
    /// Learned routes in the kernel.
    pub fib: Fib,
    /// Where Prometheus may ask; `None` is nowhere.
    pub metrics_listen: Option<SocketAddr>,
}

/// How learned routes get into the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fib {
    /// Prefixes that are installed; `None` is all.
    pub import: Option<Arc<PrefixList>>,
    /// Routing table.
    pub table: u32,
    /// Metric (priority) of the routes.
    pub metric: u32,
    /// Source address the node prefers over these routes, once it has it.
    pub preferred_source_ipv4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub preferred_source_ipv6: Option<Ipv6Addr>,
    /// Next hops may be reached through a default route.
    pub resolve_via_default: bool,
    /// Prefixes that are put into the tables of OVN's routers (`ovn_native`); `None` is all.
    pub router_import: Option<Arc<PrefixList>>,
}

/// One BGP neighbour: `[bgp_neighbor NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// NAME of the section.
    pub name: String,
    pub endpoint: Endpoint,
    /// TCP port the neighbour listens on.
    pub port: u16,
    pub description: String,
    /// Administratively down, with the words the neighbour is told (RFC 9003).
    pub shutdown: Option<String>,
    /// `[bgp_group NAME]` it belongs to.
    pub group: Option<String>,
    pub session: Session,
}

/// Where a neighbour is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Address(IpAddr),
    /// A link-local address means something on its interface only.
    LinkLocal(Ipv6Addr, String),
    /// Whichever router this interface leads to ("unnumbered").
    Interface(String),
}

/// Neighbours nobody has named: `[bgp_listen NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenRange {
    /// NAME of the section.
    pub name: String,
    /// Whoever connects from here is a neighbour.
    pub prefix: IpNet,
    /// At most so many at a time.
    pub limit: u32,
    /// `[bgp_group NAME]` they belong to.
    pub group: Option<String>,
    pub session: Session,
}

/// What a session is made with: of the neighbour's own section, else of its group's, else of `[bgp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub remote_as: RemoteAs,
    /// Another AS number than ours, shown to this neighbour.
    pub local_as: Option<LocalAs>,
    /// TCP-MD5 key (RFC 2385).
    pub password: Option<Secret>,
    /// Wait for the neighbour to connect.
    pub passive: bool,
    pub update_source: Option<UpdateSource>,
    /// Interface or VRF that connections are bound to.
    pub bind_device: Option<String>,
    pub ttl: Ttl,
    /// Proposed in OPEN; zero or at least 3 s (RFC 4271 §4.2).
    pub hold_time: Duration,
    /// `None` is a third of the negotiated hold time (RFC 4271 §4.4).
    pub keepalive_time: Option<Duration>,
    /// Between two attempts to connect.
    pub connect_retry_time: Duration,
    /// Longest pause after errors.
    pub idle_hold_time: Duration,
    /// How long the neighbour may read nothing (RFC 9687); zero is forever.
    pub send_hold_time: Duration,
    pub families: Families,
    /// Next hop of IPv4 routes; `None` is the session's own address.
    pub next_hop_ipv4: Option<Ipv4Addr>,
    /// Next hop of IPv6 routes; `None` is the session's own address.
    pub next_hop_ipv6: Option<Ipv6Addr>,
    /// What it may teach.
    pub import: Filters,
    /// What it is told.
    pub export: Filters,
    pub allowas_in: AllowAsIn,
    /// Use routes with an AS_SET in their path, against RFC 9774.
    pub accept_as_sets: bool,
    pub max_prefixes: MaxPrefixes,
    /// Take several paths to a prefix (RFC 7911).
    pub add_path: bool,
    /// RFC 8654.
    pub extended_messages: bool,
    /// IPv4 routes with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// Keep its routes while it restarts (RFC 4724 §4.2).
    pub graceful_restart_helper: bool,
    /// Keep them longer, as a last resort, but no longer than this (RFC 9494).
    pub long_lived_stale_time: Option<Duration>,
    /// Watch the path to it (RFC 5882).
    pub bfd: Option<BfdProfile>,
}

/// Timers of a BFD session: `[bfd_profile NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BfdProfile {
    /// NAME of the section; `default` where a neighbour says no more than `bfd = true`.
    pub name: String,
    /// Desired Min TX Interval (RFC 5880 §6.8.1).
    pub transmit_interval: Duration,
    /// Required Min RX Interval.
    pub receive_interval: Duration,
    /// Detect Mult.
    pub detect_multiplier: u8,
    /// Wait for the neighbour's first packet.
    pub passive: bool,
    /// Multihop only: drop packets that arrive with less (RFC 5883 §3).
    pub minimum_ttl: u8,
}

impl Default for BfdProfile {
    fn default() -> Self {
        Self {
            name: "default".into(),
            transmit_interval: Duration::from_millis(300),
            receive_interval: Duration::from_millis(300),
            detect_multiplier: 3,
            passive: false,
            minimum_ttl: 254,
        }
    }
}

impl Session {
    /// Our AS number as the neighbour sees it, when it is `ours` elsewhere.
    pub fn shown_as(&self, ours: u32) -> u32 {
        self.local_as.map_or(ours, |local| local.asn.0)
    }
}

impl Bgp {
    /// The router-id to use when none is configured: the highest IPv4 address of `lo` that is not
    /// in 127.0.0.0/8, else the highest of any device, as FRR chooses. `addresses` are the node's
    /// (device, address) pairs. `None` when there is no address to take.
    pub fn router_id_from<'a>(
        &self,
        addresses: impl IntoIterator<Item = (&'a str, Ipv4Addr)>,
    ) -> Option<Ipv4Addr> {
        self.router_id.or_else(|| {
            addresses
                .into_iter()
                .filter(|(_, a)| !a.is_loopback() && !a.is_unspecified() && !a.is_link_local())
                .max_by_key(|(device, address)| (*device == "lo", *address))
                .map(|(_, address)| address)
        })
    }
}
