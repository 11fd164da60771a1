//! Which prefixes this node must attract, and which candidates it must not, with reasons.
//!
//! Pure: rows in, [`Decision`] out. One file per driver; this file holds the one vocabulary.

mod node;
pub mod northbound;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use crate::mac::MacAddr;
pub use node::{NoSystemId, Node};

/// What stands behind a prefix. The names are those of `plan --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Provider,
    Fip,
    Tenant,
    Subnet,
    Gateway,
    LbVip,
    LbFip,
    PortForwarding,
    L2Subnet,
}

/// Where an exposure's traffic enters OVN: the bridge of its provider network here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// OVS bridge that `ovn-bridge-mappings` gives for the physical network.
    pub bridge: Arc<str>,
    /// VLAN id (1–4094) of the localnet port, `None` for a flat network.
    pub vlan: Option<u16>,
    /// Name of the localnet port; its patch port is `patch-<name>-to-br-int`.
    pub localnet: Arc<str>,
}

/// A prefix this node must attract, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exposure {
    pub prefix: IpNet,
    pub kind: Kind,
    /// Logical switch port or logical router port it belongs to.
    pub port: Arc<str>,
    /// Logical switch whose localnet port attaches it (`neutron-<uuid>`).
    pub network: Arc<str>,
    pub attachment: Attachment,
    /// EVPN VNI (1–16777215), `None` with method underlay.
    pub vni: Option<u32>,
    /// Next hop inside OVN for what is not on-link.
    pub via: Option<IpAddr>,
    /// MAC that answers for the prefix on the bridge: pins a permanent neighbour when known.
    pub mac: Option<MacAddr>,
    /// IPv6 addresses this node answers neighbour solicitations for, because ports on the network
    /// use them as their gateway.
    pub proxied: Arc<[std::net::Ipv6Addr]>,
    pub reason: Reason,
}

/// Why a prefix is exposed. Rendered for operators with `Display`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A port of a provider network is up and bound to this host.
    PortHere { port: Arc<str>, host: Arc<str> },
    /// A floating IP of a port that is up and bound to this host.
    FipOfPortHere {
        nat: uuid::Uuid,
        port: Arc<str>,
        host: Arc<str>,
    },
    /// A gateway port hosted by this chassis.
    GatewayHere { lrp: Arc<str>, chassis: Arc<str> },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortHere { port, host } => write!(
                f,
                "port {port} is up on {host}, on a provider network mapped here"
            ),
            Self::FipOfPortHere { nat, port, host } => write!(
                f,
                "NAT {nat} is the floating IP of port {port}, up on {host}"
            ),
            Self::GatewayHere { lrp, chassis } => write!(
                f,
                "gateway port {lrp} is hosted by this chassis ({chassis})"
            ),
        }
    }
}

/// A candidate that is not exposed, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Withheld {
    pub prefix: IpNet,
    pub kind: Kind,
    pub port: Arc<str>,
    pub code: Code,
    /// What the operator can do or check: names the row and the column that decided.
    pub reason: String,
}

/// Why a candidate is withheld. The kebab-case names are part of the `plan --json` contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// Bound to another host, or hosted by another chassis.
    ElsewhereBound,
    /// Bound to no host.
    NotBound,
    /// `Logical_Switch_Port.up` is not true.
    PortDown,
    /// `Logical_Switch_Port.enabled` is false.
    PortDisabled,
    /// The network's physical network is not in `ovn-bridge-mappings`.
    PhysicalNetworkNotMapped,
    /// `expose_tenant_networks` is off.
    TenantNetworksDisabled,
    /// A distributed FIP has no `external_mac` (its VM is down).
    FipWithoutMac,
    /// `NAT.external_ids:neutron:fip_network_id` is missing or names no known network.
    FipWithoutNetwork,
    /// `Logical_Router.enabled` is false.
    RouterDisabled,
    /// This version does not expose such objects yet.
    NotSupported,
}

/// What changed since the last decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Sorted by prefix, then by the rest.
    pub added: Vec<Arc<Exposure>>,
    /// Sorted by prefix, then by the rest.
    pub removed: Vec<Arc<Exposure>>,
}

impl Delta {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// What a driver decided, for one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Sorted by prefix, then by the rest; a prefix with two reasons is there twice.
    pub exposures: Vec<Arc<Exposure>>,
    /// Sorted by prefix.
    pub withheld: Vec<Withheld>,
}
