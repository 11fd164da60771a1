//! Proof 5 of the spine: databases, switch, agent and peer fail and come back. The right state is
//! there afterwards, and nothing that should stay was withdrawn meanwhile.

mod agent_node;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::collector::Event;
use interop::ovs::Vswitch;
use interop::ovsdb::{OvsdbCluster, OvsdbServer, Schema};
use interop::{Need, Place, require};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("ip"),
    Need::Program("ovs-vswitchd"),
    Need::Program("ovsdb-server"),
];

/// A node with a started agent, two VMs on it, and a peer that knows both.
fn lab_with_two_vms() -> (OvsdbServer, Node) {
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    let addresses = ["172.24.4.11", "2001:db8:100::11"];
    nb.transact(&cloud::boot_with(Vm(11), &addresses)).unwrap();
    node.start_agent();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::11"]);
    (nb, node)
}

#[test]
fn b015_a_restarted_northbound_withdraws_nothing() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (mut nb, node) = lab_with_two_vms();
    let before = node.wiring();
    node.peer().forget();
    nb.restart().unwrap();
    // A change after the restart shows that the agent has caught up.
    nb.transact(&cloud::boot(Vm(12))).unwrap();
    node.expect(&[
        "172.24.4.10",
        "172.24.4.11",
        "172.24.4.12",
        "2001:db8:100::11",
    ]);
    assert_eq!(node.history(), [Event::Announced(host("172.24.4.12"))]);
    nb.transact(&cloud::delete(Vm(12))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::11"]);
    node.expect_wired("172.24.4.12", false);
    assert_eq!(node.wiring(), before);
}

#[test]
fn rows_that_change_while_the_northbound_is_down_are_the_only_difference() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (mut nb, mut node) = lab_with_two_vms();
    node.peer().forget();
    nb.stop();
    node.wait_for_log("OVN_Northbound is not connected");
    offline(&nb, &cloud::boot(Vm(12)));
    offline(&nb, &cloud::delete(Vm(10)));
    // Meanwhile drift is still repaired.
    node.ip("rule del pref 32000 to 172.24.4.11");
    node.expect_wired("to 172.24.4.11 lookup", true);
    assert_eq!(node.history(), []);
    nb.start().unwrap();
    node.expect(&["172.24.4.11", "172.24.4.12", "2001:db8:100::11"]);
    let mut history = node.history();
    history.sort_by_key(|event| format!("{event:?}"));
    let expected = [
        Event::Announced(host("172.24.4.12")),
        Event::Withdrawn(host("172.24.4.10")),
    ];
    assert_eq!(history, expected);
    node.expect_wired("172.24.4.10", false);
    node.expect_wired("to 172.24.4.12 lookup", true);
}

#[test]
fn a_killed_raft_leader_loses_no_change() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let dir = interop::scratch().unwrap();
    let mut cluster = OvsdbCluster::new(&Place::host(), dir.path(), Schema::Northbound).unwrap();
    // The members share the host's loopback; the node reaches them by their sockets.
    let sockets: Vec<_> = (0..3).map(|n| cluster.server(n).unix()).collect();
    cluster.transact(&cloud::provider_network()).unwrap();
    cluster.transact(&cloud::boot(Vm(10))).unwrap();
    let mut node = Node::new(dir, &sockets.join(","));
    node.start_agent();
    node.expect(&["172.24.4.10"]);
    node.peer().forget();
    for round in 0..2 {
        let leader = cluster.leader().unwrap();
        cluster.transact(&cloud::boot(Vm(20 + round))).unwrap();
        cluster.server(leader).kill();
        cluster.transact(&cloud::boot(Vm(30 + round))).unwrap();
        let mut wanted = vec!["172.24.4.10".to_owned()];
        wanted.extend((0..=round).flat_map(|r| [Vm(20 + r).address(), Vm(30 + r).address()]));
        node.expect(&wanted.iter().map(|a| &**a).collect::<Vec<_>>());
        cluster.server(leader).start().unwrap();
    }
    cluster.transact(&cloud::delete(Vm(20))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.21", "172.24.4.30", "172.24.4.31"]);
    assert_eq!(node.withdrawn(), [host("172.24.4.20")]);
    let mut announced = node.announced();
    announced.dedup();
    assert_eq!(announced.len(), 4, "each once: {announced:?}");
}

