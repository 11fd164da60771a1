//! Tenants' devices in a real kernel: made, kept, adopted, removed; what is somebody else's survives. iproute2 is the
//! judge. What this kernel lacks (VRF, dummy) is in the virtual machine's tier.

mod kernel_node;

use std::net::IpAddr;
use std::sync::Arc;

use kernel_node::tenants::*;
use kernel_node::*;
use ovn_bgp_agent::reconcile::Holder;
use ovn_bgp_agent::reconcile::object::{Key, LinkKind, Route, Value};

const VNI: u32 = 1001;
const ONE: &str = "10.255.0.1";
const TWO: &str = "10.255.0.2";

fn ip_of(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn wired() -> Node {
    ip("link set lo up");
    let mut node = tenants_node();
    node.reconciler.hold(Holder::Tenant(VNI), devices(VNI));
    node.settle().await;
    node.drain().await;
    assert_eq!(node.reported, Vec::<String>::new());
    node
}

#[test]
fn b107_the_devices_of_a_vni_as_iproute2_sees_them() {
    in_namespace(|| async {
        let node = wired().await;
        let vxlan = ip("-d link show vxlan-1001");
        for part in [
            "vxlan id 1001 local 127.0.0.1",
            "dstport 4789 nolearning",
            "master br-1001",
            "learning off",
            "neigh_suppress on",
            "alias ovn-bgp-agent",
            "UP",
        ] {
            assert!(vxlan.contains(part), "{part} in {vxlan}");
        }
        let bridge = ip("-d link show br-1001");
        assert!(bridge.contains("link/ether 02:0a:00:00:03:e9"), "{bridge}");
        assert!(bridge.contains("stp_state 0"), "{bridge}");
        let veth = ip("-d link show vrfb4113ba2-78");
        assert!(veth.contains("vrfb4113ba2-78@ovsb4113ba2-78"), "{veth}");
        assert!(veth.contains("link/ether 02:00:03:e9:00:00"), "{veth}");
        assert!(ip("link show ovsb4113ba2-78").contains("state UP"));
        let first = |wish: &[(Key, Value)]| wish.iter().all(|(k, _)| node.reconciler.is_settled(k));
        assert!(first(&devices(VNI)));
    });
}

#[test]
fn b126_what_peers_teach_is_routed_resolved_and_forwarded() {
    in_namespace(|| async {
        let mut node = wired().await;
        node.reconciler.hold(Holder::Base, taught(VNI, &[ONE, TWO]));
        node.act().await;
        node.drain().await;
        assert_eq!(node.reported, Vec::<String>::new());
        let v4 = ip("route show table 1001");
        for part in [
            "198.51.100.0/24 proto 215",
            "nexthop via 10.255.0.1 dev br-1001 weight 1 onlink",
            "nexthop via 10.255.0.2 dev br-1001 weight 1 onlink",
            "198.51.101.0/24 via 10.255.0.1 dev br-1001 proto 215 onlink",
            "unreachable default proto 215 metric 4278198272",
        ] {
            assert!(v4.contains(part), "{part} in {v4}");
        }
        let v6 = ip("-6 route show table 1001");
        for part in [
            "nexthop via ::ffff:10.255.0.2 dev br-1001 weight 1 onlink",
            "2001:db8:2::/64 via ::ffff:10.255.0.1 dev br-1001 proto 215 metric 1024 onlink",
            "unreachable default dev lo proto 215 metric 4278198272",
        ] {
            assert!(v6.contains(part), "{part} in {v6}");
        }
        let neighbours = ip("neigh show dev br-1001 nud permanent");
        for part in [
            "10.255.0.1 lladdr 02:00:00:00:00:01",
            "::ffff:10.255.0.1 lladdr 02:00:00:00:00:01",
        ] {
            assert!(neighbours.contains(part), "{part} in {neighbours}");
        }
        let fdb = bridge("fdb show dev vxlan-1001");
        for part in [
            "02:00:00:00:00:01 extern_learn master br-1001",
            "02:00:00:00:00:01 dst 10.255.0.1 self extern_learn",
            "00:00:00:00:00:00 dst 10.255.0.1 self permanent",
            "00:00:00:00:00:00 dst 10.255.0.2 self permanent",
        ] {
            assert!(fdb.contains(part), "{part} in {fdb}");
        }
        assert!(
            bridge("fdb show dev vrfb4113ba2-78")
                .contains("02:00:00:00:77:01 master br-1001 static")
        );

        // Another VTEP, then withdrawn.
        node.reconciler.hold(Holder::Base, taught(VNI, &[TWO]));
        node.act().await;
        node.drain().await;
        let fdb = bridge("fdb show dev vxlan-1001");
        assert!(!fdb.contains("10.255.0.1"), "{fdb}");
        assert!(ip("route show table 1001").contains("198.51.100.0/24 via 10.255.0.2 dev br-1001"));
        node.reconciler.hold(Holder::Base, vec![]);
        node.act().await;
        node.drain().await;
        assert_eq!(ip("route show table 1001"), "");
        assert_eq!(ip("-6 route show table 1001"), "");
        let fdb = bridge("fdb show dev vxlan-1001");
        assert!(
            !fdb.contains("dst") && !fdb.contains("extern_learn"),
            "{fdb}"
        );
        assert_eq!(node.reported, Vec::<String>::new());
    });
}

/// Without a VRF its table is not looked at here; that of a provider bridge is, and routes are read alike.
#[test]
fn ipv4_prefixes_behind_ipv6_vteps_are_routed_and_stay_as_they_are() {
    in_namespace(|| async {
        let mut node = wired().await;
        make_bridge(BRIDGE);
        let (one, two) = (ip_of("2001:db8::1"), ip_of("2001:db8::2"));
        let routes = |dev: &'static str, table: u32| {
            let ways: [(&str, Arc<[IpAddr]>); 2] = [
                ("198.51.100.0/24", [one, two].into()),
                ("198.51.101.0/24", [one].into()),
            ];
            ways.map(|(prefix, via)| {
                let prefix = net(prefix);
                let dev = dev.into();
                (
                    Key::Route { table, prefix },
                    Value::Route(Route { dev, via }),
                )
            })
        };
        let mut objects = base(BRIDGE);
        objects.extend(routes(BRIDGE, TABLE));
        objects.extend(routes("br-1001", VNI));
        node.reconciler.hold(Holder::Base, objects);
        node.settle().await;
        node.drain().await;
        assert_eq!(node.reported, Vec::<String>::new());
        for table in [TABLE, VNI] {
            let text = ip(&format!("route show table {table}"));
            for part in [
                "nexthop via inet6 2001:db8::1 dev",
                "nexthop via inet6 2001:db8::2 dev",
                "198.51.101.0/24 via inet6 2001:db8::1 dev",
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
        let mut objects = base(BRIDGE);
        objects.extend(routes(BRIDGE, TABLE));
        node.reconciler.hold(Holder::Base, objects);
        node.act().await;
        assert_eq!(ip(&format!("route show table {VNI}")), "");
        let writes = node.kernel.writes_total();
        node.kernel.tell_again();
        node.observe().await;
        node.act().await;
        assert_eq!(node.kernel.writes_total(), writes, "{:#?}", node.taken);
        for (key, value) in routes(BRIDGE, TABLE) {
            assert_eq!(node.found(&key).map(|found| &found.value), Some(&value));
        }
        node.reconciler.hold(Holder::Base, vec![]);
        node.act().await;
        assert!(!ip(&format!("route show table {TABLE}")).contains("inet6"));
    });
}

#[test]
fn a_restart_with_nothing_changed_writes_nothing() {
    in_namespace(|| async {
        let mut node = wired().await;
        node.reconciler.hold(Holder::Base, taught(VNI, &[ONE, TWO]));
        node.act().await;
        node.drain().await;
        let mut node = tenants(node.restarted());
        node.reconciler.hold(Holder::Tenant(VNI), devices(VNI));
        node.reconciler
            .hold(Holder::Base, taught_but_routes(VNI, &[ONE, TWO]));
        node.settle().await;
        node.drain().await;
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken);
    });
}

#[test]
fn b118_what_an_agent_before_has_left_of_a_vni_goes() {
    in_namespace(|| async {
        let node = wired().await;
        let mut node = tenants(node.restarted());
        node.settle().await;
        node.drain().await;
        let left = ip("link show");
        for device in ["br-1001", "vxlan-1001", "vrfb4113ba2-78", "ovsb4113ba2-78"] {
            assert!(!left.contains(device), "{device} in {left}");
        }
    });
}

#[test]
fn b159_devices_of_others_with_such_names_survive() {
    in_namespace(|| async {
        ip("link set lo up");
        for command in [
            "link add br-abc type bridge",
            "link add br-77 type bridge",
            "link add vxlan-77 type vxlan id 77 dstport 4789 local 127.0.0.1 nolearning",
            "link set vxlan-77 master br-77",
            "link add vxlan-78 type vxlan id 79 dstport 4789 local 127.0.0.1",
            "link add vrf0123abcd-ef type veth peer name other",
            "link add veth-vrf-79 type veth peer name veth-ovs-80",
            "link add vlan-77 type veth peer name eth77",
        ] {
            ip(command);
        }
        bridge("fdb append 00:00:00:00:00:00 dev vxlan-77 dst 10.0.0.9 self permanent");
        let before = names();
        let mut node = tenants_node();
        node.settle().await;
        node.drain().await;
        assert_eq!(names(), before);
        assert!(bridge("fdb show dev vxlan-77").contains("10.0.0.9"));
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken);
    });
}

