//! Which prefixes this node must attract, and which candidates it must not, with reasons.
//!
//! Pure: rows in, [`Decision`] out. One file per driver; this file holds the one vocabulary.

mod attributes;
mod codes;
pub mod evpn;
mod filter;
mod members;
pub mod native;
mod node;
pub mod northbound;
mod options;
pub mod policy;
pub mod southbound;
pub mod stretched_l2;
mod tenant;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::IpNet;
use serde::Serialize;

use crate::mac::MacAddr;
use crate::reconcile::Destination;
pub use attributes::{Attributes, Shown};
pub use filter::{is_global, is_routable};
pub use node::{NoSystemId, Node};
pub use options::{Method, Options, TenantExposure};
pub use policy::Policy;
pub use tenant::{
    Entry, Layer, ProviderNetwork, RouterAdvertisement, Station, Tenant, TenantGateway,
};

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

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Provider,
        Self::Fip,
        Self::Tenant,
        Self::Subnet,
        Self::Gateway,
        Self::LbVip,
        Self::LbFip,
        Self::PortForwarding,
        Self::L2Subnet,
    ];

    /// Its name in `plan --json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Fip => "fip",
            Self::Tenant => "tenant",
            Self::Subnet => "subnet",
            Self::Gateway => "gateway",
            Self::LbVip => "lb-vip",
            Self::LbFip => "lb-fip",
            Self::PortForwarding => "port-forwarding",
            Self::L2Subnet => "l2-subnet",
        }
    }
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
    /// `None` where nothing enters OVN through this node: stretched L2.
    pub attachment: Option<Attachment>,
    /// EVPN VNI (1–16777215): the prefix is that tenant's, and may be another tenant's too. `None` is the default table.
    pub vni: Option<Vni>,
    /// Whether that table has prefixes, or hosts by their `mac`.
    pub layer: Layer,
    /// Next hop inside OVN for what is not on-link: the gateway's address, of the prefix's family.
    pub via: Option<IpAddr>,
    /// The tenant subnet, masked, whose rule and route carry the traffic of a host in it.
    pub subnet: Option<IpNet>,
    /// BGP next hop, where it is not this node: stretched L2.
    pub next_hop: Option<IpAddr>,
    /// MAC that answers for the prefix on the bridge, which is the gateway's where there is a `via`: pins a
    /// permanent neighbour when known.
    pub mac: Option<MacAddr>,
    /// IPv6 addresses this node answers neighbour solicitations for, because ports on the network
    /// use them as their gateway.
    pub proxied: Arc<[std::net::Ipv6Addr]>,
    /// What the policy of the object says of its route.
    pub attributes: Attributes,
    pub reason: Reason,
}

impl Exposure {
    /// What is advertised of it.
    pub fn destination(&self) -> Destination {
        let prefix = self.prefix;
        match (self.vni, self.layer, self.mac) {
            (None, ..) => Destination::Prefix(prefix),
            (Some(vni), Layer::Bridged, Some(mac)) => Destination::Host {
                vni,
                mac,
                address: Some(prefix.addr()),
            },
            (Some(vni), ..) => Destination::Tenant { vni, prefix },
        }
    }

    /// The VLAN through which its traffic enters OVN.
    pub fn vlan(&self) -> Option<u16> {
        self.attachment.as_ref()?.vlan
    }

    /// The bridge through which its traffic enters OVN.
    pub fn bridge(&self) -> Option<&Arc<str>> {
        self.attachment.as_ref().map(|a| &a.bridge)
    }
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
    /// A floating IP of a port that is up and bound to this chassis, as the `nat_addresses` of
    /// `Port_Binding` `patch` say.
    NatAddressOfPortHere {
        patch: Arc<str>,
        port: Arc<str>,
        chassis: Arc<str>,
    },
    /// A floating IP that the router's gateway answers for, which this chassis hosts. `nat` names its row: a
    /// NAT row's id, or the patch port in whose `Port_Binding.nat_addresses` it is.
    FipOnGatewayHere { nat: Arc<str>, lrp: Arc<str> },
    /// A gateway port hosted by this chassis.
    GatewayHere { lrp: Arc<str>, chassis: Arc<str> },
    /// A port of a tenant network, through a router whose gateway port this chassis hosts.
    TenantBehindGateway { port: Arc<str>, lrp: Arc<str> },
    /// A subnet of a tenant network, whose router interface is `interface`.
    SubnetBehindGateway { interface: Arc<str>, lrp: Arc<str> },
    /// A load balancer's VIP, through a router whose gateway port this chassis hosts.
    VipBehindGateway { balancer: Arc<str>, lrp: Arc<str> },
    /// A load balancer's VIP on a provider network without router: its one member is here.
    VipOfMemberHere {
        balancer: Arc<str>,
        member: Arc<str>,
    },
    /// A floating IP whose ports are forwarded by a router whose gateway port this chassis hosts.
    ForwardedByGateway { balancer: Arc<str>, lrp: Arc<str> },
    /// What the ports of `network` are told is their router, by this row of `DHCP_Options`: the node is it.
    RouterOfPorts { network: Arc<str>, dhcp: uuid::Uuid },
    /// OVN's own dynamic routing advertises it, for a router whose port `lrp` this chassis hosts.
    AdvertisedByOvn { router: Arc<str>, lrp: Arc<str> },
    /// A network of gateway port `lrp`, or reached through its address: the same on every node.
    StretchedNetwork { lrp: Arc<str> },
}

