//! What is wrong with the FRR beside the agent. Pure over [`NodeFacts`].

use super::{Finding, FrrFacts, NodeFacts, SocketFact};
use crate::advertise::frr::{CannotLeak, Running, Wanted};
use crate::config::{Config, Severity};

/// Every problem of FRR for this configuration.
pub(super) fn frr_findings(facts: &NodeFacts, config: &Config) -> Vec<Finding> {
    let frr = facts.frr.as_ref();
    let finding = frr.and_then(|frr| socket(frr, config).or_else(|| running(frr, config)));
    finding.into_iter().collect()
}

fn error(place: String, problem: String, remedy: &str) -> Option<Finding> {
    Some(Finding {
        severity: Severity::Error,
        place,
        problem,
        remedy: remedy.to_owned(),
    })
}

fn socket(frr: &FrrFacts, config: &Config) -> Option<Finding> {
    let path = config.agent.frr_vty_socket.join("bgpd.vty");
    let place = path.display().to_string();
    match &frr.bgpd {
        SocketFact::Reachable => None,
        SocketFact::Missing => error(
            place,
            "nothing listens there: FRR's bgpd does not run".to_owned(),
            "start FRR with bgpd=yes in /etc/frr/daemons, or set frr_vty_socket",
        ),
        SocketFact::Denied => error(
            place,
            "permission denied".to_owned(),
            "run as root, or in the group of the socket: usermod -aG frrvty <user>",
        ),
        SocketFact::Failed(why) => error(
            place,
            format!("cannot be connected to: {why}"),
            "check frr_vty_socket",
        ),
    }
}

fn running(frr: &FrrFacts, config: &Config) -> Option<Finding> {
    let place = config.agent.frr_vtysh.display().to_string();
    let text = match &frr.running {
        Ok(text) => text,
        Err(why) => {
            return error(
                place,
                why.clone(),
                "install FRR's vtysh, make it executable, or set frr_vtysh",
            );
        }
    };
    let running = Running::parse(text);
    let router_id = config.bgp.router_id;
    let router_id = router_id.or_else(|| running.default_instance()?.router_id());
    let wanted = Wanted::of(config);
    let commands = wanted.commands(&running, router_id);
    match commands.and_then(|_| wanted.complete(&running)) {
        // FRR may still have one of its own choice: the agent asks it for that.
        Ok(_) | Err(CannotLeak::NoRouterId { .. }) => None,
        Err(why) => error(
            "FRR's running configuration".to_owned(),
            why.to_string(),
            "see \"Beside an existing FRR\" in docs/operating.md",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Backend;

    fn finding(bgpd: SocketFact, running: Result<&str, &str>) -> Vec<String> {
        let mut config = Config::default();
        config.bgp.asn = 64999;
        config.agent.bgp_backend = Backend::Frr;
        config.agent.frr_vty_socket = "/run/frr".into();
        config.agent.frr_vtysh = "/usr/bin/vtysh".into();
        let facts = NodeFacts {
            frr: Some(FrrFacts {
                bgpd,
                running: running.map(str::to_owned).map_err(str::to_owned),
            }),
            ..NodeFacts::read()
        };
        let findings = frr_findings(&facts, &config);
        let text = |f: Finding| format!("{}: {}", f.place, f.problem);
        findings.into_iter().map(text).collect()
    }

    #[test]
    fn a_running_frr_with_our_as_is_fine() {
        let running = Ok("router bgp 64999\nexit\n");
        assert_eq!(finding(SocketFact::Reachable, running), [""; 0]);
    }

    #[test]
    fn each_fault_of_frr_is_one_finding() {
        for (bgpd, running, expected) in [
            (
                SocketFact::Missing,
                Err(""),
                "bgpd.vty: nothing listens there",
            ),
            (SocketFact::Denied, Err(""), "bgpd.vty: permission denied"),
            (SocketFact::Failed("reset".into()), Err(""), "reset"),
            (
                SocketFact::Reachable,
                Err("/usr/bin/vtysh cannot be run"),
                "vtysh cannot be run",
            ),
            (SocketFact::Reachable, Ok(""), "no 'router bgp 64999'"),
            (
                SocketFact::Reachable,
                Ok("router bgp 65001\nexit\n"),
                "make them equal",
            ),
        ] {
            let found = finding(bgpd, running);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(expected), "{found:?}");
        }
    }
}
