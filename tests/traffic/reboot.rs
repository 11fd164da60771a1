//! One of two leaves reboots: it falls silent, comes back without a memory, and the other one carries everything.

use std::time::Duration;

use interop::router::Kind;
use interop::{Need, eventually, require};

use crate::fabric::Fabric;
use crate::lab::Family;
use crate::node::ways;
use crate::ping::Ping;
use crate::uplink::{ATTEMPTS, WANTED};

/// The longest time without an answer when leaf `j` reboots.
fn reboot(kind: Kind, fabric: &mut Fabric, j: usize) -> Duration {
    // Of each direction a flow that takes the leaf, before and after.
    let [inwards, outwards] = fabric.hosts_by_leaf(j);
    let start = |fabric: &Fabric| [fabric.ping_in(&inwards), fabric.ping_out(&outwards)];

    let pings = start(fabric);
    fabric.leaves[j].go_down();
    eventually((1, 1), || ways_by_leaves(fabric));
    let losses = pings.map(Ping::finish);
    for loss in &losses {
        println!("{kind}, leaf {j} down: {loss}");
        assert!(loss.lost > 0, "it took the other leaf");
    }

    let pings = start(fabric);
    fabric.leaves[j].come_back();
    fabric.wait_complete();
    for loss in pings.map(Ping::finish) {
        println!("{kind}, leaf {j} back: {loss}");
        assert_eq!(loss.lost, 0, "{}", fabric.nodes[0].log());
    }
    let outages = losses.iter().map(|loss| loss.outage);
    outages.max().unwrap_or_default()
}

/// Over how many leaves the node leaves, and the spine comes to it.
fn ways_by_leaves(fabric: &Fabric) -> (usize, usize) {
    let node = &fabric.nodes[0].namespace;
    (
        ways(node, "default", "eth"),
        ways(&fabric.spine, Family::V4.node(), "eth"),
    )
}

fn a_leaf_reboots(kind: Kind) {
    let mut fabric = Fabric::start(kind.generation(), 1, 2);
    let in_time = (0..ATTEMPTS).any(|_| reboot(kind, &mut fabric, 0) < WANTED);
    assert!(in_time, "{}", fabric.nodes[0].log());
}

#[test]
fn traffic_leaves_a_leaf_of_frr_8_that_reboots_within_400_ms_and_returns_without_loss() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    a_leaf_reboots(Kind::Frr8);
}

#[test]
fn traffic_leaves_a_leaf_of_frr_10_that_reboots_within_400_ms_and_returns_without_loss() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    a_leaf_reboots(Kind::Frr10);
}
