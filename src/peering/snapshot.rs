//! What `show neighbors` and `show routes` print, as of one moment.

use std::net::IpAddr;
use std::time::Instant;

use bgp::{MessageCount, PeerStatus};
use ipnet::IpNet;
use serde::Serialize;

use super::handle::View;
use super::unnumbered::DiscoverySnapshot;

/// The speaker at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Addresses that could not be listened on, and why.
    pub listen_errors: Vec<String>,
    /// Every neighbour, in the order of configuration.
    pub neighbors: Vec<NeighborSnapshot>,
    /// Every originated prefix, sorted.
    pub routes: Vec<RouteSnapshot>,
    /// The best path to every prefix that peers teach, sorted.
    pub learned: Vec<LearnedSnapshot>,
}

/// One neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NeighborSnapshot {
    /// Configured name.
    pub name: String,
    /// Address, once it is known.
    pub address: Option<IpAddr>,
    /// What is known of its link, when it is to be discovered there.
    pub discovery: Option<DiscoverySnapshot>,
    /// Why it is left alone, while it is.
    pub idle: Option<String>,
    /// State in the RFC's words.
    pub state: &'static str,
    /// Seconds in that state.
    pub seconds: u64,
    /// Peer's AS, while established.
    pub remote_as: Option<u32>,
    /// Our AS in the session, while established.
    pub local_as: Option<u32>,
    /// Peer's BGP Identifier, while established.
    pub router_id: Option<String>,
    /// Negotiated hold time in seconds, while established.
    pub hold_time: Option<u64>,
    /// Negotiated families, while established.
    pub families: Vec<String>,
    /// The peer offers graceful restart with this many seconds.
    pub graceful_restart: Option<u16>,
    /// Messages received.
    pub received: MessageSnapshot,
    /// Messages sent.
    pub sent: MessageSnapshot,
    /// Prefixes it has taught us.
    pub prefixes_received: usize,
    /// Prefixes it has been sent.
    pub prefixes_sent: usize,
    /// Changes that wait until it reads.
    pub pending: usize,
    /// How often an established session ended.
    pub flaps: u64,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// Seconds since then.
    pub last_error_seconds: Option<u64>,
    /// Families it is not sent, each with the reason.
    pub withheld: Vec<String>,
}

/// Messages by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MessageSnapshot {
    /// OPENs.
    pub opens: u64,
    /// UPDATEs.
    pub updates: u64,
    /// NOTIFICATIONs.
    pub notifications: u64,
    /// KEEPALIVEs.
    pub keepalives: u64,
    /// ROUTE-REFRESHes.
    pub route_refreshes: u64,
}

/// One originated prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteSnapshot {
    /// The prefix.
    pub prefix: IpNet,
    /// Names of the neighbours that have been sent it.
    pub peers: Vec<String>,
}

/// One learned prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LearnedSnapshot {
    /// The prefix.
    pub prefix: IpNet,
    /// Name of the neighbour whose path is best.
    pub peer: String,
    /// Where it leads.
    pub next_hop: IpAddr,
    /// The ASes on the way, nearest first.
    pub as_path: Vec<u32>,
}

impl Snapshot {
    pub(super) fn of(view: &View<'_>, now: Instant) -> Self {
        let speaker = view.speaker;
        let routes = speaker.routes().map(|(prefix, _)| RouteSnapshot {
            prefix: *prefix,
            peers: speaker
                .advertised_to(prefix)
                .map(ToString::to_string)
                .collect(),
        });
        let learned = speaker.learned().filter_map(|(prefix, paths)| {
            let best = paths.first()?;
            Some(LearnedSnapshot {
                prefix: *prefix,
                peer: best.source.peer.to_string(),
                next_hop: best.next_hop_address(),
                as_path: best.attributes.as_path.asns().map(|asn| asn.0).collect(),
            })
        });
        let mut routes: Vec<_> = routes.collect();
        routes.sort_unstable_by_key(|route| route.prefix);
        let mut learned: Vec<_> = learned.collect();
        learned.sort_unstable_by_key(|route| route.prefix);
        Self {
            listen_errors: view.listen_errors.to_vec(),
            neighbors: speaker
                .peers()
                .map(|peer| NeighborSnapshot::of(&peer, view.discoveries.snapshot(peer.id), now))
                .collect(),
            routes,
            learned,
        }
    }
}

impl NeighborSnapshot {
    fn of(peer: &PeerStatus, discovery: Option<DiscoverySnapshot>, now: Instant) -> Self {
        let agreed = peer.negotiated.as_deref();
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs();
        let withheld = peer.withheld.iter();
        Self {
            name: peer.name.to_string(),
            address: peer.address,
            discovery,
            idle: peer.idle.map(|reason| reason.to_string()),
            state: peer.state.name(),
            seconds: seconds(peer.since),
            remote_as: agreed.map(|agreed| agreed.remote_as.0),
            local_as: agreed.map(|agreed| agreed.local_as.0),
            router_id: agreed.map(|agreed| agreed.remote_id.to_string()),
            hold_time: agreed.map(|agreed| agreed.hold_time.as_secs()),
            families: agreed.map_or_else(Vec::new, |agreed| {
                agreed.families.iter().map(ToString::to_string).collect()
            }),
            graceful_restart: agreed
                .and_then(|agreed| Some(agreed.graceful_restart.as_ref()?.time)),
            received: peer.counters.received.into(),
            sent: peer.counters.sent.into(),
            prefixes_received: peer.received,
            prefixes_sent: peer.sent,
            pending: peer.pending,
            flaps: peer.flaps,
            last_error: peer
                .last_error
                .as_ref()
                .map(|(_, reason)| reason.to_string()),
            last_error_seconds: peer.last_error.as_ref().map(|(at, _)| seconds(*at)),
            withheld: withheld
                .map(|(family, why)| format!("{family}: {why}"))
                .collect(),
        }
    }
}

impl From<MessageCount> for MessageSnapshot {
    fn from(count: MessageCount) -> Self {
        Self {
            opens: count.opens,
            updates: count.updates,
            notifications: count.notifications,
            keepalives: count.keepalives,
            route_refreshes: count.route_refreshes,
        }
    }
}
