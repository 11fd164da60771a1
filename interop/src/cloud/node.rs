//! A chassis and its agent, as an operator sets them up.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::fabric::{Cable, Leaf, join_underlay, tunnel_address};
use super::objects::Port;
use super::{Driver, HOSTS, Plan};
use crate::agent;
use crate::collector::Collector;
use crate::ovn::{Central, Chassis, Identity, Vm};
use crate::{Daemon, Generation, Namespace, PATIENCE, Place, output, wait_until};

/// A chassis with its agent.
pub struct Node {
    /// 0, 1 or 2.
    pub number: usize,
    agent: Option<Daemon>,
    command: agent::Command,
    starts: u32,
    /// What the agent tells, as a neighbour hears it.
    pub collector: Collector,
    /// OVS and ovn-controller.
    pub chassis: Chassis,
    /// Where they run.
    pub namespace: Namespace,
}

/// The provider bridges of every chassis.
pub const BRIDGES: [&str; 2] = ["br-ex", "br-second"];

impl Node {
    /// Starts the chassis and the agent in `namespace`.
    pub(super) fn start(
        number: usize,
        namespace: Namespace,
        dir: &Path,
        leaves: &[Leaf],
        central: &Central,
        plan: &Plan,
    ) -> Result<Self> {
        let dir = dir.join(HOSTS[number].0);
        let chassis = start_chassis(&dir, &central.southbound.unix(), number, &namespace)?;
        let ear = Cable::between(number, 0).collector_v4();
        let listener = leaves[0]
            .namespace
            .inside(|| TcpListener::bind(format!("{ear}:1179")))??;
        let collector = Collector::start(listener, 64999, ear.parse()?, false)?;
        let place = Place::inside(&namespace);
        let command = agent::Command::new(place, plan.agent.clone(), &dir)?;
        let text = agent_config(
            &dir,
            number,
            leaves.len(),
            &chassis.switch.remote(),
            central,
            plan,
        );
        std::fs::write(&command.config, text)?;
        let mut node = Self {
            number,
            agent: None,
            command,
            starts: 0,
            collector,
            chassis,
            namespace,
        };
        node.start_agent()?;
        Ok(node)
    }

    /// Starts the agent; it takes its time.
    pub fn start_agent(&mut self) -> Result<()> {
        self.starts += 1;
        let dir = self.chassis.switch.run_dir().to_owned();
        let name = format!("agent-{}", self.starts);
        self.agent = Some(Daemon::spawn(&name, &dir, &mut self.command.words(&[])?)?);
        Ok(())
    }

