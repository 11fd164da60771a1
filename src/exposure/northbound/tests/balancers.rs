//! Section 8.6: load balancers and port forwardings.

use super::cloud::{Cloud, FIP_MAC, LRP_MAC, MAC, balancer, fip, gateway, hosts, id, vip_port, vm};
use crate::exposure::{Code, Kind, TenantExposure};
use crate::ovn::northbound::{Balancer, Fip, FipMode, Octavia, Purpose, SwitchPort};

const VIP: &str = "172.24.4.50/32";
const TENANT_VIP: &str = "10.0.0.50/32";
const MEMBERS: &[&str] = &["10.0.0.5", "10.0.0.6"];

/// A load balancer on router `router` whose VIP is on the provider network.
fn provider() -> Cloud {
    let mut cloud = Cloud::routed();
    cloud.port(vip_port("vip-port", "provider"));
    cloud.balancer(balancer("lb", &[("172.24.4.50", MEMBERS)]));
    cloud
}

/// A load balancer on router `router` whose VIP is on the tenant network.
fn tenant() -> Cloud {
    let mut cloud = Cloud::routed();
    cloud.port(vip_port("vip-port", "tenant"));
    cloud.balancer(balancer("lb", &[("10.0.0.50", MEMBERS)]));
    cloud
}

fn octavia(row: &mut Balancer) -> &mut Octavia {
    match &mut row.purpose {
        Purpose::LoadBalancing(octavia) => octavia,
        other => panic!("{other:?}"),
    }
}

/// What is exposed besides the gateway's own addresses.
fn behind(cloud: &mut Cloud) -> Vec<String> {
    let mut exposed = cloud.exposed();
    exposed.retain(|prefix| !prefix.contains("146/"));
    exposed
}

#[test]
fn b093_a_vip_on_the_gateways_network_is_exposed_without_neighbour() {
    let mut cloud = provider();
    assert_eq!(behind(&mut cloud), [VIP]);
    let exposure = cloud.exposure(VIP);
    assert_eq!(exposure.kind, Kind::LbVip);
    assert_eq!((exposure.mac, exposure.via), (None, None));
    assert_eq!(&*exposure.port, "vip-port");
    let reason = exposure.reason.to_string();
    let expected = format!(
        "VIP of load balancer lb (row {}), behind gateway port lrp-gw, hosted by this chassis",
        id("lb")
    );
    assert_eq!(reason, expected);
}

#[test]
fn b093_without_the_tenant_option_as_well() {
    let mut cloud = provider();
    cloud.options.tenants = TenantExposure::Nothing;
    assert_eq!(behind(&mut cloud), [VIP]);
}

#[test]
fn b093_the_gateway_must_be_on_the_vips_own_network() {
    let mut cloud = provider();
    cloud.network("other", Some(("physnet1", Some(7))));
    cloud.port(vip_port("vip-port", "other"));
    assert_eq!(behind(&mut cloud), [""; 0]);
    assert_eq!(cloud.withheld(VIP).0, Code::NoGateway);
}

#[test]
fn b094_a_disabled_load_balancer_exposes_nothing() {
    let mut cloud = provider();
    cloud.delta();
    let mut disabled = balancer("lb", &[("172.24.4.50", MEMBERS)]);
    disabled.vips.clear();
    cloud.balancer(disabled);
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(VIP).0, Code::BalancerDisabled);
}

#[test]
fn b095_a_deleted_load_balancer_is_withdrawn() {
    let mut cloud = provider();
    cloud.delta();
    cloud.delete_balancer("lb");
    assert_eq!(cloud.delta().removed.len(), 1);
    assert!(cloud.decide().withheld.is_empty());
}

#[test]
fn b095_two_rows_with_one_vip_are_two_reasons() {
    let mut cloud = provider();
    let mut udp = balancer("lb-udp", &[("172.24.4.50", MEMBERS)]);
    udp.name = "lb".into();
    cloud.balancer(udp);
    assert_eq!(behind(&mut cloud), [VIP, VIP]);
    cloud.delete_balancer("lb-udp");
    assert_eq!(behind(&mut cloud), [VIP]);
}

