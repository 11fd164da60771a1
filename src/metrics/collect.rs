//! What is, asked as `show` asks it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bgp::{DownReason, MessageCount, PeerStatus, State};
use tokio::sync::watch;

use super::exposition::{Exposition, Kind};
use super::histogram::Histogram;
use super::process;
use crate::advertise::{Embedded, Live, Origination, Source};
use crate::control::{AgentSummary, Desk, Reply};
use crate::peering::{Ended, Handle};

/// Where metrics come from. Clones ask the same.
#[derive(Clone, Debug)]
pub struct Collector {
    live: watch::Receiver<Live>,
    origination: Origination,
    desk: Desk,
    /// From a change in OVN to its route.
    ovn_to_advert: Option<Arc<Histogram>>,
    started_at: Instant,
}

/// The speaker at one moment.
#[derive(Debug, Default)]
struct Speaking {
    peers: Vec<PeerStatus>,
    learned: usize,
    listen_errors: usize,
}

impl Collector {
    /// Asks this speaker, and, through the desk, the agent around it.
    pub fn new(speaker: &Embedded, desk: Desk, ovn_to_advert: Option<Arc<Histogram>>) -> Self {
        Self {
            live: speaker.live(),
            origination: speaker.origination().clone(),
            desk,
            ovn_to_advert,
            started_at: Instant::now(),
        }
    }

    /// All metrics, as of now.
    pub(super) async fn text(&self) -> String {
        let mut text = Exposition::default();
        let version = env!("CARGO_PKG_VERSION");
        text.family(
            "ovn_bgp_agent_build_info",
            Kind::Gauge,
            "The version that runs.",
        )
        .sample(&[("version", version)], 1);
        let live = self.live.borrow().clone();
        if let Some(speaker) = &live.speaker {
            // A speaker that has ended ends the process as well.
            let speaking = speaking(speaker).await.unwrap_or_default();
            self.speaker(&mut text, &speaking);
            text.family(
                "ovn_bgp_agent_bgp_update_to_wire_seconds",
                Kind::Histogram,
                "From a change of what is originated to the first UPDATE handed to a session.",
            )
            .histogram(&[], &speaker.told_after().snapshot());
        }
        if let Some(histogram) = &self.ovn_to_advert {
            text.family(
                "ovn_bgp_agent_ovn_to_advert_seconds",
                Kind::Histogram,
                "From news of OVN to the speaker that was told of it, wiring included.",
            )
            .histogram(&[], &histogram.snapshot());
        }
        if let Reply::Summary(summary) = self.desk.summary().await {
            text.single(
                "ovn_bgp_agent_drained",
                Kind::Gauge,
                "0: not; 1: neighbors are asked to prefer other paths; 2: the routes are withdrawn.",
                summary.drain as u8,
            );
            if let Some(agent) = &summary.agent {
                write_agent(&mut text, agent);
            }
        }
        process::write(&mut text, self.started_at.elapsed());
        text.into_text()
    }

    fn speaker(&self, text: &mut Exposition, speaking: &Speaking) {
        collect_text(text, &speaking.peers);
        let mut originated = text.family(
            "ovn_bgp_agent_bgp_originated_prefixes",
            Kind::Gauge,
            "Prefixes this node originates, by who wants it.",
        );
        for (name, source) in [
            ("ovn", Source::Ovn),
            ("connected", Source::Connected),
            ("operator", Source::Operator),
        ] {
            let held = self.origination.with(|origins| origins.of(source).count());
            originated.sample(&[("source", name)], held);
        }
        text.single(
            "ovn_bgp_agent_bgp_learned_prefixes",
            Kind::Gauge,
            "Prefixes that neighbors teach.",
            speaking.learned,
        );
        text.single(
            "ovn_bgp_agent_bgp_listen_errors",
            Kind::Gauge,
            "Addresses that could not be listened on.",
            speaking.listen_errors,
        );
    }
}

async fn speaking(speaker: &Handle) -> Result<Speaking, Ended> {
    speaker
        .look(|view| Speaking {
            peers: view.speaker.peers().collect(),
            learned: view.speaker.learned().count(),
            listen_errors: view.listen_errors.len(),
        })
        .await
}

/// The neighbours' sessions.
pub fn collect_text(text: &mut Exposition, peers: &[PeerStatus]) {
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

fn write_agent(text: &mut Exposition, agent: &AgentSummary) {
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
