//! What is around the sessions as metrics: exposures and wiring, BFD, the kernel's routes.

use super::exposition::{Exposition, Kind};
use crate::bfd::{self, SessionSnapshot};
use crate::control::AgentSummary;
use crate::fib::{self, RouteSnapshot, RouteState};

pub(super) fn write_agent(text: &mut Exposition, agent: &AgentSummary) {
    text.single(
        "ovn_bgp_agent_exposures",
        Kind::Gauge,
        "Prefixes this node must attract.",
        agent.exposures,
    );
    text.single(
        "ovn_bgp_agent_withheld",
        Kind::Gauge,
        "Candidates that are not exposed; 'plan' says why.",
        agent.withheld,
    );
    text.single(
        "ovn_bgp_agent_changes_applied_total",
        Kind::Counter,
        "Changes made to kernel, bridges and speaker.",
        agent.changes_applied,
    );
    text.single(
        "ovn_bgp_agent_changes_failed_total",
        Kind::Counter,
        "Changes that the kernel or a bridge refused; tried again.",
        agent.changes_failed,
    );
    text.single(
        "ovn_bgp_agent_reconcile_writes_total",
        Kind::Counter,
        "Requests that wrote to the kernel or a bridge.",
        agent.writes,
    );
    text.single(
        "ovn_bgp_agent_duplicate_prefixes",
        Kind::Gauge,
        "Prefixes advertised here that neighbors also have from another origin; 'show exposures' says which.",
        agent.duplicates,
    );
    let mut databases = text.family(
        "ovn_bgp_agent_database_connected",
        Kind::Gauge,
        "Whether the database is connected.",
    );
    for (name, state) in &agent.databases {
        let connected = state.starts_with("connected");
        databases.sample(&[("database", name)], u8::from(connected));
    }
}

pub(super) fn write_fib(text: &mut Exposition, fib: &fib::Snapshot) {
    let of_routers = fib.routers.iter().flat_map(|router| &router.routes);
    write_states(
        text,
        "ovn_bgp_agent_fib_routes",
        "Learned prefixes by what has become of them in the kernel.",
        fib.routes.iter(),
    );
    write_states(
        text,
        "ovn_bgp_agent_fib_router_routes",
        "The same in the tables of OVN's routers, all together.",
        of_routers,
    );
    text.single(
        "ovn_bgp_agent_fib_writes_total",
        Kind::Counter,
        "Writes of learned routes asked of the kernel.",
        fib.writes,
    );
    text.single(
        "ovn_bgp_agent_fib_problems",
        Kind::Gauge,
        "What is wrong with it as a whole; 'show fib' says what.",
        fib.problems.len(),
    );
}

fn write_states<'a>(
    text: &mut Exposition,
    name: &'static str,
    help: &str,
    routes: impl Iterator<Item = &'a RouteSnapshot> + Clone,
) {
    let mut family = text.family(name, Kind::Gauge, help);
    for (name, state) in [
        ("installed", RouteState::Installed),
        ("pending", RouteState::Pending),
        ("held", RouteState::Held),
        ("withheld", RouteState::Withheld),
        ("refused", RouteState::Refused),
    ] {
        let in_it = routes.clone().filter(|route| route.state == state);
        family.sample(&[("state", name)], in_it.count());
    }
}

pub(super) fn write_bfd(text: &mut Exposition, bfd: &bfd::Snapshot) {
    type Value = fn(&SessionSnapshot) -> u64;
    let all: [(&'static str, Kind, &str, Value); 4] = [
        (
            "ovn_bgp_agent_bfd_up",
            Kind::Gauge,
            "Whether the BFD session is up.",
            |session| u64::from(session.uptime.is_some()),
        ),
        (
            "ovn_bgp_agent_bfd_flaps_total",
            Kind::Counter,
            "How often it left that state.",
            |session| session.session_down,
        ),
        (
            "ovn_bgp_agent_bfd_packets_received_total",
            Kind::Counter,
            "Control packets accepted.",
            |session| session.control_packet_input,
        ),
        (
            "ovn_bgp_agent_bfd_packets_sent_total",
            Kind::Counter,
            "Control packets sent.",
            |session| session.control_packet_output,
        ),
    ];
    for (name, kind, help, value) in all {
        let mut family = text.family(name, kind, help);
        for session in &bfd.peers {
            let peer = session.peer.to_string();
            let interface = session.interface.as_deref().unwrap_or_default();
            let multihop = if session.multihop { "true" } else { "false" };
            let labels = [
                ("peer", peer.as_str()),
                ("interface", interface),
                ("multihop", multihop),
            ];
            family.sample(&labels, value(session));
        }
    }
    text.single(
        "ovn_bgp_agent_bfd_wakeup_delay_p99_seconds",
        Kind::Gauge,
        "Of a hundred wake-ups of the thread, one was later than this.",
        bfd.wakeup_delay_p99 as f64 / 1_000_000.0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fib::RouterSnapshot;

    #[test]
    fn routes_in_the_tables_of_routers_are_counted_apart() {
        let route = |state| RouteSnapshot {
            prefix: "10.0.0.0/24".parse().unwrap(),
            state,
            reason: None,
            next_hops: Vec::new(),
            source: None,
            unused: Vec::new(),
        };
        let router = |table, states: &[RouteState]| RouterSnapshot {
            table,
            router: None,
            vni: None,
            routes: states.iter().map(|state| route(*state)).collect(),
        };
        let snapshot = fib::Snapshot {
            routes: vec![route(RouteState::Held)],
            routers: vec![
                router(1000, &[RouteState::Installed, RouteState::Refused]),
                router(1001, &[RouteState::Installed]),
            ],
            ..fib::Snapshot::default()
        };
        let mut text = Exposition::default();
        write_fib(&mut text, &snapshot);
        let text = text.into_text();
        for line in [
            "ovn_bgp_agent_fib_routes{state=\"held\"} 1",
            "ovn_bgp_agent_fib_routes{state=\"installed\"} 0",
            "ovn_bgp_agent_fib_router_routes{state=\"installed\"} 2",
            "ovn_bgp_agent_fib_router_routes{state=\"refused\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
