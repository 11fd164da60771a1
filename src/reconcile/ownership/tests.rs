use super::*;

fn scope() -> Scope {
    Scope {
        bridges: [(Arc::from("br-ex"), 189), (Arc::from("br-provider"), 190)].into(),
        proxied: vec!["2001:db8:100::/64".parse().unwrap()],
        ..Scope::default()
    }
}

fn vlan<'a>(name: &'a str, parent: &'a str, id: u16) -> VlanFacts<'a> {
    VlanFacts {
        name,
        parent,
        id,
        alias: None,
        has_helper_address: false,
        answers_for_others: false,
    }
}

#[test]
fn b012_routes_of_bgp_are_never_ours() {
    assert!(scope().owns_route(189, 3));
    assert!(scope().owns_route(189, PROTOCOL));
    assert!(!scope().owns_route(189, 186));
    // The table of a router of OVN's may have the same number: ovn-controller's blackholes.
    assert!(!scope().owns_route(189, 84));
    assert!(!scope().owns_route(189, libc::RTPROT_KERNEL));
    assert!(!scope().owns_route(254, PROTOCOL));
}

#[test]
fn b023_the_bridge_name_is_cut_to_ten_characters() {
    assert_eq!(vlan_device_name("br-provider", 1020), "br-provide.1020");
    assert!(scope().has_device("br-provide.1020", Some(("br-provider", 1020))));
    assert!(!scope().has_device("br-provide.1020", Some(("br-provider", 1021))));
}

#[test]
fn b031_an_operators_vlan_device_is_not_ours() {
    assert!(!scope().owns_vlan(&vlan("br-ex.100", "br-ex", 100)));
    assert!(!scope().owns_vlan(&VlanFacts {
        alias: Some("storage"),
        ..vlan("br-ex.100", "br-ex", 100)
    }));
    assert!(!scope().owns_vlan(&VlanFacts {
        alias: Some(LINK_ALIAS),
        ..vlan("vlan100", "br-ex", 100)
    }));
}

#[test]
fn marked_and_python_vlan_devices_are_ours() {
    assert!(scope().owns_vlan(&VlanFacts {
        alias: Some(LINK_ALIAS),
        ..vlan("br-ex.100", "br-ex", 100)
    }));
    assert!(scope().owns_vlan(&VlanFacts {
        has_helper_address: true,
        ..vlan("br-ex.100", "br-ex", 100)
    }));
    assert!(scope().owns_vlan(&VlanFacts {
        answers_for_others: true,
        ..vlan("br-ex.100", "br-ex", 100)
    }));
}

#[test]
fn helper_addresses_are_host_prefixes_of_two_networks() {
    for (text, ours) in [
        ("169.254.1.1/32", true),
        ("169.254.1.1/16", false),
        ("fd53:d91e:400:7f17::1:64/128", true),
        ("fd53:d91e:400:7f17::1/64", false),
        ("fd53:d91e:400:7f18::1/128", false),
        ("10.0.0.1/32", false),
    ] {
        assert_eq!(is_helper_address(&text.parse().unwrap()), ours, "{text}");
    }
}

#[test]
fn unmarked_neighbours_are_ours_where_the_address_is_steered() {
    assert!(scope().owns_neighbour(0, true));
    assert!(!scope().owns_neighbour(0, false));
    assert!(scope().owns_neighbour(PROTOCOL, false));
    assert!(!scope().owns_neighbour(4, true), "somebody else's mark");
}

#[test]
fn proxies_are_ours_by_mark_or_network() {
    assert!(scope().owns_proxy(0, "2001:db8:100::".parse().unwrap()));
    assert!(!scope().owns_proxy(0, "2001:db8:200::1".parse().unwrap()));
    assert!(scope().owns_proxy(PROTOCOL, "2001:db8:200::1".parse().unwrap()));
    assert!(!scope().owns_proxy(4, "2001:db8:100::".parse().unwrap()));
}

fn leak() -> Leak {
    Leak {
        vrf: "bgp-vrf".into(),
        table: 10,
        nic: "bgp-nic".into(),
        loopback: ["169.254.255.1/31".parse().unwrap()].into(),
    }
}

#[test]
fn a_vrf_that_serves_others_or_has_another_table_is_not_ours() {
    assert!(leak().owns_vrf("bgp-vrf", 10, false));
    assert!(!leak().owns_vrf("bgp-vrf", 11, false));
    assert!(!leak().owns_vrf("bgp-vrf", 10, true));
    assert!(!leak().owns_vrf("vrf-x", 10, false));
}

#[test]
fn a_dummy_is_ours_by_mark_or_by_its_vrf() {
    let nic = |is_dummy, alias, master| NicFacts {
        is_dummy,
        alias,
        master,
    };
    assert!(leak().owns_nic(&nic(true, Some(LINK_ALIAS), None)));
    assert!(leak().owns_nic(&nic(true, None, Some("bgp-vrf"))));
    assert!(!leak().owns_nic(&nic(true, None, None)), "an operator's");
    assert!(!leak().owns_nic(&nic(true, None, Some("br0"))));
    assert!(!leak().owns_nic(&nic(false, Some(LINK_ALIAS), Some("bgp-vrf"))));
}

#[test]
fn b011_host_addresses_on_the_dummy_are_ours_whoever_put_them_there() {
    for (text, ours) in [
        ("172.24.4.10/32", true),
        ("2001:db8::10/128", true),
        ("172.24.4.10/24", false),
        ("2001:db8::10/64", false),
        ("fe80::1/128", false),
    ] {
        assert_eq!(leak().owns_address(&text.parse().unwrap()), ours, "{text}");
    }
}

#[test]
fn b012_routes_of_bgp_and_of_the_kernel_in_the_vrf_are_never_ours() {
    assert!(leak().owns_route(10, PROTOCOL));
    assert!(leak().owns_route(10, libc::RTPROT_BOOT));
    for protocol in [186, 196, libc::RTPROT_KERNEL, libc::RTPROT_STATIC] {
        assert!(!leak().owns_route(10, protocol), "{protocol}");
    }
    assert!(!leak().owns_route(254, PROTOCOL));
}

#[test]
fn rules_with_another_selector_are_foreign() {
    let rule = |table, destination_only| RuleFacts {
        table,
        destination_only,
    };
    assert!(scope().owns_rule(&rule(189, true)));
    assert!(!scope().owns_rule(&rule(189, false)));
    assert!(!scope().owns_rule(&rule(254, true)));
}
