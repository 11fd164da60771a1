//! One route at a time: how it looks in the kernel, and how it follows what changes.

use interop::{Need, eventually, require};
use ovn_bgp_agent::fib::{RouteState, Settings};

use crate::lab::{BEYOND, BEYOND6, DEFAULT, DEFAULT6, Lab, all, leaf, leaf6, path};

/// The default route of ours, IPv4.
fn default(lab: &Lab) -> Vec<String> {
    lab.routes("default proto bgp")
}

fn default6(lab: &Lab) -> Vec<String> {
    lab.routes("::/0 proto bgp")
}

fn over_both() -> Vec<String> {
    let hops = "nexthop via 10.1.0.254 dev eth1 weight 1 nexthop via 10.2.0.254 dev eth2 weight 1";
    vec![format!("default metric 20 {hops}")]
}

fn over(n: usize) -> Vec<String> {
    vec![format!("default via 10.{n}.0.254 dev eth{n} metric 20")]
}

#[test]
fn equal_paths_share_the_traffic_in_both_families() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    running.teach(DEFAULT, &[&leaf(1), &leaf(2)]);
    running.teach(DEFAULT6, &[&leaf6(1), &leaf6(2)]);
    eventually(over_both(), || default(&lab));
    let hops =
        "nexthop via fd00:1::254 dev eth1 weight 1 nexthop via fd00:2::254 dev eth2 weight 1";
    eventually(vec![format!("default metric 20 {hops}")], || default6(&lab));
    assert!(lab.pings(BEYOND) && lab.pings(BEYOND6));
    assert_eq!(running.snapshot().counts().installed, 2);
    running.teach(DEFAULT, &[]);
    running.teach(DEFAULT6, &[&leaf6(2)]);
    eventually(Vec::<String>::new(), || default(&lab));
    let one = "default via fd00:2::254 dev eth2 metric 20";
    eventually(vec![one.to_owned()], || default6(&lab));
}

#[test]
fn ipv4_goes_by_ipv6_routers_over_unnumbered_links() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    let local = |n: usize| {
        let words = lab.leaves[n - 1]
            .ip("-o -6 addr show dev eth0 scope link")
            .unwrap();
        let address = words
            .split_whitespace()
            .find(|word| word.starts_with("fe80"));
        address.unwrap().split('/').next().unwrap().to_owned()
    };
    running.learn(DEFAULT, [path(&local(1), Some("eth1"))]);
    running.learn(DEFAULT6, [path(&local(1), Some("eth1"))]);
    let single = format!("default via inet6 {} dev eth1 metric 20", local(1));
    eventually(vec![single], || default(&lab));
    assert!(lab.pings(BEYOND));
    running.learn(
        DEFAULT,
        [1, 2].map(|n| path(&local(n), Some(&format!("eth{n}")))),
    );
    let hops = [1, 2].map(|n| format!("nexthop via inet6 {} dev eth{n} weight 1", local(n)));
    eventually(
        vec![format!("default metric 20 {}", hops.join(" "))],
        || default(&lab),
    );
    eventually(1, || default6(&lab).len());
    assert!(lab.pings(BEYOND) && lab.pings(BEYOND6));
    running.learn(DEFAULT, [path(&leaf6(2), None)]);
    let global = "default via inet6 fd00:2::254 dev eth2 metric 20";
    eventually(vec![global.to_owned()], || default(&lab));
    assert!(lab.pings(BEYOND));
}

#[test]
fn a_router_that_no_route_leads_to_is_taken_to_be_on_the_sessions_link() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    lab.leaves[0].address("eth0", "203.0.113.1/32").unwrap();
    running.learn(DEFAULT, [path("203.0.113.1", Some("eth1"))]);
    let onlink = "default via 203.0.113.1 dev eth1 metric 20 onlink";
    eventually(vec![onlink.to_owned()], || default(&lab));
    assert!(lab.pings(BEYOND));
}

