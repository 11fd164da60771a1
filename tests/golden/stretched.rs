//! `ovn_stretched_l2_bgp_driver`: routes of the VRF, and nothing else on the node.

use std::collections::BTreeSet;

use crate::addresses::{assert_devices, given, routes};
use crate::{left, ours};

#[test]
fn routes_in_the_vrf_are_those_the_python_agent_left() {
    let left = left::STRETCHED;
    let mut objects = given(&ours::stretched(&left));
    assert_devices(&mut objects);
    let there = left.routes("10");
    assert_eq!(there.len(), 4);
    assert_eq!(routes(objects), there);
    assert_eq!(left.addresses("bgp-nic"), BTreeSet::new());
}

/// From our own speaker the gateway's network has the gateway's address as next hop, where FRR said the node's: the node cannot deliver
/// there (decision 86).
#[test]
fn every_network_is_told_with_its_gateway_as_next_hop() {
    let told = ours::stretched(&left::STRETCHED);
    let told = told.iter().map(|exposure| {
        let hop = exposure.next_hop.unwrap();
        format!("{} by {hop}", exposure.prefix)
    });
    let (v4, v6) = ("172.24.4.76", "2001:db8:100:0:f816:3eff:fe94:ece8");
    let expected = [
        format!("10.10.0.0/24 by {v4}"),
        format!("172.24.4.0/24 by {v4}"),
        format!("2001:db8:100::/64 by {v6}"),
        format!("2001:db8:200::/64 by {v6}"),
    ];
    assert_eq!(told.collect::<BTreeSet<_>>(), expected.into());
}

/// The driver makes no rules, flows or neighbours: nothing enters OVN through the node. What ours wishes of a node with it is
/// nothing either, because its exposures are attached nowhere.
#[test]
fn nothing_is_wired() {
    let left = left::STRETCHED;
    assert_eq!(left.rules(), BTreeSet::new());
    assert_eq!(left.flows(), BTreeSet::new());
    assert_eq!(left.neighbours(), BTreeSet::new());
    assert_eq!(left.proxies(), BTreeSet::new());
    assert_eq!(left.addresses("br-ex"), BTreeSet::new());
    for exposure in ours::stretched(&left) {
        assert_eq!(exposure.attachment, None, "{}", exposure.prefix);
    }
}
