//! Policies on a node: what rows of OVN and the policy file say of single routes, at the peer, in the kernel and
//! to the operator.

mod agent_node;

use std::collections::BTreeMap;

use agent_node::cloud::{self, Vm};
use agent_node::*;
use interop::collector::Event;
use interop::frr::Frr;
use interop::ovsdb::OvsdbServer;
use interop::requirement::is_met;
use interop::{Need, Place, wait_until};
use ipnet::IpNet;
use serde_json::{Value, json};

const VM: Vm = Vm(10);
const ADDRESS: &str = "172.24.4.10";
const OTHERS: [&str; 2] = ["172.24.4.11", "2001:db8:100::11"];
const ALL: [&str; 3] = [ADDRESS, OTHERS[0], OTHERS[1]];
const NETWORK: &str = "neutron-56c5d71b-4df8-41c4-a89b-b7bad3fec987";

const MED: u8 = 4;
const LOCAL_PREF: u8 = 5;
const COMMUNITIES: u8 = 8;
const EXTENDED_COMMUNITIES: u8 = 16;
const LARGE_COMMUNITIES: u8 = 32;

/// The row of this name says this in a column, and nothing else of ours.
fn say_in(nb: &OvsdbServer, table: &str, name: &str, column: &str, said: &[(&str, &str)]) {
    let keys = [
        "bgp:advertise",
        "bgp:communities",
        "bgp:local-pref",
        "bgp:med",
        "dynamic-routing-advertise",
    ];
    let key = if table == "NAT" {
        "external_ip"
    } else {
        "name"
    };
    let pairs: Vec<Value> = said
        .iter()
        .map(|(key, value)| json!([key, value]))
        .collect();
    nb.transact(&json!(["OVN_Northbound", {
        "op": "mutate", "table": table, "where": [[key, "==", name]],
        "mutations": [[column, "delete", ["set", keys]], [column, "insert", ["map", pairs]]]}]))
        .unwrap();
}

fn say(nb: &OvsdbServer, table: &str, name: &str, said: &[(&str, &str)]) {
    say_in(nb, table, name, "external_ids", said);
}

fn vm_says(nb: &OvsdbServer, said: &[(&str, &str)]) {
    say(nb, "Logical_Switch_Port", &VM.name(), said);
}

/// What the peer was told of an address beyond its path and next hop.
fn others(node: &Node, address: &str) -> Option<BTreeMap<u8, Vec<u8>>> {
    let prefix = host(address);
    let route = |table: &interop::collector::Table| Some(table.routes.get(&prefix)?.others.clone());
    node.peer().with(route)
}

fn wait(node: &Node, what: &str, holds: impl FnMut() -> bool) {
    if let Err(error) = wait_until(DEADLINE, what, holds) {
        panic!("{error}; the peer heard {:?}", node.history());
    }
}

/// Waits until the peer has an attribute of an address with this value, or without it.
fn expect(node: &Node, address: &str, attribute: u8, value: Option<&[u8]>) {
    let what = format!("attribute {attribute} of {address} is {value:?}");
    wait(node, &what, || {
        others(node, address).is_some_and(|all| all.get(&attribute).map(Vec::as_slice) == value)
    });
}

fn wired(node: &Node, address: &str) -> bool {
    let line = format!("to {address} lookup");
    node.wiring().iter().any(|rule| rule.contains(&line))
}

/// What concerns this prefix in a list of `plan --json` or `show exposures --json`.
fn entry(list: &Value, address: &str) -> Value {
    let prefix = host(address).to_string();
    let entries = list.as_array().unwrap().iter();
    let mut found = entries.filter(|entry| entry["prefix"] == *prefix);
    found.next().unwrap_or(&Value::Null).clone()
}

