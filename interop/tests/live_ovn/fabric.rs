//! The leaf, the cables, and the network under the tunnels.

use std::path::Path;

use anyhow::Result;
use interop::frr::Frr;
use interop::netns::connect;
use interop::ovn::Chassis;
use interop::{Generation, Namespace, Place};

use crate::cloud::HOSTS;

/// What the leaf pings from: addresses of its own that no link has.
pub(crate) const LEAF_V4: &str = "198.51.100.1";
pub(crate) const LEAF_V6: &str = "2001:db8:ffff::1";

/// The interface between the chassis, where there are two.
const UNDERLAY: &str = "phy0";

/// The router that the nodes talk to.
pub(crate) struct Leaf {
    pub(crate) router: Frr,
    pub(crate) namespace: Namespace,
}

impl Leaf {
    /// Starts the leaf, and makes the namespaces of the nodes on the other ends of its cables.
    pub(crate) fn start(
        generation: Generation,
        dir: &Path,
        nodes: usize,
    ) -> Result<(Self, Vec<Namespace>)> {
        let namespace = Namespace::new("leaf")?;
        for prefix in [format!("{LEAF_V4}/32"), format!("{LEAF_V6}/128")] {
            namespace.address("lo", &prefix)?;
        }
        let others: Vec<_> = (0..nodes)
            .map(|number| cable(&namespace, number))
            .collect::<Result<_>>()?;
        if let [one, other] = &others[..] {
            connect((one, UNDERLAY), (other, UNDERLAY))?;
        }
        let place = Place::inside(&namespace).with(generation);
        let router = Frr::start(&place, &dir.join("leaf"), &leaf_config(nodes))?;
        Ok((Self { router, namespace }, others))
    }
}

/// The fourth octet of the first address of a node's link: the leaf's; then come the node's and the collector's.
pub(crate) fn first(number: usize) -> u8 {
    [9, 17][number]
}

fn cable(leaf: &Namespace, number: usize) -> Result<Namespace> {
    let node = Namespace::new(HOSTS[number].0)?;
    let (down, n) = (format!("down{number}"), first(number));
    connect((leaf, &down), (&node, "up0"))?;
    for (namespace, interface, octet) in [
        (leaf, down.as_str(), n),
        (&node, "up0", n + 1),
        (leaf, &down, n + 2),
    ] {
        namespace.address(interface, &format!("192.0.2.{octet}/29"))?;
    }
    leaf.address(&down, &format!("2001:db8:0:{n:x}::1/64"))?;
    node.address("up0", &format!("2001:db8:0:{n:x}::2/64"))?;
    node.forward()?;
    node.ip(&format!("route add default via 192.0.2.{n}"))?;
    node.ip(&format!("route add default via 2001:db8:0:{n:x}::1"))?;
    Ok(node)
}

/// The address of a node's tunnels.
pub(crate) fn tunnel_address(number: usize) -> String {
    format!("198.18.0.{}", number + 1)
}

/// Joins a node to the network of the tunnels: BFD over them decides who hosts a gateway. The userspace datapath sends tunnels only by
/// bridges of its own.
pub(crate) fn join_underlay(chassis: &Chassis, number: usize, namespace: &Namespace) -> Result<()> {
    chassis.switch.add_bridge("br-phy")?;
    namespace.address("br-phy", &format!("{}/24", tunnel_address(number)))?;
    if namespace.mac(UNDERLAY).is_ok() {
        chassis.switch.vsctl(&["add-port", "br-phy", UNDERLAY])?;
    }
    Ok(())
}

fn leaf_config(nodes: usize) -> String {
    let mut config = format!("hostname leaf\nrouter bgp 64999\n bgp router-id {LEAF_V4}\n");
    let peers: Vec<_> = (0..nodes)
        .map(|n| format!("192.0.2.{}", first(n) + 1))
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
