//! A small cloud on one machine: what runs is real, but for Neutron ([`Neutron`]) and Nova (the tests plug the VMs).
//!
//! ```text
//!              leaf, leaf: FRR, and on the first a collector per agent     198.51.100.1, 2001:db8:ffff::1
//!                 │                          │
//!            ┌────┴──────┐             ┌─────┴─────┐
//!            │ compute-1 │  198.18/24  │ compute-2 │  gw-1          agent, OVS (userspace datapath), ovn-controller
//!            │           ├─────────────┤           ├──────          and VMs, each in a namespace of its own
//!            └───────────┘   geneve    └───────────┘
//! ```

mod fabric;
mod neutron;
mod node;
pub mod objects;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;

use crate::collector::{Event, Table};
use crate::ovn::{Central, Vm};
use crate::{Generation, Namespace, PATIENCE, Place, wait_until};
use fabric::Cable;
use objects::{Gateway, Network, Port, Router};

pub use fabric::{LEAF_V4, LEAF_V6, Leaf};
pub use neutron::{Forwarding, Neutron, Scopes, Way};
pub use node::{BRIDGES, Node};

/// Host names and system ids: not the same, so that it shows which of them was compared.
pub const HOSTS: [(&str, &str); 3] = [
    ("compute-1", "c1a4b1d6-45f7-4f8b-9c6f-0d3a86b8c001"),
    ("compute-2", "7e2b90f3-21cb-47d2-8a34-0b7d4ce2c002"),
    ("gw-1", "a9d8c7b6-5f1e-4c3d-9b2a-1e0f6d5c4003"),
];

/// One transaction can take a prefix from one node and give it to the other. Two processes that read it do not act in the same
/// microsecond, and either may be first: for no longer than this, on busy cores.
const SAME_MOMENT: Duration = Duration::from_millis(500);

/// What the agents read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// `nb_ovn_bgp_driver`, told of OVN_Northbound alone: it finds OVN_Southbound by `external_ids:ovn-remote`.
    #[default]
    Northbound,
    /// `nb_ovn_bgp_driver`, with `ovn_sb_connection`.
    NorthboundAndSouthbound,
    /// `ovn_bgp_driver`.
    Southbound,
    /// `ovn_stretched_l2_bgp_driver`.
    StretchedL2,
}

/// What a cloud shall be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The agent's program.
    pub agent: PathBuf,
    /// Whose FRR each leaf is.
    pub leaves: Vec<Generation>,
    /// How many chassis: 1 to 3.
    pub nodes: usize,
    /// What the agents read.
    pub driver: Driver,
    /// Lines for the `[DEFAULT]` section of every agent.
    pub options: String,
}

/// Dropped in this order: what depends before what it depends on.
pub struct Cloud {
    /// The chassis with their agents.
    pub nodes: Vec<Node>,
    /// Who writes to OVN.
    pub neutron: Neutron,
    /// The routers.
    pub leaves: Vec<Leaf>,
    _underlay: Namespace,
    dir: tempfile::TempDir,
}

/// What most clouds have: a provider network, a tenant network, and a router between them.
#[derive(Clone, Debug)]
pub struct Basics {
    /// Flat on physnet1.
    pub public: Network,
    /// In tunnels.
    pub tenant: Network,
    /// Between the two.
    pub router: Router,
    /// The router's way out: host 40 of the provider network.
    pub gateway: Gateway,
}

impl Basics {
    /// How its floating IPs get to its ports.
    pub fn way(&self, distributed: bool) -> Way<'_> {
        Way {
            router: &self.router,
            public: &self.public,
            distributed,
        }
    }
}

/// Somebody announced a prefix, or withdrew it: the number of the node and whether it is there now.
pub type Change = (usize, bool);

impl Cloud {
    /// Brings up the leaves, OVN, the chassis and their agents, and waits until every BGP session is up. There is no network yet.
    pub fn build(plan: &Plan) -> Result<Self> {
        let dir = crate::scratch()?;
        let namespaces: Vec<_> = (0..plan.nodes)
            .map(fabric::node_namespace)
            .collect::<Result<_>>()?;
        let leaves: Vec<_> = plan
            .leaves
            .iter()
            .zip(0..)
            .map(|(generation, n)| Leaf::start(*generation, dir.path(), n, &namespaces))
            .collect::<Result<_>>()?;
        fabric::route_nodes(&namespaces)?;
        let underlay = fabric::build_underlay(&namespaces)?;
        let central = Central::start(&Place::host().with(Generation::Trixie), dir.path())?;
        let neutron = Neutron::new(central)?;
        let start = |(number, namespace)| {
            Node::start(
                number,
                namespace,
                dir.path(),
                &leaves,
                &neutron.central,
                plan,
            )
        };
        let nodes = namespaces.into_iter().enumerate().map(start);
        let mut cloud = Self {
            nodes: nodes.collect::<Result<_>>()?,
            neutron,
            leaves,
            _underlay: underlay,
            dir,
        };
        for node in &mut cloud.nodes {
            node.wait_peers(&cloud.leaves)?;
        }
        Ok(cloud)
    }

