//! What is wrong with a node: pure functions of [`NodeFacts`] and the configuration, one file per part of it.

mod databases;
mod evpn;
mod fabric;
mod frr;
mod kernel;
mod ovn;
mod tables;
#[cfg(test)]
mod tests;
mod vswitch;

use std::collections::BTreeSet;

use super::{Code, Finding, NodeFacts, Severity};
use crate::config::{Config, Driver, Endpoint};
use crate::ovn::BridgeMappings;
use crate::reconcile::ownership::TenantDevice;

/// Every problem of the node for this configuration.
pub fn node_findings(facts: &NodeFacts, config: &Config) -> Vec<Finding> {
    let mut found = Findings::default();
    kernel::judge(facts, config, &mut found);
    databases::judge(facts, config, &mut found);
    vswitch::judge(facts, config, &mut found);
    tables::judge(facts, config, &mut found);
    ovn::judge(facts, config, &mut found);
    evpn::judge(facts, config, &mut found);
    fabric::judge(facts, config, &mut found);
    frr::judge(facts, config, &mut found);
    found.all
}

/// What was found so far.
#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
}

impl Findings {
    fn error(
        &mut self,
        code: Code,
        place: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Severity::Error, code, place, problem.into(), remedy.into());
    }

    fn warning(
        &mut self,
        code: Code,
        place: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(
            Severity::Warning,
            code,
            place,
            problem.into(),
            remedy.into(),
        );
    }

    fn info(
        &mut self,
        code: Code,
        place: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Severity::Info, code, place, problem.into(), remedy.into());
    }

    fn push(
        &mut self,
        severity: Severity,
        code: Code,
        place: &str,
        problem: String,
        remedy: String,
    ) {
        self.all.push(Finding {
            severity,
            code,
            place: place.to_owned(),
            problem,
            remedy,
        });
    }
}

impl NodeFacts {
    fn mappings(&self) -> BridgeMappings {
        let text = self.external_ids.get("ovn-bridge-mappings");
        BridgeMappings::parse(text.map(String::as_str).unwrap_or_default())
    }

    /// Bridges of provider networks.
    fn mapped(&self) -> BTreeSet<String> {
        let mappings = self.mappings();
        mappings
            .entries()
            .iter()
            .map(|entry| entry.bridge.to_string())
            .collect()
    }

    /// The devices that the agent works on, as far as they are there: bridges and their VLANs, what FRR leaks
    /// through, what EVPN has.
    fn own_devices(&self, config: &Config) -> BTreeSet<String> {
        let mapped = self.mapped();
        let own = |name: &&String| {
            let of_bridge = mapped.iter().any(|bridge| {
                let short: String = bridge.chars().take(10).collect();
                let vlan = name.strip_prefix(&format!("{short}."));
                *name == bridge || vlan.is_some_and(is_number)
            });
            let of_evpn = TenantDevice::named(name).is_some();
            of_bridge || of_evpn || [&config.agent.bgp_nic, &config.agent.bgp_vrf].contains(name)
        };
        self.machine.devices.keys().filter(own).cloned().collect()
    }
}

/// Whether traffic enters OVN through this node: with stretched L2 it goes to the gateway by another way.
fn is_wired(config: &Config) -> bool {
    config.agent.driver != Driver::StretchedL2
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The devices that lead to neighbours.
fn uplinks(config: &Config) -> BTreeSet<&str> {
    let endpoints = config
        .neighbours
        .iter()
        .map(|neighbour| &neighbour.endpoint);
    let device = |endpoint| match endpoint {
        &Endpoint::Interface(ref device) | &Endpoint::LinkLocal(_, ref device) => {
            Some(device.as_str())
        }
        Endpoint::Address(_) => None,
    };
    endpoints.filter_map(device).collect()
}
