//! A neighbour's configuration changes while its session runs.

use std::time::Duration;

use bgp::wire::Family;
use bgp::{Change, Filters, PeerConfig, SpeakerConfig, State};

use crate::pair::{A, B, Pair, Setup, host, net, speaker_config};

const SOON: Duration = Duration::from_millis(100);

fn reconfigure(pair: &mut Pair, edit: impl FnOnce(&mut PeerConfig)) -> Change {
    let mut config = pair.peer_config(A);
    edit(&mut config);
    let change = pair.speakers[A].reconfigure(pair.peers[A], config, pair.now);
    pair.drain(A);
    change
}

#[test]
fn the_same_configuration_touches_nothing() {
    let mut pair = Pair::established(Setup::default());
    pair.sent[A].clear();
    assert_eq!(reconfigure(&mut pair, |_| {}), Change::Nothing);
    assert!(pair.sent[A].is_empty());
    assert_eq!(pair.states(), [State::Established; 2]);
}

#[test]
fn timers_change_without_a_word() {
    let mut pair = Pair::established(Setup::default());
    pair.sent[A].clear();
    let change = reconfigure(&mut pair, |config| {
        config.hold_time = Duration::from_secs(30)
    });
    assert_eq!(change, Change::Applied);
    pair.run(SOON);
    assert!(pair.sent[A].is_empty());
    assert_eq!(pair.status(A).flaps, 0);
}

#[test]
fn another_export_filter_is_told_as_a_difference() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1), net("198.51.100.0/24")]);
    pair.run(SOON);
    assert_eq!(pair.learned(B), [host(1)]);
    let updates = pair.updates_sent(A);
    let change = reconfigure(&mut pair, |config| config.export = Filters::default());
    pair.run(SOON);
    assert_eq!(change, Change::Refreshed);
    assert_eq!(pair.learned(B), [net("198.51.100.0/24"), host(1)]);
    assert_eq!(pair.updates_sent(A), updates + 1, "only what is new");
    reconfigure(&mut pair, |_| {});
    pair.run(SOON);
    assert_eq!(pair.learned(B), [host(1)]);
    assert_eq!(pair.status(A).flaps, 0);
}

#[test]
fn another_import_filter_judges_anew_what_was_received() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(B, [host(1)]);
    pair.run(SOON);
    reconfigure(&mut pair, |config| {
        config.import = Filters::default_routes()
    });
    assert!(pair.learned(A).is_empty());
    reconfigure(&mut pair, |_| {});
    assert_eq!(pair.learned(A), [host(1)], "without asking the peer");
    assert_eq!(pair.status(A).counters.sent.route_refreshes, 0);
    assert_eq!(pair.status(A).flaps, 0);
}

/// RFC 8538: both sides keep routes over a restart that is not a hard reset.
#[test]
fn other_families_need_a_new_session_but_lose_no_route() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1)]);
    pair.originate(B, [host(2)]);
    pair.run(Duration::from_secs(61));
    let change = reconfigure(&mut pair, |config| {
        config.families = vec![Family::IPV4_UNICAST]
    });
    assert_eq!(change, Change::Restarted);
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Established; 2]);
    assert_eq!(
        pair.status(A).negotiated.unwrap().families,
        [Family::IPV4_UNICAST]
    );
    let reasons = pair.reasons(A);
    assert!(
        reasons.contains(&"the configuration changed".to_owned()),
        "{reasons:?}"
    );
    for (side, prefix) in [(A, host(2)), (B, host(1))] {
        assert_eq!(pair.learned(side), [prefix]);
        let lost = pair.events[side].iter();
        let lost = lost.filter(|(_, event)| matches!(event, bgp::Event::RouteLost { .. }));
        assert_eq!(lost.count(), 0);
    }
}

#[test]
fn shutting_down_tells_the_words_and_leaves_the_peer_alone() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(B, [host(2)]);
    pair.run(SOON);
    let words = Some("moving rack".to_owned());
    let peer = pair.peers[A];
    let change = pair.speakers[A].set_shutdown(peer, words, pair.now);
    pair.drain(A);
    assert_eq!(change, Change::Restarted);
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.states()[A], State::Idle);
    assert_eq!(pair.status(A).idle, Some(bgp::IdleReason::Shutdown));
    assert!(pair.learned(A).is_empty());
    let told = pair.reasons(B);
    assert!(
        told.iter().any(|reason| reason.contains("moving rack")),
        "{told:?}"
    );
    pair.speakers[A].set_shutdown(peer, None, pair.now);
    pair.drain(A);
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.states(), [State::Established; 2]);
}

#[test]
fn an_operators_reset_comes_back_at_once() {
    let mut pair = Pair::established(Setup::default());
    pair.run(Duration::from_secs(61));
    pair.speakers[A].reset(pair.peers[A], "clear", pair.now);
    pair.drain(A);
    pair.run(SOON);
    assert_eq!(pair.states(), [State::Established; 2]);
    assert_eq!(pair.status(A).flaps, 1);
    let [ours, theirs] = [A, B].map(|side| pair.reasons(side).join("\n"));
    assert!(ours.contains("reset by the operator"), "{ours}");
    assert!(theirs.contains("\"clear\""), "{theirs}");
}

#[test]
fn a_refresh_asks_and_tells_everything_again_without_a_flap() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1)]);
    pair.originate(B, [host(2)]);
    pair.run(SOON);
    let before = [A, B].map(|side| pair.updates_sent(side));
    assert!(pair.speakers[A].refresh(pair.peers[A], pair.now));
    pair.drain(A);
    pair.run(SOON);
    assert_eq!(
        [A, B].map(|side| pair.updates_sent(side)),
        before.map(|n| n + 1)
    );
    assert_eq!(pair.learned(A), [host(2)]);
    assert_eq!(pair.learned(B), [host(1)]);
    assert_eq!(pair.status(A).flaps, 0);
}

#[test]
fn another_as_of_ours_restarts_every_session() {
    let mut pair = Pair::established(Setup::default());
    let config = SpeakerConfig {
        asn: bgp::wire::Asn(65009),
        ..speaker_config(A, 65001)
    };
    let change = pair.speakers[A].reconfigure_speaker(&config, pair.now);
    assert_eq!(change, Change::Restarted);
    pair.drain(A);
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Established; 2]);
    assert_eq!(pair.status(B).negotiated.unwrap().remote_as.0, 65009);
    let again = pair.speakers[A].reconfigure_speaker(&config, pair.now);
    assert_eq!(again, Change::Nothing);
}

#[test]
fn a_peer_that_is_no_longer_passive_is_dialled() {
    let mut pair = Pair::new(Setup {
        configure: |_, config| config.passive = true,
        ..Setup::default()
    });
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.states(), [State::Active; 2]);
    assert_eq!(reconfigure(&mut pair, |_| {}), Change::Applied);
    pair.run(SOON);
    assert_eq!(pair.states(), [State::Established; 2]);
}
