//! Fifty thousand routes. The bounds are far above what two busy cores need unoptimised;
//! `cargo test --release --test fib bulk -- --nocapture --test-threads 1` prints the figures.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::LearnedPath;
use interop::{Need, require};
use ipnet::IpNet;

use crate::lab::{Lab, Running, eventually_within, leaf, path};

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

/// How long until so many routes are there, and nothing is pending.
fn until(lab: &Lab, running: &Running, installed: usize) -> Duration {
    let start = Instant::now();
    eventually_within(PATIENCE, (installed, 0), || {
        let counts = running.snapshot().counts();
        (counts.installed, counts.pending + counts.refused)
    });
    let took = start.elapsed();
    let there = in_kernel(lab);
    assert!(there >= installed, "{there} of {installed}");
    took
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
        until(&lab, &running, COUNT as usize)
    );

    teach(&running, &[1, 2]);
    println!(
        "each replaced by one with two next hops in {:?}",
        until(&lab, &running, COUNT as usize)
    );

    let start = Instant::now();
    lab.leaves[0].ip("link set eth0 down").unwrap();
    let over_one = || lab.routes(&format!("{} proto bgp", prefix(COUNT - 1)));
    eventually_within(PATIENCE, true, || {
        over_one()
            .first()
            .is_some_and(|line| line.contains("dev eth2 metric"))
    });
    println!(
        "one of the two links dead, all replaced by the other in {:?}",
        start.elapsed()
    );

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
    until(&lab, &running, COUNT as usize);

    let start = Instant::now();
    for n in 0..COUNT {
        running.learned.put(prefix(n), None);
    }
    eventually_within(PATIENCE, true, || in_kernel(&lab) <= before);
    println!("removed in {:?}", start.elapsed());
    eventually_within(PATIENCE, true, || running.snapshot().routes.is_empty());
}
