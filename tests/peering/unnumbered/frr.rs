//! `neighbor eth0 interface` on FRR's side.

use bgp::RemoteAs;
use interop::{Generation, Need, eventually, require};
use ovn_bgp_agent::peering::Password;

use super::{Fabric, config, exchange, wait_established};
use crate::lab::{HOST_V4, asn};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

#[test]
fn ebgp_carries_both_families_both_ways() {
    require!(Need::Root, BGPD, Need::Trixie);
    for generation in Generation::ALL {
        let fabric = Fabric::new(1);
        let _frr = fabric.frr(0, generation, &config(65002, "external", ""));
        let speaker = fabric.speak(RemoteAs::External, |_| {});
        exchange(&fabric, &speaker);
        speaker.withdraw(HOST_V4);
        eventually(Vec::<String>::new(), || fabric.gateways(0, HOST_V4));
    }
}

#[test]
fn ibgp_with_a_password_carries_both_families_both_ways() {
    require!(Need::Root, BGPD, Need::Trixie);
    for generation in Generation::ALL {
        let fabric = Fabric::new(1);
        let more = " neighbor eth0 password s3cret\n";
        let _frr = fabric.frr(0, generation, &config(65001, "internal", more));
        let speaker = fabric.speak(RemoteAs::Internal, |neighbour| {
            neighbour.password = Password::new("s3cret");
        });
        exchange(&fabric, &speaker);
    }
}

#[test]
fn the_password_counts_whoever_calls() {
    require!(Need::Root, BGPD);
    for (ours, theirs) in [(true, ""), (false, " neighbor eth0 passive\n")] {
        let fabric = Fabric::new(1);
        let more = format!("{theirs} neighbor eth0 password s3cret\n");
        let _frr = fabric.frr(0, Generation::Bookworm, &config(65002, "external", &more));
        let speak = |password: &str| {
            fabric.speak(asn(65002), |neighbour| {
                neighbour.password = Password::new(password);
                neighbour.peer.passive = ours;
            })
        };
        let wrong = speak("wrong");
        // FRR tries every second; ours fails, or theirs is never seen.
        eventually(true, || {
            let neighbor = wrong.neighbor();
            neighbor.address.is_some() && (ours || neighbor.last_error.is_some())
        });
        assert_ne!(wrong.neighbor().state, "Established");
        drop(wrong);
        wait_established(&speak("s3cret"), 0);
    }
}

#[test]
fn gtsm_holds_on_a_link_local_session() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(1);
    let more = " neighbor eth0 ttl-security hops 1\n";
    let _frr = fabric.frr(0, Generation::Bookworm, &config(65002, "external", more));
    let speaker = fabric.speak(RemoteAs::External, |neighbour| {
        neighbour.ttl_security = Some(1);
    });
    exchange(&fabric, &speaker);
}

#[test]
fn with_a_global_address_on_the_link_both_addresses_are_sent() {
    require!(Need::Root, BGPD, Need::Trixie);
    for generation in Generation::ALL {
        let fabric = Fabric::new(1);
        // FRR advertises its prefix, of which the kernel would make another address.
        let autoconf = "net.ipv6.conf.eth0.autoconf";
        fabric.ours.sysctl(autoconf, "0").unwrap();
        fabric.ours.address("eth0", "2001:db8:1::a/64").unwrap();
        fabric.leaves[0]
            .address("eth0", "2001:db8:1::b/64")
            .unwrap();
        let frr = fabric.frr(0, generation, &config(65002, "external", ""));
        let speaker = fabric.speak(RemoteAs::External, |_| {});
        speaker.originate(&[HOST_V4]);
        eventually(vec![fabric.our_address(0)], || fabric.gateways(0, HOST_V4));
        let hops = frr.next_hops(HOST_V4).unwrap();
        assert_eq!(hops, ["2001:db8:1::a".parse::<std::net::IpAddr>().unwrap()]);
    }
}
