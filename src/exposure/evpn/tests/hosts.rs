//! Which hosts are advertised, and which not.

use super::*;
use crate::exposure::southbound::tests::cloud::{LRP_MAC, node};
use crate::exposure::{Kind, Layer};
use crate::reconcile::Destination;

const HOSTS: [&str; 2] = ["77 10.0.0.5/32", "77 fd00::5/128"];
const NOTHING: [&str; 0] = [];

#[test]
fn b153_hosts_behind_a_tenants_gateway_here_are_exposed_in_its_vni() {
    let mut node = Node::new();
    assert_eq!(node.exposed(), HOSTS);
    let host = node.exposure("10.0.0.5/32");
    assert_eq!((host.kind, &*host.port), (Kind::Tenant, "vm"));
    assert_eq!((host.vni, host.layer), (Some(77), Layer::Routed));
    assert_eq!(host.via, Some("172.24.4.146".parse().unwrap()));
    assert_eq!(host.subnet, Some("10.0.0.0/24".parse().unwrap()));
    assert_eq!((host.mac, host.next_hop), (Some(LRP_MAC), None));
    assert_eq!(&*host.network, "provider");
    assert_eq!(host.bridge().map(|b| &**b), Some("br-ex"));
    let (vni, prefix) = (77, host.prefix);
    assert_eq!(host.destination(), Destination::Tenant { vni, prefix });
}

#[test]
fn b153_neither_gateways_nor_subnets_nor_provider_ports_are_advertised() {
    let mut node = Node::new();
    node.cloud
        .put(vm("provider-vm", "provider", &["172.24.4.9"]));
    assert_eq!(node.exposed(), HOSTS);
}

#[test]
fn b154_without_keys_all_is_gone_and_the_other_vni_untouched() {
    let mut node = Node::with_other("78", "65000");
    let other = "78 10.0.0.5/32";
    assert_eq!(node.exposed(), [HOSTS[0], HOSTS[1], other]);
    for port in [GATEWAY_PORT, INTERFACE_PORT] {
        for (vni, asn) in [(None, None), (Some("77"), None), (None, Some("65000"))] {
            node.cloud.join(port, vni, asn);
            let delta = node.delta();
            assert_eq!((delta.added.len(), delta.removed.len()), (0, 2), "{port}");
            assert!(!delta.tenants.contains_key(&78));
            assert_eq!(node.exposed(), [other], "{port}");
            let (code, why) = node.withheld("fd00::5/128");
            assert_eq!(code, Code::NoVni);
            assert!(why.contains(port) && why.contains("is not set"), "{why}");
            // The second key alone, added later, is enough.
            node.join(port, "77", "65000");
            assert_eq!(node.delta().added.len(), 2, "{port}");
        }
    }
}

#[test]
fn b155_an_interface_of_another_vni_or_as_is_withheld_and_told() {
    for (vni, asn) in [("78", "65000"), ("77", "65001")] {
        let mut node = Node::new();
        node.delta();
        node.join(INTERFACE_PORT, vni, asn);
        assert_eq!(node.delta().removed.len(), 2);
        for prefix in ["10.0.0.5/32", "10.0.0.0/24", "fd00::/64"] {
            let (code, why) = node.withheld(prefix);
            assert_eq!(code, Code::VniMismatch, "{prefix}");
            for part in [INTERFACE_PORT, vni, asn, "lrp-gw, 77 and 65000"] {
                assert!(why.contains(part), "{why}");
            }
        }
    }
}

#[test]
fn a_key_that_cannot_be_read_is_told_and_stops_nothing_else() {
    let mut node = Node::with_other("78", "65000");
    node.join(GATEWAY_PORT, "seventy", "65000");
    assert_eq!(node.exposed(), ["78 10.0.0.5/32"]);
    let (code, why) = node.withheld("fd00::5/128");
    assert_eq!(code, Code::NoVni);
    assert!(why.contains("'seventy' is no number"), "{why}");
}

