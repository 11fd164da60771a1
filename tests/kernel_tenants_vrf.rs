//! Tenants in a kernel that has VRFs and dummy devices, which the virtual machine's has (VM tier): the tables of VNIs, and
//! what the Python agent and FRR left of them (golden/nb_ovn_bgp_driver-vrf, golden/ovn_evpn_driver), device by device.

mod kernel_node;

use std::time::Duration;

use interop::{Need, require};
use kernel_node::tenants::*;
use kernel_node::*;
use ovn_bgp_agent::reconcile::object::{Key, Link, LinkKind, Route, Value};
use ovn_bgp_agent::reconcile::ownership::{Claim, Scope, TenantScope};
use ovn_bgp_agent::reconcile::{Holder, Step};

const VNI: u32 = 1001;
const ONE: &str = "10.255.0.1";
const TWO: &str = "10.255.0.2";
const VRF: &str = "vrf-1001";
const GATEWAY: &str = "172.24.4.76";

/// VRF, bridge, VXLAN device and pair, as ours.
fn vrf_devices() -> Vec<(Key, Value)> {
    let mut objects = devices(VNI);
    let entry = Key::Master { dev: ENTRY.into() };
    objects.retain(|(key, _)| *key != entry);
    objects.push(link(VRF, LinkKind::Vrf { table: VNI }));
    objects.push(master(ENTRY, VRF));
    objects.push(master("br-1001", VRF));
    objects
}

fn taught_to_the_vrf() -> Vec<(Key, Value)> {
    let mut objects = taught(VNI, &[ONE, TWO]);
    objects.retain(|(key, _)| !matches!(key, Key::Fdb { dev, .. } if **dev == *ENTRY));
    objects
}

async fn wired() -> Node {
    ip("link set lo up");
    let mut node = tenants_node();
    node.reconciler.hold(Holder::Tenant(VNI), vrf_devices());
    node.reconciler.hold(Holder::Base, taught_to_the_vrf());
    node.settle().await;
    node.drain().await;
    assert_eq!(node.reported, Vec::<String>::new());
    node
}

fn in_table(prefix: &str, dev: &str, via: &[&str]) -> (Key, Value) {
    let key = Key::Route {
        table: VNI,
        prefix: net(prefix),
    };
    let via = via.iter().map(|v| v.parse().unwrap()).collect();
    let dev = dev.into();
    (key, Value::Route(Route { dev, via }))
}

fn routes() -> String {
    ip("route show table 1001") + &ip("-6 route show table 1001")
}

