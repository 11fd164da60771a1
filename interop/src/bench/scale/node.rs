//! The node under test: switch, peer, and what lies between the agent and the servers.

use std::fmt;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::cloud::{Cloud, Database};
use crate::bench::stage::{self, on_dut_core};
use crate::collector::{Collector, Table};
use crate::netns::connect;
use crate::ovs::Vswitch;
use crate::ovsdb::OvsdbServer;
use crate::scale::{Meter, Role};
use crate::{Daemon, Namespace, PATIENCE, Place, wait_until};

const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ASN: u32 = 64999;
/// What is changed so that a listener is known to have heard all before it.
const MARK: &str = "127.88.0.1";
const MARK_FLOW: &str = "table=77";

/// Which databases the agent goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Northbound,
    NorthboundAndSouthbound,
    Southbound,
}

impl Driver {
    pub(super) const ALL: [Self; 3] = [
        Self::Northbound,
        Self::NorthboundAndSouthbound,
        Self::Southbound,
    ];

    pub(super) fn follows_southbound(self) -> bool {
        self != Self::Northbound
    }

    /// Which one says that a port is up.
    pub(super) fn decisive(self) -> Database {
        match self {
            Self::Northbound | Self::NorthboundAndSouthbound => Database::Northbound,
            Self::Southbound => Database::Southbound,
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Northbound | Self::NorthboundAndSouthbound => "nb_ovn_bgp_driver",
            Self::Southbound => "ovn_bgp_driver",
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Northbound => "NB",
            Self::NorthboundAndSouthbound => "NB, SB for bindings",
            Self::Southbound => "SB",
        })
    }
}

/// What the agent and the servers have cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Octets received.
    pub(super) northbound: f64,
    pub(super) southbound: f64,
    /// Resident, MB.
    pub(super) rss: f64,
    /// Of the agent, milliseconds.
    pub(super) cpu: f64,
    /// Of the servers, milliseconds.
    pub(super) servers: f64,
}

impl Cost {
    /// What was added since; what is resident stays.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            northbound: self.northbound - before.northbound,
            southbound: self.southbound - before.southbound,
            rss: self.rss,
            cpu: self.cpu - before.cpu,
            servers: self.servers - before.servers,
        }
    }

    /// A part for each of so many.
    pub(super) fn each(&self, count: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let count = count.max(1) as f64;
        Self {
            northbound: self.northbound / count,
            southbound: self.southbound / count,
            rss: self.rss,
            cpu: self.cpu / count,
            servers: self.servers / count,
        }
    }

    /// As cells of a table.
    pub(super) fn cells(&self) -> String {
        format!(
            "{:.0} | {:.0} | {:.1} | {:.0} | {:.0}",
            self.northbound / 1e3,
            self.southbound / 1e3,
            self.rss,
            self.cpu,
            self.servers
        )
    }
}

/// A prefix that `plan` exposes.
#[derive(Debug, Deserialize)]
pub(super) struct Exposure {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) port: String,
}

#[derive(Deserialize)]
struct Plan {
    exposures: Vec<Exposure>,
}

/// Fields are dropped in order: what depends before what it depends on.
pub(super) struct Node {
    agent: Option<Daemon>,
    peer: Collector,
    switch: Vswitch,
    place: Place,
    northbound: Meter,
    southbound: Option<Meter>,
    servers: Vec<u32>,
    program: PathBuf,
    config: PathBuf,
    namespace: Namespace,
    _leaf: Namespace,
    dir: tempfile::TempDir,
}

