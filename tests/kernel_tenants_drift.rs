//! Drift of tenants' devices: what somebody does to them is undone within 100 ms, whatever it was and in whatever order.

mod kernel_node;

use kernel_node::tenants::*;
use kernel_node::*;
use ovn_bgp_agent::reconcile::Holder;
use ovn_bgp_agent::reconcile::object::Key;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

const VNI: u32 = 1001;
const MTU: u32 = 9000;
const VTEPS: &[&str] = &["10.255.0.1", "10.255.0.2"];

/// Of `ip`, and of `bridge` where they begin with its objects.
const HARM: &[&str] = &[
    "link set vxlan-1001 nomaster",
    "link set br-1001 down",
    "link set vxlan-1001 down",
    "link set vrfb4113ba2-78 down",
    "link set ovsb4113ba2-78 down",
    "link set vrfb4113ba2-78 nomaster",
    "link set vrfb4113ba2-78 address 02:00:00:00:00:99",
    "link set br-1001 address 02:00:00:00:00:98",
    "link set br-1001 mtu 1500",
    "link set vxlan-1001 mtu 1400",
    "link set vrfb4113ba2-78 mtu 1500",
    "link set ovsb4113ba2-78 mtu 1500",
    "link set vxlan-1001 type vxlan learning",
    "link set vxlan-1001 type bridge_slave learning on neigh_suppress off",
    "BRIDGE link set dev vxlan-1001 learning on",
    "BRIDGE link set dev vxlan-1001 neigh_suppress off",
    "link del vxlan-1001",
    "link del br-1001",
    "link del vrfb4113ba2-78",
    "link del ovsb4113ba2-78",
    "neigh del 10.255.0.1 dev br-1001",
    "neigh replace 10.255.0.1 lladdr 02:00:00:00:00:77 dev br-1001 nud permanent",
    "-6 neigh del ::ffff:10.255.0.2 dev br-1001",
    "neigh replace 10.255.0.1 lladdr 02:00:00:00:00:01 dev br-1001 nud reachable",
    "neigh replace 10.255.0.1 lladdr 02:00:00:00:00:01 dev br-1001 nud noarp",
    "BRIDGE fdb del 02:00:00:00:00:01 dev vxlan-1001 self",
    "BRIDGE fdb del 02:00:00:00:00:01 dev vxlan-1001 master",
    "BRIDGE fdb replace 02:00:00:00:00:02 dev vxlan-1001 dst 10.99.0.1 self extern_learn",
    "BRIDGE fdb del 00:00:00:00:00:00 dev vxlan-1001 dst 10.255.0.1 self",
    "BRIDGE fdb append 00:00:00:00:00:00 dev vxlan-1001 dst 10.99.0.1 self permanent",
    "BRIDGE fdb add 02:00:00:00:55:01 dev vxlan-1001 dst 10.99.0.1 self master extern_learn",
    "BRIDGE fdb del 02:00:00:00:77:01 dev vrfb4113ba2-78 master",
    "BRIDGE fdb replace 02:00:00:00:77:01 dev vrfb4113ba2-78 master extern_learn",
    "BRIDGE fdb replace 02:00:00:00:00:01 dev vxlan-1001 dst 10.255.0.1 self permanent",
    "BRIDGE fdb replace 02:00:00:00:00:01 dev vxlan-1001 dst 10.255.0.1 self dynamic",
    "BRIDGE fdb replace 02:00:00:00:00:02 dev vxlan-1001 dst 10.99.0.1 self dynamic",
    "BRIDGE fdb append 00:00:00:00:00:00 dev vxlan-1001 dst 10.255.0.2 self dynamic",
    "BRIDGE fdb replace 02:00:00:00:00:01 dev vxlan-1001 master permanent",
    "BRIDGE fdb replace 02:00:00:00:77:01 dev vrfb4113ba2-78 master permanent",
    "BRIDGE fdb replace 02:00:00:00:77:01 dev vrfb4113ba2-78 master dynamic",
];

/// False where there was nothing to harm any more.
fn harm(command: &str) -> bool {
    match command.strip_prefix("BRIDGE ") {
        Some(command) => try_bridge(command),
        None => try_ip(command).0,
    }
}

fn wish() -> Vec<(Holder, Vec<(Key, ovn_bgp_agent::reconcile::Value)>)> {
    vec![
        (Holder::Tenant(VNI), devices_of(VNI, MTU)),
        (Holder::Base, taught_but_routes(VNI, VTEPS)),
    ]
}

async fn wired() -> Node {
    ip("link set lo up");
    let mut node = tenants_node();
    for (holder, objects) in wish() {
        node.reconciler.hold(holder, objects);
    }
    node.settle().await;
    // The other end of a pair is told later.
    node.until(is_as_wished).await;
    node.drain().await;
    assert_eq!(node.reported, Vec::<String>::new());
    node
}

fn is_as_wished(node: &Node) -> bool {
    let mut wishes = wish().into_iter().flat_map(|(_, objects)| objects);
    wishes.all(|(key, _)| node.reconciler.is_settled(&key))
}

