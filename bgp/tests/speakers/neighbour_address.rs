//! A neighbour whose address is discovered on its link.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bgp::{IdleReason, Input, Output, PeerConfig, RemoteAs, Speaker, State};

use crate::pair::{A, B, Pair, Setup, host, speaker};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A and B on one link, where A learns B's address later.
fn undiscovered() -> Pair {
    Pair::new(Setup {
        ipv6: true,
        configure: |side, config| {
            if side == A {
                config.remote_address = None;
                config.link = Some("eth0".into());
            }
            config.passive = side == B;
        },
        ..Setup::default()
    })
}

fn discover(pair: &mut Pair, remote: Option<&str>) {
    let remote = remote.map(address);
    pair.speakers[A].set_remote(pair.peers[A], remote, pair.now);
    pair.drain(A);
}

#[test]
fn an_undiscovered_neighbour_is_left_alone_and_says_why() {
    let mut pair = undiscovered();
    pair.run(std::time::Duration::from_secs(60));
    assert_eq!(pair.states(), [State::Idle, State::Active]);
    assert!(pair.dials[A].is_empty());
    let status = pair.status(A);
    assert_eq!(status.idle, Some(IdleReason::NoNeighbour));
    assert_eq!(
        status.idle.unwrap().to_string(),
        "no neighbour discovered yet"
    );
    assert_eq!(status.address, None);
}

#[test]
fn it_is_dialled_at_once_when_discovered() {
    let mut pair = undiscovered();
    pair.run(std::time::Duration::from_secs(1));
    discover(&mut pair, Some("2001:db8::2"));
    pair.run(std::time::Duration::from_secs(1));
    assert_eq!(pair.states(), [State::Established; 2]);
    assert_eq!(pair.status(A).address, Some(address("2001:db8::2")));
}

#[test]
fn the_dial_names_address_and_link() {
    let now = Instant::now();
    let mut speaker = speaker(A, 65001, now);
    let config = PeerConfig::unnumbered("leaf", "eth1", RemoteAs::External);
    let peer = speaker.add_peer(config, now);
    speaker.set_remote(peer, Some(address("fe80::2")), now);
    let dialled = std::iter::from_fn(|| match speaker.poll_output() {
        Output::Timeout(_) => None,
        output => Some(output),
    })
    .find_map(|output| match output {
        Output::Connect { remote, link, .. } => Some((remote, link)),
        _ => None,
    });
    assert_eq!(dialled, Some((address("fe80::2"), Some(Arc::from("eth1")))));
}

#[test]
fn a_changed_address_ends_the_session_and_the_new_one_is_dialled() {
    let mut pair = undiscovered();
    discover(&mut pair, Some("2001:db8::2"));
    pair.originate(B, [host(1)]);
    pair.run(std::time::Duration::from_secs(1));
    let dials = pair.dials[A].len();
    discover(&mut pair, Some("2001:db8::3"));
    assert_eq!(pair.states()[A], State::Connect);
    assert_eq!(pair.dials[A].len(), dials + 1);
    assert_eq!(pair.reasons(A), ["the neighbour's address changed"]);
}

#[test]
fn a_vanished_neighbour_goes_back_to_idle() {
    let mut pair = undiscovered();
    discover(&mut pair, Some("2001:db8::2"));
    pair.run(std::time::Duration::from_secs(1));
    discover(&mut pair, None);
    assert_eq!(pair.states()[A], State::Idle);
    assert_eq!(pair.status(A).idle, Some(IdleReason::NoNeighbour));
    discover(&mut pair, Some("2001:db8::2"));
    pair.run(std::time::Duration::from_secs(1));
    assert_eq!(pair.states(), [State::Established; 2]);
}

#[test]
fn the_same_address_again_changes_nothing() {
    let mut pair = undiscovered();
    discover(&mut pair, Some("2001:db8::2"));
    pair.run(std::time::Duration::from_secs(1));
    discover(&mut pair, Some("2001:db8::2"));
    assert_eq!(pair.states(), [State::Established; 2]);
    assert_eq!(pair.status(A).flaps, 0);
}

/// The same link-local address may live on several links.
#[test]
fn peers_of_one_link_local_address_are_told_apart_by_their_link() {
    let now = Instant::now();
    let mut speaker: Speaker = speaker(A, 65001, now);
    let mut on_link = |link| {
        let config = PeerConfig::unnumbered(link, link, RemoteAs::External);
        let peer = speaker.add_peer(config, now);
        speaker.set_remote(peer, Some(address("fe80::1")), now);
        peer
    };
    let (first, second) = (on_link("eth0"), on_link("eth1"));
    let found = |link| speaker.peer_at(address("fe80::1"), link);
    assert_eq!(found(Some("eth0")), Some(first));
    assert_eq!(found(Some("eth1")), Some(second));
    assert_eq!(found(Some("eth2")), None);
    assert_eq!(found(None), None);
    speaker.handle_input(Input::Timeout, now);
}
