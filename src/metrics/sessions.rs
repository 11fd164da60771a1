//! The neighbours' sessions as metrics.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bgp::{DownReason, MessageCount, PeerStatus, State};

use super::exposition::{Exposition, Kind};

/// Every neighbour's session.
pub(super) fn write(text: &mut Exposition, peers: &[PeerStatus]) {
    states(text, peers);
    messages(text, peers);
    counts(text, peers);
    resets(text, peers);
}

fn states(text: &mut Exposition, peers: &[PeerStatus]) {
    const STATES: [State; 6] = [
        State::Idle,
        State::Connect,
        State::Active,
        State::OpenSent,
        State::OpenConfirm,
        State::Established,
    ];
    let mut sessions = text.family(
        "ovn_bgp_agent_bgp_sessions",
        Kind::Gauge,
        "Neighbors by the state of their session.",
    );
    for state in STATES {
        let count = peers.iter().filter(|peer| peer.state == state).count();
        sessions.sample(&[("state", state.name())], count);
    }
    let mut up = text.family(
        "ovn_bgp_agent_bgp_neighbor_up",
        Kind::Gauge,
        "Whether the session is Established.",
    );
    for peer in peers {
        let is_up = u8::from(peer.state == State::Established);
        up.sample(&[("neighbor", &peer.name)], is_up);
    }
    let mut state = text.family(
        "ovn_bgp_agent_bgp_neighbor_state",
        Kind::Gauge,
        "The session's state: 1 for the one it is in.",
    );
    for peer in peers {
        for each in STATES {
            let labels = [("neighbor", &*peer.name), ("state", each.name())];
            state.sample(&labels, u8::from(peer.state == each));
        }
    }
    let mut since = text.family(
        "ovn_bgp_agent_bgp_neighbor_state_seconds",
        Kind::Gauge,
        "How long the session has been in its state.",
    );
    for peer in peers {
        let seconds = peer.since.elapsed().as_secs_f64();
        since.sample(&[("neighbor", &peer.name)], seconds);
    }
}

fn messages(text: &mut Exposition, peers: &[PeerStatus]) {
    let mut messages = text.family(
        "ovn_bgp_agent_bgp_messages_total",
        Kind::Counter,
        "BGP messages by direction and type.",
    );
    for peer in peers {
        let both = [
            ("received", peer.counters.received),
            ("sent", peer.counters.sent),
        ];
        for (direction, count) in both {
            for (kind, count) in kinds(count) {
                let labels = [
                    ("neighbor", &*peer.name),
                    ("direction", direction),
                    ("type", kind),
                ];
                messages.sample(&labels, count);
            }
        }
    }
}

fn kinds(count: MessageCount) -> [(&'static str, u64); 5] {
    [
        ("open", count.opens),
        ("update", count.updates),
        ("notification", count.notifications),
        ("keepalive", count.keepalives),
        ("route-refresh", count.route_refreshes),
    ]
}

fn counts(text: &mut Exposition, peers: &[PeerStatus]) {
    type Count = fn(&PeerStatus) -> u64;
    let all: [(&'static str, Kind, &str, Count); 5] = [
        (
            "ovn_bgp_agent_bgp_prefixes_received",
            Kind::Gauge,
            "Prefixes the neighbor has taught.",
            |peer| peer.received as u64,
        ),
        (
            "ovn_bgp_agent_bgp_prefixes_stale",
            Kind::Gauge,
            "Of these, kept while the neighbor restarts.",
            |peer| peer.stale as u64,
        ),
        (
            "ovn_bgp_agent_bgp_prefixes_sent",
            Kind::Gauge,
            "Prefixes the neighbor has been told.",
            |peer| peer.sent as u64,
        ),
        (
            "ovn_bgp_agent_bgp_pending_changes",
            Kind::Gauge,
            "Changes that wait until the neighbor reads.",
            |peer| peer.pending as u64,
        ),
        (
            "ovn_bgp_agent_bgp_session_flaps_total",
            Kind::Counter,
            "How often an Established session ended.",
            |peer| peer.flaps,
        ),
    ];
    for (name, kind, help, count) in all {
        let mut family = text.family(name, kind, help);
        for peer in peers {
            family.sample(&[("neighbor", &peer.name)], count(peer));
        }
    }
}

fn resets(text: &mut Exposition, peers: &[PeerStatus]) {
    let mut resets = text.family(
        "ovn_bgp_agent_bgp_last_reset_timestamp_seconds",
        Kind::Gauge,
        "When the session went wrong last, why, and the NOTIFICATION's code and subcode.",
    );
    for peer in peers {
        let Some((at, why)) = &peer.last_error else {
            continue;
        };
        let (cause, code) = cause(why);
        let (code, subcode) = code.map_or_else(Default::default, |(code, subcode)| {
            (code.to_string(), subcode.to_string())
        });
        let labels = [
            ("neighbor", &*peer.name),
            ("cause", cause),
            ("code", &code),
            ("subcode", &subcode),
        ];
        resets.sample(&labels, timestamp(at.elapsed()));
    }
}

/// A word for the cause, and the code and subcode of the NOTIFICATION.
fn cause(why: &DownReason) -> (&'static str, Option<(u8, u8)>) {
    match why {
        DownReason::NotificationReceived(n) => ("notification-received", Some((n.code, n.subcode))),
        DownReason::NotificationSent {
            notification: n, ..
        } => ("notification-sent", Some((n.code, n.subcode))),
        DownReason::ConnectFailed(_) => ("connect-failed", None),
        DownReason::ConnectionClosed(_) => ("connection-closed", None),
        DownReason::SendHoldExpired => ("send-hold-expired", None),
        DownReason::Collision => ("collision", None),
        DownReason::PeerRestarted => ("peer-restarted", None),
        DownReason::NeighbourMoved => ("neighbor-moved", None),
        DownReason::NeighbourGone => ("neighbor-gone", None),
        DownReason::ResetHere => ("reset-here", None),
        DownReason::ShutDown => ("shut-down", None),
        DownReason::Reconfigured => ("reconfigured", None),
        DownReason::BfdDown => ("bfd-down", None),
        DownReason::Stopped => ("stopped", None),
    }
}

/// Seconds since 1970, of something so long ago.
fn timestamp(ago: Duration) -> f64 {
    let at = SystemTime::now().checked_sub(ago);
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.unwrap_or_default().as_secs_f64()
}
