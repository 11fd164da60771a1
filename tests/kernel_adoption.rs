//! What the Python agent, or an operator, left in a real kernel: adopted, removed or left alone.

mod kernel_node;

use std::time::Duration;

use interop::{Need, require};
use kernel_node::*;
use ovn_bgp_agent::reconcile::Holder;
use ovn_bgp_agent::reconcile::object::{Key, LinkKind, Value};

/// What the Python agent's `pyroute2` calls leave, done with iproute2 (golden/nb_ovn_bgp_driver).
fn as_the_python_agent() {
    make_bridge(BRIDGE);
    as_the_python_agent_on_its_bridge();
}

fn as_the_python_agent_on_its_bridge() {
    for command in [
        "link set br-ex up",
        "addr add 169.254.1.1/32 dev br-ex",
        "-6 addr add fd53:d91e:400:7f17::1:1/128 dev br-ex nodad",
        "route add default dev br-ex scope link table 189",
        "-6 route add default dev br-ex table 189",
        "route add 172.24.4.10 dev br-ex scope link table 189",
        "rule add to 172.24.4.10 lookup 189 pref 32000",
        "neigh add 172.24.4.10 lladdr fa:16:3e:00:00:01 dev br-ex nud permanent",
        "route add 10.10.0.0/24 via 172.24.4.10 dev br-ex table 189",
        "rule add to 10.10.0.1/24 lookup 189 pref 32000",
        "-6 neigh add proxy 2001:db8:100:: dev br-ex",
    ] {
        ip(command);
    }
    for path in ["ipv4/conf/br-ex/proxy_arp", "ipv6/conf/br-ex/proxy_ndp"] {
        std::fs::write(format!("/proc/sys/net/{path}"), "1").unwrap();
    }
}

fn wish_what_python_did(node: &mut Node) {
    node.reconciler.hold(Holder::Base, base(BRIDGE));
    let address = host("172.24.4.10");
    let mut objects = exposure(address, BRIDGE, 1);
    objects.push(proxy("2001:db8:100::", BRIDGE));
    node.expose(address, objects);
    // Python's rule says 10.10.0.1/24: to the kernel that is this network.
    let subnet = net("10.10.0.0/24");
    let via = Some("172.24.4.10".parse().unwrap());
    node.expose(subnet, vec![rule(subnet), route(subnet, BRIDGE, via)]);
}

#[test]
fn the_python_agents_state_is_adopted_without_a_write() {
    in_namespace(|| async {
        as_the_python_agent();
        let mut node = Node::new();
        wish_what_python_did(&mut node);
        node.settle().await;
        // Only the name of the table: this node's rt_tables is the test's, and empty.
        assert_eq!(node.kernel.writes_total(), 1, "{:#?}", node.taken);
    });
}

#[test]
fn other_helper_addresses_of_the_python_agent_give_way_to_ours() {
    in_namespace(|| async {
        as_the_python_agent();
        // As version 4.0.0 has them. With the last IPv4 address of an interface the kernel takes
        // all its IPv4 routes, in every table.
        ip("addr add 169.254.0.1/32 dev br-ex");
        ip("-6 addr add fd53:d91e:400:7f17::1/128 dev br-ex nodad");
        ip("addr del 169.254.1.1/32 dev br-ex");
        ip("-6 addr del fd53:d91e:400:7f17::1:1/128 dev br-ex");
        let mut node = Node::new();
        wish_what_python_did(&mut node);
        node.settle().await;
        node.drain().await;

        let addresses = ip("addr show dev br-ex");
        for (address, there) in [
            ("169.254.1.1/32", true),
            ("fd53:d91e:400:7f17::1:1/128", true),
            ("169.254.0.1/32", false),
            ("fd53:d91e:400:7f17::1/128", false),
        ] {
            assert_eq!(addresses.contains(address), there, "{address}: {addresses}");
        }
        // Unmarked: they are still the Python agent's, so they never went.
        let routes = ip("route show table 189") + &ip("-6 route show table 189");
        assert_eq!(routes.lines().count(), 4, "{routes}");
        assert!(!routes.contains("proto 215"), "{routes}");
        assert_eq!(node.kernel.writes_total(), 5, "{:#?}", node.taken);
    });
}

#[test]
fn the_python_agents_leftovers_are_removed() {
    in_namespace(|| async {
        as_the_python_agent();
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        node.settle().await;
        assert_eq!(node.reported, Vec::<String>::new());
        assert!(!ip("rule show").contains("lookup 189"));
        assert_eq!(ip("route show table 189").lines().count(), 1);
        assert_eq!(ip("neigh show dev br-ex nud permanent"), "");
        assert_eq!(ip("-6 neigh show proxy"), "");
    });
}

