//! What an exposure of a tenant needs, and what it waits for.

use super::*;
use crate::reconcile::Destination;
use crate::wiring::Pending;

#[test]
fn b109_an_address_has_a_route_of_the_table_and_a_permanent_neighbour() {
    let mut node = node_of(tenant(1001));
    let steps = node.change(
        &[
            exposure(1001, "172.24.4.10/32"),
            exposure(1001, "2001:db8::10/128"),
        ],
        &[],
        &[],
    );
    assert_eq!(advertises(&steps), 2);
    has(
        &node.objects(),
        &[
            "172.24.4.10/32 dev vrf11111111-11 table 1001",
            &format!("172.24.4.10 dev vrf11111111-11 lladdr {VM_MAC}"),
            "2001:db8::10/128 dev vrf11111111-11 table 1001",
            &format!("2001:db8::10 dev vrf11111111-11 lladdr {VM_MAC}"),
        ],
    );
}

#[test]
fn b121_b122_tenants_go_by_way_of_the_gateway_and_all_goes_with_it() {
    let mut node = node_of(tenant(1001));
    let gateway = Exposure {
        mac: Some(GATEWAY_MAC),
        kind: Kind::Gateway,
        ..exposure(1001, "172.24.4.76/32")
    };
    let hosts = [
        behind_gateway(1001, "10.10.0.19/32"),
        behind_gateway(1001, "10.10.0.0/24"),
    ];
    let all = [[gateway].as_slice(), &hosts].concat();
    assert_eq!(advertises(&node.change(&all, &[], &[])), 3);
    has(
        &node.objects(),
        &[
            "172.24.4.76/32 dev vrf11111111-11 table 1001",
            &format!("172.24.4.76 dev vrf11111111-11 lladdr {GATEWAY_MAC}"),
            "10.10.0.19/32 via 172.24.4.76 dev vrf11111111-11 table 1001",
            "10.10.0.0/24 via 172.24.4.76 dev vrf11111111-11 table 1001",
        ],
    );
    has_not(&node.objects(), "lookup");
    let steps = node.change(&[], &all, &[]);
    assert_eq!(withdraws(&steps), 3);
    assert_eq!(node.objects(), BTreeSet::new());
}

#[test]
fn b124_a_floating_ip_is_on_link_with_its_own_mac() {
    let mut node = node_of(tenant(1001));
    let fip = Exposure {
        kind: Kind::Fip,
        ..exposure(1001, "172.24.4.151/32")
    };
    assert_eq!(advertises(&node.add(fip)), 1);
    has(
        &node.objects(),
        &[
            "172.24.4.151/32 dev vrf11111111-11 table 1001",
            &format!("172.24.4.151 dev vrf11111111-11 lladdr {VM_MAC}"),
        ],
    );
}

#[test]
fn gateways_of_ipv6_ports_are_answered_for_on_the_networks_device() {
    let mut node = node_of(tenant(1001));
    node.add(Exposure {
        proxied: Arc::from(["2001:db8:100::".parse().unwrap()]),
        ..exposure(1001, "2001:db8:100::138/128")
    });
    has(
        &node.objects(),
        &["proxy 2001:db8:100:: dev vrf11111111-11"],
    );
}

#[test]
fn it_is_wired_before_it_is_advertised_and_withdrawn_before_it_is_unwired() {
    let mut node = node_of(tenant(1001));
    let steps = node.add(exposure(1001, "172.24.4.10/32"));
    assert!(matches!(steps.last(), Some(Step::Advertise { .. })));
    assert_eq!(advertises(&steps), 1);
    let steps = node.remove(exposure(1001, "172.24.4.10/32"));
    assert!(matches!(steps.first(), Some(Step::Withdraw { .. })));
}

#[test]
fn an_advert_requires_every_link_of_its_way() {
    let mut node = node_of(tenant(1001));
    node.add(exposure(1001, "172.24.4.10/32"));
    let prefix = "172.24.4.10/32".parse().unwrap();
    let wish = node.wiring.wish(Destination::Tenant { vni: 1001, prefix });
    let requires: Vec<_> = wish
        .advert
        .unwrap()
        .requires
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(requires.len(), 12, "{requires:#?}");
    for part in [
        "link vrf-1001",
        "link br-1001",
        "link vxlan-1001",
        "link vrf11111111-11",
        "link ovs11111111-11",
    ] {
        assert!(
            requires.iter().any(|key| key == part),
            "{part}: {requires:#?}"
        );
    }
}

