//! How large packets a tenant's devices carry, in a real kernel.

mod kernel_node;

use std::collections::BTreeMap;

use kernel_node::tenants::*;
use kernel_node::*;
use ovn_bgp_agent::reconcile::Holder;
use ovn_bgp_agent::reconcile::object::{Key, Value};

const VNI: u32 = 1001;
const DEVICES: [&str; 4] = ["br-1001", "vxlan-1001", ENTRY, "ovsb4113ba2-78"];

/// What `/sys` says of each device.
fn mtus() -> BTreeMap<&'static str, u32> {
    let mtu = |device: &'static str| {
        let shown = ip(&format!("-o link show {device}"));
        let mut words = shown.split_whitespace().skip_while(|word| *word != "mtu");
        (device, words.nth(1).unwrap().parse().unwrap())
    };
    DEVICES.into_iter().map(mtu).collect()
}

fn all(mtu: u32) -> BTreeMap<&'static str, u32> {
    DEVICES.into_iter().map(|device| (device, mtu)).collect()
}

async fn wired(wish: Vec<(Key, Value)>) -> Node {
    ip("link set lo up");
    let mut node = tenants_node();
    node.reconciler.hold(Holder::Tenant(VNI), wish);
    node.settle().await;
    node.drain().await;
    assert_eq!(node.reported, Vec::<String>::new());
    node
}

async fn change(node: &mut Node, wish: Vec<(Key, Value)>) {
    node.reconciler.hold(Holder::Tenant(VNI), wish);
    node.act().await;
    node.drain().await;
    assert_eq!(node.reported, Vec::<String>::new());
}

#[test]
fn devices_are_made_for_the_networks_packets_raised_and_lowered_in_place() {
    in_namespace(|| async {
        let mut node = wired(devices_of(VNI, 9000)).await;
        assert_eq!(mtus(), all(9000));
        let indexes = |node: &Node| DEVICES.map(|name| node.kernel.link(name).unwrap().index);
        let before = indexes(&node);
        for mtu in [9100, 1400, 65_535, 1280, 1500] {
            change(&mut node, devices_of(VNI, mtu)).await;
            assert_eq!(mtus(), all(mtu));
        }
        assert_eq!(indexes(&node), before, "none is made anew");
    });
}

/// `local` binds a VXLAN device to no other: it may be larger than what its packets leave by.
#[test]
fn a_vxlan_device_may_be_larger_than_the_underlay() {
    in_namespace(|| async {
        ip("link add underlay0 type veth peer name underlay1");
        ip("addr add 10.1.1.1/24 dev underlay0");
        ip("link set underlay0 mtu 1500 up");
        let local = |wish: Vec<(Key, Value)>| {
            let moved = wish.into_iter().map(|(key, mut value)| {
                use ovn_bgp_agent::reconcile::object::LinkKind;
                if let Value::Link(link) = &mut value
                    && let LinkKind::Vxlan { local, .. } = &mut link.kind
                {
                    *local = "10.1.1.1".parse().unwrap();
                }
                (key, value)
            });
            moved.collect::<Vec<_>>()
        };
        let mut node = wired(local(devices_of(VNI, 9000))).await;
        assert_eq!(mtus(), all(9000));
        // Moved in place, it keeps its size.
        change(&mut node, devices_of(VNI, 9000)).await;
        assert!(ip("-d link show vxlan-1001").contains("local 127.0.0.1"));
        assert_eq!(mtus(), all(9000));
    });
}

#[test]
fn the_bridge_does_not_follow_its_smallest_port() {
    in_namespace(|| async {
        let mut wish = devices_of(VNI, 9000);
        for (key, value) in &mut wish {
            if let (Key::Link { name }, Value::Link(link)) = (&*key, value)
                && [ENTRY, "ovsb4113ba2-78"].contains(&&**name)
            {
                link.mtu = Some(1500);
            }
        }
        let mut node = wired(wish).await;
        assert_eq!((mtus()["br-1001"], mtus()["vxlan-1001"]), (9000, 9000));
        // Another port comes, by somebody else's hand, and is smaller still.
        ip("link add small type veth peer name small1");
        ip("link set small mtu 1300 master br-1001");
        node.observe().await;
        node.act().await;
        node.drain().await;
        assert_eq!(mtus()["br-1001"], 9000);
    });
}

#[test]
fn what_says_nothing_of_its_mtu_is_adopted_as_it_is_without_a_write() {
    in_namespace(|| async {
        let node = wired(devices(VNI)).await;
        assert_eq!(mtus(), all(1500));
        for (device, mtu) in [("br-1001", 2000), ("vxlan-1001", 3000), (ENTRY, 4000)] {
            ip(&format!("link set {device} mtu {mtu}"));
        }
        let before = mtus();
        let mut node = tenants(node.restarted());
        node.reconciler.hold(Holder::Tenant(VNI), devices(VNI));
        node.settle().await;
        node.drain().await;
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken);
        assert_eq!(mtus(), before);
    });
}

#[test]
fn a_restart_with_the_mtu_unchanged_writes_nothing_and_with_another_adopts_the_devices() {
    in_namespace(|| async {
        let node = wired(devices_of(VNI, 9000)).await;
        let mut node = tenants(node.restarted());
        node.reconciler
            .hold(Holder::Tenant(VNI), devices_of(VNI, 9000));
        node.settle().await;
        node.drain().await;
        assert_eq!(node.kernel.writes_total(), 0, "{:#?}", node.taken);
        let index = node.kernel.link("vxlan-1001").unwrap().index;
        let mut node = tenants(node.restarted());
        node.reconciler
            .hold(Holder::Tenant(VNI), devices_of(VNI, 8950));
        node.settle().await;
        node.drain().await;
        assert_eq!(mtus(), all(8950));
        assert_eq!(node.kernel.link("vxlan-1001").unwrap().index, index);
    });
}

#[test]
fn somebody_elses_device_in_the_place_of_ours_keeps_its_mtu() {
    in_namespace(|| async {
        ip("link set lo up");
        ip("link add vxlan-1001 type vxlan id 1001 dstport 4789 local 127.0.0.1 nolearning");
        let mut node = tenants_node();
        node.reconciler
            .hold(Holder::Tenant(VNI), devices_of(VNI, 9000));
        node.settle().await;
        node.drain().await;
        let reported = node.reported.join("\n");
        assert!(
            reported.contains("vxlan-1001 has another hardware address or MTU"),
            "{reported}"
        );
        assert_eq!(mtus()["vxlan-1001"], 1500);
    });
}
