//! Section 8.3, and what OURS.md says of ports.

use super::cloud::{Cloud, MAC, address, cidrs, hosts, localnet_port, node, vm};
use crate::exposure::{Attachment, Code, Kind};
use crate::mac::MacAddr;
use crate::ovn::northbound::{PortKind, SwitchPort};

const NOTHING: [&str; 0] = [];

fn v4(name: &str) -> SwitchPort {
    vm(name, "provider", &["172.24.4.10"])
}

#[test]
fn b002_the_chassis_test_uses_the_given_hostname() {
    let mut cloud = Cloud::new();
    cloud.node.hostname = "from-gethostname".into();
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["from-gethostname"]),
        ..v4("vm")
    });
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

#[test]
fn b008_without_mappings_nothing_is_exposed() {
    let mut cloud = Cloud::new();
    cloud.node = node("");
    cloud.port(v4("vm"));
    assert_eq!(cloud.exposed(), NOTHING);
}

#[test]
fn b034_vm_on_a_flat_provider_network_is_exposed() {
    let mut cloud = Cloud::new();
    cloud.port(v4("vm"));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    let exposure = cloud.exposure("172.24.4.10/32");
    assert_eq!(exposure.kind, Kind::Provider);
    assert_eq!(exposure.mac, Some(MAC));
    assert_eq!(
        exposure.attachment,
        Some(Attachment {
            bridge: "br-ex".into(),
            vlan: None,
            localnet: "provnet-provider".into(),
        })
    );
}

#[test]
fn b035_vm_on_another_host_is_not_exposed() {
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2"]),
        ..v4("vm")
    });
    assert_eq!(cloud.exposed(), NOTHING);
    let (code, reason) = cloud.withheld("172.24.4.10/32");
    assert_eq!(code, Code::ElsewhereBound);
    assert_eq!(
        reason,
        "Logical_Switch_Port vm: options:requested-chassis is host-2"
    );
}

#[test]
fn b036_vm_on_a_vlan_network_is_attached_to_the_vlan() {
    let mut cloud = Cloud::new();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.port(vm("vm", "vlan", &["172.30.0.10"]));
    assert_eq!(cloud.exposed(), ["172.30.0.10/32"]);
    let exposure = cloud.exposure("172.30.0.10/32");
    assert_eq!(exposure.vlan(), Some(100));
}

#[test]
fn b037_dual_stack_vm_is_exposed_twice_and_its_gateways_are_proxied() {
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        cidrs: cidrs(&["172.24.4.10/24", "2001:db8::10/64"]),
        ..vm("vm", "provider", &["172.24.4.10", "2001:db8::10"])
    });
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", "2001:db8::10/128"]);
    assert_eq!(
        cloud.proxied("2001:db8::10/128"),
        ["2001:db8::", "2001:db8::1"].map(|a| a.parse::<std::net::Ipv6Addr>().unwrap())
    );
    assert!(cloud.proxied("172.24.4.10/32").is_empty());
}

#[test]
fn a_gateway_of_another_name_is_proxied_and_one_that_a_port_has_is_not() {
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        cidrs: cidrs(&["2001:db8::10/64"]),
        ..vm("vm", "provider", &["2001:db8::10"])
    });
    cloud.delta();
    cloud.default_route("2001:db8::fe");
    assert_eq!(cloud.delta().added.len(), 1);
    let texts = |cloud: &Cloud| -> Vec<String> {
        let proxied = cloud.proxied("2001:db8::10/128");
        proxied.iter().map(ToString::to_string).collect()
    };
    assert_eq!(texts(&cloud), ["2001:db8::", "2001:db8::1", "2001:db8::fe"]);
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2"]),
        cidrs: cidrs(&["2001:db8::1/64"]),
        ..vm("router-vm", "provider", &["2001:db8::1"])
    });
    cloud.delta();
    assert_eq!(texts(&cloud), ["2001:db8::", "2001:db8::fe"]);
    cloud.delete_port("router-vm");
    cloud.delta();
    assert_eq!(texts(&cloud), ["2001:db8::", "2001:db8::1", "2001:db8::fe"]);
}

#[test]
fn b038_host_id_alone_binds_a_port() {
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        requested_chassis: Vec::new(),
        host_id: Some("host-1".into()),
        ..v4("vm")
    });
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

#[test]
fn b039_a_virtual_port_is_where_host_id_says() {
    let mut cloud = Cloud::new();
    let vip = SwitchPort {
        kind: PortKind::Virtual,
        requested_chassis: hosts(&["host-2"]),
        host_id: Some("host-1".into()),
        ..v4("vip")
    };
    cloud.port(vip.clone());
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    assert_eq!(
        cloud.exposure("172.24.4.10/32").mac,
        None,
        "the parent answers with its own MAC"
    );
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-1"]),
        host_id: Some("host-2".into()),
        ..vip
    });
    assert_eq!(cloud.exposed(), NOTHING);
}