#[test]
#[ignore = "needs VRFs in the kernel: vm_these_pass_where_the_kernel_has_vrfs runs it"]
fn b126_a_tenants_table_is_made_kept_and_swept() {
    in_namespace(|| async {
        let node = wired().await;
        let text = routes();
        for part in [
            "nexthop via 10.255.0.2 dev br-1001 weight 1 onlink",
            "198.51.101.0/24 via 10.255.0.1 dev br-1001 proto 215 onlink",
            "2001:db8:2::/64 via ::ffff:10.255.0.1 dev br-1001 proto 215 metric 1024 onlink",
            "unreachable default proto 215 metric 4278198272",
            "unreachable default dev lo proto 215 metric 4278198272",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(ip("-d link show vrf-1001").contains("vrf table 1001"));

        let mut node = tenants(node.restarted());
        node.reconciler.hold(Holder::Tenant(VNI), vrf_devices());
        node.reconciler.hold(Holder::Base, taught_to_the_vrf());
        node.settle().await;
        node.drain().await;
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken);

        // b118: nobody wishes it any more.
        let mut node = tenants(node.restarted());
        node.settle().await;
        node.drain().await;
        assert_eq!(names(), ["lo"]);
        assert_eq!(ip("route show table all type unreachable"), "");
        assert_eq!(node.reported, Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs VRFs in the kernel: vm_these_pass_where_the_kernel_has_vrfs runs it"]
fn b117_a_vrf_that_is_to_stay_stays_without_its_routes() {
    in_namespace(|| async {
        let node = wired().await;
        let mut node = node.restarted();
        node.kernel.set_scope(Scope {
            tenants: Some(TenantScope {
                keeps_vrfs: true,
                speaks: true,
                ..TenantScope::default()
            }),
            ..scope()
        });
        node.settle().await;
        node.drain().await;
        assert_eq!(names(), ["lo", VRF]);
        assert!(!routes().contains("proto 215"), "{}", routes());
    });
}

/// The node under a driver or method without tenants.
fn without_evpn(mut node: Node) -> Node {
    let tenants = TenantScope {
        claim: Claim::Marked,
        speaks: true,
        ..TenantScope::default()
    };
    let tenants = Some(tenants);
    node.kernel.set_scope(Scope { tenants, ..scope() });
    node
}

#[test]
#[ignore = "needs VRFs in the kernel: vm_these_pass_where_the_kernel_has_vrfs runs it"]
fn with_a_method_without_tenants_what_is_marked_goes_and_nothing_else() {
    in_namespace(|| async {
        let node = wired().await;
        // Of an operator, by the same custom: a VRF with what is in it, half of it under VNIs of ours.
        for command in [
            "link add vrf-77 type vrf table 77",
            "link add br-77 type bridge",
            "link set br-77 master vrf-77",
            "link add vxlan-77 type vxlan id 77 dstport 4789 local 127.0.0.1 nolearning",
            "link set vxlan-77 master br-77",
            "link add vrfb4113ba2-70 type veth peer name ovsb4113ba2-70",
            "link set vrfb4113ba2-70 master vrf-77",
        ] {
            ip(command);
        }
        for name in ["vrf-77", "br-77", "vxlan-77", "vrfb4113ba2-70"] {
            ip(&format!("link set {name} up"));
        }
        for command in [
            "addr add 198.51.100.1/32 dev vrfb4113ba2-70",
            "route add 192.0.2.0/24 dev br-77 table 77",
            "route add unreachable default table 77 metric 4278198272",
            "neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev br-77 nud permanent",
        ] {
            ip(command);
        }
        bridge("fdb add 02:00:00:00:00:09 dev vxlan-77 dst 10.255.0.9 self");
        let shown = || {
            [
                ip("route show table 77"),
                ip("addr show dev vrfb4113ba2-70"),
                ip("neigh show dev br-77 nud permanent"),
                bridge("fdb show dev vxlan-77"),
            ]
        };
        let theirs = shown();
        let mut node = without_evpn(node.restarted());
        node.settle().await;
        node.drain().await;
        let left = [
            "br-77",
            "lo",
            "ovsb4113ba2-70",
            "vrf-77",
            "vrfb4113ba2-70",
            "vxlan-77",
        ];
        assert_eq!(names(), left);
        assert_eq!(routes(), "");
        assert_eq!(shown(), theirs);
        assert_eq!(node.reported, Vec::<String>::new());

        let mut node = without_evpn(node.restarted());
        node.settle().await;
        node.drain().await;
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken);
    });
}

#[test]
#[ignore = "needs VRFs in the kernel: vm_these_pass_where_the_kernel_has_vrfs runs it"]
fn b010_what_is_done_to_a_tenants_table_is_undone() {
    in_namespace(|| async {
        let mut node = wired().await;
        let before = routes();
        for command in [
            "route flush table 1001 proto 215",
            "-6 route del 2001:db8:1::/64 table 1001",
            "route replace 198.51.100.0/24 via 10.255.0.9 dev br-1001 onlink table 1001",
            "route del unreachable default table 1001 metric 4278198272",
            "route add 203.0.113.0/24 dev br-1001 table 1001 proto 215",
            "route add 203.0.113.0/24 dev br-1001 table 1001 proto 215 metric 7",
            // As NetworkManager does with devices that it takes for its own.
            "link set br-1001 nomaster",
            "link set vrfb4113ba2-78 nomaster",
            "link set br-1001 down",
            "link set vrf-1001 down",
            "link del vrf-1001",
            "link del br-1001",
        ] {
            ip(command);
            let taken = node.taken.len();
            let wishes = || vrf_devices().into_iter().chain(taught_to_the_vrf());
            let took = node
                .until(|node| {
                    let mut wishes = wishes();
                    node.taken.len() > taken && wishes.all(|(k, _)| node.reconciler.is_settled(&k))
                })
                .await;
            eprintln!("{command}: repaired in {took:?}");
            node.drain().await;
            let ours = |text: &str| -> Vec<String> {
                let ours = text
                    .lines()
                    .filter(|l| l.contains("215") || l.contains("nexthop"));
                ours.map(|l| l.trim().to_owned()).collect()
            };
            assert_eq!(ours(&routes()), ours(&before), "{command}");
        }
        assert_eq!(node.reported, Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs VRFs in the kernel: vm_these_pass_where_the_kernel_has_vrfs runs it"]
fn b012_b159_vrfs_and_routes_of_others_survive() {
    in_namespace(|| async {
        ip("link set lo up");
        for command in [
            // An operator's VRFs: another table; other members; his own EVPN.
            "link add vrf-77 type vrf table 10",
            "link add vrf-78 type vrf table 78",
            "link add eth78 type dummy",
            "link set eth78 master vrf-78",
            "link add vrfb4113ba2-70 type veth peer name other70",
            "link set vrfb4113ba2-70 master vrf-78",
            "link add vrf-79 type vrf table 79",
            "link add br-79 type bridge",
            "link set br-79 master vrf-79",
            "link add vxlan-79 type vxlan id 79 dstport 4789 local 127.0.0.1 nolearning",
            "link set vxlan-79 master br-79",
            "link add vrf-x type vrf table 80",
            "link add lo-79 type dummy",
        ] {
            ip(command);
        }
        for name in ["vrf-77", "vrf-78", "vrf-79", "br-79", "eth78", "vxlan-79"] {
            ip(&format!("link set {name} up"));
        }
        for command in [
            "route add 192.0.2.0/24 dev eth78 table 78",
            "route add 192.0.2.0/24 dev br-79 table 79",
            "route add unreachable default table 79 metric 4278198272",
            "route add 192.0.2.0/24 dev lo table 10",
        ] {
            ip(command);
        }
        let tables = || ["78", "79", "10"].map(|t| ip(&format!("route show table {t}")));
        let before = (names(), tables());
        let mut node = tenants_node();
        node.settle().await;
        node.drain().await;
        assert_eq!((names(), tables()), before);
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken);

        // And in a VRF of ours what FRR, OVN and an operator put there.
        node.reconciler.hold(Holder::Tenant(VNI), vrf_devices());
        node.act().await;
        node.drain().await;
        for (prefix, protocol) in [
            ("192.0.2.1", "bgp"),
            ("192.0.2.2", "84"),
            ("192.0.2.3", "static"),
        ] {
            ip(&format!(
                "route add {prefix} dev br-1001 table 1001 proto {protocol}"
            ));
        }
        ip("route add 192.0.2.4 dev br-1001 table 1001");
        node.settle().await;
        node.drain().await;
        let left = ip("route show table 1001");
        for prefix in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            assert!(left.contains(prefix), "{prefix} in {left}");
        }
        assert!(
            !left.contains("192.0.2.4"),
            "as the Python agent leaves them: {left}"
        );
    });
}

/// golden/nb_ovn_bgp_driver-vrf/after: ip-d-link, ip-addr, ip-route-all, ip-neigh, bridge-link, bridge-fdb.
fn as_the_northbound_driver() {
    for command in [
        "link set lo up",
        "addr add 172.30.1.1/32 dev lo",
        "link add br-1001 type bridge stp_state 0",
        "link set br-1001 up",
        "link add vxlan-1001 type vxlan id 1001 dstport 4789 local 172.30.1.1 nolearning",
        "link set vxlan-1001 address 7e:0b:6f:ad:0d:7b",
        "link set vxlan-1001 up",
        "link set vxlan-1001 master br-1001",
        "link set vxlan-1001 type bridge_slave neigh_suppress on learning off",
        "link add vrf-1001 type vrf table 1001",
        "link set vrf-1001 up",
        "link set br-1001 master vrf-1001",
        "link add vrfb4113ba2-78 type veth peer name ovsb4113ba2-78",
        "link set vrfb4113ba2-78 up",
        "link set ovsb4113ba2-78 up",
        "link set vrfb4113ba2-78 master vrf-1001",
        "addr add 172.24.4.1/32 dev vrfb4113ba2-78",
        "addr add 169.254.0.0/32 dev vrfb4113ba2-78",
        "-6 addr add fd53:d91e:400:7f17::/128 dev vrfb4113ba2-78 nodad",
        "link set vrfb4113ba2-78 address 02:00:03:e9:00:00",
        "-6 addr add fe80::200:3e9:0/64 dev vrfb4113ba2-78 nodad",
        "route add 172.24.4.76 dev vrfb4113ba2-78 scope link table 1001",
        "route add 172.24.4.138 dev vrfb4113ba2-78 scope link table 1001",
        "route add 10.10.0.19 via 172.24.4.76 dev vrfb4113ba2-78 table 1001",
        "-6 route add 2001:db8:100::138 dev vrfb4113ba2-78 table 1001",
        "-6 route add 2001:db8:200::19 via 2001:db8:100::138 dev vrfb4113ba2-78 table 1001",
        "neigh add 172.24.4.138 lladdr fa:16:3e:0a:00:02 dev vrfb4113ba2-78 nud permanent",
        "neigh add 172.24.4.76 lladdr fa:16:3e:94:ec:e8 dev vrfb4113ba2-78 nud permanent",
        "-6 neigh add 2001:db8:100::138 lladdr fa:16:3e:0a:00:02 dev vrfb4113ba2-78 nud permanent",
        // FRR's.
        "neigh add 10.255.0.1 lladdr 7a:84:e6:be:98:a3 dev br-1001 nud noarp extern_learn protocol zebra",
        "route add 198.51.100.0/24 via 10.255.0.1 dev br-1001 onlink table 1001 proto bgp metric 20",
    ] {
        ip(command);
    }
    bridge("fdb add 7a:84:e6:be:98:a3 dev vxlan-1001 dst 10.255.0.1 self master extern_learn");
    for path in [
        "ipv4/conf/vrfb4113ba2-78/proxy_arp",
        "ipv6/conf/vrfb4113ba2-78/proxy_ndp",
        "ipv4/conf/br-1001/forwarding",
        "ipv4/conf/vrfb4113ba2-78/forwarding",
    ] {
        std::fs::write(format!("/proc/sys/net/{path}"), "1").unwrap();
    }
}

fn northbound_wish() -> Vec<(Key, Value)> {
    let with_mac = |(key, value): (Key, Value), text: &str| match value {
        Value::Link(link) => {
            let mac = Some(text.parse().unwrap());
            (key, Value::Link(Link { mac, ..link }))
        }
        value => (key, value),
    };
    let vxlan = LinkKind::Vxlan {
        vni: VNI,
        port: 4789,
        local: "172.30.1.1".parse().unwrap(),
    };
    let veth = LinkKind::Veth {
        peer: "ovsb4113ba2-78".into(),
    };
    let port = Key::BridgePort {
        dev: "vxlan-1001".into(),
    };
    let flags = Value::BridgePort {
        learning: false,
        neigh_suppress: true,
    };
    let mut objects = vec![
        with_mac(link("br-1001", LinkKind::Bridge), "7e:0b:6f:ad:0d:7b"),
        link("vxlan-1001", vxlan),
        link(VRF, LinkKind::Vrf { table: VNI }),
        with_mac(link(ENTRY, veth), "02:00:03:e9:00:00"),
        link("ovsb4113ba2-78", LinkKind::Foreign),
        master("vxlan-1001", "br-1001"),
        master("br-1001", VRF),
        master(ENTRY, VRF),
        (port, flags),
    ];
    for address in [
        "172.24.4.1/32",
        "169.254.0.0/32",
        "fd53:d91e:400:7f17::/128",
        "fe80::200:3e9:0/64",
    ] {
        let key = Key::Address {
            dev: ENTRY.into(),
            address: net(address),
        };
        objects.push((key, Value::Address {}));
    }
    for path in [
        "ipv4/conf/vrfb4113ba2-78/proxy_arp",
        "ipv6/conf/vrfb4113ba2-78/proxy_ndp",
        "ipv4/conf/br-1001/forwarding",
        "ipv4/conf/vrfb4113ba2-78/forwarding",
    ] {
        let path = format!("net/{path}").into();
        objects.push((Key::Sysctl { path }, Value::Sysctl { value: "1".into() }));
    }
    objects.extend([
        in_table("172.24.4.76/32", ENTRY, &[]),
        in_table("172.24.4.138/32", ENTRY, &[]),
        in_table("10.10.0.19/32", ENTRY, &[GATEWAY]),
        in_table("2001:db8:100::138/128", ENTRY, &[]),
        in_table("2001:db8:200::19/128", ENTRY, &["2001:db8:100::138"]),
    ]);
    for (address, last) in [("172.24.4.138", 2), ("2001:db8:100::138", 2)] {
        objects.push(neighbour(&host(address), ENTRY, vm(last)));
    }
    objects.push(neighbour(
        &host(GATEWAY),
        ENTRY,
        "fa:16:3e:94:ec:e8".parse().unwrap(),
    ));
    objects
}

fn vm(last: u8) -> ovn_bgp_agent::mac::MacAddr {
    ovn_bgp_agent::mac::MacAddr([0xfa, 0x16, 0x3e, 0x0a, 0, last])
}

#[test]
#[ignore = "needs VRFs in the kernel: vm_these_pass_where_the_kernel_has_vrfs runs it"]
fn the_northbound_drivers_devices_are_adopted_without_a_write() {
    in_namespace(|| async {
        as_the_northbound_driver();
        let mut node = tenants_node();
        node.reconciler.hold(Holder::Tenant(VNI), northbound_wish());
        node.settle().await;
        node.drain().await;
        // What FRR had in the forwarding tables goes; nothing else is done.
        let gone = |s: &Step| {
            matches!(
                s,
                Step::Remove {
                    key: Key::Fdb { .. },
                    ..
                }
            )
        };
        let taken: Vec<_> = node.taken.iter().filter(|s| !gone(s)).collect();
        let sysctl = |s: &&Step| matches!(s.key(), Some(Key::Sysctl { .. }));
        assert!(taken.iter().all(sysctl), "{taken:#?}");
        assert_eq!(node.kernel.writes_total(), 2, "{:#?}", node.taken);
        assert!(!bridge("fdb show dev vxlan-1001").contains("7a:84"));
        assert!(ip("route show table 1001").contains("proto bgp"), "FRR's");
        assert_eq!(node.reported, Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs VRFs in the kernel: vm_these_pass_where_the_kernel_has_vrfs runs it"]
fn b118_the_northbound_drivers_leftovers_go() {
    in_namespace(|| async {
        as_the_northbound_driver();
        let mut node = tenants_node();
        node.settle().await;
        node.drain().await;
        assert_eq!(names(), ["lo"]);
        assert_eq!(routes(), "");
        assert_eq!(node.reported, Vec::<String>::new());
    });
}

/// golden/ovn_evpn_driver/after.
fn as_the_evpn_driver() {
    for command in [
        "link set lo up",
        "addr add 172.30.1.1/32 dev lo",
        "link add vrf-1001 type vrf table 1001",
        "link set vrf-1001 up",
        "route add unreachable default table 1001 metric 4278198272",
        "-6 route add unreachable default table 1001 metric 4278198272",
        "link add br-1001 type bridge stp_state 0",
        "link set br-1001 up",
        "link set br-1001 master vrf-1001",
        "link add vxlan-1001 type vxlan id 1001 dstport 4789 local 172.30.1.1 nolearning",
        "link set vxlan-1001 up",
        "link set vxlan-1001 master br-1001",
        "link add lo-1001 type dummy",
        "link set lo-1001 up",
        "link set lo-1001 master vrf-1001",
        "link add veth-vrf-1001 type veth peer name veth-ovs-1001",
        "link set veth-vrf-1001 up",
        "link set veth-ovs-1001 up",
        "link set veth-vrf-1001 master vrf-1001",
        "route add 172.24.4.76 dev veth-vrf-1001 scope link table 1001",
        "route add 10.10.0.0/24 via 172.24.4.76 dev veth-vrf-1001 table 1001",
        "neigh add 172.24.4.76 lladdr fa:16:3e:94:ec:e8 dev veth-vrf-1001 nud permanent",
        "addr add 10.10.0.19/32 dev lo-1001",
    ] {
        ip(command);
    }
}

/// How the bridge treats the VXLAN device in golden/nb_ovn_bgp_driver-vrf.
fn quiet_port() -> (Key, Value) {
    let port = Key::BridgePort {
        dev: "vxlan-1001".into(),
    };
    let flags = Value::BridgePort {
        learning: false,
        neigh_suppress: true,
    };
    (port, flags)
}

fn evpn_wish() -> Vec<(Key, Value)> {
    let dev = "veth-vrf-1001";
    let veth = LinkKind::Veth {
        peer: "veth-ovs-1001".into(),
    };
    let vxlan = LinkKind::Vxlan {
        vni: VNI,
        port: 4789,
        local: "172.30.1.1".parse().unwrap(),
    };
    let unreachable = |prefix| {
        let key = Key::Unreachable {
            table: VNI,
            prefix: net(prefix),
        };
        (key, Value::Unreachable {})
    };
    vec![
        link(VRF, LinkKind::Vrf { table: VNI }),
        link("br-1001", LinkKind::Bridge),
        link("vxlan-1001", vxlan),
        link(dev, veth),
        link("veth-ovs-1001", LinkKind::Foreign),
        master("br-1001", VRF),
        master("vxlan-1001", "br-1001"),
        master(dev, VRF),
        quiet_port(),
        unreachable("0.0.0.0/0"),
        unreachable("::/0"),
        in_table("172.24.4.76/32", dev, &[]),
        in_table("10.10.0.0/24", dev, &[GATEWAY]),
        in_table("10.10.0.19/32", dev, &[GATEWAY]),
        neighbour(&host(GATEWAY), dev, "fa:16:3e:94:ec:e8".parse().unwrap()),
    ]
}

#[test]
#[ignore = "needs VRFs in the kernel: vm_these_pass_where_the_kernel_has_vrfs runs it"]
fn b153_the_evpn_drivers_devices_are_adopted_and_its_loopback_goes() {
    in_namespace(|| async {
        as_the_evpn_driver();
        let mut node = tenants_node();
        node.reconciler.hold(Holder::Tenant(VNI), evpn_wish());
        node.settle().await;
        node.drain().await;
        // How the bridge treats the port, the VM's route instead of its address, and the loopback device.
        let (host, subject) = in_table("10.10.0.19/32", "veth-vrf-1001", &[GATEWAY]);
        let (port, flags) = quiet_port();
        let mut taken = node.taken.iter();
        assert_eq!(
            taken.next(),
            Some(&Step::Replace {
                key: port,
                value: flags
            })
        );
        assert_eq!(
            taken.next(),
            Some(&Step::Add {
                key: host,
                value: subject
            })
        );
        let of_loopback = |s: &Step| match s {
            Step::Remove { key, .. } => format!("{key}").contains("lo-1001"),
            _ => false,
        };
        assert!(taken.clone().all(of_loopback), "{:#?}", node.taken);
        assert!(!names().contains(&"lo-1001".to_owned()));
        assert_eq!(node.reported, Vec::<String>::new());

        let mut node = tenants(node.restarted());
        node.settle().await;
        node.drain().await;
        assert_eq!(names(), ["lo"], "b118");
        let left = node.reconciler.all_observed();
        assert_eq!(left.values().filter(|found| found.owned).count(), 0);
    });
}

/// The tests of this file, and those of tenants that need no VRF, in the virtual machine (VM tier).
#[test]
fn vm_these_pass_where_the_kernel_has_vrfs() {
    require!(Need::Root, Need::Vm, Need::Trixie);
    let share = interop::scratch().unwrap();
    let this = std::env::current_exe().unwrap();
    std::fs::copy(this, share.path().join("tests")).unwrap();
    let command = "modprobe -a vrf dummy vxlan veth bridge; \
                   CI=true /share/tests --include-ignored --skip vm_ --test-threads=1";
    let root = interop::Generation::Trixie.root().unwrap();
    let limit = Duration::from_secs(600);
    let outcome = interop::vm::boot(&root, share.path(), command, limit).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.output);
    println!("{}", outcome.output);
    let ran = "the_northbound_drivers_devices_are_adopted_without_a_write ... ok";
    assert!(outcome.output.contains(ran), "{}", outcome.output);
}
