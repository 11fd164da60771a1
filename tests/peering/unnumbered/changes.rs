//! Links and neighbours that go and come back as something else.

use bgp::RemoteAs;
use interop::{Generation, Need, eventually, require};
use ovn_bgp_agent::peering::Password;

use super::{
    Fabric, config, exchange, finding, neighbor, set_link_local, unnumbered, wait_established,
};
use crate::lab::{HOST_V4, Speaker};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

#[test]
fn an_interface_that_is_deleted_and_made_again_gets_its_session_back() {
    require!(Need::Root, BGPD, Need::Trixie);
    for generation in Generation::ALL {
        let fabric = Fabric::shared(1);
        let speaker = Speaker::start(&fabric.ours, vec![unnumbered(0, RemoteAs::External)]);
        eventually(
            "waiting for a router advertisement on eth0".to_owned(),
            || finding(&speaker, 0),
        );
        let _frr = fabric.frr(0, generation, &config(65002, "external", ""));
        wait_established(&speaker, 0);
        fabric.ours.ip("link delete eth0").unwrap();
        eventually("there is no interface eth0".to_owned(), || {
            finding(&speaker, 0)
        });
        eventually("Idle", || neighbor(&speaker, 0).state);
        // Another MAC, another address, another number.
        fabric.plug(&fabric.ours, "again");
        exchange(&fabric, &speaker);
        assert_eq!(neighbor(&speaker, 0).flaps, 1);
    }
}

#[test]
fn a_session_ends_with_the_carrier_and_returns_with_it() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(1);
    let config = config(65002, "external", "");
    let _frr = fabric.frr(0, Generation::Bookworm, &config);
    let speaker = fabric.speak(RemoteAs::External, |_| {});
    wait_established(&speaker, 0);
    fabric.leaves[0].ip("link set eth0 down").unwrap();
    eventually("eth0 is down".to_owned(), || finding(&speaker, 0));
    assert_eq!(neighbor(&speaker, 0).state, "Idle");
    fabric.leaves[0].ip("link set eth0 up").unwrap();
    exchange(&fabric, &speaker);
}

#[test]
fn a_leaf_that_returns_with_another_mac_is_found_again() {
    require!(Need::Root, BGPD, Need::Trixie);
    for generation in Generation::ALL {
        let fabric = Fabric::new(1);
        let mut frr = fabric.frr(0, generation, &config(65002, "external", ""));
        let speaker = fabric.speak(RemoteAs::External, |_| {});
        wait_established(&speaker, 0);
        let before = fabric.their_address(0);
        for daemon in ["bgpd", "zebra"] {
            frr.kill(daemon);
        }
        let leaf = &fabric.leaves[0];
        leaf.ip("link set eth0 down").unwrap();
        leaf.ip("link set eth0 address 02:00:00:00:00:99").unwrap();
        leaf.ip("link set eth0 up").unwrap();
        assert_ne!(fabric.their_address(0), before);
        for daemon in ["zebra", "bgpd"] {
            frr.revive(daemon).unwrap();
        }
        exchange(&fabric, &speaker);
    }
}

/// The link stays up, so that nothing but silence tells that the first address is gone.
#[test]
fn a_leaf_whose_address_changes_is_found_again() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(1);
    let config = config(65002, "external", "");
    let _frr = fabric.frr(0, Generation::Bookworm, &config);
    let speaker = fabric.speak(RemoteAs::External, |_| {});
    wait_established(&speaker, 0);
    set_link_local(&fabric.leaves[0], "eth0", "fe80::99");
    eventually("fe80::99 on eth0".to_owned(), || finding(&speaker, 0));
    wait_established(&speaker, 0);
    assert_eq!(
        neighbor(&speaker, 0).address,
        Some("fe80::99".parse().unwrap())
    );
}

/// FRR of either generation remembers our former address; ours is the side that may be asked to cope.
#[test]
fn our_own_address_may_change() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(1);
    let config = config(65002, "external", "");
    let _frr = fabric.frr(0, Generation::Bookworm, &config);
    let speaker = fabric.speak(RemoteAs::External, |_| {});
    wait_established(&speaker, 0);
    set_link_local(&fabric.ours, "eth0", "fe80::aa");
    eventually(true, || neighbor(&speaker, 0).flaps > 0);
    exchange(&fabric, &speaker);
}

