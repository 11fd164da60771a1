//! `ovn_evpn_driver`: tenants that share a provider network.

use bgp::evpn::{EvpnEvent, Way};

use super::*;
use crate::exposure::native::Lessons;
use crate::wiring::Pending;
use crate::wiring::tenants::names;

/// With the numbers that Open vSwitch gave, and a device that exists.
fn with_ports(mac: Option<MacAddr>) -> Facts {
    let mut facts = facts();
    facts.tenancy.ports = BTreeMap::from([("veth-ovs-77".into(), 9), ("vlan-77".into(), 9)]);
    let devices = ["veth-vrf-77", "vlan-77"];
    let macs = devices
        .into_iter()
        .filter_map(|dev| Some((Arc::from(dev), mac?)));
    facts.tenancy.macs = macs.collect();
    facts
}

fn node_of(tenant: Tenant, facts: Facts) -> Node {
    let mut node = Node::new(facts);
    node.tenant(tenant);
    node
}

#[test]
fn b153_a_gateway_has_its_devices_routes_neighbour_and_flow_before_anything_is_exposed() {
    let node = node_of(shared(77, None), with_ports(Some(VM_MAC)));
    let objects = node.objects();
    has(
        &objects,
        &[
            "link vrf-77 Vrf { table: 77 }",
            "link vxlan-77 Vxlan { vni: 77, port: 4789, local: 172.30.1.1 }",
            "br-77 master vrf-77",
            "vxlan-77 master br-77",
            &format!("link veth-vrf-77 Veth {{ peer: \"veth-ovs-77\" }} {VM_MAC}"),
            "veth-vrf-77 master vrf-77",
            "port veth-ovs-77 of br-ex tag None internal false",
            "172.24.4.76/32 dev veth-vrf-77 table 77",
            &format!("172.24.4.76 dev veth-vrf-77 lladdr {GATEWAY_MAC}"),
            "10.10.0.0/24 via 172.24.4.76 dev veth-vrf-77 table 77",
            "unreachable 0.0.0.0/0 table 77",
            "unreachable ::/0 table 77",
            &format!(
                "br-ex: 0x3e6 1000 Ipv4 in_port 5 from {GATEWAY_MAC} 10.10.0.0/24 to {VM_MAC} \
                 FlowOutput {{ port: 9, strip_vlan: false }}"
            ),
        ],
    );
    // Others use the network too: the device answers for nobody, and nobody else's packets enter it.
    has_not(&objects, "proxy");
    has_not(&objects, "0x3e7");
    has_not(&objects, "lo-77");
}

#[test]
fn b153_a_host_is_a_route_by_way_of_its_gateway() {
    let mut node = node_of(shared(77, None), with_ports(None));
    let before = node.objects();
    let steps = node.add(behind_gateway(77, "10.10.0.19/32"));
    assert_eq!(advertises(&steps), 1);
    let objects = node.objects();
    let added: Vec<_> = objects.difference(&before).collect();
    assert_eq!(
        added,
        ["10.10.0.19/32 via 172.24.4.76 dev veth-vrf-77 table 77"]
    );
    node.remove(behind_gateway(77, "10.10.0.19/32"));
    assert_eq!(node.objects(), before);
}

#[test]
fn b154_without_keys_all_goes_and_another_vni_stays() {
    let mut node = node_of(shared(77, None), with_ports(None));
    let alone = node.objects();
    let mut other = shared(88, None);
    let public = other.networks.get_mut("public").unwrap();
    let gateway = public.gateways.get_mut("lrp").unwrap();
    gateway.mac = VM_MAC;
    node.tenant(other);
    has(
        &node.objects(),
        &["10.10.0.0/24 via 172.24.4.76 dev veth-vrf-88 table 88"],
    );
    assert!(alone.is_subset(&node.objects()));
    node.change(&[], &[], &[(88, None)]);
    assert_eq!(node.objects(), alone);
    node.change(&[], &[], &[(77, None)]);
    assert_eq!(node.objects(), BTreeSet::new());
}

