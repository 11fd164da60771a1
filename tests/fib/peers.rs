//! From a leaf's FRR through our sessions into the kernel, and the node's loopback the other way.

use std::time::Duration;

use bgp::{Event, PeerConfig, RemoteAs, State};
use interop::frr::Frr;
use interop::{Need, Place, eventually, require};
use ovn_bgp_agent::fib::RouteState;
use ovn_bgp_agent::peering::{Neighbour, Peering, Settings, Start};

use crate::lab::{BEYOND, BEYOND6, DEFAULT, Lab, Running, leaf};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

/// Two leaves that teach the same, one of them preferred.
#[test]
fn a_dead_link_hands_over_to_a_worse_path_while_the_session_is_still_up() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let dir = interop::scratch().unwrap();
    let worse = "route-map WORSE permit 10\n set as-path prepend 65000 65000\nexit\n";
    let _frr = [(1, ""), (2, " neighbor 10.2.0.1 route-map WORSE out\n")].map(|(n, out)| {
        let config = format!(
            "{worse}router bgp 65000\n bgp router-id 10.{n}.0.254\n no bgp ebgp-requires-policy\n \
             no bgp network import-check\n timers bgp 20 60\n \
             neighbor 10.{n}.0.1 remote-as 65001\n neighbor 10.{n}.0.1 timers connect 1\n \
             address-family ipv4 unicast\n network 203.0.113.0/24\n{out} exit-address-family\n"
        );
        let place = Place::inside(&lab.leaves[n - 1]);
        Frr::start(&place, &dir.path().join(format!("leaf{n}")), &config).unwrap()
    });
    let running = lab.run();
    let peering = speak(&lab, &running);
    let mut watched = peering.watch();
    let by = |n: usize| {
        let route = format!(
            "203.0.113.0/24 via {} dev eth{n} proto bgp metric 20",
            leaf(n)
        );
        eventually(vec![route], || lab.routes("203.0.113.0/24"));
    };
    by(1);
    lab.leaves[0].ip("link set eth0 down").unwrap();
    by(2);
    while let Ok(notice) = watched.try_recv() {
        let lost = matches!(
            &notice.event,
            Event::StateChanged {
                from: State::Established,
                ..
            }
        );
        assert!(!lost, "{notice:?}");
    }
    lab.leaves[0].ip("link set eth0 up").unwrap();
    by(1);
}

/// A leaf that teaches a default route of both families, and nothing else.
fn start_leaf(lab: &Lab, dir: &std::path::Path, n: usize) -> Frr {
    let config = format!(
        "router bgp 65000\n bgp router-id 10.{n}.0.254\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
         timers bgp 3 9\n bgp graceful-restart\n \
         neighbor 10.{n}.0.1 remote-as 65001\n neighbor 10.{n}.0.1 timers connect 1\n \
         address-family ipv4 unicast\n  neighbor 10.{n}.0.1 activate\n  neighbor 10.{n}.0.1 default-originate\n exit-address-family\n \
         address-family ipv6 unicast\n  neighbor 10.{n}.0.1 activate\n  neighbor 10.{n}.0.1 default-originate\n exit-address-family\n"
    );
    Frr::start(
        &Place::inside(&lab.leaves[n - 1]),
        &dir.join(format!("leaf{n}")),
        &config,
    )
    .unwrap()
}

fn speak(lab: &Lab, running: &Running) -> Peering {
    let neighbours = [1, 2].map(|n| {
        let address = leaf(n).parse().unwrap();
        let mut peer = PeerConfig::new(format!("leaf{n}"), address, RemoteAs::External);
        peer.connect_retry = Duration::from_secs(2);
        Neighbour::new(peer)
    });
    let settings = Settings::new(65001, "192.0.2.7".parse().unwrap());
    let learned = running.learned.clone();
    let spawn = |routes, _| {
        let start = Start {
            routes,
            learned: Some(learned),
            ..Start::default()
        };
        let spawn = || Peering::spawn_from(settings, neighbours.to_vec(), start);
        lab.node.inside(spawn).unwrap()
    };
    running.origination.start(spawn, Peering::handle).unwrap()
}

#[test]
fn the_leaves_default_is_used_and_the_loopback_is_told_them() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let dir = interop::scratch().unwrap();
    let frr = [1, 2].map(|n| start_leaf(&lab, dir.path(), n));
    lab.node.address("lo", "192.0.2.7/32").unwrap();
    let running = lab.run_with(|settings| {
        settings.import = Some(bgp::PrefixList::default_routes());
        settings.source_v4 = Some("192.0.2.7".parse().unwrap());
    });
    let peering = speak(&lab, &running);
    let v4 = "default src 192.0.2.7 metric 20 nexthop via 10.1.0.254 dev eth1 weight 1 \
              nexthop via 10.2.0.254 dev eth2 weight 1";
    eventually(vec![v4.to_owned()], || lab.routes("default proto bgp"));
    let dev = |n: usize| format!("dev eth{n}");
    eventually(true, || {
        let v6 = lab.routes("::/0 proto bgp");
        v6.len() == 1 && v6[0].contains(&dev(1)) && v6[0].contains(&dev(2))
    });
    for leaf in &frr {
        eventually(vec!["192.0.2.7/32".to_owned()], || {
            leaf.prefixes("ipv4").unwrap_or_default()
        });
    }
    eventually(true, || lab.pings(BEYOND));
    eventually(true, || lab.pings(BEYOND6));

    let [first, second] = frr;
    drop(first);
    lab.leaves[0].ip("link set eth0 down").unwrap();
    eventually(true, || lab.pings(BEYOND));
    // Killed, as by an upgrade: what was installed goes on forwarding.
    drop(peering);
    drop(running);
    assert!(lab.pings(BEYOND), "{:?}", lab.routes("default"));
    // A route that no peer teaches any more: kept until both families' peers have told all they have.
    let orphan = "203.0.113.0/24 via 10.2.0.254 proto bgp metric 20";
    lab.node.ip(&format!("route add {orphan}")).unwrap();
    let running = lab.run_with(|settings| settings.source_v4 = Some("192.0.2.7".parse().unwrap()));
    let _peering = speak(&lab, &running);
    eventually(Some(RouteState::Installed), || {
        running.route(DEFAULT).map(|r| r.state)
    });
    let one = "default via 10.2.0.254 dev eth2 src 192.0.2.7 metric 20";
    eventually(vec![one.to_owned()], || lab.routes("default proto bgp"));
    eventually(0, || lab.routes("203.0.113.0/24").len());
    second
        .configure(&[
            "router bgp 65000",
            "address-family ipv4 unicast",
            "no neighbor 10.2.0.1 default-originate",
        ])
        .unwrap();
    eventually(0, || lab.routes("default proto bgp").len());
}
