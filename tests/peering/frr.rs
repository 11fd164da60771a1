use bgp::RemoteAs;
use interop::frr::Frr;
use interop::{Need, eventually, require};
use ovn_bgp_agent::peering::Password;

use crate::lab::{HOST_V4, HOST_V6, Lab, OURS_V4, OURS_V6, THEIRS_V4, THEIRS_V6, asn};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

/// FRR in `asn`, with our address as neighbour, both families, and `more` lines about the neighbour.
fn config(asn: u32, ours: &str, more: &str) -> String {
    format!(
        "router bgp {asn}\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
         no bgp network import-check\n timers bgp 3 9\n bgp graceful-restart\n \
         neighbor {ours} remote-as 65001\n neighbor {ours} timers connect 1\n{more} \
         address-family ipv4 unicast\n  neighbor {ours} activate\n  neighbor {ours} soft-reconfiguration inbound\n  network 192.0.2.0/24\n exit-address-family\n \
         address-family ipv6 unicast\n  neighbor {ours} activate\n  network 2001:db8:9::/48\n exit-address-family\n"
    )
}

fn start(lab: &Lab, config: &str) -> Frr {
    Frr::start(&lab.place(), &lab.path(), config).unwrap()
}

fn hops(frr: &Frr, prefix: &str) -> Vec<String> {
    let hops = frr.next_hops(prefix).unwrap_or_default();
    hops.iter().map(ToString::to_string).collect()
}

#[test]
fn ebgp_over_ipv4_carries_both_families_both_ways() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = start(&lab, &config(65002, OURS_V4, ""));
    let speaker = lab.speak(THEIRS_V4, asn(65002), |_| {});
    speaker.originate(&[HOST_V4, HOST_V6, "10.0.0.0/8"]);
    eventually(vec![OURS_V4.to_owned()], || hops(&frr, HOST_V4));
    eventually(vec![OURS_V6.to_owned()], || hops(&frr, HOST_V6));
    assert_eq!(
        frr.prefixes("ipv4").unwrap(),
        ["192.0.2.0/24", HOST_V4],
        "only host prefixes leave"
    );
    eventually(
        vec!["192.0.2.0/24".to_owned(), "2001:db8:9::/48".to_owned()],
        || speaker.learned(),
    );
    speaker.withdraw(HOST_V4);
    eventually(Vec::<String>::new(), || hops(&frr, HOST_V4));
    assert_eq!(hops(&frr, HOST_V6), [OURS_V6]);
}

#[test]
fn ibgp_over_ipv6_is_passive_when_told_so() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = start(&lab, &config(65001, OURS_V6, ""));
    let speaker = lab.speak(THEIRS_V6, RemoteAs::Internal, |neighbour| {
        neighbour.peer.passive = true;
        neighbour.peer.next_hop_v4 = Some(OURS_V4.parse().unwrap());
    });
    speaker.originate(&[HOST_V4, HOST_V6]);
    eventually(vec![OURS_V4.to_owned()], || hops(&frr, HOST_V4));
    eventually(vec![OURS_V6.to_owned()], || hops(&frr, HOST_V6));
    let route = frr
        .json(&format!("show bgp ipv6 unicast {HOST_V6}"))
        .unwrap();
    assert_eq!(route["paths"][0]["aspath"]["string"], "Local");
    assert_eq!(route["paths"][0]["locPrf"], 100);
}

#[test]
fn md5_with_the_right_password_only() {
    require!(Need::Root, BGPD);
    for (ours, theirs) in [(OURS_V4, THEIRS_V4), (OURS_V6, THEIRS_V6)] {
        let lab = Lab::new();
        let frr = start(
            &lab,
            &config(65002, ours, &format!(" neighbor {ours} password s3cret\n")),
        );
        let password = |text: &str| Password::new(text);
        let wrong = lab.speak(theirs, RemoteAs::External, |neighbour| {
            neighbour.password = password("wrong")
        });
        eventually(true, || wrong.neighbor().last_error.is_some());
        assert!(!frr.is_established(ours));
        drop(wrong);
        let right = lab.speak(theirs, RemoteAs::External, |neighbour| {
            neighbour.password = password("s3cret")
        });
        right.wait_established();
    }
}

