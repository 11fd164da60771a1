//! Drift, order and what an operator sees, on a real node: what somebody takes away is back at once,
//! what is somebody else's stays, and nothing is advertised before it is wired.

mod agent_node;

use std::time::{Duration, Instant};

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::ovsdb::OvsdbServer;
use interop::wait_until;

/// A node with a started agent and a VM on it.
fn lab_with_a_vm() -> (OvsdbServer, Node) {
    let (nb, mut node) = lab();
    let addresses = ["172.24.4.10", "2001:db8:100::10"];
    nb.transact(&cloud::boot_with(Vm(10), &addresses)).unwrap();
    node.start_agent();
    node.expect(&addresses);
    node.expect_end_of_rib(1);
    (nb, node)
}

#[test]
fn b010_what_is_deleted_from_the_kernel_is_back() {
    if !can_run() {
        return;
    }
    let (_nb, node) = lab_with_a_vm();
    let wiring = node.wiring();
    node.peer().forget();
    let table = node.table();
    for (delete, back) in [
        (
            "rule del pref 32000 to 172.24.4.10",
            "32000: from all to 172.24.4.10",
        ),
        (
            "-6 rule del pref 32000 to 2001:db8:100::10",
            "32000: from all to 2001:db8:100::10",
        ),
        (
            &*format!("route del 172.24.4.10 table {table}"),
            "172.24.4.10 dev br-ex table",
        ),
        (
            &*format!("-6 route del 2001:db8:100::10 table {table}"),
            "2001:db8:100::10 dev br-ex table",
        ),
        (
            &*format!("route flush table {table}"),
            "172.24.4.10 dev br-ex table",
        ),
        (
            "neigh del 172.24.4.10 dev br-ex",
            "172.24.4.10 dev br-ex lladdr",
        ),
        (
            "-6 neigh del 2001:db8:100::10 dev br-ex",
            "2001:db8:100::10 dev br-ex lladdr",
        ),
        (
            "address del 169.254.1.1/32 dev br-ex",
            "inet 169.254.1.1/32",
        ),
    ] {
        let mut times: Vec<_> = (0..9).map(|_| kernel_repair(&node, delete, back)).collect();
        report(delete, &mut times);
    }
    settles(&node, &wiring);
    assert_eq!(node.history(), [], "drift is no reason to withdraw");
}

#[test]
fn b010_flows_that_are_deleted_or_changed_are_back() {
    if !can_run() {
        return;
    }
    let (_nb, node) = lab_with_a_vm();
    let wiring = node.wiring();
    node.peer().forget();
    let mut flows = node.flow_monitor();
    for (command, words, lost) in [
        ("del-flows", "cookie=0x3e7/-1", "event=DELETED"),
        (
            "mod-flows",
            "cookie=0x3e7/-1,actions=drop",
            "event=MODIFIED",
        ),
    ] {
        let repair = |_| {
            flows.forget();
            // The switch may tell the loss together with the repair, so that the loss is taken to be
            // when the program that caused it ended.
            node.switch.ofctl(command, "br-ex", &[words]).unwrap();
            let lost_at = Instant::now();
            settles(&node, &wiring);
            let heard = flows.heard();
            let lost = heard
                .iter()
                .position(|(_, line)| line.contains(lost))
                .unwrap();
            let back = heard[lost + 1..]
                .iter()
                .find(|(_, line)| line.contains("mod_dl_dst"));
            let back = back.unwrap_or_else(|| panic!("{heard:#?}"));
            back.0.saturating_duration_since(lost_at)
        };
        let mut times: Vec<_> = (0..9).map(repair).collect();
        report(command, &mut times);
    }
    assert_eq!(node.history(), [], "drift is no reason to withdraw");
}

