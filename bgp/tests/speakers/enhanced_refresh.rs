//! Enhanced route refresh (RFC 7313).

use std::time::Duration;

use bgp::wire::{Capability, Family, Message, Open, RefreshSubtype, RouteRefresh};
use ipnet::IpNet;

use crate::pair::host;
use crate::raw_peer::{RawPeer, announcement, open};

const V4: Family = Family::IPV4_UNICAST;

fn enhanced() -> RawPeer {
    let mut raw = RawPeer::connected(|_| {});
    let mut open = open();
    open.capabilities.push(Capability::EnhancedRouteRefresh);
    raw.send(&Message::Open(Open { ..open }));
    raw.send(&Message::Keepalive);
    raw.received();
    raw
}

fn refresh(subtype: RefreshSubtype) -> Message {
    Message::RouteRefresh(RouteRefresh {
        family: V4,
        subtype,
    })
}

fn learned(raw: &RawPeer) -> Vec<IpNet> {
    let mut learned: Vec<_> = raw.speaker.learned().map(|(prefix, _)| *prefix).collect();
    learned.sort();
    learned
}

#[test]
fn the_answer_to_a_request_is_bracketed() {
    let mut raw = enhanced();
    raw.speaker
        .originate([host(1), host(2)].map(bgp::Route::new), raw.now);
    raw.drain();
    raw.received();
    raw.send(&refresh(RefreshSubtype::Request));
    let answer = raw.received();
    assert_eq!(answer.first(), Some(&refresh(RefreshSubtype::Begin)));
    assert_eq!(answer.last(), Some(&refresh(RefreshSubtype::End)));
    let between: usize = answer
        .iter()
        .map(|message| match message {
            Message::Update(update) => update.update.nlri.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(between, 2);
    assert_eq!(
        raw.speaker
            .peers()
            .next()
            .unwrap()
            .counters
            .sent
            .route_refreshes,
        2
    );
}

#[test]
fn an_empty_table_is_bracketed_as_well() {
    let mut raw = enhanced();
    raw.send(&refresh(RefreshSubtype::Request));
    let answer = raw.received();
    let expected = [RefreshSubtype::Begin, RefreshSubtype::End].map(refresh);
    assert_eq!(answer, expected);
}

#[test]
fn a_peer_that_does_not_know_brackets_gets_none() {
    let mut raw = RawPeer::established(|_| {});
    raw.send(&refresh(RefreshSubtype::Request));
    assert_eq!(raw.received(), []);
}

/// osrg/gobgp#3647: what is not told between the brackets is gone.
#[test]
fn routes_not_repeated_between_the_brackets_are_dropped() {
    let mut raw = enhanced();
    raw.send(&announcement((0..4).map(host), &[]));
    raw.send(&refresh(RefreshSubtype::Begin));
    raw.send(&announcement([host(1), host(3)], &[]));
    assert_eq!(learned(&raw).len(), 4, "nothing goes before the end");
    raw.send(&refresh(RefreshSubtype::End));
    assert_eq!(learned(&raw), [host(1), host(3)]);
}

#[test]
fn an_end_that_never_comes_does_not_keep_stale_routes_for_ever() {
    let mut raw = enhanced();
    raw.send(&announcement([host(1)], &[]));
    raw.send(&refresh(RefreshSubtype::Begin));
    for _ in 0..20 {
        raw.wait(Duration::from_secs(20));
        raw.send(&Message::Keepalive);
    }
    assert!(learned(&raw).is_empty());
    assert_eq!(raw.state(), bgp::State::Established);
}

/// A peer that asks and asks without reading the answers cannot make us hold them all.
#[test]
fn a_flood_of_requests_is_bounded() {
    let mut raw = enhanced();
    raw.stalled = true;
    for _ in 0..200_000 {
        raw.send(&refresh(RefreshSubtype::Request));
        if raw.state() != bgp::State::Established {
            break;
        }
    }
    assert_eq!(raw.state(), bgp::State::Idle);
    assert!(raw.unread() < 3 << 20, "{} octets", raw.unread());
    let (_, reason) = raw.speaker.peers().next().unwrap().last_error.unwrap();
    assert!(
        reason.to_string().contains("out of resources (6/8)"),
        "{reason}"
    );
}

/// RFC 7313 §5: not offered, not meant.
#[test]
fn brackets_of_a_peer_that_did_not_offer_them_are_ignored() {
    let mut raw = RawPeer::established(|_| {});
    raw.send(&announcement([host(1)], &[]));
    raw.send(&refresh(RefreshSubtype::Begin));
    raw.send(&refresh(RefreshSubtype::End));
    assert_eq!(learned(&raw), [host(1)]);
}
