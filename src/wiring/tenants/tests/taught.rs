//! What peers teach of routed tables.

use bgp::evpn::{EvpnEvent, Way};
use bgp::wire::evpn::Mac;

use super::super::taught_before;
use super::*;
use crate::reconcile::Found;
use crate::reconcile::object::Route;

const ROUTER: [u8; 6] = [0x7a, 0x84, 0xe6, 0xbe, 0x98, 0xa3];
const OTHER: [u8; 6] = [0x7a, 0, 0, 0, 0, 2];

/// The ways to a prefix: VTEPs with their Router's MAC.
fn prefix(prefix: &str, ways: &[(&str, [u8; 6])]) -> EvpnEvent {
    let way = |(vtep, mac): &(&str, [u8; 6])| Way {
        vtep: ip(vtep),
        router_mac: Mac(*mac),
    };
    EvpnEvent::Prefix {
        vni: 1001,
        prefix: prefix.parse().unwrap(),
        ways: ways.iter().map(way).collect(),
    }
}

fn wired() -> Node {
    let mut node = node_of(tenant(1001));
    node.add(exposure(1001, "172.24.4.10/32"));
    node
}

impl Node {
    fn teach(&mut self, event: EvpnEvent) -> Vec<Step> {
        let wishes = self.wiring.teach([event]);
        self.tell(wishes)
    }
}

#[test]
fn b126_remote_prefixes_are_routes_by_way_of_their_vtep() {
    let mut node = wired();
    let before = node.objects();
    node.teach(prefix("198.51.100.0/24", &[("10.255.0.1", ROUTER)]));
    let objects = node.objects();
    let added: Vec<_> = objects.difference(&before).collect();
    assert_eq!(
        added,
        [
            "10.255.0.1 dev br-1001 lladdr 7a:84:e6:be:98:a3",
            "198.51.100.0/24 via 10.255.0.1 dev br-1001 table 1001",
            "fdb 7a:84:e6:be:98:a3 dev vxlan-1001 dst 10.255.0.1",
        ]
    );
    node.teach(prefix("198.51.100.0/24", &[]));
    assert_eq!(node.objects(), before);
}

#[test]
fn b126_what_the_kernel_is_router_for_is_not_looked_for_elsewhere() {
    let elsewhere = |node: &mut Node| {
        node.teach(prefix("172.24.4.1/32", &[("10.255.0.1", ROUTER)]));
        node.teach(prefix("2001:db8:100::1/128", &[("10.255.0.1", ROUTER)]));
    };
    let mut with_router = tenant(1001);
    let public = with_router.networks.get_mut("public").unwrap();
    public.routers = [ip("172.24.4.1"), ip("2001:db8:100::1")].into();
    let mut node = wired();
    elsewhere(&mut node);
    let remote = [
        "172.24.4.1/32 via 10.255.0.1 dev br-1001 table 1001",
        "2001:db8:100::1/128 via ::ffff:10.255.0.1 dev br-1001 table 1001",
    ];
    has(&node.objects(), &remote);
    // The DHCP options come after what peers teach, or before it.
    node.tenant(with_router.clone());
    has(&node.objects(), &["172.24.4.1/32 dev vrf11111111-11"]);
    for route in remote {
        has_not(&node.objects(), route);
    }
    node.tenant(tenant(1001));
    has(&node.objects(), &remote);
    let mut node = node_of(with_router);
    node.add(exposure(1001, "172.24.4.10/32"));
    elsewhere(&mut node);
    for route in remote {
        has_not(&node.objects(), route);
    }
}

#[test]
fn b126_ipv6_prefixes_are_behind_ipv4_vteps() {
    let mut node = wired();
    node.teach(prefix("2001:db8:9::/64", &[("10.255.0.1", ROUTER)]));
    has(
        &node.objects(),
        &[
            "2001:db8:9::/64 via ::ffff:10.255.0.1 dev br-1001 table 1001",
            "::ffff:10.255.0.1 dev br-1001 lladdr 7a:84:e6:be:98:a3",
            "fdb 7a:84:e6:be:98:a3 dev vxlan-1001 dst 10.255.0.1",
        ],
    );
    has_not(&node.objects(), "10.255.0.1 dev br-1001 table 1001 via");
}

