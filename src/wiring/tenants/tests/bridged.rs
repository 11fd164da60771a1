//! `exposing_method = l2vni`: networks stretched over a VNI.

use bgp::evpn::{EvpnEvent, RemoteHost};
use bgp::wire::evpn::{Mac, Mobility};

use super::*;
use crate::reconcile::Destination;

const REMOTE: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 9]);

fn bridged(vni: Vni) -> Tenant {
    Tenant {
        layer: Layer::Bridged,
        ..tenant(vni)
    }
}

fn host(vni: Vni, prefix: &str) -> Exposure {
    Exposure {
        layer: Layer::Bridged,
        ..exposure(vni, prefix)
    }
}

fn remote(mac: MacAddr, vtep: &str, addresses: &[&str]) -> EvpnEvent {
    let host = RemoteHost {
        vtep: ip(vtep),
        mobility: Mobility::default(),
        gateway: false,
        addresses: addresses.iter().map(|address| ip(address)).collect(),
    };
    EvpnEvent::Host {
        vni: 2001,
        mac: Mac(mac.0),
        host: Some(host),
    }
}

fn flood(vteps: &[&str]) -> EvpnEvent {
    EvpnEvent::Flood {
        vni: 2001,
        vteps: vteps.iter().map(|vtep| ip(vtep)).collect(),
    }
}

#[test]
fn a_network_is_a_port_of_the_bridge_and_nothing_is_learned() {
    let mut node = node_of(bridged(2001));
    let steps = node.add(host(2001, "172.24.4.10/32"));
    assert_eq!(advertises(&steps), 1);
    let router_mac = super::super::names::router_mac(ip(VTEP), 2001);
    let expected = [
        // Its hosts must not reach the node: the bridge is in a VRF with nothing in it.
        "link vrf-2001 Vrf { table: 2001 }".to_owned(),
        "unreachable 0.0.0.0/0 table 2001".to_owned(),
        "unreachable ::/0 table 2001".to_owned(),
        format!("link br-2001 Bridge {router_mac}"),
        "br-2001 master vrf-2001".to_owned(),
        "link vxlan-2001 Vxlan { vni: 2001, port: 4789, local: 172.30.1.1 }".to_owned(),
        "vxlan-2001 master br-2001".to_owned(),
        "vxlan-2001 learning false neigh_suppress true".to_owned(),
        "link vrf11111111-11 Veth { peer: \"ovs11111111-11\" }".to_owned(),
        "vrf11111111-11 master br-2001".to_owned(),
        "vrf11111111-11 learning false neigh_suppress false".to_owned(),
        "port ovs11111111-11 of br-ex tag None internal false".to_owned(),
        format!("fdb {VM_MAC} dev vrf11111111-11"),
        format!("172.24.4.10 dev br-2001 lladdr {VM_MAC}"),
    ];
    assert_eq!(node.objects(), expected.into());
}

#[test]
fn a_host_is_advertised_by_its_mac_once_for_each_address() {
    let mut node = node_of(bridged(2001));
    node.add(host(2001, "172.24.4.10/32"));
    let steps = node.add(host(2001, "2001:db8::10/128"));
    assert_eq!((advertises(&steps), steps.len()), (1, 2), "{steps:?}");
    let advert = |step: &Step| match step {
        Step::Advertise { destination, .. } => Some(*destination),
        _ => None,
    };
    let destination = Destination::Host {
        vni: 2001,
        mac: VM_MAC,
        address: Some(ip("2001:db8::10")),
    };
    assert_eq!(steps.iter().find_map(advert), Some(destination));
    node.remove(host(2001, "172.24.4.10/32"));
    has(
        &node.objects(),
        &[&format!("fdb {VM_MAC} dev vrf11111111-11")],
    );
    node.remove(host(2001, "2001:db8::10/128"));
    assert_eq!(node.objects(), BTreeSet::new());
}

#[test]
fn a_port_without_ip_address_is_an_entry_and_is_told_by_its_mac_alone() {
    let with = |macs: &[Option<MacAddr>]| {
        let mut tenant = bridged(2001);
        let network = tenant.networks.values_mut().next().unwrap();
        network.stations = macs
            .iter()
            .map(|mac| Station {
                port: "bare".into(),
                mac: *mac,
            })
            .collect();
        tenant
    };
    let mut node = node_of(with(&[Some(VM_MAC)]));
    let entry = format!("fdb {VM_MAC} dev vrf11111111-11");
    has(&node.objects(), &["vxlan-2001 master br-2001", &entry]);
    has_not(&node.objects(), "dev br-2001 lladdr");
    let alone = Destination::Host {
        vni: 2001,
        mac: VM_MAC,
        address: None,
    };
    assert!(node.wiring.wants(&alone));

    // What peers teach of it gives way, and counts again when it has left.
    let wishes = node.wiring.teach([remote(VM_MAC, "10.255.0.1", &[])]);
    node.tell(wishes);
    has_not(&node.objects(), "dst 10.255.0.1");
    let steps = node.tenant(with(&[None]));
    let withdrawn = |s: &Step| matches!(s, Step::Withdraw { destination } if *destination == alone);
    assert!(steps.iter().any(withdrawn), "{steps:?}");
    let elsewhere = format!("fdb {VM_MAC} dev vxlan-2001 dst 10.255.0.1");
    has(&node.objects(), &["vxlan-2001 master br-2001", &elsewhere]);
    has_not(&node.objects(), &entry);
    node.tenant(with(&[]));
    assert_eq!(node.objects(), BTreeSet::new());
}

