//! Answers to `show` and `explain`.

use std::net::IpAddr;
use std::time::Instant;

use bgp::State;
use ipnet::IpNet;

use super::Agent;
use super::explain::{Told, explain, wired};
use crate::advertise::Embedded;
use crate::control::{
    Advertised, ExposureLine, ExposureList, NeighborState, Neighbors, Query, Reply, RouteLine,
    Routes, Summary,
};
use crate::exposure::Exposure;
use crate::peering::{MessageSnapshot, NeighborSnapshot, Snapshot};

/// What the loop counts for the operator.
#[derive(Debug)]
pub(super) struct Report {
    started_at: Instant,
    pub changes_applied: u64,
    pub changes_failed: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            started_at: now(),
            changes_applied: 0,
            changes_failed: 0,
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

impl Report {
    /// Answers one question.
    pub(super) async fn answer(&self, agent: &Agent, speaker: &Embedded, query: &Query) -> Reply {
        let status = match speaker.status().await {
            Ok(status) => status,
            Err(ended) => return Reply::Error(ended.to_string()),
        };
        match query {
            Query::Summary => Reply::Summary(self.summary(agent, speaker, &status)),
            Query::Neighbors => Reply::Neighbors(neighbors(agent, &status)),
            Query::Routes => Reply::Routes(routes(&status)),
            Query::Exposures => Reply::Exposures(exposures(agent, &status)),
            Query::Explain { ip } => {
                Reply::Explain(explain(&agent.core, *ip, Some(&told(&status, *ip))))
            }
        }
    }

    fn summary(&self, agent: &Agent, speaker: &Embedded, status: &Snapshot) -> Summary {
        let decision = agent.core.decision().unwrap_or_default();
        let (host, chassis) = agent.core.node().map_or_else(Default::default, |node| {
            (node.hostname.to_string(), node.chassis.to_string())
        });
        let mut databases = std::collections::BTreeMap::from([(
            "Open_vSwitch".to_owned(),
            agent.inputs.vswitch.state(),
        )]);
        if let Some(northbound) = &agent.inputs.northbound {
            databases.insert("OVN_Northbound".to_owned(), northbound.state());
        }
        let mut blocked = agent.core.reconciler().blocked();
        Summary {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            chassis_name: host,
            chassis_id: chassis,
            driver: agent.config.agent.driver.to_string(),
            exposing_method: agent.config.agent.exposing_method.to_string(),
            uptime_msec: u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX),
            router_id: speaker.router_id(),
            asn: agent.config.bgp.asn,
            databases,
            exposures: decision.exposures.len(),
            withheld: decision.withheld.len(),
            peers_established: established(status).len(),
            peers_total: status.neighbors.len(),
            changes_applied: self.changes_applied,
            problem: speaker.problem().map(str::to_owned).or_else(|| {
                let (key, reason) = blocked.next()?;
                Some(format!("{key}: {reason}"))
            }),
        }
    }
}

fn established(status: &Snapshot) -> Vec<String> {
    let up = status.neighbors.iter().filter(|n| is_established(n));
    up.map(|n| n.name.clone()).collect()
}

fn is_established(neighbor: &NeighborSnapshot) -> bool {
    neighbor.state == State::Established.name()
}

fn neighbors(agent: &Agent, status: &Snapshot) -> Neighbors {
    let named = |n: &NeighborSnapshot| (n.name.clone(), neighbor(agent, n));
    status.neighbors.iter().map(named).collect()
}

fn neighbor(agent: &Agent, n: &NeighborSnapshot) -> NeighborState {
    let configured = agent.config.neighbours.iter().find(|c| c.name == n.name);
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
            .or_else(|| configured.map(|c| c.session.shown_as(agent.config.bgp.asn)))
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

fn routes(status: &Snapshot) -> Routes {
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

fn told(status: &Snapshot, ip: IpAddr) -> Told {
    let of = |prefix: &IpNet| prefix.contains(&ip);
    let mut to: Vec<String> = status
        .routes
        .iter()
        .filter(|r| of(&r.prefix))
        .flat_map(|r| r.peers.clone())
        .collect();
    to.sort();
    to.dedup();
    Told {
        to,
        established: established(status),
    }
}

fn exposures(agent: &Agent, status: &Snapshot) -> ExposureList {
    let any_peer = !established(status).is_empty();
    let mut exposures: Vec<_> = agent.core.exposures().cloned().collect();
    exposures.sort();
    ExposureList {
        exposures: exposures.iter().map(|e| line(agent, e, any_peer)).collect(),
    }
}

fn line(agent: &Agent, exposure: &Exposure, any_peer: bool) -> ExposureLine {
    let advertised = match (
        agent.core.reconciler().is_advertised(&exposure.prefix),
        any_peer,
    ) {
        (false, _) => Advertised::Waiting,
        (true, false) => Advertised::NoNeighbor,
        (true, true) => Advertised::Yes,
    };
    let kind = serde_json::to_value(exposure.kind).ok();
    ExposureLine {
        prefix: exposure.prefix,
        kind: kind
            .as_ref()
            .and_then(|kind| kind.as_str())
            .unwrap_or_default()
            .to_owned(),
        port: exposure.port.to_string(),
        network: exposure.network.to_string(),
        bridge: exposure.attachment.bridge.to_string(),
        vlan: exposure.attachment.vlan,
        reason: exposure.reason.to_string(),
        wired: wired(&agent.core, exposure).0,
        advertised,
    }
}
