//! Section 8.9, tenant networks.

use std::sync::Arc;

use super::cloud::{
    Cloud, LRP_MAC, gateway, gateway_of, id, interface, link, localnet, nets, redirect_on, scoped,
    vm,
};
use crate::config::TenantAdvertisement;
use crate::exposure::{Code, Kind, TenantExposure};
use crate::ovn::southbound::{BindingKind, PortBinding};

const NOTHING: [&str; 0] = [];
const HOST: &str = "10.0.0.5/32";
const SUBNET: &str = "10.0.0.0/24";
const NETWORKS: [&str; 2] = ["172.24.4.146/24", "2001:db8:4::146/64"];

/// A VM of the tenant network, bound to another chassis.
fn tenant(ips: &[&str]) -> PortBinding {
    PortBinding {
        chassis: Some(id("chassis-2")),
        ..vm("vm", "tenant", ips)
    }
}

fn cloud() -> Cloud {
    let mut cloud = Cloud::with_tenant();
    cloud.put(tenant(&["10.0.0.5"]));
    cloud
}

#[test]
fn b143_hosts_behind_a_gateway_here_are_exposed_wherever_they_are() {
    let mut cloud = cloud();
    assert_eq!(cloud.exposed_behind(), [HOST]);
    let exposure = cloud.exposure(HOST);
    assert_eq!((exposure.kind, &*exposure.port), (Kind::Tenant, "vm"));
    assert_eq!(&*exposure.network, "provider");
    assert_eq!(exposure.bridge().map(|b| &**b), Some("br-ex"));
    assert_eq!(exposure.via, Some("172.24.4.146".parse().unwrap()));
    assert_eq!(exposure.subnet, Some(SUBNET.parse().unwrap()));
    assert_eq!((exposure.mac, exposure.next_hop), (Some(LRP_MAC), None));
}

#[test]
fn b143_with_port_security_off_neutrons_addresses_count() {
    let mut cloud = cloud();
    cloud.put(PortBinding {
        addresses: Vec::new(),
        unknown: true,
        cidrs: nets(&["10.0.0.6/24"]),
        ..tenant(&[])
    });
    assert_eq!(cloud.exposed_behind(), ["10.0.0.6/32"]);
    cloud.put(PortBinding {
        addresses: Vec::new(),
        cidrs: nets(&["10.0.0.6/24"]),
        ..tenant(&[])
    });
    assert_eq!(cloud.exposed_behind(), NOTHING);
}

#[test]
fn b143_without_the_option_nothing_of_a_tenant_network_is_exposed() {
    let mut cloud = cloud();
    cloud.options.tenants = TenantExposure::Nothing;
    cloud.reconsider();
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(HOST).0, Code::TenantNetworksDisabled);
}

#[test]
fn b144_an_interface_made_or_deleted_later_is_followed() {
    let mut cloud = cloud();
    cloud.delta();
    for port in ["lrp-1", "lrp-1 on tenant"] {
        cloud.delete(port);
        assert_eq!(cloud.delta().removed.len(), 1, "{port}");
        assert_eq!(cloud.withheld(HOST).0, Code::NotRouted);
        cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24"]));
        assert_eq!(cloud.delta().added.len(), 1, "{port}");
    }
}

#[test]
fn b145_a_host_is_followed_by_the_gateways_chassis() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.put(PortBinding {
        chassis: None,
        ..tenant(&["10.0.0.5"])
    });
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(HOST).0, Code::NotBound);
    cloud.put(tenant(&["10.0.0.5"]));
    assert_eq!(cloud.delta().added.len(), 1);
    cloud.delete("vm");
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn b145_a_gateway_that_moves_takes_all_that_is_behind_it_along() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.put(redirect_on(Some("chassis-2"), &NETWORKS));
    assert_eq!(cloud.delta().removed.len(), 3);
    assert_eq!(cloud.withheld(HOST).0, Code::GatewayElsewhere);
    // A host that comes up meanwhile is the other chassis' to expose.
    cloud.put(vm("late", "tenant", &["10.0.0.6"]));
    assert!(cloud.delta().is_empty());
    cloud.put(redirect_on(Some("chassis-1"), &NETWORKS));
    assert_eq!(cloud.delta().added.len(), 4);
}

#[test]
fn b146_global_ipv6_alone() {
    let mut cloud = cloud();
    cloud.options.tenants = TenantExposure::GlobalIpv6;
    let networks = ["10.0.0.1/24", "2a01::1/64", "2001:db8::1/64"];
    cloud.put_all(interface("lrp-1", "tenant", &networks));
    cloud.put(tenant(&["10.0.0.5", "2a01::5", "2001:db8::5"]));
    assert_eq!(cloud.exposed_behind(), ["2a01::5/128"]);
    assert_eq!(cloud.withheld(HOST).0, Code::NotGlobal);
    assert_eq!(cloud.withheld("2001:db8::5/128").0, Code::NotGlobal);
}

