//! What the agent finds at its start, and what it does without.

mod agent_node;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::{Need, require};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("ip"),
    Need::Program("ovs-vswitchd"),
    Need::Program("ovsdb-server"),
];

/// Changes a piece of the node's configuration.
fn configure(node: &Node, from: &str, to: &str) {
    let file = node.dir.path().join("bgp-agent.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

fn routes(node: &Node, family: &str, table: u32) -> Vec<String> {
    let text = node.ip(&format!("{family} route show table {table}"));
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// Routes of the table of `bgp_vrf`: one through a gateway and one of BGP, per family.
fn fill_vrf_table(node: &Node) {
    for route in [
        "-4 route add 10.1.0.0/24 via 192.0.2.1 table 10",
        "-4 route add 10.2.0.0/24 via 192.0.2.1 proto bgp table 10",
        "-6 route add 2001:db8:1::/64 via 2001:db8:ffff::1 table 10",
        "-6 route add 2001:db8:2::/64 via 2001:db8:ffff::1 proto bgp table 10",
    ] {
        node.ip(route);
    }
}

#[test]
fn b009_the_vrf_table_is_cleared_at_start_when_that_is_asked_for() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (_nb, mut node) = lab();
    fill_vrf_table(&node);
    node.start_agent();
    for family in ["-4", "-6"] {
        assert_eq!(routes(&node, family, 10).len(), 2, "not asked for");
    }
    node.kill_agent();
    let asked = "[DEFAULT]\nclear_vrf_routes_on_startup = true\n";
    configure(&node, "[DEFAULT]\n", asked);
    node.start_agent();
    for family in ["-4", "-6"] {
        let left = routes(&node, family, 10);
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains("proto bgp"), "{left:?}");
    }
    let log = node.log();
    assert!(
        log.contains("cleared the routes of bgp_vrf_table_id"),
        "{log}"
    );
}

#[test]
fn b019_without_a_router_id_all_but_the_sessions_goes_on() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    configure(
        &node,
        &format!("bgp_router_id = {NODE}\n"),
        "debug = true\n",
    );
    node.ip(&format!("address del {NODE}/24 dev up0"));
    node.start_agent();
    node.expect_wired("to 172.24.4.10 lookup", true);
    let problem = node.json(&["show", "summary"])["problem"].to_string();
    assert!(problem.contains("set bgp_router_id"), "{problem}");
    // After a first attempt in vain what OVN wants is still followed.
    node.wait_for_log("nothing is advertised yet, still");
    nb.transact(&cloud::boot(Vm(11))).unwrap();
    node.expect_wired("to 172.24.4.11 lookup", true);
    nb.transact(&cloud::delete(Vm(10))).unwrap();
    node.expect_wired("172.24.4.10", false);
    assert_eq!(node.history(), []);

    node.ip(&format!("address add {NODE}/24 dev up0"));
    node.expect(&["172.24.4.11"]);
    let log = node.log();
    let errors = log.lines().filter(|line| line.contains("ERROR"));
    assert_eq!(errors.count(), 1, "{log}");
    assert!(log.contains(&format!("router_id={NODE}")), "{log}");
    let summary = node.json(&["show", "summary"]);
    assert_eq!(summary["problem"], serde_json::Value::Null, "{summary}");
}

#[test]
fn b033_without_a_default_route_of_the_host_a_pass_succeeds() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.start_agent();
    node.expect(&["172.24.4.10"]);
    for family in ["-4", "-6"] {
        let defaults = node.ip(&format!("{family} route show default"));
        assert_eq!(defaults.trim(), "", "the host has a default route");
    }
    let wiring = node.wiring();
    node.kill_agent();
    let table = node.table();
    // What somebody left in the bridge's table, through a gateway and not (D7).
    node.ip(&format!("route add 172.24.4.66/32 dev br-ex table {table}"));
    node.ip(&format!(
        "route add 172.24.4.67/32 via 192.0.2.1 table {table}"
    ));
    node.start_agent();
    node.expect(&["172.24.4.10"]);
    node.expect_wired("172.24.4.66", false);
    node.expect_wired("172.24.4.67", false);
    assert_eq!(node.wiring(), wiring);
}
