//! Section 8.9, load balancers and port forwardings.

use super::cloud::{Cloud, MAC, answering, balancer, id, interface, redirect_on, vip_port, vm};
use crate::config::TenantAdvertisement;
use crate::exposure::{Code, Kind, TenantExposure};
use crate::ovn::southbound::{LoadBalancer, PortBinding};

const NOTHING: [&str; 0] = [];
const VIP: &str = "172.24.4.72/32";
const TENANT_VIP: &str = "10.0.0.100/32";
const NETWORKS: [&str; 2] = ["172.24.4.146/24", "2001:db8:4::146/64"];

fn on_provider(members: &[&str]) -> LoadBalancer {
    balancer("lb1", &[("172.24.4.72", members)])
}

fn on_tenant() -> LoadBalancer {
    balancer("lb1", &[("10.0.0.100", &["10.0.0.5"])])
}

fn with_provider_vip() -> Cloud {
    let mut cloud = Cloud::with_tenant();
    cloud.options.tenants = TenantExposure::Nothing;
    cloud.put(vip_port("lb1", "provider", &["172.24.4.72/24"]));
    cloud
}

fn with_tenant_vip() -> Cloud {
    let mut cloud = Cloud::with_tenant();
    cloud.put(vip_port("lb1", "tenant", &["10.0.0.100/24"]));
    cloud.balancer(on_tenant(), &["router", "tenant"]);
    cloud
}

#[test]
fn b148_a_provider_vip_is_exposed_by_the_gateway_of_the_load_balancers_router() {
    let mut cloud = with_provider_vip();
    cloud.balancer(on_provider(&["10.0.0.5"]), &["router", "tenant"]);
    assert_eq!(cloud.exposed_behind(), [VIP]);
    let exposure = cloud.exposure(VIP);
    assert_eq!(
        (exposure.kind, &*exposure.port),
        (Kind::LbVip, "vip of lb1")
    );
    assert_eq!((exposure.via, exposure.mac), (None, None));
    assert_eq!(
        exposure.reason.to_string(),
        "VIP of load balancer lb1, behind gateway port lrp-gw, hosted by this chassis"
    );
    cloud.put(redirect_on(Some("chassis-2"), &NETWORKS));
    assert_eq!(cloud.delta().removed.len(), 3);
    assert_eq!(cloud.withheld(VIP).0, Code::GatewayElsewhere);
    cloud.put(redirect_on(Some("chassis-1"), &NETWORKS));
    assert_eq!(cloud.delta().added.len(), 3);
    cloud.delete_balancer("lb1");
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn b148_its_router_is_found_by_a_subnet_of_the_load_balancer() {
    let mut cloud = with_provider_vip();
    cloud.balancer(on_provider(&["10.0.0.5"]), &["tenant"]);
    assert_eq!(cloud.exposed_behind(), [VIP]);
    for port in ["lrp-1", "lrp-1 on tenant"] {
        cloud.delete(port);
        assert_eq!(cloud.exposed_behind(), NOTHING);
        cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24"]));
        assert_eq!(cloud.exposed_behind(), [VIP]);
    }
}

#[test]
fn b149_an_old_server_has_datapaths_alone() {
    let mut cloud = with_provider_vip();
    cloud.ungrouped_balancer(LoadBalancer {
        datapaths: vec![id("tenant")],
        ..on_provider(&["10.0.0.5"])
    });
    assert_eq!(cloud.exposed_behind(), [VIP]);
}

#[test]
fn b148_rows_in_any_order() {
    let mut cloud = Cloud::with_tenant();
    cloud.balancer(on_provider(&["10.0.0.5"]), &["router"]);
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(VIP).0, Code::VipPortMissing);
    cloud.put(vip_port("lb1", "provider", &["172.24.4.72/24"]));
    assert_eq!(cloud.exposed_behind(), [VIP]);
    cloud.delete("vip of lb1");
    assert_eq!(cloud.exposed_behind(), NOTHING);
}

