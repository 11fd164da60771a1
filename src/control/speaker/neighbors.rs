//! Neighbours in FRR's words.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Instant;

use bgp::wire::Family;
use bgp::{MessageCounters, Negotiated, PeerStatus, State};

use super::milliseconds;
use crate::advertise::Live;
use crate::config::Config;
use crate::control::message::{
    Capabilities, FamilyInfo, MessageStats, Neighbor, NeighborSummaries, NeighborSummary, Neighbors,
};
use crate::peering::{Ended, Handle};

/// Every neighbour's session.
pub(crate) async fn peers(speaker: &Handle) -> Result<Vec<PeerStatus>, Ended> {
    speaker.look(|view| view.speaker.peers().collect()).await
}

/// Prefixes of one family, received and sent.
type Counts = BTreeMap<Family, (usize, usize)>;

/// `show neighbors`: that of this name, or all.
pub(crate) async fn neighbors(live: &Live, name: Option<&str>) -> Result<Neighbors, Ended> {
    let Some(speaker) = &live.speaker else {
        return Ok(Neighbors::new());
    };
    let mut neighbors = Neighbors::new();
    for peer in peers(speaker).await? {
        if name.is_some_and(|name| name != &*peer.name) {
            continue;
        }
        let counts = counts(speaker, &peer).await?;
        let id = peer.id;
        let discovery = speaker.look(move |view| view.discoveries.snapshot(id));
        let shown = Neighbor {
            discovery: discovery.await?,
            ..neighbor(live, &peer, &counts)
        };
        neighbors.insert(peer.name.to_string(), shown);
    }
    Ok(neighbors)
}

/// Counting takes a walk over the routes: one neighbour at a time.
async fn counts(speaker: &Handle, peer: &PeerStatus) -> Result<Counts, Ended> {
    let id = peer.id;
    speaker
        .look(move |view| {
            let mut counts = Counts::new();
            for (prefix, _) in view.speaker.adj_rib_in(id) {
                counts.entry(Family::of(prefix)).or_default().0 += 1;
            }
            for (prefix, _) in view.speaker.adj_rib_out(id) {
                counts.entry(Family::of(prefix)).or_default().1 += 1;
            }
            counts
        })
        .await
}

/// The neighbours of `show summary`.
pub(crate) fn summaries(config: &Config, peers: &[PeerStatus]) -> NeighborSummaries {
    let named = |peer: &PeerStatus| (peer.name.to_string(), summary(config, peer));
    peers.iter().map(named).collect()
}

fn summary(config: &Config, peer: &PeerStatus) -> NeighborSummary {
    let up = peer.state == State::Established;
    NeighborSummary {
        remote_as: remote_as(peer),
        local_as: local_as(config, peer),
        msg_rcvd: peer.counters.received.total(),
        msg_sent: peer.counters.sent.total(),
        outq: peer.pending,
        peer_uptime_msec: if up { since(peer.since) } else { 0 },
        pfx_rcd: peer.received,
        pfx_snt: peer.sent,
        state: peer.state.name().to_owned(),
        connections_established: peer.flaps + u64::from(up),
        connections_dropped: peer.flaps,
        desc: description(config, peer),
    }
}

fn neighbor(live: &Live, peer: &PeerStatus, counts: &Counts) -> Neighbor {
    let config = &live.config;
    let agreed = peer.negotiated.as_deref();
    let up = peer.state == State::Established;
    Neighbor {
        bgp_neighbor_addr: peer.address,
        interface: peer.link.as_deref().map(str::to_owned),
        discovery: None,
        remote_as: remote_as(peer),
        local_as: local_as(config, peer),
        nbr_external_link: agreed.map(|agreed| !agreed.is_internal()),
        nbr_desc: description(config, peer),
        remote_router_id: agreed.map(|agreed| agreed.remote_id.0),
        local_router_id: live.router_id.filter(|id: &Ipv4Addr| !id.is_unspecified()),
        bgp_state: peer.state.name().to_owned(),
        idle_reason: peer.idle.as_ref().map(ToString::to_string),
        bgp_timer_up_msec: up.then(|| since(peer.since)),
        state_msec: since(peer.since),
        bgp_timer_hold_time_msecs: agreed.map(|agreed| milliseconds(agreed.hold_time)),
        bgp_timer_keep_alive_interval_msecs: agreed
            .map(|agreed| agreed.keepalive.map_or(0, milliseconds)),
        neighbor_capabilities: agreed.map(capabilities),
        message_stats: messages(&peer.counters, peer.pending),
        address_family_info: families(peer, agreed, counts),
        pfx_rcd: peer.received,
        pfx_snt: peer.sent,
        connections_established: peer.flaps + u64::from(up),
        connections_dropped: peer.flaps,
        last_reset_timer_msecs: peer.last_error.as_ref().map(|(at, _)| since(*at)),
        last_reset_due_to: peer.last_error.as_ref().map(|(_, why)| why.to_string()),
        host_local: peer.ends.as_ref().map(|ends| ends.local),
        host_foreign: peer.ends.as_ref().map(|ends| ends.remote),
    }
}

