//! Router advertisements on a veth pair: a real kernel as host, and tshark and rdisc6 as readers.

// A lab runs what it needs.
#![allow(clippy::disallowed_methods)]

mod lab;

use std::time::Duration;

use interop::{Need, eventually, require};
use lab::{DEVICE, Lab, SOURCE, advertisement};
use ovn_bgp_agent::router_advertisement::Assignment;

const AUTONOMOUS: &str = "2001:db8:a::/64";
const MANAGED: &str = "2001:db8:d::/64";

#[test]
fn b120_a_kernel_takes_router_prefixes_and_mtu_and_makes_addresses_where_it_may() {
    require!(Need::Root);
    let lab = Lab::new();
    lab.node.ip(&format!("link set {DEVICE} mtu 1400")).unwrap();
    lab.advertise(advertisement(
        &[
            (AUTONOMOUS, Assignment::Autonomous),
            (MANAGED, Assignment::Dhcp),
        ],
        &["2001:db8::53"],
    ));
    eventually(true, || {
        lab.host_routes("default")
            .contains(&format!("via {SOURCE}"))
    });
    for prefix in [AUTONOMOUS, MANAGED] {
        let routes = lab.host_routes(prefix);
        assert!(
            routes.contains("proto kernel") && !routes.contains("via"),
            "{prefix}: {routes}"
        );
    }
    eventually(true, || lab.host_addresses().contains("2001:db8:a:"));
    assert!(!lab.host_addresses().contains("2001:db8:d:"));
    let mtu = lab.host.sysctl_value("net.ipv6.conf.eth0.mtu").unwrap();
    assert_eq!(mtu.trim(), "1400");
    // It is reached: the host's traffic would come to the node.
    assert!(
        lab.host
            .sh(&format!("ping -6 -c1 -W5 {SOURCE}%eth0"))
            .is_ok()
    );
}

#[test]
fn b120_another_reader_finds_all_of_it() {
    require!(Need::Root, Need::Program("tshark"));
    let lab = Lab::new();
    let capture = lab.capture();
    lab.advertise(advertisement(
        &[(MANAGED, Assignment::Dhcp)],
        &["2001:db8::53", "fd00::53"],
    ));
    let read = capture.fields(&[
        "ipv6.src",
        "ipv6.dst",
        "ipv6.hlim",
        "icmpv6.checksum.status",
        "icmpv6.nd.ra.flag.m",
        "icmpv6.nd.ra.flag.o",
        "icmpv6.nd.ra.router_lifetime",
        "icmpv6.opt.linkaddr",
        "icmpv6.opt.prefix",
        "icmpv6.opt.prefix.length",
        "icmpv6.opt.prefix.flag.l",
        "icmpv6.opt.prefix.flag.a",
        "icmpv6.opt.prefix.valid_lifetime",
        "icmpv6.opt.prefix.preferred_lifetime",
        "icmpv6.opt.rdnss.lifetime",
        "icmpv6.opt.rdnss",
    ]);
    let mac = lab.node.mac(DEVICE).unwrap();
    let flag = |value: &str| matches!(value, "1" | "True");
    assert_eq!(read[..4], [SOURCE, "ff02::1", "255", "1"]);
    assert!(flag(&read[4]) && !flag(&read[5]), "{read:?}");
    assert_eq!(read[6..10], ["1800", mac.as_str(), "2001:db8:d::", "64"]);
    assert!(flag(&read[10]) && !flag(&read[11]), "{read:?}");
    assert_eq!(
        read[12..],
        ["2592000", "604800", "1800", "2001:db8::53,fd00::53"]
    );
}

