use super::*;

const VNI: Vni = 1001;

fn scope() -> TenantScope {
    TenantScope {
        keeps_vrfs: false,
        speaks: true,
        ..TenantScope::default()
    }
}

fn vrf<'a>(kind: &'a LinkKind, members: &'a [&'a str]) -> DeviceFacts<'a> {
    DeviceFacts {
        name: "vrf-1001",
        device: TenantDevice::Vrf(VNI),
        kind,
        alias: None,
        in_our_vrf: false,
        members,
    }
}

fn device<'a>(name: &'a str, kind: &'a LinkKind, in_our_vrf: bool) -> DeviceFacts<'a> {
    DeviceFacts {
        name,
        device: TenantDevice::named(name).unwrap(),
        kind,
        alias: None,
        in_our_vrf,
        members: &[],
    }
}

#[test]
fn b159_names_without_a_vni_are_nobodys() {
    for name in [
        "br-abc",
        "vrf-x",
        "br-ex",
        "br-int",
        "vxlan-",
        "vxlan-01",
        "vxlan-0",
        "vrf-16777216",
        "lo",
        "vrf-+7",
        "vv-1001",
        "vo-999999",
        "veth-vrf-a",
        "vlan-1a",
        "vrf",
        "vrfb4113ba2_78",
        "vrfb4113ba2-7",
        "ovsB4113BA2-78",
        "vrfb4113ba2-786",
    ] {
        assert_eq!(TenantDevice::named(name), None, "{name}");
    }
    for (name, device) in [
        ("br-1001", TenantDevice::Bridge(VNI)),
        ("vxlan-1001", TenantDevice::Vxlan(VNI)),
        ("vrf-16777215", TenantDevice::Vrf(0x00ff_ffff)),
        ("lo-1001", TenantDevice::Loopback(VNI)),
        ("veth-vrf-1001", TenantDevice::GatewayVeth(VNI)),
        ("veth-ovs-1001", TenantDevice::GatewayPort(VNI)),
        ("vlan-1001", TenantDevice::GatewayVlan(VNI)),
        ("vv-1000000", TenantDevice::GatewayVeth(1_000_000)),
        ("vo-16777215", TenantDevice::GatewayPort(0x00ff_ffff)),
        ("vrfb4113ba2-78", TenantDevice::NetworkVeth),
        ("ovsb4113ba2-78", TenantDevice::NetworkPort),
    ] {
        assert_eq!(TenantDevice::named(name), Some(device), "{name}");
    }
}

#[test]
fn b118_the_python_agents_vrf_is_told_by_its_table_and_by_what_is_in_it() {
    let kind = LinkKind::Vrf { table: VNI };
    for (members, ours) in [
        (&["br-1001", "vrfb4113ba2-78"][..], true),
        (&["br-1001", "lo-1001", "veth-vrf-1001"], true),
        // An operator's own EVPN.
        (&["br-1001"], false),
        (&["br-1001", "vlan10"], false),
        (&["br-1001", "vlan-1001"], false),
        (&["br-1001", "vrfb4113ba2-78", "eth1"], false),
        (&["br-1002", "vrfb4113ba2-78"], false),
        (&[], false),
    ] {
        assert_eq!(
            scope().owns_device(&vrf(&kind, members)),
            ours,
            "{members:?}"
        );
    }
    let members = &["br-1001", "vrfb4113ba2-78"];
    let other_table = LinkKind::Vrf { table: 10 };
    assert!(!scope().owns_device(&vrf(&other_table, members)));
    assert!(!scope().owns_device(&vrf(&LinkKind::Foreign, members)));
}

#[test]
fn a_marked_vrf_is_ours_until_somebody_else_uses_it() {
    let kind = LinkKind::Vrf { table: VNI };
    let marked = |members| DeviceFacts {
        alias: Some(LINK_ALIAS),
        ..vrf(&kind, members)
    };
    assert!(scope().owns_device(&marked(&[])));
    assert!(!scope().owns_device(&marked(&["eth1"])));
}

#[test]
fn b117_a_vrf_that_is_to_stay_is_ours_but_not_removed() {
    let kind = LinkKind::Vrf { table: VNI };
    let marked = DeviceFacts {
        alias: Some(LINK_ALIAS),
        ..vrf(&kind, &[])
    };
    let keeps = TenantScope {
        keeps_vrfs: true,
        ..scope()
    };
    assert!(!keeps.owns_device(&marked));
    assert!(keeps.is_our_vrf(&marked), "so its routes are");
}

#[test]
fn tables_that_every_node_has_are_no_tenants() {
    for table in [0, 253, 254, 255, 0x0100_0000] {
        assert!(!is_tenant_table(table), "{table}");
    }
    let main = LinkKind::Vrf { table: 254 };
    let facts = DeviceFacts {
        name: "vrf-254",
        device: TenantDevice::Vrf(254),
        alias: Some(LINK_ALIAS),
        ..vrf(&main, &[])
    };
    assert!(!scope().is_our_vrf(&facts));
}