#[test]
fn b159_somebody_elses_device_in_the_place_of_ours_is_said_and_left() {
    in_namespace(|| async {
        ip("link set lo up");
        ip("link add br-1001 type veth peer name eth9");
        ip("link add vxlan-1001 type vxlan id 7 dstport 4789 local 127.0.0.1");
        let mut node = tenants_node();
        node.reconciler.hold(Holder::Tenant(VNI), devices(VNI));
        node.settle().await;
        node.drain().await;
        let reported = node.reported.join("\n");
        assert!(
            reported.contains("an interface br-1001 of another kind exists"),
            "{reported}"
        );
        assert!(
            reported.contains("an interface vxlan-1001 of another kind exists"),
            "{reported}"
        );
        assert!(ip("-d link show vxlan-1001").contains("vxlan id 7 "));
    });
}

#[test]
fn without_evpn_nothing_of_it_is_seen() {
    in_namespace(|| async {
        let node = wired().await;
        let mut node = node.restarted();
        node.settle().await;
        let bridge = Key::Link {
            name: "br-1001".into(),
        };
        assert_eq!(node.found(&bridge), None);
        assert_eq!(node.kernel.writes_total(), 0);
    });
}

#[test]
fn a_device_that_is_found_keeps_its_hardware_address_until_another_is_wished() {
    in_namespace(|| async {
        let mut node = wired().await;
        let index = node.kernel.link("br-1001").unwrap().index;
        ip("link set br-1001 address 02:00:00:00:00:99");
        let key = Key::Link {
            name: "br-1001".into(),
        };
        node.until(|node| node.taken.iter().filter(|s| s.key() == Some(&key)).count() > 1)
            .await;
        node.drain().await;
        let shown = ip("link show br-1001");
        assert!(shown.contains("02:0a:00:00:03:e9"), "{shown}");
        assert_eq!(
            node.kernel.link("br-1001").unwrap().index,
            index,
            "in place"
        );
    });
}

