//! Wiring in a real kernel: made, kept, adopted, removed; what is somebody else's survives.

mod kernel_node;

use kernel_node::*;
use ovn_bgp_agent::reconcile::Holder;
use ovn_bgp_agent::reconcile::object::{Key, LinkKind};

#[test]
fn b020_base_wiring_and_an_exposure_as_iproute2_sees_them() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        let (v4, v6) = (host("172.24.4.10"), host("2001:db8:100::10"));
        let mut v6_objects = exposure(v6, BRIDGE, 2);
        v6_objects.push(proxy("2001:db8:100::1", BRIDGE));
        node.expose(v4, exposure(v4, BRIDGE, 1));
        node.expose(v6, v6_objects);
        let subnet = net("10.10.0.1/24");
        let via = Some("172.24.4.10".parse().unwrap());
        node.expose(
            subnet,
            vec![rule(subnet), route(subnet.trunc(), BRIDGE, via)],
        );
        node.settle().await;
        assert_eq!(node.reported, Vec::<String>::new());

        let rules = ip("rule show") + &ip("-6 rule show");
        for rule in [
            "32000:\tfrom all to 172.24.4.10 lookup 189 proto 215",
            "32000:\tfrom all to 10.10.0.1/24 lookup 189 proto 215",
            "32000:\tfrom all to 2001:db8:100::10 lookup 189 proto 215",
        ] {
            assert!(rules.contains(rule), "{rule} in {rules}");
        }
        let routes = ip("route show table 189") + &ip("-6 route show table 189");
        for route in [
            "default dev br-ex proto 215 scope link",
            "172.24.4.10 dev br-ex proto 215 scope link",
            "10.10.0.0/24 via 172.24.4.10 dev br-ex proto 215 onlink",
            "2001:db8:100::10 dev br-ex proto 215 metric 1024",
            "default dev br-ex proto 215 metric 1024",
        ] {
            assert!(routes.contains(route), "{route} in {routes}");
        }
        let neighbours = ip("neigh show dev br-ex nud permanent");
        assert!(
            neighbours.contains("172.24.4.10 lladdr fa:16:3e:00:00:01"),
            "{neighbours}"
        );
        assert!(
            neighbours.contains("2001:db8:100::10 lladdr fa:16:3e:00:00:02"),
            "{neighbours}"
        );
        assert!(ip("-6 neigh show proxy").contains("2001:db8:100::1 dev br-ex proxy"));
        let addresses = ip("addr show dev br-ex");
        assert!(addresses.contains("169.254.1.1/32"), "{addresses}");
        assert!(
            addresses.contains("fd53:d91e:400:7f17::1:1/128"),
            "{addresses}"
        );
        for path in ["ipv4/conf/br-ex/proxy_arp", "ipv6/conf/br-ex/proxy_ndp"] {
            assert_eq!(read_sysctl(path), "1");
        }
    });
}

/// `/proc/sys/net` of the calling thread's namespace.
fn read_sysctl(path: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap();
    text.trim().to_owned()
}

#[test]
fn a_restart_with_nothing_changed_writes_nothing() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        let wish = |node: &mut Node| {
            node.reconciler.hold(Holder::Base, base(BRIDGE));
            for last in 1..=50 {
                let address = host(&format!("172.24.4.{last}"));
                let mut objects = exposure(address, BRIDGE, last);
                objects.push(proxy("2001:db8:100::1", BRIDGE));
                node.expose(address, objects);
            }
        };
        let mut node = Node::new();
        wish(&mut node);
        node.settle().await;
        assert!(node.kernel.writes_total() > 150);
        node.drain().await;

        let mut node = node.restarted();
        wish(&mut node);
        node.settle().await;
        node.drain().await;
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken.first());
        assert_eq!(node.taken.len(), 50, "the adverts of the new speaker");
    });
}

