//! Proof 5 of the spine: databases, switch, agent and peer fail and come back. The right state is
//! there afterwards, and nothing that should stay was withdrawn meanwhile.

mod agent_node;

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::collector::Event;
use interop::ovsdb::{OvsdbCluster, OvsdbServer, Schema};
use interop::process::wait_for;
use interop::{Place, wait_until};

#[test]
fn b015_a_restarted_northbound_withdraws_nothing() {
    if !can_run() {
        return;
    }
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
    if !can_run() {
        return;
    }
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
    if !can_run() {
        return;
    }
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
        // Once the leader, once the member that the agent listens to.
        let victim = match round {
            0 => cluster.leader().unwrap(),
            _ => followed(&node, &sockets),
        };
        cluster.transact(&cloud::boot(Vm(20 + round))).unwrap();
        cluster.server(victim).kill();
        cluster.transact(&cloud::boot(Vm(30 + round))).unwrap();
        let mut wanted = vec!["172.24.4.10".to_owned()];
        wanted.extend((0..=round).flat_map(|r| [Vm(20 + r).address(), Vm(30 + r).address()]));
        node.expect(&wanted.iter().map(|a| &**a).collect::<Vec<_>>());
        cluster.server(victim).start().unwrap();
    }
    cluster.transact(&cloud::delete(Vm(20))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.21", "172.24.4.30", "172.24.4.31"]);
    assert_eq!(node.withdrawn(), [host("172.24.4.20")]);
    let mut announced = node.announced();
    announced.dedup();
    assert_eq!(announced.len(), 4, "each once: {announced:?}");
}

/// The member of the cluster that the agent is connected to.
fn followed(node: &Node, sockets: &[String]) -> usize {
    let summary = node.json(&["show", "summary"]);
    let state = summary["databases"]["OVN_Northbound"].as_str().unwrap();
    let member = sockets.iter().position(|socket| state.ends_with(socket));
    member.unwrap_or_else(|| panic!("{state}"))
}