#[test]
fn bugs_b15_a_virtual_port_that_nobody_claimed_is_not_exposed() {
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        kind: PortKind::Virtual,
        requested_chassis: Vec::new(),
        up: false,
        ..v4("vip")
    });
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld("172.24.4.10/32").0, Code::NeverClaimed);
}

#[test]
fn b040_exposed_while_up() {
    let mut cloud = Cloud::new();
    let up = v4("vm");
    let down = SwitchPort {
        up: false,
        ..up.clone()
    };
    cloud.port(down.clone());
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(
        cloud.withheld("172.24.4.10/32"),
        (
            Code::PortDown,
            "Logical_Switch_Port vm: up is not true".into()
        )
    );
    cloud.port(up);
    assert_eq!(cloud.delta().added.len(), 1);
    cloud.port(down);
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn b041_a_migrating_port_stays_at_its_source_until_the_list_names_one() {
    let mut cloud = Cloud::new();
    let migrating = SwitchPort {
        requested_chassis: hosts(&["host-1", "host-2"]),
        ..v4("vm")
    };
    let mut destination = Cloud::new();
    destination.node.hostname = "host-2".into();
    destination.node.chassis = "chassis-2".into();
    let steps = [
        (v4("vm"), true, false),
        (migrating.clone(), true, false),
        (
            SwitchPort {
                up: false,
                ..migrating
            },
            true,
            false,
        ),
        (
            SwitchPort {
                requested_chassis: hosts(&["host-2"]),
                up: false,
                ..v4("vm")
            },
            false,
            false,
        ),
        (
            SwitchPort {
                requested_chassis: hosts(&["host-2"]),
                ..v4("vm")
            },
            false,
            true,
        ),
    ];
    for (port, at_source, at_destination) in steps {
        cloud.port(port.clone());
        destination.port(port.clone());
        assert_eq!(!cloud.exposed().is_empty(), at_source, "{port:?}");
        assert_eq!(
            !destination.exposed().is_empty(),
            at_destination,
            "{port:?}"
        );
    }
}

#[test]
fn bugs_b10_while_a_port_migrates_its_binding_decides_where_sb_is_connected() {
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2", "host-1"]),
        ..v4("vm")
    });
    assert_eq!(cloud.exposed(), NOTHING);
    cloud.bind("vm", "chassis-2");
    assert_eq!(cloud.exposed(), NOTHING);
    assert!(cloud.withheld("172.24.4.10/32").1.contains("Port_Binding"));
    cloud.bind("vm", "chassis-1");
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

#[test]
fn b042_a_deleted_port_is_withdrawn() {
    let mut cloud = Cloud::new();
    cloud.port(v4("vm"));
    cloud.delta();
    cloud.delete_port("vm");
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.exposed(), NOTHING);
}

#[test]
fn b043_ports_without_ip_are_not_exposed_and_stop_nothing() {
    let mut cloud = Cloud::new();
    cloud.port(vm("mac only", "provider", &[]));
    cloud.port(SwitchPort {
        addresses: Vec::new(),
        ..v4("unknown or empty")
    });
    cloud.port(v4("vm"));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

#[test]
fn b044_every_entry_of_addresses_counts() {
    let second = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 2]);
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        addresses: vec![
            address(MAC, &["172.24.4.10"]),
            address(second, &["172.24.4.11", "172.24.4.10"]),
        ],
        ..v4("vm")
    });
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", "172.24.4.11/32"]);
    assert_eq!(cloud.exposure("172.24.4.10/32").mac, Some(MAC));
    assert_eq!(cloud.exposure("172.24.4.11/32").mac, Some(second));
}

#[test]
fn b045_a_changed_ip_replaces_the_old_one() {
    let mut cloud = Cloud::new();
    cloud.port(v4("vm"));
    cloud.delta();
    cloud.port(vm("vm", "provider", &["172.24.4.20"]));
    let delta = cloud.delta();
    assert_eq!(delta.removed[0].prefix.to_string(), "172.24.4.10/32");
    assert_eq!(delta.added[0].prefix.to_string(), "172.24.4.20/32");
}

#[test]
fn b046_an_added_ip_is_exposed_and_the_first_untouched() {
    let mut cloud = Cloud::new();
    cloud.port(v4("vm"));
    cloud.delta();
    cloud.port(vm("vm", "provider", &["172.24.4.10", "172.24.4.11"]));
    let delta = cloud.delta();
    assert_eq!(delta.added.len(), 1);
    assert!(delta.removed.is_empty());
}

#[test]
fn b047_a_network_without_localnet_is_a_tenant_network() {
    let mut cloud = Cloud::new();
    cloud.port(vm("vm", "tenant", &["10.0.0.5"]));
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(
        cloud.withheld("10.0.0.5/32").0,
        Code::TenantNetworksDisabled
    );
}

