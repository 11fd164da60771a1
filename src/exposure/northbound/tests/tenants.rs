//! Section 8.5: hosts of tenant networks behind the gateways that are here.

use super::cloud::{Cloud, LRP_MAC, gateway, hosts, id, inner_port, interface, vm};
use crate::exposure::{Code, Kind, Options, TenantExposure};
use crate::ovn::AddressScopes;
use crate::ovn::northbound::{FipMode, PortKind, SwitchPort};

const GATEWAY: [&str; 2] = ["172.24.4.146/32", "2001:db8::146/128"];
const VM4: &str = "10.0.0.5/32";
const VM6: &str = "fd00::5/128";

/// A dual-stack VM elsewhere.
fn tenant_vm() -> SwitchPort {
    SwitchPort {
        requested_chassis: hosts(&["host-2"]),
        ..vm("vm", "tenant", &["10.0.0.5", "fd00::5"])
    }
}

fn cloud() -> Cloud {
    let mut cloud = Cloud::routed();
    cloud.port(tenant_vm());
    cloud
}

/// What is exposed besides the gateway's own addresses.
fn behind(cloud: &mut Cloud) -> Vec<String> {
    let mut exposed = cloud.exposed();
    exposed.retain(|prefix| !GATEWAY.contains(&&**prefix));
    exposed
}

#[test]
fn b078_without_the_option_only_the_gateway_is_exposed() {
    let mut cloud = cloud();
    cloud.options = Options::default();
    assert_eq!(cloud.exposed(), GATEWAY);
    assert_eq!(cloud.withheld(VM4).0, Code::TenantNetworksDisabled);
    assert_eq!(cloud.withheld(VM6).0, Code::TenantNetworksDisabled);
}

#[test]
fn b079_tenant_subnet_wiring() {
    let mut cloud = cloud();
    assert_eq!(behind(&mut cloud), [VM4, VM6]);
    let exposure = cloud.exposure(VM4);
    assert_eq!(exposure.kind, Kind::Tenant);
    assert_eq!(exposure.via, "172.24.4.146".parse().ok());
    assert_eq!(exposure.subnet, "10.0.0.0/24".parse().ok());
    assert_eq!(exposure.bridge().map(|b| &**b), Some("br-ex"));
    assert_eq!(&*exposure.network, "provider");
    assert_eq!(exposure.mac, Some(LRP_MAC), "the gateway's");
    assert_eq!(
        exposure.reason.to_string(),
        "port vm of a tenant network is reached through gateway port lrp-gw, hosted by this chassis"
    );
}

#[test]
fn b079_a_vm_is_exposed_wherever_it_runs() {
    let mut cloud = cloud();
    for host in ["host-1", "host-2", "host-3"] {
        cloud.port(SwitchPort {
            requested_chassis: hosts(&[host]),
            ..tenant_vm()
        });
        assert_eq!(behind(&mut cloud), [VM4, VM6], "{host}");
    }
}

#[test]
fn b079_an_interface_of_a_cloud_without_neutron_counts() {
    let mut cloud = cloud();
    let mut plain = interface("if", "tenant");
    let inside = plain.interface.as_mut().unwrap();
    (inside.owner, inside.router) = (None, None);
    cloud.port(plain);
    assert_eq!(behind(&mut cloud), [VM4, VM6]);
}

#[test]
fn b080_next_hops_are_of_the_subnets_family() {
    let mut cloud = cloud();
    assert_eq!(cloud.exposure(VM6).via, "2001:db8::146".parse().ok());
    cloud.router_port(gateway("lrp-gw", &["172.24.4.146/24"]));
    assert_eq!(behind(&mut cloud), [VM4]);
    assert_eq!(cloud.withheld(VM6).0, Code::NoNextHop);
    // The same of the subnet as a whole.
    cloud.options.advertisement = crate::config::TenantAdvertisement::Subnet;
    let decision = cloud.decide();
    assert!(decision.exposures.iter().all(|e| e.prefix.addr().is_ipv4()));
    assert_eq!(cloud.withheld("fd00::/64").0, Code::NoNextHop);
}

#[test]
fn b081_a_vm_comes_and_goes() {
    let mut cloud = Cloud::routed();
    cloud.delta();
    let down = SwitchPort {
        up: false,
        ..tenant_vm()
    };
    cloud.port(down.clone());
    assert!(cloud.delta().is_empty());
    assert_eq!(cloud.withheld(VM4).0, Code::PortDown);
    cloud.port(tenant_vm());
    assert_eq!(cloud.delta().added.len(), 2);
    cloud.port(down);
    assert_eq!(cloud.delta().removed.len(), 2);
    cloud.port(tenant_vm());
    cloud.delta();
    cloud.delete_port("vm");
    assert_eq!(cloud.delta().removed.len(), 2);
}

