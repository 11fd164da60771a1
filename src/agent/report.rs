//! Answers to `show` and `explain`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use super::Agent;
use super::explain::{Told, explain, wired};
use crate::advertise::Embedded;
use crate::control::{
    self, Advertised, AgentSummary, ExposureLine, ExposureList, Query, Reply,
    RouterAdvertisementList, Summary,
};
use crate::exposure::Exposure;
use crate::reconcile::Destination;

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
    /// Answers one question. What concerns the speaker alone has been answered before it came here.
    pub(super) async fn answer(&self, agent: &Agent, speaker: &Embedded, query: &Query) -> Reply {
        match query {
            Query::Summary => Reply::Summary(self.summary(agent, speaker).await),
            Query::Exposures => {
                let any_peer = agent.leak.is_wanted()
                    || !told(speaker, None).await.speaker.established.is_empty();
                let duplicates = duplicates(speaker).await;
                Reply::Exposures(exposures(agent, any_peer, &duplicates))
            }
            Query::Explain { ip } => {
                let mut told = match agent.leak.is_wanted() {
                    true => leaked(agent, *ip),
                    false => told(speaker, Some(*ip)).await,
                };
                let covering = duplicates(speaker).await.into_iter();
                let covering = covering.filter(|(prefix, _)| prefix.contains(ip));
                told.also_from = covering.flat_map(|(_, others)| others).collect();
                Reply::Explain(explain(&agent.core, *ip, Some(&told)))
            }
            Query::RouterAdvertisements => {
                let devices = agent.routers.snapshot();
                Reply::RouterAdvertisements(RouterAdvertisementList { devices })
            }
            _ => Reply::Error("this is not a question for the agent".into()),
        }
    }

    async fn summary(&self, agent: &Agent, speaker: &Embedded) -> Summary {
        let decision = agent.core.decision().unwrap_or_default();
        let (host, chassis) = agent.core.node().map_or_else(Default::default, |node| {
            (node.hostname.to_string(), node.chassis.to_string())
        });
        let mut databases =
            BTreeMap::from([("Open_vSwitch".to_owned(), agent.inputs.vswitch.state())]);
        let ovn = [
            ("OVN_Northbound", &agent.inputs.northbound),
            ("OVN_Southbound", &agent.inputs.southbound),
        ];
        for (name, database) in ovn {
            let state = database.as_ref().map(|database| database.state());
            databases.extend(state.map(|state| (name.to_owned(), state)));
        }
        let mut blocked = agent.core.reconciler().blocked();
        let problem = speaker.problem().map(str::to_owned);
        let problem = problem.or_else(|| agent.frr_problem()).or_else(|| {
            let (key, reason) = blocked.next()?;
            Some(format!("{key}: {reason}"))
        });
        let uptime = self.started_at.elapsed();
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
                changes_failed: self.changes_failed,
                frr: agent.frr_state(),
                writes: agent.inputs.writes_total(),
                duplicates: duplicates(speaker).await.len(),
            }),
            ..control::speaker::summary(speaker, problem, uptime).await
        }
    }
}

/// What the speaker knows; nothing before it has started.
async fn told(speaker: &Embedded, ip: Option<IpAddr>) -> Told {
    let handle = speaker.live().borrow().speaker.clone();
    let Some(handle) = handle else {
        return Told::default();
    };
    let told = control::speaker::told(&handle, ip).await;
    Told {
        speaker: told.unwrap_or_default(),
        ..Told::default()
    }
}

/// What FRR has been given.
fn leaked(agent: &Agent, ip: IpAddr) -> Told {
    let mut covering = agent.core.prefixes().filter(|prefix| prefix.contains(&ip));
    let out = covering.any(|prefix| agent.leak.is_out(&prefix));
    let frr = || vec!["FRR".to_owned()];
    let to = if out { frr() } else { Vec::new() };
    // It has what is in the tenants' VRFs.
    let exposures = agent.core.exposures().filter(|e| e.prefix.contains(&ip));
    let vnis = exposures.filter_map(|exposure| exposure.vni);
    Told {
        speaker: control::speaker::Told {
            to,
            tenants: vnis.map(|vni| (vni, frr())).collect(),
            established: frr(),
        },
        ..Told::default()
    }
}

type Duplicates = BTreeMap<IpNet, Vec<String>>;

/// Of what OVN has us advertise, what others originate too.
async fn duplicates(speaker: &Embedded) -> Duplicates {
    let handle = speaker.live().borrow().speaker.clone();
    let Some(handle) = handle else {
        return Duplicates::new();
    };
    let destinations = speaker.adverts().keys();
    let prefixes: Vec<_> = destinations.filter_map(Destination::prefix).collect();
    let found = control::speaker::duplicates(&handle, &prefixes).await;
    found.unwrap_or_default()
}

fn exposures(agent: &Agent, any_peer: bool, duplicates: &Duplicates) -> ExposureList {
    let mut exposures: Vec<_> = agent.core.exposures().cloned().collect();
    exposures.sort();
    ExposureList {
        exposures: exposures
            .iter()
            .map(|e| ExposureLine {
                also_from: others(e.destination(), duplicates),
                ..line(agent, e, any_peer)
            })
            .collect(),
    }
}

/// Who else originates it; a tenant's prefix has nothing to do with the same one of the default table.
fn others(destination: Destination, duplicates: &Duplicates) -> Vec<String> {
    let found = destination
        .prefix()
        .and_then(|prefix| duplicates.get(&prefix));
    found.cloned().unwrap_or_default()
}

fn line(agent: &Agent, exposure: &Exposure, any_peer: bool) -> ExposureLine {
    let advertised = match (
        agent
            .core
            .reconciler()
            .is_advertised(&exposure.destination()),
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
        bridge: exposure.bridge().map(ToString::to_string),
        vlan: exposure.vlan(),
        vni: exposure.vni,
        reason: exposure.reason.to_string(),
        attributes: exposure.attributes.shown(),
        policy: exposure.attributes.rule.as_deref().map(str::to_owned),
        wired: wired(&agent.core, exposure).0,
        advertised,
        also_from: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_else_has_a_prefix_is_told_of_its_table_alone() {
        let prefix: IpNet = "172.24.4.10/32".parse().unwrap();
        let duplicates = Duplicates::from([(prefix, vec!["router 192.0.2.9".to_owned()])]);
        assert_eq!(others(prefix.into(), &duplicates), ["router 192.0.2.9"]);
        let of_tenant = Destination::Tenant { vni: 7, prefix };
        assert_eq!(others(of_tenant, &duplicates), [""; 0]);
    }
}
