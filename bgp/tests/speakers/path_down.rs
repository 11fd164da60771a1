//! BFD says that the path is down (RFC 5882 §4.3, RFC 9384).

use std::time::Duration;

use bgp::{Stale, State};

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

/// Whatever the C bit says: no restart is under way.
#[test]
fn a_path_that_fails_under_a_session_keeps_no_route_on_either_side() {
    for control_plane_independent in [false, true] {
        let mut pair = down(control_plane_independent);
        assert!(pair.learned(A).is_empty());
        pair.run(Duration::from_millis(10));
        assert!(pair.learned(B).is_empty());
    }
}

/// B has gone without a word, and A keeps its routes; then B's BFD is heard no more.
fn down_during_a_restart(control_plane_independent: bool) -> Pair {
    let mut pair = Pair::established(Setup::default());
    pair.originate(B, [host(2)]);
    pair.run(Duration::from_secs(1));
    pair.cut();
    pair.drain(A);
    let kept = pair.speakers[A].learned().next().unwrap().1[0].stale;
    assert_eq!(kept, Some(Stale::Restarting));
    pair.speakers[A].bfd_down(pair.peers[A], control_plane_independent, pair.now);
    pair.drain(A);
    pair
}

/// RFC 5882 §4.3.2: its BFD has ended with its BGP.
#[test]
fn the_end_of_bfd_during_a_restart_says_nothing_where_both_share_their_fate() {
    let pair = down_during_a_restart(false);
    assert_eq!(pair.learned(A), [host(2)]);
}

/// RFC 5882 §4.3.1: its BFD would have gone on.
#[test]
fn forwarding_that_fails_during_a_restart_ends_what_is_kept() {
    let pair = down_during_a_restart(true);
    assert!(pair.learned(A).is_empty());
}

#[test]
fn nothing_is_held_against_the_peer() {
    let mut pair = down(true);
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Established; 2]);
}
