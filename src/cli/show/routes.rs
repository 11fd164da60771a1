//! Routes for people.

use super::super::table::{self, or_dash};
use crate::control::{Hop, RouteLine, Routes};

/// One line per path.
pub(super) fn table(routes: &Routes) -> String {
    let mut rows = table::table(&[
        "",
        "prefix",
        "next hop",
        "from",
        "metric",
        "pref",
        "AS path",
        "communities",
        "advertised to",
    ]);
    for r in &routes.routes {
        rows.add_row([
            marks(r),
            r.prefix.to_string(),
            hops(&r.nexthops),
            from(r),
            or_dash(r.metric),
            or_dash(r.loc_prf),
            or_dash(Some(r.path.as_str()).filter(|path| !path.is_empty())),
            communities(r),
            r.advertised_to.join(", "),
        ]);
    }
    table::text(&rows)
}

/// As in FRR: `*` valid, `>` best, `=` used beside it, `S` stale.
fn marks(r: &RouteLine) -> String {
    let stale = if r.stale { "S" } else { "*" };
    let used = match (r.bestpath, r.multipath) {
        (true, _) => ">",
        (false, true) => "=",
        (false, false) => "",
    };
    format!("{stale}{used}")
}

fn hops(hops: &[Hop]) -> String {
    let hop = |hop: &Hop| match &hop.interface {
        Some(interface) => format!("{}%{interface}", hop.ip),
        None => hop.ip.to_string(),
    };
    let hops: Vec<_> = hops.iter().map(hop).collect();
    or_dash(Some(hops.join(", ")).filter(|hops| !hops.is_empty()))
}

fn from(r: &RouteLine) -> String {
    match &r.peer {
        Some(peer) => peer.clone(),
        None if r.sources.is_empty() => "local".to_owned(),
        None => r.sources.join(", "),
    }
}

fn communities(r: &RouteLine) -> String {
    let all = [&r.community, &r.large_community, &r.extended_community];
    let all: Vec<_> = all.into_iter().flatten().cloned().collect();
    or_dash(Some(all.join(" ")).filter(|all| !all.is_empty()))
}
