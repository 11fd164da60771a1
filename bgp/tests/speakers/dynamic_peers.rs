//! Neighbours that nobody configured one by one.

use std::time::Duration;

use bgp::wire::Message;
use bgp::{Event, Input, PeerConfig, RemoteAs, State};

use crate::raw_peer::{ADDRESS, RawPeer, open};

/// A speaker whose only peer came by itself.
fn dynamic() -> RawPeer {
    let mut raw = RawPeer::without_peer();
    let unused = "198.51.100.1".parse().unwrap();
    let template = PeerConfig::new("racks", unused, RemoteAs::External);
    raw.peer = raw.speaker.add_dynamic(&template, ADDRESS, raw.now);
    raw.connection = raw.speaker.new_connection();
    raw.opened(raw.connection);
    raw
}

fn vanished(raw: &RawPeer) -> bool {
    let vanished = raw.events.iter().any(
        |event| matches!(event, Event::PeerVanished { name, .. } if &**name == "racks@10.0.0.2"),
    );
    assert_eq!(vanished, raw.speaker.peers().next().is_none());
    vanished
}

fn lose(raw: &mut RawPeer) {
    let (connection, why) = (raw.connection, "reset".to_owned());
    raw.input(Input::ConnectionClosed { connection, why });
}

#[test]
fn it_comes_up_under_a_name_of_its_own_and_vanishes_with_its_session() {
    let mut raw = dynamic();
    raw.send(&Message::Open(open()));
    raw.send(&Message::Keepalive);
    assert_eq!(raw.state(), State::Established);
    assert_eq!(raw.speaker.peer_at(ADDRESS, None), Some(raw.peer));
    assert!(!vanished(&raw));
    lose(&mut raw);
    assert!(vanished(&raw));
    assert_eq!(raw.speaker.peer_at(ADDRESS, None), None);
}

#[test]
fn a_connection_that_gets_nowhere_leaves_nothing() {
    let mut raw = dynamic();
    lose(&mut raw);
    assert!(vanished(&raw));
}

/// One that breaks the protocol is remembered for as long as it is held off.
#[test]
fn an_offender_is_not_let_in_again_at_once() {
    let mut raw = dynamic();
    raw.send_octets(&[0; 19]);
    assert!(!vanished(&raw));
    assert_eq!(raw.state(), State::Idle);
    raw.wait(Duration::from_secs(2));
    assert!(vanished(&raw));
}
