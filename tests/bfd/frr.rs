use std::time::{Duration, Instant};

use interop::frr::Frr;
use interop::{Generation, Need, eventually, require};
use ovn_bgp_agent::bfd::{Diagnostic, SessionConfig, SessionKey, State};
use serde_json::Value;

use crate::lab::{
    Lab, OURS_FAR, OURS_LINK, OURS_V4, OURS_V6, THEIRS_FAR, THEIRS_LINK, THEIRS_V4, THEIRS_V6,
    assert_within, every, single_hop,
};

const BFDD: Need = Need::Program("/usr/lib/frr/bfdd");

fn peer(session: &str, more: &str) -> String {
    format!(
        "bfd\n peer {session}\n  receive-interval 100\n  transmit-interval 100\n  detect-multiplier 3\n{more}  no shutdown\n exit\nexit\n"
    )
}

fn start(lab: &Lab, generation: Generation, config: &str) -> Frr {
    Frr::start(&lab.place(generation), &lab.path(), config).unwrap()
}

/// FRR's view of its only session.
fn theirs(frr: &Frr) -> Value {
    let mut peers = frr.json("show bfd peers").unwrap();
    peers[0].take()
}

fn status(frr: &Frr) -> String {
    theirs(frr)["status"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Up, with the intervals both sides want, for each kind of session.
fn comes_up(generation: Generation) {
    let kinds = [
        (OURS_V4.to_owned(), single_hop(THEIRS_V4)),
        (OURS_V6.to_owned(), single_hop(THEIRS_V6)),
        (
            format!("{OURS_LINK} local-address {THEIRS_LINK} interface eth0"),
            single_hop(THEIRS_LINK).on("eth0"),
        ),
        (
            format!("{OURS_FAR} multihop local-address {THEIRS_FAR}"),
            SessionKey::multihop(THEIRS_FAR.parse().unwrap()).from(OURS_FAR.parse().unwrap()),
        ),
    ];
    for (session, key) in kinds {
        let lab = Lab::new();
        let ours = lab.start();
        ours.add(&key, every(100));
        let frr = start(&lab, generation, &peer(&session, ""));
        ours.wait_up();
        eventually("up".to_owned(), || status(&frr));
        // The Poll Sequence after coming up ends the slow start on both sides.
        eventually((100, 100, 300), || {
            let session = ours.session();
            (
                session.remote_transmit_interval,
                session.negotiated_transmit_interval,
                session.detection_time,
            )
        });
        eventually((Value::from(100), Value::from(100)), || {
            let theirs = theirs(&frr);
            (
                theirs["remote-transmit-interval"].clone(),
                theirs["remote-receive-interval"].clone(),
            )
        });
        let (ours, theirs) = (ours.session(), theirs(&frr));
        assert_eq!(theirs["id"], ours.remote_id, "{key}");
        assert_eq!(theirs["remote-id"], ours.id, "{key}");
        assert_eq!(ours.session_down, 0, "{key}");
    }
}

#[test]
fn every_kind_of_session_comes_up_with_frr_8() {
    require!(Need::Root, BFDD);
    comes_up(Generation::Bookworm);
}

#[test]
fn every_kind_of_session_comes_up_with_frr_10() {
    require!(Need::Root, Need::Trixie);
    comes_up(Generation::Trixie);
}

#[test]
fn a_silent_path_is_found_within_the_detection_time() {
    require!(Need::Root, BFDD);
    let lab = Lab::new();
    let mut ours = lab.start();
    ours.add(&single_hop(THEIRS_V4), every(100));
    let frr = start(&lab, Generation::Bookworm, &peer(OURS_V4, ""));
    ours.wait_up();
    eventually(300, || ours.session().detection_time);
    lab.cut();
    let cut = Instant::now();
    let change = ours.next_change(|change| change.from == State::Up);
    assert_eq!(change.to, State::Down);
    assert_eq!(change.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    assert!(change.is_path_failure());
    assert_within(&change, cut, Duration::from_millis(300));
    eventually("down".to_owned(), || status(&frr));
    lab.mend();
    ours.wait_up();
    eventually("up".to_owned(), || status(&frr));
}

#[test]
fn a_killed_peer_is_found_within_the_detection_time() {
    require!(Need::Root, BFDD);
    let lab = Lab::new();
    let mut ours = lab.start();
    ours.add(&single_hop(THEIRS_V6), every(100));
    let mut frr = start(&lab, Generation::Bookworm, &peer(OURS_V6, ""));
    ours.wait_up();
    eventually(300, || ours.session().detection_time);
    frr.kill("bfdd");
    let killed = Instant::now();
    let change = ours.next_change(|change| change.from == State::Up);
    assert!(change.is_path_failure());
    assert!(
        !change.remote_control_plane_independent,
        "FRR says so only where told"
    );
    assert_within(&change, killed, Duration::from_millis(300));
    frr.revive("bfdd").unwrap();
    ours.wait_up();
}

#[test]
fn new_intervals_are_agreed_by_a_poll_and_the_session_stays_up() {
    require!(Need::Root, Need::Trixie);
    let lab = Lab::new();
    let mut ours = lab.start();
    let key = single_hop(THEIRS_V4);
    ours.add(&key, every(100));
    let frr = start(&lab, Generation::Trixie, &peer(OURS_V4, ""));
    ours.wait_up();
    eventually("up".to_owned(), || status(&frr));
    for (transmit, receive) in [(400, 400), (50, 60), (200, 100)] {
        let config = SessionConfig {
            transmit_interval: Duration::from_millis(transmit),
            receive_interval: Duration::from_millis(receive),
            ..SessionConfig::default()
        };
        ours.bfd.update(key.clone(), config).unwrap();
        eventually((Value::from(transmit), Value::from(receive)), || {
            let theirs = theirs(&frr);
            (
                theirs["remote-transmit-interval"].clone(),
                theirs["remote-receive-interval"].clone(),
            )
        });
        // They take no more than one in 100 ms.
        eventually(transmit.max(100), || {
            u64::from(ours.session().negotiated_transmit_interval)
        });
    }
    // And theirs.
    frr.configure(&["bfd", &format!("peer {OURS_V4}"), "transmit-interval 250"])
        .unwrap();
    eventually((250, 750), || {
        let session = ours.session();
        (session.remote_transmit_interval, session.detection_time)
    });
    let flaps = ours.events();
    assert_eq!(ours.session().session_down, 0, "{flaps:?}");
    assert_eq!(status(&frr), "up");
}

#[test]
fn what_the_operator_takes_down_is_no_path_failure() {
    require!(Need::Root, Need::Trixie);
    let lab = Lab::new();
    let mut ours = lab.start();
    let key = single_hop(THEIRS_V4);
    ours.add(&key, every(100));
    let frr = start(&lab, Generation::Trixie, &peer(OURS_V4, ""));
    ours.wait_up();
    eventually("up".to_owned(), || status(&frr));
    frr.configure(&["bfd", &format!("peer {OURS_V4}"), "shutdown"])
        .unwrap();
    let change = ours.next_change(|change| change.from == State::Up);
    assert_eq!(change.diagnostic, Diagnostic::NEIGHBOR_SIGNALED_DOWN);
    assert_eq!(change.remote_state, State::AdminDown);
    assert!(!change.is_path_failure());
    frr.configure(&["bfd", &format!("peer {OURS_V4}"), "no shutdown"])
        .unwrap();
    ours.wait_up();

    eventually("up".to_owned(), || status(&frr));
    ours.bfd.admin_down(key.clone(), true).unwrap();
    let change = ours.next_change(|change| change.from == State::Up);
    assert_eq!(change.to, State::AdminDown);
    assert!(!change.is_path_failure());
    eventually("down".to_owned(), || status(&frr));
    assert_eq!(theirs(&frr)["diagnostic"], "neighbor signaled session down");
    ours.bfd.admin_down(key, false).unwrap();
    ours.wait_up();
    eventually("up".to_owned(), || status(&frr));
}

#[test]
fn a_removed_session_and_an_end_are_told_to_the_peer() {
    require!(Need::Root, BFDD);
    let lab = Lab::new();
    let ours = lab.start();
    let key = single_hop(THEIRS_V4);
    ours.add(&key, every(100));
    let frr = start(&lab, Generation::Bookworm, &peer(OURS_V4, ""));
    eventually("up".to_owned(), || status(&frr));
    ours.bfd.remove(key.clone()).unwrap();
    eventually("down".to_owned(), || status(&frr));
    assert_eq!(theirs(&frr)["diagnostic"], "neighbor signaled session down");
    assert!(ours.snapshot().peers.is_empty());
    ours.add(&key, every(100));
    eventually("up".to_owned(), || status(&frr));
    ours.shutdown();
    eventually("down".to_owned(), || status(&frr));
    assert_eq!(theirs(&frr)["diagnostic"], "neighbor signaled session down");
}

#[test]
fn a_passive_side_waits_for_the_other() {
    require!(Need::Root, BFDD);
    let lab = Lab::new();
    let ours = lab.start();
    let passive = SessionConfig {
        passive: true,
        ..every(100)
    };
    ours.add(&single_hop(THEIRS_V4), passive);
    assert_eq!(ours.session().control_packet_output, 0);
    let frr = start(&lab, Generation::Bookworm, &peer(OURS_V4, ""));
    ours.wait_up();
    drop(frr);
    eventually("down".to_owned(), || ours.status());
    // Lost: it waits again.
    let sent = ours.session().control_packet_output;
    let _frr = start(
        &lab,
        Generation::Bookworm,
        &peer(OURS_V4, "  passive-mode\n"),
    );
    assert_eq!(ours.session().control_packet_output, sent);
    assert_eq!(ours.status(), "down");
}

/// BIRD and we take no echo packets; a peer that could send them must see that.
#[test]
fn a_peer_with_the_echo_function_sends_us_none() {
    require!(Need::Root, BFDD);
    let lab = Lab::new();
    let ours = lab.start();
    ours.add(&single_hop(THEIRS_V4), every(100));
    let frr = start(&lab, Generation::Bookworm, &peer(OURS_V4, "  echo-mode\n"));
    ours.wait_up();
    eventually("up".to_owned(), || status(&frr));
    assert_eq!(theirs(&frr)["remote-echo-receive-interval"], 0);
    assert_eq!(ours.session().session_down, 0);
}
