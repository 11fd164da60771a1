//! Section 8.4.

use super::cloud::{Cloud, FIP_MAC, LRP_MAC, fip, gateway, hosts, id, node, vm};
use crate::exposure::{Code, Kind};
use crate::ovn::northbound::{Fip, FipMode, PortKind, RouterPort, SwitchPort};

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
    cloud.nat(Fip {
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
    cloud.nat(Fip {
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
    cloud.nat(Fip {
        network: Some("vlan".into()),
        ..fip("172.24.4.100", "vm")
    });
    assert_eq!(cloud.exposed(), [FIP]);
    assert_eq!(cloud.exposure(FIP).vlan(), Some(100));
}

/// A tenant VM elsewhere, on a router whose gateway is here; floating IPs are centralised.
fn centralised() -> Cloud {
    let mut cloud = Cloud::new();
    cloud.fip_mode(FipMode::Centralised);
    cloud.router_port(gateway("lrp-gw", &["172.24.4.146/24"]));
    cloud.router(true, &["lrp-gw"], &["172.24.4.100"]);
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2"]),
        ..tenant_vm()
    });
    cloud.nat(on_gateway());
    cloud
}

fn on_gateway() -> Fip {
    Fip {
        external_mac: None,
        gateway_port: Some(id("lrp-gw")),
        ..fip("172.24.4.100", "vm")
    }
}

const GATEWAY: &str = "172.24.4.146/32";

#[test]
fn b067_centralised_it_is_on_the_gateways_chassis_with_the_gateways_mac() {
    let mut cloud = centralised();
    assert_eq!(cloud.exposed(), [FIP, GATEWAY]);
    let exposure = cloud.exposure(FIP);
    assert_eq!((exposure.kind, exposure.mac), (Kind::Fip, Some(LRP_MAC)));
    assert_eq!(
        exposure.reason.to_string(),
        format!(
            "NAT {} is a floating IP that gateway port lrp-gw answers for, hosted by this chassis",
            id("172.24.4.100")
        )
    );
    cloud.port(SwitchPort {
        up: false,
        ..tenant_vm()
    });
    assert_eq!(cloud.exposed(), [FIP, GATEWAY], "wherever the VM is");
}

#[test]
fn b068_created_and_deleted_while_hosted() {
    let mut cloud = centralised();
    cloud.delta();
    cloud.delete_nat("172.24.4.100");
    cloud.delete_port("vm");
    assert_eq!(cloud.delta().removed.len(), 1);
    cloud.nat(on_gateway());
    assert_eq!(cloud.delta().added.len(), 1);
}

#[test]
fn b069_it_follows_the_gateway() {
    let mut cloud = centralised();
    cloud.delta();
    cloud.router_port(RouterPort {
        hosting_chassis: Some("chassis-2".into()),
        ..gateway("lrp-gw", &["172.24.4.146/24"])
    });
    assert_eq!(cloud.delta().removed.len(), 2);
    assert_eq!(cloud.withheld(FIP).0, Code::GatewayElsewhere);
    cloud.router_port(gateway("lrp-gw", &["172.24.4.146/24"]));
    assert_eq!(cloud.delta().added.len(), 2);
}

#[test]
fn b070_b072_without_gateway_port_the_gateway_on_its_network_answers() {
    let mut cloud = centralised();
    cloud.nat(Fip {
        gateway_port: None,
        ..on_gateway()
    });
    assert_eq!(cloud.exposed(), [FIP, GATEWAY]);
    cloud.nat(Fip {
        gateway_port: None,
        network: Some("another".into()),
        ..on_gateway()
    });
    assert_eq!(cloud.exposed(), [GATEWAY]);
    assert_eq!(cloud.withheld(FIP).0, Code::NoGateway);
}

#[test]
fn b065_centralised_without_network_it_is_on_the_gateway_all_the_same() {
    let mut cloud = centralised();
    cloud.nat(Fip {
        network: None,
        ..on_gateway()
    });
    assert_eq!(cloud.exposed(), [FIP, GATEWAY]);
}

#[test]
fn b071_the_mode_is_switched_once_and_back() {
    let mut cloud = cloud();
    cloud.router_port(gateway("lrp-gw", &["172.24.4.146/24"]));
    cloud.router(true, &["lrp-gw"], &["172.24.4.100"]);
    cloud.delta();
    cloud.fip_mode(FipMode::Centralised);
    let delta = cloud.delta();
    assert_eq!((delta.added.len(), delta.removed.len()), (1, 1));
    assert_eq!(cloud.exposure(FIP).mac, Some(LRP_MAC));
    cloud.fip_mode(FipMode::Centralised);
    assert!(cloud.delta().is_empty());
    cloud.fip_mode(FipMode::Unset);
    assert_eq!(cloud.delta().added.len(), 1);
    assert_eq!(cloud.exposure(FIP).mac, Some(FIP_MAC));
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
fn one_that_no_router_has_is_withheld() {
    let mut cloud = cloud();
    cloud.nat(Fip {
        logical_port: None,
        ..fip("172.24.4.101", "")
    });
    assert_eq!(cloud.exposed(), [FIP]);
    assert_eq!(cloud.withheld("172.24.4.101/32").0, Code::NoGateway);
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
