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
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use interop::collector::{Event, Table};
use interop::ovn::{Central, Vm};
use interop::{Generation, Namespace, PATIENCE, Place, wait_until};
use ipnet::IpNet;

use crate::fabric::Leaf;
use crate::neutron::{Neutron, Port};
use crate::node::Node;

/// Host names and system ids: not the same, so that it shows which of them was compared.
pub(crate) const HOSTS: [(&str, &str); 2] = [
    ("compute-1", "c1a4b1d6-45f7-4f8b-9c6f-0d3a86b8c001"),
    ("compute-2", "7e2b90f3-21cb-47d2-8a34-0b7d4ce2c002"),
];

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
        let dir = interop::scratch()?;
        let (leaf, namespaces) = Leaf::start(leaf_generation, dir.path(), nodes)?;
        let central = Central::start(&Place::host().with(Generation::Trixie), dir.path())?;
        let gateways: Vec<_> = HOSTS.iter().take(gateways).map(|(_, id)| *id).collect();
        let neutron = Neutron::build(central, &gateways)?;
        let start = |(number, namespace)| {
            Node::start(number, namespace, dir.path(), &leaf, &neutron.central)
        };
        let nodes = namespaces.into_iter().enumerate().map(start);
        let mut cloud = Self {
            nodes: nodes.collect::<Result<_>>()?,
            neutron,
            leaf,
            _dir: dir,
        };
        for node in &mut cloud.nodes {
            node.wait_peers(&cloud.leaf)?;
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
                let settled =
                    |table: &Table| (table.routes.contains_key(&network) == wanted).then_some(());
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
