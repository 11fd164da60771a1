//! What a tenant has while something of it is exposed.

use super::*;
use crate::wiring::{Localnet, desired};

fn wired() -> Node {
    let mut node = node_of(tenant(1001));
    node.add(exposure(1001, "172.24.4.10/32"));
    node
}

#[test]
fn b106_a_tenant_of_which_nothing_is_exposed_has_no_devices() {
    let mut node = Node::new(facts());
    assert_eq!(node.tenant(tenant(1001)), []);
    assert_eq!(node.objects(), BTreeSet::new());
    assert_eq!(node.wiring.instances(), BTreeMap::new());
}

#[test]
fn b107_first_port_builds_the_vni() {
    let node = wired();
    let router_mac = super::super::names::router_mac(ip(VTEP), 1001);
    let expected = [
        "link vrf-1001 Vrf { table: 1001 }".to_owned(),
        format!("link br-1001 Bridge {router_mac}"),
        "link vxlan-1001 Vxlan { vni: 1001, port: 4789, local: 172.30.1.1 }".to_owned(),
        "br-1001 master vrf-1001".to_owned(),
        "vxlan-1001 master br-1001".to_owned(),
        "vxlan-1001 learning false neigh_suppress true".to_owned(),
        "link vrf11111111-11 Veth { peer: \"ovs11111111-11\" } 02:00:03:e9:00:00".to_owned(),
        "vrf11111111-11 master vrf-1001".to_owned(),
        "port ovs11111111-11 of br-ex tag None internal false".to_owned(),
        "fe80::200:3e9:0/64 dev vrf11111111-11".to_owned(),
        "169.254.0.0/32 dev vrf11111111-11".to_owned(),
        "fd53:d91e:400:7f17::/128 dev vrf11111111-11".to_owned(),
        "net/ipv4/conf/vrf11111111-11/proxy_arp=1".to_owned(),
        "net/ipv6/conf/vrf11111111-11/proxy_ndp=1".to_owned(),
        "net/ipv4/conf/vrf11111111-11/forwarding=1".to_owned(),
        "net/ipv6/conf/vrf11111111-11/forwarding=1".to_owned(),
        "net/ipv6/conf/vrf11111111-11/accept_dad=0".to_owned(),
        "net/ipv4/conf/br-1001/forwarding=1".to_owned(),
        "net/ipv6/conf/br-1001/forwarding=1".to_owned(),
        "net/ipv4/ip_forward=1".to_owned(),
        "net/ipv6/conf/all/forwarding=1".to_owned(),
        "unreachable 0.0.0.0/0 table 1001".to_owned(),
        "unreachable ::/0 table 1001".to_owned(),
        "br-ex: 0x3e7 900 Ipv4 in_port 5 to 02:00:03:e9:00:00 NORMAL".to_owned(),
        "br-ex: 0x3e7 900 Ipv6 in_port 5 to 02:00:03:e9:00:00 NORMAL".to_owned(),
        "172.24.4.10/32 dev vrf11111111-11 table 1001".to_owned(),
        format!("172.24.4.10 dev vrf11111111-11 lladdr {VM_MAC}"),
    ];
    // Nothing else: neither the bridge's own interface nor the other localnet port has a part in it.
    assert_eq!(node.objects(), expected.into());
}

#[test]
fn b108_a_vlan_is_in_the_port_the_mac_and_the_helper_addresses() {
    let mut node = node_of(with_vlan(tenant(1001), 100));
    node.add(on_vlan(exposure(1001, "172.30.0.10/32"), 100));
    let objects = node.objects();
    has(
        &objects,
        &[
            "port ovs22222222-22 of br-ex tag Some(100) internal false",
            "link vrf22222222-22 Veth { peer: \"ovs22222222-22\" } 02:00:03:e9:00:64",
            "fe80::200:3e9:64/64 dev vrf22222222-22",
            "169.254.100.100/32 dev vrf22222222-22",
            "fd53:d91e:400:7f17::64:64/128 dev vrf22222222-22",
        ],
    );
    // Of the flat network nothing is exposed.
    has_not(&objects, "11111111");
}