#[test]
fn the_preferred_source_is_used_while_the_node_has_it() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run_with(|settings| {
        settings.source_v4 = Some("192.0.2.7".parse().unwrap());
        settings.source_v6 = Some("2001:db8::7".parse().unwrap());
    });
    running.teach(DEFAULT, &[&leaf(1)]);
    running.teach(DEFAULT6, &[&leaf6(1)]);
    eventually(over(1), || default(&lab));
    eventually(1, || default6(&lab).len());
    for (address, back) in [
        ("192.0.2.7/32", "10.1.0.1"),
        ("2001:db8::7/128", "fd00:1::1"),
    ] {
        lab.node.address("lo", address).unwrap();
        lab.leaves[0]
            .ip(&format!("route add {address} via {back}"))
            .unwrap();
    }
    let with = "default via 10.1.0.254 dev eth1 src 192.0.2.7 metric 20";
    eventually(vec![with.to_owned()], || default(&lab));
    let with6 = "default via fd00:1::254 dev eth1 src 2001:db8::7 metric 20";
    eventually(vec![with6.to_owned()], || default6(&lab));
    assert!(lab.pings(BEYOND) && lab.pings(BEYOND6));
    lab.node.ip("addr del 192.0.2.7/32 dev lo").unwrap();
    lab.node.ip("addr del 2001:db8::7/128 dev lo").unwrap();
    eventually(over(1), || default(&lab));
    let without6 = "default via fd00:1::254 dev eth1 metric 20";
    eventually(vec![without6.to_owned()], || default6(&lab));
}

#[test]
fn a_dead_link_leaves_its_part_to_the_others_and_gets_it_back() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    running.teach(DEFAULT, &[&leaf(1), &leaf(2)]);
    running.teach(DEFAULT6, &[&leaf6(1), &leaf6(2)]);
    eventually(over_both(), || default(&lab));
    let over6 = |links: [bool; 2]| {
        eventually(links.to_vec(), || {
            let routes = default6(&lab);
            let over = |link| routes.len() == 1 && routes.iter().all(|line| line.contains(link));
            ["eth1", "eth2"].map(over).to_vec()
        });
    };
    over6([true, true]);
    lab.leaves[0].ip("link set eth0 down").unwrap();
    eventually(over(2), || default(&lab));
    over6([false, true]);
    assert!(lab.pings(BEYOND) && lab.pings(BEYOND6));
    lab.leaves[0].ip("link set eth0 up").unwrap();
    eventually(over_both(), || default(&lab));
    over6([true, true]);
    // Administratively down: the kernel takes its routes away without a word.
    for uplink in ["eth1", "eth2"] {
        lab.node.ip(&format!("link set {uplink} down")).unwrap();
    }
    eventually(Some(RouteState::Withheld), || {
        running.route(DEFAULT).map(|r| r.state)
    });
    let unused = running.route(DEFAULT).unwrap().unused;
    assert_eq!(unused.len(), 2, "{unused:?}");
    lab.node.ip("link set eth2 up").unwrap();
    eventually(over(2), || default(&lab));
    lab.node.ip("link set eth1 up").unwrap();
    eventually(over_both(), || default(&lab));
}

#[test]
fn a_link_that_is_made_anew_is_found_by_its_name() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    running.learn(DEFAULT, [path("fe80::254", Some("eth1"))]);
    let route = vec!["default via inet6 fe80::254 dev eth1 metric 20".to_owned()];
    eventually(route.clone(), || default(&lab));
    lab.node.ip("link del eth1").unwrap();
    eventually(Vec::<String>::new(), || default(&lab));
    let why = |running: &crate::lab::Running| {
        running
            .route(DEFAULT)
            .and_then(|r| Some(r.unused.first()?.reason.clone()))
    };
    eventually(
        Some("the session's interface eth1 does not exist".to_owned()),
        || why(&running),
    );
    interop::netns::connect((&lab.node, "eth1"), (&lab.leaves[0], "eth0")).unwrap();
    eventually(route, || default(&lab));
}