#[test]
fn several_ways_share_the_traffic_and_their_vteps_are_held_once() {
    let mut node = wired();
    let ways = [("10.255.0.2", OTHER), ("10.255.0.1", ROUTER)];
    node.teach(prefix("198.51.100.0/24", &ways));
    has(
        &node.objects(),
        &["198.51.100.0/24 via 10.255.0.1 via 10.255.0.2 dev br-1001 table 1001"],
    );
    let steps = node.teach(prefix("203.0.113.0/24", &ways));
    assert_eq!(steps.len(), 1, "{steps:?}");
    // One of them goes from one prefix: the other prefix still needs it.
    let steps = node.teach(prefix("198.51.100.0/24", &ways[1..]));
    assert_eq!(steps.len(), 1, "{steps:?}");
    has(
        &node.objects(),
        &[
            "198.51.100.0/24 via 10.255.0.1 dev br-1001 table 1001",
            "fdb 7a:00:00:00:00:02 dev vxlan-1001 dst 10.255.0.2",
        ],
    );
    node.teach(prefix("203.0.113.0/24", &ways[1..]));
    has_not(&node.objects(), "10.255.0.2");
}

#[test]
fn the_latest_word_about_a_routers_mac_counts() {
    let mut node = wired();
    node.teach(prefix("198.51.100.0/24", &[("10.255.0.1", ROUTER)]));
    node.teach(prefix("203.0.113.0/24", &[("10.255.0.1", ROUTER)]));
    // The VTEP has restarted and tells its prefixes anew, one by one.
    let steps = node.teach(prefix("203.0.113.0/24", &[("10.255.0.1", OTHER)]));
    assert_eq!(steps.len(), 3, "neighbour, entry, old entry: {steps:?}");
    let new = [
        "10.255.0.1 dev br-1001 lladdr 7a:00:00:00:00:02",
        "fdb 7a:00:00:00:00:02 dev vxlan-1001 dst 10.255.0.1",
    ];
    has(&node.objects(), &new);
    has_not(&node.objects(), "7a:84:e6:be:98:a3");
    let steps = node.teach(prefix("198.51.100.0/24", &[("10.255.0.1", OTHER)]));
    assert_eq!(steps, []);
    // Or the word is taken back: the one before counts again.
    let steps = node.teach(prefix("192.0.2.0/24", &[("10.255.0.1", ROUTER)]));
    assert_eq!(steps.len(), 4, "{steps:?}");
    node.teach(prefix("192.0.2.0/24", &[]));
    has(&node.objects(), &new);
}

#[test]
fn a_prefix_that_is_here_is_not_led_elsewhere() {
    let mut node = wired();
    node.teach(prefix("172.24.4.10/32", &[("10.255.0.1", ROUTER)]));
    let here = "172.24.4.10/32 dev vrf11111111-11 table 1001";
    has(&node.objects(), &[here]);
    node.teach(prefix("172.24.4.11/32", &[("10.255.0.1", ROUTER)]));
    let there = "172.24.4.11/32 via 10.255.0.1 dev br-1001 table 1001";
    has(&node.objects(), &[there]);
    // It moves here, and away again.
    node.add(exposure(1001, "172.24.4.11/32"));
    has(
        &node.objects(),
        &["172.24.4.11/32 dev vrf11111111-11 table 1001"],
    );
    node.remove(exposure(1001, "172.24.4.11/32"));
    has(&node.objects(), &[here, there]);
}

#[test]
fn a_default_route_comes_before_what_goes_nowhere() {
    let mut node = wired();
    node.teach(prefix("0.0.0.0/0", &[("10.255.0.1", ROUTER)]));
    has(
        &node.objects(),
        &[
            "0.0.0.0/0 via 10.255.0.1 dev br-1001 table 1001",
            "unreachable 0.0.0.0/0 table 1001",
        ],
    );
}

#[test]
fn what_was_taught_is_there_with_the_devices_and_goes_with_them() {
    let mut node = node_of(tenant(1001));
    assert_eq!(
        node.teach(prefix("198.51.100.0/24", &[("10.255.0.1", ROUTER)])),
        []
    );
    node.add(exposure(1001, "172.24.4.10/32"));
    let route = "198.51.100.0/24 via 10.255.0.1 dev br-1001 table 1001";
    has(&node.objects(), &[route]);
    node.remove(exposure(1001, "172.24.4.10/32"));
    assert_eq!(node.objects(), BTreeSet::new());
    node.add(exposure(1001, "172.24.4.10/32"));
    has(&node.objects(), &[route]);
    // The speaker takes back what it has taught when the instance goes.
    node.change(&[], &[exposure(1001, "172.24.4.10/32")], &[(1001, None)]);
    node.teach(prefix("198.51.100.0/24", &[]));
    assert_eq!(node.objects(), BTreeSet::new());
    assert_eq!(
        node.wiring.tenants.vnis().count(),
        0,
        "nothing is kept of it"
    );
}