impl Node {
    /// A node of the cloud without an agent. `interval`: seconds between two comparisons of everything.
    pub(super) fn new(
        program: &Path,
        cloud: &Cloud,
        driver: Driver,
        role: Role,
        interval: u32,
    ) -> Result<Self> {
        let dir = crate::scratch()?;
        let (namespace, leaf) = (Namespace::new("node")?, Namespace::new("leaf")?);
        connect((&namespace, "up0"), (&leaf, "down0"))?;
        namespace.address("up0", &format!("{NODE}/24"))?;
        leaf.address("down0", &format!("{PEER}/24"))?;
        namespace.private_etc("iproute2")?;
        let place = Place::inside(&namespace);
        let run = dir.path().join("ovs");
        std::fs::create_dir(&run)?;
        let switch = Vswitch::start(&place, &run)?;
        switch.vsctl_line(&format!(
            "set open . external_ids:system-id={} external_ids:hostname={} external_ids:ovn-bridge-mappings=physnet1:br-ex",
            cloud.host.system_id, cloud.host.name
        ))?;
        switch.add_bridge("br-ex")?;
        switch.add_bridge("br-int")?;
        for localnet in &cloud.localnets {
            switch.add_localnet_patch("br-ex", localnet)?;
        }
        let meter = |server: &OvsdbServer, name: &str| {
            Meter::before(&server.socket(), &dir.path().join(name))
        };
        let northbound = meter(cloud.northbound(), "nb-meter")?;
        let southbound = cloud.southbound().filter(|_| driver.follows_southbound());
        let southbound = southbound
            .map(|server| meter(server, "sb-meter"))
            .transpose()?;
        let listener = leaf.inside(|| TcpListener::bind((PEER, 179)))??;
        let peer = Collector::start(listener, ASN, PEER, false)?;
        let config = dir.path().join("bgp-agent.conf");
        let tenants = role == Role::Gateway;
        let mut text = format!(
            "[DEFAULT]\ndriver = {}\nexpose_tenant_networks = {tenants}\nreconcile_interval = {interval}\n\
             ovsdb_connection = {}\nbgp_AS = {ASN}\nbgp_router_id = {NODE}\ncontrol_socket = {}\n\
             [bgp]\nconnect_retry_time = 1\n[bgp_neighbor peer]\naddress = {PEER}\nremote_as = internal\n\
             [ovn]\novn_nb_connection = {}\n",
            driver.option(),
            switch.remote(),
            dir.path().join("control.sock").display(),
            northbound.remote(),
        );
        if let Some(meter) = &southbound {
            text.push_str(&format!("ovn_sb_connection = {}\n", meter.remote()));
        }
        std::fs::write(&config, text)?;
        let servers = [Some(cloud.northbound()), cloud.southbound()];
        let servers = servers.into_iter().flatten().filter_map(OvsdbServer::pid);
        Ok(Self {
            agent: None,
            peer,
            switch,
            place,
            northbound,
            southbound,
            servers: servers.collect(),
            program: program.to_owned(),
            config,
            namespace,
            _leaf: leaf,
            dir,
        })
    }

    fn command(&self) -> Result<Command> {
        let mut command = self.place.command(&self.program.display().to_string())?;
        command.arg("--config-file").arg(&self.config);
        Ok(command)
    }

    /// What `plan` exposes, how long it takes, and what it costs: it reads all rows. Resident is the most it was.
    pub(super) fn plan(&mut self) -> Result<(Vec<Exposure>, Duration, Cost)> {
        let mut command = self.command()?;
        command.args(["plan", "--json"]).stdout(Stdio::piped());
        let (before, began) = (self.cost()?, Instant::now());
        let mut child = on_dut_core(|| Ok(command.spawn()?))?;
        let mut output = child.stdout.take().context("no output")?;
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        let (mut most, pid) = (stage::Cost::default(), child.id());
        let status = loop {
            let now = stage::Cost::of(&[pid]);
            most.rss = most.rss.max(now.rss);
            most.cpu = most.cpu.max(now.cpu);
            if let Some(status) = child.try_wait()? {
                break status;
            }
            ensure!(began.elapsed() < PATIENCE, "plan takes too long");
            std::thread::sleep(Duration::from_millis(5));
        };
        let took = began.elapsed();
        ensure!(status.success(), "plan failed");
        let text = reader.join().ok().context("the reader has panicked")??;
        let plan: Plan = serde_json::from_str(&text)?;
        let mut cost = self.cost()?.since(&before);
        cost.rss = most.rss;
        cost.cpu = most.cpu.as_secs_f64() * 1e3;
        Ok((plan.exposures, took, cost))
    }

    /// Starts the agent and waits until the peer has so many routes: how long, and what it has cost.
    pub(super) fn start(&mut self, routes: usize) -> Result<(Duration, Cost)> {
        let mut command = self.command()?;
        let (before, began) = (self.cost()?, Instant::now());
        self.agent = Some(on_dut_core(|| {
            Daemon::spawn("agent", self.dir.path(), &mut command)
        })?);
        let all = self.wait_for_routes(routes)?;
        // What it does afterwards (log, notes) belongs to its start.
        self.wait_until_quiet()?;
        Ok((all - began, self.cost()?.since(&before)))
    }

    /// What agent and servers have cost so far.
    pub(super) fn cost(&self) -> Result<Cost> {
        let agent: Vec<u32> = self.agent.iter().map(Daemon::pid).collect();
        let (agent, servers) = (stage::Cost::of(&agent), stage::Cost::of(&self.servers));
        #[expect(clippy::cast_precision_loss, reason = "megabytes")]
        let octets = |meter: &Meter| meter.received() as f64;
        Ok(Cost {
            northbound: octets(&self.northbound),
            southbound: self.southbound.as_ref().map_or(0.0, octets),
            rss: agent.rss,
            cpu: agent.cpu.as_secs_f64() * 1e3,
            servers: servers.cpu.as_secs_f64() * 1e3,
        })
    }

    /// How many routes the peer has.
    pub(super) fn routes(&self) -> usize {
        self.peer.with(|table| table.routes.len())
    }

