//! The wiring of tenant networks: upstream.md section 8.5, and what gateways that share a subnet do.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::{Facts, Pending, Wiring};
use super::node::Node;
use super::{desired, exposure, facts, texts};
use crate::exposure::{Attachment, Delta, Exposure, Kind, Reason};
use crate::ovn::BridgeMappings;
use crate::reconcile::{Destination, Holder, Key, Step};

const SUBNET: &str = "10.0.0.0/24";

/// A host of a tenant subnet behind gateway 172.24.4.146.
fn host(prefix: &str) -> Exposure {
    behind("172.24.4.146", SUBNET, prefix)
}

fn behind(gateway: &str, subnet: &str, prefix: &str) -> Exposure {
    Exposure {
        kind: Kind::Tenant,
        via: Some(gateway.parse().unwrap()),
        subnet: Some(subnet.parse().unwrap()),
        reason: Reason::TenantBehindGateway {
            port: prefix.into(),
            lrp: "lrp-1".into(),
        },
        ..exposure(prefix)
    }
}

fn on(bridge: &str, vlan: Option<u16>, exposure: Exposure) -> Exposure {
    Exposure {
        attachment: Some(Attachment {
            bridge: bridge.into(),
            vlan,
            localnet: "provnet".into(),
        }),
        ..exposure
    }
}

fn arcs<const N: usize>(exposures: [Exposure; N]) -> [Arc<Exposure>; N] {
    exposures.map(Arc::new)
}

/// What is wished besides the base.
fn wired(exposures: &[Arc<Exposure>], facts: &Facts) -> BTreeSet<String> {
    let all = desired(exposures, facts).objects;
    let base = desired(&[], facts).objects;
    texts(all.iter().filter(|(key, _)| !base.contains_key(key)))
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

fn removed(steps: &[Step]) -> usize {
    let removes = |step: &&Step| matches!(step, Step::Remove { .. });
    steps.iter().filter(removes).count()
}

#[test]
fn b079_tenant_subnet_wiring() {
    let hosts = arcs([host("10.0.0.5/32"), host("10.0.0.6/32")]);
    assert_eq!(
        wired(&hosts, &facts()),
        set([
            "32000: to 10.0.0.0/24 lookup 201",
            "10.0.0.0/24 via 172.24.4.146 dev br-ex table 201",
            "172.24.4.146 dev br-ex lladdr fa:16:3e:00:00:01",
        ]),
        "shared by its hosts, which have none of their own"
    );
    let adverts = desired(&hosts, &facts()).adverts;
    let prefixes: Vec<_> = adverts.keys().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["10.0.0.5/32", "10.0.0.6/32"]);
    for advert in adverts.values() {
        let kinds = |is: fn(&Key) -> bool| advert.requires.iter().filter(|key| is(key)).count();
        assert_eq!(kinds(|key| matches!(key, Key::Rule { .. })), 1);
        assert_eq!(kinds(|key| matches!(key, Key::Route { .. })), 1);
        assert_eq!(kinds(|key| matches!(key, Key::Neighbour { .. })), 1);
        assert_eq!(kinds(|key| matches!(key, Key::Flow { in_port: 5, .. })), 1);
    }
}

#[test]
fn b079_on_a_vlan_the_gateway_is_on_its_device() {
    let hosts = arcs([on("br-ex", Some(100), host("10.0.0.5/32"))]);
    assert!(
        wired(&hosts, &facts()).contains("10.0.0.0/24 via 172.24.4.146 dev br-ex.100 table 201")
    );
}

#[test]
fn b080_ipv6_by_way_of_the_ipv6_gateway() {
    let hosts = arcs([behind("2001:db8::146", "fd00:1::/64", "fd00:1::5/128")]);
    assert_eq!(
        wired(&hosts, &facts()),
        set([
            "32000: to fd00:1::/64 lookup 201",
            "fd00:1::/64 via 2001:db8::146 dev br-ex table 201",
            "2001:db8::146 dev br-ex lladdr fa:16:3e:00:00:01",
        ])
    );
}