#[test]
fn b155_a_vni_that_two_gateways_say_differently_is_the_firsts() {
    let mut node = Node::with_other("77", "65001");
    assert_eq!(node.exposed(), HOSTS);
    let decision = node.decide();
    let other = decision.withheld.iter().find(|w| &*w.port == "vm-2");
    let other = other.unwrap();
    assert_eq!(other.code, Code::VniMismatch);
    assert!(
        other.reason.contains("first gateway port lrp-gw "),
        "{other:?}"
    );
    // With the first gateway gone, the VNI is the other's.
    node.cloud.delete("cr-lrp-gw");
    assert_eq!(node.exposed(), ["77 10.0.0.5/32"]);
    assert_eq!(node.tenant(77).asn, Some(65001));
}

#[test]
fn b156_a_vlan_provider_network_is_named_with_its_vlan() {
    let mut node = Node::new();
    node.vlan(123);
    assert_eq!(node.exposed(), HOSTS);
    assert_eq!(node.exposure("10.0.0.5/32").vlan(), Some(123));
}

#[test]
fn b157_ipv6_hosts_are_reached_through_the_gateways_ipv6_address() {
    let node = Node::new();
    let host = node.exposure("fd00::5/128");
    assert_eq!(host.via, Some("2001:db8:4::146".parse().unwrap()));
    assert_eq!(host.subnet, Some("fd00::/64".parse().unwrap()));
}

#[test]
fn n5_without_gateway_address_of_the_family_there_is_no_next_hop() {
    let mut node = Node::new();
    node.cloud
        .put_all(gateway_of("router", "lrp-gw", "provider", &NETWORKS[..1]));
    assert_eq!(node.exposed(), HOSTS[..1]);
    assert_eq!(node.withheld("fd00::5/128").0, Code::NoNextHop);
    assert_eq!(node.withheld("fd00::/64").0, Code::NoNextHop);
}

#[test]
fn b158_a_gateway_that_moves_from_chassis_to_chassis_takes_all_with_it() {
    let mut node = Node::new();
    node.delta();
    let on = |chassis: &str| {
        let [redirect, ..] = gateway_of("router", "lrp-gw", "provider", &NETWORKS);
        PortBinding {
            chassis: Some(id(chassis)),
            ..redirect
        }
    };
    node.cloud.put(on("chassis-2"));
    let delta = node.delta();
    assert_eq!((delta.added.len(), delta.removed.len()), (0, 2));
    assert_eq!(delta.tenants.get(&77), Some(&None));
    let (code, why) = node.withheld("10.0.0.5/32");
    assert_eq!(code, Code::GatewayElsewhere);
    assert!(why.contains("chassis is chassis-2"), "{why}");
    node.cloud.put(on("chassis-1"));
    let delta = node.delta();
    assert_eq!((delta.added.len(), delta.removed.len()), (2, 0));
    assert!(matches!(delta.tenants.get(&77), Some(Some(_))));
}

#[test]
fn hosts_count_only_while_they_are_up_and_on_a_router() {
    let mut node = Node::new();
    let host = |row| PortBinding {
        chassis: Some(id("chassis-2")),
        ..row
    };
    let row = host(vm("vm", "tenant", &["10.0.0.5"]));
    node.cloud.put(PortBinding { up: false, ..row });
    assert_eq!(node.exposed(), NOTHING);
    assert_eq!(node.withheld("10.0.0.5/32").0, Code::PortDown);
    node.cloud.put(host(vm("vm", "tenant", &["10.9.0.5"])));
    assert_eq!(node.exposed(), NOTHING);
    assert_eq!(node.withheld("10.9.0.5/32").0, Code::NotRouted);
}

#[test]
fn a_provider_network_that_is_not_mapped_here_leads_nowhere() {
    let mut node = Node::new();
    assert_eq!(node.exposed(), HOSTS);
    node.cloud.node = self::node("physnet9:br-9");
    assert_eq!(node.reconsider().removed.len(), 2);
    assert_eq!(node.withheld("10.0.0.5/32").0, Code::NoGateway);
    assert!(node.decide().tenants.is_empty());
}