fn policy_file(node: &Node, text: &str) -> std::path::PathBuf {
    let path = node.dir.path().join("policy.conf");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn what_a_port_says_reaches_the_peer_and_changes_without_a_withdrawal() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab_with_two_vms();
    let plain = others(&node, ADDRESS).unwrap();
    node.peer().forget();
    vm_says(
        &nb,
        &[
            ("bgp:communities", "65000:7 no-export 65000:1:2 rt:65000:9"),
            ("bgp:local-pref", "200"),
            ("bgp:med", "5"),
        ],
    );
    expect(&node, ADDRESS, MED, Some(&[0, 0, 0, 5]));
    expect(&node, ADDRESS, LOCAL_PREF, Some(&[0, 0, 0, 200]));
    let standard = [0xfd, 0xe8, 0, 7, 0xff, 0xff, 0xff, 0x01];
    expect(&node, ADDRESS, COMMUNITIES, Some(&standard));
    let large = [0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 0, 0, 0, 2];
    expect(&node, ADDRESS, LARGE_COMMUNITIES, Some(&large));
    let extended = [0, 2, 0xfd, 0xe8, 0, 0, 0, 9];
    expect(&node, ADDRESS, EXTENDED_COMMUNITIES, Some(&extended));
    vm_says(&nb, &[("bgp:med", "6")]);
    expect(&node, ADDRESS, MED, Some(&[0, 0, 0, 6]));
    expect(&node, ADDRESS, COMMUNITIES, None);
    vm_says(&nb, &[]);
    wait(&node, "nothing special is told", || {
        others(&node, ADDRESS).as_ref() == Some(&plain)
    });
    let heard = node.history();
    let announced = Event::Announced(host(ADDRESS));
    assert_eq!(heard, vec![announced; 3], "its own address, once for each");
    assert!(wired(&node, ADDRESS));
}

#[test]
fn a_port_that_says_no_is_neither_advertised_nor_wired_and_the_row_is_named() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab_with_two_vms();
    node.peer().forget();
    vm_says(&nb, &[("bgp:advertise", "false")]);
    node.expect(&OTHERS);
    node.expect_wired(&format!("to {ADDRESS} lookup"), false);
    assert!(wired(&node, OTHERS[0]));
    assert_eq!(node.history(), [Event::Withdrawn(host(ADDRESS))]);
    let plan = node.json(&["plan"]);
    let withheld = entry(&plan["withheld"], ADDRESS);
    assert_eq!(withheld["code"], "policy");
    let why = format!(
        "Logical_Switch_Port {} external_ids:bgp:advertise is false",
        VM.name()
    );
    assert_eq!(withheld["reason"], *why);
    assert_eq!(plan["changes"], json!([]));
    let told = node.says(&["explain", ADDRESS]);
    assert!(told.contains(&format!("{why} [policy]")), "{told}");
    vm_says(&nb, &[]);
    node.expect(&ALL);
    node.expect_wired(&format!("to {ADDRESS} lookup"), true);
}

#[test]
fn plan_explain_and_show_say_what_is_told_and_who_said_so() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab_with_two_vms();
    say(&nb, "Logical_Switch", NETWORK, &[("bgp:med", "5")]);
    vm_says(&nb, &[("bgp:communities", "65000:7")]);
    expect(&node, ADDRESS, COMMUNITIES, Some(&[0xfd, 0xe8, 0, 7]));
    expect(&node, OTHERS[0], MED, Some(&[0, 0, 0, 5]));
    let rule = format!(
        "Logical_Switch_Port {} external_ids:bgp:communities; Logical_Switch {NETWORK} \
         external_ids:bgp:med",
        VM.name()
    );
    let attributes = json!({"communities": ["65000:7"], "med": 5});
    let plan = node.json(&["plan"]);
    let shown = node.json(&["show", "exposures"]);
    for list in [&plan["exposures"], &shown["exposures"]] {
        let entry = entry(list, ADDRESS);
        assert_eq!(entry["policy"], *rule);
        assert_eq!(entry["attributes"], attributes);
    }
    let told = node.says(&["explain", ADDRESS]);
    let step = format!("communities 65000:7, MED 5, by {rule}");
    assert!(told.contains(&step), "{told}");
}

