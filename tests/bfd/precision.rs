//! Packets leave in time, whatever else the machine does.

use std::process::Command;
use std::time::{Duration, Instant};

use interop::netns::{Namespace, connect};
use interop::{Daemon, Need, require, wait_until};
use ovn_bgp_agent::bfd::{Event, SessionConfig};

use crate::lab::{Ours, single_hop};

/// How long the load lasts.
const LOAD: Duration = Duration::from_secs(10);

/// Endless loops, one for each core and one more.
fn busy(dir: &std::path::Path) -> Vec<Daemon> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (0..=cores)
        .map(|number| {
            let mut spin = Command::new("sh");
            spin.args(["-c", "while :; do :; done"]);
            Daemon::spawn(&format!("busy{number}"), dir, &mut spin).unwrap()
        })
        .collect()
}

/// 3 × 50 ms between two of ours while every core is busy: not one session flaps.
#[test]
fn three_times_50_ms_is_held_under_load() {
    require!(Need::Root, Need::Program("ip"));
    let dir = interop::scratch().unwrap();
    let (left, right) = (
        Namespace::new("left").unwrap(),
        Namespace::new("right").unwrap(),
    );
    connect((&left, "eth0"), (&right, "eth0")).unwrap();
    left.address("eth0", "10.9.0.1/24").unwrap();
    right.address("eth0", "10.9.0.2/24").unwrap();
    let (mut ours, mut theirs) = (Ours::start(&left), Ours::start(&right));
    let config = SessionConfig::every(Duration::from_millis(50), 3);
    ours.add(&single_hop("10.9.0.2"), config);
    theirs.add(&single_hop("10.9.0.1"), config);
    ours.wait_up();
    theirs.wait_up();
    drop((ours.events(), theirs.events()));

    let load = busy(dir.path());
    let start = Instant::now();
    let before = ours.session().control_packet_input;
    let lost = wait_until(LOAD, "a session lost", || {
        ours.session().session_down + theirs.session().session_down > 0
    });
    let took = start.elapsed();
    drop(load);
    let (ours, theirs) = (
        (ours.snapshot(), ours.events()),
        (theirs.snapshot(), theirs.events()),
    );
    for (snapshot, events) in [&ours, &theirs] {
        let changes = events
            .iter()
            .filter(|event| matches!(event, Event::Changed(_)));
        assert_eq!(changes.count(), 0, "{events:?}\n{snapshot:#?}");
        println!(
            "{}: wake-ups late by p99 {} µs, at most {} µs",
            snapshot.scheduling, snapshot.wakeup_delay_p99, snapshot.wakeup_delay_max
        );
    }
    assert!(lost.is_err());
    // Between 75 and 100 % of 50 ms apart, so that none was skipped either.
    let received = ours.0.peers[0].control_packet_input - before;
    let least = u64::try_from(took.as_millis()).unwrap() / 50;
    assert!(received >= least * 9 / 10, "{received} packets in {took:?}");
}