#[test]
fn b096_a_vip_on_a_tenant_network_is_let_out_like_a_host() {
    let mut cloud = tenant();
    assert_eq!(behind(&mut cloud), [TENANT_VIP]);
    let exposure = cloud.exposure(TENANT_VIP);
    assert_eq!(exposure.kind, Kind::LbVip);
    assert_eq!(exposure.via, "172.24.4.146".parse().ok());
    assert_eq!(exposure.subnet, "10.0.0.0/24".parse().ok());
    cloud.options.tenants = TenantExposure::Nothing;
    assert_eq!(behind(&mut cloud), [""; 0]);
    assert_eq!(cloud.withheld(TENANT_VIP).0, Code::TenantNetworksDisabled);
}

#[test]
fn b096_the_filters_of_hosts_are_those_of_vips() {
    let mut cloud = tenant();
    cloud.options.advertisement = crate::config::TenantAdvertisement::Subnet;
    assert_eq!(behind(&mut cloud), ["10.0.0.0/24", "fd00::/64"]);
    assert_eq!(cloud.withheld(TENANT_VIP).0, Code::SubnetAdvertised);
    let mut cloud = tenant();
    cloud.options.require_snat_disabled = true;
    cloud.snat("10.0.0.0/24");
    cloud.router(true, &["lrp-gw", "lrp-if"], &["10.0.0.0/24"]);
    assert_eq!(behind(&mut cloud), [""; 0]);
    assert_eq!(cloud.withheld(TENANT_VIP).0, Code::BehindSnat);
    let mut cloud = tenant();
    cloud.options.address_scopes = [std::sync::Arc::from("s4")].into();
    assert_eq!(behind(&mut cloud), [""; 0]);
    assert_eq!(cloud.withheld(TENANT_VIP).0, Code::AddressScope);
}

/// A load balancer with the floating IP 172.24.4.60.
fn with_fip() -> Cloud {
    let mut cloud = tenant();
    let mut row = balancer("lb", &[("10.0.0.50", MEMBERS), ("172.24.4.60", MEMBERS)]);
    octavia(&mut row).fip = "172.24.4.60".parse().ok();
    cloud.balancer(row);
    cloud.nat(Fip {
        external_mac: None,
        ..fip("172.24.4.60", "vip-port")
    });
    cloud.router(true, &["lrp-gw", "lrp-if"], &["172.24.4.60"]);
    cloud
}

#[test]
fn b097_the_floating_ip_of_a_vip_is_on_the_gateway_in_both_modes() {
    let mut cloud = with_fip();
    for mode in [FipMode::Unset, FipMode::Distributed, FipMode::Centralised] {
        cloud.fip_mode(mode);
        assert_eq!(behind(&mut cloud), [TENANT_VIP, "172.24.4.60/32"]);
        let exposure = cloud.exposure("172.24.4.60/32");
        assert_eq!(exposure.kind, Kind::LbFip);
        assert_eq!(exposure.mac, Some(LRP_MAC));
        assert_eq!(&*exposure.port, "vip-port");
    }
    cloud.gateway_at(Some("chassis-2"));
    assert_eq!(cloud.exposed(), [""; 0]);
    assert_eq!(cloud.withheld("172.24.4.60/32").0, Code::GatewayElsewhere);
}

#[test]
fn b097_removed_from_the_load_balancer_it_is_withdrawn_and_free() {
    let mut cloud = with_fip();
    cloud.delta();
    cloud.balancer(balancer("lb", &[("10.0.0.50", MEMBERS)]));
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld("172.24.4.60/32").0, Code::BalancerDisabled);
    // The same address for a VM here.
    cloud.port(vm("vm", "tenant", &["10.0.0.9"]));
    cloud.nat(fip("172.24.4.60", "vm"));
    assert_eq!(cloud.delta().added.len(), 2);
    assert_eq!(cloud.exposure("172.24.4.60/32").mac, Some(FIP_MAC));
}

