//! Open vSwitch goes and comes back, the daemon, its database or the provider bridge: what hung on it
//! is made anew, and nothing is withdrawn meanwhile.

mod agent_node;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::wait_until;

#[test]
fn a_restarted_switch_gets_its_flows_again_and_nothing_is_withdrawn() {
    if !can_run() {
        return;
    }
    let (_nb, mut node) = lab_with_two_vms();
    let flows = own_flows(&node.switch);
    assert!(!flows.is_empty());
    node.peer().forget();
    for with_database in [false, true] {
        node.switch.stop_daemon();
        if with_database {
            node.switch.database().restart().unwrap();
        }
        node.switch.start_daemon().unwrap();
        node.ip("link set br-ex up");
        let restored = || own_flows(&node.switch) == flows;
        if let Err(error) = wait_until(DEADLINE, "the flows", restored) {
            panic!("{error}: {:?}\n{}", own_flows(&node.switch), node.log());
        }
        // With the datapath went br-ex and all that hung on it.
        node.expect_wired("172.24.4.10 lladdr", true);
        node.expect_wired("172.24.4.10 dev br-ex", true);
        node.expect_wired("2001:db8:100::11 dev br-ex", true);
    }
    assert_eq!(node.history(), []);
}

#[test]
fn a_restarted_local_database_changes_nothing() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab_with_two_vms();
    let wiring = node.wiring();
    node.peer().forget();
    let mut kernel = node.monitor();
    node.switch.database().restart().unwrap();
    let state = || node.json(&["show", "summary"])["databases"]["Open_vSwitch"].to_string();
    node.wait_for_log_again("connected to Open_vSwitch", 2);
    assert!(state().contains("connected to unix:"), "{}", state());
    assert_eq!(kernel.heard(), []);
    assert_eq!(node.history(), []);
    assert_eq!(node.wiring(), wiring);
    nb.transact(&cloud::boot(Vm(12))).unwrap();
    node.expect(&[
        "172.24.4.10",
        "172.24.4.11",
        "172.24.4.12",
        "2001:db8:100::11",
    ]);
}

#[test]
fn an_agent_that_starts_before_the_switch_waits_for_it_with_the_advert() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.switch.stop_daemon();
    node.start_agent();
    node.expect_end_of_rib(1);
    assert_eq!(node.announced(), []);
    node.switch.start_daemon().unwrap();
    node.ip("link set br-ex up");
    node.expect(&["172.24.4.10"]);
    node.expect_wired("cookie=0x3e7", true);
}

#[test]
fn a_bridge_made_anew_is_wired_anew_and_nothing_is_withdrawn() {
    if !can_run() {
        return;
    }
    let (_nb, node) = lab_with_two_vms();
    node.peer().forget();
    node.switch.vsctl(&["del-br", "br-ex"]).unwrap();
    node.switch.add_bridge("br-ex").unwrap();
    node.switch
        .add_localnet_patch("br-ex", cloud::LOCALNET)
        .unwrap();
    let mac = node.namespace.mac("br-ex").unwrap();
    let wired = || {
        let flows = own_flows(&node.switch);
        flows.len() == 2 && flows.iter().all(|flow| flow.contains(&mac))
    };
    if let Err(error) = wait_until(DEADLINE, "the flows", wired) {
        panic!(
            "{error}: {mac} {:?}\n{}",
            own_flows(&node.switch),
            node.log()
        );
    }
    node.expect_wired("172.24.4.10 lladdr", true);
    node.expect_wired("172.24.4.10 dev br-ex", true);
    node.expect_wired("169.254.1.1", true);
    assert_eq!(node.withdrawn(), []);
}