#[test]
fn b081_up_may_flap_while_a_vm_migrates() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2", "host-3"]),
        up: false,
        ..tenant_vm()
    });
    assert!(cloud.delta().is_empty());
}

#[test]
fn b082_the_gateways_own_switch_port_is_no_interface() {
    let mut cloud = cloud();
    let mut port = interface("if", "tenant");
    port.interface.as_mut().unwrap().owner = Some("network:router_gateway".into());
    cloud.port(port);
    assert_eq!(behind(&mut cloud), [""; 0]);
    assert_eq!(cloud.withheld(VM4).0, Code::NotRouted);
}

#[test]
fn b083_an_interface_down_deleted_or_reassigned_takes_its_hosts_with_it() {
    let mut cloud = cloud();
    cloud.delta();
    let mut down = interface("if", "tenant");
    down.up = false;
    cloud.port(down);
    assert_eq!(cloud.delta().removed.len(), 2);
    assert_eq!(cloud.withheld(VM4).0, Code::PortDown);
    cloud.port(interface("if", "tenant"));
    assert_eq!(cloud.delta().added.len(), 2);
    let mut reassigned = interface("if", "tenant");
    reassigned.interface.as_mut().unwrap().router = Some("another".into());
    cloud.port(reassigned);
    assert_eq!(cloud.delta().removed.len(), 2);
    cloud.port(interface("if", "tenant"));
    cloud.delta();
    cloud.delete_port("if");
    assert_eq!(cloud.delta().removed.len(), 2);
    assert_eq!(cloud.withheld(VM4).0, Code::NotRouted);
}

#[test]
fn b084_a_gateway_that_moves_away_takes_everything_with_it() {
    let mut cloud = cloud();
    cloud.delta();
    for chassis in [Some("chassis-2"), None] {
        cloud.gateway_at(chassis);
        cloud.port(vm("late", "tenant", &["10.0.0.6"]));
        assert_eq!(cloud.exposed(), [""; 0]);
        assert_eq!(cloud.withheld(VM4).0, Code::GatewayElsewhere);
        assert_eq!(cloud.withheld("10.0.0.6/32").0, Code::GatewayElsewhere);
        cloud.gateway_at(Some("chassis-1"));
        cloud.delta();
    }
}

#[test]
fn b085_a_gateway_that_comes_brings_everything() {
    let mut cloud = cloud();
    cloud.gateway_at(Some("chassis-2"));
    cloud.delta();
    cloud.port(vm("late", "tenant", &["10.0.0.6"]));
    assert!(cloud.delta().is_empty());
    cloud.gateway_at(Some("chassis-1"));
    assert_eq!(cloud.delta().added.len(), 2 + 3);
}

#[test]
fn b085_southbound_says_first_where_a_gateway_is() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.bind("cr-lrp-gw", "chassis-2");
    assert_eq!(cloud.delta().removed.len(), 2 + 2);
    let (code, why) = cloud.withheld(GATEWAY[0]);
    assert_eq!(code, Code::ElsewhereBound);
    assert!(why.contains("Port_Binding.chassis is chassis-2"), "{why}");
    assert_eq!(cloud.withheld(VM4).0, Code::GatewayElsewhere);
    // northd's copy comes late, and says nothing new.
    cloud.gateway_at(Some("chassis-2"));
    assert!(cloud.delta().is_empty());
    cloud.bind("cr-lrp-gw", "chassis-1");
    assert_eq!(cloud.delta().added.len(), 2 + 2);
}

#[test]
fn b086_global_ipv6_alone() {
    let mut cloud = cloud();
    cloud.interface("if2", "tenant", &["2a01:1::1/64", "2001:db8:5::1/64"]);
    cloud.router(true, &["lrp-gw", "lrp-if", "lrp-if2"], &[]);
    cloud.port(vm("global", "tenant", &["2a01:1::5", "2001:db8:5::5"]));
    cloud.options.tenants = TenantExposure::GlobalIpv6;
    assert_eq!(behind(&mut cloud), ["2a01:1::5/128"]);
    for prefix in [VM4, VM6, "2001:db8:5::5/128"] {
        assert_eq!(cloud.withheld(prefix).0, Code::NotGlobal, "{prefix}");
    }
}

