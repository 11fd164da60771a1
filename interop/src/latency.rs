//! How long it takes from a row in the Northbound database to an UPDATE at a peer, and what the agent
//! costs meanwhile, with 100, 1,000 and 5,000 exposures already present. Run by `make bench`.
//!
//! The clock of one change starts before the transaction is sent ("sent") or when its answer, the
//! commit, has been read ("committed"); it stops when the neutral [`Collector`] has read the UPDATE.
//!
//! [`tenants`] has the same of a network in a VNI: an UPDATE of type 5.

mod connection;
mod rows;
pub mod tenants;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use serde_json::Value;

use self::connection::Connection;
use self::rows::{fill, fip_change, networks, port_change};
use self::tenants::{tenant_prefix, told_rightly};
use crate::collector::{Collector, Event, Table};
use crate::netns::connect;
use crate::ovs::Vswitch;
use crate::ovsdb::{OvsdbServer, Schema};
use crate::{Daemon, Namespace, PATIENCE, Place};

const NODE: &str = "10.255.0.2";
const PEER: &str = "10.255.0.1";
const HOST: &str = "host-1";
const PROVIDER: &str = "neutron-11111111-0000-4000-8000-000000000001";
const TENANT: &str = "neutron-22222222-0000-4000-8000-000000000002";
/// The AS of both.
const AS: u32 = 64999;
const ROUTER: &str = "neutron-33333333-0000-4000-8000-000000000003";
/// Changes per kind and size.
const CHANGES: u32 = 100;
/// Ports written in one transaction when the node is filled.
const CHUNK: u32 = 500;
/// Tenant VMs that get floating IPs.
const VMS: u32 = CHANGES;

/// Measures the agent at `agent` and prints a table.
///
/// # Errors
/// The lab does not come up, or a change does not reach the peer.
pub fn measure(agent: &Path, sizes: &[u32]) -> Result<()> {
    let agent = agent
        .canonicalize()
        .with_context(|| format!("no agent at {}", agent.display()))?;
    println!("NB transaction → UPDATE at the peer, milliseconds; {CHANGES} changes of each kind");
    println!(
        "| present | change | committed p50 | p99 | max | sent p50 | p99 | RSS MB | CPU s of the changes | start → all at the peer s | CPU s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for size in sizes {
        let mut stage = Stage::build(&agent, *size, Way::Underlay)?;
        let (start, start_cpu) = stage.start_agent()?;
        for kind in [Kind::Port, Kind::FloatingIp] {
            let row = stage.measure(kind)?;
            println!(
                "| {size} | {kind} | {row} | {:.2} | {start_cpu:.2} |",
                start.as_secs_f64()
            );
        }
    }
    Ok(())
}

/// What is changed.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A VM port of the provider network appears, bound and up; then is unbound.
    Port,
    /// A floating IP is associated with a VM; then disassociated.
    FloatingIp,
}

impl Kind {
    /// Number `n` of its changes, and the prefix that comes or goes with it.
    fn change(self, n: u32, present: bool) -> (Value, IpNet) {
        match self {
            Self::Port => port_change(n, present),
            Self::FloatingIp => fip_change(n, present),
        }
    }

    fn prefix(self, n: u32) -> IpNet {
        self.change(n, false).1
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Port => "VM port bound, unbound",
            Self::FloatingIp => "FIP associated, disassociated",
        })
    }
}

/// Where the provider network's prefixes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In IPv4 unicast.
    Underlay,
    /// In the table of this VNI, as routes of type 5: `exposing_method = vrf`.
    Vni(u32),
}

/// How long a change took.
#[derive(Clone, Copy, Debug)]
struct Took {
    /// From before its transaction was sent.
    sent: Duration,
    /// From when its answer had been read.
    committed: Duration,
}

struct Stage {
    way: Way,
    agent: Option<Daemon>,
    program: PathBuf,
    config: PathBuf,
    place: Place,
    database: Connection,
    collector: Collector,
    size: u32,
    _northbound: OvsdbServer,
    _switch: Vswitch,
    node: Namespace,
    _peer: Namespace,
    dir: tempfile::TempDir,
}

