//! A node of a large cloud: what it reads, what it costs, what one change costs, and a comparison of everything
//! that finds nothing to do.
//!
//! The cloud is a snapshot (`--snapshot DIR`: `nb.db.gz` and `sb.db.gz` of a real Neutron and northd) or, without
//! one, rows made here ([`crate::scale`]), of OVN_Northbound alone. The clock of a start runs from the agent's fork
//! until the neutral collector has read the last route; octets are counted between the agent and each server.

mod cloud;
mod node;
mod repair;
mod spread;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::cloud::{Cloud, Database};
use self::node::{Driver, Node};
use super::table::quantile;
use crate::scale::{Role, Scale};

pub(super) use self::repair::repairs;
pub(super) use self::spread::spread;

/// Changes of each kind, half of them downwards.
const CHANGES: usize = 60;

/// Local exposures where nothing is to do.
const EXPOSURES: usize = 2000;

/// A cloud whose node has [`EXPOSURES`].
const CROWDED: Scale = Scale {
    chassis: 10,
    provider_networks: 20,
    provider_ports: 10 * EXPOSURES,
    tenant_networks: 10,
    vms_per_network: 10,
    fips: 0,
};

/// Comparisons of everything that are measured, one a second.
const RESYNCS: u32 = 10;

/// Prints what a compute node and a gateway node cost; `snapshot` is a directory with the databases.
///
/// # Errors
/// A lab does not come up, or the agent does not do what it should.
pub(super) fn measure(agent: &Path, snapshot: Option<&Path>) -> Result<()> {
    let agent = agent
        .canonicalize()
        .with_context(|| format!("no agent at {}", agent.display()))?;
    let (mut starts, mut changes) = (Vec::new(), Vec::new());
    for role in [Role::Compute, Role::Gateway] {
        let cloud = match snapshot {
            Some(dir) => Cloud::of(dir, role)?,
            None => Cloud::made(Scale::FULL, role)?,
        };
        for driver in Driver::ALL {
            if cloud.has_southbound() || !driver.follows_southbound() {
                play(&agent, &cloud, role, driver, &mut starts, &mut changes)?;
            }
        }
    }
    println!("Scale: the start of a node of a large cloud\n");
    println!(
        "| node | driver | rows | prefixes | start → all at the peer, s | received NB, kB | SB, kB | RSS, MB | CPU, ms | servers' CPU, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    println!("{}\n", starts.join("\n"));
    println!("Scale: one change ({CHANGES} of each kind)\n");
    println!(
        "| node | driver | a VM port | committed → peer p50, ms | p99 | received a change, octets | CPU a change, ms | servers' |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    println!("{}\n", changes.join("\n"));
    Ok(())
}

fn play(
    agent: &Path,
    cloud: &Cloud,
    role: Role,
    driver: Driver,
    starts: &mut Vec<String>,
    changes: &mut Vec<String>,
) -> Result<()> {
    let what = format!(
        "{} | {driver}",
        match role {
            Role::Compute => "compute",
            Role::Gateway => "gateway",
        }
    );
    eprintln!("{}: {what}", cloud.host.name);
    let mut node = Node::new(agent, cloud, driver, role, 300)?;
    let (exposures, took, cost) = node.plan()?;
    starts.push(format!(
        "| {what} | all (`plan`) | {} | {:.2} (no peer) | {} |",
        exposures.len(),
        took.as_secs_f64(),
        cost.cells()
    ));
    let (took, cost) = node.start(exposures.len())?;
    starts.push(format!(
        "| {what} | its own | {} | {:.2} | {} |",
        exposures.len(),
        took.as_secs_f64(),
        cost.cells()
    ));
    let of_kind = |kind| exposures.iter().find(|e| e.kind == kind);
    let here = of_kind("provider").or_else(|| of_kind("tenant"));
    let here = here.context("no VM is on this node or behind its gateways")?;
    changes.push(one_change(
        &mut node,
        (cloud, driver),
        (&what, "here"),
        &here.port,
        true,
    )?);
    let elsewhere = cloud.port_elsewhere()?;
    changes.push(one_change(
        &mut node,
        (cloud, driver),
        (&what, "elsewhere"),
        &elsewhere,
        false,
    )?);
    Ok(())
}

/// A port goes down and comes up, again and again; where it is the node's own, the peer hears of each.
fn one_change(
    node: &mut Node,
    (cloud, driver): (&Cloud, Driver),
    (what, place): (&str, &str),
    port: &str,
    own: bool,
) -> Result<String> {
    let mut samples = Vec::new();
    let all = node.routes();
    let before = node.cost()?;
    for number in 0..CHANGES {
        let up = number % 2 == 1;
        cloud.set_up(port, up, driver.decisive())?;
        let committed = Instant::now();
        if own {
            let seen = node.wait_for_routes(if up { all } else { all - 1 })?;
            let took = seen.saturating_duration_since(committed);
            samples.push(took.as_secs_f64() * 1e3);
        }
    }
    if !own {
        // The server has told whom it tells once it has told of this one, too.
        node.wait_until_quiet()?;
    }
    let cost = node.cost()?.since(&before).each(CHANGES);
    let times = if own {
        let (p50, p99) = (quantile(&mut samples, 0.5), quantile(&mut samples, 0.99));
        format!("{p50:.2} | {p99:.2}")
    } else {
        "– | –".to_owned()
    };
    Ok(format!(
        "| {what} | {place} | {times} | {:.0} | {:.2} | {:.2} |",
        cost.northbound + cost.southbound,
        cost.cpu,
        cost.servers
    ))
}

/// Prints what it costs a node with thousands of exposures to compare everything, when nothing is to be done.
///
/// # Errors
/// A lab does not come up, or the agent does not do what it should.
pub(super) fn resync(agent: &Path) -> Result<()> {
    let agent = agent
        .canonicalize()
        .with_context(|| format!("no agent at {}", agent.display()))?;
    let cloud = Cloud::made(CROWDED, Role::Compute)?;
    let driver = Driver::Northbound;
    let mut cost = Vec::new();
    let (mut exposures, mut heard) = (0, Vec::new());
    for interval in [86_400, 1] {
        let mut node = Node::new(&agent, &cloud, driver, Role::Compute, interval)?;
        exposures = node.plan()?.0.len();
        node.start(exposures)?;
        let monitor = node.monitor()?;
        let (began, before) = (Instant::now(), node.cost()?);
        std::thread::sleep(Duration::from_secs(RESYNCS.into()));
        let spent = node.cost()?.since(&before).cpu;
        cost.push(spent / began.elapsed().as_secs_f64());
        heard = monitor.heard()?;
    }
    let [idle, busy] = cost.as_slice() else {
        anyhow::bail!("two were measured");
    };
    println!(
        "Scale: a comparison of everything that finds nothing to do\n\n\
         | exposures | CPU of one, ms (of {RESYNCS}, one a second) | a second without one | writes that kernel and bridge told of |\n\
         |---|---|---|---|\n| {exposures} | {:.2} | {idle:.2} | {} |",
        busy - idle,
        if heard.is_empty() {
            "none".to_owned()
        } else {
            format!("{heard:?}")
        }
    );
    Ok(())
}

/// Where a snapshot is, in words for an operator.
fn missing(file: &Path) -> String {
    format!(
        "{}: a snapshot is a directory with nb.db.gz and sb.db.gz",
        file.display()
    )
}

/// Which of a snapshot's files a database is.
fn file_of(dir: &Path, database: Database) -> PathBuf {
    dir.join(match database {
        Database::Northbound => "nb.db.gz",
        Database::Southbound => "sb.db.gz",
    })
}
