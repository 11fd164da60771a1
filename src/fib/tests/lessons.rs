//! Tables of routers that a VNI teaches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::routers::{FABRIC, OTHER, ROUTER, World, learning, routers};
use super::{DEFAULT, net};
use crate::exposure::native::{Learning, Lessons, Teacher};
use crate::fib::Snapshot;
use crate::reconcile::object::TableId;

const FABRIC_V6: &str = "2001:db8:9::/48";

/// VNI 77's, whose provider bridge is eth1.
fn lessons(prefixes: &[&str]) -> Lessons {
    Lessons {
        vni: 77,
        ports: ["lrp".into()].into(),
        prefixes: Arc::new(prefixes.iter().copied().map(net).collect()),
        next: ["10.1.0.0", "fe80::e"].map(|ip| ip.parse().unwrap()).into(),
        device: "eth1".into(),
        complete: false,
    }
}

fn complete(prefixes: &[&str]) -> Lessons {
    Lessons {
        complete: true,
        ..lessons(prefixes)
    }
}

fn taught(lessons: Lessons) -> Learning {
    Learning {
        teacher: Teacher::Tenant(lessons),
        ..learning()
    }
}

impl World {
    fn lesson(&mut self, table: TableId, lessons: Lessons) {
        self.follow(routers([(table, taught(lessons))]));
    }
}

#[test]
fn to_a_router_of_a_vni_this_node_is_the_next_one_until_the_vni_has_the_prefix_no_more() {
    let mut world = World::new();
    world.lesson(ROUTER, lessons(&[FABRIC, FABRIC_V6]));
    let all = [(FABRIC, "10.1.0.0"), (FABRIC_V6, "fe80::e")];
    let all = all.map(|(prefix, via)| (prefix.to_owned(), vec![via.to_owned()]));
    assert_eq!(world.has(ROUTER), BTreeMap::from(all));
    assert_eq!(world.prefixes(254), BTreeSet::new());
    let writes = world.writes;
    world.lesson(ROUTER, lessons(&[FABRIC, FABRIC_V6, DEFAULT]));
    assert_eq!(world.writes, writes + 1);
    world.lesson(ROUTER, lessons(&[FABRIC_V6]));
    assert_eq!(world.prefixes(ROUTER), [FABRIC_V6.to_owned()].into());
    world.follow(Arc::default());
    assert_eq!(world.has(ROUTER), BTreeMap::new());
    assert_eq!(world.tables.to_note(), BTreeSet::new());
}

#[test]
fn what_the_default_instance_is_taught_is_not_for_a_router_of_a_vni() {
    let mut world = World::new();
    world.teach("198.51.100.0/24", &["10.1.0.254"]);
    world.lesson(ROUTER, lessons(&[FABRIC]));
    world.teach("192.0.2.0/24", &["10.1.0.254"]);
    assert_eq!(world.prefixes(ROUTER), [FABRIC.to_owned()].into());
    // One that has its VNI no more is a router like any other, and one that gets a VNI forgets the rest.
    world.follow(routers([(ROUTER, learning())]));
    let both = ["192.0.2.0/24", "198.51.100.0/24"].map(str::to_owned);
    assert_eq!(world.prefixes(ROUTER), both.into());
    world.lesson(ROUTER, lessons(&["192.0.2.0/24"]));
    assert_eq!(
        world.has(ROUTER),
        [("192.0.2.0/24".to_owned(), vec!["10.1.0.0".to_owned()])].into()
    );
}

#[test]
fn a_router_of_a_vni_learns_neither_what_it_advertises_nor_its_own_networks() {
    let mut world = World::new();
    world.lesson(ROUTER, lessons(&["10.77.0.0/24", "10.1.0.0/24", FABRIC]));
    assert_eq!(world.prefixes(ROUTER), [FABRIC.to_owned()].into());
    assert!(world.why_not("10.77.0.0/24").contains("Advertised_Route"));
    assert!(world.why_not("10.1.0.0/24").contains("router's own"));
}

#[test]
fn without_an_entrance_nothing_is_learned_of_a_vni_and_that_is_said() {
    let mut world = World::new();
    let none = Lessons {
        next: ["10.1.0.0".parse().unwrap()].into(),
        ..lessons(&[FABRIC, FABRIC_V6])
    };
    world.lesson(ROUTER, none);
    assert_eq!(world.prefixes(ROUTER), [FABRIC.to_owned()].into());
    assert!(world.why_not(FABRIC_V6).contains("no entrance"));
    // By the device that the router names, if there is one.
    let named = |devices: &[&str]| Learning {
        devices: Some(devices.iter().map(|name| Arc::from(*name)).collect()),
        ..taught(lessons(&[FABRIC]))
    };
    world.follow(routers([(ROUTER, named(&["nowhere"]))]));
    assert_eq!(world.prefixes(ROUTER), BTreeSet::new());
    world.follow(routers([(ROUTER, named(&["eth2"]))]));
    let snapshot = Snapshot::of_all(&mut world.tables);
    let [router] = &snapshot.routers[..] else {
        panic!("{snapshot:?}");
    };
    let route = router
        .routes
        .iter()
        .find(|route| route.prefix == net(FABRIC));
    let hops = &route.unwrap().next_hops;
    assert_eq!((router.vni, &*hops[0].interface), (Some(77), "eth2"));
}

#[test]
fn a_restart_writes_nothing_and_waits_for_all_that_the_vni_teaches() {
    let mut world = World::new();
    world.lesson(ROUTER, complete(&[FABRIC, "198.51.100.0/24"]));
    let mut next = world.restart();
    // The default instance's word is not the VNI's.
    next.converge();
    next.lesson(ROUTER, lessons(&[]));
    next.converge();
    next.lesson(ROUTER, lessons(&[FABRIC]));
    assert_eq!((next.prefixes(ROUTER).len(), next.writes), (2, 0));
    next.lesson(ROUTER, complete(&[FABRIC]));
    assert_eq!(next.prefixes(ROUTER), [FABRIC.to_owned()].into());
    assert_eq!(next.writes, 1);
}

#[test]
fn two_tenants_have_each_their_own() {
    let mut world = World::new();
    let blue = Lessons {
        vni: 88,
        ..lessons(&["198.51.100.0/24"])
    };
    world.follow(routers([
        (ROUTER, taught(lessons(&[FABRIC]))),
        (OTHER, taught(blue)),
    ]));
    assert_eq!(world.prefixes(ROUTER), [FABRIC.to_owned()].into());
    assert_eq!(world.prefixes(OTHER), ["198.51.100.0/24".to_owned()].into());
}