#[test]
fn b087_with_method_subnet_the_subnet_stands_for_its_hosts() {
    let mut cloud = cloud();
    cloud.options.advertisement = crate::config::TenantAdvertisement::Subnet;
    assert_eq!(behind(&mut cloud), ["10.0.0.0/24", "fd00::/64"]);
    let exposure = cloud.exposure("10.0.0.0/24");
    assert_eq!(exposure.kind, Kind::Subnet);
    assert_eq!(exposure.via, "172.24.4.146".parse().ok());
    assert_eq!(exposure.subnet, Some(exposure.prefix));
    assert_eq!(&*exposure.port, "if");
    assert_eq!(cloud.withheld(VM4).0, Code::SubnetAdvertised);
    cloud.delete_port("if");
    assert_eq!(cloud.delta().removed.len(), 2);
}

#[test]
fn b088_what_the_router_hides_is_withheld_by_family() {
    let mut cloud = cloud();
    cloud.options.require_snat_disabled = true;
    assert_eq!(behind(&mut cloud), [VM4, VM6]);
    cloud.snat("10.0.0.0/24");
    cloud.router(true, &["lrp-gw", "lrp-if"], &["10.0.0.0/24"]);
    assert_eq!(behind(&mut cloud), [VM6]);
    let (code, why) = cloud.withheld(VM4);
    assert_eq!(code, Code::BehindSnat);
    assert!(why.contains(&id("10.0.0.0/24").to_string()), "{why}");
    // SNAT is disabled later: the row goes.
    cloud.delete_nat("10.0.0.0/24");
    assert_eq!(behind(&mut cloud), [VM4, VM6]);
    // The same of the subnet as a whole.
    cloud.snat("10.0.0.0/24");
    cloud.options.advertisement = crate::config::TenantAdvertisement::Subnet;
    assert_eq!(behind(&mut cloud), ["fd00::/64"]);
    assert_eq!(cloud.withheld("10.0.0.0/24").0, Code::BehindSnat);
}

#[test]
fn b089_scopes_are_those_of_the_router_interface() {
    let mut cloud = cloud();
    cloud.options.address_scopes = [std::sync::Arc::from("s4")].into();
    assert_eq!(behind(&mut cloud), [""; 0]);
    assert_eq!(cloud.withheld(VM4).0, Code::AddressScope);
    let mut scoped = interface("if", "tenant");
    scoped.interface.as_mut().unwrap().scopes = AddressScopes {
        v4: Some("s4".into()),
        v6: Some("other".into()),
    };
    cloud.port(scoped);
    assert_eq!(behind(&mut cloud), [VM4]);
    assert_eq!(cloud.withheld(VM6).0, Code::AddressScope);
    cloud.port(vm("late", "tenant", &["10.0.0.6", "fd00::6"]));
    assert_eq!(behind(&mut cloud), [VM4, "10.0.0.6/32"]);
}

#[test]
fn b090_one_of_two_subnets_is_detached() {
    let mut cloud = cloud();
    cloud.interface("if2", "tenant", &["10.0.1.1/24"]);
    cloud.router(true, &["lrp-gw", "lrp-if", "lrp-if2"], &[]);
    cloud.port(vm("second", "tenant", &["10.0.1.5"]));
    assert_eq!(behind(&mut cloud), [VM4, "10.0.1.5/32", VM6]);
    cloud.delete_port("if2");
    cloud.delete_router_port("lrp-if2");
    cloud.router(true, &["lrp-gw", "lrp-if"], &[]);
    assert_eq!(behind(&mut cloud), [VM4, VM6]);
    // B27: one subnet of a router port.
    cloud.router_port(inner_port("if", "tenant", &["10.0.0.1/24"]));
    assert_eq!(behind(&mut cloud), [VM4]);
    assert_eq!(cloud.withheld(VM6).0, Code::NotRouted);
}

#[test]
fn b091_a_router_with_two_gateways_sends_and_receives_through_the_default_route() {
    let mut cloud = cloud();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    let mut second = gateway("lrp-a", &["192.0.2.146/24"]);
    second.network = Some("vlan".into());
    cloud.router_port(second);
    let ports = ["lrp-gw", "lrp-a", "lrp-if"];
    cloud.router(true, &ports, &[]);
    assert_eq!(cloud.exposed().len(), 3 + 2);
    // Without a default route, the first by name that has the family.
    assert_eq!(cloud.exposure(VM4).via, "192.0.2.146".parse().ok());
    assert_eq!(cloud.exposure(VM4).vlan(), Some(100));
    assert_eq!(cloud.exposure(VM6).via, "2001:db8::146".parse().ok());
    cloud.default_route("172.24.4.1");
    cloud.router_with(true, &ports, &[], &["172.24.4.1"]);
    cloud.delta();
    assert_eq!(cloud.exposure(VM4).via, "172.24.4.146".parse().ok());
    // One of them elsewhere: the other serves this chassis.
    cloud.gateway_at(Some("chassis-2"));
    assert_eq!(cloud.exposed(), [VM4, "192.0.2.146/32"]);
    assert_eq!(cloud.exposure(VM4).via, "192.0.2.146".parse().ok());
}

