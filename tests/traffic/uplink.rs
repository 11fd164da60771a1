//! One of two uplinks goes silent: BFD, 3 × 100 ms, finds it at both ends, and the other one carries everything.

use std::time::Duration;

use interop::router::Kind;
use interop::{Need, eventually, require};

use crate::lab::{Family, Lab, QUICK_BFD};
use crate::leaf::{Leaf, Wish};
use crate::ping::Ping;

/// What the issue allows: 300 ms to detect, the rest to act.
pub(crate) const WANTED: Duration = Duration::from_millis(400);

/// How often each uplink is cut until one cut was in time: a machine that is shared stops for longer than that at
/// times, and then nobody's BFD can be in time.
pub(crate) const ATTEMPTS: usize = 4;

/// Cuts uplink `n` under traffic that takes it, and mends it again; the longest time without an answer.
fn fail(kind: Kind, lab: &Lab, n: usize) -> Duration {
    let pings = [lab.ping_in_by(n), lab.ping_out_by(n)];
    lab.cut(n);
    eventually((1, 1), || lab.ways());
    let losses = pings.map(Ping::finish);
    for loss in &losses {
        println!("{kind}, uplink {n} cut: {loss}");
        assert!(loss.lost > 0, "it took another uplink");
    }

    let pings = [lab.ping_in(), lab.ping_out()];
    lab.mend(n);
    lab.node.wait_established();
    eventually((2, 2), || lab.ways());
    for loss in pings.map(Ping::finish) {
        println!("{kind}, uplink {n} back: {loss}");
        assert_eq!(loss.lost, 0, "{}", lab.node.log());
    }
    let outages = losses.iter().map(|loss| loss.outage);
    outages.max().unwrap_or_default()
}

fn each_uplink_fails(kind: Kind, family: Family) {
    let mut lab = Lab::new(family, 2);
    let wish = Wish {
        uplinks: 2,
        bfd: true,
        patient: false,
        restarts: false,
    };
    let leaf = Leaf::start(kind, &lab, wish);
    lab.configure(QUICK_BFD);
    lab.node.start();
    leaf.wait_fresh();
    eventually((2, 2), || lab.ways());
    for n in [1, 2] {
        let in_time = (0..ATTEMPTS).any(|_| {
            // A path that is up since long is agreed on 100 ms (RFC 5880, 6.8.3: one that comes up is slow at first).
            eventually(true, || lab.bfd_is_quick());
            fail(kind, &lab, n) < WANTED
        });
        assert!(in_time, "{}", lab.node.log());
    }
}

#[test]
fn traffic_leaves_a_silent_uplink_of_frr_8_within_400_ms() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    each_uplink_fails(Kind::Frr8, Family::V4);
}

#[test]
fn traffic_leaves_a_silent_uplink_of_frr_10_within_400_ms() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    each_uplink_fails(Kind::Frr10, Family::V4);
}

#[test]
fn traffic_leaves_a_silent_uplink_of_bird_2_within_400_ms() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird2.need());
    each_uplink_fails(Kind::Bird2, Family::V4);
}

#[test]
fn traffic_leaves_a_silent_uplink_of_bird_3_within_400_ms() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird3.need());
    each_uplink_fails(Kind::Bird3, Family::V4);
}

#[test]
fn ipv6_traffic_leaves_a_silent_uplink_of_frr_10_within_400_ms() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    each_uplink_fails(Kind::Frr10, Family::V6);
}

#[test]
fn ipv6_traffic_leaves_a_silent_uplink_of_bird_3_within_400_ms() {
    require!(Need::Root, Need::Program("ping"), Kind::Bird3.need());
    each_uplink_fails(Kind::Bird3, Family::V6);
}
