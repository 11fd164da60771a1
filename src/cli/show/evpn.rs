//! Tenants' tables for people.

use super::super::table::{self, or_dash};
use crate::control::{EvpnMacLine, EvpnRouteLine, EvpnTable, EvpnTables};

/// Tables at a glance.
pub(super) fn overview(evpn: &EvpnTables) -> String {
    let mut rows = table::table(&[
        "vni",
        "type",
        "rd",
        "import",
        "export",
        "vtep",
        "originated",
        "prefixes",
        "macs",
        "moves",
        "remote vteps",
    ]);
    for t in &evpn.tables {
        rows.add_row([
            t.vni.to_string(),
            t.kind.clone(),
            t.rd.clone(),
            t.import_rts.join(" "),
            t.export_rts.join(" "),
            t.vtep.to_string(),
            t.originated.to_string(),
            t.prefixes.len().to_string(),
            t.macs.len().to_string(),
            t.moves.to_string(),
            addresses(&t.remote_vteps),
        ]);
    }
    let mut text = table::text(&rows);
    for t in evpn.tables.iter().filter(|t| !t.routes.is_empty()) {
        text += &format!("\nvni {}\n{}", t.vni, routes(&t.routes));
    }
    if !evpn.elsewhere.is_empty() {
        text += &format!("\nin no table here\n{}", routes(&evpn.elsewhere));
    }
    text
}

/// Everything about each table.
pub(super) fn detail(evpn: &EvpnTables) -> String {
    evpn.tables.iter().map(one).collect()
}

fn one(t: &EvpnTable) -> String {
    let mut lines = table::table(&[]);
    let mut line = |name: &str, value: String| {
        lines.add_row([name.to_owned(), value]);
    };
    line("vni", format!("{}, {}", t.vni, t.kind));
    line("route distinguisher", t.rd.clone());
    line("import", or_dash(Some(t.import_rts.join(" "))));
    line("export", or_dash(Some(t.export_rts.join(" "))));
    line("vtep", t.vtep.to_string());
    if let Some(mac) = &t.router_mac {
        line("router MAC", mac.clone());
    }
    line("remote VTEPs", addresses(&t.remote_vteps));
    if t.kind == "l2" {
        line("floods to", addresses(&t.flood));
        line("moves", t.moves.to_string());
    }
    line("originated", t.originated.to_string());
    let mut text = table::text(&lines);
    if !t.prefixes.is_empty() {
        let mut rows = table::table(&["prefix", "vtep", "router MAC"]);
        for prefix in &t.prefixes {
            for way in &prefix.ways {
                rows.add_row([
                    prefix.prefix.to_string(),
                    way.vtep.to_string(),
                    way.router_mac.clone(),
                ]);
            }
        }
        text += &format!("\n{}", table::text(&rows));
    }
    if !t.macs.is_empty() {
        text += &format!("\n{}", macs(&t.macs));
    }
    if !t.routes.is_empty() {
        text += &format!("\n{}", routes(&t.routes));
    }
    text
}

fn macs(lines: &[EvpnMacLine]) -> String {
    let mut rows = table::table(&["mac", "where", "addresses", "moves", ""]);
    for m in lines {
        let place = m
            .vtep
            .map_or_else(|| "here".to_owned(), |vtep| vtep.to_string());
        let flags = [
            (m.sticky, "sticky"),
            (m.gateway, "gateway"),
            (m.superseded, "here as well, with an older word"),
            (m.duplicate, "moves too often"),
        ];
        let flags: Vec<_> = flags
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, word)| *word)
            .collect();
        rows.add_row([
            m.mac.clone(),
            place,
            addresses(&m.addresses),
            m.sequence.to_string(),
            flags.join(", "),
        ]);
    }
    table::text(&rows)
}

fn routes(lines: &[EvpnRouteLine]) -> String {
    let mut rows = table::table(&[
        "route",
        "next hop",
        "from",
        "AS path",
        "communities",
        "not used, because",
    ]);
    for r in lines {
        let from = r.peer.clone().unwrap_or_else(|| "local".to_owned());
        rows.add_row([
            r.route.clone(),
            or_dash(r.next_hop),
            from,
            or_dash(Some(r.path.as_str()).filter(|path| !path.is_empty())),
            r.extended_communities.join(" "),
            r.unused.clone().unwrap_or_default(),
        ]);
    }
    table::text(&rows)
}

fn addresses(all: &[std::net::IpAddr]) -> String {
    let words: Vec<_> = all.iter().map(ToString::to_string).collect();
    or_dash(Some(words.join(", ")).filter(|words| !words.is_empty()))
}