#[test]
fn b118_the_python_agents_devices_are_told_by_kind_number_and_vrf() {
    let vxlan = |vni| LinkKind::Vxlan {
        vni,
        port: 4789,
        local: "172.30.1.1".parse().unwrap(),
    };
    let veth = |peer: &str| LinkKind::Veth { peer: peer.into() };
    for (name, kind, in_our_vrf, ours) in [
        ("vxlan-1001", vxlan(VNI), true, true),
        ("vxlan-1001", vxlan(VNI), false, false),
        ("vxlan-1001", vxlan(7), true, false),
        ("br-1001", LinkKind::Bridge, true, true),
        ("br-1001", LinkKind::Bridge, false, false),
        ("br-1001", LinkKind::Foreign, true, false),
        ("lo-1001", LinkKind::Dummy, true, true),
        ("lo-1001", LinkKind::Dummy, false, false),
        ("vrfb4113ba2-78", veth("ovsb4113ba2-78"), false, true),
        ("vrfb4113ba2-78", veth("ovsb4113ba2-79"), true, false),
        ("veth-vrf-1001", veth("veth-ovs-1001"), false, true),
        ("veth-vrf-1001", veth("veth-ovs-1002"), false, false),
        ("veth-ovs-1001", veth("veth-vrf-1001"), true, false),
        ("vlan-1001", LinkKind::Foreign, true, false),
    ] {
        let facts = device(name, &kind, in_our_vrf);
        assert_eq!(
            scope().owns_device(&facts),
            ours,
            "{name} {kind:?} {in_our_vrf}"
        );
        let marked = DeviceFacts {
            alias: Some(LINK_ALIAS),
            ..facts
        };
        let follows = ["veth-ovs-1001", "vlan-1001"].contains(&name);
        assert_eq!(scope().owns_device(&marked), !follows, "marked {name}");
    }
}

#[test]
fn a_bridge_with_somebody_elses_port_is_not_the_python_agents() {
    let facts = |members| DeviceFacts {
        members,
        ..device("br-1001", &LinkKind::Bridge, true)
    };
    assert!(scope().owns_device(&facts(&["vxlan-1001"])));
    assert!(!scope().owns_device(&facts(&["vxlan-1001", "eth1"])));
}

#[test]
fn b012_routes_of_others_in_a_tenants_table_are_never_ours() {
    for protocol in [libc::RTPROT_KERNEL, libc::RTPROT_STATIC, 186, 84, 11] {
        assert!(!scope().owns_route(protocol, true), "{protocol}");
    }
    assert!(scope().owns_route(PROTOCOL, false));
    assert!(scope().owns_route(libc::RTPROT_BOOT, true));
    assert!(!scope().owns_route(libc::RTPROT_BOOT, false));
}

#[test]
fn b119_gateway_addresses_of_the_python_agent_are_ours_on_its_veth() {
    for (text, protocol, on_ours, ours) in [
        ("172.24.4.1/32", 0, true, true),
        ("2001:db8::1/128", 0, true, true),
        ("172.24.4.1/32", 0, false, false),
        ("172.24.4.1/24", 0, true, false),
        ("fe80::200:3e9:0/64", PROTOCOL, true, true),
        // The kernel's own.
        ("fe80::3ff:fee9:0/64", 3, true, false),
        ("fe80::3ff:fee9:0/64", 0, true, false),
    ] {
        let address = text.parse().unwrap();
        assert_eq!(
            scope().owns_address(&address, protocol, on_ours),
            ours,
            "{text} {protocol}"
        );
    }
}

#[test]
fn forwarding_tables_are_ours_where_the_agent_speaks() {
    assert!(scope().owns_fdb(true));
    assert!(!scope().owns_fdb(false));
    let frr_speaks = TenantScope {
        speaks: false,
        ..scope()
    };
    assert!(!frr_speaks.owns_fdb(true));
}

#[test]
fn without_evpn_what_bears_our_mark_is_ours_and_what_the_python_agent_left_is_not() {
    let scope = TenantScope {
        claim: Claim::Marked,
        ..scope()
    };
    let kind = LinkKind::Vrf { table: VNI };
    let members = &["br-1001", "vrfb4113ba2-78"];
    let veth = LinkKind::Veth {
        peer: "ovsb4113ba2-78".into(),
    };
    for (facts, as_marked) in [
        (vrf(&kind, members), true),
        (vrf(&kind, &["br-1001", "eth1"]), false),
        (device("br-1001", &LinkKind::Bridge, true), true),
        (device("vrfb4113ba2-78", &veth, true), true),
    ] {
        assert!(!scope.owns_device(&facts), "{facts:?}");
        let marked = DeviceFacts {
            alias: Some(LINK_ALIAS),
            ..facts
        };
        assert_eq!(scope.owns_device(&marked), as_marked, "{facts:?}");
    }
    assert!(scope.owns_route(PROTOCOL, false));
    assert!(!scope.owns_route(libc::RTPROT_BOOT, true));
    let helper = "169.254.0.1/32".parse().unwrap();
    assert!(scope.owns_address(&helper, PROTOCOL, true));
    assert!(!scope.owns_address(&helper, 0, true));
    assert!(scope.owns_neighbour(PROTOCOL, false));
    assert!(!scope.owns_neighbour(0, true));
    assert!(!scope.owns_fdb(true), "it goes with the device");
    for marked in [true, false] {
        let port = PortFacts {
            name: "ovsb4113ba2-78",
            marked,
            internal: false,
            in_our_vrf: true,
        };
        assert_eq!(scope.owns_port(&port), marked);
    }
}

#[test]
fn b156_an_operators_vlan_port_is_not_ours() {
    let port = |name, marked, internal, in_our_vrf| PortFacts {
        name,
        marked,
        internal,
        in_our_vrf,
    };
    for (port, ours) in [
        (port("ovsb4113ba2-78", false, false, false), true),
        (port("veth-ovs-1001", false, false, false), true),
        (port("veth-ovs-1001", false, true, false), false),
        (port("vlan-100", false, true, false), false),
        (port("vlan-100", false, true, true), true),
        (port("vlan-100", true, true, false), true),
        (port("tap0", false, false, false), false),
    ] {
        assert_eq!(scope().owns_port(&port), ours, "{port:?}");
    }
}
