use std::time::Duration;

use bgp::State;
use bgp::wire::{Capability, GracefulRestart, Message, Open};

use crate::pair::{A, B, Pair, Setup, host, speaker_config};
use crate::raw_peer::{RawPeer, open};

#[test]
fn a_peer_that_comes_back_has_everything_within_seconds() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, (0..100).map(host));
    pair.run(Duration::from_secs(100));
    let config = pair.peer_config(B);
    pair.replace(B, 65002, config);
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Established; 2]);
    assert_eq!(pair.learned(B).len(), 100);
    assert_eq!(pair.status(A).flaps, 1);
}

#[test]
fn dropping_the_speaker_says_nothing() {
    let mut pair = Pair::established(Setup::default());
    pair.sent[A].clear();
    let config = pair.peer_config(A);
    pair.replace(A, 65001, config);
    let reasons = pair.reasons(B);
    pair.run(Duration::from_millis(2));
    assert_eq!(pair.reasons(B).len(), reasons.len() + 1);
    assert_eq!(
        pair.reasons(B).last().unwrap(),
        "connection closed: closed by the peer"
    );
}

/// RFC 4724 §5: the old TCP connection of a peer that crashed may look alive for long.
#[test]
fn a_restarting_peers_new_session_replaces_the_dead_one() {
    let mut raw = RawPeer::established(|_| {});
    let dead = raw.connection;
    raw.connection = raw.speaker.new_connection();
    raw.opened(raw.connection);
    let mut again = open();
    let restart = GracefulRestart {
        restarting: true,
        time: 120,
        ..GracefulRestart::default()
    };
    again
        .capabilities
        .push(Capability::GracefulRestart(restart));
    raw.send(&Message::Open(Open { ..again }));
    raw.send(&Message::Keepalive);
    assert_eq!(raw.closed, [dead]);
    assert_eq!(raw.state(), State::Established);
    assert!(
        raw.notification().is_none(),
        "the dead connection is not notified"
    );
}

/// The upgrade of a node: a new process with the same routes, and peers that keep them meanwhile (RFC 4724).
#[test]
fn a_restart_of_ours_loses_no_route_at_the_peer() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, (0..100).map(host));
    pair.run(Duration::from_secs(100));
    pair.events[B].clear();
    let config = pair.peer_config(A);
    pair.replace(A, 65001, config);
    // One route is not wanted any more.
    pair.originate(A, (1..100).map(host));
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Established; 2]);
    let lost: Vec<_> = pair.events[B]
        .iter()
        .filter_map(|(_, event)| match event {
            bgp::Event::RouteLost { prefix } => Some(*prefix),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [host(0)], "End-of-RIB ends what was not told again");
    assert_eq!(pair.learned(B), (1..100).map(host).collect::<Vec<_>>());
    assert_eq!(pair.status(B).stale, 0);
}

/// A node that has rebooted forwards nothing: the peers must not pretend otherwise.
#[test]
fn after_a_reboot_the_peer_drops_what_it_kept() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1)]);
    pair.run(Duration::from_secs(100));
    let mut speaker_config = speaker_config(A, 65001);
    if let Some(restart) = &mut speaker_config.graceful_restart {
        restart.forwarding_preserved = false;
    }
    let config = pair.peer_config(A);
    pair.replace_with(A, &speaker_config, config);
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Established; 2]);
    assert!(pair.learned(B).is_empty());
}