#[test]
fn b146_address_scopes_of_the_interface_count_per_family() {
    let mut cloud = cloud();
    cloud.options.address_scopes = [Arc::from("s4")].into();
    let [lrp, switch_port] = interface("lrp-1", "tenant", &["10.0.0.1/24", "fd00::1/64"]);
    cloud.put(lrp);
    cloud.put(scoped(switch_port.clone(), Some("s4"), Some("s6")));
    cloud.put(tenant(&["10.0.0.5", "fd00::5"]));
    assert_eq!(cloud.exposed_behind(), [HOST]);
    assert_eq!(cloud.withheld("fd00::5/128").0, Code::AddressScope);
    cloud.put(scoped(switch_port, Some("other"), None));
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(HOST).0, Code::AddressScope);
}

#[test]
fn b147_every_network_of_an_interface_counts() {
    let mut cloud = cloud();
    cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24", "fd00::1/64"]));
    cloud.put(tenant(&["10.0.0.5", "fd00::5"]));
    assert_eq!(cloud.exposed_behind(), [HOST, "fd00::5/128"]);
    let via = cloud.exposure("fd00::5/128").via;
    assert_eq!(via, Some("2001:db8:4::146".parse().unwrap()));
}

#[test]
fn b147_one_network_of_two_that_goes_leaves_the_other() {
    let mut cloud = cloud();
    cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24", "fd00::1/64"]));
    cloud.put(tenant(&["10.0.0.5", "fd00::5"]));
    cloud.delta();
    cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24"]));
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.exposed_behind(), [HOST]);
}

#[test]
fn b151_what_is_behind_a_gateway_follows_its_localnet_port() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.put(localnet("provider", "physnet1", Some(9)));
    assert_eq!(cloud.delta().added.len(), 3);
    assert_eq!(cloud.exposure(HOST).vlan(), Some(9));
    cloud.delete("physnet1 of provider");
    assert_eq!(cloud.delta().removed.len(), 3);
    assert_eq!(cloud.withheld(HOST).0, Code::NoGateway);
}

#[test]
fn bugs_b12_subnets_are_exposed_in_place_of_their_hosts() {
    let mut cloud = cloud();
    cloud.options.advertisement = TenantAdvertisement::Subnet;
    cloud.reconsider();
    assert_eq!(cloud.exposed_behind(), [SUBNET]);
    let exposure = cloud.exposure(SUBNET);
    assert_eq!((exposure.kind, &*exposure.port), (Kind::Subnet, "lrp-1"));
    assert_eq!(exposure.via, Some("172.24.4.146".parse().unwrap()));
    assert_eq!(cloud.withheld(HOST).0, Code::SubnetAdvertised);
    cloud.put_all(interface("lrp-1", "tenant", &["10.0.1.1/24"]));
    assert_eq!(cloud.exposed_behind(), ["10.0.1.0/24"]);
    cloud.delete("lrp-1 on tenant");
    assert_eq!(cloud.exposed_behind(), NOTHING);
}

#[test]
fn bugs_b15_a_virtual_port_that_was_never_claimed_is_not_exposed() {
    let mut cloud = cloud();
    let virtual_port = |chassis: Option<&str>| PortBinding {
        kind: BindingKind::Virtual,
        chassis: chassis.map(id),
        ..tenant(&["10.0.0.5"])
    };
    cloud.put(virtual_port(None));
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(HOST).0, Code::NeverClaimed);
    cloud.put(virtual_port(Some("chassis-2")));
    assert_eq!(cloud.exposed_behind(), [HOST]);
}

#[test]
fn bugs_b18_of_several_gateway_addresses_the_first_is_the_next_hop() {
    let mut cloud = cloud();
    cloud.put(redirect_on(
        Some("chassis-1"),
        &["172.24.5.9/24", "172.24.4.9/24"],
    ));
    cloud.delta();
    let via = cloud.exposure(HOST).via;
    assert_eq!(via, Some("172.24.5.9".parse().unwrap()));
}

#[test]
fn note_n5_without_a_gateway_address_of_the_family_it_is_withheld() {
    let mut cloud = cloud();
    cloud.put(redirect_on(Some("chassis-1"), &["2001:db8:4::146/64"]));
    cloud.delta();
    let (code, reason) = cloud.withheld(HOST);
    assert_eq!(code, Code::NoNextHop);
    assert!(reason.contains("lrp-gw"), "{reason}");
}

