use std::time::Duration;

use bgp::State;

use crate::pair::{A, B, Pair, Setup, host};

#[test]
fn stop_tells_every_peer_the_operators_words() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1)]);
    let now = pair.now;
    pair.speakers[A].stop("moving to rack 7", now);
    pair.run(Duration::from_millis(5));
    assert_eq!(pair.states()[A], State::Idle);
    let reasons = pair.reasons(B);
    assert!(
        reasons
            .last()
            .unwrap()
            .contains("administrative shutdown (6/2)"),
        "{reasons:?}"
    );
    assert!(
        reasons.last().unwrap().contains("moving to rack 7"),
        "{reasons:?}"
    );
    assert!(pair.learned(B).is_empty());
}

#[test]
fn a_removed_peer_is_told_and_forgotten() {
    let mut pair = Pair::established(Setup::default());
    let (peer, now) = (pair.peers[A], pair.now);
    pair.originate(B, [host(1)]);
    pair.run(Duration::from_secs(1));
    pair.speakers[A].remove_peer(peer, now);
    pair.run(Duration::from_millis(5));
    assert!(
        pair.reasons(B)
            .last()
            .unwrap()
            .contains("peer de-configured (6/3)")
    );
    assert_eq!(pair.speakers[A].peers().count(), 0);
    assert!(pair.learned(A).is_empty());
}
