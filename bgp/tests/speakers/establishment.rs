use std::time::Duration;

use bgp::State;
use bgp::wire::Family;

use crate::pair::{A, B, Pair, Setup, host};

#[test]
fn sessions_over_ipv4_and_ipv6_carry_both_families() {
    for ipv6 in [false, true] {
        let pair = Pair::established(Setup {
            ipv6,
            ..Setup::default()
        });
        let agreed = pair.status(A).negotiated.unwrap();
        assert_eq!(
            agreed.families,
            [Family::IPV4_UNICAST, Family::IPV6_UNICAST]
        );
        assert!(agreed.codec.four_octet_as && agreed.route_refresh);
    }
}

#[test]
fn messages_may_arrive_one_octet_at_a_time() {
    let mut pair = Pair::new(Setup::default());
    pair.chunk = 1;
    pair.originate(A, (0..10).map(host));
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.learned(B).len(), 10);
}

#[test]
fn a_passive_side_waits_for_the_other() {
    let setup = Setup {
        configure: |side, config| config.passive = side == A,
        ..Setup::default()
    };
    let pair = Pair::established(setup);
    assert!(pair.dials[A].is_empty());
    assert_eq!(pair.dials[B].len(), 1);
}

#[test]
fn two_passive_sides_stay_active_for_ever() {
    let setup = Setup {
        configure: |_, config| config.passive = true,
        ..Setup::default()
    };
    let mut pair = Pair::new(setup);
    pair.run(Duration::from_secs(3600));
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[test]
fn keepalives_hold_an_idle_session_for_hours() {
    let mut pair = Pair::established(Setup::default());
    pair.run(Duration::from_secs(4 * 3600));
    assert_eq!(pair.states(), [State::Established; 2]);
    assert_eq!(pair.status(A).flaps, 0);
    let keepalives = pair.status(A).counters.sent.keepalives;
    // Every 22.5 to 30 seconds.
    assert!((480..=641).contains(&keepalives), "{keepalives}");
}
