//! A node with our speaker, a leaf with a router, one or two uplinks between them, and a host behind the leaf.
//!
//! In each uplink is a switch that can go silent while both ends keep their carrier.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use interop::netns::{Namespace, connect};
use interop::{Daemon, PATIENCE, Place, wait_until};
use serde_json::Value;

use crate::ping::Ping;
pub(crate) use interop::process::eventually;

/// The node's loopback: what the fabric learns from us.
pub(crate) const NODE: &str = "192.0.2.7";
/// The host behind the leaf: what the node reaches through the learned default route only.
pub(crate) const HOST: &str = "198.51.100.1";

/// For [`Lab::configure`]: BFD on every uplink, 3 × 100 ms.
pub(crate) const QUICK_BFD: &str =
    "bfd = quick\n[bfd_profile quick]\ntransmit_interval = 100\nreceive_interval = 100\n";

/// So many addresses it has in all: flows that take different uplinks.
const HOSTS: u32 = 12;

pub(crate) struct Lab {
    speaker: Option<Daemon>,
    program: PathBuf,
    pub(crate) node: Namespace,
    pub(crate) leaf: Namespace,
    host: Namespace,
    switches: Vec<Namespace>,
    pub(crate) dir: tempfile::TempDir,
    starts: u32,
}

/// Our address on uplink `n`, counted from 1.
pub(crate) fn ours(n: usize) -> String {
    format!("10.{n}.0.1")
}

/// The leaf's.
pub(crate) fn theirs(n: usize) -> String {
    format!("10.{n}.0.254")
}