#[test]
fn b105_without_vtep_nothing_is_wired_and_explain_names_the_option() {
    let mut without = facts();
    without.tenancy.vtep = None;
    let mut node = Node::new(without);
    node.tenant(tenant(1001));
    assert_eq!(node.add(exposure(1001, "172.24.4.10/32")), []);
    let prefix = "172.24.4.10/32".parse().unwrap();
    let destination = Destination::Tenant { vni: 1001, prefix };
    let pending = node.wiring.pending_for(destination).unwrap();
    assert_eq!(pending, Pending::NoVtep { vni: 1001 });
    assert!(pending.to_string().contains("evpn_local_ip"));
    // It is wired as soon as there is one, and stays out when it goes: fail static.
    assert_eq!(advertises(&node.facts(facts())), 1);
    assert_eq!(node.wiring.pending_for(destination), None);
}

#[test]
fn b051_it_waits_for_the_patch_port_and_is_advertised_when_it_appears() {
    let mut without = facts();
    let bridge = without.bridges.get_mut("br-ex").unwrap();
    bridge.patch_ports.clear();
    let mut node = Node::new(without);
    node.tenant(tenant(1001));
    let steps = node.add(exposure(1001, "172.24.4.10/32"));
    assert_eq!(advertises(&steps), 0);
    let pending: Vec<_> = node.wiring.pending().map(|(_, pending)| pending).collect();
    assert!(matches!(pending[..], [Pending::NoPatchPort { .. }]));
    let steps = node.facts(facts());
    assert_eq!(advertises(&steps), 1, "{steps:?}");
    assert_eq!(steps.len(), 3, "two flows and the advert: {steps:?}");
}

#[test]
fn an_exposure_of_a_network_that_is_not_the_tenants_waits() {
    let mut node = node_of(tenant(1001));
    node.add(exposure(1001, "172.24.4.10/32"));
    let stray = on_vlan(exposure(1001, "172.30.0.10/32"), 100);
    assert_eq!(advertises(&node.add(stray.clone())), 0);
    let pending = node.wiring.pending_for(stray.destination()).unwrap();
    assert!(pending.to_string().contains("network vlan"), "{pending}");
    // The tenant's row comes later: it is advertised then.
    assert_eq!(advertises(&node.tenant(with_vlan(tenant(1001), 100))), 1);
}

#[test]
fn one_address_more_costs_what_is_its_own() {
    let mut node = node_of(tenant(1001));
    for host in 1..100 {
        node.add(exposure(1001, &format!("172.24.4.{host}/32")));
    }
    let added = vec![Arc::new(exposure(1001, "172.24.4.100/32"))];
    let wishes = node.wiring.update(&Delta {
        added,
        ..Delta::default()
    });
    assert_eq!(wishes.len(), 1, "{wishes:?}");
    assert_eq!(wishes[0].objects.len(), 2);
}

#[test]
fn a_vni_whose_table_a_bridge_has_waits_and_touches_nothing_of_it() {
    let mut facts = facts();
    facts.tenancy.taken = [201].into();
    let mut node = Node::new(facts.clone());
    node.tenant(tenant(201));
    let exposed = exposure(201, "172.24.4.10/32");
    assert_eq!(advertises(&node.add(exposed.clone())), 0);
    assert_eq!(node.objects(), BTreeSet::new());
    let pending = node.wiring.pending_for(exposed.destination()).unwrap();
    assert_eq!(pending, Pending::TableTaken { vni: 201 });
    assert!(
        pending.to_string().contains("routing table 201"),
        "{pending}"
    );
    assert!(node.wiring.instances().is_empty());
    // Another number in rt_tables.
    facts.tenancy.taken = [202].into();
    assert_eq!(advertises(&node.facts(facts)), 1);
}