#[test]
fn b079_the_first_host_wires_the_subnet_and_the_next_only_its_advert() {
    let mut node = Node::new(facts());
    let steps = node.add(host("10.0.0.5/32"));
    assert_eq!(steps.len(), 4, "rule, route, neighbour, advert: {steps:?}");
    assert!(matches!(steps[3], Step::Advertise { .. }));
    let steps = node.add(host("10.0.0.6/32"));
    assert!(
        matches!(steps.as_slice(), [Step::Advertise { .. }]),
        "{steps:?}"
    );
}

#[test]
fn b083_the_last_host_takes_the_subnets_wiring_with_it() {
    let mut node = Node::new(facts());
    node.add(host("10.0.0.5/32"));
    node.add(host("10.0.0.6/32"));
    let steps = node.remove(host("10.0.0.5/32"));
    assert!(
        matches!(steps.as_slice(), [Step::Withdraw { .. }]),
        "{steps:?}"
    );
    let steps = node.remove(host("10.0.0.6/32"));
    assert!(matches!(steps[0], Step::Withdraw { .. }), "{steps:?}");
    assert_eq!((steps.len(), removed(&steps)), (4, 3), "{steps:?}");
}

#[test]
fn b084_after_a_failover_nothing_of_the_router_is_left() {
    let mut node = Node::new(facts());
    let gateway = Exposure {
        kind: Kind::Gateway,
        ..exposure("172.24.4.146/32")
    };
    let all = [gateway, host("10.0.0.5/32"), host("10.0.0.6/32")];
    for exposure in all.clone() {
        node.add(exposure);
    }
    let steps = node.change([], all);
    let withdrawn = steps
        .iter()
        .position(|s| !matches!(s, Step::Withdraw { .. }));
    assert_eq!(withdrawn, Some(3), "all is withdrawn first: {steps:?}");
    assert_eq!(
        removed(&steps),
        5,
        "two rules, two routes, one neighbour: {steps:?}"
    );
    assert!(node.add_nothing().is_empty());
}

#[test]
fn b087_in_subnet_mode_the_subnet_itself_is_advertised() {
    let subnet = Exposure {
        kind: Kind::Subnet,
        ..host(SUBNET)
    };
    let mut node = Node::new(facts());
    let steps = node.add(subnet.clone());
    assert_eq!(steps.len(), 4, "{steps:?}");
    let prefix: ipnet::IpNet = SUBNET.parse().unwrap();
    assert!(
        matches!(&steps[3], Step::Advertise { destination, .. } if *destination == prefix.into())
    );
    assert_eq!(removed(&node.remove(subnet)), 3);
}

#[test]
fn b090_of_two_subnets_one_goes_and_the_other_stays() {
    let other = behind("172.24.4.146", "10.0.1.0/24", "10.0.1.5/32");
    let mut node = Node::new(facts());
    node.add(host("10.0.0.5/32"));
    let steps = node.add(other.clone());
    assert_eq!(
        steps.len(),
        3,
        "the gateway's neighbour is there: {steps:?}"
    );
    let steps = node.remove(other);
    assert_eq!(
        removed(&steps),
        2,
        "it stays for the other subnet: {steps:?}"
    );
}

#[test]
fn of_two_gateways_one_carries_the_subnet_whatever_came_first() {
    let by = |gateway| behind(gateway, SUBNET, "10.0.0.5/32");
    let (one, other) = (by("172.24.4.146"), by("172.24.4.147"));
    for order in [[one.clone(), other.clone()], [other.clone(), one.clone()]] {
        let objects = wired(&arcs(order), &facts());
        assert!(objects.contains("10.0.0.0/24 via 172.24.4.146 dev br-ex table 201"));
        assert_eq!(objects.len(), 3, "{objects:?}");
    }
    let mut node = Node::new(facts());
    node.add(other.clone());
    let steps = node.add(one.clone());
    assert!(
        matches!(
            steps.as_slice(),
            [Step::Replace { .. }, Step::Add { .. }, Step::Remove { .. }]
        ),
        "the route in one stroke, the new neighbour, then the old one: {steps:?}"
    );
    let steps = node.remove(one);
    assert!(
        !steps.iter().any(|s| matches!(s, Step::Withdraw { .. })),
        "back without a withdrawal: {steps:?}"
    );
}

