//! A router with a VNI, from rows to what there is on the node: every route that is exposed has a way in, and is advertised.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::*;
use crate::exposure::southbound::tests::cloud::LRP_MAC;
use crate::mac::MacAddr;
use crate::ovn::vswitch::PatchPort;
use crate::reconcile::object::{EtherType, Link, LinkKind};
use crate::reconcile::{Found, Holder, Key, Reconciler, Step, Value};
use crate::wiring::{BridgeFacts, BridgeRole, Facts, Tenancy, Wiring};

const DEVICE_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

/// A node that does what it is told.
struct Wired {
    node: Node,
    wiring: Wiring,
    reconciler: Reconciler,
}

impl Wired {
    /// The router of [`Node`], whose gateway is in VNI 77.
    fn new() -> Self {
        let mut node = Node::new();
        node.cloud.join("cr-lrp-gw", Some("77"), None);
        let mut reconciler = Reconciler::new();
        for name in ["br-ex", "veth-ovs-77"] {
            let value = Value::Link(Link::up(LinkKind::Foreign));
            let key = Key::Link { name: name.into() };
            reconciler.observe(key, Some(Found::foreign(value)));
        }
        let mut wiring = Wiring::default();
        let wishes = wiring.set_facts(facts(&node));
        reconciler.hold(Holder::Base, wiring.base());
        wishes
            .into_iter()
            .for_each(|wish| wish.tell(&mut reconciler));
        Self {
            node,
            wiring,
            reconciler,
        }
    }

    /// Takes every step that follows from the rows. Answers what was advertised and withdrawn.
    fn settle(&mut self) -> (BTreeSet<IpNet>, BTreeSet<IpNet>) {
        let delta = self.node.delta();
        for wish in self.wiring.update(&delta) {
            wish.tell(&mut self.reconciler);
        }
        let (mut advertised, mut withdrawn) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let steps = self.reconciler.next_steps().steps;
            if steps.is_empty() {
                return (advertised, withdrawn);
            }
            for step in steps {
                self.reconciler.succeeded(&step);
                match step {
                    Step::Advertise { destination, .. } => {
                        advertised.extend(destination.addresses())
                    }
                    Step::Withdraw { destination, .. } => withdrawn.extend(destination.addresses()),
                    _ => {}
                }
            }
        }
    }

    /// The routes of the VNI's table by the router, each with its next router.
    fn routes(&self) -> BTreeMap<String, String> {
        let all = self.reconciler.all_observed().into_iter();
        let routes = all.filter_map(|(key, found)| match (key, &found.value) {
            (Key::Route { table: 77, prefix }, Value::Route(route)) => {
                Some((prefix.to_string(), route.via.first()?.to_string()))
            }
            _ => None,
        });
        routes.collect()
    }

    /// The networks whose packets from the router enter the VNI's table.
    fn entering(&self) -> BTreeSet<String> {
        let all = self.reconciler.all_observed().into_iter();
        let flows = all.filter_map(|(key, _)| match key {
            Key::Flow {
                source, ether_type, ..
            } => source.filter(|_| matches!(ether_type, EtherType::Ipv4 | EtherType::Ipv6)),
            _ => None,
        });
        let flows = flows.inspect(|source| assert_eq!(source.mac, LRP_MAC));
        flows.map(|source| source.network.to_string()).collect()
    }
}

fn facts(node: &Node) -> Facts {
    let br_ex = BridgeFacts {
        table: Some(201),
        mac: Some(DEVICE_MAC),
        patch_ports: vec![PatchPort {
            localnet: "physnet1 of provider".into(),
            ofport: 5,
        }],
    };
    Facts {
        routers_learn: true,
        role: BridgeRole::Answers,
        tenancy: Tenancy {
            vtep: "172.30.1.1".parse().ok(),
            asn: 64999,
            ports: BTreeMap::from([("veth-ovs-77".into(), 9)]),
            macs: BTreeMap::from([("veth-vrf-77".into(), DEVICE_MAC)]),
            ..Tenancy::default()
        },
        mappings: node.cloud.node.mappings.clone(),
        localnets: Vec::new(),
        bridges: BTreeMap::from([("br-ex".into(), br_ex)]),
    }
}

fn nets(texts: &[&str]) -> BTreeSet<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn every_network_of_the_router_has_a_route_and_a_flow_and_then_is_advertised() {
    let mut wired = Wired::new();
    let (advertised, _) = wired.settle();
    assert_eq!(advertised, nets(&["10.0.0.0/24", "fd00::/64"]));
    let routes = wired.routes();
    assert_eq!(routes["10.0.0.0/24"], "172.24.4.146");
    assert_eq!(routes["fd00::/64"], "2001:db8:4::146");
    let entering = ["10.0.0.0/24", "fd00::/64"].map(str::to_owned);
    assert_eq!(wired.entering(), entering.into());
}

#[test]
fn a_floating_ip_comes_and_goes_with_its_own_route_and_flow() {
    let mut wired = Wired::new();
    wired.settle();
    let cloud = &mut wired.node.cloud;
    cloud.advertise("router", "lrp-gw", "172.24.4.50/32", None);
    let (advertised, _) = wired.settle();
    assert_eq!(advertised, nets(&["172.24.4.50/32"]));
    assert_eq!(wired.routes()["172.24.4.50/32"], "172.24.4.146");
    assert!(wired.entering().contains("172.24.4.50/32"));
    let cloud = &mut wired.node.cloud;
    cloud.unadvertise("router", "lrp-gw", "172.24.4.50/32");
    let (_, withdrawn) = wired.settle();
    assert_eq!(withdrawn, nets(&["172.24.4.50/32"]));
    assert_eq!(wired.routes().len(), 2);
    assert_eq!(wired.entering().len(), 2);
}

#[test]
fn a_default_route_of_the_router_is_advertised_and_no_flow_takes_in_all_it_sends() {
    let mut wired = Wired::new();
    wired.settle();
    let cloud = &mut wired.node.cloud;
    cloud.advertise("router", "lrp-gw", "0.0.0.0/0", None);
    let (advertised, _) = wired.settle();
    assert_eq!(advertised, nets(&["0.0.0.0/0"]));
    assert_eq!(wired.routes()["0.0.0.0/0"], "172.24.4.146");
    assert_eq!(wired.entering().len(), 2);
}

#[test]
fn a_gateway_that_moves_away_leaves_nothing() {
    let mut wired = Wired::new();
    wired.settle();
    wired.node.redirect_on(Some("chassis-2"));
    let (_, withdrawn) = wired.settle();
    assert_eq!(withdrawn, nets(&["10.0.0.0/24", "fd00::/64"]));
    assert_eq!(wired.routes(), BTreeMap::new());
    assert_eq!(wired.entering(), BTreeSet::new());
    wired.node.redirect_on(Some("chassis-1"));
    assert_eq!(wired.settle().0.len(), 2);
}
