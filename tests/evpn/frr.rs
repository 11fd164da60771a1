//! FRR, of both generations, as a VTEP.

use bgp::Route;
use interop::matrix::{Feature, Kind};
use interop::rootfs::Generation;
use interop::{Need, eventually, require};

use crate::lab::*;

pub(crate) const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

fn at_leaf() -> Vec<String> {
    [LEAF_V4, LEAF_V6]
        .map(|prefix| format!("{prefix} via {LEAF}"))
        .into()
}

/// IPv4 and IPv6 prefixes, both over an IPv4 VTEP.
fn prefixes_pass_both_ways(generation: Generation) {
    let lab = Lab::new();
    let frr = lab.start_leaf(generation, &LeafConfig::default().text());
    let us = Us::start(&lab, 65001, LEAF, 65002);
    us.wait_established();
    eventually(at_leaf(), || us.prefixes());
    let router_mac = lab.red.mac("br77").unwrap();
    for ways in us.whole().prefixes.values() {
        assert_eq!(ways[0].router_mac.to_string(), router_mac);
    }
    for prefix in [OUR_V4, OUR_HOST, OUR_V6] {
        eventually(vec![OUR_VTEP.to_owned()], || frr.tenant_hops(prefix));
    }
    // Its kernel has the route in the tenant's table, and knows our router's MAC address there.
    eventually(true, || {
        let routes = lab.red.ip("route show proto bgp").unwrap();
        let neighbours = lab.red.ip("neigh show").unwrap();
        routes.contains("10.78.0.9") && neighbours.contains(&OUR_ROUTER_MAC.to_string())
    });
    us.handle.withdraw_evpn(ROUTED, [OUR_V4.parse().unwrap()]);
    eventually(Vec::<String>::new(), || frr.tenant_hops(OUR_V4));
    assert_eq!(frr.tenant_hops(OUR_HOST), [OUR_VTEP]);
    us.handle
        .originate_evpn(ROUTED, [Route::new(OUR_V4.parse().unwrap())]);
    eventually(vec![OUR_VTEP.to_owned()], || frr.tenant_hops(OUR_V4));
    lab.red.ip("addr del 10.77.0.1/24 dev br77").unwrap();
    eventually(vec![format!("{LEAF_V6} via {LEAF}")], || us.prefixes());
}

#[test]
fn prefixes_pass_both_ways_with_frr_8() {
    prove(Kind::Frr8, [Feature::EvpnPrefixes], prefixes_pass_both_ways);
}

#[test]
fn prefixes_pass_both_ways_with_frr_10() {
    prove(
        Kind::Frr10,
        [Feature::EvpnPrefixes],
        prefixes_pass_both_ways,
    );
}

/// Types 2 and 3: who floods, hosts with and without addresses, a host that moves here and back (RFC 7432 §7.7).
fn hosts_pass_both_ways_and_move(generation: Generation) {
    let lab = Lab::new();
    let frr = lab.start_leaf(generation, &LeafConfig::default().text());
    let us = Us::start(&lab, 65001, LEAF, 65002);
    eventually(vec![LEAF.to_owned()], || us.flood());
    eventually(vec![OUR_VTEP.to_owned()], || frr.floods_to());
    eventually(OUR_VTEP.to_owned(), || frr.mac_behind(host(1)));
    let arp = || frr.vtysh("show evpn arp-cache vni 1001").unwrap();
    eventually(true, || arp().contains("10.101.0.1"));
    lab.host_at_leaf(host(2));
    let at = |sequence| Some((LEAF.to_owned(), sequence));
    eventually(true, || us.remote_host(host(2)).is_some());
    lab.no_host_at_leaf(host(2));
    eventually(None, || us.remote_host(host(2)));
    let hear = "bridge fdb replace 02:00:00:00:42:03 dev port0 master dynamic";
    lab.leaf.sh(hear).unwrap();
    let third = || {
        let host = us.remote_host(host(3))?;
        Some((host.vtep.to_string(), host.mobility.sequence))
    };
    eventually(at(0), third);
    us.handle
        .originate_evpn_hosts(BRIDGED, [(host(3), bgp::evpn::LocalHost::default())]);
    eventually(OUR_VTEP.to_owned(), || frr.mac_behind(host(3)));
    eventually(None, third);
    lab.leaf.sh(hear).unwrap();
    // FRR has counted ours, 1, and says 2.
    eventually(at(2), third);
    us.handle.withdraw_evpn_hosts(BRIDGED, [host(1), host(3)]);
    eventually(String::new(), || frr.mac_behind(host(1)));
    assert_eq!(third(), at(2));
}

