//! b056: a thousand ports. No process is forked for them, what happens meanwhile is not kept waiting,
//! and memory stays small.
#![allow(
    clippy::disallowed_methods,
    reason = "the test runs programs; the agent forks nothing"
)]

mod agent_node;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agent_node::cloud;
use agent_node::*;
use interop::{Need, require};
use ipnet::IpNet;
use serde_json::{Value, json};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("ip"),
    Need::Program("ovs-vswitchd"),
    Need::Program("ovsdb-server"),
];

const PORTS: u32 = 1000;
/// Generous: a debug build, on a machine that may be busy with other tests. The Python agent needs
/// 15 s for 200 ports, and serves nothing meanwhile.
const PROMPTLY: Duration = Duration::from_secs(3);
/// What the process has written to, without the pages of the program itself: a debug build's are some
/// 30 MB. A release build is to need less than 25 MB with them.
const MOST_MEMORY_KB: u64 = 15 * 1024;

/// A connection of our own: a thousand ports are more than `ovsdb-client` takes as an argument.
struct Database(UnixStream);

impl Database {
    fn open(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(stream)
    }

    /// Runs a transaction; returns when it was committed.
    fn commit(&mut self, operations: Vec<Value>) -> Instant {
        let mut params = vec![json!("OVN_Northbound")];
        params.extend(operations);
        let request = json!({"method": "transact", "params": params, "id": 1});
        self.0.write_all(request.to_string().as_bytes()).unwrap();
        let (mut text, mut chunk) = (Vec::new(), [0; 65536]);
        loop {
            let read = self.0.read(&mut chunk).unwrap();
            assert!(read > 0, "the database closed the connection");
            text.extend_from_slice(&chunk[..read]);
            if let Ok(reply) = serde_json::from_slice::<Value>(&text) {
                let results = reply["result"].as_array().unwrap();
                let failed = results.iter().find(|r| r.get("error").is_some());
                assert_eq!(failed, None);
                return Instant::now();
            }
        }
    }
}

fn address(port: u32) -> IpNet {
    let base = u32::from(Ipv4Addr::new(172, 24, 8, 0));
    IpNet::from(std::net::IpAddr::V4(Ipv4Addr::from(base + port)))
}

/// These ports appear on the provider network, bound here and up.
fn appear(ports: impl Iterator<Item = u32>) -> Vec<Value> {
    let network = &cloud::provider_network()[2];
    let (row, name) = (&network["uuid"], &network["row"]["name"]);
    let mut uuids = Vec::new();
    let mut operations = Vec::new();
    for port in ports {
        let [_, _, high, low] = port.to_be_bytes();
        let ip = address(port).addr();
        let uuid_name = format!("port{port}");
        uuids.push(json!(["named-uuid", uuid_name]));
        operations.push(json!({
            "op": "insert", "table": "Logical_Switch_Port", "uuid-name": uuid_name, "row": {
                "name": format!("vm-{port}"), "enabled": true, "up": true,
                "addresses": format!("fa:16:3e:77:{high:02x}:{low:02x} {ip}"),
                "options": ["map", [["requested-chassis", "host-1"]]],
                "external_ids": ["map", [
                    ["neutron:cidrs", format!("{ip}/16")],
                    ["neutron:device_owner", "compute:nova"],
                    ["neutron:host_id", "host-1"],
                    ["neutron:network_name", name]]]}}));
    }
    operations.push(json!({
        "op": "mutate", "table": "Logical_Switch", "where": [["_uuid", "==", ["uuid", row]]],
        "mutations": [["ports", "insert", ["set", uuids]]]}));
    operations
}

fn down(port: u32) -> Vec<Value> {
    vec![
        json!({"op": "update", "table": "Logical_Switch_Port", "row": {"up": false},
               "where": [["name", "==", format!("vm-{port}")]]}),
    ]
}

/// Waits until exactly these ports are at the peer.
fn expect_ports(node: &Node, wanted: &BTreeSet<IpNet>) {
    let all = node.peer().wait(DEADLINE, |table| {
        table.routes.keys().eq(wanted.iter()).then_some(())
    });
    let got = node.peer().with(|table| table.routes.len());
    assert!(all.is_some(), "{got} routes at the peer\n{}", node.log());
}

