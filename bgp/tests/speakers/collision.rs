use std::time::Duration;

use bgp::State;
use bgp::wire::notification::{cease_subcode, code};
use bgp::wire::{Message, Notification};

use crate::pair::{A, B, Pair, Setup};
use crate::raw_peer::{RawPeer, open};

#[test]
fn both_sides_dial_at_once_and_one_connection_stays() {
    for latency in [0, 1, 7, 300] {
        let mut pair = Pair::new(Setup::default());
        pair.latency = Duration::from_millis(latency);
        pair.run(Duration::from_secs(10));
        assert_eq!(
            pair.states(),
            [State::Established; 2],
            "latency {latency} ms"
        );
        assert_eq!((pair.dials[A].len(), pair.dials[B].len()), (1, 1));
        assert_eq!((pair.status(A).flaps, pair.status(B).flaps), (0, 0));
        pair.run(Duration::from_secs(600));
        assert_eq!(pair.status(A).flaps, 0, "latency {latency} ms");
    }
}

#[test]
fn a_second_connection_beside_an_established_one_is_refused() {
    let mut raw = RawPeer::established(|_| {});
    let first = raw.connection;
    raw.connection = raw.speaker.new_connection();
    raw.opened(raw.connection);
    raw.send(&Message::Open(open()));
    let refusal = raw.notification().unwrap();
    assert_eq!(
        (refusal.code, refusal.subcode),
        (code::CEASE, cease_subcode::CONNECTION_COLLISION)
    );
    assert_eq!(raw.closed, [raw.connection]);
    raw.connection = first;
    assert_eq!(raw.state(), State::Established);
}

/// Both connections of a start may be established at one end for a moment; the peer compares them later (RFC 4271 §6.8).
#[test]
fn a_connection_that_the_peer_gives_up_for_another_is_no_flap() {
    for (subcode, flaps) in [
        (cease_subcode::CONNECTION_COLLISION, 0),
        (cease_subcode::ADMINISTRATIVE_RESET, 1),
    ] {
        let mut raw = RawPeer::established(|_| {});
        raw.send(&Message::Notification(Notification::cease(subcode)));
        assert_ne!(raw.state(), State::Established);
        assert_eq!(raw.speaker.peers().next().unwrap().flaps, flaps);
    }
}

#[test]
fn a_third_connection_replaces_the_second() {
    let mut raw = RawPeer::established(|_| {});
    let mut opened = Vec::new();
    for _ in 0..5 {
        let connection = raw.speaker.new_connection();
        raw.opened(connection);
        opened.push(connection);
    }
    assert_eq!(
        raw.closed,
        opened[..4],
        "at most two connections per peer are kept"
    );
}

/// Event 19 in OpenConfirm is no error (RFC 4271 §8.2.2): the first OPEN counts.
#[test]
fn an_open_said_twice_changes_nothing() {
    let mut raw = RawPeer::connected(|_| {});
    raw.send(&Message::Open(open()));
    raw.send(&Message::Open(open()));
    assert_eq!(raw.state(), State::OpenConfirm);
    raw.send(&Message::Keepalive);
    assert_eq!(raw.state(), State::Established);
}