#[test]
fn another_gateway_takes_the_place_of_the_first_in_one_step() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    running.teach(DEFAULT, &[&leaf(1)]);
    eventually(over(1), || default(&lab));
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut monitor = lab.node.command("ip");
    monitor
        .args(["-4", "monitor", "route"])
        .stdout(log.reopen().unwrap());
    let mut monitor = monitor.spawn().unwrap();
    let read = || std::fs::read_to_string(log.path()).unwrap();
    // Until the monitor hears; a route that is there already is not announced again.
    let mut hosts = 1..200;
    eventually(true, || {
        let host = format!("203.0.113.{}", hosts.next().unwrap_or_default());
        lab.node
            .ip(&format!("route replace {host} dev eth1"))
            .unwrap();
        read().contains("203.0.113.")
    });
    for n in [2, 1, 2] {
        running.teach(DEFAULT, &[&leaf(n)]);
        eventually(over(n), || default(&lab));
    }
    lab.node.ip("route replace 192.0.2.99/32 dev eth1").unwrap();
    eventually(true, || read().contains("192.0.2.99"));
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    let heard = read();
    assert!(
        heard.contains("default via 10.2.0.254") && !heard.contains("Deleted default"),
        "{heard}"
    );
}

#[test]
fn next_hops_are_followed_through_the_nodes_own_routes() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    lab.node
        .ip("route add 172.16.0.0/16 via 10.1.0.254 proto static")
        .unwrap();
    running.teach("203.0.113.0/24", &["172.16.0.1"]);
    let seen = || lab.routes("203.0.113.0/24");
    let by = |n: usize| {
        vec![format!(
            "203.0.113.0/24 via 10.{n}.0.254 dev eth{n} proto bgp metric 20"
        )]
    };
    eventually(by(1), seen);
    lab.node
        .ip("route replace 172.16.0.0/16 via 10.2.0.254 proto static")
        .unwrap();
    eventually(by(2), seen);
    lab.node.ip("route del 172.16.0.0/16").unwrap();
    eventually(Vec::<String>::new(), seen);
    running.teach(DEFAULT, &[&leaf(1)]);
    eventually(by(1), seen);
}

#[test]
fn routes_of_others_are_respected_and_those_of_ours_put_right() {
    require!(Need::Root);
    let lab = Lab::new();
    // DHCP's stays beside ours, an operator's of our metric in its place.
    lab.node
        .ip("route add default via 10.2.0.253 dev eth2 proto dhcp metric 100")
        .unwrap();
    lab.node
        .ip("route add 203.0.113.0/24 via 10.2.0.253 proto static metric 20")
        .unwrap();
    let running = lab.run();
    running.teach(DEFAULT, &[&leaf(1)]);
    running.teach("203.0.113.0/24", &[&leaf(1)]);
    eventually(over(1), || default(&lab));
    assert_eq!(lab.routes("default proto dhcp").len(), 1);
    let conflict = running.route("203.0.113.0/24").unwrap();
    assert_eq!(conflict.state, RouteState::Withheld);
    assert!(conflict.reason.unwrap().contains("(protocol static)"));
    lab.node
        .ip("route del 203.0.113.0/24 proto static metric 20")
        .unwrap();
    eventually(1, || lab.routes("203.0.113.0/24 proto bgp").len());
    // Somebody deletes ours, or puts another in its place.
    lab.node
        .ip("route del default proto bgp metric 20")
        .unwrap();
    eventually(over(1), || default(&lab));
    lab.node
        .ip("route replace default via 10.2.0.9 proto bgp metric 20")
        .unwrap();
    eventually(over(1), || default(&lab));
    lab.node
        .ip("route replace default via 10.2.0.9 proto static metric 20")
        .unwrap();
    eventually(Some(RouteState::Withheld), || {
        running.route(DEFAULT).map(|r| r.state)
    });
    assert_eq!(lab.routes("default proto static").len(), 1);
}

#[test]
fn other_settings_move_the_routes() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    running.teach(DEFAULT, &[&leaf(1)]);
    running.teach("203.0.113.0/24", &[&leaf(1)]);
    eventually(2, || lab.routes("proto bgp").len());
    let settings = Settings {
        import: Some(all()),
        table: 4242,
        metric: 33,
        ..Settings::default()
    };
    running.reconfigure(settings.clone());
    eventually(2, || lab.routes("table 4242 proto bgp metric 33").len());
    eventually(0, || lab.routes("proto bgp").len());
    running.reconfigure(Settings {
        import: Some(bgp::PrefixList::default_routes()),
        ..settings
    });
    let left = "default via 10.1.0.254 dev eth1 metric 33";
    eventually(vec![left.to_owned()], || lab.routes("table 4242 proto bgp"));
}
