//! Several uplinks, and several routers on one.

use bgp::RemoteAs;
use interop::{Generation, Need, eventually, require};
use ovn_bgp_agent::peering::Password;

use super::{Fabric, config, finding, neighbor, set_link_local, unnumbered, wait_established};
use crate::lab::{HOST_V4, HOST_V6, Speaker};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

#[test]
fn two_uplinks_carry_the_same_routes() {
    require!(Need::Root, BGPD, Need::Trixie);
    let fabric = Fabric::new(2);
    let config = config(65002, "external", "");
    let _old = fabric.frr(0, Generation::Bookworm, &config);
    let _new = fabric.frr(1, Generation::Trixie, &config);
    let speaker = fabric.speak(RemoteAs::External, |_| {});
    speaker.originate(&[HOST_V4, HOST_V6]);
    for leaf in [0, 1] {
        eventually(vec![fabric.our_address(leaf)], || {
            fabric.gateways(leaf, HOST_V4)
        });
    }
    fabric.leaves[0].ip("link set eth0 down").unwrap();
    eventually("Idle", || neighbor(&speaker, 0).state);
    assert_eq!(neighbor(&speaker, 1).flaps, 0);
}

#[test]
fn leaves_with_one_link_local_address_are_told_apart_by_their_links() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(2);
    for (n, leaf) in fabric.leaves.iter().enumerate() {
        set_link_local(leaf, "eth0", "fe80::1");
        set_link_local(&fabric.ours, &format!("eth{n}"), "fe80::a");
    }
    let more = " neighbor eth0 password s3cret\n";
    let _frrs = [65002, 65003].map(|asn| {
        let leaf = usize::from(asn == 65003);
        fabric.frr(leaf, Generation::Bookworm, &config(asn, "external", more))
    });
    let speaker = fabric.speak(RemoteAs::External, |neighbour| {
        neighbour.password = Password::new("s3cret");
    });
    for n in [0, 1] {
        wait_established(&speaker, n);
        let neighbor = neighbor(&speaker, n);
        assert_eq!(neighbor.address, Some("fe80::1".parse().unwrap()));
        assert_eq!(neighbor.remote_as, Some(if n == 0 { 65002 } else { 65003 }));
    }
    speaker.originate(&[HOST_V4]);
    for leaf in [0, 1] {
        eventually(vec!["fe80::a".to_owned()], || {
            fabric.gateways(leaf, HOST_V4)
        });
    }
}

/// The kernel keeps one key per address, whatever the link: our own connections have to do.
#[test]
fn one_address_with_two_passwords_still_gets_both_sessions() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(2);
    for leaf in &fabric.leaves {
        set_link_local(leaf, "eth0", "fe80::1");
    }
    let passwords = ["one", "two"];
    let _frrs = [0, 1].map(|leaf| {
        let more = format!(" neighbor eth0 password {}\n", passwords[leaf]);
        let config = config(65002, "external", &more);
        fabric.frr(leaf, Generation::Bookworm, &config)
    });
    let neighbours = [0, 1].map(|n| {
        let mut neighbour = unnumbered(n, RemoteAs::External);
        neighbour.password = Password::new(passwords[n]);
        neighbour
    });
    let speaker = Speaker::start(&fabric.ours, neighbours.into());
    wait_established(&speaker, 0);
    wait_established(&speaker, 1);
}

/// FRR that advertises itself as a router and speaks to nobody.
const BYSTANDER: &str = "interface eth0\n no ipv6 nd suppress-ra\n ipv6 nd ra-interval 10\n";

#[test]
fn two_routers_on_a_link_are_refused_until_one_is_left() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::shared(2);
    let _leaf = fabric.frr(0, Generation::Bookworm, &config(65002, "external", ""));
    let _bystander = fabric.frr(1, Generation::Bookworm, BYSTANDER);
    // Both are there before we are.
    let neighbours = vec![unnumbered(0, RemoteAs::External)];
    let speaker = Speaker::start(&fabric.ours, neighbours);
    let addresses = [fabric.their_address(0), fabric.their_address(1)];
    eventually(true, || {
        let finding = finding(&speaker, 0);
        finding.starts_with("2 routers on eth0: ")
            && addresses.iter().all(|address| finding.contains(address))
            && finding.ends_with("no session until only one is left")
    });
    assert_eq!(neighbor(&speaker, 0).state, "Idle");
    assert_eq!(neighbor(&speaker, 0).flaps, 0);
    fabric.leaves[1].ip("link set eth0 down").unwrap();
    wait_established(&speaker, 0);
    assert_eq!(finding(&speaker, 0), format!("{} on eth0", addresses[0]));
}

#[test]
fn a_router_that_joins_does_not_disturb_the_session() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::shared(2);
    let _leaf = fabric.frr(0, Generation::Bookworm, &config(65002, "external", ""));
    let neighbours = vec![unnumbered(0, RemoteAs::External)];
    let speaker = Speaker::start(&fabric.ours, neighbours);
    wait_established(&speaker, 0);
    let _bystander = fabric.frr(1, Generation::Bookworm, BYSTANDER);
    let other = fabric.their_address(1);
    eventually(true, || {
        let finding = finding(&speaker, 0);
        finding.contains("where other routers are as well") && finding.contains(&other)
    });
    assert_eq!(neighbor(&speaker, 0).state, "Established");
    assert_eq!(neighbor(&speaker, 0).flaps, 0);
}