/// What the tables and devices are, to other eyes; without what counts or names the order of making.
fn shown() -> Vec<String> {
    let mut lines: Vec<String> = [
        bridge("fdb show dev vxlan-1001"),
        bridge("fdb show dev vrfb4113ba2-78"),
        ip("neigh show dev br-1001 nud permanent"),
        ip("-6 neigh show dev br-1001 nud permanent"),
    ]
    .iter()
    .flat_map(|text| {
        text.lines()
            .map(|l| l.trim().to_owned())
            .collect::<Vec<_>>()
    })
    // The ports' own addresses, drawn by lot where nobody sets them.
    .filter(|line| !line.starts_with("33:33") && !line.starts_with("01:00:5e"))
    .filter(|line| !line.ends_with("permanent") || line.contains("dst"))
    // Learned from a frame on the pair.
    .filter(|line| !line.ends_with("master br-1001") || line.contains("extern_learn"))
    .collect();
    for device in ["br-1001", "vxlan-1001", "vrfb4113ba2-78", "ovsb4113ba2-78"] {
        let text = ip(&format!("-d link show {device}"));
        for part in [
            "vxlan id 1001 local 127.0.0.1",
            "dstport 4789 nolearning",
            "master br-1001",
            "learning off",
            "neigh_suppress on",
            "alias ovn-bgp-agent",
            "link/ether 02:0a:00:00:03:e9",
            "link/ether 02:00:03:e9:00:00",
            ",UP",
            "mtu 9000 ",
        ] {
            if text.contains(part) {
                lines.push(format!("{device}: {part}"));
            }
        }
    }
    lines.sort();
    lines
}

#[test]
fn b010_whatever_is_done_to_a_tenants_devices_is_undone_by_the_kernels_own_word() {
    in_namespace(|| async {
        let mut node = wired().await;
        let before = shown();
        for command in HARM {
            let taken = node.taken.len();
            assert!(harm(command), "{command}");
            let took = node
                .until(|node| node.taken.len() > taken && is_as_wished(node))
                .await;
            eprintln!("{command}: repaired in {took:?}");
            node.drain().await;
            assert_eq!(shown(), before, "{command}");
        }
        assert_eq!(node.reported, Vec::<String>::new());
    });
}

/// Does one after the other, takes in what the kernel says after those that say so, and sees that all is as it was.
async fn ends_as_wished(node: &mut Node, history: &[(&str, bool)], before: &[String]) {
    for (command, reacts) in history {
        harm(command);
        if *reacts {
            node.observe().await;
            node.act().await;
        }
    }
    node.drain().await;
    // What failed because something else was missing by then is tried again, as the agent does.
    node.reconciler.retry();
    node.act().await;
    eprintln!("{history:#?}");
    node.until(is_as_wished).await;
    node.drain().await;
    assert_eq!(shown(), before, "{history:#?}");
    assert!(is_as_wished(node), "{history:#?}");
}

/// A VXLAN device that goes down forgets what it was taught. What is put there then is new, and another word about it that says
/// `extern_learn` leaves its state alone: it had the right VTEP in the end, and stayed `permanent`.
#[test]
fn the_state_of_an_entry_is_repaired_though_its_vtep_is_right() {
    in_namespace(|| async {
        let mut node = wired().await;
        let before = shown();
        let history = [
            ("link set vxlan-1001 down", false),
            (
                "BRIDGE fdb replace 02:00:00:00:00:02 dev vxlan-1001 dst 10.99.0.1 self extern_learn",
                false,
            ),
        ];
        ends_as_wished(&mut node, &history, &before).await;
        let taken = node.taken.len();
        node.settle().await;
        assert_eq!(node.taken.len(), taken, "nothing is left to repair");
    });
}

/// Zebra's entry of a MAC address that does not move (RFC 7432 §15.2), which iproute2 calls `sticky static`: no entry of ours looks
/// like it, and it does the same.
#[test]
fn a_sticky_entry_of_zebras_is_taken_over_as_it_is() {
    in_namespace(|| async {
        let mut node = wired().await;
        let before = node.taken.len();
        let entry =
            "fdb add 02:00:00:00:00:03 dev vxlan-1001 dst 10.255.0.3 master self sticky static";
        assert!(try_bridge(entry), "{entry}");
        let (dev, vtep) = ("vxlan-1001".into(), "10.255.0.3".parse().unwrap());
        let mac = ovn_bgp_agent::mac::MacAddr([2, 0, 0, 0, 0, 3]);
        let key = Key::Fdb { dev, mac };
        let value = ovn_bgp_agent::reconcile::Value::Fdb { vtep: Some(vtep) };
        let mut wished = taught_but_routes(VNI, VTEPS);
        wished.push((key.clone(), value));
        node.reconciler.hold(Holder::Base, wished);
        node.settle().await;
        assert!(node.reconciler.is_settled(&key));
        assert_eq!(node.taken.len(), before, "{:#?}", node.taken);
    });
}

#[test]
fn any_history_of_drift_ends_as_wished() {
    in_namespace(|| async {
        let mut node = wired().await;
        let before = shown();
        let mut runner = TestRunner::new(Config::default());
        let histories = proptest::collection::vec((0..HARM.len(), any::<bool>()), 1..12);
        for _ in 0..25 {
            let history = histories.new_tree(&mut runner).unwrap().current();
            let named = |(which, reacts): &(usize, bool)| (HARM[*which], *reacts);
            let history: Vec<(&str, bool)> = history.iter().map(named).collect();
            ends_as_wished(&mut node, &history, &before).await;
        }
    });
}