#[test]
fn b011_b012_what_is_somebody_elses_stays_and_what_gets_in_the_way_goes() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab_with_a_vm();
    let table = node.table();
    let foreign = [
        "rule add pref 31000 to 198.51.100.0/24 lookup 77",
        "rule add pref 32000 from 198.51.100.0/24 lookup 77",
        "rule add pref 32000 fwmark 7 lookup 77",
        "rule add pref 32000 to 198.51.100.9 lookup 77",
        "-6 rule add pref 32000 iif lo to 2001:db8:9::/64 lookup 77",
        "route add 198.51.100.0/24 dev up0 table 77",
        "route add 198.51.100.0/24 dev up0",
        "neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev up0 nud permanent",
    ];
    for words in foreign {
        node.ip(words);
    }
    node.ip(&format!(
        "route add 198.51.100.7 dev br-ex table {table} proto 186"
    ));
    let flow = "cookie=0x99,priority=900,tcp,actions=NORMAL";
    node.switch.ofctl("add-flow", "br-ex", &[flow]).unwrap();
    let survivors = |node: &Node| {
        let show = [
            "rule show",
            "-6 rule show",
            "route show table 77",
            "neigh show dev up0 nud permanent",
        ];
        let mut lines: Vec<String> = show.iter().map(|what| node.ip(what)).collect();
        lines.push(node.ip("route show 198.51.100.0/24"));
        lines.push(node.ip(&format!("route show table {table} proto 186")));
        lines.extend(node.switch.flows("br-ex").unwrap());
        lines
    };
    let before = survivors(&node);
    // Our own kind, that nobody wants: rules and routes into the bridge's table.
    node.ip(&format!(
        "rule add pref 32000 to 203.0.113.1 lookup {table}"
    ));
    node.ip(&format!("route add 203.0.113.1 dev br-ex table {table}"));
    node.expect_wired("203.0.113.1", false);
    // Changes of our own, a restart of the agent: nothing of theirs goes with it.
    nb.transact(&cloud::boot(Vm(11))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::10"]);
    nb.transact(&cloud::delete(Vm(11))).unwrap();
    node.expect(&["172.24.4.10", "2001:db8:100::10"]);
    node.expect_wired("172.24.4.11", false);
    let mut node = node;
    node.kill_agent();
    node.start_agent();
    assert_eq!(node.started("writes"), 0);
    assert_eq!(survivors(&node), before);
}

#[test]
fn b051_a_missing_patch_port_delays_its_advert_and_nothing_else() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab();
    let port = format!("patch-{}-to-br-int", cloud::LOCALNET);
    node.switch.vsctl(&["del-port", "br-ex", &port]).unwrap();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.start_agent();
    node.expect_wired("to 172.24.4.10 lookup", true);
    node.expect_end_of_rib(1);
    assert_eq!(node.announced(), []);
    let told = node.says(&["explain", "172.24.4.10"]);
    assert!(told.contains(cloud::LOCALNET), "{told}");
    let shown = node.json(&["show", "exposures"]);
    assert_eq!(shown["exposures"][0]["advertised"], "waiting", "{shown}");
    assert_eq!(shown["exposures"][0]["wired"], false, "{shown}");
    node.switch
        .add_localnet_patch("br-ex", cloud::LOCALNET)
        .unwrap();
    node.expect(&["172.24.4.10"]);
    // Once advertised, a port that goes for a moment is drift: fail static.
    node.peer().forget();
    node.switch.vsctl(&["del-port", "br-ex", &port]).unwrap();
    node.switch
        .add_localnet_patch("br-ex", cloud::LOCALNET)
        .unwrap();
    node.expect_wired("cookie=0x3e7", true);
    nb.transact(&cloud::boot(Vm(11))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.11"]);
    assert_eq!(node.withdrawn(), []);
}

#[test]
fn wiring_comes_before_the_advert_and_goes_after_the_withdrawal() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab_with_a_vm();
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for number in 100..120 {
        let vm = Vm(number);
        let prefix = host(&vm.address());
        let mut kernel = node.monitor();
        nb.transact(&cloud::boot(vm)).unwrap();
        let announced = peer_has(&node, prefix, true);
        let rule = format!("from all to {} lookup", vm.address());
        let wired = kernel.when("32000:", &rule).expect("no rule");
        added.push((wired, announced));
        kernel.forget();
        nb.transact(&cloud::delete(vm)).unwrap();
        let withdrawn = peer_has(&node, prefix, false);
        node.expect_wired(&vm.address(), false);
        let unwired = kernel.when("Deleted 32000:", &rule).expect("no deletion");
        removed.push((withdrawn, unwired));
    }
    for (what, pairs) in [("wire, advertise", added), ("withdraw, unwire", removed)] {
        let signed = |(first, second): &(Instant, Instant)| {
            let (later, sooner) = (
                second.saturating_duration_since(*first),
                first.saturating_duration_since(*second),
            );
            later.as_secs_f64() * 1e3 - sooner.as_secs_f64() * 1e3
        };
        let mut gaps: Vec<f64> = pairs.iter().map(signed).collect();
        gaps.sort_by(f64::total_cmp);
        eprintln!("{what}: {gaps:.2?} ms");
        let median = gaps[gaps.len() / 2];
        assert!(median > 0.0, "{what}: {gaps:?} ms");
    }
}

#[test]
fn the_log_says_what_the_python_agents_documentation_shows() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    nb.transact(&cloud::associate(Vm(10), "172.24.4.99"))
        .unwrap();
    nb.transact(&cloud::gateway("172.24.4.146")).unwrap();
    node.start_agent();
    node.expect(&["172.24.4.10", "172.24.4.99", "172.24.4.146"]);
    for line in [
        "Starting BGP Agent...",
        "Loaded chassis chassis-1.",
        "Add BGP route for logical port with ip 172.24.4.10",
        "Add BGP route for FIP with ip 172.24.4.99",
        "Add BGP route for CR-LRP Port with ip 172.24.4.146",
        "BGP Agent Started...",
    ] {
        node.wait_for_log(line);
    }
    nb.transact(&cloud::disassociate()).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.146"]);
    node.wait_for_log("Delete BGP route for ip 172.24.4.99");
}

