//! What the kernel has of the learned routes, for people.

use super::super::table::{self, or_dash};
use crate::fib::{HopSnapshot, RouteSnapshot, RouteState, Snapshot};

/// What is wrong, then one line per prefix.
pub(super) fn text(fib: &Snapshot) -> String {
    let mut text = String::new();
    for problem in &fib.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    let mut rows = table::table(&["prefix", "state", "next hops", "source", "why not"]);
    for route in &fib.routes {
        rows.add_row([
            route.prefix.to_string(),
            state(route.state).to_owned(),
            hops(&route.next_hops),
            or_dash(route.source),
            or_dash(reasons(route)),
        ]);
    }
    for prefix in &fib.connected {
        rows.add_row([prefix.to_string(), "connected".to_owned()]);
    }
    text + &table::text(&rows)
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