#[test]
fn b011_b012_foreign_objects_survive_and_extra_ones_go() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        make_bridge("eth0");
        let foreign = [
            "rule add from 10.9.9.9 to 172.24.4.99 lookup 189 pref 32000",
            "rule add to 172.24.4.98 iif lo lookup 189 pref 32000",
            "rule add to 172.24.4.97 lookup 254 pref 32000",
            "rule add fwmark 7 lookup 189 pref 100",
        ];
        ip("link set br-ex up");
        ip("link set eth0 up");
        for command in foreign {
            ip(command);
        }
        for command in [
            "route add 192.0.2.0/24 dev eth0 table 100",
            "route add 192.0.2.1 dev br-ex table 189 proto bgp",
            "route add blackhole 192.0.2.2 table 189",
            "route add 192.0.2.3 dev br-ex",
            "neigh add 172.24.4.77 lladdr 02:00:00:00:00:77 dev br-ex nud permanent",
            "neigh add 172.24.4.10 lladdr 02:00:00:00:00:78 dev eth0 nud permanent",
            "-6 neigh add proxy 2001:db8:999::1 dev br-ex",
            "-6 neigh add proxy 2001:db8:100::1 dev eth0",
            "addr add 198.51.100.1/24 dev br-ex",
            "addr add 169.254.7.7/16 dev br-ex",
        ] {
            ip(command);
        }
        let listing = || {
            ip("rule show")
                + &ip("-6 neigh show proxy")
                + &ip("neigh show nud permanent")
                + &ip("route show table 100")
                + &ip("route show table 189")
                + &ip("-4 addr show")
        };
        let before = listing();
        let mut node = Node::new();
        node.settle().await;
        node.drain().await;
        assert_eq!(node.taken, vec![]);
        assert_eq!(listing(), before);

        // These are shaped like ours, and nobody wishes for them.
        for extra in [
            "rule add to 172.24.4.66 lookup 189 pref 31000",
            "route add 172.24.4.66 dev br-ex table 189",
            "route add 172.24.4.67 dev eth0 table 189 metric 77",
            "-6 route add 2001:db8:100::66 dev br-ex table 189 metric 7",
            "addr add 169.254.9.9/32 dev br-ex",
        ] {
            ip(extra);
        }
        node.until(|node| node.taken.len() >= 5).await;
        node.drain().await;
        assert_eq!(listing(), before);
        assert_eq!(node.kernel.writes_total(), 5, "{:#?}", node.taken);
    });
}

#[test]
fn twins_of_a_rule_all_go() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        // Without NLM_F_EXCL the kernel makes twins; iproute2 does not, so one has a protocol.
        ip("rule add to 172.24.4.10 lookup 189 pref 32000");
        let (twins, _) = try_ip("rule add to 172.24.4.10 lookup 189 pref 32000 protocol static");
        let mut node = Node::new();
        node.settle().await;
        node.drain().await;
        assert!(
            !ip("rule show").contains("172.24.4.10"),
            "twins made: {twins}"
        );
    });
}

#[test]
fn a_foreign_rule_that_a_delete_could_hit_is_never_risked() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        ip("rule add to 172.24.4.10 iif lo lookup 189 pref 32000");
        ip("rule add to 172.24.4.10 lookup 189 pref 32000");
        let mut node = Node::new();
        node.settle().await;
        assert!(ip("rule show").contains("iif lo"));
        assert_eq!(node.reported.len(), 1, "{:?}", node.reported);
        ip("rule del to 172.24.4.10 iif lo lookup 189 pref 32000");
        node.drain().await;
        node.reconciler.retry();
        node.act().await;
        assert!(!ip("rule show").contains("172.24.4.10"));
    });
}

#[test]
fn b054_unexposing_removes_address_rule_route_and_neighbour() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        let address = host("172.24.4.10");
        node.expose(address, exposure(address, BRIDGE, 1));
        node.settle().await;
        assert!(node.reconciler.is_advertised(&address.into()));
        node.unexpose(address);
        node.act().await;
        assert!(!node.reconciler.is_advertised(&address.into()));
        for listing in [
            "rule show",
            "route show table 189",
            "neigh show nud permanent",
        ] {
            assert!(!ip(listing).contains("172.24.4.10"), "{listing}");
        }
    });
}

#[test]
fn b026_a_default_route_by_another_interface_is_replaced() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        make_bridge("eth0");
        ip("link set eth0 up");
        ip("route add default dev eth0 table 189");
        ip("route add default dev eth0 table 189 metric 9");
        ip("-6 route add default dev eth0 table 189");
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        node.settle().await;
        let routes = ip("route show table 189") + &ip("-6 route show table 189");
        assert!(!routes.contains("eth0"), "{routes}");
        assert_eq!(routes.matches("default dev br-ex").count(), 2, "{routes}");
    });
}

/// What FRR leaks from a VRF, zebra puts into the main table, unless the operator's `ip protocol bgp route-map` keeps it out: the
/// gateway seems to be elsewhere then.
#[test]
fn a_tenant_subnet_is_reached_though_the_main_table_has_its_gateway_elsewhere() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        make_bridge("elsewhere");
        ip("link set elsewhere up");
        ip("-6 route add 2001:db8:100::41 dev elsewhere");
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        for (subnet, gateway) in [
            ("2001:db8:300::/64", "2001:db8:100::41"),
            ("10.10.0.0/24", "172.24.4.41"),
        ] {
            let (subnet, via) = (net(subnet), gateway.parse().ok());
            node.expose(subnet, vec![rule(subnet), route(subnet, BRIDGE, via)]);
        }
        node.settle().await;
        assert_eq!(node.reported, Vec::<String>::new());
        let routes = ip("-6 route show table 189");
        let wanted = "2001:db8:300::/64 via 2001:db8:100::41 dev br-ex";
        assert!(routes.contains(wanted), "{routes}");
    });
}

