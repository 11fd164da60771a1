//! The kernel and OVS objects that steer an exposure's traffic. Desired and observed state use
//! these same types, so that one diff serves every kind.
//!
//! An [`Object`] is a [`Key`] (its identity: there is at most one such object on a node) and a
//! value (everything else about it that we care for).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use crate::mac::MacAddr;

/// A routing table id, 1–4294967295.
pub type TableId = u32;

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
    Neighbour {
        dev: Arc<str>,
        address: IpAddr,
    },
    /// `ip -6 neigh add proxy <address> dev <dev>`.
    Proxy {
        dev: Arc<str>,
        address: Ipv6Addr,
    },
    /// `ip rule to <to> lookup <table>`; `to` may keep host bits, as the Python agent leaves them.
    Rule {
        priority: u32,
        to: IpNet,
        table: TableId,
    },
    /// An OpenFlow rule of ours on a bridge, table 0.
    Flow {
        bridge: Arc<str>,
        priority: u16,
        in_port: u32,
        ether_type: EtherType,
    },
}

/// Everything about an object besides its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    TableName {
        id: TableId,
    },
    Link(Link),
    /// The text of the sysctl, without newline.
    Sysctl {
        value: Arc<str>,
    },
    Address {},
    Route(Route),
    Neighbour {
        mac: MacAddr,
    },
    Proxy {},
    Rule {},
    Flow(Flow),
}

/// A network interface we need up, and create if its kind says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    pub kind: LinkKind,
    pub up: bool,
}

/// How an interface comes into being.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LinkKind {
    /// Somebody else's (an OVS bridge): we set it up, and never create or delete it.
    Foreign,
    /// An 802.1Q device on `parent`.
    Vlan { parent: Arc<str>, id: u16 },
}

/// The value of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    pub dev: Arc<str>,
    /// Next hop; `None` is on-link (scope link in IPv4).
    pub via: Option<IpAddr>,
}

/// `ip` or `ipv6` of `ovs-ofctl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EtherType {
    Ipv4,
    Ipv6,
}

/// The value of a flow: rewrite the destination MAC, then `NORMAL`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// 0x3e7 (999), the Python agent's mark and ours.
    pub cookie: u64,
    pub set_eth_dst: MacAddr,
}