#[test]
fn b120_a_solicitation_is_answered_in_time() {
    require!(Need::Root, Need::Program("rdisc6"));
    let lab = Lab::new();
    lab.advertise(advertisement(
        &[(AUTONOMOUS, Assignment::Autonomous)],
        &["2001:db8::53"],
    ));
    eventually(true, || lab.host_routes("default").contains("via"));
    let answer = lab.host.sh("rdisc6 -1 -r 5 -w 4000 eth0").unwrap();
    for line in [
        &format!("from {SOURCE}"),
        "Stateful address conf.    :          Yes",
        "Router lifetime           :         1800",
        "Prefix                   : 2001:db8:a::/64",
        "Recursive DNS server     : 2001:db8::53",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    eventually(true, || lab.snapshot().solicitations_received > 0);
}

#[test]
fn a_network_that_is_no_more_has_no_router() {
    require!(Need::Root);
    let lab = Lab::new();
    lab.advertise(advertisement(&[(MANAGED, Assignment::Dhcp)], &[]));
    eventually(true, || lab.host_routes("default").contains("via"));
    lab.cease();
    eventually(String::new(), || lab.host_routes("default"));
    assert!(lab.snapshots().is_empty());
}

#[test]
fn hosts_lose_their_router_with_the_network_and_not_with_this_nodes_last_port() {
    require!(Need::Root);
    let lab = Lab::new();
    for there in [true, false] {
        lab.advertise(advertisement(&[(MANAGED, Assignment::Dhcp)], &[]));
        eventually(1, || lab.snapshot().advertisements_sent);
        eventually(true, || lab.host_routes("default").contains("via"));
        lab.leave(there);
        assert!(lab.snapshots().is_empty());
        if there {
            assert!(lab.host_routes("default").contains("via"));
        } else {
            eventually(String::new(), || lab.host_routes("default"));
        }
    }
}

/// The device may go as soon as the loop goes on.
#[test]
fn the_last_message_is_out_when_the_network_has_been_left() {
    require!(Need::Root, Need::Program("tshark"));
    let lab = Lab::new();
    lab.advertise(advertisement(&[(MANAGED, Assignment::Dhcp)], &[]));
    eventually(true, || lab.host_routes("default").contains("via"));
    let capture = lab.capture();
    lab.leave(false);
    lab.unplug();
    assert_eq!(capture.end(), 1);
}

#[test]
fn an_agent_that_stops_or_has_no_port_there_any_more_takes_no_router_away() {
    require!(Need::Root, Need::Program("tshark"), Need::Program("rdisc6"));
    let lab = Lab::new();
    lab.advertise(advertisement(&[(MANAGED, Assignment::Dhcp)], &[]));
    eventually(true, || lab.host_routes("default").contains("via"));
    let capture = lab.capture();
    lab.silence();
    assert!(lab.snapshots().is_empty());
    // A solicitation that nobody answers shows that nothing came before it either.
    assert!(lab.host.sh("rdisc6 -1 -r 1 -w 4000 eth0").is_err());
    assert!(lab.host_routes("default").contains("via"));
    assert_eq!(capture.end(), 0);
}

#[test]
fn a_device_is_waited_for_and_followed_when_it_comes_again() {
    require!(Need::Root);
    let lab = Lab::without_device();
    lab.advertise(advertisement(&[(MANAGED, Assignment::Dhcp)], &[]));
    eventually("waits for the device".to_owned(), || lab.snapshot().state);
    lab.plug();
    eventually(true, || lab.snapshot().advertising);
    eventually(true, || lab.host_routes("default").contains("via"));
    let sent = lab.snapshot().advertisements_sent;
    lab.unplug();
    eventually("waits for the device".to_owned(), || lab.snapshot().state);
    lab.plug();
    eventually(true, || lab.host_routes("default").contains("via"));
    assert!(lab.snapshot().advertisements_sent > sent);
}

#[test]
fn nothing_is_said_before_the_device_has_the_address_that_hosts_know() {
    require!(Need::Root);
    let lab = Lab::new();
    lab.node
        .ip(&format!("address del {SOURCE}/64 dev {DEVICE}"))
        .unwrap();
    lab.node
        .ip(&format!("address add fe80::bad/64 dev {DEVICE} nodad"))
        .unwrap();
    lab.advertise(advertisement(&[(MANAGED, Assignment::Dhcp)], &[]));
    eventually(
        "waits for the device's link-local address".to_owned(),
        || lab.snapshot().state,
    );
    assert_eq!(lab.snapshot().advertisements_sent, 0);
    lab.node
        .ip(&format!("address add {SOURCE}/64 dev {DEVICE} nodad"))
        .unwrap();
    eventually(true, || {
        lab.host_routes("default")
            .contains(&format!("via {SOURCE}"))
    });
    assert!(!lab.host_routes("default").contains("fe80::bad"));
}

#[test]
fn devices_that_are_not_named_are_not_sent_on() {
    require!(Need::Root, Need::Program("tshark"), Need::Program("rdisc6"));
    let lab = Lab::new();
    let (other, far) = lab.another_device();
    let capture = lab.capture_on(&lab.node, other);
    lab.advertise(advertisement(&[(MANAGED, Assignment::Dhcp)], &[]));
    eventually(true, || lab.host_routes("default").contains("via"));
    // Asked there, nobody answers.
    assert!(
        lab.node
            .sh(&format!("rdisc6 -1 -r 1 -w 2000 {far}"))
            .is_err()
    );
    assert_eq!(capture.end(), 0);
}

#[test]
fn whoever_floods_the_link_costs_next_to_nothing() {
    require!(Need::Root);
    let lab = Lab::new();
    lab.advertise(advertisement(&[(MANAGED, Assignment::Dhcp)], &[]));
    eventually(true, || lab.host_routes("default").contains("via"));
    let before = lab.busy();
    let flood = lab.flood(Duration::from_secs(4));
    let spent = lab.busy() - before;
    let state = lab.snapshot();
    println!(
        "flood: {flood} solicitations in 4 s, {} read, {spent:?} of CPU, {} advertisements",
        state.solicitations_received, state.advertisements_sent
    );
    assert!(flood > 20_000, "{flood}");
    assert!(state.advertisements_sent <= 4, "{state:?}");
    assert!(state.solicitations_received <= 4, "{state:?}");
    assert!(spent < Duration::from_millis(200), "{spent:?}");
}
