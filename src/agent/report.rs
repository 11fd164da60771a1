//! Answers to `show` and `explain`.

use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use super::Agent;
use super::explain::{Told, explain, wired};
use super::speaker::Speaker;
use crate::control::{Advertised, ExposureLine, ExposureList, Neighbors, Query, Reply, RouteLine, Routes, Summary};
use crate::exposure::Exposure;
use crate::peering;

/// What the loop counts for the operator.
#[derive(Debug)]
pub(super) struct Report {
    started_at: Instant,
    pub changes_applied: u64,
    pub changes_failed: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self { started_at: now(), changes_applied: 0, changes_failed: 0 }
    }
}

fn now() -> Instant {
    Instant::now()
}

impl Report {
    /// Answers one question.
    pub async fn answer(&self, agent: &Agent, speaker: &Speaker, query: &Query) -> Reply {
        let status = speaker.status().await;
        match query {
            Query::Summary => Reply::Summary(self.summary(agent, speaker, &status)),
            Query::Neighbors => Reply::Neighbors(neighbors(&status)),
            Query::Routes => Reply::Routes(routes(&status)),
            Query::Exposures => Reply::Exposures(exposures(agent, &status)),
            Query::Explain { ip } => {
                Reply::Explain(explain(&agent.core, *ip, Some(&told(&status, *ip))))
            }
        }
    }

    fn summary(&self, agent: &Agent, speaker: &Speaker, status: &peering::Status) -> Summary {
        let decision = agent.core.decision().unwrap_or_default();
        let (host, chassis) = agent.core.node().map_or_else(Default::default, |node| (node.hostname.to_string(), node.chassis.to_string()));
        let mut databases = std::collections::BTreeMap::from([("Open_vSwitch".to_owned(), agent.inputs.vswitch.state())]);
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
            peers_total: status.neighbours.len(),
            changes_applied: self.changes_applied,
            problem: blocked.next().map(|(key, reason)| format!("{key}: {reason}")),
        }
    }
}

fn established(status: &peering::Status) -> Vec<String> {
    let up = status.neighbours.iter().filter(|n| n.is_established());
    up.map(|n| n.name.clone()).collect()
}

fn neighbors(status: &peering::Status) -> Neighbors {
    status.neighbours.iter().map(|n| (n.name.clone(), n.for_show())).collect()
}

fn routes(status: &peering::Status) -> Routes {
    let mut routes: Vec<RouteLine> = status.routes.iter().map(peering::RouteStatus::for_show).collect();
    routes.sort_by_key(|route| route.prefix);
    Routes { routes }
}

fn told(status: &peering::Status, ip: IpAddr) -> Told {
    let of = |prefix: &IpNet| prefix.contains(&ip);
    let mut to: Vec<String> = status.routes.iter().filter(|r| of(&r.prefix)).flat_map(|r| r.advertised_to.clone()).collect();
    to.sort();
    to.dedup();
    Told { to, established: established(status) }
}

fn exposures(agent: &Agent, status: &peering::Status) -> ExposureList {
    let any_peer = !established(status).is_empty();
    let mut exposures: Vec<_> = agent.core.exposures().cloned().collect();
    exposures.sort();
    ExposureList { exposures: exposures.iter().map(|e| line(agent, e, any_peer)).collect() }
}

fn line(agent: &Agent, exposure: &Exposure, any_peer: bool) -> ExposureLine {
    let advertised = match (agent.core.reconciler().is_advertised(&exposure.prefix), any_peer) {
        (false, _) => Advertised::Waiting,
        (true, false) => Advertised::NoNeighbor,
        (true, true) => Advertised::Yes,
    };
    let kind = serde_json::to_value(exposure.kind).ok();
    ExposureLine {
        prefix: exposure.prefix,
        kind: kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default().to_owned(),
        port: exposure.port.to_string(),
        network: exposure.network.to_string(),
        bridge: exposure.attachment.bridge.to_string(),
        vlan: exposure.attachment.vlan,
        reason: exposure.reason.to_string(),
        wired: wired(&agent.core, exposure).0,
        advertised,
    }
}
