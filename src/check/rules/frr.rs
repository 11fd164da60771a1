//! What is wrong with the FRR beside the agent.

use super::Findings;
use super::databases::{denied, let_in};
use crate::advertise::frr::{CannotLeak, Running, Wanted};
use crate::check::Code;
use crate::check::facts::{FrrFacts, NodeFacts, Reach};
use crate::config::Config;

pub(super) fn judge(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    let Some(frr) = &facts.frr else {
        return;
    };
    let before = found.all.len();
    socket(frr, config, found);
    // Without its daemon nothing can be said of what it runs with.
    if found.all.len() == before {
        running(frr, config, found);
    }
}

fn socket(frr: &FrrFacts, config: &Config, found: &mut Findings) {
    let path = config.agent.frr_vty_socket.join("bgpd.vty");
    let place = path.display().to_string();
    match &frr.bgpd {
        Reach::Answers | Reach::Untried => {}
        Reach::Denied(denial) => {
            found.error(Code::FrrDenied, &place, denied(denial), let_in(denial))
        }
        Reach::Away(why) | Reach::Tls(why) | Reach::Refused(why) => found.error(
            Code::FrrAway,
            &place,
            format!("{why}: FRR's bgpd does not run"),
            "start FRR with bgpd=yes in /etc/frr/daemons, or set frr_vty_socket",
        ),
    }
}

fn running(frr: &FrrFacts, config: &Config, found: &mut Findings) {
    let place = config.agent.frr_vtysh.display().to_string();
    let text = match &frr.running {
        Ok(text) => text,
        Err(why) => {
            let remedy = "install FRR's vtysh, make it executable, or set frr_vtysh";
            return found.error(Code::FrrVtysh, &place, why.clone(), remedy);
        }
    };
    let running = Running::parse(text);
    let router_id = config.bgp.router_id;
    let router_id = router_id.or_else(|| running.default_instance()?.router_id());
    let wanted = Wanted::of(config);
    let commands = wanted.commands(&running, router_id);
    match commands.and_then(|_| wanted.complete(&running)) {
        // FRR may still have one of its own choice: the agent asks it for that.
        Ok(_) | Err(CannotLeak::NoRouterId { .. }) => {}
        Err(why) => found.error(
            Code::FrrConfiguration,
            "FRR's running configuration",
            why.to_string(),
            "see \"Beside an existing FRR\" in docs/operating.md",
        ),
    }
}