impl Stage {
    fn build(program: &Path, size: u32, way: Way) -> Result<Self> {
        let dir = crate::scratch()?;
        let (node, peer) = (Namespace::new("bench")?, Namespace::new("peer")?);
        connect((&node, "up0"), (&peer, "down0"))?;
        node.address("up0", &format!("{NODE}/24"))?;
        peer.address("down0", &format!("{PEER}/24"))?;
        node.private_etc("iproute2")?;
        let place = Place::inside(&node);
        let run = dir.path().join("openvswitch");
        std::fs::create_dir(&run)?;
        let switch = Vswitch::start(&place, &run)?;
        switch.add_bridge("br-ex")?;
        switch.add_bridge("br-int")?;
        switch.add_localnet_patch("br-ex", "provnet-1")?;
        switch.vsctl_line(&format!(
            "set open_vswitch . external_ids:system-id=chassis-1 external_ids:hostname={HOST} \
             external_ids:ovn-bridge-mappings=physnet1:br-ex"
        ))?;
        let northbound = OvsdbServer::from_schema(&place, dir.path(), Schema::Northbound)?;
        let mut database = Connection::open(&northbound.socket())?;
        database.commit(networks(way))?;
        for first in (0..size).step_by(CHUNK as usize) {
            database.commit(fill(first, CHUNK.min(size - first)))?;
        }
        let listener = peer.inside(|| TcpListener::bind((PEER, 179)))??;
        let id = PEER.parse()?;
        let collector = match way {
            Way::Underlay => Collector::start(listener, AS, id, false)?,
            Way::Vni(_) => Collector::start_evpn(listener, AS, id, false)?,
        };
        let config = dir.path().join("bgp-agent.conf");
        std::fs::write(&config, agent_config(dir.path(), &switch, &northbound, way))?;
        Ok(Self {
            way,
            agent: None,
            program: program.to_owned(),
            config,
            place,
            database,
            collector,
            size,
            _northbound: northbound,
            _switch: switch,
            node,
            _peer: peer,
            dir,
        })
    }

    /// Starts the agent and waits until the peer has everything: how long, and CPU seconds.
    fn start_agent(&mut self) -> Result<(Duration, f64)> {
        let mut command = self.place.command(&self.program.display().to_string())?;
        command.arg("--config-file").arg(&self.config);
        let start = Instant::now();
        let agent = Daemon::spawn("agent", self.dir.path(), &mut command)?;
        let size = self.size as usize;
        let way = self.way;
        let all = self
            .collector
            .wait(PATIENCE, |table| (way.count(table) == size).then_some(()));
        if all.is_none() {
            let got = self.collector.with(|table| way.count(table));
            bail!("{got} of {size} routes at the peer\n{}", agent.log_tail());
        }
        let took = start.elapsed();
        let cpu = cpu_seconds(agent.pid())?;
        self.agent = Some(agent);
        Ok((took, cpu))
    }

    fn pid(&self) -> Result<u32> {
        self.agent.as_ref().map(Daemon::pid).context("no agent")
    }

    fn measure(&mut self, kind: Kind) -> Result<String> {
        let pid = self.pid()?;
        let before = cpu_seconds(pid)?;
        let (mut committed, mut sent) = (Vec::new(), Vec::new());
        for n in 0..CHANGES / 2 {
            for present in [true, false] {
                let took = self.change(kind, n, present)?;
                sent.push(took.sent);
                committed.push(took.committed);
            }
        }
        let cpu = cpu_seconds(pid)? - before;
        let mut row = String::new();
        write!(
            row,
            "{} | {} | {}",
            milliseconds(&mut committed, 50),
            milliseconds(&mut committed, 99),
            milliseconds(&mut committed, 100)
        )?;
        write!(
            row,
            " | {} | {}",
            milliseconds(&mut sent, 50),
            milliseconds(&mut sent, 99)
        )?;
        write!(row, " | {:.1} | {cpu:.2}", rss_megabytes(pid)?)?;
        Ok(row)
    }