#[test]
fn a_bad_value_is_told_once_and_the_others_hold() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab_with_two_vms();
    vm_says(&nb, &[("bgp:med", "many"), ("bgp:local-pref", "7")]);
    expect(&node, ADDRESS, LOCAL_PREF, Some(&[0, 0, 0, 7]));
    expect(&node, ADDRESS, MED, None);
    let line = "column external_ids: key bgp:med: 'many' is not accepted";
    node.wait_for_log(line);
    nb.transact(&cloud::up(VM, false)).unwrap();
    node.expect(&OTHERS);
    assert_eq!(node.log().matches(line).count(), 1, "{}", node.log());
}

#[test]
fn a_floating_ip_obeys_its_nat_row_and_ovns_own_key() {
    if !can_run() {
        return;
    }
    let (nb, node) = lab_with_two_vms();
    let floating = "172.24.4.200";
    nb.transact(&cloud::associate(VM, floating)).unwrap();
    let with = [&ALL[..], &[floating]].concat();
    node.expect(&with);
    let nat = |said: &[(&str, &str)]| say_in(&nb, "NAT", floating, "options", said);
    nat(&[("dynamic-routing-advertise", "false")]);
    node.expect(&ALL);
    let withheld = entry(&node.json(&["plan"])["withheld"], floating);
    assert_eq!(withheld["code"], "policy");
    let why = withheld["reason"].as_str().unwrap();
    assert!(
        why.ends_with(" options:dynamic-routing-advertise is false"),
        "{why}"
    );
    assert!(why.starts_with("NAT "), "{why}");
    say(
        &nb,
        "NAT",
        floating,
        &[("bgp:advertise", "true"), ("bgp:med", "9")],
    );
    node.expect(&with);
    expect(&node, floating, MED, Some(&[0, 0, 0, 9]));
    expect(&node, ADDRESS, MED, None);
}

#[test]
fn the_policy_file_is_taken_over_by_a_reload_and_a_missing_one_changes_nothing() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(VM)).unwrap();
    nb.transact(&cloud::boot_with(Vm(11), &OTHERS)).unwrap();
    let text = "[expose port]\nport = NAME\nmed = 3\nmed x\n\
                [expose six]\ncidr = 2001:db8::/32\nkind = provider\nlocal_pref = 50\n";
    let path = policy_file(&node, &text.replace("NAME", &VM.name()));
    node.configure(&format!("exposure_policy_file = {}", path.display()));
    node.start_agent();
    node.expect(&ALL);
    expect(&node, ADDRESS, MED, Some(&[0, 0, 0, 3]));
    expect(&node, OTHERS[1], LOCAL_PREF, Some(&[0, 0, 0, 50]));
    expect(&node, OTHERS[0], MED, None);
    let broken = format!("{}:4: neither '=' nor ':'", path.display());
    assert!(node.log().contains(&broken), "{}", node.log());
    let plan = node.json(&["plan"]);
    let rule = format!("[expose port] med of {}", path.display());
    assert_eq!(entry(&plan["exposures"], ADDRESS)["policy"], *rule);

    node.peer().forget();
    let text = format!(
        "[expose net]\nnetwork = {}\nmed = 4\n",
        &NETWORK["neutron-".len()..]
    );
    policy_file(&node, &text);
    let told = node.says(&["reload"]);
    assert!(
        told.contains("[expose …] of exposure_policy_file"),
        "{told}"
    );
    for address in [ADDRESS, OTHERS[0]] {
        expect(&node, address, MED, Some(&[0, 0, 0, 4]));
    }
    assert_eq!(node.withdrawn(), []);

    std::fs::remove_file(&path).unwrap();
    let output = node.run(&["reload"]);
    assert!(!output.status.success());
    expect(&node, ADDRESS, MED, Some(&[0, 0, 0, 4]));

    policy_file(
        &node,
        "[expose none]\ncidr = 172.24.4.10\nadvertise = false\n",
    );
    node.says(&["reload"]);
    node.expect(&OTHERS);
    vm_says(&nb, &[("bgp:advertise", "true")]);
    node.expect(&ALL);
    policy_file(
        &node,
        "[expose none]\ncidr = 172.24.4.10\nadvertise = false\noverride = true\n",
    );
    node.says(&["reload"]);
    node.expect(&OTHERS);

    node.kill_agent();
    std::fs::remove_file(&path).unwrap();
    let output = node.run(&[]);
    assert!(!output.status.success(), "a missing file refuses the start");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("policy.conf"), "{errors}");
}

