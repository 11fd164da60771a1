//! The tables of OVN's routers in a real kernel, beside the blackholes of ovn-controller.

use bgp::wire::Family;
use interop::{Need, eventually, require};
use ovn_bgp_agent::exposure::native::Learning;
use ovn_bgp_agent::fib::{Routers, Settings};

use crate::lab::{Lab, leaf, leaf6};

/// A router of OVN's on the network of eth1, whose table is 77; 10.77.0.0/24 is behind it.
fn routers() -> Routers {
    let networks = ["10.1.0.10/24", "fd00:1::10/64"].map(|net| net.parse().unwrap());
    let learning = Learning {
        router: "router".into(),
        vrf: "ovnvrf77".into(),
        devices: None,
        networks: networks.into(),
        advertised: ["10.77.0.0/24".parse().unwrap()].into(),
        ..Learning::default()
    };
    Routers::from([(77, learning)])
}

/// What ovn-controller puts there for `Advertised_Route`.
fn blackholes(lab: &Lab) {
    for route in ["10.77.0.0/24 metric 1000", "10.1.0.0/24 metric 1000"] {
        let add = format!("route add blackhole {route} table 77 proto 84");
        lab.node.ip(&add).unwrap();
    }
    let add = "-6 route add blackhole fd00:1::/64 table 77 proto 84 metric 1000";
    lab.node.ip(add).unwrap();
}

fn blackholes_left(lab: &Lab) -> usize {
    let v4 = lab.routes("table 77 proto 84").len();
    v4 + lab.routes("table 77 proto 84 root ::/0").len()
}

const FABRIC: &str = "203.0.113.0/24 via 10.1.0.254 dev eth1 metric 20";
const FABRIC6: &str = "2001:db8:9::/48 via fd00:1::254 dev eth1 metric 20";

#[test]
fn what_is_taught_is_in_the_routers_table_and_goes_with_it() {
    require!(Need::Root);
    let lab = Lab::new();
    blackholes(&lab);
    let running = lab.run_for(Settings::default(), Some(routers()));
    let table = || lab.routes("table 77 proto bgp");
    running.teach("203.0.113.0/24", &[&leaf(1), &leaf(2)]);
    running.teach("2001:db8:9::/48", &[&leaf6(1)]);
    running.teach("10.77.0.0/24", &[&leaf(1)]);
    eventually(vec![FABRIC.to_owned()], table);
    eventually(vec![FABRIC6.to_owned()], || {
        lab.routes("table 77 proto bgp root ::/0")
    });
    assert!(lab.routes("203.0.113.0/24").is_empty(), "not the node's");
    let snapshot = running.snapshot();
    let router = &snapshot.routers[0];
    assert_eq!(
        (router.table, router.router.as_deref()),
        (77, Some("router"))
    );
    assert_eq!(router.routes.len(), 3);

    running.teach("203.0.113.0/24", &[]);
    eventually(Vec::<String>::new(), table);
    running.route_for(Routers::default());
    eventually(0, || lab.routes("table 77 proto bgp root ::/0").len());
    eventually(0, || running.snapshot().routers.len());
    assert_eq!(blackholes_left(&lab), 3);
}

#[test]
fn a_route_that_somebody_takes_away_comes_back_and_equal_paths_share_it() {
    require!(Need::Root);
    let lab = Lab::new();
    lab.leaves[0].address("eth0", "10.1.0.253/24").unwrap();
    let running = lab.run_for(Settings::default(), Some(routers()));
    running.teach("203.0.113.0/24", &["10.1.0.253", &leaf(1)]);
    let hops = "nexthop via 10.1.0.253 dev eth1 weight 1 nexthop via 10.1.0.254 dev eth1 weight 1";
    let both = vec![format!("203.0.113.0/24 metric 20 {hops}")];
    let table = || lab.routes("table 77 proto bgp");
    eventually(both.clone(), table);
    lab.node.ip("route flush table 77").unwrap();
    eventually(both.clone(), table);
    // The kernel takes it away with the interface, and says nothing.
    lab.node.ip("link set eth1 down").unwrap();
    eventually(Vec::<String>::new(), table);
    lab.node.ip("link set eth1 up").unwrap();
    eventually(both, table);
}

#[test]
fn routers_routes_outlive_the_process_and_are_swept_once_it_is_known_that_nobody_wants_them() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run_for(Settings::default(), Some(routers()));
    running.teach("203.0.113.0/24", &[&leaf(1)]);
    let table = || lab.routes("table 77 proto bgp");
    eventually(vec![FABRIC.to_owned()], table);
    drop(running);
    assert_eq!(table(), [FABRIC]);

    // The same again: nothing is written.
    let running = lab.run_for(Settings::default(), Some(routers()));
    running.teach("203.0.113.0/24", &[&leaf(1)]);
    running.learned.converged(Family::IPV4_UNICAST);
    let installed = || {
        let snapshot = running.snapshot();
        let routers = snapshot.routers.iter();
        routers.map(|r| r.routes.len()).sum::<usize>()
    };
    eventually(1, installed);
    assert_eq!(running.snapshot().writes, 0);
    drop(running);

    // Not before it is known which routers there are.
    let running = lab.run_for(Settings::default(), None);
    running.learned.converged(Family::IPV4_UNICAST);
    assert!(running.snapshot().problems.is_empty());
    assert_eq!(table(), [FABRIC]);
    running.route_for(Routers::default());
    eventually(Vec::<String>::new(), table);
}
