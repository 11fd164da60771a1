//! How far a neighbour may be, and from where we call it: TTL, GTSM, multihop, source address, device.

use std::path::PathBuf;
use std::time::Duration;

use bgp::{PeerConfig, RemoteAs};
use interop::frr::Frr;
use interop::netns::{Namespace, connect};
use interop::{Need, Place, eventually, require};
use ovn_bgp_agent::peering::Neighbour;

use crate::lab::{Lab, OURS_V4, OURS_V6, Speaker, THEIRS_V4, THEIRS_V6};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

const FAMILIES: [(&str, &str); 2] = [(OURS_V4, THEIRS_V4), (OURS_V6, THEIRS_V6)];

/// Our loopback address and the leaf's, and between us a router.
const FAR: [(&str, &str); 2] = [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")];

/// FRR in AS 65002 with `ours` as neighbour in AS 65001, and `more` about it.
fn config(ours: &str, more: &[&str]) -> String {
    let more: String = more
        .iter()
        .map(|line| format!(" neighbor {ours} {line}\n"))
        .collect();
    format!(
        "router bgp 65002\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n timers bgp 3 9\n \
         neighbor {ours} remote-as 65001\n neighbor {ours} timers connect 1\n{more}"
    )
}

/// Our node, a router, a leaf: their loopback addresses reach each other over two hops.
struct Routed {
    dir: tempfile::TempDir,
    ours: Namespace,
    leaf: Namespace,
    _router: Namespace,
}

impl Routed {
    fn new() -> Self {
        let [ours, router, leaf] =
            ["far-us", "far-router", "far-leaf"].map(|name| Namespace::new(name).unwrap());
        router.forward().unwrap();
        for (node, port, net) in [(&ours, "eth0", 1), (&leaf, "eth1", 2)] {
            connect((node, "eth0"), (&router, port)).unwrap();
            for (namespace, device, host) in [(&router, port, 1), (node, "eth0", 2)] {
                let v4 = format!("10.9.{net}.{host}/24");
                namespace.address(device, &v4).unwrap();
                let v6 = format!("fd00:{net}::{host}/64");
                namespace.address(device, &v6).unwrap();
            }
            for (prefix, via) in [
                (format!("192.0.2.{net}"), format!("10.9.{net}.2")),
                (format!("2001:db8::{net}"), format!("fd00:{net}::2")),
            ] {
                node.address("lo", &host(&prefix)).unwrap();
                router
                    .ip(&format!("route add {} via {via}", host(&prefix)))
                    .unwrap();
            }
            node.ip(&format!("route add default via 10.9.{net}.1"))
                .unwrap();
            node.ip(&format!("route add default via fd00:{net}::1"))
                .unwrap();
        }
        Self {
            dir: interop::scratch().unwrap(),
            ours,
            leaf,
            _router: router,
        }
    }

    fn frr(&self, config: &str) -> Frr {
        let path: PathBuf = self.dir.path().join("leaf");
        Frr::start(&Place::inside(&self.leaf), &path, config).unwrap()
    }

    fn speak(&self, local: &str, remote: &str, configure: impl FnOnce(&mut Neighbour)) -> Speaker {
        let remote = remote.parse().unwrap();
        let mut peer = PeerConfig::new("leaf", remote, RemoteAs::External);
        peer.connect_retry = Duration::from_secs(1);
        let mut neighbour = Neighbour::new(peer);
        neighbour.local_address = Some(local.parse().unwrap());
        configure(&mut neighbour);
        Speaker::start(&self.ours, vec![neighbour])
    }
}

/// The host prefix of an address.
fn host(address: &str) -> String {
    format!("{address}/{}", if address.contains(':') { 128 } else { 32 })
}

#[test]
fn a_neighbour_on_the_link_is_believed_under_gtsm() {
    require!(Need::Root, BGPD);
    for (ours, theirs) in FAMILIES {
        let lab = Lab::new();
        let config = config(ours, &["ttl-security hops 1"]);
        let _frr = Frr::start(&lab.place(), &lab.path(), &config).unwrap();
        let speaker = lab.speak(theirs, RemoteAs::External, |neighbour| {
            neighbour.ttl_security = Some(1);
        });
        speaker.wait_established();
    }
}

#[test]
fn a_neighbour_that_does_not_send_255_is_not_heard_under_gtsm() {
    require!(Need::Root, BGPD);
    for (ours, theirs) in FAMILIES {
        let lab = Lab::new();
        let frr = Frr::start(&lab.place(), &lab.path(), &config(ours, &[])).unwrap();
        let speaker = lab.speak(theirs, RemoteAs::External, |neighbour| {
            neighbour.ttl_security = Some(1);
            neighbour.peer.connect_retry = Duration::from_secs(1);
        });
        // Its answers to our SYN have a TTL of 64 or 1, so there is never a connection.
        eventually(true, || speaker.neighbor().last_error.is_some());
        assert_ne!(speaker.neighbor().state, "Established");
        assert!(!frr.is_established(ours));
    }
}

#[test]
fn a_neighbour_behind_a_router_needs_multihop() {
    require!(Need::Root, BGPD);
    for (ours, theirs) in FAR {
        let lab = Routed::new();
        let source = format!("update-source {theirs}");
        let _frr = lab.frr(&config(ours, &["ebgp-multihop 5", &source]));
        let without = lab.speak(ours, theirs, |_| {});
        // Our packets end at the router.
        eventually(true, || without.neighbor().last_error.is_some());
        assert_ne!(without.neighbor().state, "Established");
        drop(without);
        let speaker = lab.speak(ours, theirs, |neighbour| neighbour.multihop = Some(2));
        speaker.wait_established();
    }
}

#[test]
fn gtsm_counts_the_hops() {
    require!(Need::Root, BGPD);
    for (ours, theirs) in FAR {
        let lab = Routed::new();
        let source = format!("update-source {theirs}");
        let _frr = lab.frr(&config(ours, &["ttl-security hops 2", &source]));
        let near = lab.speak(ours, theirs, |neighbour| neighbour.ttl_security = Some(1));
        eventually(true, || near.neighbor().last_error.is_some());
        assert_ne!(near.neighbor().state, "Established");
        drop(near);
        let speaker = lab.speak(ours, theirs, |neighbour| neighbour.ttl_security = Some(2));
        speaker.wait_established();
    }
}

#[test]
fn we_call_from_the_configured_address() {
    require!(Need::Root, BGPD);
    for (second, theirs) in [("10.9.0.77", THEIRS_V4), ("fd00:9::77", THEIRS_V6)] {
        let lab = Lab::new();
        let length = if second.contains(':') { 64 } else { 24 };
        lab.ours
            .address("eth0", &format!("{second}/{length}"))
            .unwrap();
        let frr = Frr::start(&lab.place(), &lab.path(), &config(second, &["passive"])).unwrap();
        let speaker = lab.speak(theirs, RemoteAs::External, |neighbour| {
            neighbour.local_address = Some(second.parse().unwrap());
        });
        speaker.wait_established();
        frr.wait_established(second).unwrap();
    }
}

/// FRR's `update-source lo`: the address is the loopback's, the way there that of the routes.
#[test]
fn we_call_from_the_address_of_the_configured_interface() {
    require!(Need::Root, BGPD);
    for (ours, theirs) in FAR {
        let lab = Routed::new();
        let source = format!("update-source {theirs}");
        let far = ["passive", "ebgp-multihop 5", &source];
        let frr = lab.frr(&config(ours, &far));
        let speaker = lab.speak(ours, theirs, |neighbour| {
            neighbour.local_address = None;
            neighbour.source_interface = Some("lo".to_owned());
            neighbour.multihop = Some(2);
        });
        speaker.wait_established();
        frr.wait_established(ours).unwrap();
    }
}

#[test]
fn an_interface_without_an_address_of_the_family_is_named() {
    require!(Need::Root);
    let lab = Lab::new();
    let speaker = lab.speak(THEIRS_V4, RemoteAs::External, |neighbour| {
        neighbour.source_interface = Some("lo".to_owned());
    });
    eventually(true, || {
        let error = speaker.neighbor().last_error.unwrap_or_default();
        error.contains("lo, the update_source, has no IPv4 address")
    });
}

#[test]
fn we_call_over_the_configured_device() {
    require!(Need::Root, BGPD);
    for (ours, theirs) in FAMILIES {
        let lab = Lab::new();
        let _frr = Frr::start(&lab.place(), &lab.path(), &config(ours, &["passive"])).unwrap();
        // There is no way to the neighbour by this one.
        lab.ours
            .ip("link add wrong type veth peer name other")
            .unwrap();
        lab.ours.ip("link set wrong up").unwrap();
        let speak = |device: &str| {
            lab.speak(theirs, RemoteAs::External, |neighbour| {
                neighbour.interface = Some(device.to_owned());
                neighbour.peer.connect_retry = Duration::from_secs(1);
            })
        };
        let wrong = speak("wrong");
        eventually(true, || wrong.neighbor().last_error.is_some());
        assert_ne!(wrong.neighbor().state, "Established");
        drop(wrong);
        speak("eth0").wait_established();
    }
}

#[test]
fn a_device_that_does_not_exist_is_named() {
    require!(Need::Root);
    let lab = Lab::new();
    let speaker = lab.speak(THEIRS_V4, RemoteAs::External, |neighbour| {
        neighbour.interface = Some("nowhere".to_owned());
    });
    eventually(true, || {
        let error = speaker.neighbor().last_error.unwrap_or_default();
        error.contains("nowhere: no such device")
    });
}