#[test]
fn show_and_explain_tell_what_is() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab_with_a_vm();
    nb.transact(&cloud::boot(Vm(11))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::10"]);
    nb.transact(&cloud::up(Vm(11), false)).unwrap();
    node.expect(&["172.24.4.10", "2001:db8:100::10"]);
    let summary = node.json(&["show", "summary"]);
    assert_eq!(summary["chassisName"], "host-1", "{summary}");
    assert_eq!(summary["chassisId"], "chassis-1", "{summary}");
    assert_eq!(summary["exposures"], 2, "{summary}");
    assert_eq!(summary["withheld"], 1, "{summary}");
    assert_eq!(summary["peersEstablished"], 1, "{summary}");
    assert_eq!(summary["problem"], serde_json::Value::Null, "{summary}");
    let nb_state = summary["databases"]["OVN_Northbound"].as_str().unwrap();
    assert!(nb_state.starts_with("connected to unix:"), "{nb_state}");
    let neighbors = node.json(&["show", "neighbors"]);
    assert_eq!(neighbors["leaf"]["bgpState"], "Established", "{neighbors}");
    assert_eq!(neighbors["leaf"]["pfxSnt"], 2, "{neighbors}");
    let routes = node.json(&["show", "routes"]);
    let prefixes: Vec<_> = routes["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["prefix"].clone())
        .collect();
    assert_eq!(
        prefixes,
        ["172.24.4.10/32", "2001:db8:100::10/128"],
        "{routes}"
    );
    assert_eq!(routes["routes"][0]["advertisedTo"][0], "leaf", "{routes}");
    let exposures = node.json(&["show", "exposures"]);
    for exposure in exposures["exposures"].as_array().unwrap() {
        assert_eq!(exposure["wired"], true, "{exposure}");
        assert_eq!(exposure["advertised"], "yes", "{exposure}");
    }
    for what in ["summary", "neighbors", "routes", "exposures"] {
        assert!(!node.says(&["show", what]).trim().is_empty());
    }
    for (ip, verdict, step) in [
        ("172.24.4.10", "is advertised to leaf", "advertised"),
        ("172.24.4.11", "is withheld", "port-down"),
        ("172.24.4.200", "is not exposed", "row in OVN"),
    ] {
        let told = node.says(&["explain", ip]);
        assert!(told.contains(step), "{step}: {told}");
        let json = node.json(&["explain", ip]);
        let said = json["verdict"].as_str().unwrap();
        assert!(said.contains(verdict), "{said}");
    }
}

/// Runs a command that takes something away; how long until it is announced again.
fn kernel_repair(node: &Node, delete: &str, back: &str) -> Duration {
    let mut kernel = node.monitor();
    node.ip(delete);
    let mut times = None;
    let repaired = || {
        let heard = kernel.heard();
        let mut lines = heard.iter();
        // The first is the loss, whatever it looks like.
        let gone = lines.next();
        let again = lines.find(|(_, line)| !line.starts_with("Deleted") && line.contains(back));
        times = gone
            .zip(again)
            .map(|((gone, _), (again, _))| (*gone, *again));
        times.is_some()
    };
    if let Err(error) = wait_until(DEADLINE, back, repaired) {
        panic!("{delete}: {error}: {:#?}", kernel.heard());
    }
    let (gone, again) = times.unwrap();
    again.saturating_duration_since(gone)
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!(
        "{what}: back after {median:.2?} (median of {}), {most:.2?} at most",
        times.len()
    );
}

fn settles(node: &Node, wiring: &[String]) {
    let settled = wait_until(DEADLINE, "the wiring as before", || node.wiring() == wiring);
    if let Err(error) = settled {
        panic!("{error}: {:#?}, not {wiring:#?}", node.wiring());
    }
}

/// When the peer got, or lost, the prefix.
fn peer_has(node: &Node, prefix: ipnet::IpNet, there: bool) -> Instant {
    use interop::collector::Event;
    let wanted = if there {
        Event::Announced(prefix)
    } else {
        Event::Withdrawn(prefix)
    };
    let at = node.peer().wait(DEADLINE, |table| {
        let found = table.history.iter().find(|(_, event)| *event == wanted);
        found.map(|(at, _)| *at)
    });
    at.unwrap_or_else(|| panic!("no {wanted:?}: {}", node.log()))
}
