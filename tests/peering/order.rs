//! What comes before what.

use std::io::ErrorKind;

use bgp::Route;
use bgp::wire::Message;

use crate::latency::{host, session, session_with};

#[test]
fn routes_of_the_start_come_before_end_of_rib() {
    for _ in 0..20 {
        let (_peering, mut leaf) = session_with([Route::new(host(7))]);
        let first = loop {
            if let Message::Update(update) = leaf.read_message() {
                break update;
            }
        };
        assert_eq!(first.announcements().count(), 1, "{first:?}");
    }
}

#[test]
fn a_flushed_withdrawal_is_on_the_wire() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (peering, mut leaf) = session();
    for number in 0..50 {
        peering.originate([Route::new(host(number))]);
        leaf.read_prefixes(1);
        peering.withdraw([host(number)]);
        runtime.block_on(peering.flushed()).unwrap();
        // Writing on the loopback delivers.
        leaf.stream.set_nonblocking(true).unwrap();
        let there = leaf.stream.peek(&mut [0; 19]);
        assert!(
            !matches!(&there, Err(error) if error.kind() == ErrorKind::WouldBlock),
            "{number}: nothing was sent"
        );
        leaf.stream.set_nonblocking(false).unwrap();
        while !matches!(leaf.read_message(), Message::Update(_)) {}
    }
}

#[test]
fn a_peer_that_does_not_read_delays_nobody() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (peering, leaf) = session();
    for round in 0..20 {
        let routes = (0..50_000).map(|number| host(round * 50_000 + number));
        peering.originate(routes.map(Route::new));
    }
    peering.withdraw([host(7)]);
    let patience = std::time::Duration::from_secs(60);
    let flushed = async { tokio::time::timeout(patience, peering.flushed()).await };
    runtime.block_on(flushed).unwrap().unwrap();
    drop(leaf);
}
