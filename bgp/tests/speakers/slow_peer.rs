use std::time::Duration;

use bgp::State;

use crate::pair::{A, B, Pair, Setup, host};

/// Octets of routes that are more than the window.
const MANY: u16 = 40_000;

#[test]
fn withdrawals_collapse_while_the_peer_reads_nothing() {
    let mut pair = Pair::established(Setup::default());
    pair.stalled[A] = true;
    pair.originate(A, (0..MANY).map(host));
    assert!(pair.status(A).pending > 0, "the window holds the rest back");
    let updates = pair.updates_sent(A);
    for _ in 0..10 {
        pair.withdraw(A, (0..MANY).map(host));
        pair.originate(A, (0..MANY).map(host));
    }
    assert_eq!(pair.updates_sent(A), updates, "nothing more is handed over");
    assert!(
        pair.status(A).pending <= usize::from(MANY),
        "one change per prefix waits"
    );
    pair.unstall(A);
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.learned(B).len(), usize::from(MANY));
    assert_eq!(pair.status(A).pending, 0);
}

#[test]
fn a_peer_that_never_reads_is_reset_by_the_send_hold_timer() {
    let setup = Setup {
        configure: |_, config| {
            config.hold_time = Duration::ZERO;
            config.send_hold = Duration::from_secs(60);
        },
        ..Setup::default()
    };
    let mut pair = Pair::established(setup);
    pair.stalled[A] = true;
    pair.originate(A, [host(1)]);
    pair.run(Duration::from_secs(59));
    assert_eq!(pair.states()[A], State::Established);
    pair.run(Duration::from_secs(2));
    assert!(
        pair.reasons(A)
            .iter()
            .any(|reason| reason.contains("send hold timer")),
        "{:?}",
        pair.reasons(A)
    );
}

#[test]
fn keepalives_pass_a_full_window() {
    let mut pair = Pair::established(Setup::default());
    pair.stalled[A] = true;
    pair.originate(A, (0..MANY).map(host));
    let before = pair.status(A).counters.sent.keepalives;
    pair.run(Duration::from_secs(80));
    assert!(pair.status(A).counters.sent.keepalives >= before + 2);
}
