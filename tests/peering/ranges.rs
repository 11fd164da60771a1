//! Neighbours that connect from a range nobody is named in, on the loopback.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::time::Duration;

use bgp::{PeerConfig, RemoteAs, State};
use interop::{PATIENCE, wait_until};
use ovn_bgp_agent::peering::{Neighbour, Password, Peering, Range, Settings};

const LISTENER: Ipv4Addr = Ipv4Addr::new(127, 0, 4, 1);

fn caller(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 3, number)
}

fn free_port() -> u16 {
    let probe = TcpListener::bind((LISTENER, 0)).unwrap();
    probe.local_addr().unwrap().port()
}

/// Takes two neighbours from 127.0.3.0/24.
fn listener(port: u16, password: Option<&str>) -> Peering {
    let mut settings = Settings::new(65001, LISTENER);
    settings.listen = vec![(LISTENER, port).into()];
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let peer = PeerConfig::new("racks", nowhere, RemoteAs::External);
    let mut template = Neighbour::new(peer);
    template.password = password.and_then(Password::new);
    settings.ranges.push(Range {
        prefix: "127.0.3.0/24".parse().unwrap(),
        limit: 2,
        template,
    });
    Peering::spawn(settings, Vec::new()).unwrap()
}

fn call(number: u8, port: u16, password: Option<&str>) -> Peering {
    let mut settings = Settings::new(65002, caller(number));
    settings.listen.clear();
    // What it tells goes with it.
    settings.graceful_restart = None;
    let mut peer = PeerConfig::new("hub", LISTENER.into(), RemoteAs::External);
    peer.connect_retry = Duration::from_secs(1);
    let mut neighbour = Neighbour::new(peer);
    neighbour.port = port;
    neighbour.local_address = Some(caller(number).into());
    neighbour.password = password.and_then(Password::new);
    Peering::spawn(settings, vec![neighbour]).unwrap()
}

fn established(hub: &Peering) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let neighbors = runtime.block_on(hub.status()).unwrap().neighbors;
    let up = neighbors
        .into_iter()
        .filter(|n| n.state == State::Established.name());
    up.map(|n| n.name).collect()
}

fn wait_for(hub: &Peering, mut names: Vec<&str>) {
    names.sort_unstable();
    let up = wait_until(PATIENCE, "the expected neighbours", || {
        let mut up = established(hub);
        up.sort();
        up == names
    });
    assert!(up.is_ok(), "{:?} instead of {names:?}", established(hub));
}

#[test]
fn callers_come_and_go_up_to_the_limit() {
    let port = free_port();
    let hub = listener(port, None);
    let first = call(1, port, None);
    let _second = call(2, port, None);
    wait_for(&hub, vec!["racks@127.0.3.1", "racks@127.0.3.2"]);
    let _third = call(3, port, None);
    drop(first);
    wait_for(&hub, vec!["racks@127.0.3.2", "racks@127.0.3.3"]);
}

#[test]
fn a_range_has_its_password() {
    let port = free_port();
    let hub = listener(port, Some("s3cret"));
    let _wrong = call(1, port, Some("other"));
    let _right = call(2, port, Some("s3cret"));
    wait_for(&hub, vec!["racks@127.0.3.2"]);
}
