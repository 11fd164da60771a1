//! BFD says that the path is down (RFC 5882 §4.3, RFC 9384).

use std::time::Duration;

use bgp::State;

use crate::pair::{A, B, Pair, Setup, host};

fn down(control_plane_independent: bool) -> Pair {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1)]);
    pair.originate(B, [host(2)]);
    pair.run(Duration::from_secs(1));
    pair.speakers[A].bfd_down(pair.peers[A], control_plane_independent, pair.now);
    pair.drain(A);
    pair
}

#[test]
fn the_session_ends_at_once_with_its_own_subcode() {
    let mut pair = down(true);
    assert_ne!(pair.states()[A], State::Established);
    let reasons = pair.reasons(A);
    assert_eq!(reasons.last().unwrap(), "BFD: the path to the peer is down");
    pair.run(Duration::from_millis(10));
    let told = pair.reasons(B);
    assert!(
        told.iter().any(|why| why.contains("BFD down (6/10)")),
        "{told:?}"
    );
}

#[test]
fn forwarding_that_failed_keeps_no_route_on_either_side() {
    let mut pair = down(true);
    assert!(pair.learned(A).is_empty());
    pair.run(Duration::from_millis(10));
    assert!(pair.learned(B).is_empty());
}

#[test]
fn a_peer_whose_bfd_dies_with_its_bgp_may_just_restart() {
    let mut pair = down(false);
    assert_eq!(pair.learned(A), [host(2)]);
    pair.run(Duration::from_millis(10));
    assert_eq!(pair.learned(B), [host(1)]);
}

#[test]
fn nothing_is_held_against_the_peer() {
    let mut pair = down(true);
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Established; 2]);
}
