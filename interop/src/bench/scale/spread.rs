//! What the compute nodes of one cloud receive: they differ in what they have.

use std::path::Path;

use anyhow::{Context, Result};

use super::cloud::Cloud;
use super::node::{Driver, Node};
use crate::scale::Role;

/// Every so-manieth host by name, beginning with the first.
const STEP: usize = 10;

/// Prints what the compute nodes of a snapshot read of OVN_Northbound until all is at the peer. Without a
/// snapshot nothing is measured: in a cloud that is made here all nodes are alike.
///
/// # Errors
/// A lab does not come up, or the agent does not do what it should.
pub(crate) fn spread(agent: &Path, snapshot: Option<&Path>) -> Result<()> {
    let Some(snapshot) = snapshot else {
        eprintln!("spread: needs --snapshot");
        return Ok(());
    };
    let agent = agent
        .canonicalize()
        .with_context(|| format!("no agent at {}", agent.display()))?;
    let mut cloud = Cloud::of(snapshot, Role::Compute)?;
    let hosts = cloud.hosts.clone();
    let mut nodes = Vec::new();
    for host in hosts.into_iter().step_by(STEP) {
        eprintln!("{}", host.name);
        cloud.host = host;
        let mut node = Node::new(&agent, &cloud, Driver::Northbound, Role::Compute, 300)?;
        let exposures = node.plan()?.0.len();
        let (_, cost) = node.start(exposures)?;
        nodes.push((
            cost.northbound,
            cost.rss,
            exposures,
            cloud.host.name.clone(),
        ));
    }
    nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!(
        "Spread: what {} compute nodes of one cloud receive\n\n| node | prefixes | received NB, kB | RSS, MB |\n|---|---|---|---|",
        nodes.len()
    );
    let row = |title: &str, at: usize| {
        if let Some((octets, rss, exposures, name)) = nodes.get(at) {
            let kilobytes = octets / 1e3;
            println!("| {title} ({name}) | {exposures} | {kilobytes:.0} | {rss:.1} |");
        }
    };
    row("least", 0);
    row("median", nodes.len() / 2);
    row("most", nodes.len().saturating_sub(1));
    println!();
    Ok(())
}