    /// SIGTERM.
    pub fn stop_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.stop();
        }
    }

    /// SIGKILL.
    pub fn kill_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.kill();
        }
    }

    /// The agent does nothing from here on; kernel, switch and sessions stay as they are.
    pub fn pause_agent(&self) -> Result<()> {
        self.signal_agent(Signal::SIGSTOP)
    }

    /// It goes on.
    pub fn resume_agent(&self) -> Result<()> {
        self.signal_agent(Signal::SIGCONT)
    }

    fn signal_agent(&self, signal: Signal) -> Result<()> {
        self.agent.as_ref().context("no agent runs")?.signal(signal)
    }

    /// A command of the agent's program, with its configuration.
    pub fn say(&self, words: &[&str]) -> Result<String> {
        output(&mut self.command.words(words)?)
    }

    /// Plugs the VM of a port, and gives it the port's addresses and default routes.
    pub fn plug(&self, port: &Port) -> Result<Vm> {
        let vm = self.chassis.plug(&self.namespace, &port.id, &port.mac())?;
        for cidr in port.cidrs() {
            vm.namespace.address("eth0", &cidr)?;
        }
        for gateway in port.network.gateways() {
            vm.namespace
                .ip(&format!("route add default via {gateway} dev eth0"))?;
        }
        Ok(vm)
    }

    /// The numbers of its bridges' routing tables.
    pub fn tables(&self) -> Result<BTreeSet<String>> {
        let text = std::fs::read_to_string(&self.command.rt_tables)?;
        let row = |line: &str| {
            let (number, name) = line.split_once(char::is_whitespace)?;
            BRIDGES.contains(&name.trim()).then(|| number.to_owned())
        };
        Ok(text.lines().filter_map(row).collect())
    }

    /// `explain` for an address.
    pub fn explain(&self, address: &str) -> Result<String> {
        output(&mut self.command.words(&["explain", address])?)
    }

    /// `plan`: what this node should expose, and what it would change.
    pub fn plan(&self) -> Result<Value> {
        let text = output(&mut self.command.words(&["plan", "--json"])?)?;
        serde_json::from_str(&text).with_context(|| text)
    }

    /// Waits until `plan` has nothing to change: kernel and switch are as they should be, nothing is missing or left over.
    pub fn wait_clean(&self) -> Result<()> {
        let mut said = Value::Null;
        let waited = wait_until(PATIENCE, "nothing to change", || {
            said = self.plan().unwrap_or_default();
            said["changes"].as_array().is_some_and(Vec::is_empty)
        });
        waited.with_context(|| format!("{}: {}", self.host(), said["changes"]))
    }

    /// Waits until `explain` for an address says so: the agent has seen the rows by then.
    pub fn wait_explained(&self, address: &str, text: &str) -> Result<()> {
        let mut said = String::new();
        let waited = wait_until(PATIENCE, text, || {
            said = self.explain(address).unwrap_or_else(|e| format!("{e:#}"));
            said.contains(text)
        });
        waited.with_context(|| format!("{} explains {address}: {said}", self.host()))
    }

    /// Waits until the agent's log has this.
    pub fn wait_logged(&self, text: &str) -> Result<()> {
        wait_until(PATIENCE, text, || self.log().contains(text))
            .with_context(|| format!("the log of {}", self.host()))
    }

    /// Everything the running agent said.
    pub fn log(&self) -> String {
        let agent = self.agent.as_ref();
        agent.map(Daemon::log_text).unwrap_or_default()
    }

    /// Whether OVN has the patch ports that join the provider bridge to br-int.
    pub fn has_patch_port(&self) -> bool {
        let ports = self.chassis.switch.vsctl(&["list-ports", "br-ex"]);
        ports.is_ok_and(|ports| ports.contains("patch-provnet-"))
    }

    /// Waits until the node's rules steer these addresses into the provider bridge, or none of them.
    pub fn wait_steered(&self, addresses: &[&str], steered: bool) -> Result<()> {
        let mut rules = String::new();
        let waited = wait_until(PATIENCE, "rules", || {
            rules = self.namespace.sh("ip rule; ip -6 rule").unwrap_or_default();
            let to = |address: &&str| rules.contains(&format!("to {address} lookup"));
            addresses.iter().all(|address| to(address) == steered)
        });
        waited.with_context(|| {
            format!(
                "{} steers {addresses:?}: should be {steered}: {rules}",
                self.host()
            )
        })
    }

    /// Its host name.
    pub fn host(&self) -> &'static str {
        HOSTS[self.number].0
    }

    /// Its system id.
    pub fn chassis_id(&self) -> &'static str {
        HOSTS[self.number].1
    }

    /// Waits until the sessions with the leaves' routers and with the collector are up.
    pub fn wait_peers(&mut self, leaves: &[Leaf]) -> Result<()> {
        let (number, collector) = (self.number, &self.collector);
        let is_peer = |(at, leaf): (usize, &Leaf)| {
            let own = Cable::between(number, at).node_v4();
            leaf.router.is_established(&own)
        };
        let up = || leaves.iter().enumerate().all(is_peer) && collector.with(|table| table.up);
        self.agent
            .as_mut()
            .context("no agent runs")?
            .wait_ready(PATIENCE, up)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        agent::tell_last_words(self.host(), || self.log());
    }
}

fn start_chassis(
    dir: &Path,
    southbound: &str,
    number: usize,
    namespace: &Namespace,
) -> Result<Chassis> {
    let (hostname, system_id) = HOSTS[number];
    let encap_ip = tunnel_address(number);
    let identity = Identity {
        hostname,
        system_id,
        encap_ip: &encap_ip,
        mappings: "physnet1:br-ex,physnet2:br-second",
        gateway: true,
    };
    let place = Place::inside(namespace).with(Generation::Trixie);
    let chassis = Chassis::start(&place, dir, southbound, &identity)?;
    join_underlay(&chassis, number, namespace)?;
    Ok(chassis)
}

fn agent_config(
    dir: &Path,
    number: usize,
    leaves: usize,
    vswitch: &str,
    central: &Central,
    plan: &Plan,
) -> String {
    let first = Cable::between(number, 0);
    let northbound = format!("ovn_nb_connection = {}", central.northbound.unix());
    let southbound = format!("ovn_sb_connection = {}", central.southbound.unix());
    let (driver, databases) = match plan.driver {
        Driver::Northbound => ("nb_ovn_bgp_driver", northbound),
        Driver::NorthboundAndSouthbound => {
            ("nb_ovn_bgp_driver", format!("{northbound}\n{southbound}"))
        }
        Driver::Southbound => ("ovn_bgp_driver", southbound),
        Driver::StretchedL2 => ("ovn_stretched_l2_bgp_driver", southbound),
    };
    let mut text = format!(
        "\
[DEFAULT]
driver = {driver}
exposing_method = underlay
ovsdb_connection = {vswitch}
bgp_AS = 64999
bgp_router_id = {own}
control_socket = {control}
{options}

[ovn]
{databases}

[bgp]
connect_retry_time = 1

[bgp_neighbor collector]
address = {collector}
port = 1179
remote_as = internal
",
        own = first.node_v4(),
        control = dir.join("control.sock").display(),
        options = plan.options,
        collector = first.collector_v4(),
    );
    for leaf in 0..leaves {
        let address = Cable::between(number, leaf).leaf_v4();
        text +=
            &format!("\n[bgp_neighbor leaf{leaf}]\naddress = {address}\nremote_as = internal\n");
    }
    text
}
