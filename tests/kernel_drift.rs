//! Drift: what somebody takes away is back within 100 ms, and whole interfaces too.

mod kernel_node;

use std::time::Instant;

use kernel_node::*;
use ovn_bgp_agent::kernel::Observation;
use ovn_bgp_agent::reconcile::object::Key;
use ovn_bgp_agent::reconcile::{Domain, Holder};

async fn wired() -> (Node, ipnet::IpNet) {
    make_bridge(BRIDGE);
    let mut node = Node::new();
    node.reconciler.hold(Holder::Base, base(BRIDGE));
    let address = host("172.24.4.10");
    node.expose(address, exposure(address, BRIDGE, 1));
    node.settle().await;
    node.drain().await;
    assert_eq!(node.reported, Vec::<String>::new());
    (node, address)
}

/// Spoils the node with a command; it must be as before, by what the kernel says: nobody asks for a resync.
async fn repairs(node: &mut Node, address: &ipnet::IpNet, command: &str) {
    let listing = || {
        let mut lines: Vec<String> = [
            "rule show",
            "route show table 189",
            "-6 route show table 189",
            "neigh show nud permanent dev br-ex",
            "addr show dev br-ex to 169.254.0.0/16",
            "-6 addr show dev br-ex to fd53:d91e::/32",
        ]
        .iter()
        .flat_map(|what| ip(what).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
        lines.sort();
        lines
    };
    let (before, taken) = (listing(), node.taken.len());
    ip(command);
    let took = node.until(|node| node.taken.len() > taken).await;
    eprintln!("{command}: repaired in {took:?}");
    node.drain().await;
    assert_eq!(listing(), before, "{command}");
    assert!(
        node.reconciler.is_advertised(&(*address).into()),
        "{command}: it stays out"
    );
}

#[test]
fn b010_each_kind_of_object_is_back_by_the_kernels_own_word() {
    in_namespace(|| async {
        let (mut node, address) = wired().await;
        for command in [
            "rule del to 172.24.4.10 lookup 189 pref 32000",
            "rule flush",
            "route del 172.24.4.10 table 189",
            "route flush table 189",
            "route replace 172.24.4.10 dev lo table 189",
            "-6 route del default table 189",
            "neigh del 172.24.4.10 dev br-ex",
            "neigh replace 172.24.4.10 lladdr 02:00:00:00:00:99 dev br-ex nud permanent",
            "neigh replace 172.24.4.10 lladdr fa:16:3e:00:00:01 dev br-ex nud stale",
            "addr del 169.254.1.1/32 dev br-ex",
            "-6 addr del fd53:d91e:400:7f17::1:1/128 dev br-ex",
            "link set br-ex down",
        ] {
            if command == "rule flush" {
                // Also takes the kernel's own rules, which are not ours to restore.
                ip("rule flush");
                ip("rule add lookup main pref 32766");
                ip("rule add lookup default pref 32767");
                node.drain().await;
                assert!(ip("rule show").contains("to 172.24.4.10 lookup 189"));
                continue;
            }
            repairs(&mut node, &address, command).await;
        }
    });
}

#[test]
fn an_interface_made_anew_is_wired_anew() {
    in_namespace(|| async {
        let (mut node, address) = wired().await;
        let old = node.kernel.link(BRIDGE).unwrap().index;
        ip("link del br-ex");
        let link = Key::Link {
            name: BRIDGE.into(),
        };
        node.until(|node| node.found(&link).is_none()).await;
        assert!(
            node.reconciler.is_advertised(&address.into()),
            "fail static"
        );
        make_bridge(BRIDGE);
        let answers = |path: &str| std::fs::read_to_string(path).is_ok_and(|v| v.trim() == "1");
        let sysctls = [
            "/proc/sys/net/ipv4/conf/br-ex/proxy_arp",
            "/proc/sys/net/ipv6/conf/br-ex/proxy_ndp",
        ];
        assert!(
            !sysctls.iter().any(|path| answers(path)),
            "the kernel's defaults"
        );
        let took = node.until(|_| sysctls.iter().all(|path| answers(path)));
        println!("sysctls: repaired in {:?}", took.await);
        let route = route(address, BRIDGE, None).0;
        node.until(|node| node.reconciler.is_settled(&route)).await;
        node.drain().await;
        assert_ne!(node.kernel.link(BRIDGE).unwrap().index, old);
        assert!(ip("route show table 189").contains("172.24.4.10 dev br-ex"));
        assert!(ip("neigh show dev br-ex nud permanent").contains("172.24.4.10"));
        assert_eq!(node.reconciler.blocked().count(), 0);
    });
}

#[test]
fn a_renamed_interface_is_lost_and_found() {
    in_namespace(|| async {
        let (mut node, address) = wired().await;
        ip("link set br-ex down");
        ip("link set br-ex name br-old");
        let link = Key::Link {
            name: BRIDGE.into(),
        };
        node.until(|node| node.found(&link).is_none()).await;
        ip("link set br-old name br-ex");
        let route = route(address, BRIDGE, None).0;
        node.until(|node| node.reconciler.is_settled(&route)).await;
        node.drain().await;
        assert!(ip("route show table 189").contains("172.24.4.10 dev br-ex"));
    });
}

#[test]
fn what_the_kernel_does_not_announce_is_repaired_by_the_next_dump() {
    in_namespace(|| async {
        let (mut node, _) = wired().await;
        let proxied = host("2001:db8:100::10");
        node.expose(proxied, vec![proxy("2001:db8:100::1", BRIDGE)]);
        node.act().await;
        ip("-6 neigh del proxy 2001:db8:100::1 dev br-ex");
        std::fs::write("/proc/sys/net/ipv4/conf/br-ex/proxy_arp", "0").unwrap();
        node.settle().await;
        assert!(ip("-6 neigh show proxy").contains("2001:db8:100::1"));
        let value = std::fs::read_to_string("/proc/sys/net/ipv4/conf/br-ex/proxy_arp").unwrap();
        assert_eq!(value.trim(), "1");
    });
}

/// Dumps until one says what the one before said: the kernel may be at work still, on IPv6 addresses for one.
async fn at_rest(node: &mut Node) {
    let start = Instant::now();
    loop {
        node.drain().await;
        node.kernel.refresh();
        if node.kernel.observe().await.unwrap() == Observation::Same {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "no dump is like the one before");
    }
}

#[test]
fn a_dump_tells_all_when_anything_has_changed_and_else_that_nothing_has() {
    in_namespace(|| async {
        let (mut node, _) = wired().await;
        let proxied = host("2001:db8:100::10");
        node.expose(proxied, vec![proxy("2001:db8:100::1", BRIDGE)]);
        node.act().await;
        at_rest(&mut node).await;
        let writes = node.kernel.writes_total();
        for (spoilt, repaired) in [
            // Nobody announces these two.
            (
                "-6 neigh del proxy 2001:db8:100::1 dev br-ex",
                "-6 neigh show proxy",
            ),
            ("sysctl", "rule show"),
            // These are announced, to sockets that are closed when the dump is made.
            ("rule del to 172.24.4.10 lookup 189 pref 32000", "rule show"),
            ("route del 172.24.4.10 table 189", "route show table 189"),
            ("addr del 169.254.1.1/32 dev br-ex", "addr show dev br-ex"),
            ("link add d0 type veth peer name d1", "rule show"),
        ] {
            let before = ip(repaired);
            match spoilt {
                "sysctl" => std::fs::write("/proc/sys/net/ipv4/conf/br-ex/proxy_arp", "0").unwrap(),
                command => drop(ip(command)),
            }
            node.kernel.refresh();
            let Observation::Dump(all) = node.kernel.observe().await.unwrap() else {
                panic!("{spoilt}: not noticed");
            };
            node.reconciler.observe_all(&Domain::Kernel, all);
            node.act().await;
            assert_eq!(ip(repaired), before, "{spoilt}");
            at_rest(&mut node).await;
        }
        assert!(node.kernel.writes_total() > writes);
    });
}

/// A node is never without traffic, and a Linux bridge never without timers: were they news, no dump would ever be like
/// the one before, and each would be decoded and compared object by object.
#[test]
fn what_is_carried_and_what_ticks_is_no_news() {
    in_namespace(|| async {
        let (mut node, _) = wired().await;
        ip("link add br-linux type bridge");
        ip("link add port0 type veth peer name port1");
        ip("link set port0 master br-linux up");
        for name in ["port1", "br-linux"] {
            ip(&format!("link set {name} up"));
        }
        let (start, mut alike) = (Instant::now(), 0);
        while alike < 5 {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let to = socket.local_addr().unwrap();
            socket.send_to(b"counted", to).unwrap();
            at_rest(&mut node).await;
            node.kernel.refresh();
            socket.send_to(b"counted", to).unwrap();
            // The kernel is at work on IPv6 addresses for a while.
            match node.kernel.observe().await.unwrap() {
                Observation::Same => alike += 1,
                _ => alike = 0,
            }
            assert!(start.elapsed() < DEADLINE, "what is carried is news");
        }
    });
}

#[test]
fn a_storm_of_announcements_loses_nothing() {
    in_namespace(|| async {
        let (mut node, address) = wired().await;
        let batch: String = (0..30_000)
            .map(|i| {
                let (a, b) = (i / 250, i % 250);
                format!("route add 10.{a}.{b}.1/32 dev br-ex table 189\n")
            })
            .collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), batch).unwrap();
        ip(&format!("-batch {}", file.path().display()));
        ip("route del 172.24.4.10 table 189");
        node.drain().await;
        assert_eq!(ip("route show table 189").lines().count(), 2);
        assert!(node.reconciler.is_settled(&route(address, BRIDGE, None).0));
    });
}
