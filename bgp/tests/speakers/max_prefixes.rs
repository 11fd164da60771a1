//! How many routes a peer may teach.

use std::time::Duration;

use bgp::wire::Message;
use bgp::wire::notification::cease_subcode;
use bgp::{Event, IdleReason, Input, State};

use crate::pair::host;
use crate::raw_peer::{RawPeer, announcement, open};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn warnings(raw: &RawPeer) -> Vec<(usize, bool)> {
    let events = raw.events.iter();
    events
        .filter_map(|event| match event {
            Event::PrefixLimit { count, refused, .. } => Some((*count, *refused)),
            _ => None,
        })
        .collect()
}

fn connect_again(raw: &mut RawPeer) {
    raw.connection = raw.speaker.new_connection();
    raw.opened(raw.connection);
    raw.send(&Message::Open(open()));
    raw.send(&Message::Keepalive);
}

#[test]
fn a_warning_is_given_once_at_the_percentage() {
    let mut raw = RawPeer::established(|config| config.max_prefixes.limit = 8);
    raw.send(&announcement((0..5).map(host), &[]));
    assert_eq!(warnings(&raw), []);
    raw.send(&announcement((0..6).map(host), &[]));
    raw.send(&announcement((0..8).map(host), &[]));
    assert_eq!(warnings(&raw), [(6, false)]);
    assert_eq!(raw.state(), State::Established);
}

#[test]
fn more_than_the_limit_ends_the_session_and_holds_the_peer() {
    let mut raw = RawPeer::established(|config| {
        config.max_prefixes.limit = 2;
        config.max_prefixes.restart = Some(seconds(300));
    });
    raw.send(&announcement((0..3).map(host), &[]));
    assert_eq!(
        raw.notification().unwrap().subcode,
        cease_subcode::MAXIMUM_PREFIXES
    );
    assert_eq!(raw.state(), State::Idle);
    let idle = raw.speaker.peers().next().unwrap().idle;
    assert!(
        matches!(idle, Some(IdleReason::TooManyRoutes(Some(_)))),
        "{idle:?}"
    );
    raw.wait(seconds(299));
    assert_eq!(raw.state(), State::Idle);
    raw.wait(seconds(2));
    assert_eq!(raw.state(), State::Active);
    connect_again(&mut raw);
    assert_eq!(raw.state(), State::Established);
}

#[test]
fn without_a_restart_time_only_the_operator_lets_it_back() {
    let mut raw = RawPeer::established(|config| {
        config.max_prefixes.limit = 2;
        config.max_prefixes.restart = None;
    });
    raw.send(&announcement((0..3).map(host), &[]));
    raw.wait(seconds(100_000));
    assert_eq!(raw.state(), State::Idle);
    let idle = raw.speaker.peers().next().unwrap().idle.unwrap();
    assert!(idle.to_string().contains("reset it"), "{idle}");
    raw.speaker.reset(raw.peer, "counted again", raw.now);
    raw.drain();
    assert_eq!(raw.state(), State::Active);
    connect_again(&mut raw);
    assert_eq!(raw.state(), State::Established);
}

#[test]
fn where_it_only_warns_the_rest_is_not_taken() {
    let mut raw = RawPeer::established(|config| {
        config.max_prefixes.limit = 2;
        config.max_prefixes.warn_only = true;
        config.max_prefixes.warn_percent = 100;
    });
    raw.send(&announcement((0..3).map(host), &[]));
    raw.send(&announcement((0..5).map(host), &[]));
    assert_eq!(raw.state(), State::Established);
    assert_eq!(raw.speaker.learned().count(), 2);
    assert_eq!(warnings(&raw), [(2, true)], "said once");
    // What is known may change all the same.
    raw.send(&announcement([host(1)], &[bgp::wire::Community::BLACKHOLE]));
    assert_eq!(raw.speaker.learned().count(), 2);
}

#[test]
fn a_lower_limit_counts_at_once() {
    let mut raw = RawPeer::established(|_| {});
    raw.send(&announcement((0..3).map(host), &[]));
    let mut config = raw.config();
    config.max_prefixes.limit = 2;
    raw.speaker.reconfigure(raw.peer, config, raw.now);
    raw.drain();
    assert_eq!(raw.state(), State::Idle);
}

#[test]
fn the_warning_is_due_again_in_the_next_session() {
    let mut raw = RawPeer::established(|config| config.max_prefixes.limit = 4);
    raw.send(&announcement((0..3).map(host), &[]));
    let (connection, why) = (raw.connection, "reset".to_owned());
    raw.input(Input::ConnectionClosed { connection, why });
    connect_again(&mut raw);
    raw.send(&announcement((0..3).map(host), &[]));
    assert_eq!(warnings(&raw).len(), 2);
}

#[test]
fn a_higher_limit_lets_it_back() {
    let mut raw = RawPeer::established(|config| {
        config.max_prefixes.limit = 2;
        config.max_prefixes.restart = None;
    });
    raw.send(&announcement((0..3).map(host), &[]));
    assert_eq!(raw.state(), State::Idle);
    let mut config = raw.config();
    config.max_prefixes.limit = 10;
    raw.speaker.reconfigure(raw.peer, config, raw.now);
    raw.drain();
    assert_eq!(raw.state(), State::Active);
}
