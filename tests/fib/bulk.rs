//! Fifty thousand routes. The bounds are far above what two busy cores need unoptimised;
//! `cargo test --release --test fib bulk -- --nocapture --test-threads 1` prints the figures.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::LearnedPath;
use interop::{Need, eventually_within, require};
use ipnet::IpNet;

use crate::lab::{Lab, Running, leaf, path};

const COUNT: u32 = 50_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn prefix(n: u32) -> IpNet {
    IpNet::from(std::net::IpAddr::from(Ipv4Addr::from(0x6440_0000 + n)))
}

/// Teaches all of them, over `n` of the two uplinks.
fn teach(running: &Running, uplinks: &[usize]) {
    let paths: Arc<[LearnedPath]> = uplinks.iter().map(|n| path(&leaf(*n), None)).collect();
    for n in 0..COUNT {
        running.learned.put(prefix(n), Some(Arc::clone(&paths)));
    }
}

fn in_kernel(lab: &Lab) -> usize {
    let count = lab.node.sh("wc -l < /proc/net/route").unwrap();
    count.trim().parse().unwrap()
}

/// How long until all are there, as what was taught last leads out of `links`: what was taught before it has been
/// taken in by then, and is installed or pending.
fn until(lab: &Lab, running: &Running, links: &[&str]) -> Duration {
    let start = Instant::now();
    let last = format!("{} proto bgp", prefix(COUNT - 1));
    eventually_within(PATIENCE, Some(true), || {
        let shown = lab.routes(&last);
        let line = shown.first()?;
        let right = |link: &&str| line.contains(*link) == links.contains(link);
        let counts = running.snapshot().counts();
        let settled = (counts.installed, counts.pending + counts.refused) == (COUNT as usize, 0);
        Some(["eth1", "eth2"].iter().all(right) && settled && in_kernel(lab) >= COUNT as usize)
    });
    start.elapsed()
}

#[test]
fn fifty_thousand_routes_come_change_survive_a_flush_and_go() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    let before = in_kernel(&lab);
    teach(&running, &[1]);
    println!(
        "{COUNT} routes installed in {:?}",
        until(&lab, &running, &["eth1"])
    );

    teach(&running, &[1, 2]);
    let took = until(&lab, &running, &["eth1", "eth2"]);
    println!("each replaced by one with two next hops in {took:?}");

    lab.leaves[0].ip("link set eth0 down").unwrap();
    let took = until(&lab, &running, &["eth2"]);
    println!("one of the two links dead, all replaced by the other in {took:?}");

    // More announcements than the socket's buffer holds, while the thread writes.
    lab.node.ip("route flush proto bgp").unwrap();
    let start = Instant::now();
    eventually_within(PATIENCE, true, || {
        in_kernel(&lab) >= COUNT as usize + before - 4
    });
    println!(
        "back {:?} after `ip route flush proto bgp`",
        start.elapsed()
    );
    until(&lab, &running, &["eth2"]);

    let start = Instant::now();
    for n in 0..COUNT {
        running.learned.put(prefix(n), None);
    }
    eventually_within(PATIENCE, true, || in_kernel(&lab) <= before);
    println!("removed in {:?}", start.elapsed());
    assert_eq!(running.snapshot().routes.len(), 0);
}