    /// When the peer has read the last of so many.
    pub(super) fn wait_for_routes(&self, count: usize) -> Result<Instant> {
        let there = |table: &Table| {
            let last = table.history.last().map(|(at, _)| *at);
            last.filter(|_| table.routes.len() == count)
        };
        let Some(at) = self.peer.wait(PATIENCE, there) else {
            let log = self.agent.as_ref().map(Daemon::log_tail);
            bail!(
                "{} of {count} routes at the peer\n{}",
                self.routes(),
                log.unwrap_or_default()
            );
        };
        Ok(at)
    }

    /// Waits until the agent has done nothing for half a second.
    pub(super) fn wait_until_quiet(&self) -> Result<()> {
        const QUIET: Duration = Duration::from_millis(500);
        let deadline = Instant::now() + PATIENCE;
        let mut last = self.cost()?;
        loop {
            std::thread::sleep(QUIET);
            let now = self.cost()?;
            if now.since(&last).cpu < 1.0
                && now.northbound + now.southbound <= last.northbound + last.southbound
            {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the agent does not come to rest");
            last = now;
        }
    }

    /// Listens to what the kernel and the bridge announce.
    pub(super) fn monitor(&self) -> Result<Monitor<'_>> {
        let mut kernel = self.namespace.command("ip");
        kernel.args(["monitor", "link", "address", "route", "rule", "neigh"]);
        let bridge = self.switch_monitor()?;
        let out = |name: &str| self.dir.path().join(name);
        Monitor::start(self, [(kernel, out("kernel")), (bridge, out("bridge"))])
    }

    /// What tells of the flows of `br-ex` that come and go, on its standard error.
    pub(super) fn switch_monitor(&self) -> Result<Command> {
        let mut bridge = self.place.command("ovs-ofctl")?;
        let target = format!("unix:{}/br-ex.mgmt", self.switch.run_dir().display());
        bridge.args(["monitor", &target, "watch:!initial"]);
        bridge.env("OVS_RUNDIR", self.switch.run_dir());
        Ok(bridge)
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(super) fn switch(&self) -> &Vswitch {
        &self.switch
    }

    /// Changes something that both listeners tell of.
    fn make_marks(&self) -> Result<()> {
        // Both again and again: neither is an error when it is there.
        let _ = self.namespace.ip(&format!("address del {MARK}/32 dev lo"));
        self.namespace
            .ip(&format!("address add {MARK}/32 dev lo"))?;
        self.switch.ofctl("del-flows", "br-ex", &[MARK_FLOW])?;
        let flow = format!("{MARK_FLOW},actions=drop");
        self.switch.ofctl("add-flow", "br-ex", &[&flow]).map(drop)
    }
}

/// Running `ip monitor` and `ovs-ofctl monitor`.
pub(super) struct Monitor<'a> {
    node: &'a Node,
    children: Vec<Child>,
    files: Vec<PathBuf>,
}

impl<'a> Monitor<'a> {
    fn start(node: &'a Node, commands: [(Command, PathBuf); 2]) -> Result<Self> {
        let mut this = Self {
            node,
            children: Vec::new(),
            files: Vec::new(),
        };
        for (mut command, file) in commands {
            let out = std::fs::File::create(&file)?;
            // `ovs-ofctl` tells what it hears on its standard error.
            command.stdin(Stdio::null()).stderr(out.try_clone()?);
            this.children.push(command.stdout(out).spawn()?);
            this.files.push(file);
        }
        // Until both listen.
        this.heard()?;
        Ok(this)
    }

    /// Everything heard that a write of the agent's would show as.
    pub(super) fn heard(&self) -> Result<Vec<String>> {
        let lines = |file: &PathBuf| -> Vec<String> {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            text.lines().map(|line| line.trim().to_owned()).collect()
        };
        let is_mark = |line: &str| line.contains(MARK) || line.contains(MARK_FLOW);
        let before: Vec<usize> = self.files.iter().map(|file| lines(file).len()).collect();
        wait_until(PATIENCE, "the monitors", || {
            let marked = self.node.make_marks().is_ok();
            let new = |(file, before): (&PathBuf, &usize)| {
                let lines = lines(file);
                lines.iter().skip(*before).any(|line| is_mark(line))
            };
            marked && self.files.iter().zip(&before).all(new)
        })?;
        // Neighbours of the cable come and go by themselves, messages of the switch's begin with their type.
        let own = |line: &String| {
            let others = ["up0", " dev lo ", "valid_lft", "link/", "(xid"];
            line.is_empty() || is_mark(line) || others.iter().any(|other| line.contains(other))
        };
        let heard = self.files.iter().flat_map(lines);
        Ok(heard.filter(|line| !own(line)).collect())
    }
}

impl Drop for Monitor<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
