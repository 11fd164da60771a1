//! BFD sessions for people.

use super::super::table::{self, duration, or_dash};
use crate::bfd::{SessionSnapshot, Snapshot};

/// What does not work, then one line per session.
pub(super) fn text(bfd: &Snapshot) -> String {
    let mut text = String::new();
    for error in &bfd.errors {
        text.push_str(&format!("problem: {error}\n"));
    }
    let mut rows = table::table(&[
        "peer",
        "state",
        "for",
        "peer says",
        "diagnostic",
        "send",
        "detect",
        "up",
        "lost",
        "problem",
    ]);
    for session in &bfd.peers {
        let since = session.uptime.or(session.downtime).unwrap_or_default();
        rows.add_row([
            peer(session),
            session.status.clone(),
            duration(since * 1000),
            session.remote_status.clone(),
            session.diagnostic.clone(),
            format!("{} ms", session.negotiated_transmit_interval),
            format!("{} ms", session.detection_time),
            session.session_up.to_string(),
            session.session_down.to_string(),
            or_dash(session.error.as_ref()),
        ]);
    }
    text + &table::text(&rows)
}

fn peer(session: &SessionSnapshot) -> String {
    let hops = if session.multihop { " multihop" } else { "" };
    match &session.interface {
        Some(interface) => format!("{}%{interface}{hops}", session.peer),
        None => format!("{}{hops}", session.peer),
    }
}