#[test]
fn routes_with_several_next_hops_or_other_attributes_are_corrected() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        make_bridge("eth0");
        ip("link set br-ex up");
        ip("link set eth0 up");
        ip("addr add 169.254.1.1/32 dev br-ex");
        ip("route add 172.24.4.10 table 189 nexthop dev br-ex nexthop dev eth0");
        ip("route add 172.24.4.11 dev br-ex src 169.254.1.1 table 189");
        ip("route add 172.24.4.12 table 189 nexthop dev br-ex nexthop dev eth0");
        ip(
            "-6 route add 2001:db8::1 table 189 nexthop via fe80::1 dev br-ex nexthop via fe80::2 dev eth0",
        );
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        for address in [host("172.24.4.10"), host("172.24.4.11")] {
            node.expose(address, vec![route(address, BRIDGE, None)]);
        }
        node.settle().await;
        node.drain().await;
        node.settle().await;
        let mut routes: Vec<String> = ip("route show table 189")
            .lines()
            .map(|line| line.trim().to_owned())
            .collect();
        routes.sort();
        let want = ["172.24.4.10", "172.24.4.11", "default"];
        assert_eq!(
            routes,
            want.map(|to| format!("{to} dev br-ex proto 215 scope link"))
        );
        assert!(!ip("-6 route show table 189").contains("2001:db8::1"));
        assert_eq!(node.reported, Vec::<String>::new());
    });
}

#[test]
fn a_table_number_beyond_a_byte_works_alike() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        let mut node = Node::new();
        let mut scope = scope();
        scope.bridges = [(BRIDGE.into(), 70_000)].into();
        node.kernel.set_scope(scope);
        let address = host("172.24.4.10");
        let beyond = |(key, value)| match key {
            Key::Route { prefix, .. } => (
                Key::Route {
                    table: 70_000,
                    prefix,
                },
                value,
            ),
            Key::Rule { priority, to, .. } => (
                Key::Rule {
                    priority,
                    to,
                    table: 70_000,
                },
                value,
            ),
            key => (key, value),
        };
        let objects = exposure(address, BRIDGE, 1)
            .into_iter()
            .map(beyond)
            .collect();
        node.reconciler
            .hold(Holder::Base, vec![link(BRIDGE, LinkKind::Foreign)]);
        node.expose(address, objects);
        node.settle().await;
        node.drain().await;
        assert!(ip("rule show").contains("to 172.24.4.10 lookup 70000"));
        for command in [
            "route del 172.24.4.10 table 70000",
            "rule del to 172.24.4.10 table 70000",
        ] {
            ip(command);
            let taken = node.taken.len();
            node.until(|node| node.taken.len() > taken).await;
        }
        assert!(ip("route show table 70000").contains("172.24.4.10"));
        node.kernel.refresh();
        let writes = node.kernel.writes_total();
        node.settle().await;
        assert_eq!(node.kernel.writes_total(), writes);
    });
}

#[test]
fn the_bridge_appears_after_the_agent() {
    in_namespace(|| async {
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        let address = host("172.24.4.10");
        node.expose(address, exposure(address, BRIDGE, 1));
        node.settle().await;
        assert!(!node.reconciler.is_advertised(&address.into()));
        let told = node.reported.len();
        assert!(told > 0 && node.reported.iter().all(|r| r.contains("br-ex")));
        node.settle().await;
        assert_eq!(node.reported.len(), told, "told once");

        make_bridge(BRIDGE);
        node.until(|node| node.reconciler.is_advertised(&address.into()))
            .await;
        node.drain().await;
        assert_eq!(node.reconciler.blocked().count(), 0);
        assert!(ip("route show table 189").contains("172.24.4.10 dev br-ex"));
        assert_eq!(read_sysctl("ipv4/conf/br-ex/proxy_arp"), "1");
    });
}

#[test]
fn the_kernels_words_are_in_the_error() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        let (key, value) = route(
            net("10.1.0.0/24"),
            BRIDGE,
            Some("127.0.0.1".parse().unwrap()),
        );
        node.reconciler
            .hold(Holder::from(net("10.1.0.0/24")), vec![(key, value)]);
        node.settle().await;
        let told = node.reported.join("; ");
        assert!(told.contains("invalid gateway"), "{told}");
    });
}
