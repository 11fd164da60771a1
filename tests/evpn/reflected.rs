//! Between us and a VTEP of FRR: route reflectors of one AS, and a route server of another, several hops away.

use interop::frr::Frr;
use interop::gobgp::Gobgp;
use interop::matrix::{Feature, Kind};
use interop::rootfs::Generation;
use interop::{Need, Place, eventually, require};

use crate::frr::BGPD;
use crate::lab::*;

fn at_leaf() -> Vec<String> {
    [LEAF_V4, LEAF_V6]
        .map(|prefix| format!("{prefix} via {LEAF}"))
        .into()
}

/// All that passes between two VTEPs, whoever is in between: next hops are those of the VTEPs.
fn everything_passes(us: &Us, leaf: &Frr, lab: &Lab) {
    us.wait_established();
    eventually(at_leaf(), || us.prefixes());
    for prefix in [OUR_V4, OUR_HOST, OUR_V6] {
        eventually(vec![OUR_VTEP.to_owned()], || leaf.tenant_hops(prefix));
    }
    eventually(vec![LEAF.to_owned()], || us.flood());
    eventually(vec![OUR_VTEP.to_owned()], || leaf.floods_to());
    eventually(OUR_VTEP.to_owned(), || leaf.mac_behind(host(1)));
    lab.host_at_leaf(host(2));
    eventually(true, || us.remote_host(host(2)).is_some());
    us.handle.withdraw_evpn(ROUTED, [OUR_HOST.parse().unwrap()]);
    eventually(Vec::<String>::new(), || leaf.tenant_hops(OUR_HOST));
}

fn leaf_of(remote_as: u32, asn: u32) -> String {
    let neighbour = THIRD;
    let config = LeafConfig {
        asn,
        remote_as,
        neighbour,
        ..LeafConfig::default()
    };
    config.text()
}

fn reflector_of_frr(generation: Generation) {
    let lab = Lab::new();
    let clients: String = [OURS, LEAF]
        .map(|client| {
            format!(" neighbor {client} remote-as 65000\n neighbor {client} timers connect 1\n")
        })
        .concat();
    let evpn: String = [OURS, LEAF]
        .map(|client| {
            format!("  neighbor {client} activate\n  neighbor {client} route-reflector-client\n")
        })
        .concat();
    let config = format!(
        "router bgp 65000\n bgp router-id {THIRD}\n no bgp default ipv4-unicast\n{clients} address-family l2vpn evpn\n{evpn} exit-address-family\n"
    );
    let place = Place::inside(&lab.third).with(generation);
    let _reflector = Frr::start(&place, &lab.path("reflector"), &config).unwrap();
    let leaf = lab.start_leaf(generation, &leaf_of(65000, 65000));
    let us = Us::start(&lab, 65000, THIRD, 65000);
    everything_passes(&us, &leaf, &lab);
}

#[test]
fn by_a_route_reflector_of_frr_8() {
    prove(Kind::Frr8, [Feature::EvpnReflected], reflector_of_frr);
}

#[test]
fn by_a_route_reflector_of_frr_10() {
    prove(Kind::Frr10, [Feature::EvpnReflected], reflector_of_frr);
}

/// The VTEP is FRR of the same generation.
fn reflector_of_gobgp(generation: Generation) {
    let lab = Lab::new();
    let clients: String = [OURS, LEAF]
        .map(|client| {
            format!(
                "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{client}\"\npeer-as = 65000\n[neighbors.timers.config]\n\
                 connect-retry = 1\n[neighbors.route-reflector.config]\nroute-reflector-client = true\n\
                 route-reflector-cluster-id = \"{THIRD}\"\n[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\n\
                 afi-safi-name = \"l2vpn-evpn\"\n"
            )
        })
        .concat();
    let config = format!("[global.config]\nas = 65000\nrouter-id = \"{THIRD}\"\n{clients}");
    let place = Place::inside(&lab.third).with(generation);
    let _reflector = Gobgp::start(&place, &lab.path("reflector"), &config).unwrap();
    let leaf = lab.start_leaf(generation, &leaf_of(65000, 65000));
    let us = Us::start(&lab, 65000, THIRD, 65000);
    everything_passes(&us, &leaf, &lab);
}

#[test]
fn by_a_route_reflector_of_gobgp_3_10() {
    require!(BGPD);
    prove(Kind::Gobgp310, [Feature::EvpnReflected], reflector_of_gobgp);
}

#[test]
fn by_a_route_reflector_of_gobgp_3_36() {
    prove(Kind::Gobgp336, [Feature::EvpnReflected], reflector_of_gobgp);
}

/// eBGP from loopback to loopback, through a router of a third AS that leaves next hops as they are: as leaf and spine do.
#[test]
fn by_a_route_server_of_another_as_several_hops_away() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let server = "192.0.2.3";
    lab.third.address("lo", &format!("{server}/32")).unwrap();
    for node in [&lab.ours, &lab.leaf] {
        node.ip(&format!("route add {server}/32 via {THIRD}"))
            .unwrap();
    }
    let clients: String = [(OUR_VTEP, 65001), (LEAF, 65002)]
        .map(|(client, asn)| {
            format!(
                " neighbor {client} remote-as {asn}\n neighbor {client} ebgp-multihop 4\n neighbor {client} update-source {server}\n \
                 neighbor {client} timers connect 1\n"
            )
        })
        .concat();
    let evpn: String = [OUR_VTEP, LEAF]
        .map(|client| {
            format!(
                "  neighbor {client} activate\n  neighbor {client} attribute-unchanged next-hop\n"
            )
        })
        .concat();
    let config = format!(
        "router bgp 65000\n bgp router-id {server}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n{clients} \
         address-family l2vpn evpn\n{evpn} exit-address-family\n"
    );
    let place = Place::inside(&lab.third);
    let _server = Frr::start(&place, &lab.path("server"), &config).unwrap();
    let config = LeafConfig {
        neighbour: "192.0.2.3",
        remote_as: 65000,
        session: " neighbor 192.0.2.3 ebgp-multihop 4\n",
        ..LeafConfig::default()
    };
    let leaf = lab.start_leaf(Generation::Bookworm, &config.text());
    let us = Us::start_with(&lab, 65001, server, 65000, tables(65001), |neighbour| {
        neighbour.multihop = Some(4);
        neighbour.local_address = Some(OUR_VTEP.parse().unwrap());
    });
    everything_passes(&us, &leaf, &lab);
}