#[test]
fn md5_protects_the_connections_we_accept() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = start(
        &lab,
        &config(
            65002,
            OURS_V4,
            &format!(" neighbor {OURS_V4} password s3cret\n"),
        ),
    );
    let speaker = lab.speak(THEIRS_V4, asn(65002), |neighbour| {
        neighbour.password = Password::new("s3cret");
        neighbour.peer.passive = true;
    });
    speaker.wait_established();
    frr.wait_established(OURS_V4).unwrap();
}

#[test]
fn we_dial_a_passive_peer() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = start(
        &lab,
        &config(65002, OURS_V4, &format!(" neighbor {OURS_V4} passive\n")),
    );
    let speaker = lab.speak(THEIRS_V4, asn(65002), |_| {});
    speaker.wait_established();
    frr.wait_established(OURS_V4).unwrap();
}

#[test]
fn a_refresh_is_answered() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = start(&lab, &config(65002, OURS_V6, ""));
    let speaker = lab.speak(THEIRS_V6, asn(65002), |_| {});
    speaker.originate(&[HOST_V6]);
    eventually(vec![OURS_V6.to_owned()], || hops(&frr, HOST_V6));
    let before = speaker.neighbor().sent.updates;
    frr.vtysh(&format!("clear bgp ipv6 unicast {OURS_V6} in"))
        .unwrap();
    eventually((1, before + 1), || {
        let neighbor = speaker.neighbor();
        (neighbor.received.route_refreshes, neighbor.sent.updates)
    });
    assert_eq!(hops(&frr, HOST_V6), [OURS_V6]);
}

#[test]
fn a_restarted_peer_gets_everything_again() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let mut frr = start(&lab, &config(65002, OURS_V4, ""));
    let speaker = lab.speak(THEIRS_V4, asn(65002), |_| {});
    speaker.originate(&[HOST_V4]);
    eventually(vec![OURS_V4.to_owned()], || hops(&frr, HOST_V4));
    frr.kill("bgpd");
    eventually(true, || speaker.neighbor().flaps == 1);
    frr.revive("bgpd").unwrap();
    eventually(vec![OURS_V4.to_owned()], || hops(&frr, HOST_V4));
    assert_eq!(speaker.neighbor().flaps, 1);
}

/// Fail static: the process ends, the peer's graceful-restart helper keeps the routes, the next process
/// takes over.
#[test]
fn our_own_restart_loses_no_route() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = start(&lab, &config(65002, OURS_V4, ""));
    let speaker = lab.speak(THEIRS_V4, asn(65002), |_| {});
    speaker.originate(&[HOST_V4, "198.51.100.8/32"]);
    eventually(vec![OURS_V4.to_owned()], || hops(&frr, "198.51.100.8/32"));
    drop(speaker);
    eventually(false, || frr.is_established(OURS_V4));
    assert_eq!(hops(&frr, HOST_V4), [OURS_V4], "kept while we are away");
    let speaker = lab.speak(THEIRS_V4, asn(65002), |_| {});
    speaker.originate(&[HOST_V4]);
    speaker.wait_established();
    // What the new process does not originate goes with its End-of-RIB; the rest was never gone.
    eventually(Vec::<String>::new(), || {
        assert_eq!(hops(&frr, HOST_V4), [OURS_V4]);
        hops(&frr, "198.51.100.8/32")
    });
}

#[test]
fn shutdown_with_words_withdraws_at_once() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = start(&lab, &config(65002, OURS_V4, ""));
    let speaker = lab.speak(THEIRS_V4, asn(65002), |_| {});
    speaker.originate(&[HOST_V4]);
    eventually(vec![OURS_V4.to_owned()], || hops(&frr, HOST_V4));
    speaker.shutdown("rack 7 moves");
    eventually(Vec::<String>::new(), || hops(&frr, HOST_V4));
    let neighbor = frr
        .json(&format!("show bgp neighbors {OURS_V4}"))
        .unwrap()
        .to_string();
    assert!(neighbor.contains("rack 7 moves"), "{neighbor}");
}

#[test]
fn the_wrong_as_is_named_on_both_sides() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = start(&lab, &config(65002, OURS_V4, ""));
    let speaker = lab.speak(THEIRS_V4, asn(65003), |_| {});
    eventually(true, || {
        let error = speaker.neighbor().last_error.unwrap_or_default();
        error.contains("bad peer AS (2/2)") && error.contains("AS 65002")
    });
    assert!(!frr.is_established(OURS_V4));
}
