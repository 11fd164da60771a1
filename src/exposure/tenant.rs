//! Tenants of EVPN: what stands behind a VNI.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp::evpn::Vni;
use bgp::wire::evpn::{RouteDistinguisher, RouteTarget};
use ipnet::{IpNet, Ipv6Net};
use uuid::Uuid;

use super::Attachment;
use crate::mac::MacAddr;

/// A tenant: a table of its own on this node and in the fabric, told apart by its VNI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// 1–16777215.
    pub vni: Vni,
    pub layer: Layer,
    pub entry: Entry,
    /// The AS that targets are derived from; `None` is this node's (`bgp_AS`).
    pub asn: Option<u32>,
    /// `None` is `<VTEP>:<VNI>`.
    pub rd: Option<RouteDistinguisher>,
    /// Empty: derived of AS and VNI.
    pub import: BTreeSet<RouteTarget>,
    /// Empty: derived of AS and VNI.
    pub export: BTreeSet<RouteTarget>,
    /// The provider networks that lead into OVN, by the name of their logical switch. One is named here as soon as it
    /// belongs to the VNI and is mapped on this node, whether or not anything of it is exposed.
    pub networks: BTreeMap<Arc<str>, ProviderNetwork>,
}

/// What a tenant's table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Prefixes: an IP-VRF (L3VNI).
    #[default]
    Routed,
    /// MAC addresses: a network stretched between nodes (L2VNI).
    Bridged,
}

/// How packets that leave OVN find the tenant's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// All of a provider network are the tenant's: a pair of devices leads from its bridge into the table.
    #[default]
    PerNetwork,
    /// Tenants share a provider network: a flow per gateway and subnet tells whose packets they are.
    PerGateway,
}

/// A provider network of a tenant, on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderNetwork {
    /// Row of its localnet port, which names its devices.
    pub localnet: Uuid,
    pub attachment: Attachment,
    /// Octets of its largest packet, where OVN says so: 68–65535.
    pub mtu: Option<u32>,
    /// What its ports are told is their router (`DHCP_Options.options:router`): the kernel is it.
    pub routers: BTreeSet<IpAddr>,
    /// What IPv6 routers say on it.
    pub advertisements: BTreeSet<RouterAdvertisement>,
    /// The tenant's gateways on it that this chassis hosts, by router port. Only tenants with [`Entry::PerGateway`] have
    /// them: what is behind a gateway is wired whether or not a host there is exposed, and is not advertised itself.
    pub gateways: BTreeMap<Arc<str>, TenantGateway>,
    /// What is here of a stretched network and has no IP address: it is no exposure, and its MAC addresses are told.
    pub stations: BTreeSet<Station>,
}

impl ProviderNetwork {
    /// Whether something of it is here that is no exposure.
    pub fn has_others(&self) -> bool {
        !self.gateways.is_empty() || !self.stations.is_empty()
    }
}

/// A port of a stretched network that is here and has no IP address, or one MAC address of it that has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Station {
    pub port: Arc<str>,
    /// `None` where OVN knows none (`unknown`): the port gets what is flooded.
    pub mac: Option<MacAddr>,
}

/// A gateway port of a tenant's router, on this chassis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantGateway {
    /// Of the router's port: what comes from behind it has this source, and what is for it this destination.
    pub mac: MacAddr,
    /// On the provider network; no link-local ones.
    pub addresses: BTreeSet<IpAddr>,
    /// The subnets behind it, masked, each with the address of the gateway that leads there.
    pub subnets: BTreeMap<IpNet, IpAddr>,
    /// IPv6 addresses of routers that are not on the provider network: this node answers for them.
    pub proxied: Arc<[Ipv6Addr]>,
    /// The networks of its port, with the port's addresses, if its router learns what peers teach: this node is the next
    /// router there.
    pub learning: BTreeSet<IpNet>,
}

/// What the ports of a provider network are told of an IPv6 subnet (RFC 4861 §4.2), besides that addresses are managed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouterAdvertisement {
    /// `DHCP_Options.cidr`
    pub prefix: Ipv6Net,
    /// Ports may choose their own addresses: `DHCP_Options.options:dhcpv6_stateless`.
    pub autonomous: bool,
    /// RFC 8106 §5.1: `DHCP_Options.options:dns_server`.
    pub dns_servers: Vec<Ipv6Addr>,
}
