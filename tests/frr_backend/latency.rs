//! What FRR itself adds: from an address on a device of the node to the UPDATE at a peer.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use interop::collector::Collector;
use interop::process::wait_for;
use interop::{Generation, wait_until};

use crate::lab::Lab;

const SAMPLES: u8 = 20;

/// Leaking adds nothing to wait for; a VRF, which this kernel may lack, is not needed to see it.
const CONFIG: &str = "\
router bgp 64999
 bgp router-id 172.30.1.1
 neighbor 100.65.1.1 remote-as internal
 neighbor 100.65.1.1 timers connect 1
 neighbor 100.65.1.1 advertisement-interval 0
 address-family ipv4 unicast
  redistribute connected
 exit-address-family
";

#[test]
fn frr_announces_an_address_in_its_own_time() {
    for generation in Generation::ALL {
        let Some(lab) = Lab::new(generation) else {
            return;
        };
        let address = std::net::Ipv4Addr::new(100, 65, 1, 1);
        let limit = Duration::from_secs(30);
        let listen = || wait_for(limit, "port 179", || TcpListener::bind((address, 179)).ok());
        let listener = lab.leaf.inside(listen).unwrap().unwrap();
        let leaf = Collector::start(listener, 64999, address, true).unwrap();
        let _frr = lab.start(CONFIG);
        wait_until(limit, "the session", || leaf.with(|t| t.up)).unwrap();
        let mut taken: Vec<Duration> = (1..=SAMPLES).map(|n| sample(&lab, &leaf, n)).collect();
        taken.sort();
        let at = |part: usize| taken[part * (taken.len() - 1) / 100];
        println!(
            "{generation:?}: address to UPDATE, {SAMPLES} samples: p50 {:?}, p90 {:?}, max {:?}",
            at(50),
            at(90),
            at(100)
        );
    }
}

fn sample(lab: &Lab, leaf: &Collector, n: u8) -> Duration {
    let address = format!("172.24.4.{n}/32");
    let prefix: ipnet::IpNet = address.parse().unwrap();
    let began = Instant::now();
    lab.node.address("up0", &address).unwrap();
    let seen = leaf.wait(Duration::from_secs(30), |table| {
        table.routes.get(&prefix).map(|route| route.at)
    });
    seen.expect("the route").saturating_duration_since(began)
}
