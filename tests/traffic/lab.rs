//! A node with our speaker, a leaf with a router, one or two uplinks between them, and a host behind the leaf.
//!
//! Each uplink can go silent while both ends keep their carrier.

use std::fmt::Write as _;
use std::path::PathBuf;

use interop::netns::{Cable, Namespace, connect};

use crate::node::{Node, ways};
use crate::ping::Ping;

/// For [`Lab::configure`]: BFD on every uplink, 3 × 100 ms.
pub(crate) const QUICK_BFD: &str =
    "bfd = quick\n[bfd_profile quick]\ntransmit_interval = 100\nreceive_interval = 100\n";

/// So many addresses the host has in all: flows that take different uplinks.
const HOSTS: u32 = 12;

/// What is pinged, and what the sessions are on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// The node's loopback: what the fabric learns from us.
    pub(crate) fn node(self) -> &'static str {
        match self {
            Self::V4 => "192.0.2.7",
            Self::V6 => "2001:db8:7::7",
        }
    }

    /// An address of the host behind the leaf, counted from 1: the node reaches it through the learned default
    /// route only.
    pub(crate) fn host(self, n: u32) -> String {
        match self {
            Self::V4 => format!("198.51.100.{n}"),
            Self::V6 => format!("2001:db8:100::{n}"),
        }
    }

    /// Our address on uplink `n`, counted from 1.
    pub(crate) fn ours(self, n: usize) -> String {
        match self {
            Self::V4 => format!("10.{n}.0.1"),
            Self::V6 => format!("fd00:{n}::1"),
        }
    }

    /// The leaf's.
    pub(crate) fn theirs(self, n: usize) -> String {
        match self {
            Self::V4 => format!("10.{n}.0.254"),
            Self::V6 => format!("fd00:{n}::254"),
        }
    }

    /// The prefix of the node's loopback.
    pub(crate) fn prefix(self) -> String {
        let length = self.pick(32, 128);
        format!("{}/{length}", self.node())
    }

    /// An address with the length of a link's prefix.
    fn on_link(self, address: &str) -> String {
        format!("{address}/{}", self.pick(24, 64))
    }

    /// `ipv4` or `ipv6`, as every router calls it.
    pub(crate) fn word(self) -> &'static str {
        self.pick("ipv4", "ipv6")
    }

    pub(crate) fn pick<T>(self, v4: T, v6: T) -> T {
        match self {
            Self::V4 => v4,
            Self::V6 => v6,
        }
    }
}

pub(crate) struct Lab {
    pub(crate) family: Family,
    pub(crate) node: Node,
    pub(crate) leaf: Namespace,
    host: Namespace,
    uplinks: Vec<Cable>,
    pub(crate) dir: tempfile::TempDir,
}

impl Lab {
    /// With so many uplinks; nothing runs yet.
    pub(crate) fn new(family: Family, uplinks: usize) -> Self {
        let dir = interop::scratch().unwrap();
        let node = Node::new("node", dir.path());
        let [leaf, host] = ["leaf", "host"].map(|label| Namespace::new(label).unwrap());
        leaf.forward().unwrap();
        let lab = Self {
            family,
            uplinks: (1..=uplinks)
                .map(|n| uplink(family, &node, &leaf, n))
                .collect(),
            node,
            leaf,
            host,
            dir,
        };
        lab.put_host_behind_leaf();
        let loopback = lab.node.namespace.address("lo", &family.prefix());
        loopback.unwrap();
        lab
    }

