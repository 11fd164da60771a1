//! The node beside an FRR that keeps the sessions: `bgp_backend = frr-peer` whole, and what of
//! `bgp_backend = frr` shows on a kernel without VRF devices (`tests/frr_backend_vm.rs` has the rest).

mod agent_node;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::frr::Frr;
use interop::requirement::is_met;
use interop::{Need, wait_until};

/// The node's own FRR, with the session to the leaf.
const FRR_CONFIG: &str = "\
router bgp 64999
 bgp router-id 192.0.2.2
 no bgp default ipv4-unicast
 neighbor 192.0.2.1 remote-as internal
 neighbor 192.0.2.1 timers connect 1
 neighbor 192.0.2.1 advertisement-interval 0
 address-family ipv4 unicast
  neighbor 192.0.2.1 activate
  neighbor 192.0.2.1 next-hop-self
 exit-address-family
 address-family ipv6 unicast
  neighbor 192.0.2.1 activate
  neighbor 192.0.2.1 next-hop-self
 exit-address-family
";

/// A lab whose agent has this backend, and no neighbour of its own.
fn beside(backend: &str) -> Option<(interop::ovsdb::OvsdbServer, Node)> {
    if !can_run() || !is_met(&[Need::Program("/usr/lib/frr/bgpd")]) {
        return None;
    }
    let (nb, node) = lab();
    let file = node.dir.path().join("bgp-agent.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.split("[bgp_neighbor").next().unwrap();
    std::fs::write(&file, text).unwrap();
    configure(&node, backend);
    Some((nb, node))
}

fn configure(node: &Node, backend: &str) {
    let file = node.dir.path().join("bgp-agent.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept = text
        .lines()
        .filter(|line| !line.starts_with("bgp_backend") && !line.starts_with("frr_vty_socket"));
    let text: Vec<&str> = kept.collect();
    std::fs::write(&file, text.join("\n") + "\n").unwrap();
    let sockets = frr_dir(node);
    node.configure(&format!(
        "bgp_backend = {backend}\nfrr_vty_socket = {}/",
        sockets.display()
    ));
}

fn frr_dir(node: &Node) -> std::path::PathBuf {
    node.dir.path().join("frr")
}

fn start_frr(node: &Node) -> Frr {
    let daemons = ["zebra", "bgpd"];
    Frr::start_daemons(&node.place, &frr_dir(node), FRR_CONFIG, &daemons).unwrap()
}

fn running(frr: &Frr) -> String {
    frr.vtysh("show running-config").unwrap()
}

fn wait(node: &Node, what: &str, holds: impl FnMut() -> bool) {
    let waited = wait_until(DEADLINE, what, holds);
    assert!(waited.is_ok(), "{what}: the agent said\n{}", node.log());
}

#[test]
fn frr_announces_what_it_is_fed_with_itself_as_next_hop() {
    let Some((nb, mut node)) = beside("frr-peer") else {
        return;
    };
    let mut frr = start_frr(&node);
    nb.transact(&cloud::boot_with(
        Vm(10),
        &["172.24.4.10", "2001:db8:100::10"],
    ))
    .unwrap();
    node.start_agent();
    node.expect(&["172.24.4.10", "2001:db8:100::10"]);
    let hop = |address: &str| {
        let prefix = host(address);
        node.peer().with(|table| {
            let route = &table.routes[&prefix];
            (route.next_hop, route.as_path.clone())
        })
    };
    assert_eq!(
        hop("172.24.4.10"),
        (NODE.into(), vec![]),
        "as if it were FRR's own"
    );
    assert_eq!(
        hop("2001:db8:100::10").0,
        "2001:db8:ffff::2".parse::<std::net::IpAddr>().unwrap()
    );
    let main = node.ip("route show table main");
    assert!(
        !main.contains("172.24.4.10"),
        "FRR keeps it out of the kernel: {main}"
    );
    let summary = node.json(&["show", "summary"]);
    assert_eq!(summary["frr"], "configured as it should be", "{summary}");

    nb.transact(&cloud::boot(Vm(11))).unwrap();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::10"]);
    nb.transact(&cloud::delete(Vm(10))).unwrap();
    node.expect(&["172.24.4.11"]);

    // b018: FRR comes back without the session, and is told again.
    frr.kill("bgpd");
    nb.transact(&cloud::delete(Vm(11))).unwrap();
    nb.transact(&cloud::boot(Vm(12))).unwrap();
    // A leaf that remembers nothing.
    node.stop_peer();
    node.start_peer();
    frr.revive("bgpd").unwrap();
    node.expect(&["172.24.4.12"]);
}

/// A VM's port says this of its route.
fn say(nb: &interop::ovsdb::OvsdbServer, vm: Vm, said: &[(&str, &str)]) {
    let pairs: Vec<_> = said
        .iter()
        .map(|(key, value)| serde_json::json!([key, value]))
        .collect();
    nb.transact(&serde_json::json!(["OVN_Northbound", {
        "op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", vm.name()]],
        "mutations": [["external_ids", "insert", ["map", pairs]]]}]))
        .unwrap();
}

const ALL_SAID: [(&str, &str); 3] = [
    ("bgp:communities", "65000:7 65000:1:2"),
    ("bgp:med", "5"),
    ("bgp:local-pref", "200"),
];

#[test]
fn frr_passes_on_communities_and_med_and_the_agent_says_what_it_is_not_told() {
    let Some((nb, mut node)) = beside("frr-peer") else {
        return;
    };
    let _frr = start_frr(&node);
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    say(&nb, Vm(10), &ALL_SAID);
    node.start_agent();
    node.expect(&["172.24.4.10"]);
    let told = || {
        let prefix = host("172.24.4.10");
        node.peer()
            .with(|table| table.routes[&prefix].others.clone())
    };
    wait(&node, "the community", || told().contains_key(&8));
    let told = told();
    assert_eq!(told[&8], [0xfd, 0xe8, 0, 7]);
    assert_eq!(told[&32], [0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(told[&4], [0, 0, 0, 5]);
    assert_eq!(told[&5], [0, 0, 0, 100], "FRR's own");
    let line = "not all of what policies say of 172.24.4.10/32 is told";
    assert_eq!(node.log().matches(line).count(), 1, "{}", node.log());
    node.says(&["reload"]);
    node.wait_for_log_again(line, 2);
}

#[test]
fn with_frr_as_backend_policies_are_frrs_route_map_and_what_is_withheld_is_not_wired() {
    const MAP: &str = "ovn-bgp-agent-policy";
    let Some((nb, mut node)) = beside("frr") else {
        return;
    };
    let frr = start_frr(&node);
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    nb.transact(&cloud::boot(Vm(11))).unwrap();
    say(&nb, Vm(10), &ALL_SAID);
    node.start_agent();
    node.expect_wired("to 172.24.4.10 lookup", true);
    wait(&node, "the route map", || {
        let text = running(&frr);
        [
            "permit 172.24.4.10/32",
            "set community 65000:7",
            "set large-community 65000:1:2",
            "set metric 5",
            "set local-preference 200",
            "redistribute connected route-map ovn-bgp-agent-policy",
        ]
        .iter()
        .all(|line| text.contains(line))
    });
    assert!(!node.log().contains("is told ("), "{}", node.log());
    // An agent that starts again does not know for a while, and leaves it.
    node.kill_agent();
    let before = running(&frr);
    node.start_agent();
    wait(&node, "a word of FRR", || {
        node.json(&["show", "summary"])["frr"] == "configured as it should be"
    });
    assert_eq!(running(&frr), before);

    say(&nb, Vm(11), &[("bgp:advertise", "false"), ("bgp:med", "7")]);
    node.expect_wired("to 172.24.4.11 lookup", false);
    assert!(!running(&frr).contains("172.24.4.11"));
    // FRR keeps a route with this community to itself.
    say(&nb, Vm(11), &[("bgp:communities", "no-advertise")]);
    nb.transact(&serde_json::json!(["OVN_Northbound", {
        "op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", Vm(11).name()]],
        "mutations": [["external_ids", "delete", ["set", ["bgp:advertise"]]]]}]))
        .unwrap();
    node.wait_for_log("not all of what policies say of 172.24.4.11/32 is told");
    nb.transact(&cloud::delete(Vm(11))).unwrap();
    nb.transact(&cloud::delete(Vm(10))).unwrap();
    wait(&node, "its end", || !running(&frr).contains(MAP));
}

#[test]
fn another_backend_takes_the_neighbour_away_again() {
    let Some((nb, mut node)) = beside("frr-peer") else {
        return;
    };
    let frr = start_frr(&node);
    let before = running(&frr);
    let lo = node.ip("address show dev lo");
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.start_agent();
    node.expect(&["172.24.4.10"]);
    assert_ne!(running(&frr), before);
    assert_ne!(node.ip("address show dev lo"), lo);
    node.kill_agent();
    configure(&node, "embedded");
    node.start_agent();
    // No neighbour comes, so it takes a while until what was left is not waited for any more.
    let patience = std::time::Duration::from_secs(60);
    let swept = || running(&frr) == before && node.ip("address show dev lo") == lo;
    let waited = wait_until(patience, "nothing of it left", swept);
    assert!(waited.is_ok(), "{}\n{}", running(&frr), node.log());
}

#[test]
fn without_vrf_devices_the_wiring_goes_on_and_the_reason_is_told() {
    let Some((nb, mut node)) = beside("frr") else {
        return;
    };
    if node
        .namespace
        .ip("link add vrf-probe type vrf table 99")
        .is_ok()
    {
        node.ip("link del vrf-probe");
        return;
    }
    nb.transact(&cloud::boot(Vm(10))).unwrap();
    node.start_agent();
    node.expect_wired("to 172.24.4.10 lookup", true);
    let addresses = node.ip("address show");
    assert!(
        !addresses.contains("172.24.4.10"),
        "the node's own: {addresses}"
    );
    let summary = node.json(&["show", "summary"]);
    let frr = summary["frr"].as_str().unwrap();
    assert!(frr.contains("bgpd does not run"), "{summary}");
    let frr = start_frr(&node);
    wait(&node, "the reason", || {
        let summary = node.json(&["show", "summary"]);
        let problem = summary["problem"].as_str().unwrap_or_default();
        problem.contains("bgp-vrf") || problem.contains("bgp-nic")
    });
    let text = running(&frr);
    assert!(
        text.contains("import vrf bgp-vrf"),
        "FRR is ready for it: {text}"
    );
    let explained = node.says(&["explain", "172.24.4.10"]);
    assert!(!explained.contains("is advertised"), "{explained}");
}

#[test]
fn check_names_what_is_wrong_with_frr() {
    let Some((_nb, node)) = beside("frr") else {
        return;
    };
    let said = |node: &Node| {
        let output = node.run(&["check"]);
        String::from_utf8(output.stdout).unwrap()
    };
    let missing = said(&node);
    assert!(
        missing.contains("bgpd.vty: nothing listens there"),
        "{missing}"
    );
    let _frr = start_frr(&node);
    let fine = said(&node);
    assert!(!fine.contains("bgpd") && !fine.contains("[frr-"), "{fine}");
    node.configure("frr_vtysh = /nonexistent");
    let program = said(&node);
    assert!(program.contains("/nonexistent cannot be run"), "{program}");
}