#[test]
fn b150_a_tenant_vip_is_exposed_like_a_host_with_its_port_and_row() {
    let mut cloud = with_tenant_vip();
    assert_eq!(cloud.exposed_behind(), [TENANT_VIP]);
    let exposure = cloud.exposure(TENANT_VIP);
    assert_eq!(exposure.kind, Kind::LbVip);
    assert_eq!(exposure.via, Some("172.24.4.146".parse().unwrap()));
    assert_eq!(exposure.subnet, Some("10.0.0.0/24".parse().unwrap()));
    cloud.delete("vip of lb1");
    assert_eq!(cloud.delta().removed.len(), 1);
    cloud.put(vip_port("lb1", "tenant", &["10.0.0.100/24"]));
    assert_eq!(cloud.delta().added.len(), 1);
    cloud.options.tenants = TenantExposure::Nothing;
    cloud.reconsider();
    assert_eq!(cloud.withheld(TENANT_VIP).0, Code::TenantNetworksDisabled);
}

#[test]
fn bugs_b12_with_subnets_a_tenant_vip_is_withheld() {
    let mut cloud = with_tenant_vip();
    cloud.options.advertisement = TenantAdvertisement::Subnet;
    cloud.reconsider();
    assert_eq!(cloud.exposed_behind(), ["10.0.0.0/24"]);
    assert_eq!(cloud.withheld(TENANT_VIP).0, Code::SubnetAdvertised);
}

#[test]
fn bugs_b19_a_disabled_load_balancer_exposes_nothing() {
    let mut cloud = with_tenant_vip();
    cloud.balancer(balancer("lb1", &[]), &["router", "tenant"]);
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(TENANT_VIP).0, Code::BalancerDisabled);
}

#[test]
fn note_n2_a_vip_port_with_addresses_counts() {
    let mut cloud = with_tenant_vip();
    cloud.put(PortBinding {
        vip_of: Some("lb1".into()),
        chassis: None,
        ..vm("vip of lb1", "tenant", &["10.0.0.100"])
    });
    assert_eq!(cloud.exposed_behind(), [TENANT_VIP]);
    let decision = cloud.decide();
    let withheld = decision
        .withheld
        .iter()
        .filter(|w| &*w.port == "vip of lb1");
    assert_eq!(withheld.count(), 0, "it is no host");
}

#[test]
fn note_n3_only_keys_of_vips_count_not_what_else_the_port_reserves() {
    let mut cloud = with_tenant_vip();
    cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24", "fd00::1/64"]));
    cloud.put(vip_port(
        "lb1",
        "tenant",
        &["10.0.0.100/24", "fd00::100/64"],
    ));
    assert_eq!(cloud.exposed_behind(), [TENANT_VIP]);
}

#[test]
fn note_n4_with_global_ipv6_alone_an_ipv4_vip_is_withheld() {
    let mut cloud = with_tenant_vip();
    cloud.options.tenants = TenantExposure::GlobalIpv6;
    cloud.reconsider();
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(TENANT_VIP).0, Code::NotGlobal);
}

#[test]
fn a_key_that_the_port_does_not_reserve_is_a_floating_ip() {
    let mut cloud = with_tenant_vip();
    let vips: [(&str, &[&str]); 2] = [("10.0.0.100", &[]), ("172.24.4.3", &[])];
    cloud.balancer(balancer("lb1", &vips), &["router", "tenant"]);
    assert_eq!(cloud.exposed_behind(), [TENANT_VIP]);
    assert_eq!(cloud.withheld("172.24.4.3/32").0, Code::VipPortMissing);
    cloud.put(answering(&[("172.24.4.3", Some("cr-lrp-gw"))]));
    assert_eq!(cloud.exposed_behind(), [TENANT_VIP, "172.24.4.3/32"]);
    assert_eq!(cloud.exposure("172.24.4.3/32").kind, Kind::LbFip);
    assert!(
        cloud
            .decide()
            .withheld
            .iter()
            .all(|w| w.prefix.to_string() != "172.24.4.3/32")
    );
}