#[test]
fn a_restart_announces_the_same_and_withdraws_nothing() {
    if !can_run() {
        return;
    }
    let (nb, mut node) = lab_with_two_vms();
    vm_says(
        &nb,
        &[
            ("bgp:communities", "65000:7 65000:1:2 rt:65000:9"),
            ("bgp:med", "5"),
        ],
    );
    expect(&node, ADDRESS, MED, Some(&[0, 0, 0, 5]));
    let before = others(&node, ADDRESS);
    node.peer().forget();
    node.kill_agent();
    node.start_agent();
    node.expect_end_of_rib(1);
    assert_eq!(others(&node, ADDRESS), before);
    assert_eq!(node.withdrawn(), []);
}

/// FRR on the leaf.
const LEAF_CONFIG: &str = "\
router bgp 64999
 bgp router-id 192.0.2.1
 no bgp default ipv4-unicast
 neighbor 192.0.2.2 remote-as internal
 neighbor 192.0.2.2 timers connect 1
 address-family ipv4 unicast
  neighbor 192.0.2.2 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 192.0.2.2 activate
 exit-address-family
";

#[test]
fn frr_on_the_leaf_reads_what_was_said() {
    if !can_run() || !is_met(&[Need::Program("/usr/lib/frr/bgpd")]) {
        return;
    }
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(VM)).unwrap();
    node.stop_peer();
    let place = Place::inside(&node.leaf);
    let dir = node.dir.path().join("leaf");
    let frr = Frr::start_daemons(&place, &dir, LEAF_CONFIG, &["zebra", "bgpd"]).unwrap();
    vm_says(
        &nb,
        &[
            ("bgp:communities", "65000:7 no-export 65000:1:2 soo:65000:9"),
            ("bgp:local-pref", "200"),
            ("bgp:med", "5"),
        ],
    );
    node.start_agent();
    let path = || frr_path(&frr, host(ADDRESS));
    wait_until(DEADLINE, "FRR has the route", || !path().is_null()).unwrap();
    let told = path();
    assert_eq!(told["locPrf"], 200, "{told:#}");
    assert_eq!(told["metric"], 5);
    assert_eq!(told["community"]["string"], "65000:7 no-export");
    assert_eq!(told["largeCommunity"]["string"], "65000:1:2");
    assert_eq!(told["extendedCommunity"]["string"], "SoO:65000:9");
    vm_says(&nb, &[("bgp:communities", "graceful-shutdown")]);
    let shutdown = || path()["community"]["string"] == "graceful-shutdown";
    wait_until(DEADLINE, "FRR has the other community", shutdown).unwrap();
    assert!(path().get("largeCommunity").is_none());
    vm_says(&nb, &[("bgp:advertise", "false")]);
    wait_until(DEADLINE, "FRR has no route", || path().is_null()).unwrap();
}

/// FRR's one path to a prefix.
fn frr_path(frr: &Frr, prefix: IpNet) -> Value {
    let text = frr.vtysh(&format!("show bgp ipv4 unicast {prefix} json"));
    let json: Value = serde_json::from_str(&text.unwrap()).unwrap_or_default();
    json["paths"][0].clone()
}