#[test]
fn b118_a_vxlan_device_whose_vtep_moved_is_changed_in_place() {
    in_namespace(|| async {
        let mut node = wired().await;
        ip("addr add 10.9.9.9/32 dev lo");
        let index = node.kernel.link("vxlan-1001").unwrap().index;
        let moved = devices(VNI).into_iter().map(|(key, value)| match value {
            Value::Link(mut link) => {
                if let LinkKind::Vxlan { local, .. } = &mut link.kind {
                    *local = ip_of("10.9.9.9");
                }
                (key, Value::Link(link))
            }
            value => (key, value),
        });
        node.reconciler.hold(Holder::Tenant(VNI), moved.collect());
        node.act().await;
        node.drain().await;
        let shown = ip("-d link show vxlan-1001");
        assert!(shown.contains("local 10.9.9.9"), "{shown}");
        assert!(shown.contains("master br-1001"), "{shown}");
        assert_eq!(node.kernel.link("vxlan-1001").unwrap().index, index);

        // Another UDP port is another device.
        let ported = devices(VNI).into_iter().map(|(key, value)| match value {
            Value::Link(mut link) => {
                if let LinkKind::Vxlan { port, .. } = &mut link.kind {
                    *port = 8472;
                }
                (key, Value::Link(link))
            }
            value => (key, value),
        });
        node.reconciler.hold(Holder::Tenant(VNI), ported.collect());
        node.act().await;
        node.drain().await;
        let shown = ip("-d link show vxlan-1001");
        assert!(shown.contains("dstport 8472"), "{shown}");
        assert!(
            shown.contains("learning off") && shown.contains("neigh_suppress on"),
            "{shown}"
        );
    });
}