#[test]
fn b110_each_localnet_port_has_the_flows_of_its_own_tenant_or_of_the_bridge() {
    let mut dynamic = facts();
    dynamic.role = BridgeRole::Routes;
    let mut node = Node::new(dynamic);
    has(
        &node.objects(),
        &["br-ex: 0x3e7 900 Ipv4 in_port 5 to 52:00:00:00:00:01 NORMAL"],
    );
    // The network is the tenant's from now on, whether or not anything of it is exposed.
    node.tenant(tenant(1001));
    has_not(&node.objects(), "in_port 5");
    node.add(exposure(1001, "172.24.4.10/32"));
    has(
        &node.objects(),
        &[
            "br-ex: 0x3e7 900 Ipv4 in_port 5 to 02:00:03:e9:00:00 NORMAL",
            "br-ex: 0x3e7 900 Ipv4 in_port 6 to 52:00:00:00:00:01 NORMAL",
        ],
    );
    node.change(&[], &[exposure(1001, "172.24.4.10/32")], &[(1001, None)]);
    has(
        &node.objects(),
        &["br-ex: 0x3e7 900 Ipv4 in_port 5 to 52:00:00:00:00:01 NORMAL"],
    );
}

#[test]
fn b110_the_bridge_has_no_vlan_device_for_a_tenants_network() {
    let mut dynamic = facts();
    dynamic.role = BridgeRole::Routes;
    let localnet = |vlan| Localnet {
        physical_network: "physnet1".into(),
        vlan: Some(vlan),
    };
    dynamic.localnets = vec![localnet(100), localnet(200)];
    let mut node = Node::new(dynamic);
    has(
        &node.objects(),
        &[
            "link br-ex.100 Vlan { parent: \"br-ex\", id: 100 }",
            "link br-ex.200 Vlan { parent: \"br-ex\", id: 200 }",
        ],
    );
    node.tenant(with_vlan(tenant(1001), 100));
    has_not(&node.objects(), "br-ex.100");
    has(
        &node.objects(),
        &["link br-ex.200 Vlan { parent: \"br-ex\", id: 200 }"],
    );
}

#[test]
fn methods_for_tenants_only_leave_the_bridges_alone_and_the_evpn_driver_lets_them_answer() {
    let base = |role| {
        let facts = Facts { role, ..facts() };
        let objects = desired(&[], &BTreeMap::new(), [], &facts).objects;
        let texts = objects.iter().map(|(key, value)| text(key, value));
        texts.collect::<BTreeSet<_>>()
    };
    assert_eq!(base(BridgeRole::Nothing), BTreeSet::new());
    let answers = base(BridgeRole::Answers);
    has(
        &answers,
        &[
            "169.254.1.1/32 dev br-ex",
            "net/ipv4/conf/br-ex/proxy_arp=1",
        ],
    );
    has_not(&answers, "in_port");
    has_not(&answers, "table");
}

/// A router asks for its gateway by ARP in the VLAN of its provider network, where the bridge's own interface hears nothing.
#[test]
fn b156_of_a_vlan_a_device_of_the_bridge_answers_for_the_gateway_of_routers() {
    let vlan = Localnet {
        physical_network: "physnet1".into(),
        vlan: Some(100),
    };
    let of = |role| Facts {
        role,
        localnets: vec![vlan.clone()],
        ..facts()
    };
    let mut node = Node::new(of(BridgeRole::Answers));
    let answering = [
        "link br-ex.100 Vlan { parent: \"br-ex\", id: 100 }",
        "net/ipv4/conf/br-ex.100/proxy_arp=1",
        "169.254.1.100/32 dev br-ex.100",
    ];
    has(&node.objects(), &answering);
    // Those of the tenants' own entrance beside it.
    node.tenant(shared(1001, Some(100)));
    has(&node.objects(), &answering);
    has_not(&Node::new(of(BridgeRole::Nothing)).objects(), "br-ex.100");
}

#[test]
fn b111_two_networks_of_one_vni_share_its_table_and_two_vnis_share_nothing() {
    let mut node = node_of(with_vlan(tenant(1001), 100));
    node.add(exposure(1001, "172.24.4.10/32"));
    let first = node.objects();
    node.add(on_vlan(exposure(1001, "172.30.0.10/32"), 100));
    let both = node.objects();
    assert!(first.is_subset(&both));
    let added = both.difference(&first);
    let foreign: Vec<_> = added
        .filter(|o| !o.contains("22222222") && !o.contains("in_port 6"))
        .collect();
    assert_eq!(foreign, Vec::<&String>::new());
    has(&both, &["vrf22222222-22 master vrf-1001"]);
}