#[test]
fn b013_a_killed_agent_comes_back_without_a_write_or_a_withdrawal() {
    if !can_run() {
        return;
    }
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
fn an_agent_killed_in_the_middle_of_anything_leaves_nothing_behind() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab_with_two_vms();
    let wiring = node.wiring();
    node.kill_agent();
    for round in 0..3 {
        for (number, line) in [
            "Starting BGP Agent...",
            "Loaded chassis",
            "connected to OVN_Northbound",
            "Add BGP route",
            "BGP Agent Started...",
        ]
        .iter()
        .enumerate()
        {
            let vm = Vm(u8::try_from(50 + 10 * round + number).unwrap());
            node.launch_agent();
            nb.transact(&cloud::boot(vm)).unwrap();
            node.wait_for_log(line);
            node.kill_agent();
            nb.transact(&cloud::delete(vm)).unwrap();
        }
    }
    nb.transact(&cloud::boot(Vm(99))).unwrap();
    // A new peer: the old one is no complete helper, it keeps what went while nobody spoke.
    node.stop_peer();
    node.start_peer();
    node.start_agent();
    node.expect(&[
        "172.24.4.10",
        "172.24.4.11",
        "172.24.4.99",
        "2001:db8:100::11",
    ]);
    nb.transact(&cloud::delete(Vm(99))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::11"]);
    node.expect_wired("172.24.4.99", false);
    assert_eq!(node.wiring(), wiring);
    node.kill_agent();
    restart_without_a_write(&mut node);
}

#[test]
fn b013_sigterm_leaves_everything_and_tells_nobody() {
    if !can_run() {
        return;
    }
    let (_nb, mut node) = lab_with_two_vms();
    let wiring = node.wiring();
    node.peer().forget();
    let mut agent = node.agent.take().unwrap();
    agent.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
    let status = wait_for(DEADLINE, "the agent's end", || agent.exit_status()).unwrap();
    assert_eq!(status.code(), Some(0));
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
    if !can_run() {
        return;
    }
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
    if !can_run() {
        return;
    }
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

/// As at the boot of a busy host. A session that began with nothing to say would end with it what neighbours have kept.
#[test]
fn an_agent_whose_switch_answers_late_advertises_what_was_wired() {
    if !can_run() {
        return;
    }
    let (mut nb, mut node) = lab_with_two_vms();
    let wiring = node.wiring();
    nb.stop();
    start_before_the_switch(&mut node);
    node.wait_for_log("OVN_Northbound cannot be reached: advertising");
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::11"]);
    node.expect_end_of_rib(1);
    everything_again_before_end_of_rib(&node);
    assert_eq!(node.wiring(), wiring);
}

/// Where OVN's database is was not known before: it has its time from then on.
#[test]
fn a_northbound_that_is_there_is_waited_for_although_the_switch_answered_late() {
    if !can_run() {
        return;
    }
    let (_nb, mut node) = lab_with_two_vms();
    start_before_the_switch(&mut node);
    node.wait_for_log("BGP Agent Started...");
    assert_eq!(node.started("writes"), 0, "{}", node.log());
    node.expect_end_of_rib(1);
    everything_again_before_end_of_rib(&node);
    let log = node.log();
    assert!(!log.contains("cannot be reached"), "{log}");
}

/// The agent is killed, and starts so long before Open vSwitch's database that it would have given up OVN's.
fn start_before_the_switch(node: &mut Node) {
    node.kill_agent();
    node.stop_peer();
    node.start_peer();
    node.switch.database().stop();
    node.launch_agent();
    wait_long(Duration::from_secs(6));
    node.switch.database().start().unwrap();
}

/// Nothing tells that the agent does not act: it is given the time in which it would.
fn wait_long(period: Duration) {
    let since = Instant::now();
    wait_until(DEADLINE, "the agent has waited", || {
        since.elapsed() > period
    })
    .unwrap();
}

/// Neighbours may have more from it than what is wired as a host: FRR is told to forget it after the first pass.
#[test]
fn what_a_former_backend_told_frr_stays_until_ovn_has_been_read() {
    if !can_run() {
        return;
    }
    let (mut nb, mut node) = lab_with_two_vms();
    node.kill_agent();
    nb.stop();
    let bgpd = UnixListener::bind(node.dir.path().join("bgpd.vty")).unwrap();
    bgpd.set_nonblocking(true).unwrap();
    let is_asked = || bgpd.accept().is_ok();
    node.configure(&format!("frr_vty_socket = {}", node.dir.path().display()));
    node.launch_agent();
    node.wait_for_log("BGP session up");
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::11"]);
    // Longer than between two attempts.
    wait_long(Duration::from_secs(11));
    assert!(!is_asked(), "{}", node.log());
    nb.start().unwrap();
    node.wait_for_log("BGP Agent Started...");
    assert_eq!(node.started("writes"), 0, "{}", node.log());
    wait_until(DEADLINE, "FRR is asked", is_asked).unwrap();
}

#[test]
fn changes_in_quick_succession_end_in_the_last_state() {
    if !can_run() {
        return;
    }
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
fn b010_full_comparisons_write_nothing_and_find_what_no_one_announces() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.configure("reconcile_interval = 1\ndebug = true");
    node.start_agent();
    node.expect(&["172.24.4.10"]);
    let reconciled = "Running reconciliation loop";
    node.wait_for_log_again(reconciled, 1);
    let mut kernel = node.monitor();
    let before = node.json(&["show", "summary"])["changesApplied"].clone();
    node.wait_for_log_again(reconciled, 4);
    assert_eq!(node.json(&["show", "summary"])["changesApplied"], before);
    assert_eq!(kernel.heard(), []);
    node.namespace
        .sysctl("net.ipv4.conf.br-ex.proxy_arp", "0")
        .unwrap();
    let back = || {
        node.namespace
            .sysctl_value("net.ipv4.conf.br-ex.proxy_arp")
            .unwrap()
            == "1"
    };
    wait_until(DEADLINE, "proxy_arp", back).unwrap();
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

/// Seconds since each flow of the agent was made: `duration=12.345s`, or `duration=12s`.
fn flow_ages(node: &Node) -> Vec<f64> {
    let flows = node
        .switch
        .ofctl("dump-flows", "br-ex", &["cookie=0x3e7/-1"]);
    let flows = flows.unwrap();
    let age = |line: &str| {
        let (_, rest) = line.split_once("duration=")?;
        rest.split_once('s')?.0.parse().ok()
    };
    flows.lines().filter_map(age).collect()
}
