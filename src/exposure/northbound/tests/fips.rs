//! Section 8.4, as far as floating IPs are distributed.

use super::cloud::{Cloud, FIP_MAC, fip, hosts, id, node, vm};
use crate::exposure::{Code, Kind};
use crate::ovn::northbound::{FipMode, Nat, PortKind, SwitchPort};

const NOTHING: [&str; 0] = [];
const FIP: &str = "172.24.4.100/32";

/// A tenant VM here with a floating IP.
fn cloud() -> Cloud {
    let mut cloud = Cloud::new();
    cloud.port(tenant_vm());
    cloud.nat(fip("172.24.4.100", "vm"));
    cloud
}

fn tenant_vm() -> SwitchPort {
    vm("vm", "tenant", &["10.0.0.5"])
}

#[test]
fn b057_without_the_flag_floating_ips_are_distributed() {
    let mut cloud = cloud();
    assert_eq!(cloud.nb.fip_mode(), FipMode::Unset);
    assert_eq!(cloud.exposed(), [FIP]);
}

#[test]
fn b058_a_floating_ip_is_exposed_on_its_vms_host() {
    let mut cloud = cloud();
    cloud.fip_mode(FipMode::Distributed);
    assert_eq!(cloud.exposed(), [FIP]);
    let exposure = cloud.exposure(FIP);
    assert_eq!(exposure.kind, Kind::Fip);
    assert_eq!(exposure.mac, Some(FIP_MAC));
    assert_eq!(&*exposure.network, "provider");
    assert_eq!(&*exposure.port, "vm");
    assert_eq!(
        exposure.reason.to_string(),
        format!(
            "NAT {} is the floating IP of port vm, up on host-1",
            id("172.24.4.100")
        )
    );
}

#[test]
fn b059_without_external_mac_it_waits_for_it() {
    let mut cloud = cloud();
    cloud.nat(Nat {
        external_mac: None,
        ..fip("172.24.4.100", "vm")
    });
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(FIP).0, Code::FipWithoutMac);
    cloud.nat(fip("172.24.4.100", "vm"));
    assert_eq!(cloud.delta().added.len(), 1);
}

#[test]
fn b059_a_virtual_ports_floating_ip_is_where_host_id_says() {
    let mut cloud = cloud();
    cloud.port(SwitchPort {
        kind: PortKind::Virtual,
        requested_chassis: Vec::new(),
        host_id: Some("host-1".into()),
        ..tenant_vm()
    });
    assert_eq!(cloud.exposed(), [FIP]);
    assert_eq!(cloud.exposure(FIP).mac, Some(FIP_MAC));
}

#[test]
fn b060_a_disassociated_floating_ip_is_withdrawn_and_a_changed_one_replaced() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.nat(fip("172.24.4.101", "vm"));
    cloud.delete_nat("172.24.4.100");
    let delta = cloud.delta();
    assert_eq!(delta.removed[0].prefix.to_string(), FIP);
    assert_eq!(delta.added[0].prefix.to_string(), "172.24.4.101/32");
    cloud.delete_nat("172.24.4.101");
    assert_eq!(cloud.exposed(), NOTHING);
}

#[test]
fn bugs_b7_every_floating_ip_of_a_port_is_exposed() {
    let mut cloud = cloud();
    cloud.nat(fip("172.24.4.101", "vm"));
    assert_eq!(cloud.exposed(), [FIP, "172.24.4.101/32"]);
    cloud.delete_nat("172.24.4.100");
    assert_eq!(cloud.exposed(), ["172.24.4.101/32"]);
}

#[test]
fn a_floating_ip_moved_to_another_vm_follows_it() {
    let mut cloud = cloud();
    cloud.port(vm("other", "tenant", &["10.0.0.6"]));
    cloud.delta();
    cloud.nat(fip("172.24.4.100", "other"));
    let delta = cloud.delta();
    assert_eq!((delta.added.len(), delta.removed.len()), (1, 1));
    assert_eq!(&*cloud.exposure(FIP).port, "other");
}