    /// Leaves configurations, databases and logs where they are when this is dropped: there.
    pub fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }

    /// A provider network, a tenant network and a router between them, whose gateway is on one of these nodes, the first preferred.
    pub fn furnish(&self, gateways: &[usize], snat: bool) -> Result<Basics> {
        let basics = Basics {
            public: Network::provider(1, "physnet1"),
            tenant: Network::tenant(8),
            router: Router::new(1),
            gateway: Gateway {
                network: Network::provider(1, "physnet1"),
                host: 40,
                chassis: gateways.iter().map(|n| HOSTS[*n].1.to_owned()).collect(),
                snat,
            },
        };
        self.neutron.create_network(&basics.public)?;
        self.neutron.create_network(&basics.tenant)?;
        self.neutron.create_router(&basics.router)?;
        self.neutron.attach(&basics.router, &basics.tenant, None)?;
        self.neutron
            .set_gateway(&basics.router, &basics.gateway, &[&basics.tenant])?;
        Ok(basics)
    }

    /// Creates a port and boots its VM on a node.
    pub fn boot(&self, port: &Port, node: usize) -> Result<Vm> {
        self.neutron.create_port(port, HOSTS[node].0)?;
        self.plug(port, node)
    }

    /// Plugs the VM of a port, and waits until it is up.
    pub fn plug(&self, port: &Port, node: usize) -> Result<Vm> {
        let vm = self.nodes[node].plug(port)?;
        self.neutron.wait_up(port, true, HOSTS[node].0)?;
        Ok(vm)
    }

    /// Waits until every prefix is announced by the node that should (`None`: by none), and the leaf's table agrees: it has exactly that
    /// next hop.
    pub fn settle(&self, expected: &[(&str, Option<usize>)]) -> Result<()> {
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
            for at in 0..self.leaves.len() {
                self.wait_next_hop(at, prefix, &network, *by)?;
            }
        }
        Ok(())
    }

    /// What leaf `at` has as next hop of a prefix that `node` announces.
    pub fn next_hop(&self, node: usize, at: usize, prefix: &str) -> Result<IpAddr> {
        Cable::between(node, at).next_hop(&prefix.parse()?)
    }

    fn wait_next_hop(
        &self,
        at: usize,
        prefix: &str,
        network: &IpNet,
        by: Option<usize>,
    ) -> Result<()> {
        let hops: Vec<IpAddr> = by
            .map(|node| Cable::between(node, at).next_hop(network))
            .into_iter()
            .collect::<Result<_>>()?;
        let mut seen = Ok(Vec::new());
        let agrees = || {
            seen = self.leaves[at].router.next_hops(prefix);
            seen.as_ref().is_ok_and(|seen| *seen == hops)
        };
        wait_until(PATIENCE, prefix, agrees)
            .with_context(|| format!("leaf {at} should have {hops:?}, and has {seen:?}"))
    }

    /// What the agents said about a prefix since the last [`Self::forget`], in the order the leaf heard it.
    pub fn changes(&self, prefix: &str) -> Vec<Change> {
        self.timed_changes(prefix)
            .into_iter()
            .map(|(_, change)| change)
            .collect()
    }

    /// Forgets what was said so far.
    pub fn forget(&self) {
        for node in &self.nodes {
            node.collector.forget();
        }
    }

    /// Fails unless, since the last [`Self::forget`], the prefix was withdrawn by the one and announced by the other once, and not
    /// announced twice meanwhile.
    pub fn check_moved(&self, prefix: &str, from: usize, to: usize) -> Result<()> {
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

    /// Fails if two agents announced the prefix at the same time since the last [`Self::forget`], but for half a second: one
    /// transaction moves it, and two processes read that.
    /// `before` had announced it then.
    pub fn check_never_two(&self, prefix: &str, before: Option<usize>) -> Result<()> {
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
pub fn pings(from: &Namespace, to: &str, source: Option<&str>) -> Result<()> {
    let (to, source) = (to.parse()?, source.map(str::parse).transpose()?);
    wait_until(PATIENCE, &format!("{to} to answer"), || {
        from.pings(to, source)
    })
}