fn capabilities(agreed: &Negotiated) -> Capabilities {
    let restart = agreed.graceful_restart.as_ref();
    Capabilities {
        four_octet_as: agreed.codec.four_octet_as.into(),
        extended_message: agreed.codec.extended_message.into(),
        route_refresh: agreed.route_refresh.into(),
        enhanced_route_refresh: agreed.enhanced_refresh.into(),
        extended_nexthop: (!agreed.codec.extended_next_hop.is_empty()).into(),
        add_path_receive: (!agreed.codec.add_path_receive.is_empty()).into(),
        link_local_nexthop: agreed.link_local_next_hop.into(),
        graceful_restart: restart.is_some().into(),
        graceful_restart_notification: agreed.graceful_notification.into(),
        graceful_restart_remote_timer_msecs: restart.map(|restart| u64::from(restart.time) * 1000),
        multiprotocol_extensions: agreed.families.iter().map(|f| family(*f)).collect(),
    }
}

fn families(
    peer: &PeerStatus,
    agreed: Option<&Negotiated>,
    counts: &Counts,
) -> BTreeMap<String, FamilyInfo> {
    let agreed = agreed.map_or(&[][..], |agreed| &agreed.families);
    let withheld = peer.withheld.iter().map(|(family, _)| family);
    let info = |of: &Family| {
        let (received, sent) = counts.get(of).copied().unwrap_or_default();
        let why = peer.withheld.iter().find(|(family, _)| family == of);
        let info = FamilyInfo {
            accepted_prefix_counter: received,
            sent_prefix_counter: sent,
            withheld: why.map(|(_, why)| why.to_string()),
        };
        (family(*of), info)
    };
    agreed.iter().chain(withheld).map(info).collect()
}

fn messages(counters: &MessageCounters, pending: usize) -> MessageStats {
    let (sent, received) = (counters.sent, counters.received);
    MessageStats {
        depth_outq: pending,
        opens_sent: sent.opens,
        opens_recv: received.opens,
        notifications_sent: sent.notifications,
        notifications_recv: received.notifications,
        updates_sent: sent.updates,
        updates_recv: received.updates,
        keepalives_sent: sent.keepalives,
        keepalives_recv: received.keepalives,
        route_refresh_sent: sent.route_refreshes,
        route_refresh_recv: received.route_refreshes,
        total_sent: sent.total(),
        total_recv: received.total(),
    }
}

/// FRR's spelling.
pub(super) fn family(family: Family) -> String {
    match family {
        Family::IPV4_UNICAST => "ipv4Unicast".to_owned(),
        Family::IPV6_UNICAST => "ipv6Unicast".to_owned(),
        Family::L2VPN_EVPN => "l2VpnEvpn".to_owned(),
        other => other.to_string(),
    }
}

fn remote_as(peer: &PeerStatus) -> u32 {
    let agreed = peer.negotiated.as_deref();
    agreed.map_or(0, |agreed| agreed.remote_as.0)
}

fn local_as(config: &Config, peer: &PeerStatus) -> u32 {
    let agreed = peer.negotiated.as_deref().map(|agreed| agreed.local_as.0);
    let configured = config.neighbours.iter().find(|c| *c.name == *peer.name);
    agreed
        .or_else(|| configured.map(|c| c.session.shown_as(config.bgp.asn)))
        .unwrap_or(config.bgp.asn)
}

fn description(config: &Config, peer: &PeerStatus) -> Option<String> {
    let configured = config.neighbours.iter().find(|c| *c.name == *peer.name)?;
    Some(configured.description.clone()).filter(|text| !text.is_empty())
}

fn since(at: Instant) -> u64 {
    milliseconds(at.elapsed())
}