#[test]
fn b111_overlapping_prefixes_of_two_vnis_share_no_object() {
    let other = || {
        let mut other = tenant(1002);
        let network = network('2', "provnet-2", Some(100));
        other.networks = BTreeMap::from([("vlan".into(), network)]);
        other
    };
    let mine = || exposure(1001, "10.0.0.5/32");
    let theirs = || on_vlan(exposure(1002, "10.0.0.5/32"), 100);
    let alone = |tenant: Tenant, exposure| {
        let vni = tenant.vni;
        let tenants = BTreeMap::from([(vni, Arc::new(tenant))]);
        desired(&[Arc::new(exposure)], &tenants, [], &facts())
    };
    let (one, two) = (alone(tenant(1001), mine()), alone(other(), theirs()));
    let both = BTreeMap::from([(1001, Arc::new(tenant(1001))), (1002, Arc::new(other()))]);
    let both = desired(&[Arc::new(mine()), Arc::new(theirs())], &both, [], &facts());
    let shared: Vec<_> = one
        .objects
        .keys()
        .filter(|k| two.objects.contains_key(k))
        .collect();
    let node_wide = |key: &&Key| matches!(key, Key::Sysctl { path } if !path.contains('-'));
    assert_eq!(shared.len(), 2, "{shared:?}");
    assert!(shared.iter().all(node_wide), "{shared:?}");
    assert_eq!(
        both.objects.len(),
        one.objects.len() + two.objects.len() - shared.len()
    );
    assert_eq!(both.adverts.len(), 2);
}

#[test]
fn b115_another_vni_moves_everything() {
    let mut node = wired();
    let steps = node.change(
        &[exposure(1002, "172.24.4.10/32")],
        &[exposure(1001, "172.24.4.10/32")],
        &[(1001, None), (1002, Some(tenant(1002)))],
    );
    assert_eq!((advertises(&steps), withdraws(&steps)), (1, 1));
    let objects = node.objects();
    has_not(&objects, "1001");
    has(
        &objects,
        &[
            "172.24.4.10/32 dev vrf11111111-11 table 1002",
            "vrf11111111-11 master vrf-1002",
            "link vrf11111111-11 Veth { peer: \"ovs11111111-11\" } 02:00:03:ea:00:00",
        ],
    );
}

#[test]
fn b116_b117_with_the_last_exposure_everything_goes() {
    let mut node = wired();
    node.add(exposure(1001, "172.24.4.11/32"));
    node.remove(exposure(1001, "172.24.4.10/32"));
    has(&node.objects(), &["vxlan-1001 master br-1001"]);
    let steps = node.remove(exposure(1001, "172.24.4.11/32"));
    assert!(matches!(steps.first(), Some(Step::Withdraw { .. })));
    assert_eq!(node.objects(), BTreeSet::new());
}

#[test]
fn b116_without_annotations_everything_goes() {
    let mut node = wired();
    let exposed = exposure(1001, "172.24.4.10/32");
    node.change(&[], &[exposed], &[(1001, None)]);
    assert_eq!(node.objects(), BTreeSet::new());
}

#[test]
fn b117_a_network_goes_with_its_last_exposure_and_leaves_the_others() {
    let mut node = node_of(with_vlan(tenant(1001), 100));
    node.add(exposure(1001, "172.24.4.10/32"));
    let before = node.objects();
    node.add(on_vlan(exposure(1001, "172.30.0.10/32"), 100));
    let steps = node.remove(on_vlan(exposure(1001, "172.30.0.10/32"), 100));
    assert_eq!(withdraws(&steps), 1);
    assert_eq!(node.objects(), before);
}

#[test]
fn b117_the_vrf_stays_if_it_is_not_to_be_deleted() {
    let mut keeping = facts();
    keeping.tenancy.delete_vrf_on_disconnect = false;
    let mut node = Node::new(keeping.clone());
    node.tenant(tenant(1001));
    node.add(exposure(1001, "172.24.4.10/32"));
    keeping.tenancy.observe(&node.reconciler.all_observed());
    assert_eq!(keeping.tenancy.vrfs, [1001].into());
    assert_eq!(node.facts(keeping.clone()), []);
    node.change(&[], &[exposure(1001, "172.24.4.10/32")], &[(1001, None)]);
    let left = BTreeSet::from(["link vrf-1001 Vrf { table: 1001 }".to_owned()]);
    assert_eq!(node.objects(), left);
    // So it is after a restart; and it goes when the option is another.
    let whole = desired(&[], &BTreeMap::new(), [], &keeping);
    assert_eq!(whole.objects.len(), 1);
    keeping.tenancy.delete_vrf_on_disconnect = true;
    node.facts(keeping);
    assert_eq!(node.objects(), BTreeSet::new());
}

#[test]
fn b119_the_router_that_ports_are_told_is_the_kernel() {
    let mut with_router = tenant(1001);
    let public = with_router.networks.get_mut("public").unwrap();
    public.routers = [ip("172.24.4.1"), ip("2001:db8:100::1")].into();
    let mut node = wired();
    let steps = node.tenant(with_router.clone());
    assert_eq!(steps.len(), 2, "{steps:?}");
    let addresses = [
        "172.24.4.1/32 dev vrf11111111-11",
        "2001:db8:100::1/128 dev vrf11111111-11",
    ];
    has(&node.objects(), &addresses);
    // What a port of OVN's has here is the port's.
    node.add(exposure(1001, "172.24.4.1/32"));
    assert!(!node.objects().contains(addresses[0]));
    has(
        &node.objects(),
        &["172.24.4.1/32 dev vrf11111111-11 table 1001"],
    );
    node.remove(exposure(1001, "172.24.4.1/32"));
    has(&node.objects(), &addresses);
    node.tenant(tenant(1001));
    assert!(!node.objects().contains(addresses[0]));
}

