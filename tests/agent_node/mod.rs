//! A node to run the real agent on: a network namespace with Open vSwitch (userspace datapath), a
//! Northbound database, and a BGP peer behind a cable that notes everything it is told.
//!
//! ```text
//!   node                                          leaf
//!   ┌──────────────────────────────────┐          ┌───────────┐
//!   │ ovsdb-server  NB, Open_vSwitch   │          │ collector │
//!   │ ovs-vswitchd  br-ex, br-int      │ 192.0.2  │  or FRR   │
//!   │ ovn-bgp-agent                up0 ├──────────┤ down0     │
//!   └──────────────────────────────────┘ .2    .1 └───────────┘
//! ```
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "each test uses a part of it, and runs programs"
)]

pub mod cloud;
mod monitor;

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use interop::collector::{Collector, Event};
use interop::netns::connect;
use interop::ovs::Vswitch;
use interop::ovsdb::OvsdbServer;
use interop::process::wait_for;
use interop::{Daemon, Namespace, Need, Place, requirement, wait_until};
use ipnet::IpNet;
use serde_json::Value;

pub use monitor::Monitor;

pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const LEAF: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const ASN: u32 = 64999;
/// No test waits longer for anything: two busy cores are slow, and what holds ends the wait at once.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Whether this machine has what a node needs; says why not.
pub fn can_run() -> bool {
    let programs = ["ip", "ovs-vswitchd", "ovsdb-server"].map(Need::Program);
    requirement::is_met(&[Need::Root]) && requirement::is_met(&programs)
}

/// The node. Fields are dropped in order: what depends before what it depends on.
pub struct Node {
    pub agent: Option<Daemon>,
    pub peer: Option<Collector>,
    pub switch: Vswitch,
    pub place: Place,
    pub namespace: Arc<Namespace>,
    pub leaf: Namespace,
    pub dir: tempfile::TempDir,
    config: PathBuf,
    starts: u32,
}

impl Node {
    /// A node with a switch and a listening peer, and without an agent. The Northbound database is at
    /// `remote`.
    pub fn new(dir: tempfile::TempDir, remote: &str) -> Self {
        let namespace = Arc::new(Namespace::new("node").unwrap());
        let leaf = Namespace::new("leaf").unwrap();
        connect((&namespace, "up0"), (&leaf, "down0")).unwrap();
        namespace.address("up0", &format!("{NODE}/24")).unwrap();
        leaf.address("down0", &format!("{LEAF}/24")).unwrap();
        namespace.address("up0", "2001:db8:ffff::2/64").unwrap();
        leaf.address("down0", "2001:db8:ffff::1/64").unwrap();
        let place = Place::inside(&namespace);
        let run = dir.path().join("ovs");
        std::fs::create_dir(&run).unwrap();
        let switch = Vswitch::start(&place, &run).unwrap();
        for id in [
            "system-id=chassis-1",
            "hostname=host-1",
            "ovn-bridge-mappings=physnet1:br-ex",
        ] {
            let id = format!("external-ids:{id}");
            switch.vsctl(&["set", "open", ".", &id]).unwrap();
        }
        switch.add_bridge("br-ex").unwrap();
        switch.add_bridge("br-int").unwrap();
        switch.add_localnet_patch("br-ex", cloud::LOCALNET).unwrap();
        let config = dir.path().join("bgp-agent.conf");
        let control = dir.path().join("control.sock");
        let text = configuration(&switch.remote(), remote, &control);
        std::fs::write(&config, text).unwrap();
        let mut node = Self {
            agent: None,
            peer: None,
            switch,
            place,
            namespace,
            leaf,
            dir,
            config,
            starts: 0,
        };
        node.start_peer();
        node
    }

    /// A command of the agent's program on this node.
    pub fn agent_command(&self, words: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_ovn-bgp-agent");
        let mut command = self.place.command(program).unwrap();
        command.arg("--config-file").arg(&self.config).args(words);
        command.env("RT_TABLES", self.dir.path().join("rt_tables"));
        command
    }

    /// Adds lines to the `[DEFAULT]` section of the agent's configuration.
    pub fn configure(&self, lines: &str) {
        self.configure_section("DEFAULT", lines);
    }

