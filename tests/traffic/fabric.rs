//! Nodes, leaves and a spine: what the others carry while one leaf or one node is away.
//!
//! ```text
//!            spine        198.51.100.1…12, the default route
//!          ╱       ╲
//!       leaf        leaf        FRR, as the spine
//!        │ ╲       ╱ │
//!       node       node        our speaker; 192.0.2.7 is on each of them
//! ```
//!
//! Between any two BFD runs, 3 × 100 ms. Leaves announce what their kernel has, no earlier.

use std::fmt::Write as _;
use std::path::PathBuf;

use interop::frr::Frr;
use interop::netns::{Cable, Namespace};
use interop::{Generation, Place, eventually};

use crate::lab::{Family, QUICK_BFD, host_by};
use crate::leaf::{FRR_QUICK_BFD, frr_neighbor};
use crate::node::{Node, ways};
use crate::ping::Ping;

const V4: Family = Family::V4;
const NODES_AS: u32 = 65001;
const LEAVES_AS: u32 = 65000;
const SPINE_AS: u32 = 64999;

pub(crate) struct Fabric {
    pub(crate) nodes: Vec<Node>,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) spine: Namespace,
    router: Frr,
    pub(crate) dir: tempfile::TempDir,
}

impl Fabric {
    /// Everything runs, and everybody has every way there is.
    pub(crate) fn start(generation: Generation, nodes: usize, leaves: usize) -> Self {
        let dir = interop::scratch().unwrap();
        let spine = Namespace::new("spine").unwrap();
        spine.forward().unwrap();
        for n in 1..=12 {
            let address = format!("{}/32", V4.host(n));
            spine.address("lo", &address).unwrap();
        }
        let leaf = |j| Leaf::new(dir.path().join(format!("leaf{j}")), j, &spine);
        let mut leaves: Vec<_> = (0..leaves).map(leaf).collect();
        let node = |i| Node::new(&format!("node{i}"), dir.path());
        let nodes: Vec<_> = (0..nodes).map(node).collect();
        for (i, node) in nodes.iter().enumerate() {
            node.namespace.address("lo", &V4.prefix()).unwrap();
            for leaf in &mut leaves {
                leaf.connect(node, i);
            }
        }
        let place = Place::inside(&spine).with(generation);
        let config = spine_config(leaves.len());
        let mut fabric = Self {
            nodes,
            leaves,
            router: Frr::start(&place, &dir.path().join("spine"), &config).unwrap(),
            spine,
            dir,
        };
        for leaf in &mut fabric.leaves {
            leaf.start(generation);
        }
        for (i, node) in fabric.nodes.iter_mut().enumerate() {
            node.configure(&node_config(i, fabric.leaves.len()));
            node.start();
        }
        fabric.wait_complete();
        fabric
    }

    /// Waits until everybody has every way there is, and BFD is as quick as agreed.
    pub(crate) fn wait_complete(&self) {
        let leaves = self.leaves.len();
        for node in &self.nodes {
            node.wait_established();
            eventually(leaves, || ways(&node.namespace, "default", "eth"));
            eventually(leaves, || node.quick_paths());
        }
        eventually(leaves, || ways(&self.spine, V4.node(), "eth"));
        eventually(leaves, || self.quick_paths_of_spine());
        for leaf in &self.leaves {
            eventually(self.nodes.len(), || leaf.ways_to_nodes());
        }
    }

    fn quick_paths_of_spine(&self) -> usize {
        let shown = self.router.json("show bfd peers").unwrap_or_default();
        let quick = |peer: &&serde_json::Value| {
            peer["status"] == "up" && peer["remote-transmit-interval"] == 100
        };
        shown
            .as_array()
            .map_or(0, |peers| peers.iter().filter(quick).count())
    }

    /// From the spine to the nodes' address.
    pub(crate) fn ping_in(&self, host: &str) -> Ping {
        Ping::start(&self.spine, host, V4.node(), self.dir.path())
    }

    /// From the first node to the spine.
    pub(crate) fn ping_out(&self, host: &str) -> Ping {
        let node = &self.nodes[0].namespace;
        Ping::start(node, V4.node(), host, self.dir.path())
    }

    /// Hosts whose packets take leaf `j` (from 0): to the first node, and from it.
    pub(crate) fn hosts_by_leaf(&self, j: usize) -> [String; 2] {
        let node = V4.node();
        let inwards = |host: &str| format!("{node} from {host}");
        let outwards = |host: &str| format!("{host} from {node}");
        [
            host_by(V4, &self.spine, j + 1, inwards),
            host_by(V4, &self.nodes[0].namespace, j + 1, outwards),
        ]
    }
}

/// A leaf: FRR that can go away as a machine does.
pub(crate) struct Leaf {
    number: usize,
    dir: PathBuf,
    router: Option<Frr>,
    pub(crate) namespace: Namespace,
    cables: Vec<Cable>,
    generation: Generation,
}

