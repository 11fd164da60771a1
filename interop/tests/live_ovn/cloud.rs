//! A small cloud on one machine: what runs is real, but for Neutron ([`crate::neutron`]) and Nova (the tests plug the VMs).
//!
//! ```text
//!                 leaf: FRR, and a collector per agent        198.51.100.1, 2001:db8:ffff::1
//!   192.0.2.8/29   │                          │   192.0.2.16/29
//!             ┌────┴──────┐             ┌─────┴─────┐
//!             │ compute-1 │  198.18/24  │ compute-2 │          agent, OVS (userspace datapath), ovn-controller
//!             │           ├─────────────┤           │          and VMs, each in a namespace of its own
//!             └───────────┘   geneve    └───────────┘
//! ```

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use interop::collector::{Collector, Event};
use interop::frr::Frr;
use interop::netns::connect;
use interop::ovn::{Central, Chassis, Identity, Vm};
use interop::{Daemon, Generation, Namespace, PATIENCE, Place, wait_until};
use ipnet::IpNet;

use crate::neutron::{Neutron, Port};

/// Host names and system ids: not the same, so that it shows which of them was compared.
pub(crate) const HOSTS: [(&str, &str); 2] = [
    ("compute-1", "c1a4b1d6-45f7-4f8b-9c6f-0d3a86b8c001"),
    ("compute-2", "7e2b90f3-21cb-47d2-8a34-0b7d4ce2c002"),
];

/// What the leaf pings from: addresses of its own that no link has.
pub(crate) const LEAF_V4: &str = "198.51.100.1";
pub(crate) const LEAF_V6: &str = "2001:db8:ffff::1";

/// One transaction can take a prefix from one node and give it to the other. Two processes that read it do not act in the same
/// microsecond, and either may be first: for no longer than this, on busy cores.
const SAME_MOMENT: Duration = Duration::from_millis(500);

/// Dropped in this order: what depends before what it depends on.
pub(crate) struct Cloud {
    pub(crate) nodes: Vec<Node>,
    pub(crate) neutron: Neutron,
    pub(crate) leaf: Leaf,
    _dir: tempfile::TempDir,
}

pub(crate) struct Leaf {
    pub(crate) router: Frr,
    pub(crate) namespace: Namespace,
}

/// A chassis with its agent.
pub(crate) struct Node {
    number: usize,
    agent: Daemon,
    command: AgentCommand,
    collector: Collector,
    pub(crate) chassis: Chassis,
    pub(crate) namespace: Namespace,
}

/// Somebody announced a prefix, or withdrew it: the number of the node and whether it is there now.
pub(crate) type Change = (usize, bool);

impl Cloud {
    /// Brings up the leaf, OVN, `nodes` chassis (1 or 2) and their agents, and waits until every BGP session is up. The router's gateway
    /// can be on the first `gateways` of them; the first is preferred.
    pub(crate) fn build(
        leaf_generation: Generation,
        nodes: usize,
        gateways: usize,
    ) -> Result<Self> {
        let program = agent_program()?;
        let dir = interop::scratch()?;
        let leaf = Namespace::new("leaf")?;
        for prefix in [format!("{LEAF_V4}/32"), format!("{LEAF_V6}/128")] {
            leaf.address("lo", &prefix)?;
        }
        let namespaces: Vec<_> = (0..nodes).map(|n| cable(&leaf, n)).collect::<Result<_>>()?;
        let config = leaf_config(nodes);
        let router = Frr::start(
            &Place::inside(&leaf).with(leaf_generation),
            &dir.path().join("leaf"),
            &config,
        )?;
        let leaf = Leaf {
            router,
            namespace: leaf,
        };

        let central = Central::start(&Place::host().with(Generation::Trixie), dir.path())?;
        let southbound = central.southbound.unix();
        let gateways: Vec<_> = HOSTS.iter().take(gateways).map(|(_, id)| *id).collect();
        let neutron = Neutron::build(central, &gateways)?;
        let northbound = neutron.central.northbound.unix();
        let underlay = Underlay::between(&namespaces)?;
        let start = |(number, namespace): (usize, Namespace)| {
            let dir = dir.path().join(HOSTS[number].0);
            let chassis = start_chassis(&dir, &southbound, number, &namespace)?;
            underlay.join(&chassis, number, &namespace)?;
            Node::start(
                program,
                &dir,
                &northbound,
                number,
                chassis,
                namespace,
                &leaf,
            )
        };
        let nodes: Vec<_> = namespaces
            .into_iter()
            .enumerate()
            .map(start)
            .collect::<Result<_>>()?;
        let mut cloud = Self {
            nodes,
            neutron,
            leaf,
            _dir: dir,
        };
        for node in &mut cloud.nodes {
            let peer = node.address_v4();
            let up =
                || cloud.leaf.router.is_established(&peer) && node.collector.with(|table| table.up);
            node.agent.wait_ready(PATIENCE, up)?;
        }
        Ok(cloud)
    }

