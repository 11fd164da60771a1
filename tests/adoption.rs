//! A node that Debian's package of the Python agent has wired is taken over in place; then it is wired from nothing, VLAN
//! network included (VM tier, OVS kernel datapath). One boot serves all: `interop/vm/adoption.sh` is what happens inside.

use std::collections::BTreeSet;
use std::path::Path;

use interop::adoption::{Handover, KINDS};
use interop::{Need, require};

/// Of the kernel's news during the take-over, what our wiring is about.
fn about_wiring(monitor: &str) -> Vec<&str> {
    let of_wiring = |l: &&str| {
        ["lookup br-ex", "table br-ex", "PERMANENT", "proxy"]
            .iter()
            .any(|w| l.contains(w))
            || (l.contains("br-ex") && (l.contains(" inet") || l.contains("link/ether")))
    };
    monitor.lines().filter(of_wiring).collect()
}

#[test]
fn vm_a_node_of_the_python_agent_is_adopted_without_a_loss() {
    require!(Need::Root, Need::Vm, Need::Program("mmdebstrap"));
    let played = Handover::play(Some(Path::new(env!("CARGO_BIN_EXE_ovn-bgp-agent")))).unwrap();

    nothing_is_lost(&played);
    only_what_was_missing_is_written(&played);
    the_leaf_keeps_its_routes(&played);
    a_restart_writes_nothing(&played);
    b022_a_vlan_network_is_wired_from_nothing(&played);
    b031_the_operators_vlan_device_stays(&played);
}

fn every_address_answers(played: &Handover, stage: &str) {
    let pings = played.lines(stage, "pings").unwrap();
    assert_eq!(pings.len(), 6, "{stage}: {pings:?}");
    assert!(
        pings.iter().all(|line| line.ends_with("answers")),
        "{stage}: {pings:?}\n{}",
        played.logs()
    );
}

/// What steered traffic is there as it was. More is only the proxy for `::1`, the gateway Neutron's default is not.
fn nothing_is_lost(played: &Handover) {
    for kind in KINDS {
        let of = |stage| played.lines(stage, kind).unwrap();
        let (before, after) = (of("python"), of("ours"));
        assert!(!before.is_empty(), "the Python agent left no {kind}");
        let lost: Vec<_> = before.difference(&after).collect();
        assert!(lost.is_empty(), "{kind} lost: {lost:#?}\n{}", played.logs());
        let more: Vec<_> = after.difference(&before).collect();
        let proxy = |line: &&&String| kind == "proxies" && line.contains("::1 dev br-ex");
        assert!(more.iter().all(|line| proxy(&line)), "{kind}: {more:#?}");
    }
    every_address_answers(played, "ours");
}

/// Neither rule, route nor neighbour is touched, nor a flow; helper addresses that 4.0.0 numbered otherwise are replaced, the
/// new one first: the kernel flushes routes with a device's last address.
fn only_what_was_missing_is_written(played: &Handover) {
    let monitor = played.text("monitor").unwrap();
    let (addresses, other): (Vec<&str>, Vec<&str>) = about_wiring(&monitor)
        .into_iter()
        .partition(|l| l.contains(" inet 169.254.") || l.contains(" inet6 fd53:d91e:400:7f17:"));
    assert!(other.is_empty(), "written while taking over: {other:#?}");
    for family in [" inet ", " inet6 "] {
        let on_bridge = addresses
            .iter()
            .filter(|l| l.contains(family) && l.contains(": br-ex "));
        let deleted: Vec<bool> = on_bridge.map(|l| l.starts_with("Deleted")).collect();
        assert_eq!(deleted, [false, true], "{addresses:#?}");
    }
    assert!(age_of_flows(played, "ours") > age_of_flows(played, "python"));
    // two addresses on each of two devices, two of the old ones, a proxy in each of two IPv6 networks
    let log = played.text("ours-1.log").unwrap();
    let started = "BGP Agent Started... exposures=7 writes=8";
    assert!(log.contains(started), "{log}");
}

/// Seconds since the youngest flow was written.
fn age_of_flows(played: &Handover, stage: &str) -> f64 {
    let text = played.text(&format!("{stage}/flows-with-age")).unwrap();
    let ages = text.split("duration=").skip(1);
    let ages = ages.map(|rest| rest.split('s').next().unwrap().parse::<f64>().unwrap());
    ages.reduce(f64::min).unwrap()
}

/// FRR on the node is killed and our speaker follows: the leaf, a graceful-restart helper, forwards all the while.
fn the_leaf_keeps_its_routes(played: &Handover) {
    let monitor = played.text("leaf-monitor").unwrap();
    let deleted: Vec<&str> = monitor
        .lines()
        .filter(|l| l.starts_with("Deleted 172.24.4.") || l.starts_with("Deleted 172.30.0."))
        .collect();
    assert!(deleted.is_empty(), "the leaf lost {deleted:#?}");
    let pings = played.text("handover-ping").unwrap();
    assert!(pings.contains(" 0% packet loss"), "{pings}");
}

fn a_restart_writes_nothing(played: &Handover) {
    for kind in KINDS.iter().chain(&["addresses"]) {
        let of = |stage| played.lines(stage, kind).unwrap();
        assert_eq!(of("ours"), of("again"), "{kind}");
    }
    let monitor = played.text("monitor-restart").unwrap();
    let written = about_wiring(&monitor);
    assert!(written.is_empty(), "a restart wrote: {written:#?}");
    let log = played.text("ours-2.log").unwrap();
    assert!(
        log.contains("BGP Agent Started... exposures=7 writes=0"),
        "{log}"
    );
}

/// From nothing it makes what it made of the Python agent's node, to the last line.
fn b022_a_vlan_network_is_wired_from_nothing(played: &Handover) {
    for kind in KINDS {
        let nothing = played.lines("nothing", kind).unwrap();
        assert!(nothing.is_empty(), "{kind}: {nothing:?}");
        let of = |stage| played.lines(stage, kind).unwrap();
        assert_eq!(of("ours"), of("anew"), "{kind}\n{}", played.logs());
    }
    let addresses: Vec<String> = played
        .lines("anew", "addresses")
        .unwrap()
        .into_iter()
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let device = "br-ex.123@br-ex UP 169.254.1.123/32 fd53:d91e:400:7f17::1:7b/128";
    assert!(addresses.iter().any(|l| l == device), "{addresses:#?}");
    every_address_answers(played, "anew");
}

/// The VLAN network goes, our device with it; the operator's, which looks alike, has been there before and after.
fn b031_the_operators_vlan_device_stays(played: &Handover) {
    let links = |stage| -> BTreeSet<String> {
        let all = played.lines(stage, "links").unwrap();
        all.into_iter().filter(|l| l.starts_with("br-ex")).collect()
    };
    let expected = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    assert_eq!(
        links("anew"),
        expected(&["br-ex", "br-ex.123@br-ex", "br-ex.77@br-ex"])
    );
    assert_eq!(links("without"), expected(&["br-ex", "br-ex.77@br-ex"]));
    let operators = |stage| -> Vec<String> {
        let all = played.lines(stage, "addresses").unwrap();
        all.into_iter().filter(|l| l.contains("br-ex.77")).collect()
    };
    assert!(operators("nothing")[0].ends_with("192.0.2.77/24"));
    assert_eq!(operators("nothing"), operators("without"));
}
