//! The speaker's answers, from a snapshot of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use bgp::State;

use super::message::{NeighborState, Neighbors, RouteLine, Routes, Summary};
use crate::config::Config;
use crate::peering::{MessageSnapshot, NeighborSnapshot, Snapshot};

/// What `show summary` says besides the snapshot.
pub(crate) struct Facts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) router_id: Option<Ipv4Addr>,
    pub(crate) problem: Option<&'a str>,
    pub(crate) uptime: Duration,
}

/// Of the speaker alone.
pub(crate) fn summary(facts: &Facts<'_>, status: &Snapshot) -> Summary {
    Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_msec: u64::try_from(facts.uptime.as_millis()).unwrap_or(u64::MAX),
        router_id: facts.router_id,
        asn: facts.config.bgp.asn,
        peers_established: established(status).len(),
        peers_total: status.neighbors.len(),
        problem: facts.problem.map(str::to_owned),
        agent: None,
    }
}

/// Names of the neighbours that are Established.
pub(crate) fn established(status: &Snapshot) -> Vec<String> {
    let up = status.neighbors.iter().filter(|n| is_established(n));
    up.map(|n| n.name.clone()).collect()
}

fn is_established(neighbor: &NeighborSnapshot) -> bool {
    neighbor.state == State::Established.name()
}

/// Every neighbour.
pub(crate) fn neighbors(config: &Config, status: &Snapshot) -> Neighbors {
    let named = |n: &NeighborSnapshot| (n.name.clone(), neighbor(config, n));
    status.neighbors.iter().map(named).collect()
}

fn neighbor(config: &Config, n: &NeighborSnapshot) -> NeighborState {
    let configured = config.neighbours.iter().find(|c| c.name == n.name);
    let sum = |m: MessageSnapshot| {
        m.opens + m.updates + m.notifications + m.keepalives + m.route_refreshes
    };
    let up = is_established(n);
    NeighborState {
        address: n.address,
        state: n.state.to_owned(),
        remote_as: n.remote_as.unwrap_or_default(),
        local_as: n
            .local_as
            .or_else(|| configured.map(|c| c.session.shown_as(config.bgp.asn)))
            .unwrap_or_default(),
        peer_uptime_msec: if up { n.seconds * 1000 } else { 0 },
        msg_rcvd: sum(n.received),
        msg_sent: sum(n.sent),
        pfx_rcd: n.prefixes_received as u64,
        pfx_snt: n.prefixes_sent as u64,
        connections_established: n.flaps + u64::from(up),
        connections_dropped: n.flaps,
        desc: configured
            .map(|c| c.description.clone())
            .filter(|text| !text.is_empty()),
        last_reset_due_to: n.last_error.clone(),
    }
}

/// What is originated and what is learned.
pub(crate) fn routes(status: &Snapshot) -> Routes {
    let own = status.routes.iter().map(|route| RouteLine {
        prefix: route.prefix,
        nexthop: None,
        peer: None,
        path: String::new(),
        local_pref: None,
        metric: None,
        best: true,
        advertised_to: route.peers.clone(),
    });
    let learned = status.learned.iter().map(|route| RouteLine {
        prefix: route.prefix,
        nexthop: Some(route.next_hop),
        peer: Some(route.peer.clone()),
        path: route
            .as_path
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        local_pref: None,
        metric: None,
        best: true,
        advertised_to: Vec::new(),
    });
    let mut routes: Vec<_> = own.chain(learned).collect();
    routes.sort_by_key(|route| route.prefix);
    Routes { routes }
}