#[test]
fn bugs_n1_a_members_floating_ip_is_on_the_gateway() {
    let mut cloud = tenant();
    cloud.nat(Fip {
        logical_port: None,
        external_mac: None,
        ..fip("172.24.4.61", "")
    });
    cloud.router(true, &["lrp-gw", "lrp-if"], &["172.24.4.61"]);
    assert_eq!(behind(&mut cloud), [TENANT_VIP, "172.24.4.61/32"]);
    let exposure = cloud.exposure("172.24.4.61/32");
    assert_eq!((exposure.kind, &*exposure.port), (Kind::Fip, "lrp-gw"));
}

#[test]
fn b098_the_router_is_set_later_and_removed() {
    let mut cloud = provider();
    cloud.delta();
    let mut row = balancer("lb", &[("172.24.4.50", MEMBERS)]);
    octavia(&mut row).router = None;
    cloud.balancer(row);
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(VIP).0, Code::NoSingleMemberHere);
    cloud.balancer(balancer("lb", &[("172.24.4.50", MEMBERS)]));
    assert_eq!(cloud.delta().added.len(), 1);
}

#[test]
fn b099_without_the_gateway_or_the_vips_port_there_is_nothing() {
    let mut cloud = provider();
    cloud.gateway_at(Some("chassis-2"));
    assert_eq!(cloud.exposed(), [""; 0]);
    assert_eq!(cloud.withheld(VIP).0, Code::GatewayElsewhere);
    cloud.gateway_at(Some("chassis-1"));
    cloud.delete_port("vip-port");
    assert_eq!(behind(&mut cloud), [""; 0]);
    assert_eq!(cloud.withheld(VIP).0, Code::VipPortMissing);
    cloud.port(vip_port("vip-port", "provider"));
    assert_eq!(behind(&mut cloud), [VIP]);
    let mut row = balancer("lb", &[("172.24.4.50", MEMBERS)]);
    octavia(&mut row).router = Some("unknown".into());
    cloud.balancer(row);
    assert_eq!(behind(&mut cloud), [""; 0]);
    assert_eq!(cloud.withheld(VIP).0, Code::NotRouted);
}

#[test]
fn b100_ipv6_vips() {
    let mut cloud = provider();
    cloud.balancer(balancer("lb", &[("2001:db8::50", &["fd00::5"])]));
    assert_eq!(behind(&mut cloud), ["2001:db8::50/128"]);
    let mut cloud = tenant();
    cloud.balancer(balancer("lb", &[("fd00::50", &["fd00::5"])]));
    assert_eq!(behind(&mut cloud), ["fd00::50/128"]);
    assert_eq!(
        cloud.exposure("fd00::50/128").via,
        "2001:db8::146".parse().ok()
    );
}

fn forwarding(name: &str, fip: &str, router: Option<&str>) -> Balancer {
    Balancer {
        name: format!("pf-floatingip-{name}").into(),
        purpose: Purpose::PortForwarding {
            router: router.map(Into::into),
        },
        ..balancer(name, &[(fip, &["10.0.0.5"])])
    }
}

#[test]
fn b101_forwarded_floating_ips_are_on_the_gateway_until_the_last_row_is_gone() {
    let mut cloud = Cloud::routed();
    cloud.options.tenants = TenantExposure::Nothing;
    const FIP: &str = "172.24.4.70/32";
    cloud.balancer(forwarding("tcp", "172.24.4.70", Some("router")));
    cloud.balancer(forwarding("udp", "172.24.4.70", Some("router")));
    assert_eq!(behind(&mut cloud), [FIP, FIP]);
    let exposure = cloud.exposure(FIP);
    assert_eq!((exposure.kind, exposure.mac), (Kind::PortForwarding, None));
    cloud.delete_balancer("tcp");
    assert_eq!(behind(&mut cloud), [FIP]);
    cloud.delete_balancer("udp");
    assert_eq!(behind(&mut cloud), [""; 0]);
    cloud.balancer(forwarding("v6", "2001:db8::70", Some("router")));
    assert_eq!(behind(&mut cloud), ["2001:db8::70/128"]);
}

