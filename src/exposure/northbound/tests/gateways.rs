//! Section 8.5, gateways.

use super::cloud::{Cloud, LRP_MAC, gateway, vm};
use crate::exposure::{Code, Kind};
use crate::ovn::northbound::RouterPort;

const NOTHING: [&str; 0] = [];
const BOTH: [&str; 2] = ["172.24.4.146/32", "2001:db8::146/128"];

fn dual_stack() -> RouterPort {
    gateway("lrp-1", &["172.24.4.146/24", "2001:db8::146/64"])
}

#[test]
fn b074_a_gateway_hosted_here_is_exposed_with_its_mac_and_gateways_proxied() {
    let mut cloud = Cloud::new();
    cloud.router_port(dual_stack());
    assert_eq!(cloud.exposed(), BOTH);
    let exposure = cloud.exposure(BOTH[0]);
    assert_eq!(exposure.kind, Kind::Gateway);
    assert_eq!(exposure.mac, Some(LRP_MAC));
    assert_eq!(
        exposure.reason.to_string(),
        "gateway port lrp-1 is hosted by this chassis (chassis-1)"
    );
    let first: std::net::Ipv6Addr = "2001:db8::".parse().unwrap();
    assert!(cloud.proxied(BOTH[1]).contains(&first));
}

#[test]
fn b075_it_follows_hosting_chassis() {
    let mut cloud = Cloud::new();
    for (chassis, code) in [
        (Some("chassis-2"), Code::ElsewhereBound),
        (None, Code::NotBound),
    ] {
        cloud.router_port(RouterPort {
            hosting_chassis: chassis.map(Into::into),
            ..dual_stack()
        });
        assert_eq!(cloud.exposed(), NOTHING);
        assert_eq!(cloud.withheld(BOTH[0]).0, code);
        cloud.router_port(dual_stack());
        assert_eq!(cloud.delta().added.len(), 2);
    }
}

#[test]
fn b075_a_server_without_the_column_withholds_gateways_with_a_reason() {
    let mut cloud = Cloud::new();
    cloud.nb.set_lacks_hosting_chassis(true);
    cloud.router_port(RouterPort {
        hosting_chassis: None,
        ..dual_stack()
    });
    assert_eq!(cloud.exposed(), NOTHING);
    let (code, reason) = cloud.withheld(BOTH[0]);
    assert_eq!(code, Code::NotSupported);
    assert!(reason.contains("OVN 23.09"), "{reason}");
}

#[test]
fn b076_a_deleted_gateway_is_withdrawn() {
    let mut cloud = Cloud::new();
    cloud.router_port(dual_stack());
    cloud.delta();
    cloud.delete_router_port("lrp-1");
    assert_eq!(cloud.delta().removed.len(), 2);
}

#[test]
fn b077_one_without_networks_is_ignored() {
    let mut cloud = Cloud::new();
    cloud.router_port(gateway("lrp-1", &[]));
    assert_eq!(cloud.exposed(), NOTHING);
}

#[test]
fn b078_of_a_router_only_the_gateways_addresses_are_exposed() {
    let mut cloud = Cloud::new();
    cloud.router_port(dual_stack());
    cloud.router_port(RouterPort {
        hosting_chassis: None,
        is_gateway: false,
        network: Some("tenant".into()),
        ..gateway("lrp-2", &["10.0.0.1/24"])
    });
    cloud.port(vm("vm", "tenant", &["10.0.0.5"]));
    cloud.router(true, &["lrp-1", "lrp-2"], &[]);
    assert_eq!(cloud.exposed(), BOTH);
}

#[test]
fn bugs_b16_every_network_of_a_gateway_counts() {
    let mut cloud = Cloud::new();
    cloud.router_port(gateway("lrp-1", &["172.24.4.146/24", "172.24.5.146/24"]));
    assert_eq!(cloud.exposed(), ["172.24.4.146/32", "172.24.5.146/32"]);
}

#[test]
fn bugs_b30_a_disabled_routers_gateway_is_withheld() {
    let mut cloud = Cloud::new();
    cloud.router_port(dual_stack());
    cloud.router(true, &["lrp-1"], &[]);
    assert_eq!(cloud.exposed(), BOTH);
    cloud.router(false, &["lrp-1"], &[]);
    assert_eq!(cloud.delta().removed.len(), 2);
    assert_eq!(cloud.withheld(BOTH[0]).0, Code::RouterDisabled);
}

#[test]
fn a_gateways_changed_network_replaces_the_old_address() {
    let mut cloud = Cloud::new();
    cloud.router_port(dual_stack());
    cloud.delta();
    cloud.router_port(gateway("lrp-1", &["172.24.4.147/24", "2001:db8::146/64"]));
    let delta = cloud.delta();
    assert_eq!((delta.added.len(), delta.removed.len()), (1, 1));
}
