use std::time::Duration;

use bgp::State;

use crate::pair::{A, B, Pair, Setup, host};
use crate::raw_peer::RawPeer;

#[test]
fn a_silent_peer_is_dropped_after_the_hold_time() {
    let mut pair = Pair::established(Setup {
        configure: |_, config| config.graceful_restart_helper = false,
        ..Setup::default()
    });
    pair.originate(B, [host(1)]);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.learned(A), [host(1)]);
    pair.mute[B] = true;
    pair.run(Duration::from_secs(60));
    assert_eq!(
        pair.states()[A],
        State::Established,
        "not before the hold time"
    );
    pair.run(Duration::from_secs(31));
    assert_ne!(pair.states()[A], State::Established);
    assert!(pair.learned(A).is_empty());
    let reasons = pair.reasons(A);
    assert!(
        reasons.last().unwrap().contains("hold timer expired (4/0)"),
        "{reasons:?}"
    );
}

#[test]
fn the_session_comes_back_when_the_peer_does() {
    let mut pair = Pair::established(Setup::default());
    pair.mute[B] = true;
    pair.run(Duration::from_secs(95));
    pair.mute[B] = false;
    pair.run(Duration::from_secs(240));
    assert_eq!(pair.states(), [State::Established; 2]);
}

#[test]
fn a_peer_that_never_says_open_is_dropped_after_four_minutes() {
    let mut raw = RawPeer::connected(|_| {});
    raw.wait(Duration::from_secs(239));
    assert_eq!(raw.state(), State::OpenSent);
    raw.wait(Duration::from_secs(2));
    let last = raw.notification().unwrap();
    assert_eq!((last.code, last.subcode), (4, 0));
}
