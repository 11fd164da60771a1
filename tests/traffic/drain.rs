//! An address on two nodes, one of which is drained: nobody notices.

use interop::router::Kind;
use interop::{Need, eventually, require};

use crate::fabric::Fabric;
use crate::ping::Ping;

/// Whether the traffic takes the other node while this one's path is still there, and after it is gone.
fn an_anycast_node_is_drained(kind: Kind) {
    let fabric = Fabric::start(kind.generation(), 2, 1);
    let (leaf, drained) = (&fabric.leaves[0], &fabric.nodes[0]);
    let pings = [0, 1].map(|i| fabric.ping_in(&leaf.host_by_node(i)));

    // Other paths are better by RFC 8326 §4.1, as long as there are any.
    drained.order(&["drain", "--keep"]);
    eventually((1, 2), || (leaf.ways_to_nodes(), leaf.paths_to_nodes()));
    pings.iter().for_each(|ping| ping.wait_answers(30));
    drained.order(&["undrain"]);
    eventually((2, 2), || (leaf.ways_to_nodes(), leaf.paths_to_nodes()));

    drained.order(&["drain", "--after", "1", "--wait"]);
    eventually((1, 1), || (leaf.ways_to_nodes(), leaf.paths_to_nodes()));
    drained.wait_established();
    pings.iter().for_each(|ping| ping.wait_answers(30));
    drained.order(&["undrain"]);
    eventually((2, 2), || (leaf.ways_to_nodes(), leaf.paths_to_nodes()));

    for loss in pings.map(Ping::finish) {
        println!("{kind}, drained and back, twice: {loss}");
        assert_eq!(loss.lost, 0, "{}", drained.log());
    }
}

#[test]
fn no_packet_is_lost_when_one_of_two_anycast_nodes_at_frr_8_is_drained_and_comes_back() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr8.need());
    an_anycast_node_is_drained(Kind::Frr8);
}

#[test]
fn no_packet_is_lost_when_one_of_two_anycast_nodes_at_frr_10_is_drained_and_comes_back() {
    require!(Need::Root, Need::Program("ping"), Kind::Frr10.need());
    an_anycast_node_is_drained(Kind::Frr10);
}