#[test]
fn note_n6_a_host_that_no_interface_covers_is_withheld() {
    let mut cloud = cloud();
    cloud.put(tenant(&["10.0.7.5"]));
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld("10.0.7.5/32").0, Code::NotRouted);
}

#[test]
fn decision_d21_a_router_without_gateway_exposes_nothing() {
    let mut cloud = cloud();
    cloud.delete("cr-lrp-gw");
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(HOST).0, Code::NoGateway);
}

#[test]
fn b091_a_host_is_exposed_through_each_router_with_a_gateway_here() {
    let mut cloud = cloud();
    cloud.datapath("other router", true);
    cloud.put_all(gateway_of(
        "other router",
        "lrp-gw2",
        "provider",
        &["172.24.4.147/24"],
    ));
    cloud.put_all(link("other router", "lrp-2", "tenant", &["10.0.0.2/24"]));
    cloud.delta();
    let decision = cloud.decide();
    let through = decision
        .exposures
        .iter()
        .filter(|e| e.prefix.to_string() == HOST);
    let vias: Vec<_> = through.map(|e| e.via.unwrap().to_string()).collect();
    assert_eq!(vias, ["172.24.4.146", "172.24.4.147"]);
    cloud.delete("cr-lrp-gw");
    cloud.delta();
    assert_eq!(
        cloud.exposure(HOST).via,
        Some("172.24.4.147".parse().unwrap())
    );
}

#[test]
fn b091_of_a_routers_two_gateways_here_the_first_by_name_is_the_way() {
    let mut cloud = cloud();
    cloud.put_all(gateway("lrp-first", &["172.24.4.200/24"]));
    cloud.delta();
    assert_eq!(
        cloud.exposure(HOST).via,
        Some("172.24.4.200".parse().unwrap())
    );
    // Without an address of the family it is no way.
    cloud.put_all(gateway("lrp-first", &["2001:db8:4::200/64"]));
    cloud.delta();
    assert_eq!(
        cloud.exposure(HOST).via,
        Some("172.24.4.146".parse().unwrap())
    );
    let [redirect, ..] = gateway("lrp-first", &["172.24.4.200/24"]);
    cloud.put(PortBinding {
        chassis: Some(id("chassis-2")),
        ..redirect
    });
    cloud.delta();
    assert_eq!(
        cloud.exposure(HOST).via,
        Some("172.24.4.146".parse().unwrap())
    );
}

#[test]
fn a_provider_network_behind_a_router_is_exposed_through_that_too() {
    let mut cloud = cloud();
    cloud.datapath("internal", false);
    cloud.put(localnet("internal", "physnet1", Some(125)));
    cloud.put_all(interface("lrp-2", "internal", &["172.30.0.1/24"]));
    cloud.put(vm("guest", "internal", &["172.30.0.5"]));
    cloud.delta();
    let decision = cloud.decide();
    let guests = decision.exposures.iter().filter(|e| &*e.port == "guest");
    let kinds: Vec<_> = guests.map(|e| (e.kind, e.vlan())).collect();
    assert_eq!(kinds, [(Kind::Provider, Some(125)), (Kind::Tenant, None)]);
}

#[test]
fn routers_linked_to_each_other_are_no_networks() {
    let mut cloud = cloud();
    cloud.datapath("other router", true);
    cloud.put_all(link("other router", "lrp-a", "router", &["10.9.0.1/24"]));
    cloud.options.advertisement = TenantAdvertisement::Subnet;
    cloud.reconsider();
    assert_eq!(cloud.exposed_behind(), [SUBNET]);
}

#[test]
fn a_datapath_read_after_its_ports_is_recognised() {
    let mut cloud = cloud();
    for datapath in ["router", "tenant"] {
        cloud.delete_datapath(datapath);
    }
    assert_eq!(cloud.exposed(), NOTHING);
    cloud.datapath("router", true);
    cloud.datapath("tenant", false);
    assert_eq!(cloud.exposed_behind(), [HOST]);
    // One that turns out to be a switch.
    cloud.datapath("router", false);
    assert_eq!(cloud.exposed(), NOTHING);
}

#[test]
fn a_gateway_port_that_becomes_an_interface_is_followed() {
    let mut cloud = cloud();
    cloud.delta();
    let [_, mut lrp, _] = gateway("lrp-gw", &NETWORKS);
    if let BindingKind::Patch(patch) = &mut lrp.kind {
        patch.redirect = None;
    }
    cloud.put(vm("guest", "provider", &["172.24.4.10"]));
    cloud.put(lrp);
    cloud.delete("cr-lrp-gw");
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}