impl Reason {
    /// The router's port through which the prefix is reached, where there is one.
    pub fn gateway(&self) -> Option<&Arc<str>> {
        match self {
            Self::FipOnGatewayHere { lrp, .. }
            | Self::GatewayHere { lrp, .. }
            | Self::TenantBehindGateway { lrp, .. }
            | Self::SubnetBehindGateway { lrp, .. }
            | Self::VipBehindGateway { lrp, .. }
            | Self::ForwardedByGateway { lrp, .. }
            | Self::AdvertisedByOvn { lrp, .. }
            | Self::StretchedNetwork { lrp } => Some(lrp),
            Self::PortHere { .. }
            | Self::FipOfPortHere { .. }
            | Self::NatAddressOfPortHere { .. }
            | Self::VipOfMemberHere { .. }
            | Self::RouterOfPorts { .. } => None,
        }
    }

    /// Whether the node itself has the address: nothing of it enters OVN.
    pub fn is_own_address(&self) -> bool {
        matches!(self, Self::RouterOfPorts { .. })
    }
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
            Self::NatAddressOfPortHere {
                patch,
                port,
                chassis,
            } => write!(
                f,
                "nat_addresses of {patch} have the floating IP of port {port}, up on this chassis ({chassis})"
            ),
            Self::GatewayHere { lrp, chassis } => write!(
                f,
                "gateway port {lrp} is hosted by this chassis ({chassis})"
            ),
            Self::FipOnGatewayHere { nat, lrp } => write!(
                f,
                "NAT {nat} is a floating IP that gateway port {lrp} answers for, hosted by this chassis"
            ),
            Self::TenantBehindGateway { port, lrp } => write!(
                f,
                "port {port} of a tenant network is reached through gateway port {lrp}, hosted by this chassis"
            ),
            Self::SubnetBehindGateway { interface, lrp } => write!(
                f,
                "the subnet of router interface {interface} is reached through gateway port {lrp}, hosted by \
                 this chassis"
            ),
            Self::VipBehindGateway { balancer, lrp } => write!(
                f,
                "VIP of load balancer {balancer}, behind gateway port {lrp}, hosted by this chassis"
            ),
            Self::VipOfMemberHere { balancer, member } => write!(
                f,
                "VIP of load balancer {balancer} without router; its one member {member} is up here"
            ),
            Self::ForwardedByGateway { balancer, lrp } => write!(
                f,
                "ports forwarded by load balancer {balancer} on gateway port {lrp}, hosted by this chassis"
            ),
            Self::RouterOfPorts { network, dhcp } => write!(
                f,
                "DHCP_Options {dhcp} tells ports on {network} that it is their router, which this node is for them"
            ),
            Self::AdvertisedByOvn { router, lrp } => write!(
                f,
                "Advertised_Route of router {router}, which is reached through port {lrp}, hosted by this chassis"
            ),
            Self::StretchedNetwork { lrp } => write!(
                f,
                "reached through gateway port {lrp} on the stretched network, from every node"
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
    /// A virtual port that no parent has ever claimed.
    NeverClaimed,
    /// No router interface covers it: the tenant network, or this address of it, is attached to no router.
    NotRouted,
    /// The router has no gateway port, or none on a mapped provider network.
    NoGateway,
    /// The router's gateway port is hosted by another chassis, or by none.
    GatewayElsewhere,
    /// The router's gateway has no address of this family to be the next hop.
    NoNextHop,
    /// `address_scopes` does not list the scope of its subnet.
    AddressScope,
    /// `expose_ipv6_gua_tenant_networks` alone is on, and this is no global IPv6 address.
    NotGlobal,
    /// `require_snat_disabled_for_tenant_networks` is on, and a SNAT row of the router covers it.
    BehindSnat,
    /// `advertisement_method_tenant_networks = subnet`: its subnet is exposed in its place, or not at all.
    SubnetAdvertised,
    /// The switch port of a load balancer's VIP is not in the database.
    VipPortMissing,
    /// A load balancer is disabled or has no listener: its `vips` do not have the address.
    BalancerDisabled,
    /// A load balancer without router that has not exactly one member, up and here.
    NoSingleMemberHere,
    /// The address is the gateway's own.
    GatewayAddress,
    /// The exposing method exposes networks of VNIs, and the network is in none, or of the other type.
    NoVni,
    /// What the network's row says of its VNI cannot be read, or contradicts another network of it.
    VniUnusable,
    /// What is behind a router on a stretched network has no MAC address there.
    BehindStretched,
    /// A port of OVN has the address that other ports are told is their router.
    AddressTaken,
    /// A stretched network has hosts by their MAC addresses, and nothing says which one has this address.
    NoMac,
    /// VNI and AS of a router interface are not those of its gateway.
    VniMismatch,
    /// A policy, of the object or of the policy file, says not to advertise it.
    Policy,
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
    /// Tenants that came or changed; `None` for those that are no more. Exposures of a VNI are those of its tenant.
    pub tenants: BTreeMap<Vni, Option<Arc<Tenant>>>,
}

impl Delta {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.tenants.is_empty()
    }
}

/// What a driver decided, for one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Sorted by prefix, then by the rest; a prefix with two reasons is there twice.
    pub exposures: Vec<Arc<Exposure>>,
    /// Sorted by prefix.
    pub withheld: Vec<Withheld>,
    /// The tenants of the exposures' VNIs, and those that would be once something of them is exposed.
    pub tenants: BTreeMap<Vni, Arc<Tenant>>,
}