#[test]
fn b156_on_a_vlan_open_vswitch_makes_the_device() {
    let node = node_of(shared(77, Some(100)), with_ports(Some(VM_MAC)));
    let objects = node.objects();
    has(
        &objects,
        &[
            "port vlan-77 of br-ex tag Some(100) internal true",
            "vlan-77 master vrf-77",
            "net/ipv6/conf/vlan-77/proxy_ndp=1",
            "10.10.0.0/24 via 172.24.4.76 dev vlan-77 table 77",
            &format!(
                "br-ex: 0x3e6 1000 Ipv4 in_port 5 from {GATEWAY_MAC} 10.10.0.0/24 to {VM_MAC} \
                 FlowOutput {{ port: 9, strip_vlan: true }}"
            ),
        ],
    );
    has_not(&objects, "veth");
}

#[test]
fn b156_the_flow_waits_for_the_number_and_the_address_of_the_device() {
    for (facts, known) in [
        (facts(), "neither"),
        (
            Facts {
                tenancy: Tenancy {
                    macs: BTreeMap::new(),
                    ..with_ports(None).tenancy
                },
                ..facts()
            },
            "the number",
        ),
    ] {
        let mut node = node_of(shared(77, Some(100)), facts);
        let exposed = behind_gateway(77, "10.10.0.19/32");
        assert_eq!(advertises(&node.add(exposed.clone())), 0, "{known}");
        let pending = node.wiring.pending_for(exposed.destination());
        let port = "vlan-77".into();
        let bridge = "br-ex".into();
        assert_eq!(pending, Some(Pending::NoPort { bridge, port }));
        assert_eq!(advertises(&node.facts(with_ports(Some(VM_MAC)))), 1);
        assert_eq!(node.wiring.pending_for(exposed.destination()), None);
    }
}

#[test]
fn b157_ipv6_goes_the_same_way() {
    let mut both = shared(77, None);
    let public = both.networks.get_mut("public").unwrap();
    let gateway = public.gateways.get_mut("lrp").unwrap();
    let via = ip("2001:db8:100::76");
    gateway.addresses.insert(via);
    gateway.proxied = Arc::from(["2001:db8:100::".parse().unwrap()]);
    gateway
        .subnets
        .insert("2001:db8:200::/64".parse().unwrap(), via);
    let mut node = node_of(both, with_ports(Some(VM_MAC)));
    let host = Exposure {
        via: Some(via),
        subnet: Some("2001:db8:200::/64".parse().unwrap()),
        ..behind_gateway(77, "2001:db8:200::19/128")
    };
    assert_eq!(advertises(&node.add(host)), 1);
    has(
        &node.objects(),
        &[
            "2001:db8:100::76/128 dev veth-vrf-77 table 77",
            "2001:db8:200::19/128 via 2001:db8:100::76 dev veth-vrf-77 table 77",
            "2001:db8:200::/64 via 2001:db8:100::76 dev veth-vrf-77 table 77",
            // Tenants share the network: the bridge answers, once for all.
            "proxy 2001:db8:100:: dev br-ex",
            &format!(
                "br-ex: 0x3e6 1000 Ipv6 in_port 5 from {GATEWAY_MAC} 2001:db8:200::/64 to {VM_MAC} \
                 FlowOutput {{ port: 9, strip_vlan: false }}"
            ),
        ],
    );
}