#[test]
fn a_port_that_was_taken_is_listened_on_as_soon_as_it_is_free() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(1);
    // For both families.
    let squatter = fabric
        .ours
        .inside(|| std::net::TcpListener::bind("[::]:179").unwrap())
        .unwrap();
    let speaker = fabric.speak(RemoteAs::External, |neighbour| {
        neighbour.peer.passive = true;
    });
    eventually(true, || {
        let errors = speaker.snapshot().listen_errors;
        errors.iter().any(|error| error.contains("[::]:179"))
    });
    drop(squatter);
    eventually(Vec::<String>::new(), || speaker.snapshot().listen_errors);
    let config = config(65002, "external", "");
    let _frr = fabric.frr(0, Generation::Bookworm, &config);
    wait_established(&speaker, 0);
}

#[test]
fn a_changed_password_touches_no_other_neighbour() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(2);
    let more = " neighbor eth0 password s3cret\n";
    let config = config(65002, "external", more);
    let frrs = [0, 1].map(|leaf| fabric.frr(leaf, Generation::Bookworm, &config));
    let speaker = fabric.speak(RemoteAs::External, |neighbour| {
        neighbour.password = Password::new("s3cret");
        // So that it is the listening socket's key that counts.
        neighbour.peer.passive = true;
    });
    wait_established(&speaker, 0);
    wait_established(&speaker, 1);
    let untouched = neighbor(&speaker, 1);
    speaker.set_password("leaf0", Password::new("changed"));
    frrs[0]
        .configure(&["router bgp 65002", "neighbor eth0 password changed"])
        .unwrap();
    eventually(1, || neighbor(&speaker, 0).flaps);
    wait_established(&speaker, 0);
    let after = neighbor(&speaker, 1);
    assert_eq!((after.flaps, after.state), (0, "Established"));
    assert!(after.seconds >= untouched.seconds);
    speaker.originate(&[HOST_V4]);
    for leaf in [0, 1] {
        eventually(vec![fabric.our_address(leaf)], || {
            fabric.gateways(leaf, HOST_V4)
        });
    }
}

#[test]
fn a_reload_keeps_what_was_discovered() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(1);
    let config = config(65002, "external", " neighbor eth0 password s3cret\n");
    let frr = fabric.frr(0, Generation::Bookworm, &config);
    let wanted = |password: &str| {
        let mut neighbour = unnumbered(0, RemoteAs::External);
        neighbour.password = Password::new(password);
        neighbour
    };
    let speaker = Speaker::start(&fabric.ours, vec![wanted("s3cret")]);
    wait_established(&speaker, 0);
    let mut open = wanted("s3cret");
    open.peer.export = bgp::Filters::default();
    speaker.reconfigure(vec![open]);
    speaker.originate(&["10.0.0.0/8"]);
    eventually(vec![fabric.our_address(0)], || {
        fabric.gateways(0, "10.0.0.0/8")
    });
    assert_eq!(neighbor(&speaker, 0).flaps, 0, "a filter needs no restart");
    frr.configure(&["router bgp 65002", "neighbor eth0 password changed"])
        .unwrap();
    speaker.reconfigure(vec![wanted("changed")]);
    eventually(true, || neighbor(&speaker, 0).flaps > 0);
    wait_established(&speaker, 0);
}

#[test]
fn neighbours_come_and_go_while_the_speaker_runs() {
    require!(Need::Root, BGPD);
    let fabric = Fabric::new(2);
    let config = config(65002, "external", "");
    let _frrs = [0, 1].map(|leaf| fabric.frr(leaf, Generation::Bookworm, &config));
    let speaker = Speaker::start(&fabric.ours, vec![unnumbered(0, RemoteAs::External)]);
    wait_established(&speaker, 0);
    speaker.add_neighbour(unnumbered(1, RemoteAs::External));
    eventually(2, || speaker.snapshot().neighbors.len());
    wait_established(&speaker, 1);
    speaker.remove_neighbour("leaf0");
    eventually(1, || speaker.snapshot().neighbors.len());
    assert_eq!(neighbor(&speaker, 0).name, "leaf1");
    assert_eq!(
        neighbor(&speaker, 0).flaps,
        0,
        "{:#?}",
        neighbor(&speaker, 0)
    );
}