#[test]
fn b048_an_unmapped_physical_network_is_withheld_until_mapped() {
    let mut cloud = Cloud::new();
    cloud.network("far", Some(("physnet9", None)));
    cloud.port(vm("vm", "far", &["172.31.0.5"]));
    assert_eq!(cloud.exposed(), NOTHING);
    let (code, reason) = cloud.withheld("172.31.0.5/32");
    assert_eq!(code, Code::PhysicalNetworkNotMapped);
    assert!(reason.contains("physnet9"), "{reason}");
    cloud.node = node("physnet1:br-ex,physnet9:br-far");
    cloud.nb.set_lacks_hosting_chassis(true);
    assert_eq!(cloud.exposed(), ["172.31.0.5/32"]);
}

#[test]
fn bugs_b11_of_several_localnets_the_mapped_one_counts() {
    let mut cloud = Cloud::new();
    cloud.network("routed", Some(("physnet2", Some(7))));
    cloud.port(vm("vm", "routed", &["172.24.5.5"]));
    assert_eq!(cloud.exposed(), NOTHING);
    cloud.port(SwitchPort {
        network: Some("routed".into()),
        ..localnet_port("second", "physnet1", Some(8))
    });
    assert_eq!(cloud.exposed(), ["172.24.5.5/32"]);
    let attachment = cloud.exposure("172.24.5.5/32").attachment.clone().unwrap();
    assert_eq!(attachment.vlan, Some(8));
    assert_eq!(&*attachment.localnet, "provnet-second");
}

#[test]
fn b049_other_port_types_are_not_exposed() {
    let mut cloud = Cloud::new();
    for kind in ["external", "localport", "router", "l2gateway", "vtep"] {
        cloud.port(SwitchPort {
            kind: PortKind::from(kind),
            ..v4(kind)
        });
    }
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld("172.24.4.10/32").0, Code::NotSupported);
}

#[test]
fn b050_a_subport_bound_here_is_exposed_on_its_network() {
    let mut cloud = Cloud::new();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.port(SwitchPort {
        parent: Some("parent".into()),
        tag: Some(5),
        ..vm("subport", "vlan", &["172.30.0.9"])
    });
    assert_eq!(cloud.exposed(), ["172.30.0.9/32"]);
    assert_eq!(cloud.exposure("172.30.0.9/32").vlan(), Some(100));
}

#[test]
fn bugs_b21_a_trunk_subport_is_where_its_parent_is() {
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        parent: Some("parent".into()),
        requested_chassis: Vec::new(),
        ..v4("subport")
    });
    assert_eq!(cloud.exposed(), NOTHING);
    assert!(cloud.withheld("172.24.4.10/32").1.contains("no such port"));
    cloud.port(vm("parent", "tenant", &[]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    cloud.port(SwitchPort {
        requested_chassis: hosts(&["host-2"]),
        ..vm("parent", "tenant", &[])
    });
    assert_eq!(cloud.exposed(), NOTHING);
}

#[test]
fn b052_network_and_port_deleted_in_one_transaction_withdraw() {
    let mut cloud = Cloud::new();
    cloud.port(v4("vm"));
    cloud.delta();
    cloud.delete_network("provider");
    cloud.delete_port("vm");
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn network_deleted_before_its_ports_withdraws() {
    let mut cloud = Cloud::new();
    cloud.port(v4("vm"));
    cloud.delta();
    cloud.delete_network("provider");
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn b053_a_port_created_up_is_exposed_at_once() {
    let mut cloud = Cloud::new();
    cloud.delta();
    cloud.port(v4("vm"));
    assert_eq!(cloud.delta().added.len(), 1);
}

#[test]
fn b064_an_unrelated_update_changes_nothing() {
    let mut cloud = Cloud::new();
    cloud.port(v4("vm"));
    cloud.delta();
    // Neither revision numbers nor other unread columns reach the typed row.
    cloud.port(v4("vm"));
    assert!(cloud.delta().is_empty());
}

#[test]
fn decisions_d2_a_disabled_port_is_withheld_unless_it_is_virtual() {
    let mut cloud = Cloud::new();
    cloud.port(SwitchPort {
        enabled: false,
        ..v4("vm")
    });
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld("172.24.4.10/32").0, Code::PortDisabled);
    cloud.port(SwitchPort {
        enabled: false,
        kind: PortKind::Virtual,
        host_id: Some("host-1".into()),
        ..v4("vm")
    });
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

#[test]
fn link_local_addresses_are_not_exposed() {
    let mut cloud = Cloud::new();
    cloud.port(vm("vm", "provider", &["fe80::1", "2001:db8::10"]));
    assert_eq!(cloud.exposed(), ["2001:db8::10/128"]);
}

#[test]
fn of_two_rows_with_one_name_both_are_decided() {
    let mut cloud = Cloud::new();
    cloud.port(v4("vm"));
    cloud.delta();
    // A port made anew under its name, before the old row is seen to go.
    let again = SwitchPort {
        name: "vm".into(),
        ..vm("another row", "provider", &["172.24.4.10"])
    };
    cloud.port(again);
    cloud.delta();
    cloud.delete_port("vm");
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}
