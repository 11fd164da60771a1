//! Neighbours nobody has named: whoever connects from a range.

use std::net::Ipv4Addr;

use bgp::{PeerConfig, RemoteAs};
use interop::frr::Frr;
use interop::{Need, require};
use ovn_bgp_agent::peering::{ListenRange, Neighbour, Password, Peering, Settings};

use crate::lab::{Lab, OURS_V4, THEIRS_V4, eventually};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");

/// FRR, which calls us, with a password.
fn caller(lab: &Lab) -> Frr {
    let config = format!(
        "router bgp 65002\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n timers bgp 3 9\n \
         neighbor {OURS_V4} remote-as 65001\n neighbor {OURS_V4} timers connect 1\n neighbor {OURS_V4} password s3cret\n"
    );
    Frr::start(&lab.place(), &lab.path(), &config).unwrap()
}

#[test]
fn whoever_connects_from_a_range_is_a_neighbour_while_its_session_lasts() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let mut frr = caller(&lab);
    let template = PeerConfig::new("hosts", THEIRS_V4.parse().unwrap(), RemoteAs::External);
    let range = |prefix: &str, limit| ListenRange {
        prefix: prefix.parse().unwrap(),
        limit,
        template: Neighbour {
            password: Password::new("s3cret"),
            ..Neighbour::new(template.clone())
        },
    };
    let settings = |ranges| Settings {
        listen_ranges: ranges,
        ..Settings::new(65001, Ipv4Addr::new(10, 9, 0, 1))
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let start = settings(vec![range("10.9.0.0/24", 1)]);
    let peering = lab.ours.inside(|| Peering::spawn(start, Vec::new()));
    let peering = peering.unwrap().unwrap();
    let names = || {
        let snapshot = runtime.block_on(peering.status()).unwrap();
        let up = snapshot
            .neighbors
            .into_iter()
            .filter(|n| n.state == "Established");
        up.map(|n| n.name).collect::<Vec<_>>()
    };
    let here = vec![format!("hosts@{THEIRS_V4}")];
    eventually(here.clone(), names);
    frr.kill("bgpd");
    let known = || runtime.block_on(peering.status()).unwrap().neighbors.len();
    eventually(0, known);
    frr.revive("bgpd").unwrap();
    eventually(here, names);
    // The range goes, and its neighbours with it; another does not reach so far.
    let reconfigured = peering.reconfigure(settings(vec![range("10.8.0.0/24", 1)]), Vec::new());
    runtime.block_on(reconfigured).unwrap();
    eventually(0, known);
    eventually(false, || frr.is_established(OURS_V4));
}