impl Leaf {
    fn new(dir: PathBuf, number: usize, spine: &Namespace) -> Self {
        let namespace = Namespace::new("leaf").unwrap();
        namespace.forward().unwrap();
        let at_spine = format!("eth{}", number + 1);
        let cable = Cable::new((&namespace, "uplink"), (spine, &at_spine)).unwrap();
        let link = Link::above_leaf(number);
        namespace.address("uplink", &link.lower_prefix()).unwrap();
        spine.address(&at_spine, &link.upper_prefix()).unwrap();
        Self {
            number,
            dir,
            router: None,
            namespace,
            cables: vec![cable],
            generation: Generation::default(),
        }
    }

    fn connect(&mut self, node: &Node, i: usize) {
        let (at_node, here) = (format!("eth{}", self.number + 1), format!("eth{}", i + 1));
        let ends = (
            (&node.namespace, at_node.as_str()),
            (&self.namespace, here.as_str()),
        );
        self.cables.push(Cable::new(ends.0, ends.1).unwrap());
        let link = Link::below_leaf(i, self.number);
        node.namespace
            .address(&at_node, &link.lower_prefix())
            .unwrap();
        self.namespace.address(&here, &link.upper_prefix()).unwrap();
    }

    fn start(&mut self, generation: Generation) {
        self.generation = generation;
        let place = Place::inside(&self.namespace).with(generation);
        let nodes = self.cables.len() - 1;
        let config = leaf_config(self.number, nodes);
        self.router = Some(Frr::start(&place, &self.dir, &config).unwrap());
    }

    /// From now on it neither hears nor says anything, and has forgotten everything.
    pub(crate) fn go_down(&mut self) {
        self.cables.iter().for_each(|cable| cable.cut().unwrap());
        // zebra takes its routes from the kernel.
        self.router.take().expect("it runs").stop();
    }

    /// Its links are there first; then its router starts.
    pub(crate) fn come_back(&mut self) {
        self.cables.iter().for_each(|cable| cable.mend().unwrap());
        self.start(self.generation);
    }

    /// How many nodes its kernel sends to.
    pub(crate) fn ways_to_nodes(&self) -> usize {
        ways(&self.namespace, V4.node(), "eth")
    }

    /// How many paths to the nodes' address its BGP knows.
    pub(crate) fn paths_to_nodes(&self) -> usize {
        let router = self.router.as_ref().expect("it runs");
        let paths = router.next_hops(&V4.prefix());
        paths.map_or(0, |paths| paths.len())
    }

    /// A host whose packets it sends to node `i` (from 0).
    pub(crate) fn host_by_node(&self, i: usize) -> String {
        let node = V4.node();
        host_by(V4, &self.namespace, i + 1, |host| {
            format!("{node} from {host} iif uplink")
        })
    }
}

/// A link: what is nearer to the nodes has its first address, the other its last.
#[derive(Clone, Copy)]
struct Link(usize);

impl Link {
    fn below_leaf(node: usize, leaf: usize) -> Self {
        Self(1 + 2 * node + leaf)
    }

    fn above_leaf(leaf: usize) -> Self {
        Self(101 + leaf)
    }

    fn lower(self) -> String {
        V4.ours(self.0)
    }

    fn upper(self) -> String {
        V4.theirs(self.0)
    }

    fn lower_prefix(self) -> String {
        format!("{}/24", self.lower())
    }

    fn upper_prefix(self) -> String {
        format!("{}/24", self.upper())
    }
}

fn node_config(i: usize, leaves: usize) -> String {
    let source = V4.node();
    let mut text = format!(
        "[bgp]\nas = {NODES_AS}\nrouter_id = 10.255.0.{}\nredistribute_connected = lo\npreferred_source_ipv4 = {source}\n\
         remote_as = external\nconnect_retry_time = 1\n{QUICK_BFD}",
        i + 1
    );
    for j in 0..leaves {
        let leaf = Link::below_leaf(i, j).upper();
        let _ = write!(text, "[bgp_neighbor leaf{j}]\naddress = {leaf}\n");
    }
    text
}

fn leaf_config(j: usize, nodes: usize) -> String {
    let mut neighbors = frr_neighbor(&Link::above_leaf(j).upper(), SPINE_AS, true);
    for i in 0..nodes {
        neighbors += &frr_neighbor(&Link::below_leaf(i, j).lower(), NODES_AS, true);
    }
    format!(
        "{FRR_QUICK_BFD}router bgp {LEAVES_AS}\n bgp router-id 10.254.0.{}\n no bgp ebgp-requires-policy\n \
         bgp suppress-fib-pending\n{neighbors} address-family ipv4 unicast\n  maximum-paths 2\n exit-address-family\n",
        j + 1
    )
}

fn spine_config(leaves: usize) -> String {
    let (mut neighbors, mut routes) = (String::new(), String::new());
    for j in 0..leaves {
        let leaf = Link::above_leaf(j).lower();
        neighbors += &frr_neighbor(&leaf, LEAVES_AS, true);
        let _ = writeln!(routes, "  neighbor {leaf} default-originate");
    }
    format!(
        "{FRR_QUICK_BFD}router bgp {SPINE_AS}\n bgp router-id 10.253.0.1\n no bgp ebgp-requires-policy\n{neighbors} \
         address-family ipv4 unicast\n  maximum-paths 2\n{routes} exit-address-family\n"
    )
}