#[test]
fn b101_of_several_gateways_the_one_whose_subnet_it_is_in_forwards() {
    let mut cloud = Cloud::routed();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    let mut second = gateway("lrp-a", &["192.0.2.146/24"]);
    second.network = Some("vlan".into());
    cloud.router_port(second);
    cloud.router(true, &["lrp-gw", "lrp-a", "lrp-if"], &[]);
    cloud.balancer(forwarding("tcp", "172.24.4.70", Some("router")));
    cloud.delta();
    assert_eq!(&*cloud.exposure("172.24.4.70/32").port, "lrp-gw");
    cloud.gateway_at(Some("chassis-2"));
    assert_eq!(cloud.exposed(), ["192.0.2.146/32"]);
    assert_eq!(cloud.withheld("172.24.4.70/32").0, Code::GatewayElsewhere);
}

#[test]
fn b102_a_load_balancer_of_others_is_no_candidate() {
    let mut cloud = Cloud::routed();
    cloud.balancer(Balancer {
        purpose: Purpose::Other,
        ..balancer("lb", &[])
    });
    cloud.balancer(forwarding("tcp", "172.24.4.70", None));
    assert_eq!(behind(&mut cloud), [""; 0]);
    let decision = cloud.decide();
    assert_eq!(decision.withheld.len(), 1);
    assert_eq!(cloud.withheld("172.24.4.70/32").0, Code::NotRouted);
}

#[test]
fn b103_what_is_there_at_the_start_is_exposed_at_once() {
    let mut cloud = provider();
    assert_eq!(cloud.delta().added.len(), 3);
}

#[test]
fn b104_a_change_of_members_moves_nothing() {
    let mut cloud = provider();
    cloud.delta();
    cloud.balancer(balancer("lb", &[("172.24.4.50", &["10.0.0.7"])]));
    assert!(cloud.delta().is_empty());
}

/// A load balancer without router on the provider network, with two rows.
fn switched(members: [&[&str]; 2]) -> Cloud {
    let mut cloud = Cloud::new();
    cloud.port(vip_port("vip-port", "provider"));
    for (name, members) in ["tcp", "udp"].into_iter().zip(members) {
        let mut row = balancer(name, &[("172.24.4.50", members)]);
        octavia(&mut row).router = None;
        cloud.balancer(row);
    }
    cloud.port(vm("member", "provider", &["172.24.4.10"]));
    cloud
}

#[test]
fn bugs_b23_without_router_the_one_members_mac_answers_where_it_is() {
    const MEMBER: &[&str] = &["172.24.4.10"];
    let mut cloud = switched([MEMBER, MEMBER]);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", VIP, VIP]);
    assert_eq!(cloud.exposure(VIP).mac, Some(MAC));
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2"]),
        ..vm("member", "provider", &["172.24.4.10"])
    });
    assert_eq!(cloud.exposed(), [""; 0]);
    let (code, why) = cloud.withheld(VIP);
    assert_eq!(code, Code::NoSingleMemberHere);
    assert!(why.contains("requested-chassis is host-2"), "{why}");
    cloud.delete_port("member");
    cloud.delta();
    cloud.port(vm("member", "provider", &["172.24.4.10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", VIP, VIP]);
}

#[test]
fn bugs_b23_members_are_counted_over_all_rows() {
    let mut cloud = switched([&["172.24.4.10"], &["172.24.4.11"]]);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    assert_eq!(cloud.withheld(VIP).0, Code::NoSingleMemberHere);
    cloud.delete_balancer("udp");
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", VIP]);
    let mut cloud = switched([&["172.24.4.10", "172.24.4.11"], &[]]);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    let mut cloud = switched([&[], &[]]);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

/// The one member is in one row, and decides about the other too.
#[test]
fn what_a_member_does_counts_for_every_row_of_the_vip() {
    let mut cloud = switched([&["172.24.4.10"], &[]]);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", VIP, VIP]);
    cloud.port(vm("member", "provider", &["172.24.4.12"]));
    assert_eq!(cloud.exposed(), ["172.24.4.12/32"]);
    cloud.port(vm("member", "provider", &["172.24.4.10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", VIP, VIP]);
    // Also if a router serves the row with the member.
    let mut row = balancer("tcp", &[("172.24.4.50", &["172.24.4.10"])]);
    octavia(&mut row).router = Some("r".into());
    cloud.balancer(row);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", VIP]);
    cloud.port(vm("member", "provider", &["172.24.4.12"]));
    assert_eq!(cloud.exposed(), ["172.24.4.12/32"]);
}
