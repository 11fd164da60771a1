//! What a reload will do, from two configurations alone.

use std::collections::BTreeMap;

use bgp::Change;

use super::options;
use super::report::{NeighbourReload, Outcome, ReloadReport};
use crate::advertise::sessions::neighbours;
use crate::config::{Agent, Bgp, Config, Logging};
use crate::peering::Neighbour;

/// What it takes to go from one valid configuration to another. Pure.
pub fn plan(old: &Config, new: &Config) -> ReloadReport {
    let before = neighbours(old);
    let mut left: BTreeMap<_, _> = before.iter().map(|n| (n.peer.name.as_str(), n)).collect();
    let of_speaker = of_speaker(old, new);
    let mut neighbors = Vec::new();
    for neighbour in &neighbours(new) {
        let name = neighbour.peer.name.as_str();
        neighbors.push(match left.remove(name) {
            Some(former) => {
                let mut differences = former.differences(neighbour);
                differences.extend(described(old, new, name));
                changed(name, of_speaker.iter().copied().chain(differences))
            }
            None => come_or_gone(name, Outcome::Added),
        });
    }
    let gone = before
        .iter()
        .filter(|n| left.contains_key(n.peer.name.as_str()));
    neighbors.extend(gone.map(|n: &Neighbour| come_or_gone(&n.peer.name, Outcome::Removed)));
    ReloadReport {
        neighbors,
        options: options::differences(old, new),
        warnings: Vec::new(),
    }
}

/// The new configuration, but for what counts only at the next start: that stays what it was.
pub fn effective(old: &Config, new: Config) -> Config {
    let (
        old,
        Config {
            agent,
            bgp,
            logging,
            ..
        },
    ) = (old.clone(), new.clone());
    Config {
        agent: Agent {
            reconcile_interval: agent.reconcile_interval,
            exposure_policy_file: agent.exposure_policy_file,
            exposure_rules: agent.exposure_rules,
            ..old.agent
        },
        ovn: old.ovn,
        logging: Logging {
            debug: logging.debug,
            default_log_levels: logging.default_log_levels,
            ..old.logging
        },
        bgp: Bgp {
            listen: old.bgp.listen,
            port: old.bgp.port,
            metrics_listen: old.bgp.metrics_listen,
            ..bgp
        },
        ..new
    }
}

/// What of `[bgp]` itself restarts every session: another AS or router-id is another speaker.
fn of_speaker(old: &Config, new: &Config) -> Vec<(&'static str, Change)> {
    let (old, new) = (&old.bgp, &new.bgp);
    let mut all = Vec::new();
    if old.asn != new.asn {
        all.push(("as", Change::Restarted));
    }
    if new.router_id.is_some() && old.router_id != new.router_id {
        all.push(("router_id", Change::Restarted));
    }
    all
}

/// What only people read.
fn described(old: &Config, new: &Config, name: &str) -> Option<(&'static str, Change)> {
    let of = |config: &Config| {
        let found = config.neighbours.iter().find(|n| n.name == name);
        found.map(|n| n.description.clone())
    };
    (of(old) != of(new)).then_some(("description", Change::Applied))
}

fn changed(
    name: &str,
    differences: impl Iterator<Item = (&'static str, Change)>,
) -> NeighbourReload {
    let mut outcome = Outcome::Unchanged;
    let mut because = Vec::new();
    for (option, change) in differences {
        let next = match change {
            Change::Nothing => Outcome::Unchanged,
            Change::Applied => Outcome::Applied,
            Change::Refreshed => Outcome::Refreshed,
            Change::Restarted => Outcome::Restarted,
        };
        outcome = outcome.max(next);
        because.push(option.to_owned());
    }
    NeighbourReload {
        name: name.to_owned(),
        outcome,
        because,
    }
}

fn come_or_gone(name: &str, outcome: Outcome) -> NeighbourReload {
    NeighbourReload {
        name: name.to_owned(),
        outcome,
        because: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