#[test]
fn b013_a_killed_agent_comes_back_without_a_write_or_a_withdrawal() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (_nb, mut node) = lab_with_two_vms();
    let (wiring, ages) = (node.wiring(), flow_ages(&node));
    assert!(node.started("writes") > 0);
    node.peer().forget();
    node.kill_agent();
    let down = node
        .peer()
        .wait(DEADLINE, |table| (!table.up).then_some(()));
    assert!(down.is_some());
    assert_eq!(node.wiring(), wiring, "what was wired stays");
    restart_without_a_write(&mut node);
    assert_eq!(node.wiring(), wiring);
    let later = flow_ages(&node);
    assert_eq!(later.len(), ages.len());
    assert!(
        later.iter().zip(&ages).all(|(later, age)| later >= age),
        "flows were made anew"
    );
    everything_again_before_end_of_rib(&node);
}

#[test]
fn b013_sigterm_leaves_everything_and_tells_nobody() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (_nb, mut node) = lab_with_two_vms();
    let wiring = node.wiring();
    node.peer().forget();
    let mut agent = node.agent.take().unwrap();
    agent.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
    interop::wait_until(DEADLINE, "the agent's end", || !agent.is_running()).unwrap();
    let log = agent.log_text();
    assert!(log.contains("SIGTERM: stopping"), "{log}");
    assert_eq!(node.wiring(), wiring);
    let down = node
        .peer()
        .wait(DEADLINE, |table| (!table.up).then_some(()));
    assert!(down.is_some());
    // A NOTIFICATION would end the helper's patience (RFC 4724 §4).
    assert_eq!(node.history(), [Event::Down]);
    restart_without_a_write(&mut node);
    everything_again_before_end_of_rib(&node);
}

#[test]
fn a_killed_peer_gets_all_routes_again() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (nb, mut node) = lab_with_two_vms();
    let wiring = node.wiring();
    node.stop_peer();
    // What changes meanwhile is not lost either.
    nb.transact(&cloud::delete(Vm(10))).unwrap();
    node.expect_wired("to 172.24.4.10 ", false);
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.expect_wired("to 172.24.4.10 lookup", true);
    nb.transact(&cloud::boot(Vm(12))).unwrap();
    node.expect_wired("to 172.24.4.12 lookup", true);
    node.start_peer();
    node.expect(&[
        "172.24.4.10",
        "172.24.4.11",
        "172.24.4.12",
        "2001:db8:100::11",
    ]);
    node.expect_end_of_rib(1);
    assert_eq!(node.withdrawn(), []);
    nb.transact(&cloud::delete(Vm(12))).unwrap();
    node.expect_wired("172.24.4.12", false);
    assert_eq!(node.wiring(), wiring);
}

#[test]
fn an_agent_that_starts_without_a_northbound_advertises_what_was_wired() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (mut nb, mut node) = lab_with_two_vms();
    let wiring = node.wiring();
    node.kill_agent();
    nb.stop();
    // A new peer, that knows nothing.
    node.stop_peer();
    node.start_peer();
    node.launch_agent();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::11"]);
    node.expect_end_of_rib(1);
    assert_eq!(node.wiring(), wiring);
    assert!(!node.log().contains("BGP Agent Started..."));
    node.peer().forget();
    offline(&nb, &cloud::boot(Vm(12)));
    offline(&nb, &cloud::delete(Vm(10)));
    nb.start().unwrap();
    node.expect(&["172.24.4.11", "172.24.4.12", "2001:db8:100::11"]);
    node.wait_for_log("BGP Agent Started...");
    assert_eq!(node.withdrawn(), [host("172.24.4.10")]);
    assert_eq!(node.announced(), [host("172.24.4.12")]);
    node.expect_wired("172.24.4.10", false);
    node.expect_wired("to 172.24.4.11 lookup", true);
}

