//! Every topology of `interop/topologies` with the agent: each leaf ends with the agent's routes, whichever router it is.
#![allow(
    clippy::disallowed_methods,
    reason = "a lab runs other people's programs"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use interop::runner::Lab;
use interop::topology::Topology;
use interop::{Need, PATIENCE, agent_binary, require, wait_until};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Trixie,
    Need::Agent,
    Need::Program("ovs-vswitchd"),
];

/// The VMs of `topologies/central/network.sh`: address, and the chassis' address towards the leaf.
const VM1: [(&str, &str); 2] = [
    ("172.24.4.11", "10.0.1.2"),
    ("2001:db8:100::11", "fd00:1::2"),
];
const VM2: [(&str, &str); 2] = [
    ("172.24.4.12", "10.0.2.2"),
    ("2001:db8:100::12", "fd00:2::2"),
];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("topologies")
        .join(name)
}

fn play(name: &str) -> Lab {
    let topology = Topology::read(&file(name)).unwrap();
    Lab::up(&topology, Some(&agent_binary())).unwrap()
}

/// Waits until the leaf's kernel forwards to each address by its chassis.
fn leaf_forwards(lab: &Lab, wanted: &[(&str, &str)]) {
    for (address, hop) in wanted {
        let ask = || lab.exec("leaf", &["ip", "route", "get", address]);
        let (hop, mut said) = (format!(" via {hop} "), String::new());
        let waited = wait_until(PATIENCE, &format!("{address}{hop}at the leaf"), || {
            said = ask().unwrap_or_else(|e| format!("{e:#}"));
            said.contains(&hop)
        });
        waited.unwrap_or_else(|e| panic!("{e}: {said}\n{}", lab.agent_logs()));
    }
}

#[test]
fn an_frr_10_leaf_forwards_to_the_chassis() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = play("leaf-agent.clab.yml");
    leaf_forwards(&lab, &VM1);
    let version = lab.exec("leaf", &["vtysh", "-c", "show version"]).unwrap();
    assert!(version.contains("FRRouting 10."), "{version}");
    let ports = lab
        .exec("compute1", &["ovs-vsctl", "list-ports", "br-ex"])
        .unwrap();
    assert!(ports.contains("to-br-int"), "{ports}");
}

#[test]
fn an_frr_8_leaf_forwards_to_the_chassis() {
    require!(
        NEEDS[0],
        NEEDS[1],
        NEEDS[2],
        NEEDS[3],
        Need::Program("/usr/lib/frr/bgpd")
    );
    let lab = play("leaf-agent-frr8.clab.yml");
    leaf_forwards(&lab, &VM1);
    let version = lab.exec("leaf", &["vtysh", "-c", "show version"]).unwrap();
    assert!(version.contains("FRRouting 8."), "{version}");
}

#[test]
fn each_vm_is_reached_by_its_own_chassis() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = play("two-chassis.clab.yml");
    leaf_forwards(&lab, &VM1);
    leaf_forwards(&lab, &VM2);
}

#[test]
fn a_bird_leaf_forwards_to_the_chassis() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = play("bird-leaf.clab.yml");
    leaf_forwards(&lab, &VM1);
}

/// GoBGP has no part in the kernel's routes: its own table is looked at.
#[test]
fn a_gobgp_leaf_learns_the_routes() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = play("gobgp-leaf.clab.yml");
    for ((address, hop), family) in VM1.into_iter().zip(["ipv4", "ipv6"]) {
        let ask = || lab.exec("leaf", &["gobgp", "global", "rib", "-a", family]);
        let has = |text: &str| {
            text.lines()
                .any(|l| l.contains(address) && l.contains(&format!(" {hop} ")))
        };
        let waited = wait_until(PATIENCE, &format!("{address} at the leaf"), || {
            ask().is_ok_and(|text| has(&text))
        });
        waited.unwrap_or_else(|e| panic!("{e}: {:?}\n{}", ask(), lab.agent_logs()));
    }
}

/// `lab run --vm`: the same file inside the machine with Debian 13's kernel, where everything is Debian 13's.
#[test]
fn vm_a_topology_plays_in_the_machine() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], Need::Vm);
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args(["run", "--vm", "--until", " via 10.0.1.2 ", "--agent"]);
    lab.arg(agent_binary()).arg(file("leaf-agent.clab.yml"));
    lab.args(["leaf", "ip", "route", "get", "172.24.4.11"]);
    let said = interop::output(&mut lab).unwrap();
    assert!(said.contains("172.24.4.11 via 10.0.1.2 dev eth1"), "{said}");
}