#[test]
fn a_host_without_mac_is_not_advertised() {
    let mut node = node_of(bridged(2001));
    let nobody = Exposure {
        mac: None,
        ..host(2001, "172.24.4.10/32")
    };
    assert_eq!(advertises(&node.add(nobody)), 0);
}

#[test]
fn hosts_elsewhere_are_entries_towards_their_vtep_and_answered_for() {
    let mut node = node_of(bridged(2001));
    node.add(host(2001, "172.24.4.10/32"));
    let before = node.objects();
    let lessons = [
        remote(REMOTE, "10.255.0.1", &["172.24.4.20", "2001:db8::20"]),
        flood(&["10.255.0.1", "10.255.0.2"]),
    ];
    let wishes = node.wiring.teach(lessons);
    node.tell(wishes);
    has(
        &node.objects(),
        &[
            &format!("fdb {REMOTE} dev vxlan-2001 dst 10.255.0.1"),
            &format!("172.24.4.20 dev br-2001 lladdr {REMOTE}"),
            &format!("2001:db8::20 dev br-2001 lladdr {REMOTE}"),
            "flood dev vxlan-2001 dst 10.255.0.1",
            "flood dev vxlan-2001 dst 10.255.0.2",
        ],
    );
    // It moves, and another VTEP has gone.
    let lessons = [
        remote(REMOTE, "10.255.0.2", &["172.24.4.20"]),
        flood(&["10.255.0.2"]),
    ];
    let wishes = node.wiring.teach(lessons);
    node.tell(wishes);
    has(
        &node.objects(),
        &[&format!("fdb {REMOTE} dev vxlan-2001 dst 10.255.0.2")],
    );
    has_not(&node.objects(), "10.255.0.1");
    has_not(&node.objects(), "2001:db8::20");
    let gone = EvpnEvent::Host {
        vni: 2001,
        mac: Mac(REMOTE.0),
        host: None,
    };
    let wishes = node.wiring.teach([gone, flood(&[])]);
    node.tell(wishes);
    assert_eq!(node.objects(), before);
}

#[test]
fn a_host_that_comes_here_is_not_looked_for_elsewhere() {
    let mut node = node_of(bridged(2001));
    node.add(host(2001, "172.24.4.10/32"));
    let wishes = node
        .wiring
        .teach([remote(REMOTE, "10.255.0.1", &["172.24.4.20"])]);
    node.tell(wishes);
    let here = Exposure {
        mac: Some(REMOTE),
        ..host(2001, "172.24.4.20/32")
    };
    node.add(here.clone());
    has_not(&node.objects(), "10.255.0.1");
    has(
        &node.objects(),
        &[&format!("fdb {REMOTE} dev vrf11111111-11")],
    );
    node.remove(here);
    has(
        &node.objects(),
        &[&format!("fdb {REMOTE} dev vxlan-2001 dst 10.255.0.1")],
    );
}

#[test]
fn hosts_that_an_earlier_process_was_taught_stay_until_peers_have_spoken() {
    let mut before = node_of(bridged(2001));
    before.add(host(2001, "172.24.4.10/32"));
    let alone = before.objects();
    let lessons = [
        remote(REMOTE, "10.255.0.1", &["172.24.4.20", "2001:db8::20"]),
        flood(&["10.255.0.1"]),
    ];
    let wishes = before.wiring.teach(lessons.clone());
    before.tell(wishes);
    let found = before.reconciler.all_observed();
    let inherited = super::super::taught_before(&found);
    // The host here is no lesson, though it is a neighbour of the bridge.
    assert_eq!(inherited, lessons);
    let mut node = node_of(bridged(2001));
    node.add(host(2001, "172.24.4.10/32"));
    let wishes = node.wiring.inherit(inherited);
    node.tell(wishes);
    assert_eq!(node.objects(), before.objects());
    let wishes = node.wiring.forget_inherited();
    node.tell(wishes);
    assert_eq!(node.objects(), alone);
}

#[test]
fn another_layer_of_the_same_vni_builds_anew() {
    let mut node = node_of(tenant(2001));
    node.add(exposure(2001, "172.24.4.10/32"));
    node.change(
        &[host(2001, "172.24.4.10/32")],
        &[exposure(2001, "172.24.4.10/32")],
        &[(2001, Some(bridged(2001)))],
    );
    let objects = node.objects();
    has(&objects, &["vrf11111111-11 master br-2001"]);
    has_not(&objects, "in_port");
    has_not(&objects, "proxy");
    has_not(&objects, "172.24.4.10/32");
}
