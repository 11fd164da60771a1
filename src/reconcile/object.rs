//! The kernel and OVS objects that steer an exposure's traffic. Desired and observed state use
//! these same types, so that one diff serves every kind.
//!
//! An object is a [`Key`] (its identity: there is at most one such object on a node) and a
//! [`Value`] (everything else about it that we care for).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::IpNet;
use serde::Serialize;

use crate::mac::MacAddr;

/// A routing table id, 1–4294967295.
pub type TableId = u32;

/// Metric of [`Key::Unreachable`], the Python agent's and FRR's: the largest that is left to a route.
pub const UNREACHABLE_METRIC: u32 = 4_278_198_272;

/// Identity of an object. The order of variants is the order of creation; deletion goes backwards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "object", rename_all = "kebab-case")]
pub enum Key {
    /// A row of `/etc/iproute2/rt_tables`.
    TableName {
        name: Arc<str>,
    },
    Link {
        name: Arc<str>,
    },
    /// What a link is enslaved to: a VRF, or a bridge.
    Master {
        dev: Arc<str>,
    },
    /// How a bridge of the kernel treats one of its ports.
    BridgePort {
        dev: Arc<str>,
    },
    /// `path` is below `/proc/sys`, as in `net/ipv4/conf/br-ex.123/proxy_arp`.
    Sysctl {
        path: Arc<str>,
    },
    Address {
        dev: Arc<str>,
        address: IpNet,
    },
    /// A unicast route. `prefix` is masked.
    Route {
        table: TableId,
        prefix: IpNet,
    },
    /// `unreachable <prefix>` with [`UNREACHABLE_METRIC`]: what no other route of the table has goes nowhere.
    Unreachable {
        table: TableId,
        prefix: IpNet,
    },
    Neighbour {
        dev: Arc<str>,
        address: IpAddr,
    },
    /// Where a bridge of the kernel sends frames to `mac`: out of its port `dev`.
    Fdb {
        dev: Arc<str>,
        mac: MacAddr,
    },
    /// A VTEP that gets a copy of every frame that VXLAN device `dev` floods.
    Flood {
        dev: Arc<str>,
        vtep: IpAddr,
    },
    /// `ip -6 neigh add proxy <address> dev <dev>`.
    Proxy {
        dev: Arc<str>,
        address: Ipv6Addr,
    },
    /// `ip rule to <to> lookup <table>`. `to` is masked; the host bits that the Python agent leaves in it are
    /// no part of a rule's identity, because they do not change what it matches.
    Rule {
        priority: u32,
        to: IpNet,
        table: TableId,
    },
    /// A port of an Open vSwitch bridge.
    SwitchPort {
        bridge: Arc<str>,
        port: Arc<str>,
    },
    /// An OpenFlow rule of ours on a bridge, table 0.
    Flow {
        bridge: Arc<str>,
        priority: u16,
        in_port: u32,
        ether_type: EtherType,
        /// `None` is any.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<FlowSource>,
    },
    /// A unicast route in a table of ours that no [`Key::Route`] describes, because it has a metric
    /// or a type of service. Observed only: nobody wishes for one, so it goes.
    StrayRoute {
        table: TableId,
        prefix: IpNet,
        metric: u32,
        tos: u8,
    },
    /// A flow with our cookie that no [`Key::Flow`] describes. Observed only: it goes.
    StrayFlow {
        bridge: Arc<str>,
        table: u8,
        priority: u16,
        /// The OXM fields of its match, as on the wire: what deletes it strictly.
        oxm: Arc<[u8]>,
    },
}

impl Key {
    /// True when the OpenFlow client observes and applies it; the kernel has the rest.
    pub fn is_flow(&self) -> bool {
        matches!(self, Self::Flow { .. } | Self::StrayFlow { .. })
    }

    /// True when Open vSwitch's database has it.
    pub fn is_port(&self) -> bool {
        matches!(self, Self::SwitchPort { .. })
    }

    /// The bridge of Open vSwitch that it is on.
    pub fn bridge(&self) -> Option<&Arc<str>> {
        match self {
            Self::Flow { bridge, .. }
            | Self::StrayFlow { bridge, .. }
            | Self::SwitchPort { bridge, .. } => Some(bridge),
            _ => None,
        }
    }

    /// The interface that must exist before an object with this value can.
    pub fn device<'a>(&'a self, value: &'a Value) -> Option<&'a str> {
        match (self, value) {
            (
                Self::Address { dev, .. }
                | Self::Neighbour { dev, .. }
                | Self::Proxy { dev, .. }
                | Self::Fdb { dev, .. }
                | Self::Flood { dev, .. }
                | Self::BridgePort { dev }
                | Self::Master { dev },
                _,
            ) => Some(dev),
            (_, Value::Route(route)) => Some(&route.dev),
            (Self::Sysctl { path }, _) => sysctl_device(path),
            (
                Self::Link { .. },
                Value::Link(Link {
                    kind: LinkKind::Vlan { parent, .. },
                    ..
                }),
            ) => Some(parent),
            _ => None,
        }
    }
}