    /// Creates a port and boots its VM on a node.
    pub(crate) fn boot(&self, port: &Port, node: usize) -> Result<Vm> {
        self.neutron.create_port(port, HOSTS[node].0)?;
        self.plug(port, node)
    }

    /// Plugs the VM of a port, and waits until it is up.
    pub(crate) fn plug(&self, port: &Port, node: usize) -> Result<Vm> {
        let vm = self.nodes[node].plug(port)?;
        self.neutron.wait_up(port, true, HOSTS[node].0)?;
        Ok(vm)
    }

    /// Waits until every prefix is announced by the node that should (`None`: by none), and the leaf's table agrees: it has exactly that
    /// next hop.
    pub(crate) fn settle(&self, expected: &[(&str, Option<usize>)]) -> Result<()> {
        for (prefix, by) in expected {
            let network: IpNet = prefix.parse()?;
            for node in &self.nodes {
                let wanted = *by == Some(node.number);
                let settled = |table: &interop::collector::Table| {
                    (table.routes.contains_key(&network) == wanted).then_some(())
                };
                let told = node.collector.wait(PATIENCE, settled);
                ensure!(
                    told.is_some(),
                    "{}: {prefix} announced: {}; it should be: {wanted}",
                    node.host(),
                    !wanted
                );
            }
            let hops: Vec<IpAddr> = by
                .map(|node| self.nodes[node].next_hop(&network))
                .into_iter()
                .collect();
            let mut seen = Ok(Vec::new());
            let agrees = || {
                seen = self.leaf.router.next_hops(prefix);
                seen.as_ref().is_ok_and(|seen| *seen == hops)
            };
            wait_until(PATIENCE, prefix, agrees)
                .with_context(|| format!("the leaf should have {hops:?}, and has {seen:?}"))?;
        }
        Ok(())
    }

    /// What the agents said about a prefix since the last [`Self::forget`], in the order the leaf heard it.
    pub(crate) fn changes(&self, prefix: &str) -> Vec<Change> {
        self.timed_changes(prefix)
            .into_iter()
            .map(|(_, change)| change)
            .collect()
    }

    /// Forgets what was said so far.
    pub(crate) fn forget(&self) {
        for node in &self.nodes {
            node.collector.forget();
        }
    }

    /// Fails unless, since the last [`Self::forget`], the prefix was withdrawn by the one and announced by the other once, and not
    /// announced twice meanwhile.
    pub(crate) fn check_moved(&self, prefix: &str, from: usize, to: usize) -> Result<()> {
        let timed = self.timed_changes(prefix);
        let mut changes: Vec<_> = timed.iter().map(|(_, change)| *change).collect();
        if let [(first, (node, _)), (second, _)] = &timed[..] {
            let apart = second.duration_since(*first);
            let order = if *node == from {
                "then announced"
            } else {
                "while announced"
            };
            println!("{prefix}: withdrawn by {from}, {order} by {to}: {apart:?} apart");
        }
        changes.sort_by_key(|(_, announced)| *announced);
        ensure!(
            changes == [(from, false), (to, true)],
            "{prefix} should go from {from} to {to}: {changes:?}"
        );
        self.check_never_two(prefix, Some(from))
    }

    /// Fails if two agents announced the prefix at the same time since the last [`Self::forget`], but for [`SAME_MOMENT`].
    /// `before` had announced it then.
    pub(crate) fn check_never_two(&self, prefix: &str, before: Option<usize>) -> Result<()> {
        let changes = self.timed_changes(prefix);
        let mut announcing: BTreeSet<usize> = before.into_iter().collect();
        for (at, (node, announced)) in &changes {
            if *announced {
                announcing.insert(*node);
            } else {
                announcing.remove(node);
            }
            let next = changes.iter().map(|(next, _)| *next).find(|next| next > at);
            let lasted = next.unwrap_or_else(Instant::now) - *at;
            ensure!(
                announcing.len() < 2 || lasted < SAME_MOMENT,
                "{prefix} was announced twice for {lasted:?}: {changes:?}"
            );
        }
        Ok(())
    }

    fn timed_changes(&self, prefix: &str) -> Vec<(Instant, Change)> {
        let mut changes = Vec::new();
        for node in &self.nodes {
            node.collector.with(|table| {
                changes.extend(table.history.iter().filter_map(|(at, event)| {
                    let (network, there) = match event {
                        Event::Announced(network) => (network, true),
                        Event::Withdrawn(network) => (network, false),
                        _ => return None,
                    };
                    (network.to_string() == prefix).then_some((*at, (node.number, there)))
                }));
            });
        }
        changes.sort();
        changes
    }
}

/// Waits until an echo request is answered. The first ones may be lost: neighbours are being resolved.
pub(crate) fn pings(from: &Namespace, to: &str, source: Option<&str>) -> Result<()> {
    let (to, source) = (to.parse()?, source.map(str::parse).transpose()?);
    wait_until(PATIENCE, &format!("{to} to answer"), || {
        from.pings(to, source)
    })
}

