//! The node's own addresses, as they come and go.

use std::time::{Duration, Instant};

use interop::{Need, eventually, require};
use ovn_bgp_agent::fib::Settings;

use crate::lab::{Lab, all};

#[test]
fn loopback_addresses_are_originated_from_the_start_and_followed() {
    require!(Need::Root);
    let lab = Lab::new();
    lab.node.address("lo", "192.0.2.7/32").unwrap();
    let running = lab.run();
    assert_eq!(
        running.originated(),
        ["192.0.2.7/32"],
        "before `spawn` returns"
    );
    let mut slowest = Duration::ZERO;
    for n in 1..=20 {
        let address = format!("192.0.2.{}/32", 100 + n);
        lab.node.address("lo", &address).unwrap();
        let start = Instant::now();
        eventually(true, || running.originated().contains(&address));
        slowest = slowest.max(start.elapsed());
    }
    println!("an address is originated at most {slowest:?} after `ip addr add` has returned");
    lab.node.address("lo", "2001:db8::7/128").unwrap();
    eventually(true, || {
        running.originated().contains(&"2001:db8::7/128".to_owned())
    });
    lab.node.ip("addr flush dev lo scope global").unwrap();
    eventually(Vec::<String>::new(), || running.originated());
}

#[test]
fn chosen_interfaces_are_those_of_the_moment() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run_with(|settings| settings.connected.interfaces = vec!["vip*".into()]);
    assert!(running.originated().is_empty());
    lab.node
        .ip("link add vip0 type veth peer name vip1")
        .unwrap();
    lab.node.ip("link set vip0 up").unwrap();
    lab.node.address("vip0", "172.30.0.5/24").unwrap();
    let both = ["172.30.0.0/24", "172.30.0.5/32"]
        .map(str::to_owned)
        .to_vec();
    eventually(both, || running.originated());
    lab.node.ip("link set vip0 down").unwrap();
    eventually(Vec::<String>::new(), || running.originated());
    lab.node.ip("link set vip0 name uplink").unwrap();
    lab.node.ip("link set uplink up").unwrap();
    lab.node.ip("link set vip1 up").unwrap();
    eventually(true, || {
        let uplink = lab.node.ip("link show uplink").unwrap();
        uplink.contains("LOWER_UP")
    });
    assert!(running.originated().is_empty());
    lab.node.ip("link set uplink down").unwrap();
    lab.node.ip("link set uplink name vip0").unwrap();
    lab.node.ip("link set vip0 up").unwrap();
    eventually(2, || running.originated().len());
    let mut settings = Settings {
        import: Some(all()),
        ..Settings::default()
    };
    settings.connected.interfaces = vec!["vip*".into(), "eth*".into()];
    settings.connected.exclude = vec!["vip0".into()];
    settings.connected.subnets = false;
    running.reconfigure(settings);
    let uplinks = [
        "10.1.0.1/32",
        "10.2.0.1/32",
        "fd00:1::1/128",
        "fd00:2::1/128",
    ];
    eventually(uplinks.map(str::to_owned).to_vec(), || running.originated());
    lab.node.ip("link del eth1").unwrap();
    eventually(2, || running.originated().len());
}
