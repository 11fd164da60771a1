//! The node against a real router: FRR gets what is exposed, and its graceful-restart helper keeps it
//! while the agent is away.

mod agent_node;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::frr::Frr;
use interop::requirement::is_met;
use interop::{Need, Place, wait_until};

const LEAF_CONFIG: &str = "\
hostname leaf
router bgp 64999
 bgp router-id 192.0.2.1
 neighbor 192.0.2.2 remote-as internal
 neighbor 192.0.2.2 passive
 address-family ipv6 unicast
  neighbor 192.0.2.2 activate
 exit-address-family
";

#[test]
fn b013_frr_keeps_the_routes_of_a_killed_agent_and_drops_what_went_meanwhile() {
    if !can_run() || !is_met(&[Need::Program("/usr/lib/frr/bgpd")]) {
        return;
    }
    let (nb, mut node) = lab();
    node.stop_peer();
    let place = Place::inside(&node.leaf);
    let frr = Frr::start(&place, &node.dir.path().join("frr"), LEAF_CONFIG).unwrap();
    nb.transact(&cloud::boot_with(
        Vm(10),
        &["172.24.4.10", "2001:db8:100::10"],
    ))
    .unwrap();
    nb.transact(&cloud::boot(Vm(11))).unwrap();
    nb.transact(&cloud::associate(Vm(11), "172.24.4.99"))
        .unwrap();
    node.start_agent();
    has(
        &frr,
        "ipv4",
        &["172.24.4.10/32", "172.24.4.11/32", "172.24.4.99/32"],
    );
    has(&frr, "ipv6", &["2001:db8:100::10/128"]);
    assert_eq!(frr.next_hops("172.24.4.99/32").unwrap(), [NODE]);

    node.kill_agent();
    lost(&frr);
    nb.transact(&cloud::disassociate()).unwrap();
    has(
        &frr,
        "ipv4",
        &["172.24.4.10/32", "172.24.4.11/32", "172.24.4.99/32"],
    );
    has(&frr, "ipv6", &["2001:db8:100::10/128"]);

    node.start_agent();
    // End-of-RIB tells FRR that what did not come again is gone.
    has(&frr, "ipv4", &["172.24.4.10/32", "172.24.4.11/32"]);
    has(&frr, "ipv6", &["2001:db8:100::10/128"]);
    let told = node.says(&["explain", "172.24.4.10"]);
    assert!(told.contains("advertised to leaf"), "{told}");
    assert_eq!(frr.next_hops("172.24.4.10/32").unwrap(), [NODE]);
}

#[test]
fn a_killed_frr_gets_all_routes_again() {
    if !can_run() || !is_met(&[Need::Program("/usr/lib/frr/bgpd")]) {
        return;
    }
    let (nb, mut node) = lab();
    node.stop_peer();
    let place = Place::inside(&node.leaf);
    let mut frr = Frr::start(&place, &node.dir.path().join("frr"), LEAF_CONFIG).unwrap();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.start_agent();
    has(&frr, "ipv4", &["172.24.4.10/32"]);
    frr.kill("bgpd");
    nb.transact(&cloud::boot(Vm(11))).unwrap();
    node.expect_wired("to 172.24.4.11 lookup", true);
    frr.revive("bgpd").unwrap();
    has(&frr, "ipv4", &["172.24.4.10/32", "172.24.4.11/32"]);
    let neighbors = node.json(&["show", "neighbors"]);
    assert_eq!(neighbors["leaf"]["connectionsDropped"], 1, "{neighbors}");
}

fn has(frr: &Frr, family: &str, prefixes: &[&str]) {
    let waited = wait_until(DEADLINE, "the leaf's table", || {
        frr.prefixes(family).is_ok_and(|now| now == prefixes)
    });
    let table = frr.vtysh(&format!("show bgp {family} unicast"));
    assert!(waited.is_ok(), "not {prefixes:?}: {table:?}");
}

fn lost(frr: &Frr) {
    let node = NODE.to_string();
    wait_until(DEADLINE, "the session's end", || !frr.is_established(&node)).unwrap();
}