    /// Adds lines to a section of the agent's configuration.
    pub fn configure_section(&self, section: &str, lines: &str) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        let head = format!("[{section}]\n");
        std::fs::write(
            &self.config,
            text.replace(&head, &format!("{head}{lines}\n")),
        )
        .unwrap();
    }

    /// Puts a line in place of the one that begins so.
    pub fn replace_line(&self, start: &str, line: &str) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        let changed = |l: &str| if l.starts_with(start) { line } else { l }.to_owned();
        let lines: Vec<String> = text.lines().map(changed).collect();
        std::fs::write(&self.config, lines.join("\n")).unwrap();
    }

    /// Starts the agent, each time with a log of its own.
    pub fn launch_agent(&mut self) {
        assert!(self.agent.is_none(), "an agent runs");
        self.starts += 1;
        let name = format!("agent-{}", self.starts);
        let mut command = self.agent_command(&[]);
        let agent = Daemon::spawn(&name, self.dir.path(), &mut command).unwrap();
        self.agent = Some(agent);
    }

    /// Starts the agent and waits until its first pass is done.
    pub fn start_agent(&mut self) {
        self.launch_agent();
        self.wait_for_log("BGP Agent Started...");
    }

    /// SIGKILL, at once.
    pub fn kill_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.kill();
        }
    }

    pub fn log(&self) -> String {
        self.agent
            .as_ref()
            .map(Daemon::log_text)
            .unwrap_or_default()
    }

    pub fn wait_for_log(&mut self, line: &str) {
        let agent = self.agent.as_mut().expect("no agent runs");
        let log = agent.log().to_owned();
        let text = || std::fs::read_to_string(&log).unwrap_or_default();
        agent
            .wait_ready(DEADLINE, || text().contains(line))
            .unwrap();
    }

    /// Waits until the line is there so many times.
    pub fn wait_for_log_again(&self, line: &str, times: usize) {
        let there = || self.log().matches(line).count() >= times;
        wait_until(DEADLINE, line, there).unwrap();
    }

    /// The number behind `field=` in the line of the log that says the agent has started.
    pub fn started(&self, field: &str) -> u64 {
        let log = self.log();
        let mut lines = log.lines();
        let line = lines
            .find(|line| line.contains("BGP Agent Started..."))
            .unwrap();
        let mut words = line.split_whitespace();
        let number = words.find_map(|word| word.strip_prefix(field)?.strip_prefix('='));
        number
            .unwrap_or_else(|| panic!("no {field} in {line}"))
            .parse()
            .unwrap()
    }

    /// Runs a subcommand of the agent to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        self.agent_command(words).output().unwrap()
    }

    /// What a subcommand prints; it must succeed.
    pub fn says(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        serde_json::from_str(&self.says(&words)).unwrap()
    }

    /// Starts the peer: a collector that keeps routes when the session drops, as a helper of graceful
    /// restart does.
    pub fn start_peer(&mut self) {
        // What another test starts holds a closed listener from its fork to its exec.
        let listen = || wait_for(DEADLINE, "port 179", || TcpListener::bind((LEAF, 179)).ok());
        let listener = self.leaf.inside(listen).unwrap().unwrap();
        self.peer = Some(Collector::start(listener, ASN, LEAF, true).unwrap());
    }

    /// Closes the peer's session and listener without a word.
    pub fn stop_peer(&mut self) {
        self.peer = None;
    }

    pub fn peer(&self) -> &Collector {
        self.peer.as_ref().expect("no peer runs")
    }

    /// Waits until the peer has routes to exactly these addresses.
    pub fn expect(&self, addresses: &[&str]) {
        let wanted: Vec<_> = addresses.iter().map(|address| host(address)).collect();
        if let Err(routes) = self.peer().wait_for_routes(DEADLINE, &wanted) {
            panic!(
                "the peer has {routes:?}, not {wanted:?}; the agent said\n{}",
                self.log()
            );
        }
    }

    /// Waits until the peer has seen `count` End-of-RIB markers of both families since its history
    /// began.
    pub fn expect_end_of_rib(&self, count: usize) {
        let both = |table: &interop::collector::Table| {
            let marks = |afi| {
                let events = table.history.iter();
                events
                    .filter(|(_, event)| *event == Event::EndOfRib(afi))
                    .count()
            };
            (marks(1) >= count && marks(2) >= count).then_some(())
        };
        let seen = self.peer().wait(DEADLINE, both);
        assert!(
            seen.is_some(),
            "{:?}; the agent said\n{}",
            self.history(),
            self.log()
        );
    }

    /// Everything the peer noted, without times.
    pub fn history(&self) -> Vec<Event> {
        self.peer().with(|table| {
            table
                .history
                .iter()
                .map(|(_, event)| event.clone())
                .collect()
        })
    }

    pub fn announced(&self) -> Vec<IpNet> {
        let events = self.history();
        let announced = events.iter().filter_map(|event| match event {
            Event::Announced(prefix) => Some(*prefix),
            _ => None,
        });
        announced.collect()
    }

    pub fn withdrawn(&self) -> Vec<IpNet> {
        let events = self.history();
        let withdrawn = events.iter().filter_map(|event| match event {
            Event::Withdrawn(prefix) => Some(*prefix),
            _ => None,
        });
        withdrawn.collect()
    }

    /// Listens to what the kernel announces here.
    pub fn monitor(&self) -> Monitor {
        Monitor::kernel(&self.namespace)
    }

    /// Listens to what changes of br-ex' flows.
    pub fn flow_monitor(&self) -> Monitor {
        Monitor::flows(&self.place, self.switch.run_dir(), "br-ex")
    }

    pub fn ip(&self, words: &str) -> String {
        self.namespace.ip(words).unwrap()
    }

    /// The number of the bridge's routing table.
    pub fn table(&self) -> u32 {
        let text = std::fs::read_to_string(self.dir.path().join("rt_tables")).unwrap();
        let row = text.lines().find(|line| line.ends_with("br-ex")).unwrap();
        row.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The rules, routes, neighbours and flows of the agent's kind, sorted, without counters.
    pub fn wiring(&self) -> Vec<String> {
        let table = self.table();
        let listings = [
            "-4 rule show".to_owned(),
            "-6 rule show".to_owned(),
            format!("-4 route show table {table}"),
            format!("-6 route show table {table}"),
            "neigh show nud permanent dev br-ex".to_owned(),
            "address show dev br-ex".to_owned(),
        ];
        let mut lines: Vec<String> = listings
            .iter()
            .flat_map(|what| {
                self.ip(what)
                    .lines()
                    .map(|l| l.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .chain(self.switch.flows("br-ex").unwrap())
            .collect();
        lines.retain(|line| !monitor::is_mark(line));
        lines.sort();
        lines
    }

    /// Waits until `line` is (or is not) a part of some line of the wiring.
    pub fn expect_wired(&self, line: &str, there: bool) {
        let holds = || self.wiring().iter().any(|l| l.contains(line)) == there;
        let waited = wait_until(DEADLINE, line, holds);
        if let Err(error) = waited {
            panic!(
                "{error} ({there}); {:#?}\nthe agent said\n{}",
                self.wiring(),
                self.log()
            );
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the agent said\n{}", self.log());
        }
    }
}

/// A Northbound database as Neutron leaves it with one provider network, served on its own.
pub fn northbound(dir: &Path) -> OvsdbServer {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snap/00_empty/nb.db.gz");
    let server = OvsdbServer::from_file(&Place::host(), dir, "nb", &file).unwrap();
    server.transact(&cloud::provider_network()).unwrap();
    server
}

/// The node and its Northbound database.
pub fn lab() -> (OvsdbServer, Node) {
    let dir = interop::scratch().unwrap();
    let nb = northbound(dir.path());
    let remote = nb.unix();
    (nb, Node::new(dir, &remote))
}

/// A node with a started agent, two VMs on it, and a peer that knows both.
pub fn lab_with_two_vms() -> (OvsdbServer, Node) {
    let (nb, mut node) = lab();
    nb.transact(&cloud::boot(cloud::Vm(10))).unwrap();
    let addresses = ["172.24.4.11", "2001:db8:100::11"];
    nb.transact(&cloud::boot_with(cloud::Vm(11), &addresses))
        .unwrap();
    node.start_agent();
    node.expect(&["172.24.4.10", "172.24.4.11", "2001:db8:100::11"]);
    node.expect_end_of_rib(1);
    (nb, node)
}

/// The agent's flows of br-ex.
pub fn own_flows(switch: &Vswitch) -> Vec<String> {
    let mut flows = switch.flows("br-ex").unwrap_or_default();
    flows.retain(|flow| flow.contains("cookie=0x3e7") || flow.contains("cookie=0x3e6"));
    flows
}

/// The host prefix of an address.
pub fn host(address: &str) -> IpNet {
    IpNet::from(address.parse::<IpAddr>().unwrap())
}

fn configuration(ovs: &str, northbound: &str, control: &Path) -> String {
    format!(
        "\
[DEFAULT]
driver = nb_ovn_bgp_driver
exposing_method = underlay
ovsdb_connection = {ovs}
bgp_AS = {ASN}
bgp_router_id = {NODE}
control_socket = {}

[ovn]
ovn_nb_connection = {northbound}

[bgp]
connect_retry_time = 1

[bgp_neighbor leaf]
address = {LEAF}
remote_as = internal
",
        control.display()
    )
}