#[test]
fn b119_the_kernels_own_address_is_advertised_and_has_no_route() {
    let mut with_router = tenant(1001);
    let public = with_router.networks.get_mut("public").unwrap();
    public.routers = [ip("172.24.4.1")].into();
    let own = Exposure {
        mac: None,
        kind: Kind::Gateway,
        ..exposure(1001, "172.24.4.1/32")
    };
    let mut node = node_of(with_router);
    let steps = node.change(&[own.clone(), exposure(1001, "172.24.4.10/32")], &[], &[]);
    assert_eq!(advertises(&steps), 2);
    has(&node.objects(), &["172.24.4.1/32 dev vrf11111111-11"]);
    has_not(&node.objects(), "172.24.4.1/32 dev vrf11111111-11 table");
    // A port of OVN's with this address comes first.
    node.add(exposure(1001, "172.24.4.1/32"));
    has(
        &node.objects(),
        &["172.24.4.1/32 dev vrf11111111-11 table 1001"],
    );
}

#[test]
fn b125_what_the_table_has_no_route_to_goes_nowhere() {
    let objects = wired().objects();
    has(
        &objects,
        &[
            "unreachable 0.0.0.0/0 table 1001",
            "unreachable ::/0 table 1001",
        ],
    );
}

#[test]
fn a_bridge_that_is_there_keeps_its_address() {
    let mut node = wired();
    let mut seen = facts();
    seen.tenancy.macs = BTreeMap::from([(
        "br-1001".into(),
        MacAddr([0x7e, 0xb, 0x6f, 0xad, 0xd, 0x7b]),
    )]);
    node.facts(seen);
    has(&node.objects(), &["link br-1001 Bridge 7e:0b:6f:ad:0d:7b"]);
}

#[test]
fn another_vtep_or_port_rebuilds_the_tunnels_and_withdraws_nothing() {
    let mut node = wired();
    let mut changed = facts();
    changed.tenancy.vtep = Some(ip("172.30.1.9"));
    changed.tenancy.udp_port = 8472;
    changed.tenancy.macs = BTreeMap::from([(
        "br-1001".into(),
        super::super::names::router_mac(ip(VTEP), 1001),
    )]);
    let steps = node.facts(changed);
    assert_eq!((advertises(&steps), withdraws(&steps)), (0, 0));
    has(
        &node.objects(),
        &["link vxlan-1001 Vxlan { vni: 1001, port: 8472, local: 172.30.1.9 }"],
    );
}

#[test]
fn what_there_is_of_tenants_is_read_from_what_was_observed() {
    let node = wired();
    let mut tenancy = facts().tenancy;
    tenancy.observe(&node.reconciler.all_observed());
    let router_mac = super::super::names::router_mac(ip(VTEP), 1001);
    assert_eq!(
        tenancy.macs,
        BTreeMap::from([("br-1001".into(), router_mac)])
    );
    assert_eq!(tenancy.vrfs, [1001].into());
    tenancy.observe(&BTreeMap::new());
    assert!(tenancy.macs.is_empty() && tenancy.vrfs.is_empty());
}

/// `dynamic`: the bridge's own interface is on the flat network too, and would answer for hosts that are at other nodes.
#[test]
fn the_bridge_answers_for_nobody_on_a_flat_network_that_is_a_tenants() {
    let mut dynamic = facts();
    dynamic.role = BridgeRole::Routes;
    let mut node = Node::new(dynamic);
    let answers = "net/ipv4/conf/br-ex/proxy_arp=1";
    has(&node.objects(), &[answers]);
    node.tenant(tenant(1001));
    let objects = node.objects();
    has(&objects, &["net/ipv4/conf/br-ex/proxy_arp=0"]);
    has(&objects, &["net/ipv6/conf/br-ex/proxy_ndp=0"]);
    has_not(&objects, "169.254.0.0/32 dev br-ex");
    // On its VLAN a network has a device of its own: what the bridge does is as it was.
    let mut on_vlan = tenant(1001);
    on_vlan.networks = [("vlan".into(), network('2', "provnet-2", Some(100)))].into();
    node.tenant(on_vlan);
    has(&node.objects(), &[answers]);
}