#[test]
fn bugs_b18_of_several_gateway_addresses_the_default_route_chooses() {
    let mut cloud = cloud();
    cloud.router_port(gateway("lrp-gw", &["172.24.3.146/24", "172.24.4.146/24"]));
    cloud.delta();
    assert_eq!(cloud.exposure(VM4).via, "172.24.3.146".parse().ok());
    cloud.default_route("172.24.4.1");
    cloud.router_with(true, &["lrp-gw", "lrp-if"], &[], &["172.24.4.1"]);
    let delta = cloud.delta();
    assert_eq!((delta.added.len(), delta.removed.len()), (1, 1));
    assert_eq!(cloud.exposure(VM4).via, "172.24.4.146".parse().ok());
}

#[test]
fn b092_the_order_of_the_rows_does_not_show() {
    type Step = fn(&mut Cloud);
    let steps: [Step; 5] = [
        |cloud| cloud.gateway_at(Some("chassis-1")),
        |cloud| cloud.port(interface("if", "tenant")),
        |cloud| cloud.router_port(inner_port("if", "tenant", &["10.0.0.1/24", "fd00::1/64"])),
        |cloud| cloud.router(true, &["lrp-gw", "lrp-if"], &[]),
        |cloud| cloud.port(tenant_vm()),
    ];
    for first in 0..steps.len() {
        for turn in [1, 2, 3, 4] {
            let mut cloud = Cloud::new();
            cloud.options.tenants = TenantExposure::Everything;
            for step in 0..steps.len() {
                steps[(first + step * turn) % steps.len()](&mut cloud);
                cloud.delta();
            }
            assert_eq!(behind(&mut cloud), [VM4, VM6], "{first} {turn}");
        }
    }
}

#[test]
fn bugs_b15_a_virtual_port_that_nobody_claimed_is_not_exposed() {
    let mut cloud = cloud();
    let unclaimed = SwitchPort {
        kind: PortKind::Virtual,
        requested_chassis: Vec::new(),
        up: false,
        ..vm("vip", "tenant", &["10.0.0.9"])
    };
    cloud.port(unclaimed.clone());
    assert_eq!(behind(&mut cloud), [VM4, VM6]);
    assert_eq!(cloud.withheld("10.0.0.9/32").0, Code::NeverClaimed);
    cloud.port(SwitchPort {
        up: true,
        host_id: Some("host-2".into()),
        ..unclaimed
    });
    assert_eq!(behind(&mut cloud), [VM4, "10.0.0.9/32", VM6]);
}

#[test]
fn bugs_b30_behind_a_disabled_router_nothing_is_exposed() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.router(false, &["lrp-gw", "lrp-if"], &[]);
    assert_eq!(cloud.delta().removed.len(), 2 + 2);
    assert_eq!(cloud.withheld(VM4).0, Code::RouterDisabled);
}

#[test]
fn a_provider_network_with_a_router_interface_is_let_out_through_the_gateway_too() {
    let mut cloud = Cloud::routed();
    cloud.network("second", Some(("physnet9", None)));
    cloud.interface("if2", "second", &["10.0.2.1/24"]);
    cloud.router(true, &["lrp-gw", "lrp-if", "lrp-if2"], &[]);
    cloud.port(vm("vm", "second", &["10.0.2.5"]));
    assert_eq!(behind(&mut cloud), ["10.0.2.5/32"]);
    assert_eq!(cloud.exposure("10.0.2.5/32").kind, Kind::Tenant);
    assert!(cloud.decide().withheld.is_empty());
}

#[test]
fn two_interfaces_of_one_router_to_one_subnet_are_one_way() {
    let mut cloud = cloud();
    cloud.interface("if2", "tenant", &["10.0.0.2/24"]);
    cloud.router(true, &["lrp-gw", "lrp-if", "lrp-if2"], &[]);
    assert_eq!(behind(&mut cloud), [VM4, VM6]);
}

#[test]
fn one_vms_change_concerns_one_vm() {
    let mut cloud = cloud();
    for number in 10..100 {
        cloud.port(vm(
            &format!("vm{number}"),
            "tenant",
            &[&format!("10.0.0.{number}")],
        ));
    }
    cloud.fip_mode(FipMode::Distributed);
    cloud.delta();
    cloud.delete_port("vm50");
    let affected = cloud.nb.take_affected();
    assert_eq!(affected.ports.len(), 1);
    assert!(!affected.everything && affected.routed.is_empty() && affected.networks.is_empty());
}
