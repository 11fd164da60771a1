//! A chassis and its agent, as an operator sets them up.

use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use interop::collector::Collector;
use interop::ovn::{Central, Chassis, Identity, Vm};
use interop::{Daemon, Generation, Namespace, PATIENCE, Place, wait_until};
use ipnet::IpNet;

use crate::cloud::HOSTS;
use crate::fabric::{Leaf, first, join_underlay, tunnel_address};
use crate::neutron::Port;

/// A chassis with its agent.
pub(crate) struct Node {
    pub(crate) number: usize,
    agent: Daemon,
    command: AgentCommand,
    pub(crate) collector: Collector,
    pub(crate) chassis: Chassis,
    pub(crate) namespace: Namespace,
}

impl Node {
    /// Starts the chassis and the agent in `namespace`.
    pub(crate) fn start(
        number: usize,
        namespace: Namespace,
        dir: &Path,
        leaf: &Leaf,
        central: &Central,
    ) -> Result<Self> {
        let dir = dir.join(HOSTS[number].0);
        let chassis = start_chassis(&dir, &central.southbound.unix(), number, &namespace)?;
        let listener = leaf
            .namespace
            .inside(|| TcpListener::bind(format!("192.0.2.{}:1179", first(number) + 2)))??;
        let collector = Collector::start(
            listener,
            64999,
            [192, 0, 2, first(number) + 2].into(),
            false,
        )?;
        let command = AgentCommand {
            program: agent_program()?,
            place: Place::inside(&namespace),
            config: dir.join("bgp-agent.conf"),
            rt_tables: dir.join("rt_tables"),
        };
        std::fs::write(
            &command.config,
            agent_config(
                &dir,
                &chassis.switch.remote(),
                &central.northbound.unix(),
                number,
            ),
        )?;
        std::fs::write(
            &command.rt_tables,
            "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n",
        )?;
        let agent = Daemon::spawn("agent", &dir, &mut command.words(&[])?)?;
        Ok(Self {
            number,
            agent,
            command,
            collector,
            chassis,
            namespace,
        })
    }

    /// Plugs the VM of a port, and gives it the port's addresses and default routes.
    pub(crate) fn plug(&self, port: &Port) -> Result<Vm> {
        let vm = self.chassis.plug(&self.namespace, port.id, port.mac)?;
        vm.namespace.address("eth0", &format!("{}/24", port.v4))?;
        vm.namespace.address("eth0", &format!("{}/64", port.v6))?;
        for gateway in port.gateways() {
            vm.namespace
                .ip(&format!("route add default via {gateway} dev eth0"))?;
        }
        Ok(vm)
    }

    /// Waits until `explain` for an address says so: the agent has seen the rows by then.
    pub(crate) fn wait_explained(&self, address: &str, text: &str) -> Result<()> {
        let mut said = String::new();
        let waited = wait_until(PATIENCE, text, || {
            said = self
                .command
                .words(&["explain", address])
                .and_then(|mut c| interop::output(&mut c))
                .unwrap_or_else(|e| format!("{e:#}"));
            said.contains(text)
        });
        waited.with_context(|| format!("{} explains {address}: {said}", self.host()))
    }

    /// Waits until the agent's log has this.
    pub(crate) fn wait_logged(&self, text: &str) -> Result<()> {
        let logged = || self.agent.log_text().contains(text);
        wait_until(PATIENCE, text, logged).with_context(|| format!("the log of {}", self.host()))
    }

    /// Whether OVN has the patch ports that join the provider bridge to br-int.
    pub(crate) fn has_patch_port(&self) -> bool {
        let ports = self.chassis.switch.vsctl(&["list-ports", "br-ex"]);
        ports.is_ok_and(|ports| ports.contains("patch-provnet-"))
    }

    /// Waits until the node's rules steer these addresses into the provider bridge, or none of them.
    pub(crate) fn wait_steered(&self, addresses: &[&str], steered: bool) -> Result<()> {
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

    pub(crate) fn host(&self) -> &'static str {
        HOSTS[self.number].0
    }

    /// Waits until the sessions with the leaf's router and with the collector are up.
    pub(crate) fn wait_peers(&mut self, leaf: &Leaf) -> Result<()> {
        let own = self.address_v4();
        let collector = &self.collector;
        let up = || leaf.router.is_established(&own) && collector.with(|table| table.up);
        self.agent.wait_ready(PATIENCE, up)
    }

    fn address_v4(&self) -> String {
        format!("192.0.2.{}", first(self.number) + 1)
    }

    pub(crate) fn next_hop(&self, prefix: &IpNet) -> IpAddr {
        match prefix {
            IpNet::V4(_) => IpAddr::from([192, 0, 2, first(self.number) + 1]),
            IpNet::V6(_) => {
                IpAddr::from([0x2001, 0xdb8, 0, u16::from(first(self.number)), 0, 0, 0, 2])
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the agent of {} said last:\n{}",
                self.host(),
                self.agent.log_tail()
            );
        }
    }
}

/// How the agent of a node is called.
struct AgentCommand {
    program: PathBuf,
    place: Place,
    config: PathBuf,
    rt_tables: PathBuf,
}

impl AgentCommand {
    fn words(&self, words: &[&str]) -> Result<Command> {
        let mut command = self.place.command(&self.program.display().to_string())?;
        command
            .args(words)
            .arg("--config-file")
            .arg(&self.config)
            .env("RT_TABLES", &self.rt_tables);
        Ok(command)
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
        mappings: "physnet1:br-ex",
        gateway: true,
    };
    let place = Place::inside(namespace).with(Generation::Trixie);
    let chassis = Chassis::start(&place, dir, southbound, &identity)?;
    join_underlay(&chassis, number, namespace)?;
    Ok(chassis)
}

fn agent_config(dir: &Path, vswitch: &str, northbound: &str, number: usize) -> String {
    let (leaf, own, collector) = (first(number), first(number) + 1, first(number) + 2);
    let control = dir.join("control.sock");
    format!(
        "\
[DEFAULT]
driver = nb_ovn_bgp_driver
exposing_method = underlay
ovsdb_connection = {vswitch}
bgp_AS = 64999
bgp_router_id = 192.0.2.{own}
control_socket = {control}

[ovn]
ovn_nb_connection = {northbound}

[bgp]
connect_retry_time = 1

[bgp_neighbor leaf]
address = 192.0.2.{leaf}
remote_as = internal

[bgp_neighbor collector]
address = 192.0.2.{collector}
port = 1179
remote_as = internal
",
        control = control.display()
    )
}

/// The agent's program. Cargo builds no other package's programs for a test: so it is built here, unless it is up to date.
fn agent_program() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let program = interop::agent_binary();
    let built = BUILT.get_or_init(|| build(&program).map_err(|e| format!("{e:#}")));
    built.clone().map_err(anyhow::Error::msg)?;
    Ok(program)
}

fn build(program: &Path) -> Result<()> {
    let out = program.parent().context("no build directory")?;
    let target = out.parent().context("no target directory")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--quiet", "--locked", "--package", "ovn-bgp-agent"]);
    cargo.args(["--bin", "ovn-bgp-agent", "--target-dir"]);
    cargo.arg(target);
    if out.ends_with("release") {
        cargo.arg("--release");
    }
    // what cargo tells a test about its package would make build scripts (ring's) run again, and half the agent be built again
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    interop::output(&mut cargo).map(drop)
}