/// Fails if the agent has, or ever had, a child, or is larger than it may be. Prints the figures.
fn check_process(node: &Node, what: &str) {
    let agent = node.agent.as_ref().unwrap();
    assert!(!has_forked(agent.pid()), "the agent has forked");
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let (own, all) = (field(&status, "RssAnon:"), field(&status, "VmRSS:"));
    println!("{what}: {own} kB of its own, {all} kB with the program's text");
    assert!(own < MOST_MEMORY_KB, "{own} kB");
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// True if a process has children, dead or alive, or has waited for one: the faults and the time of
/// those are added to `cminflt`, `cmajflt`, `cutime` and `cstime` of its parent (proc_pid_stat(5)).
fn has_forked(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let ignored = status
        .lines()
        .find_map(|l| l.strip_prefix("SigIgn:"))
        .unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    let chld = 1 << (libc::SIGCHLD - 1);
    assert_eq!(
        ignored & chld,
        0,
        "children that nobody waits for do not count"
    );
    let own = stat(pid).expect("the agent runs");
    let of_children = [8, 10, 13, 14].map(|at: usize| own[at].as_str());
    let pid = pid.to_string();
    of_children != ["0"; 4] || processes().any(|stat| stat[1] == pid)
}

/// The fields behind the name: state, parent, …
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn processes() -> impl Iterator<Item = Vec<String>> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(stat)
}

#[test]
fn a_process_that_has_forked_is_told_from_one_that_has_not() {
    for (script, forked) in [
        ("echo ready; read line", false),
        ("/bin/true; echo ready; read line", true),
        ("sleep 60 & echo ready; read line; kill $!", true),
    ] {
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut word = [0; 6];
        shell
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut word)
            .unwrap();
        let seen = has_forked(shell.id());
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(seen, forked, "{script}");
    }
}

#[test]
fn b056_a_thousand_ports_that_appear_at_once_hold_nothing_up() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (nb, mut node) = lab();
    let mut database = Database::open(&nb.socket());
    database.commit(appear(0..1));
    node.start_agent();
    expect_ports(&node, &BTreeSet::from([address(0)]));
    node.peer().forget();

    let all_at = database.commit(appear(1..PORTS));
    // While the agent is at it: one port more, and one less.
    let one_at = database.commit(appear(PORTS..=PORTS));
    database.commit(down(0));
    let wanted: BTreeSet<IpNet> = (1..=PORTS).map(address).collect();
    expect_ports(&node, &wanted);
    let arrived = |port| node.peer().with(|table| table.routes[&address(port)].at);
    let last = node
        .peer()
        .with(|table| table.routes.values().map(|r| r.at).max().unwrap());
    let (one, all) = (arrived(PORTS) - one_at, last - all_at);
    println!(
        "{PORTS} ports at the peer after {all:?}, the one committed behind them after {one:?}"
    );
    assert!(one < PROMPTLY, "{one:?}");
    assert_eq!(node.withdrawn(), [address(0)], "nothing else flaps");
    assert_eq!(node.announced().len(), wanted.len(), "each once");
    check_process(&node, "after 1,000 ports at once");
}

#[test]
fn b056_a_change_during_the_first_pass_over_a_thousand_ports_is_served() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let (nb, mut node) = lab();
    let mut database = Database::open(&nb.socket());
    database.commit(appear(0..PORTS));
    node.launch_agent();
    node.wait_for_log("connected to OVN_Northbound");
    let one_at = database.commit(appear(PORTS..=PORTS));
    let during = !node.log().contains("BGP Agent Started...");
    let wanted: BTreeSet<IpNet> = (0..=PORTS).map(address).collect();
    expect_ports(&node, &wanted);
    let one = node.peer().with(|table| table.routes[&address(PORTS)].at) - one_at;
    println!(
        "a change {} the first pass is at the peer after {one:?}",
        if during { "during" } else { "after" }
    );
    assert!(one < PROMPTLY, "{one:?}");
    assert_eq!(node.withdrawn(), []);
    // The node is wired for all of them, by what the kernel says.
    let table = node.table();
    let rules = node.ip("-4 rule show");
    let to_us = rules
        .lines()
        .filter(|l| l.contains(&format!("lookup {table}")));
    assert_eq!(to_us.count(), wanted.len());
    check_process(&node, "after a start with 1,000 ports");
}
