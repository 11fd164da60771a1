//! What the kernel has of the learned routes, for people.

use super::super::table::{self, or_dash};
use crate::fib::{HopSnapshot, RouteSnapshot, RouteState, RouterSnapshot, Snapshot};

/// What is wrong, then one line per prefix.
pub(super) fn text(fib: &Snapshot) -> String {
    let mut text = String::new();
    for problem in &fib.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    let mut rows = rows(&fib.routes);
    for prefix in &fib.connected {
        rows.add_row([prefix.to_string(), "connected".to_owned()]);
    }
    text.push_str(&table::text(&rows));
    for router in &fib.routers {
        text.push_str(&of_router(router));
    }
    text
}

/// The table of a router of OVN's, for ovn-controller to learn from.
fn of_router(router: &RouterSnapshot) -> String {
    let whose = match (&router.router, router.vni) {
        (Some(name), None) => format!("for OVN's router {name} to learn"),
        (Some(name), Some(vni)) => format!("for OVN's router {name} to learn of VNI {vni}"),
        (None, _) => "of a router of OVN's that learns no more".to_owned(),
    };
    let routes = table::text(&rows(&router.routes));
    format!("\ntable {}, {whose}:\n{routes}", router.table)
}

fn rows(routes: &[RouteSnapshot]) -> comfy_table::Table {
    let mut rows = table::table(&["prefix", "state", "next hops", "source", "why not"]);
    for route in routes {
        rows.add_row([
            route.prefix.to_string(),
            state(route.state).to_owned(),
            hops(&route.next_hops),
            or_dash(route.source),
            or_dash(reasons(route)),
        ]);
    }
    rows
}

fn state(state: RouteState) -> &'static str {
    match state {
        RouteState::Installed => "installed",
        RouteState::Pending => "pending",
        RouteState::Held => "held",
        RouteState::Withheld => "withheld",
        RouteState::Refused => "refused",
    }
}

/// Next hops in `ip`'s words.
pub(in crate::cli) fn hops(hops: &[HopSnapshot]) -> String {
    let hop = |hop: &HopSnapshot| match hop.via {
        Some(via) => format!("{via} dev {}", hop.interface),
        None => format!("dev {}", hop.interface),
    };
    let hops: Vec<_> = hops.iter().map(hop).collect();
    or_dash(Some(hops.join(", ")).filter(|hops| !hops.is_empty()))
}

fn reasons(route: &RouteSnapshot) -> Option<String> {
    let unused = route
        .unused
        .iter()
        .map(|path| format!("{} of {}: {}", path.next_hop, path.peer, path.reason));
    let all: Vec<_> = route.reason.iter().cloned().chain(unused).collect();
    (!all.is_empty()).then(|| all.join("; "))
}