#[test]
fn gateways_on_a_second_network_have_no_entrance() {
    let mut two = shared(77, None);
    let mut other = network('2', "provnet-2", None);
    other.gateways = two.networks["public"].gateways.clone();
    two.networks.insert("second".into(), other);
    let mut node = node_of(two, with_ports(None));
    let stray = Exposure {
        network: "second".into(),
        attachment: Some(attachment("provnet-2", None)),
        ..behind_gateway(77, "10.10.0.20/32")
    };
    assert_eq!(advertises(&node.add(stray.clone())), 0);
    let pending = node.wiring.pending_for(stray.destination());
    assert!(matches!(pending, Some(Pending::NoEntrance { .. })));
    assert_eq!(
        advertises(&node.add(behind_gateway(77, "10.10.0.19/32"))),
        1
    );
}

/// [`shared`], whose router learns.
fn learning(vlan: Option<u16>) -> Tenant {
    let mut tenant = shared(77, vlan);
    let public = tenant.networks.get_mut("public").unwrap();
    let gateway = public.gateways.get_mut("lrp").unwrap();
    gateway.learning = ["172.24.4.76/24", "2001:db8:4::76/64"]
        .map(|net| net.parse().unwrap())
        .into();
    tenant
}

#[test]
fn to_a_router_that_learns_the_entrance_is_the_next_router_and_alone_is_asked_for_it() {
    for (vlan, dev, strip) in [(None, "veth-vrf-77", false), (Some(100), "vlan-77", true)] {
        let node = node_of(learning(vlan), with_ports(Some(VM_MAC)));
        let objects = node.objects();
        has(
            &objects,
            &[
                &format!("172.24.4.0/32 dev {dev}"),
                &format!(
                    "br-ex: 0x3e6 1000 Arp in_port 5 from {GATEWAY_MAC} 172.24.4.0/32 to {VM_MAC} \
                     FlowOutput {{ port: 9, strip_vlan: {strip} }}"
                ),
            ],
        );
        let six = names::next_router("2001:db8:4::76/64".parse().unwrap(), ip("172.30.1.1"), 77);
        let six = six.unwrap();
        has(
            &objects,
            &[
                &format!("{six}/64 dev {dev}"),
                &format!(
                    "br-ex: 0x3e6 1000 Nd in_port 5 from {GATEWAY_MAC} {six}/128 to {VM_MAC} \
                     FlowOutput {{ port: 9, strip_vlan: {strip} }}"
                ),
            ],
        );
    }
    let node = node_of(shared(77, None), with_ports(Some(VM_MAC)));
    has_not(&node.objects(), "Arp");
}

#[test]
fn a_router_of_a_vni_is_taught_what_peers_teach_it_while_the_tenant_has_its_devices() {
    let lessons = |node: &Node, ports: &[&str]| {
        let mut lessons = Lessons {
            vni: 77,
            ports: ports.iter().map(|port| Arc::from(*port)).collect(),
            ..Lessons::default()
        };
        node.wiring.teach_routers(&mut lessons);
        lessons
    };
    let taught = |ways| EvpnEvent::Prefix {
        vni: 77,
        prefix: "198.51.100.0/24".parse().unwrap(),
        ways,
    };
    let way = Way {
        vtep: ip("10.255.0.1"),
        router_mac: bgp::wire::evpn::Mac([2; 6]),
    };
    let mut node = node_of(learning(None), with_ports(None));
    assert_eq!(lessons(&node, &["lrp"]).prefixes, Arc::default());
    node.wiring.teach([taught(vec![way])]);
    let found = lessons(&node, &["lrp"]);
    let prefixes: Vec<_> = found.prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["198.51.100.0/24"]);
    assert_eq!((&*found.device, found.next.len()), ("br-ex", 2));
    // This node is nothing to a port that is not the tenant's.
    assert_eq!(lessons(&node, &["lrp-2"]).next.len(), 0);
    node.wiring.teach([taught(Vec::new())]);
    assert_eq!(lessons(&node, &["lrp"]).prefixes, Arc::default());
    node.wiring.teach([taught(vec![way])]);
    node.change(&[], &[], &[(77, None)]);
    let found = lessons(&node, &["lrp"]);
    assert_eq!((found.prefixes.len(), found.next.len()), (0, 0));
}