#[test]
fn what_an_earlier_process_was_taught_stays_until_peers_have_spoken() {
    let lessons = || {
        let ways = [("10.255.0.1", ROUTER), ("10.255.0.2", OTHER)];
        [
            prefix("198.51.100.0/24", &ways),
            prefix("2001:db8:9::/64", &ways[..1]),
            prefix("203.0.113.0/24", &ways[1..]),
        ]
    };
    let mut before = wired();
    lessons()
        .into_iter()
        .for_each(|lesson| drop(before.teach(lesson)));
    // Another process finds it all, before a peer has said a word.
    let found = before.reconciler.all_observed();
    let mut node = Node::new(facts());
    for (key, found) in &found {
        node.reconciler.observe(key.clone(), Some(found.clone()));
    }
    let mut wishes = node.wiring.inherit(taught_before(&found));
    wishes.extend(node.wiring.update(&Delta {
        added: vec![Arc::new(exposure(1001, "172.24.4.10/32"))],
        tenants: [(1001, Some(Arc::new(tenant(1001))))].into(),
        ..Delta::default()
    }));
    let steps = node.tell(wishes);
    assert_eq!(steps.len(), 1, "the advert only: {steps:?}");
    assert_eq!(node.objects(), before.objects());
    // One is confirmed, one has changed, and one is no more.
    let [same, _, _] = lessons();
    assert_eq!(node.teach(same), []);
    node.teach(prefix("2001:db8:9::/64", &[("10.255.0.3", OTHER)]));
    let wishes = node.wiring.forget_inherited();
    node.tell(wishes);
    let objects = node.objects();
    has(
        &objects,
        &[
            "198.51.100.0/24 via 10.255.0.1 via 10.255.0.2 dev br-1001 table 1001",
            "2001:db8:9::/64 via ::ffff:10.255.0.3 dev br-1001 table 1001",
        ],
    );
    has_not(&objects, "203.0.113.0/24");
    has_not(&objects, "::ffff:10.255.0.1");
    assert_eq!(node.wiring.forget_inherited(), []);
}

/// As zebra leaves it (golden/nb_ovn_bgp_driver-vrf): a route with a metric, which is not ours, and an entry for the router's MAC.
#[test]
fn what_an_frr_before_us_was_taught_stays_until_peers_have_spoken() {
    let stray = Key::StrayRoute {
        table: 1001,
        prefix: "198.51.100.0/24".parse().unwrap(),
        metric: 20,
        tos: 0,
    };
    let route = Value::Route(Route {
        dev: "br-1001".into(),
        via: [ip("10.255.0.1")].into(),
    });
    let entry = Key::Fdb {
        dev: "vxlan-1001".into(),
        mac: MacAddr(ROUTER),
    };
    let vtep = Some(ip("10.255.0.1"));
    let found = BTreeMap::from([
        (stray, Found::foreign(route)),
        (entry, Found::owned(Value::Fdb { vtep })),
    ]);
    let mut node = wired();
    for (key, found) in &found {
        node.reconciler.observe(key.clone(), Some(found.clone()));
    }
    let wishes = node.wiring.inherit(taught_before(&found));
    node.tell(wishes);
    let route = "198.51.100.0/24 via 10.255.0.1 dev br-1001 table 1001";
    let entry = format!("fdb {} dev vxlan-1001 dst 10.255.0.1", MacAddr(ROUTER));
    let neighbour = format!("10.255.0.1 dev br-1001 lladdr {}", MacAddr(ROUTER));
    has(&node.objects(), &[route, &entry, &neighbour]);
    let wishes = node.wiring.forget_inherited();
    node.tell(wishes);
    has_not(&node.objects(), "10.255.0.1");
    let left = node.reconciler.all_observed();
    let theirs = |key: &&Key| matches!(key, Key::StrayRoute { .. });
    assert_eq!(left.keys().filter(theirs).count(), 1, "FRR's own stays");
}

#[test]
fn what_peers_have_taught_is_not_inherited() {
    let mut node = wired();
    node.teach(prefix("198.51.100.0/24", &[("10.255.0.1", ROUTER)]));
    let old = prefix("198.51.100.0/24", &[("10.255.0.2", OTHER)]);
    assert_eq!(node.wiring.inherit([old]), []);
    assert_eq!(node.wiring.forget_inherited(), []);
}

#[test]
fn the_same_lesson_again_is_no_wish_for_the_prefix() {
    let mut node = wired();
    let lesson = || prefix("198.51.100.0/24", &[("10.255.0.1", ROUTER)]);
    node.teach(lesson());
    assert_eq!(node.wiring.teach([lesson()]), []);
}
