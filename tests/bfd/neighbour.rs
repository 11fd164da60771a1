//! BGP and BFD together: a neighbour whose path is watched.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bgp::wire::Asn;
use bgp::{DownReason, Event, PeerConfig, RemoteAs, Route, State};
use interop::frr::Frr;
use interop::{Generation, Need, PATIENCE, eventually, require, wait_until};
use ovn_bgp_agent::bfd;
use ovn_bgp_agent::peering::{NeighborSnapshot, Neighbour, Notice, Peering, Settings};
use tokio::sync::broadcast::Receiver;

use crate::lab::{Lab, OURS_V4, THEIRS_V4, every};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

/// FRR with us as a neighbour whose path it watches, and graceful restart.
fn config() -> String {
    format!(
        "bfd\n profile quick\n  receive-interval 100\n  transmit-interval 100\n exit\nexit\n\
         router bgp 65002\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n no bgp network import-check\n \
         bgp graceful-restart\n neighbor {OURS_V4} remote-as 65001\n neighbor {OURS_V4} timers connect 1\n \
         neighbor {OURS_V4} bfd\n neighbor {OURS_V4} bfd profile quick\n \
         address-family ipv4 unicast\n  network 192.0.2.0/24\n exit-address-family\n"
    )
}

struct Speaker {
    peering: Peering,
    runtime: tokio::runtime::Runtime,
    notices: Receiver<Notice>,
}

fn speak(lab: &Lab) -> Speaker {
    let peer = PeerConfig::new(
        "leaf",
        THEIRS_V4.parse().unwrap(),
        RemoteAs::Number(Asn(65002)),
    );
    let mut neighbour = Neighbour::new(peer);
    neighbour.bfd = Some(every(100));
    let settings = Settings::new(65001, Ipv4Addr::new(10, 9, 0, 1));
    let host = Route::new("198.51.100.7/32".parse().unwrap());
    let peering = lab
        .ours
        .inside(|| Peering::spawn_with(settings, vec![neighbour], [host]))
        .unwrap()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    Speaker {
        notices: peering.watch(),
        peering,
        runtime,
    }
}

impl Speaker {
    fn neighbor(&self) -> NeighborSnapshot {
        let snapshot = self.runtime.block_on(self.peering.status()).unwrap();
        snapshot.neighbors.into_iter().next().unwrap()
    }

    fn paths(&self) -> bfd::Snapshot {
        self.runtime
            .block_on(self.peering.handle().unwrap().bfd())
            .unwrap()
    }

    fn wait_both_up(&self) {
        let up = wait_until(PATIENCE, "BGP and BFD up", || {
            let paths = self.paths().peers;
            let agreed = paths
                .iter()
                .any(|path| path.status == "up" && path.detection_time == 300);
            self.neighbor().state == "Established" && agreed
        });
        assert!(up.is_ok(), "{:#?}", self.paths());
    }

    /// What the speaker tells until `last` fits.
    fn until(&mut self, last: impl Fn(&Event) -> bool) -> Vec<Notice> {
        let Self {
            runtime, notices, ..
        } = self;
        let mut told = Vec::new();
        let all = async {
            loop {
                let notice = notices.recv().await.expect("the speaker runs");
                told.push(notice);
                if last(&told[told.len() - 1].event) {
                    return;
                }
            }
        };
        let found = runtime.block_on(async { tokio::time::timeout(PATIENCE, all).await });
        assert!(found.is_ok(), "{told:#?}");
        told
    }
}

/// The hold time is 90 s and no link goes down: without BFD this would be a minute and a half of loss. Graceful
/// restart keeps nothing of a path that failed.
#[test]
fn a_silent_uplink_ends_the_session_and_its_routes_within_400_ms() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = Frr::start(&lab.place(Generation::Bookworm), &lab.path(), &config()).unwrap();
    let mut speaker = speak(&lab);
    speaker.until(|event| matches!(event, Event::RouteLearned { .. }));
    speaker.wait_both_up();

    lab.cut();
    let cut = Instant::now();
    let down = |event: &Event| {
        matches!(
            event,
            Event::StateChanged {
                from: State::Established,
                ..
            }
        )
    };
    let told = speaker.until(down);
    let took = told[told.len() - 1].at.saturating_duration_since(cut);
    println!("silent uplink: session and routes gone after {took:?}");
    assert!(took < Duration::from_millis(400), "{took:?}");
    let lost = told
        .iter()
        .any(|notice| matches!(notice.event, Event::RouteLost { .. }));
    assert!(lost, "{told:#?}");
    let reason = match &told[told.len() - 1].event {
        Event::StateChanged { reason, .. } => reason.clone(),
        _ => None,
    };
    assert!(matches!(reason, Some(DownReason::BfdDown)), "{reason:?}");
    eventually(false, || frr.is_established(OURS_V4));

    lab.mend();
    speaker.until(|event| matches!(event, Event::RouteLearned { .. }));
    speaker.wait_both_up();
}

/// An operator who switches BFD off at the other end does not switch BGP off.
#[test]
fn bfd_that_is_taken_down_over_there_leaves_bgp_alone() {
    require!(Need::Root, Need::Trixie);
    let lab = Lab::new();
    let frr = Frr::start(&lab.place(Generation::Trixie), &lab.path(), &config()).unwrap();
    let speaker = speak(&lab);
    speaker.wait_both_up();
    let flaps = speaker.neighbor().flaps;
    frr.configure(&["bfd", "profile quick", "shutdown"])
        .unwrap();
    eventually("down".to_owned(), || {
        speaker.paths().peers[0].status.clone()
    });
    assert_eq!(speaker.paths().peers[0].remote_status, "shutdown");
    // FRR then falls silent: the detection time passes, which says nothing new.
    eventually(0, || speaker.paths().peers[0].remote_id);
    assert_eq!(speaker.neighbor().state, "Established");
    assert_eq!(speaker.neighbor().flaps, flaps);
}