#[test]
fn changes_in_quick_succession_end_in_the_last_state() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (nb, node) = lab_with_two_vms();
    let wiring = node.wiring();
    for _ in 0..10 {
        nb.transact(&cloud::up(Vm(10), false)).unwrap();
        nb.transact(&cloud::up(Vm(10), true)).unwrap();
    }
    nb.transact(&cloud::boot(Vm(12))).unwrap();
    nb.transact(&cloud::delete(Vm(12))).unwrap();
    // The last change of all shows that the agent has seen those before.
    nb.transact(&cloud::boot(Vm(13))).unwrap();
    node.expect(&[
        "172.24.4.10",
        "172.24.4.11",
        "172.24.4.13",
        "2001:db8:100::11",
    ]);
    nb.transact(&cloud::delete(Vm(13))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::11"]);
    node.expect_wired("172.24.4.13", false);
    assert_eq!(node.wiring(), wiring);
}

#[test]
fn a_restarted_switch_gets_its_flows_again_and_nothing_is_withdrawn() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (_nb, mut node) = lab_with_two_vms();
    let flows = own_flows(&node.switch);
    assert!(!flows.is_empty());
    node.peer().forget();
    node.switch.stop_daemon();
    node.switch.start_daemon().unwrap();
    node.ip("link set br-ex up");
    let restored = || own_flows(&node.switch) == flows;
    if let Err(error) = interop::wait_until(DEADLINE, "the flows", restored) {
        panic!("{error}: {:?}\n{}", own_flows(&node.switch), node.log());
    }
    // With the datapath went br-ex and all that hung on it.
    node.expect_wired("172.24.4.10 lladdr", true);
    assert_eq!(node.history(), []);
}

/// Starts the agent again; nothing on the node changes by it.
fn restart_without_a_write(node: &mut Node) {
    let mut kernel = node.monitor();
    node.start_agent();
    assert_eq!(node.started("writes"), 0, "{}", node.log());
    node.expect_end_of_rib(1);
    assert_eq!(kernel.heard(), [], "the agent's own count is not all");
}

/// The peer was told every route before End-of-RIB, so that it could keep all, and no withdrawal.
fn everything_again_before_end_of_rib(node: &Node) {
    let history = node.history();
    assert_eq!(node.withdrawn(), []);
    for (afi, prefixes) in [
        (1, &["172.24.4.10", "172.24.4.11"][..]),
        (2, &["2001:db8:100::11"]),
    ] {
        let end = history
            .iter()
            .position(|event| *event == Event::EndOfRib(afi))
            .unwrap();
        for prefix in prefixes {
            let announced = Event::Announced(host(prefix));
            let at = history.iter().position(|event| *event == announced);
            assert!(at.is_some_and(|at| at < end), "{prefix}: {history:?}");
        }
    }
}

fn offline(nb: &OvsdbServer, transaction: &serde_json::Value) {
    let file = nb.database().display().to_string();
    let answer = Place::host().run("ovsdb-tool", &["transact", &file, &transaction.to_string()]);
    let answer = answer.unwrap();
    assert!(!answer.contains("error"), "{answer}");
}

fn own_flows(switch: &Vswitch) -> Vec<String> {
    let mut flows = switch.flows("br-ex").unwrap_or_default();
    flows.retain(|flow| flow.contains("cookie=0x3e7") || flow.contains("cookie=0x3e6"));
    flows
}

/// Seconds since each flow of the agent was made.
fn flow_ages(node: &Node) -> Vec<u64> {
    let dump = node
        .switch
        .ofctl("dump-flows", "br-ex", &["cookie=0x3e7/-1"])
        .unwrap();
    let age = |line: &str| {
        let (_, rest) = line.split_once("duration=")?;
        let (seconds, _) = rest.split_once('.')?;
        seconds.parse().ok()
    };
    dump.lines().filter_map(age).collect()
}