#[test]
fn overlapping_subnets_of_two_routers_each_have_their_hosts() {
    let ours = behind("172.24.4.146", SUBNET, "10.0.0.5/32");
    let theirs = behind("172.24.4.147", SUBNET, "10.0.0.6/32");
    let objects = wired(&arcs([ours, theirs]), &facts());
    assert!(objects.contains("10.0.0.0/24 via 172.24.4.146 dev br-ex table 201"));
    assert!(objects.contains("10.0.0.6/32 via 172.24.4.147 dev br-ex table 201"));
    assert!(
        !objects.iter().any(|o| o.contains("to 10.0.0.6/32")),
        "{objects:?}"
    );
}

#[test]
fn a_host_on_another_bridge_than_its_overlapping_subnet_waits() {
    let mut facts = facts();
    let bridge = facts.bridges["br-ex"].clone();
    facts.bridges.insert("br-vlan".into(), bridge);
    facts.mappings = BridgeMappings::parse("physnet1:br-ex,physnet2:br-vlan");
    let theirs = on("br-vlan", None, behind("172.30.0.7", SUBNET, "10.0.0.6/32"));
    let mut wiring = Wiring::default();
    wiring.set_facts(facts);
    wiring.update(&Delta {
        added: arcs([host("10.0.0.5/32"), theirs]).into(),
        removed: Vec::new(),
        ..Delta::default()
    });
    let pending: Vec<_> = wiring.pending().collect();
    let waits = Pending::SubnetElsewhere {
        subnet: SUBNET.parse().unwrap(),
        via: "172.24.4.146".parse().unwrap(),
    };
    assert_eq!(
        pending,
        [(Destination::Prefix("10.0.0.6/32".parse().unwrap()), waits)]
    );
    let wish = wiring.wish(Destination::Prefix("10.0.0.6/32".parse().unwrap()));
    let advert = wish.advert.unwrap();
    assert!(wish.objects.is_empty() && !advert.requires.is_empty());
}

#[test]
fn b161_a_stretched_network_is_advertised_by_way_of_its_gateway_and_not_wired() {
    let stretched = Exposure {
        kind: Kind::L2Subnet,
        attachment: None,
        next_hop: Some("111.111.111.17".parse().unwrap()),
        mac: None,
        ..exposure("192.168.0.0/24")
    };
    let mut node = Node::new(facts());
    let steps = node.add(stretched);
    let [Step::Advertise { announcement, .. }] = steps.as_slice() else {
        panic!("{steps:?}");
    };
    assert_eq!(
        announcement.next_hop,
        Some("111.111.111.17".parse().unwrap())
    );
}

#[test]
fn the_wish_of_a_host_names_no_object_of_its_subnet() {
    let mut wiring = Wiring::default();
    wiring.set_facts(facts());
    let wishes = wiring.update(&Delta {
        added: (1..=200)
            .map(|n| Arc::new(host(&format!("10.0.0.{n}/32"))))
            .collect(),
        removed: Vec::new(),
        ..Delta::default()
    });
    assert_eq!(wishes.len(), 201);
    for wish in &wishes {
        let of_subnet = matches!(wish.holder, Holder::Subnet(_));
        assert_eq!(wish.objects.len(), if of_subnet { 3 } else { 0 });
    }
    // One more costs one wish, however many there are.
    let wishes = wiring.update(&Delta {
        added: vec![Arc::new(host("10.0.0.250/32"))],
        removed: Vec::new(),
        ..Delta::default()
    });
    assert_eq!(wishes.len(), 1);
}
