//! A node that Debian's package of the Python agent has wired is taken over in place (VM tier).

use std::path::Path;

use interop::adoption::{Handover, KINDS};
use interop::{Need, require};

#[test]
fn vm_a_node_of_the_python_agent_is_adopted_without_a_loss() {
    require!(Need::Root, Need::Vm, Need::Program("mmdebstrap"));
    let played = Handover::play(Some(Path::new(env!("CARGO_BIN_EXE_ovn-bgp-agent")))).unwrap();

    // everything that steered traffic is still there, as it was
    for kind in KINDS {
        let (before, after) = (
            played.lines("python", kind).unwrap(),
            played.lines("ours", kind).unwrap(),
        );
        let lost: Vec<_> = before.difference(&after).collect();
        assert!(lost.is_empty(), "{kind} lost: {lost:#?}\n{}", played.logs());
    }
    // and never was away in between: a rule, a route or a neighbour of the provider bridge
    let monitor = played.text("monitor").unwrap();
    let deleted: Vec<&str> = monitor
        .lines()
        .filter(|l| {
            l.contains("Deleted")
                && l.contains("br-ex")
                && !l.contains("STALE")
                && !l.contains("proto bgp")
        })
        .filter(|l| {
            l.contains("lookup br-ex") || l.contains("table br-ex") || l.contains("PERMANENT")
        })
        .collect();
    assert!(
        deleted.is_empty(),
        "deleted while taking over: {deleted:#?}"
    );

    let pings = played.lines("ours", "pings").unwrap();
    assert!(
        pings.iter().all(|line| line.ends_with("answers")),
        "{pings:?}\n{}",
        played.logs()
    );

    // a restart with nothing changed writes nothing
    for kind in KINDS {
        assert_eq!(
            played.lines("ours", kind).unwrap(),
            played.lines("again", kind).unwrap(),
            "{kind}"
        );
    }
    let written = played.text("monitor-restart").unwrap();
    let written: Vec<&str> = written
        .lines()
        .filter(|l| {
            l.contains("lookup br-ex") || l.contains("table br-ex") || l.contains("PERMANENT")
        })
        .collect();
    assert!(written.is_empty(), "a restart wrote: {written:#?}");
}
