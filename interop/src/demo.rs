//! The demo: from a row in OVN's Northbound database to a route in a leaf router's table, and back.
//!
//! ```text
//!   node (compute-1)                                leaf
//!   ┌────────────────────────────────────┐          ┌───────────┐
//!   │ ovsdb-server  NB, Open_vSwitch     │          │           │
//!   │ ovs-vswitchd  br-ex, br-int        │ 192.0.2  │    FRR    │
//!   │ ovn-bgp-agent                   up0├──────────┤down0      │
//!   └────────────────────────────────────┘ .2    .1 └───────────┘
//! ```
//!
//! The databases were written by a real Neutron (`interop/demo`). What Neutron, Nova and OVN would write next, the demo writes:
//! the agent cannot tell.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::frr::Frr;
use crate::netns::connect;
use crate::ovs::Vswitch;
use crate::ovsdb::OvsdbServer;
use crate::process::wait_until;
use crate::{Daemon, Namespace, PATIENCE, Place};

const NODE: &str = "192.0.2.2";
const LEAF: &str = "192.0.2.1";
/// The provider network in the databases, by the name Neutron gave it.
const NETWORK: &str = "neutron-56c5d71b-4df8-41c4-a89b-b7bad3fec987";
/// A VM that Neutron scheduled to compute-1 and that has no floating IP yet, and its address.
const TENANT_VM: (&str, &str) = ("1dd6725d-2306-49b7-89d4-da60becbbc20", "10.10.10.214");
/// Its router.
const ROUTER: &str = "neutron-7d874f86-cb55-46d7-b8e9-2c55117597fd";
/// A VM that the demo boots on the provider network.
const PROVIDER_VM: (&str, &str) = ("5c7a1d9e-6f5b-4b8e-9d53-0d4a3c1f2b60", "172.24.4.77");
const FLOATING_IP: &str = "172.24.4.99";

