//! What wiring costs with thousands of exposures. The bounds are an order of magnitude above what two
//! busy cores need unoptimised; `cargo test --release --test kernel_scale -- --nocapture --test-threads 1` prints the figures.

mod kernel_node;

use std::time::{Duration, Instant};

use kernel_node::*;
use ovn_bgp_agent::reconcile::Holder;

fn address(n: u32) -> ipnet::IpNet {
    host(&format!("10.{}.{}.{}", n >> 16, n >> 8 & 0xff, n & 0xff))
}

/// A node with `count` exposures desired and nothing of them made yet.
async fn node_with(count: u32) -> Node {
    make_bridge(BRIDGE);
    // Permanent entries count towards the kernel's limit for neighbours.
    for level in 1..=3 {
        let path = format!("/proc/sys/net/ipv4/neigh/default/gc_thresh{level}");
        // Not to be had in a namespace: the limit is then the machine's.
        let _ = std::fs::write(path, "100000");
    }
    let mut node = Node::new();
    node.reconciler.hold(Holder::Base, base(BRIDGE));
    node.settle().await;
    for n in 1..=count {
        node.expose(address(n), exposure(address(n), BRIDGE, n as u8));
    }
    node
}

#[test]
fn a_thousand_exposures_are_wired_and_unwired_with_no_write_too_many() {
    in_namespace(|| async {
        let mut node = node_with(1000).await;
        let start = Instant::now();
        node.act().await;
        let took = start.elapsed();
        println!("1000 exposures (3000 objects) wired in {took:?}");
        assert_eq!(node.reported, Vec::<String>::new());
        assert_eq!(node.kernel.writes_total(), 3000 + 8);

        let start = Instant::now();
        for n in 1..=1000 {
            node.unexpose(address(n));
        }
        node.act().await;
        println!("and unwired in {:?}", start.elapsed());
        assert_eq!(ip("route show table 189").lines().count(), 1);
    });
}

#[test]
fn a_resync_among_5000_exposures_writes_nothing() {
    in_namespace(|| async {
        const PRESENT: u32 = 5000;
        let mut node = node_with(PRESENT).await;
        let start = Instant::now();
        node.act().await;
        println!("{PRESENT} exposures wired in {:?}", start.elapsed());
        node.drain().await;

        let (mut added, mut single) = (Vec::new(), Vec::new());
        for n in PRESENT + 1..=PRESENT + 100 {
            let start = Instant::now();
            node.expose(address(n), exposure(address(n), BRIDGE, 1));
            node.act().await;
            added.push(start.elapsed());
            assert!(node.reconciler.is_advertised(&address(n).into()));
        }
        for n in PRESENT + 101..=PRESENT + 200 {
            let start = Instant::now();
            node.reconciler
                .hold(Holder::from(address(n)), vec![rule(address(n))]);
            node.act().await;
            single.push(start.elapsed());
        }
        println!("one exposure (3 objects, advert): {}", summary(&mut added));
        println!("one object: {}", summary(&mut single));
        node.drain().await;

        let start = Instant::now();
        let news = node.kernel.writes_total();
        node.settle().await;
        let whole = start.elapsed();
        let start = Instant::now();
        node.reconciler.full();
        node.act().await;
        println!(
            "no change with {} exposures: dump and compare {whole:?}, examine all {:?}",
            PRESENT + 200,
            start.elapsed()
        );
        assert_eq!(node.kernel.writes_total(), news, "nothing is written");
    });
}

#[test]
fn drift_is_repaired_by_the_kernels_own_word_among_5000_exposures() {
    in_namespace(|| async {
        let mut node = node_with(5000).await;
        node.act().await;
        node.drain().await;
        let mut took = Vec::new();
        for n in 1..=30 {
            let host = address(n).addr();
            ip(&match n % 3 {
                0 => format!("route del {host} table {TABLE}"),
                1 => format!("rule del to {host} lookup {TABLE} pref 32000"),
                _ => format!("neigh del {host} dev {BRIDGE}"),
            });
            let taken = node.taken.len();
            took.push(node.until(|node| node.taken.len() > taken).await);
            node.drain().await;
        }
        println!("drift among 5000 exposures: {}", summary(&mut took));

        // Silently takes all IPv4 routes with it.
        ip("addr flush dev br-ex");
        let (start, taken) = (Instant::now(), node.taken.len());
        node.until(|node| node.taken.len() >= taken + 5000).await;
        println!("5000 routes that went silently: {:?}", start.elapsed());
        node.drain().await;
        assert_eq!(ip("route show table 189").lines().count(), 5001);
    });
}

fn summary(times: &mut [Duration]) -> String {
    times.sort();
    let at = |part: usize| times.get(times.len() * part / 100).copied();
    let (p50, p99) = (at(50).unwrap_or_default(), at(99).unwrap_or_default());
    format!("p50 {p50:?}, p99 {p99:?}")
}