#[test]
fn hosts_pass_both_ways_and_move_with_frr_8() {
    prove(
        Kind::Frr8,
        [Feature::EvpnHosts],
        hosts_pass_both_ways_and_move,
    );
}

#[test]
fn hosts_pass_both_ways_and_move_with_frr_10() {
    prove(
        Kind::Frr10,
        [Feature::EvpnHosts],
        hosts_pass_both_ways_and_move,
    );
}

/// FRR is no graceful-restart helper for EVPN, in neither version: it forgets, and is told all of it again at once.
#[test]
fn our_restart_tells_frr_everything_again() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = lab.start_leaf(Generation::Bookworm, &LeafConfig::default().text());
    let us = Us::start(&lab, 65001, LEAF, 65002);
    eventually(vec![OUR_VTEP.to_owned()], || frr.tenant_hops(OUR_HOST));
    eventually(OUR_VTEP.to_owned(), || frr.mac_behind(host(1)));
    drop(us);
    eventually(false, || frr.is_established(OURS));
    let us = Us::start(&lab, 65001, LEAF, 65002);
    for prefix in [OUR_V4, OUR_HOST, OUR_V6] {
        eventually(vec![OUR_VTEP.to_owned()], || frr.tenant_hops(prefix));
    }
    eventually(OUR_VTEP.to_owned(), || frr.mac_behind(host(1)));
    eventually(vec![OUR_VTEP.to_owned()], || frr.floods_to());
    eventually(at_leaf(), || us.prefixes());
}

/// The other way: what FRR taught is kept while its bgpd restarts, where FRR says that it forwards meanwhile.
#[test]
fn frrs_restart_loses_no_tenants_route_here() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let config = LeafConfig {
        session: " bgp graceful-restart preserve-fw-state\n",
        ..LeafConfig::default()
    };
    let mut frr = lab.start_leaf(Generation::Bookworm, &config.text());
    let us = Us::start(&lab, 65001, LEAF, 65002);
    eventually(at_leaf(), || us.prefixes());
    us.learned.take();
    frr.kill("bgpd");
    eventually(1, || us.neighbor().flaps);
    assert_eq!(us.prefixes(), at_leaf(), "it is kept");
    frr.revive("bgpd").unwrap();
    us.wait_established();
    eventually(vec![OUR_VTEP.to_owned()], || frr.tenant_hops(OUR_HOST));
    eventually(at_leaf(), || us.prefixes());
    let lost = us.learned.take();
    let lost: Vec<_> = lost
        .prefixes
        .iter()
        .filter(|(_, ways)| ways.is_empty())
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// RFC 2918: either asks the other for everything again, and is told.
fn either_asks_for_everything_again(generation: Generation) {
    let lab = Lab::new();
    let frr = lab.start_leaf(generation, &LeafConfig::default().text());
    let us = Us::start(&lab, 65001, LEAF, 65002);
    eventually(at_leaf(), || us.prefixes());
    eventually(vec![OUR_VTEP.to_owned()], || frr.tenant_hops(OUR_HOST));
    let before = us.neighbor();
    frr.vtysh("clear bgp l2vpn evpn * soft in").unwrap();
    eventually(true, || {
        let now = us.neighbor();
        now.received.route_refreshes > before.received.route_refreshes
            && now.sent.updates > before.sent.updates
    });
    us.refreshes();
    assert_eq!(us.prefixes(), at_leaf());
    assert_eq!(frr.tenant_hops(OUR_HOST), [OUR_VTEP]);
    assert_eq!(us.neighbor().flaps, 0);
}

#[test]
fn either_asks_for_everything_again_with_frr_8() {
    prove(
        Kind::Frr8,
        [Feature::EvpnRefresh],
        either_asks_for_everything_again,
    );
}

#[test]
fn either_asks_for_everything_again_with_frr_10() {
    prove(
        Kind::Frr10,
        [Feature::EvpnRefresh],
        either_asks_for_everything_again,
    );
}