/// Plays the demo with the agent at `agent`, and says on standard output what happens.
///
/// # Errors
/// Whatever did not come out as it should.
pub fn play(agent: &Path) -> Result<()> {
    let start = Instant::now();
    let agent = agent
        .canonicalize()
        .with_context(|| format!("no agent at {}", agent.display()))?;
    let mut stage = Stage::build(&agent)?;
    stage.say("the agent starts");
    stage.start_agent()?;
    stage.expect("172.24.4.171", true)?;
    stage.expect("172.24.4.86", true)?;
    stage.say("the leaf has the floating IPs that Neutron had associated before");
    stage.print_table()?;

    stage.say(&format!(
        "Nova boots a VM on the provider network: {}",
        PROVIDER_VM.1
    ));
    stage.boot_provider_vm()?;
    stage.timed(PROVIDER_VM.1, true)?;

    stage.say(&format!(
        "Neutron associates the floating IP {FLOATING_IP} with the VM {}",
        TENANT_VM.1
    ));
    stage.associate()?;
    stage.timed(FLOATING_IP, true)?;
    stage.print_table()?;

    stage.say(&format!("explain {FLOATING_IP}"));
    println!("{}", stage.agent_says(&["explain", FLOATING_IP])?);

    stage.say(&format!("Neutron disassociates {FLOATING_IP}"));
    stage.disassociate()?;
    stage.timed(FLOATING_IP, false)?;

    stage.say("the leaf's routing table, learned from the agent");
    stage.print_table()?;
    println!("{}", stage.leaf.vtysh("show ip route bgp")?);
    let log = stage
        .agent
        .as_ref()
        .map(Daemon::log_text)
        .unwrap_or_default();
    drop(stage);
    println!(
        "the agent's log had {} lines; everything is cleaned up; {:.1} s",
        log.lines().count(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Everything that runs. Fields are dropped in order: what depends before what it depends on.
struct Stage {
    agent: Option<Daemon>,
    program: PathBuf,
    config: PathBuf,
    place: Place,
    switch: Vswitch,
    northbound: OvsdbServer,
    leaf: Frr,
    _namespaces: [Namespace; 2],
    dir: tempfile::TempDir,
    step: u32,
}

impl Stage {
    fn build(agent: &Path) -> Result<Self> {
        let dir = crate::scratch()?;
        println!("== two namespaces, a cable, a leaf router (FRR)");
        let (node, leaf) = (Namespace::new("node")?, Namespace::new("leaf")?);
        connect((&node, "up0"), (&leaf, "down0"))?;
        node.address("up0", &format!("{NODE}/24"))?;
        leaf.address("down0", &format!("{LEAF}/24"))?;
        node.forward()?;
        leaf.forward()?;
        node.private_etc("iproute2")?;
        let router = Frr::start(&Place::inside(&leaf), &dir.path().join("leaf"), LEAF_CONFIG)?;

        println!(
            "== the node's databases as Neutron, northd and ovn-controller left them, and Open vSwitch"
        );
        let place = Place::inside(&node);
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let northbound = OvsdbServer::from_file(&place, dir.path(), "nb", &data.join("nb.db.gz"))?;
        let run = dir.path().join("openvswitch");
        std::fs::create_dir(&run)?;
        let database = OvsdbServer::from_file(&place, &run, "ovs", &data.join("ovs.db.gz"))?;
        let switch = Vswitch::with(&place, &run, database)?;
        wait_until(PATIENCE, "br-ex", || node.mac("br-ex").is_ok())?;
        node.ip("link set br-ex up")?;
        print!(
            "ports of br-ex: {}",
            switch.vsctl(&["list-ports", "br-ex"])?
        );
        let config = dir.path().join("bgp-agent.conf");
        std::fs::write(&config, agent_config(dir.path(), &switch, &northbound))?;
        Ok(Self {
            agent: None,
            program: agent.to_owned(),
            config,
            place,
            switch,
            northbound,
            leaf: router,
            _namespaces: [node, leaf],
            dir,
            step: 0,
        })
    }

    fn say(&mut self, what: &str) {
        self.step += 1;
        println!("\n== {}. {what}", self.step);
    }

    fn agent_command(&self, words: &[&str]) -> Result<std::process::Command> {
        let mut command = self.place.command(&self.program.display().to_string())?;
        command.arg("--config-file").arg(&self.config).args(words);
        command.env("OVS_RUNDIR", self.switch.run_dir());
        Ok(command)
    }

    fn agent_says(&self, words: &[&str]) -> Result<String> {
        crate::output(&mut self.agent_command(words)?)
    }

    fn start_agent(&mut self) -> Result<()> {
        let mut agent = Daemon::spawn("agent", self.dir.path(), &mut self.agent_command(&[])?)?;
        agent.wait_ready(PATIENCE, || self.leaf.is_established(NODE))?;
        self.agent = Some(agent);
        Ok(())
    }

    /// Waits until the leaf has (or has not) a route to `address`, by the node.
    fn expect(&mut self, address: &str, there: bool) -> Result<()> {
        let prefix = format!("{address}/32");
        let hops: Vec<std::net::IpAddr> = if there {
            vec![NODE.parse()?]
        } else {
            Vec::new()
        };
        let leaf = &self.leaf;
        let agent = self.agent.as_mut().context("no agent runs")?;
        agent.wait_ready(PATIENCE, || {
            leaf.next_hops(&prefix).is_ok_and(|now| now == hops)
        })
    }

    /// [`Self::expect`], and says how long after the database's commit the leaf showed it.
    fn timed(&mut self, address: &str, there: bool) -> Result<()> {
        let start = Instant::now();
        self.expect(address, there)?;
        let word = if there { "is in" } else { "is gone from" };
        // vtysh takes tens of milliseconds to ask; make bench measures at the wire
        println!(
            "{address}/32 {word} the leaf's table; seen after {} ms of asking",
            start.elapsed().as_millis()
        );
        Ok(())
    }

    fn print_table(&self) -> Result<()> {
        println!("{}", self.leaf.vtysh("show bgp ipv4 unicast")?);
        Ok(())
    }

    /// The rows Neutron writes for a new port, then what OVN and Neutron write once it is plugged.
    fn boot_provider_vm(&self) -> Result<()> {
        let (name, address) = PROVIDER_VM;
        self.northbound.transact(&json!([
            "OVN_Northbound",
            {"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "port", "row": {
                "name": name, "addresses": format!("fa:16:3e:4d:00:77 {address}"), "enabled": true, "up": false,
                "options": ["map", [["requested-chassis", "compute-1"]]],
                "external_ids": ["map", [
                    ["neutron:cidrs", format!("{address}/24")],
                    ["neutron:device_owner", "compute:nova"],
                    ["neutron:network_name", NETWORK],
                    ["neutron:port_name", "demo-vm"],
                ]]}},
            {"op": "mutate", "table": "Logical_Switch", "where": [["name", "==", NETWORK]],
             "mutations": [["ports", "insert", ["named-uuid", "port"]]]},
        ]))?;
        self.northbound.transact(&json!([
            "OVN_Northbound",
            {"op": "update", "table": "Logical_Switch_Port", "where": [["name", "==", name]], "row": {"up": true}},
            {"op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", name]],
             "mutations": [["external_ids", "insert", ["map", [["neutron:host_id", "compute-1"]]]]]},
        ]))?;
        Ok(())
    }

    /// One transaction, as Neutron's: the NAT row on the router and the mark on the port.
    fn associate(&self) -> Result<()> {
        let (port, address) = TENANT_VM;
        self.northbound.transact(&json!([
            "OVN_Northbound",
            {"op": "insert", "table": "NAT", "uuid-name": "fip", "row": {
                "type": "dnat_and_snat", "external_ip": FLOATING_IP, "external_mac": "fa:16:3e:4d:00:99",
                "logical_ip": address, "logical_port": port, "gateway_port": self.gateway_port()?,
                "external_ids": ["map", [
                    ["neutron:fip_id", "0e1c2f5a-6f3d-4a6b-8a53-7c1d3f0a9b11"],
                    ["neutron:fip_external_mac", "fa:16:3e:4d:00:99"],
                    ["neutron:fip_network_id", NETWORK.trim_start_matches("neutron-")],
                    ["neutron:fip_port_id", port],
                    ["neutron:revision_number", "1"],
                    ["neutron:router_name", ROUTER],
                ]]}},
            {"op": "mutate", "table": "Logical_Router", "where": [["name", "==", ROUTER]],
             "mutations": [["nat", "insert", ["named-uuid", "fip"]]]},
            {"op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", port]],
             "mutations": [["external_ids", "insert", ["map", [["neutron:port_fip", FLOATING_IP]]]]]},
        ]))?;
        Ok(())
    }

    fn disassociate(&self) -> Result<()> {
        let rows = self.select("NAT", &json!([["external_ip", "==", FLOATING_IP]]))?;
        let uuid = &rows[0]["_uuid"];
        ensure!(!uuid.is_null(), "no NAT row for {FLOATING_IP}");
        self.northbound.transact(&json!([
            "OVN_Northbound",
            {"op": "mutate", "table": "Logical_Router", "where": [["name", "==", ROUTER]],
             "mutations": [["nat", "delete", uuid]]},
            {"op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", TENANT_VM.0]],
             "mutations": [["external_ids", "delete", ["set", ["neutron:port_fip"]]]]},
        ]))?;
        Ok(())
    }

    /// The gateway port of the router, from a floating IP it already has.
    fn gateway_port(&self) -> Result<Value> {
        let rows = self.select(
            "NAT",
            &json!([
                ["type", "==", "dnat_and_snat"],
                ["external_ip", "==", "172.24.4.29"]
            ]),
        )?;
        Ok(rows[0]["gateway_port"].clone())
    }

    fn select(&self, table: &str, condition: &Value) -> Result<Value> {
        let answer = self.northbound.transact(
            &json!(["OVN_Northbound", {"op": "select", "table": table, "where": condition}]),
        )?;
        Ok(answer[0]["rows"].clone())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            if std::thread::panicking() {
                eprintln!("the agent said last:\n{}", agent.log_tail());
            }
            agent.stop();
        }
    }
}

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

fn agent_config(dir: &Path, switch: &Vswitch, northbound: &OvsdbServer) -> String {
    format!(
        "\
[DEFAULT]
driver = nb_ovn_bgp_driver
exposing_method = underlay
ovsdb_connection = {ovs}
bgp_AS = 64999
bgp_router_id = {NODE}
control_socket = {control}

[ovn]
ovn_nb_connection = {nb}

[bgp_neighbor leaf]
address = {LEAF}
remote_as = internal
",
        ovs = switch.remote(),
        control = dir.join("control.sock").display(),
        nb = northbound.unix(),
    )
}
