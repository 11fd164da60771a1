//! Section 8.9, floating IPs.

use super::cloud::{Cloud, GATEWAY, answering, balancer, gateway, id, redirect_on, vm};
use crate::exposure::{Code, Kind, Reason};
use crate::ovn::southbound::PortBinding;

const NOTHING: [&str; 0] = [];
const FIP: &str = "172.24.4.50/32";
const NETWORKS: [&str; 2] = ["172.24.4.146/24", "2001:db8:4::146/64"];

/// Its gateway is on chassis-2, and `vm` is here.
fn cloud() -> Cloud {
    let mut cloud = Cloud::new();
    cloud.put_all(gateway("lrp-gw", &NETWORKS));
    cloud.put(redirect_on(Some("chassis-2"), &NETWORKS));
    cloud.put(vm("vm", "tenant", &["10.0.0.5"]));
    cloud
}

#[test]
fn b138_a_vms_floating_ip_is_exposed_where_the_vm_is() {
    let mut cloud = cloud();
    cloud.put(answering(&[("172.24.4.50", Some("vm"))]));
    assert_eq!(cloud.exposed(), [FIP]);
    let exposure = cloud.exposure(FIP);
    assert_eq!((exposure.kind, exposure.mac), (Kind::Fip, None));
    assert_eq!((&*exposure.port, &*exposure.network), ("vm", "provider"));
    assert_eq!(exposure.bridge().map(|b| &**b), Some("br-ex"));
    assert_eq!(
        exposure.reason.to_string(),
        "nat_addresses of lrp-gw on provider have the floating IP of port vm, up on this chassis \
         (chassis-1)"
    );
}

#[test]
fn b138_it_follows_the_vm_and_the_row() {
    let mut cloud = cloud();
    cloud.put(answering(&[("172.24.4.50", Some("vm"))]));
    cloud.delta();
    let away = PortBinding {
        chassis: Some(id("chassis-2")),
        ..vm("vm", "tenant", &["10.0.0.5"])
    };
    cloud.put(away);
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(FIP).0, Code::ElsewhereBound);
    cloud.put(vm("vm", "tenant", &["10.0.0.5"]));
    assert_eq!(cloud.delta().added.len(), 1);
    cloud.delete("vm");
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(FIP).0, Code::NotBound);
    cloud.put(vm("vm", "tenant", &["10.0.0.5"]));
    cloud.delta();
    cloud.put(answering(&[("172.24.4.51", Some("vm"))]));
    let delta = cloud.delta();
    assert_eq!((delta.added.len(), delta.removed.len()), (1, 1));
    cloud.put(answering(&[]));
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn b138_a_change_of_floating_ips_concerns_nothing_behind_the_router() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.put(answering(&[("172.24.4.50", Some("vm"))]));
    let affected = cloud.sb.take_affected();
    assert_eq!(affected.bindings.len(), 1);
    assert!(affected.routers.is_empty() && affected.switches.is_empty());
    cloud.reconsider();
}

#[test]
fn b139_on_a_network_without_localnet_port_it_is_withheld() {
    let mut cloud = cloud();
    cloud.put(answering(&[("172.24.4.50", Some("vm"))]));
    cloud.delete("physnet1 of provider");
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(FIP).0, Code::FipWithoutNetwork);
}

#[test]
fn b140_a_gateways_floating_ip_is_exposed_where_the_gateway_is() {
    let mut cloud = cloud();
    let own = ("172.24.4.146", Some("cr-lrp-gw"));
    cloud.put(answering(&[own, ("172.24.4.50", Some("cr-lrp-gw"))]));
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(FIP).0, Code::ElsewhereBound);
    cloud.put(redirect_on(Some("chassis-1"), &NETWORKS));
    assert_eq!(cloud.exposed(), [FIP, GATEWAY[0], GATEWAY[1]]);
    let exposure = cloud.exposure(FIP);
    assert!(matches!(exposure.reason, Reason::FipOnGatewayHere { .. }));
    assert_eq!(&*exposure.port, "lrp-gw");
    cloud.put(redirect_on(Some("chassis-2"), &NETWORKS));
    assert_eq!(cloud.delta().removed.len(), 3);
}

#[test]
fn b141_an_entry_that_names_no_port_is_withheld() {
    let mut cloud = cloud();
    cloud.put(answering(&[
        ("172.24.4.50", None),
        ("172.24.4.51", Some("vm")),
    ]));
    assert_eq!(cloud.exposed(), ["172.24.4.51/32"]);
    let (code, reason) = cloud.withheld(FIP);
    assert_eq!(code, Code::NotBound);
    assert!(reason.contains("is_chassis_resident"), "{reason}");
}

#[test]
fn bugs_b7_every_floating_ip_of_a_port_is_exposed() {
    let mut cloud = cloud();
    let two = [("172.24.4.50", Some("vm")), ("172.24.4.51", Some("vm"))];
    cloud.put(answering(&two));
    assert_eq!(cloud.exposed(), [FIP, "172.24.4.51/32"]);
}

#[test]
fn bugs_b8_a_floating_ip_of_a_vip_is_one_of_a_load_balancer() {
    let mut cloud = cloud();
    cloud.put(redirect_on(Some("chassis-1"), &NETWORKS));
    cloud.put(answering(&[("172.24.4.50", Some("cr-lrp-gw"))]));
    cloud.delta();
    assert_eq!(cloud.exposure(FIP).kind, Kind::Fip);
    cloud.balancer(balancer("lb1", &[("172.24.4.50", &[])]), &["router"]);
    cloud.delta();
    assert_eq!(cloud.exposure(FIP).kind, Kind::LbFip);
}

#[test]
fn a_floating_ip_of_a_vm_that_is_down_is_withheld() {
    let mut cloud = cloud();
    cloud.put(answering(&[("172.24.4.50", Some("vm"))]));
    cloud.put(PortBinding {
        up: false,
        ..vm("vm", "tenant", &["10.0.0.5"])
    });
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(FIP).0, Code::PortDown);
}
