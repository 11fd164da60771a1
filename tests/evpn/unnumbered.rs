//! Tenants over an unnumbered underlay: one session between link-local addresses carries IPv4 unicast with IPv6 next hops
//! (RFC 8950), by which the VTEPs are reached, and EVPN.

use bgp::wire::{Asn, Family};
use bgp::{PeerConfig, RemoteAs, Route};
use interop::netns::connect;
use interop::rootfs::Generation;
use interop::{Need, eventually, require};

use crate::frr::BGPD;
use crate::lab::*;

const LINK: &str = "fab0";
/// FRR's VTEP, which nothing but its announcement leads to.
const LEAF_LOOPBACK: &str = "192.0.2.2";

fn tenants_over_an_unnumbered_session(generation: Generation) {
    let lab = Lab::new();
    connect((&lab.ours, LINK), (&lab.leaf, LINK)).unwrap();
    // The switch is no way to either VTEP.
    lab.leaf
        .ip(&format!("route del {OUR_VTEP}/32 via {OURS}"))
        .unwrap();
    lab.leaf
        .address("lo", &format!("{LEAF_LOOPBACK}/32"))
        .unwrap();
    for (node, vxlan) in [(&lab.red, ROUTED), (&lab.leaf, BRIDGED)] {
        node.ip(&format!(
            "link set vxlan{vxlan} type vxlan local {LEAF_LOOPBACK}"
        ))
        .unwrap();
    }
    let unicast = format!(
        " neighbor {LINK} interface remote-as external\n neighbor {LINK} timers connect 1\n address-family ipv4 unicast\n  \
         neighbor {LINK} activate\n  network {LEAF_LOOPBACK}/32\n exit-address-family\n"
    );
    let config = LeafConfig::default().text();
    let by_address = [
        format!(" neighbor {OURS} remote-as 65001\n"),
        format!(" neighbor {OURS} timers connect 1\n"),
    ];
    let [remote, timers] = by_address;
    let config = config
        .replace(&remote, &unicast)
        .replace(&timers, "")
        .replace(
            &format!("neighbor {OURS} activate"),
            &format!("neighbor {LINK} activate"),
        );
    assert!(!config.contains(OURS), "{config}");
    let frr = lab.start_leaf(generation, &config);
    let us = Us::start_with(&lab, 65001, LEAF, 65002, tables(65001), |neighbour| {
        let remote_as = RemoteAs::Number(Asn(65002));
        neighbour.peer = PeerConfig {
            connect_retry: neighbour.peer.connect_retry,
            families: vec![Family::IPV4_UNICAST, Family::L2VPN_EVPN],
            ..PeerConfig::unnumbered("leaf", LINK, remote_as)
        };
    });
    us.wait_established();
    us.handle
        .originate([Route::new(format!("{OUR_VTEP}/32").parse().unwrap())]);
    // The underlay: our loopback by our link-local address. FRR writes 169.254.0.1 in its place into its kernel.
    eventually(true, || {
        let routes = lab.leaf.ip("route show proto bgp").unwrap_or_default();
        let known = frr.vtysh(&format!("show bgp ipv4 unicast {OUR_VTEP}/32"));
        let ours = format!("{OUR_VTEP} ");
        let by_link = |line: &str| line.starts_with(&ours) && line.contains(LINK);
        known.is_ok_and(|text| text.contains("fe80:")) && routes.lines().any(by_link)
    });
    // What is told of tenants leads to the loopbacks, not to the session's addresses.
    for prefix in [OUR_V4, OUR_HOST, OUR_V6] {
        eventually(vec![OUR_VTEP.to_owned()], || frr.tenant_hops(prefix));
    }
    eventually(vec![OUR_VTEP.to_owned()], || frr.floods_to());
    eventually(OUR_VTEP.to_owned(), || frr.mac_behind(host(1)));
    let at_leaf = [LEAF_V4, LEAF_V6].map(|prefix| format!("{prefix} via {LEAF_LOOPBACK}"));
    eventually(at_leaf.to_vec(), || us.prefixes());
    eventually(vec![LEAF_LOOPBACK.to_owned()], || us.flood());
    assert_eq!(us.neighbor().flaps, 0);
}

#[test]
fn tenants_over_an_unnumbered_session_with_frr_8() {
    require!(Need::Root, BGPD);
    tenants_over_an_unnumbered_session(Generation::Bookworm);
}

#[test]
fn tenants_over_an_unnumbered_session_with_frr_10() {
    require!(Need::Root, Need::Trixie);
    tenants_over_an_unnumbered_session(Generation::Trixie);
}