    /// Makes a change, and waits until the peer has been told. What it was told of a tenant is looked at.
    fn change(&mut self, kind: Kind, n: u32, present: bool) -> Result<Took> {
        let (transaction, prefix) = kind.change(n, present);
        let wanted = self.way.event(prefix, present);
        self.collector.forget();
        let start = Instant::now();
        self.database.commit(transaction)?;
        let commit = Instant::now();
        let seen = self.collector.wait(PATIENCE, |table| {
            let told = table.history.iter().find(|(_, event)| *event == wanted);
            told.map(|(at, _)| *at)
        });
        let seen = seen.with_context(|| {
            let table = self.collector.with(|table| format!("{:?}", table.history));
            let log = self.agent.as_ref().map(Daemon::log_tail);
            let log = log.unwrap_or_default();
            format!("{wanted:?} did not reach the peer, but {table}\n{log}")
        })?;
        if let Way::Vni(vni) = self.way {
            let told = |table: &Table| told_rightly(table, vni, prefix, present);
            self.collector.with(told)?;
        }
        Ok(Took {
            sent: seen - start,
            committed: seen.saturating_duration_since(commit),
        })
    }
}

impl Way {
    /// How many prefixes the peer has been told of.
    fn count(self, table: &Table) -> usize {
        match self {
            Self::Underlay => table.routes.len(),
            Self::Vni(_) => table.tenants.len(),
        }
    }

    /// What the peer is told of a prefix that comes or goes.
    fn event(self, prefix: IpNet, present: bool) -> Event {
        match (self, present) {
            (Self::Underlay, true) => Event::Announced(prefix),
            (Self::Underlay, false) => Event::Withdrawn(prefix),
            (Self::Vni(vni), true) => Event::TenantAnnounced(tenant_prefix(vni, prefix)),
            (Self::Vni(vni), false) => Event::TenantWithdrawn(tenant_prefix(vni, prefix)),
        }
    }
}

fn agent_config(dir: &Path, switch: &Vswitch, northbound: &OvsdbServer, way: Way) -> String {
    let method = match way {
        Way::Underlay => String::new(),
        Way::Vni(_) => format!("exposing_method = vrf\nevpn_local_ip = {NODE}\n"),
    };
    format!(
        "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n{method}ovsdb_connection = {}\nbgp_AS = {AS}\nbgp_router_id = {NODE}\n\
         control_socket = {}\n[ovn]\novn_nb_connection = {}\n[bgp_neighbor peer]\naddress = {PEER}\nremote_as = internal\n",
        switch.remote(),
        dir.join("control.sock").display(),
        northbound.unix(),
    )
}

/// The `percent`th percentile (100 is the maximum), in milliseconds.
fn milliseconds(samples: &mut [Duration], percent: usize) -> String {
    samples.sort();
    let at = (samples.len() * percent).div_ceil(100).saturating_sub(1);
    let sample = samples.get(at).copied().unwrap_or_default();
    format!("{:.2}", sample.as_secs_f64() * 1000.0)
}

fn rss_megabytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}

/// utime and stime of `/proc/PID/stat`, proc(5), in seconds.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no command in stat")?;
    let mut ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>);
    let sum: f64 = [ticks.next(), ticks.next()]
        .into_iter()
        .flatten()
        .collect::<Result<Vec<_>, _>>()?
        .iter()
        .sum();
    Ok(sum / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let mut samples: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(milliseconds(&mut samples, 50), "100.00");
        assert_eq!(milliseconds(&mut samples, 99), "198.00");
        assert_eq!(milliseconds(&mut samples, 100), "200.00");
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let pid = std::process::id();
        assert!(rss_megabytes(pid).unwrap() > 0.1);
        assert!(cpu_seconds(pid).unwrap() >= 0.0);
    }
}
