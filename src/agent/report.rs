//! Answers to `show` and `explain`.

use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use super::Agent;
use super::explain::{Told, explain, wired};
use crate::advertise::Embedded;
use crate::control::status::{self, Facts, established};
use crate::control::{Advertised, AgentSummary, ExposureLine, ExposureList, Query, Reply, Summary};
use crate::exposure::Exposure;
use crate::peering::Snapshot;

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
            Query::Neighbors => Reply::Neighbors(status::neighbors(&agent.config, &status)),
            Query::Routes => Reply::Routes(status::routes(&status)),
            Query::Exposures => Reply::Exposures(exposures(agent, &status)),
            Query::Explain { ip } => {
                Reply::Explain(explain(&agent.core, *ip, Some(&told(&status, *ip))))
            }
            // The desk has answered them.
            Query::Originate(_) | Query::Withdraw(_) => Reply::Error("asked of nobody".into()),
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
        let problem = speaker.problem().map(str::to_owned).or_else(|| {
            let (key, reason) = blocked.next()?;
            Some(format!("{key}: {reason}"))
        });
        let facts = Facts {
            config: &agent.config,
            router_id: speaker.router_id(),
            problem: problem.as_deref(),
            uptime: self.started_at.elapsed(),
        };
        Summary {
            agent: Some(AgentSummary {
                chassis_name: host,
                chassis_id: chassis,
                driver: agent.config.agent.driver.to_string(),
                exposing_method: agent.config.agent.exposing_method.to_string(),
                databases,
                exposures: decision.exposures.len(),
                withheld: decision.withheld.len(),
                changes_applied: self.changes_applied,
            }),
            ..status::summary(&facts, status)
        }
    }
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