/// The interface of `net/ipv4/conf/<interface>/<name>` and its like.
fn sysctl_device(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    let known = parts.next() == Some("net")
        && matches!(parts.next(), Some("ipv4" | "ipv6"))
        && matches!(parts.next(), Some("conf" | "neigh"));
    let device = parts.next().filter(|d| !matches!(*d, "all" | "default"))?;
    (known && parts.next().is_some()).then_some(device)
}

/// Everything about an object besides its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    TableName {
        id: TableId,
    },
    Link(Link),
    Master {
        master: Arc<str>,
    },
    /// The text of the sysctl, without newline.
    Sysctl {
        value: Arc<str>,
    },
    Address {},
    Route(Route),
    /// IPv4 and IPv6 neighbour solicitations for known neighbours are answered, not flooded (`neigh_suppress`), and
    /// whether addresses are learned from frames (`learning`).
    BridgePort {
        learning: bool,
        neigh_suppress: bool,
    },
    Unreachable {},
    Neighbour {
        mac: MacAddr,
    },
    /// With a VTEP, out of a VXLAN device; without, out of the port itself.
    Fdb {
        vtep: Option<IpAddr>,
    },
    Flood {},
    SwitchPort {
        /// The VLAN that it is an access port of (1–4094).
        tag: Option<u16>,
        /// Open vSwitch makes the device (`type=internal`).
        internal: bool,
    },
    Proxy {},
    Rule {},
    Flow(Flow),
    /// Of a [`Key::StrayFlow`]: its text for people.
    Stray {
        text: Arc<str>,
    },
}

/// A network interface we need up, and create if its kind says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    pub kind: LinkKind,
    pub up: bool,
    /// Its hardware address; `None` in a wish is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// Octets of its largest packet; `None` in a wish is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// How an interface comes into being.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LinkKind {
    /// Somebody else's (an OVS bridge): we set it up, and never create or delete it.
    Foreign,
    /// An 802.1Q device on `parent`.
    Vlan { parent: Arc<str>, id: u16 },
    /// A VRF device, whose members' routes are in `table`.
    Vrf { table: TableId },
    /// A dummy device.
    Dummy,
    /// A bridge of the kernel.
    Bridge,
    /// A VXLAN device (RFC 7348) that learns nothing from frames.
    Vxlan {
        vni: Vni,
        /// UDP, 1–65535.
        port: u16,
        /// Where its tunnels begin.
        local: IpAddr,
    },
    /// One end of a pair, the other of which comes and goes with it.
    Veth { peer: Arc<str> },
}

/// The kind of an 802.1Q device.
#[cfg(test)]
pub(crate) fn vlan(parent: &str, id: u16) -> LinkKind {
    LinkKind::Vlan {
        parent: Arc::from(parent),
        id,
    }
}

/// The value of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    pub dev: Arc<str>,
    /// Next hops that share the traffic, sorted; none is on-link (scope link in IPv4).
    #[serde(serialize_with = "hops")]
    pub via: Arc<[IpAddr]>,
}

impl Link {
    /// An interface that is to be up, with whatever hardware address and MTU.
    pub fn up(kind: LinkKind) -> Self {
        Self {
            kind,
            up: true,
            mac: None,
            mtu: None,
        }
    }
}

/// The words of `plan --json`: nothing, an address, or several.
fn hops<S: serde::Serializer>(hops: &Arc<[IpAddr]>, serializer: S) -> Result<S::Ok, S::Error> {
    match &**hops {
        [] => serializer.serialize_none(),
        [hop] => hop.serialize(serializer),
        hops => hops.serialize(serializer),
    }
}

impl Route {
    /// On-link, or by way of an address that is on the link.
    pub fn new(dev: Arc<str>, via: Option<IpAddr>) -> Self {
        Self {
            dev,
            via: via.into_iter().collect(),
        }
    }
}

/// `ip`, `ipv6` or `arp` of `ovs-ofctl`, or its neighbour solicitations (`icmp6,icmp_type=135`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EtherType {
    Ipv4,
    Ipv6,
    Arp,
    /// Those for one address are sent on to that address itself, whatever group they came to. Those for any, as long as they
    /// are to a solicited-node group, are sent on to the group of the address that they are for.
    Nd,
}

/// Of whose packets a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FlowSource {
    /// `dl_src`
    pub mac: MacAddr,
    /// `nw_src` or `ipv6_src`, masked; of those that ask, whom they ask for: `arp_tpa` or `nd_target`.
    pub network: IpNet,
}

/// The value of a flow: rewrite the destination MAC, then let the packet go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// 0x3e7 (999) or 0x3e6 (998), the Python agent's marks and ours.
    pub cookie: u64,
    pub set_eth_dst: MacAddr,
    /// Where to; `None` is `NORMAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<FlowOutput>,
}

/// A port that packets leave through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FlowOutput {
    /// OpenFlow port.
    pub port: u32,
    /// Without the VLAN tag that they came with.
    pub strip_vlan: bool,
}