    fn put_host_behind_leaf(&self) {
        let Self {
            family, leaf, host, ..
        } = self;
        connect((leaf, "behind"), (host, "eth0")).unwrap();
        let gateway = family.pick("198.51.100.254", "2001:db8:100::ffff");
        leaf.address("behind", &family.on_link(gateway)).unwrap();
        for n in 1..=HOSTS {
            let address = family.on_link(&family.host(n));
            host.address("eth0", &address).unwrap();
        }
        host.ip(&format!("route add default via {gateway}"))
            .unwrap();
        host.sysctl("net.ipv6.auto_flowlabels", "0").unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the speaker's configuration: one neighbour for each uplink, with these options too.
    pub(crate) fn configure(&self, options: &str) {
        let (family, source) = (self.family, self.family.node());
        let mut text = format!(
            "[bgp]\nas = 65001\nrouter_id = 192.0.2.7\nredistribute_connected = lo\npreferred_source_{} = {source}\n\
             remote_as = external\nconnect_retry_time = 1\n{options}",
            family.word()
        );
        for n in 1..=self.uplinks.len() {
            let theirs = family.theirs(n);
            let _ = write!(text, "[bgp_neighbor uplink{n}]\naddress = {theirs}\n");
        }
        self.node.configure(&text);
    }

    /// Whether BFD is up on every uplink with what was agreed, 3 × 100 ms.
    pub(crate) fn bfd_is_quick(&self) -> bool {
        self.node.quick_paths() == self.uplinks.len()
    }

    /// From the node through the learned default route.
    pub(crate) fn ping_out(&self) -> Ping {
        self.ping_out_to(&self.family.host(1))
    }

    fn ping_out_to(&self, host: &str) -> Ping {
        let (node, source) = (&self.node.namespace, self.family.node());
        Ping::start(node, source, host, self.dir.path())
    }

    /// From behind the leaf to the loopback that it learned.
    pub(crate) fn ping_in(&self) -> Ping {
        self.ping_in_from(&self.family.host(1))
    }

    fn ping_in_from(&self, host: &str) -> Ping {
        Ping::start(&self.host, host, self.family.node(), self.dir.path())
    }

    /// [`Self::ping_out`] by uplink `n`, as the node's kernel spreads its flows.
    pub(crate) fn ping_out_by(&self, n: usize) -> Ping {
        let (node, source) = (&self.node.namespace, self.family.node());
        self.ping_out_to(&host_by(self.family, node, n, |host| {
            format!("{host} from {source}")
        }))
    }

    /// [`Self::ping_in`] by uplink `n`, as the leaf's kernel spreads its flows.
    pub(crate) fn ping_in_by(&self, n: usize) -> Ping {
        let node = self.family.node();
        self.ping_in_from(&host_by(self.family, &self.leaf, n, |host| {
            format!("{node} from {host} iif behind")
        }))
    }

    /// From now on no frame passes uplink `n`, and nobody's carrier goes.
    pub(crate) fn cut(&self, n: usize) {
        self.uplinks[n - 1].cut().unwrap();
    }

    pub(crate) fn mend(&self, n: usize) {
        self.uplinks[n - 1].mend().unwrap();
    }

    /// How many uplinks the node's default route has, and the leaf's route to the node.
    pub(crate) fn ways(&self) -> (usize, usize) {
        let default = self.family.pick("default", "::/0");
        (
            ways(&self.node.namespace, default, "eth"),
            ways(&self.leaf, self.family.node(), "eth"),
        )
    }
}

/// An address of the host whose way, as the kernel of `at` answers to `question`, is `eth<n>`.
pub(crate) fn host_by(
    family: Family,
    at: &Namespace,
    n: usize,
    question: impl Fn(&str) -> String,
) -> String {
    let device = format!(" dev eth{n} ");
    // As a ping's flow is hashed.
    let protocol = family.pick("icmp", "ipv6-icmp");
    let mut hosts = (1..=HOSTS).map(|n| family.host(n));
    let found = hosts.find(|host| {
        let line = format!("route get {} ipproto {protocol}", question(host));
        at.ip(&line).unwrap().contains(&device)
    });
    found.expect("one of so many flows takes this uplink")
}

/// Uplink `n` of the node.
fn uplink(family: Family, node: &Node, leaf: &Namespace, n: usize) -> Cable {
    let (node, device) = (&node.namespace, format!("eth{n}"));
    let cable = Cable::new((node, &device), (leaf, &device)).unwrap();
    for (at, address) in [(node, family.ours(n)), (leaf, family.theirs(n))] {
        at.address(&device, &family.on_link(&address)).unwrap();
    }
    cable
}
