//! Neighbours for people.

use std::fmt::Write;

use super::super::table::{self, duration, or_dash};
use crate::control::{Neighbor, Neighbors, Offer};
use crate::peering::DiscoverySnapshot;

/// One line per neighbour.
pub(super) fn table(neighbors: &Neighbors) -> String {
    let mut rows = table::table(&[
        "neighbor",
        "address",
        "AS",
        "state",
        "up",
        "msg rcvd",
        "msg sent",
        "pfx rcvd",
        "pfx sent",
        "queued",
        "last reset",
    ]);
    for (name, n) in neighbors {
        rows.add_row([
            name.clone(),
            address(n),
            n.remote_as.to_string(),
            n.bgp_state.clone(),
            duration(n.bgp_timer_up_msec.unwrap_or_default()),
            n.message_stats.total_recv.to_string(),
            n.message_stats.total_sent.to_string(),
            n.pfx_rcd.to_string(),
            n.pfx_snt.to_string(),
            n.message_stats.depth_outq.to_string(),
            or_dash(n.last_reset_due_to.as_ref()),
        ]);
    }
    table::text(&rows)
}

/// Everything about each.
pub(super) fn detail(neighbors: &Neighbors) -> String {
    let mut text = String::new();
    for (name, n) in neighbors {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}");
        for line in table::text(&facts(n)).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// What is known of the link of an unnumbered neighbour.
fn link(discovery: &DiscoverySnapshot) -> String {
    let (sent, received) = (
        discovery.advertisements_sent,
        discovery.advertisements_received,
    );
    let mut text = format!(
        "{}; advertisements: {sent} sent, {received} received",
        discovery.finding
    );
    if let Some(why) = &discovery.last_invalid {
        let _ = write!(
            text,
            "; {} dropped, the last because {why}",
            discovery.invalid
        );
    }
    text
}

fn facts(n: &Neighbor) -> comfy_table::Table {
    let mut rows = table::table(&[]);
    let mut row = |what: &str, value: String| {
        rows.add_row([what.to_owned(), value]);
    };
    row("description", or_dash(n.nbr_desc.as_ref()));
    row("address", address(n));
    if let Some(discovery) = &n.discovery {
        row("link", link(discovery));
    }
    row("AS", format!("{}, ours {}", n.remote_as, n.local_as));
    row("router-id", or_dash(n.remote_router_id));
    let waits = n.idle_reason.as_ref();
    let waits = waits.map_or_else(String::new, |why| format!(": {why}"));
    let time = duration(n.state_msec);
    row("state", format!("{}{waits}, for {time}", n.bgp_state));
    if let (Some(hold), Some(keepalive)) = (
        n.bgp_timer_hold_time_msecs,
        n.bgp_timer_keep_alive_interval_msecs,
    ) {
        let seconds = |msec: u64| msec as f64 / 1000.0;
        row(
            "timers",
            format!(
                "hold {} s, keepalive {} s",
                seconds(hold),
                seconds(keepalive)
            ),
        );
    }
    if let (Some(local), Some(foreign)) = (n.host_local, n.host_foreign) {
        row("connection", format!("{local} - {foreign}"));
    }
    row("capabilities", capabilities(n));
    for (family, info) in &n.address_family_info {
        let counts = format!(
            "{} received, {} sent",
            info.accepted_prefix_counter, info.sent_prefix_counter
        );
        let withheld = info.withheld.as_ref();
        let withheld = withheld.map_or_else(String::new, |why| format!("; withheld: {why}"));
        row(family, counts + &withheld);
    }
    let m = &n.message_stats;
    for (what, sent, received) in [
        ("OPEN", m.opens_sent, m.opens_recv),
        ("UPDATE", m.updates_sent, m.updates_recv),
        ("KEEPALIVE", m.keepalives_sent, m.keepalives_recv),
        ("ROUTE-REFRESH", m.route_refresh_sent, m.route_refresh_recv),
        ("NOTIFICATION", m.notifications_sent, m.notifications_recv),
    ] {
        row(what, format!("{sent} sent, {received} received"));
    }
    row("queued changes", m.depth_outq.to_string());
    row(
        "sessions",
        format!(
            "{} established, {} lost",
            n.connections_established, n.connections_dropped
        ),
    );
    if let (Some(why), Some(ago)) = (&n.last_reset_due_to, n.last_reset_timer_msecs) {
        row("last reset", format!("{why}, {} ago", duration(ago)));
    }
    rows
}

fn address(n: &Neighbor) -> String {
    match (n.bgp_neighbor_addr, &n.interface) {
        (Some(address), Some(interface)) => format!("{address}%{interface}"),
        (None, Some(interface)) => format!("on {interface}"),
        (address, None) => or_dash(address),
    }
}

fn capabilities(n: &Neighbor) -> String {
    let Some(c) = &n.neighbor_capabilities else {
        return "-".to_owned();
    };
    let mut names = c.multiprotocol_extensions.clone();
    for (name, offer) in [
        ("4-byte AS", c.four_octet_as),
        ("extended messages", c.extended_message),
        ("route refresh", c.route_refresh),
        ("enhanced refresh", c.enhanced_route_refresh),
        ("extended next hop", c.extended_nexthop),
        ("add-path", c.add_path_receive),
        ("link-local next hop", c.link_local_nexthop),
        ("graceful restart", c.graceful_restart),
        ("graceful notification", c.graceful_restart_notification),
    ] {
        if offer == Offer::AdvertisedAndReceived {
            names.push(name.to_owned());
        }
    }
    names.join(", ")
}