impl Node {
    fn start(
        program: &Path,
        dir: &Path,
        northbound: &str,
        number: usize,
        chassis: Chassis,
        namespace: Namespace,
        leaf: &Leaf,
    ) -> Result<Self> {
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
            program: program.to_owned(),
            place: Place::inside(&namespace),
            config: dir.join("bgp-agent.conf"),
            rt_tables: dir.join("rt_tables"),
        };
        std::fs::write(
            &command.config,
            agent_config(dir, &chassis.switch.remote(), northbound, number),
        )?;
        std::fs::write(
            &command.rt_tables,
            "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n",
        )?;
        let agent = Daemon::spawn("agent", dir, &mut command.words(&[])?)?;
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

    fn host(&self) -> &'static str {
        HOSTS[self.number].0
    }

    fn address_v4(&self) -> String {
        format!("192.0.2.{}", first(self.number) + 1)
    }

    fn next_hop(&self, prefix: &IpNet) -> IpAddr {
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

/// The fourth octet of the first address of a node's link: the leaf's; then come the node's and the collector's.
fn first(number: usize) -> u8 {
    [9, 17][number]
}

fn cable(leaf: &Namespace, number: usize) -> Result<Namespace> {
    let node = Namespace::new(HOSTS[number].0)?;
    let (down, n) = (format!("down{number}"), first(number));
    connect((leaf, &down), (&node, "up0"))?;
    for (namespace, interface, octet) in [
        (leaf, down.as_str(), n),
        (&node, "up0", n + 1),
        (leaf, &down, n + 2),
    ] {
        namespace.address(interface, &format!("192.0.2.{octet}/29"))?;
    }
    leaf.address(&down, &format!("2001:db8:0:{n:x}::1/64"))?;
    node.address("up0", &format!("2001:db8:0:{n:x}::2/64"))?;
    node.forward()?;
    node.ip(&format!("route add default via 192.0.2.{n}"))?;
    node.ip(&format!("route add default via 2001:db8:0:{n:x}::1"))?;
    Ok(node)
}

fn start_chassis(
    dir: &Path,
    southbound: &str,
    number: usize,
    namespace: &Namespace,
) -> Result<Chassis> {
    let (hostname, system_id) = HOSTS[number];
    let encap_ip = Underlay::address(number);
    let identity = Identity {
        hostname,
        system_id,
        encap_ip: &encap_ip,
        mappings: "physnet1:br-ex",
        gateway: true,
    };
    Chassis::start(
        &Place::inside(namespace).with(Generation::Trixie),
        dir,
        southbound,
        &identity,
    )
}

/// The network of the tunnels: BFD over them decides who hosts a gateway.
struct Underlay;

impl Underlay {
    fn between(nodes: &[Namespace]) -> Result<Self> {
        if let [one, other] = nodes {
            connect((one, "phy0"), (other, "phy0"))?;
        }
        Ok(Self)
    }

    /// The userspace datapath sends tunnels only by its own bridges.
    fn join(&self, chassis: &Chassis, number: usize, namespace: &Namespace) -> Result<()> {
        chassis.switch.add_bridge("br-phy")?;
        namespace.address("br-phy", &format!("{}/24", Self::address(number)))?;
        if namespace.mac("phy0").is_ok() {
            chassis.switch.vsctl(&["add-port", "br-phy", "phy0"])?;
        }
        Ok(())
    }

    fn address(number: usize) -> String {
        format!("198.18.0.{}", number + 1)
    }
}

fn leaf_config(nodes: usize) -> String {
    let mut config = format!("hostname leaf\nrouter bgp 64999\n bgp router-id {LEAF_V4}\n");
    let peers: Vec<_> = (0..nodes)
        .map(|n| format!("192.0.2.{}", first(n) + 1))
        .collect();
    for peer in &peers {
        config += &format!(" neighbor {peer} remote-as internal\n neighbor {peer} passive\n");
    }
    config += " address-family ipv6 unicast\n";
    for peer in &peers {
        config += &format!("  neighbor {peer} activate\n");
    }
    config + " exit-address-family\n"
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

/// The agent's program, from the same build directory as this test; built here, since cargo builds no other package's programs for a test.
fn agent_program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| build_agent().map_err(|e| format!("{e:#}")))
        .as_deref()
        .map_err(|e| anyhow::anyhow!("{e}"))
}

fn build_agent() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let out = test
        .ancestors()
        .nth(2)
        .context("this test is not below a build directory")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--quiet",
        "--locked",
        "--package",
        "ovn-bgp-agent",
        "--bin",
        "ovn-bgp-agent",
        "--target-dir",
    ]);
    cargo
        .arg(out.parent().unwrap_or(out))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if out.ends_with("release") {
        cargo.arg("--release");
    }
    interop::output(&mut cargo)?;
    Ok(out.join("ovn-bgp-agent"))
}