#[test]
fn a_load_balancers_two_protocols_are_one() {
    let mut cloud = with_tenant_vip();
    let udp = LoadBalancer {
        uuid: id("lb1 udp"),
        ..on_tenant()
    };
    cloud.balancer(udp, &["router", "tenant"]);
    assert_eq!(cloud.exposed_behind(), [TENANT_VIP]);
    cloud.delete_balancer("lb1");
    assert!(cloud.delta().is_empty());
    cloud.delete_balancer("lb1 udp");
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn bugs_b23_without_router_the_one_member_must_be_here() {
    let mut cloud = with_provider_vip();
    cloud.balancer(on_provider(&["172.24.4.77"]), &["provider"]);
    let member = vm("member", "provider", &["172.24.4.77"]);
    assert_eq!(cloud.withheld(VIP).0, Code::NoSingleMemberHere);
    cloud.put(member.clone());
    assert_eq!(cloud.exposed_behind(), [VIP, "172.24.4.77/32"]);
    assert_eq!(
        cloud.exposure(VIP).mac,
        Some(MAC),
        "nobody answers ARP for it"
    );
    cloud.put(PortBinding {
        chassis: Some(id("chassis-2")),
        ..member.clone()
    });
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(VIP).0, Code::NoSingleMemberHere);
    cloud.put(member);
    cloud.balancer(on_provider(&["172.24.4.77", "172.24.4.78"]), &["provider"]);
    assert_eq!(cloud.exposed_behind(), ["172.24.4.77/32"]);
    let (code, reason) = cloud.withheld(VIP);
    assert_eq!(code, Code::NoSingleMemberHere);
    assert!(reason.contains("2 members"), "{reason}");
}

#[test]
fn bugs_b23_members_are_counted_over_all_rows() {
    let mut cloud = with_provider_vip();
    cloud.put(vm("member", "provider", &["172.24.4.77"]));
    cloud.balancer(on_provider(&["172.24.4.77"]), &["provider"]);
    let udp = LoadBalancer {
        uuid: id("lb1 udp"),
        ..on_provider(&["172.24.4.78"])
    };
    cloud.balancer(udp, &["provider"]);
    assert_eq!(cloud.exposed_behind(), ["172.24.4.77/32"]);
    cloud.delete_balancer("lb1 udp");
    assert_eq!(cloud.exposed_behind(), [VIP, "172.24.4.77/32"]);
}

#[test]
fn a_provider_vip_needs_its_routers_gateway_on_its_own_network() {
    let mut cloud = with_provider_vip();
    cloud.datapath("other", false);
    cloud.put(super::cloud::localnet("other", "physnet1", Some(5)));
    cloud.put(vip_port("lb1", "other", &["172.24.4.72/24"]));
    cloud.balancer(on_provider(&["10.0.0.5"]), &["router"]);
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(VIP).0, Code::NoGateway);
}

#[test]
fn bugs_b22_forwarded_ports_floating_ip_is_exposed_by_the_routers_gateway() {
    let mut cloud = Cloud::with_tenant();
    let forwarding = |protocol: &str| {
        let name = format!("pf-floatingip-1-{protocol}");
        balancer(&name, &[("172.24.4.126", &["10.0.0.5"])])
    };
    cloud.balancer(forwarding("tcp"), &["router", "tenant"]);
    cloud.balancer(forwarding("udp"), &["router", "tenant"]);
    // One for each reason: the address stays until both are gone.
    let both = ["172.24.4.126/32", "172.24.4.126/32"];
    assert_eq!(cloud.exposed_behind(), both);
    let exposure = cloud.exposure(both[0]);
    assert_eq!(
        (exposure.kind, &*exposure.port),
        (Kind::PortForwarding, "lrp-gw")
    );
    cloud.delete_balancer("pf-floatingip-1-tcp");
    assert_eq!(cloud.exposed_behind(), both[1..]);
    cloud.put(redirect_on(Some("chassis-2"), &NETWORKS));
    assert_eq!(cloud.exposed_behind(), NOTHING);
    assert_eq!(cloud.withheld(both[0]).0, Code::GatewayElsewhere);
}

#[test]
fn forwarded_ports_without_router_or_gateway_are_withheld() {
    let mut cloud = Cloud::with_tenant();
    let forwarding = balancer("pf-floatingip-1-tcp", &[("172.24.4.126", &[])]);
    cloud.balancer(forwarding.clone(), &[]);
    assert_eq!(cloud.withheld("172.24.4.126/32").0, Code::NotRouted);
    cloud.balancer(forwarding, &["router"]);
    cloud.delete("cr-lrp-gw");
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld("172.24.4.126/32").0, Code::NoGateway);
}
