//! After a start: when the peers have told all they have.

use std::time::Duration;

use bgp::wire::{Capability, Family, GracefulRestart, Message};
use bgp::{Event, State};

use crate::pair::{A, B, Pair, Setup, host};
use crate::raw_peer::RawPeer;

fn converged(pair: &Pair, side: usize) -> Vec<(Duration, Family)> {
    let start = pair.events[side].first().map(|(at, _)| *at);
    let events = pair.events[side].iter();
    events
        .filter_map(|(at, event)| match event {
            Event::Converged { family } => Some((*at - start?, *family)),
            _ => None,
        })
        .collect()
}

#[test]
fn it_is_said_once_a_family_when_every_peer_has_told_all() {
    let mut pair = Pair::established(Setup::default());
    let converged = converged(&pair, A);
    let families: Vec<_> = converged.iter().map(|(_, family)| *family).collect();
    assert_eq!(families, [Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
    assert!(
        converged
            .iter()
            .all(|(after, _)| *after < Duration::from_secs(1))
    );
    pair.run(Duration::from_secs(300));
    assert_eq!(self::converged(&pair, A).len(), 2);
}

#[test]
fn a_peer_that_never_says_so_is_waited_for_thirty_seconds() {
    let mut raw = RawPeer::established(|_| {});
    let count = |raw: &RawPeer| {
        let events = raw.events.iter();
        let converged = events.filter(|event| matches!(event, Event::Converged { .. }));
        converged.count()
    };
    raw.wait(Duration::from_secs(29));
    assert_eq!(count(&raw), 0);
    raw.wait(Duration::from_secs(2));
    assert_eq!(count(&raw), 2);
}

/// osrg/gobgp#1632, cloudnativelabs/kube-router#1323: our routes wait for nobody.
#[test]
fn our_routes_leave_at_once_whatever_the_peer_lacks() {
    let mut raw = RawPeer::established(|_| {});
    raw.speaker.originate([bgp::Route::new(host(1))], raw.now);
    raw.drain();
    let told = raw.received();
    assert!(
        told.iter()
            .any(|message| matches!(message, Message::Update(update)
            if update.update.nlri.iter().any(|nlri| nlri.prefix == host(1)))),
        "{told:?}"
    );
}

#[test]
fn the_restart_bit_is_gone_once_converged() {
    let mut pair = Pair::established(Setup::default());
    pair.sent[A].clear();
    pair.speakers[A].reset(pair.peers[A], "again", pair.now);
    pair.drain(A);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.states(), [State::Established; 2]);
    let restart = pair.status(B).negotiated.unwrap().graceful_restart.clone();
    let restart: GracefulRestart = restart.unwrap();
    assert!(
        !restart.restarting,
        "{:?}",
        Capability::GracefulRestart(restart)
    );
}

#[test]
fn without_peers_the_restart_time_ends_the_wait() {
    let mut pair = Pair::new(Setup::default());
    pair.listening = [false; 2];
    pair.run(Duration::from_secs(119));
    assert!(converged(&pair, B).is_empty());
    pair.run(Duration::from_secs(2));
    assert_eq!(converged(&pair, B).len(), 2);
}