impl Lab {
    /// With so many uplinks; nothing runs yet.
    pub(crate) fn new(uplinks: usize) -> Self {
        let dir = interop::scratch().unwrap();
        let [node, leaf, host] = ["node", "leaf", "host"].map(|l| Namespace::new(l).unwrap());
        leaf.forward().unwrap();
        node.sysctl("net.ipv4.conf.all.rp_filter", "0").unwrap();
        node.sysctl("net.ipv4.conf.default.rp_filter", "0").unwrap();
        let switches = (1..=uplinks).map(|n| uplink(&node, &leaf, n)).collect();
        connect((&leaf, "behind"), (&host, "eth0")).unwrap();
        leaf.address("behind", "198.51.100.254/24").unwrap();
        for n in 1..=HOSTS {
            let address = format!("198.51.100.{n}/24");
            host.address("eth0", &address).unwrap();
        }
        host.ip("route add default via 198.51.100.254").unwrap();
        node.address("lo", &format!("{NODE}/32")).unwrap();
        let program = dir.path().join("ovn-bgp-agent");
        std::fs::copy(env!("CARGO_BIN_EXE_ovn-bgp-agent"), &program).unwrap();
        Self {
            speaker: None,
            program,
            node,
            leaf,
            host,
            switches,
            dir,
            starts: 0,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the speaker's configuration: one neighbour for each uplink, with these options too.
    pub(crate) fn configure(&self, options: &str) {
        let socket = self.path("control.sock");
        let mut text = format!(
            "[DEFAULT]\ncontrol_socket = {}\n\
             [bgp]\nas = 65001\nrouter_id = {NODE}\nredistribute_connected = lo\npreferred_source_ipv4 = {NODE}\n\
             remote_as = external\nconnect_retry_time = 1\n{options}",
            socket.display()
        );
        for n in 1..=self.switches.len() {
            let theirs = theirs(n);
            let _ = write!(text, "[bgp_neighbor uplink{n}]\naddress = {theirs}\n");
        }
        std::fs::write(self.path("bgp-agent.conf"), text).unwrap();
    }

    /// Starts the speaker and waits for its sessions.
    pub(crate) fn start(&mut self) {
        self.launch();
        self.wait_established();
    }

    fn launch(&mut self) {
        self.starts += 1;
        let name = format!("speaker-{}", self.starts);
        let mut command = self.command(&["speaker"]);
        self.speaker = Some(Daemon::spawn(&name, self.dir.path(), &mut command).unwrap());
    }

    /// SIGTERM, as `systemctl stop`.
    pub(crate) fn stop(&mut self) {
        self.speaker.take().expect("it runs").stop();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.speaker.take().expect("it runs").kill();
    }

    /// Another program in the place of the one that runs, as a package does it.
    pub(crate) fn install(&self) {
        let next = self.path("ovn-bgp-agent.next");
        std::fs::copy(env!("CARGO_BIN_EXE_ovn-bgp-agent"), &next).unwrap();
        std::fs::rename(next, &self.program).unwrap();
    }

    /// Whether every session is established, as far as we know.
    pub(crate) fn wait_established(&self) {
        let uplinks = 1..=self.switches.len();
        let up = wait_until(PATIENCE, "established", || {
            let neighbors = self.neighbors();
            uplinks
                .clone()
                .all(|n| neighbors[&format!("uplink{n}")]["bgpState"] == "Established")
        });
        assert!(up.is_ok(), "{}", self.log());
    }

    pub(crate) fn neighbors(&self) -> Value {
        self.json("neighbors")
    }

    /// Whether BFD is up on every uplink with what was agreed, 3 × 100 ms.
    pub(crate) fn bfd_is_quick(&self) -> bool {
        let shown = self.json("bfd");
        let paths = shown.as_array().or_else(|| shown["peers"].as_array());
        let quick = |path: &&Value| path["status"] == "up" && path["detection-time"] == 300;
        paths.is_some_and(|paths| paths.iter().filter(quick).count() == self.switches.len())
    }

    /// `show <what> --json`; null while nobody answers.
    fn json(&self, what: &str) -> Value {
        let output = self.command(&["show", what, "--json"]).output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default()
    }

    pub(crate) fn log(&self) -> String {
        let log = self.speaker.as_ref().map(Daemon::log_text);
        log.unwrap_or_default()
    }

    fn command(&self, words: &[&str]) -> Command {
        let place = Place::inside(&self.node);
        let mut command = place.command(&self.program.to_string_lossy()).unwrap();
        command
            .arg("--config-file")
            .arg(self.path("bgp-agent.conf"))
            .args(words);
        command
    }

    /// From the node through the learned default route.
    pub(crate) fn ping_out(&self) -> Ping {
        Ping::start(&self.node, NODE, HOST, self.dir.path())
    }

    /// From behind the leaf to the loopback that it learned.
    pub(crate) fn ping_in(&self) -> Ping {
        Ping::start(&self.host, HOST, NODE, self.dir.path())
    }

    /// [`Self::ping_out`] by uplink `n`, as the node's kernel spreads its flows.
    pub(crate) fn ping_out_by(&self, n: usize) -> Ping {
        let host = self.host_by(n, |host| {
            self.node.ip(&format!("route get {host} from {NODE}"))
        });
        Ping::start(&self.node, NODE, &host, self.dir.path())
    }

    /// [`Self::ping_in`] by uplink `n`, as the leaf's kernel spreads its flows.
    pub(crate) fn ping_in_by(&self, n: usize) -> Ping {
        let host = self.host_by(n, |host| {
            let line = format!("route get {NODE} from {host} iif behind");
            self.leaf.ip(&line)
        });
        Ping::start(&self.host, &host, NODE, self.dir.path())
    }

    /// An address of the host whose way, as `way` shows it, is uplink `n`.
    fn host_by(&self, n: usize, way: impl Fn(&str) -> anyhow::Result<String>) -> String {
        let device = format!(" dev eth{n} ");
        let mut hosts = (1..=HOSTS).map(|n| format!("198.51.100.{n}"));
        let found = hosts.find(|host| way(host).unwrap().contains(&device));
        found.expect("one of so many flows takes this uplink")
    }

    /// From now on no frame passes uplink `n`, and nobody's carrier goes.
    pub(crate) fn cut(&self, n: usize) {
        self.switches[n - 1].ip("link set bridge0 down").unwrap();
    }

    pub(crate) fn mend(&self, n: usize) {
        self.switches[n - 1].ip("link set bridge0 up").unwrap();
    }

    /// How many uplinks the node's default route has.
    pub(crate) fn ways_out(&self) -> usize {
        ways(&self.node, "default", "eth")
    }

    /// How many uplinks the leaf's route to the node has.
    pub(crate) fn ways_in(&self) -> usize {
        ways(&self.leaf, NODE, "eth")
    }
}

/// How many of a route's next hops lead out of devices whose name begins so.
fn ways(namespace: &Namespace, prefix: &str, device: &str) -> usize {
    let shown = namespace.ip(&format!("route show {prefix}"));
    let shown = shown.unwrap_or_default();
    shown.matches(&format!(" dev {device}")).count()
}

/// Uplink `n` of the node, through a switch of its own.
fn uplink(node: &Namespace, leaf: &Namespace, n: usize) -> Namespace {
    let switch = Namespace::new("switch").unwrap();
    let device = format!("eth{n}");
    connect((node, &device), (&switch, "left")).unwrap();
    connect((leaf, &device), (&switch, "right")).unwrap();
    switch.ip("link add bridge0 type bridge").unwrap();
    for port in ["left", "right"] {
        let line = format!("link set {port} master bridge0");
        switch.ip(&line).unwrap();
    }
    switch.ip("link set bridge0 up").unwrap();
    node.address(&device, &format!("{}/24", ours(n))).unwrap();
    leaf.address(&device, &format!("{}/24", theirs(n))).unwrap();
    switch
}