/// It learns between joining its bridge and being told not to.
#[test]
fn b107_a_port_that_is_to_learn_nothing_forgets_what_it_has_learned() {
    in_namespace(|| async {
        let mut node = wired().await;
        node.reconciler.hold(Holder::Base, taught(VNI, &[ONE, TWO]));
        node.act().await;
        node.drain().await;
        let taught = bridge("fdb show dev vxlan-1001");
        let learned = "02:00:00:00:00:77";
        bridge("link set dev vxlan-1001 learning on");
        bridge(&format!("fdb add {learned} dev vxlan-1001 master dynamic"));
        assert!(bridge("fdb show dev vxlan-1001").contains(learned));
        let forgotten = |_: &Node| !bridge("fdb show dev vxlan-1001").contains(learned);
        node.until(forgotten).await;
        node.drain().await;
        assert!(ip("-d link show vxlan-1001").contains("learning off"));
        assert_eq!(bridge("fdb show dev vxlan-1001"), taught);
    });
}

#[test]
fn b119_a_gateway_address_that_is_wished_no_more_goes_and_somebody_elses_stays() {
    in_namespace(|| async {
        let mut node = wired().await;
        let gateway = |text: &str| {
            let key = Key::Address {
                dev: ENTRY.into(),
                address: net(text),
            };
            (key, Value::Address {})
        };
        let wish = vec![gateway("172.24.4.1/32"), gateway("fe80::200:3e9:0/64")];
        node.reconciler.hold(Holder::Base, wish);
        node.act().await;
        node.drain().await;
        let shown = ip(&format!("addr show dev {ENTRY}"));
        assert!(shown.contains("172.24.4.1/32"), "{shown}");
        assert!(shown.contains("fe80::200:3e9:0/64 scope link"), "{shown}");
        ip(&format!("addr add 192.0.2.1/24 dev {ENTRY}"));
        // As the Python agent leaves one.
        ip(&format!("addr add 172.24.4.2/32 dev {ENTRY}"));
        let mut node = tenants(node.restarted());
        node.reconciler.hold(Holder::Tenant(VNI), devices(VNI));
        node.settle().await;
        node.drain().await;
        let shown = ip(&format!("addr show dev {ENTRY}"));
        assert!(!shown.contains("172.24.4."), "{shown}");
        assert!(shown.contains("192.0.2.1/24"), "{shown}");
    });
}

#[test]
fn sysctls_of_devices_that_come_later_are_watched_from_then_on() {
    in_namespace(|| async {
        let mut node = wired().await;
        let path: Arc<str> = format!("net/ipv4/conf/{ENTRY}/proxy_arp").into();
        let file = format!("/proc/sys/{path}");
        let key = Key::Sysctl { path };
        let value = Value::Sysctl { value: "1".into() };
        node.reconciler
            .hold(Holder::Base, vec![(key.clone(), value)]);
        node.act().await;
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), "1");
        let writes = node.kernel.writes_total();
        node.settle().await;
        assert_eq!(node.kernel.writes_total(), writes, "it is seen");
        std::fs::write(&file, "0").unwrap();
        node.settle().await;
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), "1");
        // Who starts anew finds it as it is to be.
        let mut node = tenants(node.restarted());
        node.reconciler.hold(Holder::Tenant(VNI), devices(VNI));
        let value = Value::Sysctl { value: "1".into() };
        node.reconciler.hold(Holder::Base, vec![(key, value)]);
        node.settle().await;
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken);
    });
}
