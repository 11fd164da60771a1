//! How large the packets are that a tenant's devices carry.

use super::*;

/// `public` and, where there is a second one, the VLAN network, each with an exposure.
fn node(public: Option<u32>, vlan: Option<Option<u32>>) -> Node {
    let mut node = Node::new(facts());
    node.tenant(sized(public, vlan));
    node.add(exposure(1001, "172.24.4.10/32"));
    if vlan.is_some() {
        node.add(on_vlan(exposure(1001, "172.30.0.10/32"), 100));
    }
    node
}

fn sized(public: Option<u32>, vlan: Option<Option<u32>>) -> Tenant {
    let mut tenant = tenant(1001);
    if let Some(mtu) = vlan {
        tenant = with_vlan(tenant, 100);
        tenant.networks.get_mut("vlan").unwrap().mtu = mtu;
    }
    tenant.networks.get_mut("public").unwrap().mtu = public;
    tenant
}

/// The MTU of each device of the tenant, where one is wished.
fn mtus(node: &Node) -> BTreeMap<String, u32> {
    let mut mtus = BTreeMap::new();
    for (key, found) in node.reconciler.all_observed() {
        if let (Key::Link { name }, Value::Link(link)) = (&key, &found.value)
            && let Some(mtu) = link.mtu
        {
            mtus.insert(name.to_string(), mtu);
        }
    }
    mtus
}

fn expected<const N: usize>(mtus: [(&str, u32); N]) -> BTreeMap<String, u32> {
    mtus.map(|(name, mtu)| (name.to_owned(), mtu)).into()
}

#[test]
fn a_networks_devices_have_its_mtu_and_those_of_the_vni_the_largest() {
    let node = node(Some(9000), Some(Some(1500)));
    let expected = expected([
        ("br-1001", 9000),
        ("vxlan-1001", 9000),
        ("vrf11111111-11", 9000),
        ("ovs11111111-11", 9000),
        ("vrf22222222-22", 1500),
        ("ovs22222222-22", 1500),
    ]);
    assert_eq!(mtus(&node), expected);
}

#[test]
fn where_nothing_is_said_of_the_mtu_nothing_is_wished() {
    assert_eq!(mtus(&node(None, None)), BTreeMap::new());
    assert_eq!(mtus(&node(None, Some(None))), BTreeMap::new());
}

#[test]
fn a_network_that_says_nothing_counts_as_the_kernel_makes_its_devices() {
    let small = node(Some(1400), Some(None));
    let devices = expected([("vrf11111111-11", 1400), ("ovs11111111-11", 1500)]);
    assert_eq!(mtus(&small), devices, "1500 are to pass the bridge");
    let large = node(Some(2000), Some(None));
    assert_eq!(mtus(&large).get("br-1001"), Some(&2000));
}

#[test]
fn the_port_on_the_provider_bridge_never_makes_the_bridges_interface_smaller() {
    let node = node(Some(1400), None);
    let expected = expected([
        ("br-1001", 1400),
        ("vxlan-1001", 1400),
        ("vrf11111111-11", 1400),
        ("ovs11111111-11", 1500),
    ]);
    assert_eq!(mtus(&node), expected);
}

#[test]
fn no_device_is_too_small_for_ipv6() {
    let node = node(Some(576), None);
    assert_eq!(mtus(&node).get("vrf11111111-11"), Some(&1280));
    assert_eq!(mtus(&node).get("br-1001"), Some(&1280));
}

#[test]
fn another_mtu_changes_the_devices_and_withdraws_nothing() {
    let mut node = node(Some(9000), None);
    let steps = node.tenant(sized(Some(4000), None));
    let changed: BTreeSet<_> = steps
        .iter()
        .map(|step| match step {
            Step::Replace {
                key: Key::Link { name },
                ..
            } => name.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    let devices = ["br-1001", "vxlan-1001", "vrf11111111-11", "ovs11111111-11"];
    assert_eq!(changed, devices.map(str::to_owned).into());
    assert_eq!(mtus(&node).get("br-1001"), Some(&4000));
    // What is no more said stays.
    assert_eq!(node.tenant(sized(None, None)), []);
    assert_eq!(mtus(&node).get("br-1001"), Some(&4000));
}

#[test]
fn an_internal_port_has_what_open_vswitch_gives_it_and_a_pair_of_gateways_the_networks() {
    let with = |vlan: Option<u16>| {
        let mut tenant = shared(77, vlan);
        tenant.networks.get_mut("public").unwrap().mtu = Some(9000);
        mtus(&node_of(tenant))
    };
    let pair = expected([
        ("br-77", 9000),
        ("vxlan-77", 9000),
        ("veth-vrf-77", 9000),
        ("veth-ovs-77", 9000),
    ]);
    assert_eq!(with(None), pair);
    let internal = expected([("br-77", 9000), ("vxlan-77", 9000)]);
    assert_eq!(with(Some(100)), internal);
}