#[test]
fn b061_down_or_moved_withdraws() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.port(SwitchPort {
        up: false,
        ..tenant_vm()
    });
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(FIP).0, Code::PortDown);
    cloud.port(tenant_vm());
    assert_eq!(cloud.delta().added.len(), 1);
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2"]),
        ..tenant_vm()
    });
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(FIP).0, Code::ElsewhereBound);
    cloud.node.hostname = "host-2".into();
    assert_eq!(cloud.decide().exposures.len(), 1);
}

#[test]
fn bugs_b10_a_migrating_vms_floating_ip_has_one_place() {
    let mut cloud = cloud();
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2", "host-1"]),
        ..tenant_vm()
    });
    assert_eq!(cloud.exposed(), NOTHING);
    cloud.node.hostname = "host-2".into();
    cloud.node.chassis = "chassis-2".into();
    assert_eq!(cloud.decide().exposures.len(), 1);
}

#[test]
fn b062_a_deleted_port_takes_its_floating_ip_with_it() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.delete_port("vm");
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(FIP).0, Code::NotBound);
}

#[test]
fn b063_a_floating_network_that_is_not_mapped_here_is_withheld() {
    let mut cloud = cloud();
    cloud.node = node("physnet2:br-vlan");
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(FIP).0, Code::PhysicalNetworkNotMapped);
}

#[test]
fn b063_a_localnet_that_comes_later_exposes_it() {
    let mut cloud = Cloud::new();
    cloud.delete_network("provider");
    cloud.port(tenant_vm());
    cloud.nat(fip("172.24.4.100", "vm"));
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(FIP).0, Code::FipWithoutNetwork);
    cloud.network("provider", Some(("physnet1", None)));
    assert_eq!(cloud.delta().added.len(), 1);
}

#[test]
fn b064_an_unrelated_update_of_the_row_changes_nothing() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.port(tenant_vm());
    cloud.nat(fip("172.24.4.100", "vm"));
    assert!(cloud.delta().is_empty());
}

#[test]
fn b065_a_row_without_network_is_withheld_and_stops_nothing() {
    let mut cloud = cloud();
    cloud.nat(Nat {
        network: None,
        ..fip("172.24.4.101", "vm")
    });
    assert_eq!(cloud.exposed(), [FIP]);
    assert_eq!(cloud.withheld("172.24.4.101/32").0, Code::FipWithoutNetwork);
}

#[test]
fn b066_on_a_vlan_network_it_is_attached_to_the_vlan() {
    let mut cloud = cloud();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.nat(Nat {
        network: Some("vlan".into()),
        ..fip("172.24.4.100", "vm")
    });
    assert_eq!(cloud.exposed(), [FIP]);
    assert_eq!(cloud.exposure(FIP).vlan(), Some(100));
}

#[test]
fn b071_centralised_floating_ips_are_withheld_as_not_supported() {
    let mut cloud = cloud();
    cloud.delta();
    cloud.fip_mode(FipMode::Centralised);
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(FIP).0, Code::NotSupported);
    cloud.fip_mode(FipMode::Distributed);
    assert_eq!(cloud.delta().added.len(), 1);
}

#[test]
fn b073_a_port_of_unknown_address_has_its_floating_ip_exposed() {
    let mut cloud = cloud();
    cloud.port(SwitchPort {
        addresses: Vec::new(),
        ..tenant_vm()
    });
    assert_eq!(cloud.exposed(), [FIP]);
}

#[test]
fn bugs_b30_behind_a_disabled_router_it_is_withheld() {
    let mut cloud = cloud();
    cloud.router(true, &[], &["172.24.4.100"]);
    assert_eq!(cloud.exposed(), [FIP]);
    cloud.router(false, &[], &["172.24.4.100"]);
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(FIP).0, Code::RouterDisabled);
}

#[test]
fn one_that_names_no_port_is_withheld() {
    let mut cloud = cloud();
    cloud.nat(Nat {
        logical_port: None,
        ..fip("172.24.4.101", "")
    });
    assert_eq!(cloud.exposed(), [FIP]);
    assert_eq!(cloud.withheld("172.24.4.101/32").0, Code::NotSupported);
}

#[test]
fn a_disabled_vm_keeps_its_floating_ip_withheld() {
    let mut cloud = cloud();
    cloud.port(SwitchPort {
        enabled: false,
        ..tenant_vm()
    });
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(FIP).0, Code::PortDisabled);
}
