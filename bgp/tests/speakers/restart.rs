use std::time::Duration;

use bgp::State;
use bgp::wire::{Capability, GracefulRestart, Message, Open};

use crate::pair::{A, B, Pair, Setup, host};
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
