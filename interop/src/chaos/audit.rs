//! What must hold in a quiet moment: leaves, neighbours, kernels, switches and `plan` agree with each other and with the world.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::expected::{Expected, Told};
use super::kernel;
use super::world::{Placed, World};
use crate::cloud::{BRIDGES, Cloud, Leaf, Node};

/// Fails with the first thing that does not agree.
pub(super) fn audit(cloud: &Cloud, world: &World, placed: &Placed) -> Result<()> {
    let expected = world.expected(placed);
    for node in &cloud.nodes {
        let heard: BTreeSet<String> = node
            .collector
            .with(|table| table.routes.keys().map(ToString::to_string).collect());
        let own = of_node(&expected, node.number);
        differ(&format!("what {} tells", node.host()), &own, &heard)?;
    }
    for (number, leaf) in cloud.leaves.iter().enumerate() {
        let what = format!("the table of leaf {number}");
        let found = table(leaf)?;
        let known: BTreeSet<_> = found.keys().collect();
        differ(&what, &expected.keys().collect(), &known)?;
        for (prefix, told) in &expected {
            let hops = found.get(prefix).map_or(&[][..], Vec::as_slice);
            check_hops(cloud, (number, prefix), told, hops).context(what.clone())?;
        }
    }
    for node in &cloud.nodes {
        let wired = world.rules.driver != crate::cloud::Driver::StretchedL2;
        kernel::check(node, &expected, wired).with_context(|| node.host())?;
        let plan = node.plan()?;
        let exposures = plan["exposures"].as_array().into_iter().flatten();
        let prefixes: BTreeSet<String> = exposures
            .filter_map(|exposure| Some(exposure["prefix"].as_str()?.to_owned()))
            .collect();
        let own = of_node(&expected, node.number);
        differ(&format!("the plan of {}", node.host()), &own, &prefixes)?;
        let changes = &plan["changes"];
        ensure!(
            changes.as_array().is_some_and(Vec::is_empty),
            "{} is not as planned: {changes}",
            node.host()
        );
    }
    Ok(())
}

fn of_node(expected: &Expected, node: usize) -> BTreeSet<String> {
    let own = expected.iter().filter(|(_, told)| told.by.contains(&node));
    own.map(|(prefix, _)| prefix.clone()).collect()
}

pub(super) fn differ<T: PartialEq + std::fmt::Debug>(
    what: &str,
    wanted: &T,
    found: &T,
) -> Result<()> {
    ensure!(
        wanted == found,
        "{what}: wanted {wanted:?}, found {found:?}"
    );
    Ok(())
}

/// A leaf has one path from each that tells the prefix, and no other.
fn check_hops(
    cloud: &Cloud,
    (leaf, prefix): (usize, &str),
    told: &Told,
    found: &[IpAddr],
) -> Result<()> {
    if told.hops.is_empty() {
        let hops = told
            .by
            .iter()
            .map(|node| cloud.next_hop(*node, leaf, prefix));
        let hops: Vec<_> = hops.collect::<Result<_>>()?;
        return differ(prefix, &hops, &found.to_vec());
    }
    let allowed: BTreeSet<String> = found.iter().map(ToString::to_string).collect();
    ensure!(
        found.len() == told.by.len() && allowed.is_subset(&told.hops),
        "{prefix}: wanted {} paths by {:?}, found {found:?}",
        told.by.len(),
        told.hops
    );
    Ok(())
}

/// Every prefix of a leaf with the next hops of all of its paths.
fn table(leaf: &Leaf) -> Result<BTreeMap<String, Vec<IpAddr>>> {
    let mut table = BTreeMap::new();
    for family in ["ipv4", "ipv6"] {
        let shown = leaf.router.json(&format!("show bgp {family} unicast"))?;
        let routes = shown["routes"].as_object();
        for (prefix, paths) in routes.into_iter().flatten() {
            let paths = paths.as_array().into_iter().flatten();
            table.insert(prefix.clone(), paths.filter_map(global_hop).collect());
        }
    }
    Ok(table)
}

fn global_hop(path: &Value) -> Option<IpAddr> {
    let hops = path["nexthops"].as_array()?;
    let hops = hops.iter().filter(|hop| hop["scope"] != "link-local");
    hops.filter_map(|hop| hop["ip"].as_str()?.parse().ok())
        .next()
}

/// What the agent has put into a node's kernel and switch, and whatever could be taken for it: the same before a cloud has
/// anything and after it had everything.
fn footprint(node: &Node) -> Result<String> {
    let kernel = "ip rule; ip -6 rule; ip neigh show nud permanent; ip -6 neigh show nud permanent; ip neigh show proxy; \
                  ip -6 neigh show proxy; ip route show table all proto static; ip -6 route show table all proto static; \
                  ip route show table all proto bgp; ip -6 route show table all proto bgp; ip -o link | wc -l; \
                  ip -o address show scope global | awk '{ print $2, $4 }' | sort";
    let mut text = node.namespace.sh(kernel)?;
    for bridge in BRIDGES {
        let flows = node.chassis.switch.flows(bridge)?;
        text += &flows
            .iter()
            .filter(|flow| flow.contains("cookie=0x3e7"))
            .map(|flow| format!("{bridge}: {flow}\n"))
            .collect::<String>();
    }
    Ok(text)
}

/// The footprints of all nodes.
pub(super) fn footprints(cloud: &Cloud) -> Result<Vec<String>> {
    let of = |node| footprint(node).with_context(|| format!("node {}", node.number));
    cloud.nodes.iter().map(of).collect()
}
