//! Section 8.9, gateways.

use super::cloud::{Cloud, GATEWAY, LRP_MAC, gateway, id, localnet, node, redirect_on};
use crate::exposure::{Code, Kind};
use crate::ovn::southbound::{BindingKind, PortBinding};

const NOTHING: [&str; 0] = [];
const NETWORKS: [&str; 2] = ["172.24.4.146/24", "2001:db8:4::146/64"];

fn cloud() -> Cloud {
    let mut cloud = Cloud::new();
    cloud.put_all(gateway("lrp-gw", &NETWORKS));
    cloud
}

#[test]
fn b142_a_gateway_bound_here_is_exposed_with_its_mac_and_gateways_proxied() {
    let mut cloud = cloud();
    assert_eq!(cloud.exposed(), GATEWAY);
    let exposure = cloud.exposure(GATEWAY[0]);
    assert_eq!(
        (exposure.kind, exposure.mac),
        (Kind::Gateway, Some(LRP_MAC))
    );
    assert_eq!(
        (&*exposure.port, &*exposure.network),
        ("lrp-gw", "provider")
    );
    let first: std::net::Ipv6Addr = "2001:db8:4::".parse().unwrap();
    assert!(cloud.exposure(GATEWAY[1]).proxied.contains(&first));
    assert!(exposure.proxied.is_empty());
}

#[test]
fn b142_it_follows_the_chassis() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.put(redirect_on(Some("chassis-2"), &NETWORKS));
    assert_eq!(cloud.delta().removed.len(), 2);
    assert_eq!(cloud.withheld(GATEWAY[0]).0, Code::ElsewhereBound);
    cloud.put(redirect_on(None, &NETWORKS));
    assert!(cloud.delta().is_empty());
    assert_eq!(cloud.withheld(GATEWAY[0]).0, Code::NotBound);
    cloud.put(redirect_on(Some("chassis-1"), &NETWORKS));
    assert_eq!(cloud.delta().added.len(), 2);
}

#[test]
fn b142_without_its_switch_or_its_mapping_it_is_withheld() {
    let mut cloud = cloud();
    cloud.delete("lrp-gw on provider");
    assert_eq!(cloud.exposed(), NOTHING);
    let (code, reason) = cloud.withheld(GATEWAY[0]);
    assert_eq!(code, Code::PhysicalNetworkNotMapped);
    assert!(reason.contains("peer is lrp-gw"), "{reason}");

    let mut cloud = self::cloud();
    cloud.node = node("");
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(GATEWAY[0]).0, Code::PhysicalNetworkNotMapped);
}

#[test]
fn b142_a_switchs_chassis_redirect_port_is_no_gateway() {
    let mut cloud = cloud();
    let [redirect, ..] = gateway("lrp-gw", &NETWORKS);
    cloud.put(PortBinding {
        uuid: id("cr-switch-port"),
        logical_port: "cr-switch-port".into(),
        kind: BindingKind::ChassisRedirect {
            distributed_port: Some("lrp-gw on provider".into()),
        },
        datapath: Some(id("provider")),
        ..redirect
    });
    assert_eq!(cloud.exposed(), GATEWAY);
}

#[test]
fn b151_a_gateway_follows_the_localnet_port_of_its_network() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.put(localnet("provider", "physnet1", Some(9)));
    assert_eq!(cloud.delta().added.len(), 2);
    assert_eq!(cloud.exposure(GATEWAY[0]).vlan(), Some(9));
}

#[test]
fn bugs_b16_every_network_of_a_gateway_counts() {
    let mut cloud = Cloud::new();
    cloud.put_all(gateway("lrp-gw", &["172.24.4.146/24", "172.24.5.146/24"]));
    assert_eq!(cloud.exposed(), ["172.24.4.146/32", "172.24.5.146/32"]);
}

#[test]
fn bugs_b25_a_gateway_whose_chassis_row_is_gone_is_withdrawn() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.delete_chassis("chassis-1");
    assert_eq!(cloud.delta().removed.len(), 2);
}
