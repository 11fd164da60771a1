//! The leaves, the cables, and the network under the tunnels.

use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;
use ipnet::IpNet;

use super::HOSTS;
use crate::frr::Frr;
use crate::netns::connect;
use crate::ovn::Chassis;
use crate::{Generation, Namespace, Place};

/// What the first leaf pings from: addresses of its own that no link has.
pub const LEAF_V4: &str = "198.51.100.1";
/// The same for IPv6.
pub const LEAF_V6: &str = "2001:db8:ffff::1";

/// The interface of a node to the network of the tunnels.
const UNDERLAY: &str = "phy0";

/// The cable between a node and a leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cable {
    number: u8,
    leaf: usize,
}

impl Cable {
    /// Every pair has a number of its own.
    pub(super) fn between(node: usize, leaf: usize) -> Self {
        let number = u8::try_from(1 + node + HOSTS.len() * leaf).unwrap_or(u8::MAX);
        Self { number, leaf }
    }

    fn v4(self, offset: u8) -> String {
        format!("192.0.2.{}", 8 * self.number + offset)
    }

    pub(super) fn leaf_v4(self) -> String {
        self.v4(1)
    }

    pub(super) fn node_v4(self) -> String {
        self.v4(2)
    }

    /// The collector that listens for the node, on the leaf.
    pub(super) fn collector_v4(self) -> String {
        self.v4(3)
    }

    fn leaf_v6(self) -> String {
        format!("2001:db8:0:{:x}::1", self.number)
    }

    fn node_v6(self) -> String {
        format!("2001:db8:0:{:x}::2", self.number)
    }

    /// The node's interface.
    fn up(self) -> String {
        format!("up{}", self.leaf)
    }

    /// What the leaf has as next hop of a prefix that the node announces.
    pub(super) fn next_hop(self, prefix: &IpNet) -> Result<IpAddr> {
        let address = match prefix {
            IpNet::V4(_) => self.node_v4(),
            IpNet::V6(_) => self.node_v6(),
        };
        Ok(address.parse()?)
    }
}

/// A router that the nodes talk to.
pub struct Leaf {
    /// FRR.
    pub router: Frr,
    /// Where it is.
    pub namespace: Namespace,
}

impl Leaf {
    /// Starts leaf `number` with a cable to each of the nodes.
    pub(super) fn start(
        generation: Generation,
        dir: &Path,
        number: usize,
        nodes: &[Namespace],
    ) -> Result<Self> {
        let namespace = Namespace::new("leaf")?;
        for prefix in [format!("{LEAF_V4}/32"), format!("{LEAF_V6}/128")] {
            namespace.address("lo", &prefix)?;
        }
        for (node, other) in nodes.iter().enumerate() {
            plug(&namespace, other, node, Cable::between(node, number))?;
        }
        let place = Place::inside(&namespace).with(generation);
        let config = leaf_config(number, nodes.len());
        let router = Frr::start(&place, &dir.join(format!("leaf{number}")), &config)?;
        Ok(Self { router, namespace })
    }
}

fn plug(leaf: &Namespace, node: &Namespace, number: usize, cable: Cable) -> Result<()> {
    let (down, up) = (format!("down{number}"), cable.up());
    connect((leaf, &down), (node, &up))?;
    for (namespace, interface, address) in [
        (leaf, &down, cable.leaf_v4()),
        (node, &up, cable.node_v4()),
        (leaf, &down, cable.collector_v4()),
    ] {
        namespace.address(interface, &format!("{address}/29"))?;
    }
    leaf.address(&down, &format!("{}/64", cable.leaf_v6()))?;
    node.address(&up, &format!("{}/64", cable.node_v6()))
}

/// The namespace of a node, before it has cables.
pub(super) fn node_namespace(number: usize) -> Result<Namespace> {
    let node = Namespace::new(HOSTS[number].0)?;
    node.forward()?;
    Ok(node)
}

/// The nodes leave by the first leaf: it is the one that pings.
pub(super) fn route_nodes(nodes: &[Namespace]) -> Result<()> {
    for (number, node) in nodes.iter().enumerate() {
        let cable = Cable::between(number, 0);
        node.ip(&format!("route add default via {}", cable.leaf_v4()))?;
        node.ip(&format!("route add default via {}", cable.leaf_v6()))?;
    }
    Ok(())
}

/// The address of a node's tunnels.
pub(super) fn tunnel_address(number: usize) -> String {
    format!("198.18.0.{}", number + 1)
}

/// A switch with a port for each node: the network of the tunnels.
pub(super) fn build_underlay(nodes: &[Namespace]) -> Result<Namespace> {
    let switch = Namespace::new("underlay")?;
    switch.ip("link add bridge0 type bridge")?;
    switch.ip("link set bridge0 up")?;
    for (number, node) in nodes.iter().enumerate() {
        let port = format!("node{number}");
        connect((node, UNDERLAY), (&switch, &port))?;
        switch.ip(&format!("link set {port} master bridge0"))?;
    }
    Ok(switch)
}

/// Joins a node to the network of the tunnels: BFD over them decides who hosts a gateway. The userspace datapath sends tunnels only by
/// bridges of its own.
pub(super) fn join_underlay(chassis: &Chassis, number: usize, namespace: &Namespace) -> Result<()> {
    chassis.switch.add_bridge("br-phy")?;
    namespace.address("br-phy", &format!("{}/24", tunnel_address(number)))?;
    chassis
        .switch
        .vsctl(&["add-port", "br-phy", UNDERLAY])
        .map(drop)
}

fn leaf_config(number: usize, nodes: usize) -> String {
    let mut config = format!(
        "hostname leaf{number}\nrouter bgp 64999\n bgp router-id 198.51.100.{}\n",
        number + 1
    );
    let peers: Vec<_> = (0..nodes)
        .map(|node| Cable::between(node, number).node_v4())
        .collect();
    for peer in &peers {
        config += &format!(" neighbor {peer} remote-as internal\n neighbor {peer} passive\n");
    }
    config += " address-family ipv6 unicast\n";
    for peer in &peers {
        config += &format!("  neighbor {peer} activate\n");
    }
    config + " exit-address-family\n"
}