#[test]
#[ignore = "needs 802.1Q in the kernel: vm_these_pass_where_the_kernel_has_8021q runs it"]
fn b022_a_vlan_device_of_the_python_agent_without_helper_addresses_goes_with_its_network() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        as_the_python_agent_on_its_bridge();
        for command in [
            "link add link br-ex name br-ex.100 type vlan id 100",
            "link set br-ex.100 up",
            "route add 172.30.0.182 dev br-ex.100 scope link table 189",
            "rule add to 172.30.0.182 lookup 189 pref 32000",
        ] {
            ip(command);
        }
        for path in [
            "ipv4/conf/br-ex.100/proxy_arp",
            "ipv6/conf/br-ex.100/proxy_ndp",
        ] {
            std::fs::write(format!("/proc/sys/net/{path}"), "1").unwrap();
        }
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        node.settle().await;
        node.drain().await;
        assert!(!try_ip("link show br-ex.100").0);
        assert_eq!(node.reported, Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs 802.1Q in the kernel: vm_these_pass_where_the_kernel_has_8021q runs it"]
fn b031_an_operators_vlan_device_survives_having_been_used() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        ip("link add link br-ex name br-ex.100 type vlan id 100");
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        let kind = LinkKind::Vlan {
            parent: BRIDGE.into(),
            id: 100,
        };
        let mut objects = vec![link("br-ex.100", kind)];
        objects.extend(sysctls("br-ex.100"));
        let helper = Key::Address {
            dev: "br-ex.100".into(),
            address: net("169.254.1.100/32"),
        };
        objects.push((helper, Value::Address {}));
        let address = host("172.30.0.182");
        objects.extend(exposure(address, "br-ex.100", 3));
        node.expose(address, objects);
        node.settle().await;
        assert!(ip("addr show dev br-ex.100").contains("169.254.1.100"));

        let mut node = node.restarted();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        node.settle().await;
        node.drain().await;
        assert!(!ip("addr show dev br-ex.100").contains("169.254.1.100"));
        assert!(!ip("route show table 189").contains("172.30.0.182"));
    });
}

#[test]
#[ignore = "needs 802.1Q in the kernel: vm_these_pass_where_the_kernel_has_8021q runs it"]
fn b022_vlan_devices_are_made_marked_and_removed() {
    in_namespace(|| async {
        make_bridge(BRIDGE);
        ip("link add link br-ex name br-ex.200 type vlan id 200");
        let mut node = Node::new();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        let kind = LinkKind::Vlan {
            parent: BRIDGE.into(),
            id: 100,
        };
        let mut objects = vec![link("br-ex.100", kind)];
        objects.extend(sysctls("br-ex.100"));
        let address = host("172.30.0.182");
        objects.extend(exposure(address, "br-ex.100", 3));
        node.expose(address, objects);
        node.settle().await;
        assert_eq!(node.reported, Vec::<String>::new());
        let shown = ip("-d link show br-ex.100");
        assert!(shown.contains("vlan protocol 802.1Q id 100"), "{shown}");
        assert!(shown.contains("alias ovn-bgp-agent"), "{shown}");
        assert!(ip("route show table 189").contains("172.30.0.182 dev br-ex.100"));

        let mut node = node.restarted();
        node.reconciler.hold(Holder::Base, base(BRIDGE));
        node.settle().await;
        assert!(!try_ip("link show br-ex.100").0, "b031: ours goes");
        assert!(
            try_ip("link show br-ex.200").0,
            "b031: the operator's stays"
        );
        let link = Key::Link {
            name: "br-ex.200".into(),
        };
        assert!(node.found(&link).is_some_and(|found| !found.owned));
    });
}

/// The tests of this file once more, with the ignored ones, in the virtual machine (VM tier).
#[test]
fn vm_these_pass_where_the_kernel_has_8021q() {
    require!(Need::Root, Need::Vm, Need::Trixie);
    let share = interop::scratch().unwrap();
    let this = std::env::current_exe().unwrap();
    std::fs::copy(this, share.path().join("tests")).unwrap();
    let command = "CI=true /share/tests --include-ignored --skip vm_ --test-threads=1";
    let root = interop::Generation::Trixie.root().unwrap();
    let limit = Duration::from_secs(300);
    let outcome = interop::vm::boot(&root, share.path(), command, limit).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.output);
    let ran = "b022_vlan_devices_are_made_marked_and_removed ... ok";
    assert!(outcome.output.contains(ran), "{}", outcome.output);
}
