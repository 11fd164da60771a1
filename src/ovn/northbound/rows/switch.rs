//! Logical switches and their ports.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::{list, non_empty, parse, router_id};
use crate::mac::MacAddr;
use crate::ovn::row::{ColumnError, Reader};
use crate::ovn::{AddressScopes, Annotations, Mtu, Vpn};

/// `neutron:device_owner` of the ports by which a router is the gateway of a network. Its own gateway is
/// `network:router_gateway`.
const ROUTER_INTERFACE: &str = "network:router_interface";

/// How Octavia's OVN provider begins the names of the ports that hold VIPs.
const VIP_PORT: &str = "ovn-lb-vip-";

/// `Logical_Switch_Port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchPort {
    pub uuid: Uuid,
    pub name: Arc<str>,
    pub kind: PortKind,
    /// `up`; false when OVN has not said.
    pub up: bool,
    /// `enabled`; true when not set.
    pub enabled: bool,
    /// Entries of `addresses` that carry a MAC; `unknown`, `router` and `dynamic` are left out.
    pub addresses: Vec<PortAddress>,
    /// Whether `unknown` is in `addresses`: frames to every MAC that no other port has reach it.
    pub unknown: bool,
    /// `tag`, 1–4095: the VLAN of a localnet port, the inner tag of a subport.
    pub tag: Option<u16>,
    /// `parent_name`: set for subports.
    pub parent: Option<Arc<str>>,
    /// `options:requested-chassis`, in its order; several while the port migrates.
    pub requested_chassis: Vec<Arc<str>>,
    /// `external_ids:neutron:host_id`.
    pub host_id: Option<Arc<str>>,
    /// `external_ids:neutron:network_name`: the name of the logical switch.
    pub network: Option<Arc<str>>,
    /// `external_ids:neutron:cidrs`.
    pub cidrs: Vec<IpNet>,
    /// `options:network_name` of a localnet port.
    pub physical_network: Option<Arc<str>>,
    /// Whether it holds the address of a load balancer of Octavia's OVN provider, which names it
    /// `ovn-lb-vip-…` in `external_ids:neutron:port_name`. Such a port is bound nowhere.
    pub is_vip: bool,
    /// What is behind a port of type `router`.
    pub interface: Option<Box<Interface>>,
    /// `external_ids:neutron:project_id`.
    pub project: Option<Arc<str>>,
    /// `options:virtual-parents` of a virtual port: who may claim it.
    pub virtual_parents: Box<[Arc<str>]>,
    /// `dhcpv4_options` and `dhcpv6_options`: what it is told of its network, where the driver asks.
    pub dhcp: Box<[Uuid]>,
    /// What `external_ids` and `options` say of its routes.
    pub annotations: Annotations,
}

/// What is behind a switch port of type `router`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// `external_ids:neutron:device_owner`; clouds without Neutron have none.
    pub owner: Option<Arc<str>>,
    /// `external_ids:neutron:device_id`, as [`router_id`](super::router_id) has it.
    pub router: Option<Arc<str>>,
    /// `options:router-port`: the name of the router port.
    pub peer: Option<Arc<str>>,
    /// The scopes of the subnets that the router has here.
    pub scopes: AddressScopes,
}

impl Interface {
    fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        let router = row.entry("external_ids", "neutron:device_id")?;
        Ok(Self {
            owner: non_empty(row.entry("external_ids", "neutron:device_owner")?),
            router: router
                .filter(|id| !id.is_empty())
                .map(|id| router_id(id).into()),
            peer: non_empty(row.entry("options", "router-port")?),
            scopes: AddressScopes::read(row)?,
        })
    }
}

/// `Logical_Switch_Port.type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// Empty: a VM or a container.
    Vif,
    Virtual,
    Localnet,
    Router,
    /// `external`, `localport`, `l2gateway`, `vtep`, `remote`, …
    Other(Arc<str>),
}

/// One entry of `Logical_Switch_Port.addresses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortAddress {
    pub mac: MacAddr,
    pub ips: Vec<IpAddr>,
}

impl SwitchPort {
    /// The columns read. Those of [`Self::DHCP`] are the last, because most drivers do without.
    pub const COLUMNS: &[&str] = &[
        "name",
        "type",
        "up",
        "enabled",
        "addresses",
        "tag",
        "parent_name",
        "options",
        "external_ids",
        "dhcpv4_options",
        "dhcpv6_options",
    ];

    /// What refers to rows of `DHCP_Options`.
    pub const DHCP: [&str; 2] = ["dhcpv4_options", "dhcpv6_options"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let requested = row.entry("options", "requested-chassis")?;
        let kind = PortKind::from(&**row.string("type")?);
        let interface = match kind {
            PortKind::Router => Some(Box::new(Interface::read(row)?)),
            _ => None,
        };
        let port_name = row.entry("external_ids", "neutron:port_name")?;
        let parents = match kind {
            PortKind::Virtual => row.entry("options", "virtual-parents")?,
            _ => None,
        };
        let [v4, v6] = Self::DHCP;
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
            kind,
            up: row.optional_bool("up")?.unwrap_or(false),
            enabled: row.optional_bool("enabled")?.unwrap_or(true),
            addresses: row.parsed("addresses", port_address)?,
            unknown: !row.parsed("addresses", unknown)?.is_empty(),
            tag: row.optional_integer("tag")?,
            parent: non_empty(row.optional_string("parent_name")?),
            requested_chassis: requested.map(|text| list(text)).unwrap_or_default(),
            host_id: non_empty(row.entry("external_ids", "neutron:host_id")?),
            network: non_empty(row.entry("external_ids", "neutron:network_name")?),
            cidrs: row.words("external_ids", "neutron:cidrs")?,
            physical_network: non_empty(row.entry("options", "network_name")?),
            is_vip: port_name.is_some_and(|name| name.starts_with(VIP_PORT)),
            interface,
            project: non_empty(row.entry("external_ids", "neutron:project_id")?),
            virtual_parents: parents.map(|text| list(text)).unwrap_or_default().into(),
            dhcp: [row.uuids(v4)?, row.uuids(v6)?].concat().into(),
            annotations: Annotations::read(row)?,
        })
    }

    /// Whether a router has an interface to the network here, and not its gateway.
    pub fn is_inner(&self) -> bool {
        let interface = self.interface.as_deref();
        let owner = interface.map(|interface| interface.owner.as_deref());
        owner.is_some_and(|owner| owner.is_none_or(|owner| owner == ROUTER_INTERFACE))
    }

    /// The ports that it is where they are: a subport's parent, those that may claim a virtual port.
    pub fn parents(&self) -> impl Iterator<Item = &Arc<str>> {
        self.parent.iter().chain(&self.virtual_parents)
    }

    /// Every IP of `addresses`, each with the MAC of its entry.
    pub fn ips(&self) -> impl Iterator<Item = (IpAddr, MacAddr)> + '_ {
        self.addresses
            .iter()
            .flat_map(|entry| entry.ips.iter().map(|ip| (*ip, entry.mac)))
    }
}

impl From<&str> for PortKind {
    fn from(text: &str) -> Self {
        match text {
            "" => Self::Vif,
            "virtual" => Self::Virtual,
            "localnet" => Self::Localnet,
            "router" => Self::Router,
            other => Self::Other(other.into()),
        }
    }
}

/// `Logical_Switch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    pub uuid: Uuid,
    pub name: Arc<str>,
    /// `ports`, sorted.
    pub ports: Vec<Uuid>,
    /// What `external_ids` says of the routes to what is on it.
    pub annotations: Annotations,
    /// What `external_ids` says of the VPN it belongs to.
    pub vpn: Vpn,
    /// `external_ids:neutron:mtu`.
    pub mtu: Mtu,
}

impl Switch {
    /// The columns read. `load_balancer` is what leads to load balancers without router
    /// ([`crate::ovn::interest`]); `ports` is the last, because conditions do without it.
    pub const COLUMNS: &[&str] = &["name", "load_balancer", "external_ids", "ports"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
            ports: row.uuids("ports")?,
            annotations: Annotations::read(row)?,
            vpn: Vpn::read(row)?,
            mtu: Mtu::read(row)?,
        })
    }
}

fn unknown(text: &str) -> Result<Option<()>, String> {
    Ok((text.trim() == "unknown").then_some(()))
}

/// `MAC IP…`, as ovn-nb(5) describes `addresses`. `unknown`, `router` and `dynamic` entries carry no
/// address of their own, nor does the word `dynamic` after a MAC.
fn port_address(text: &str) -> Result<Option<PortAddress>, String> {
    let mut words = text.split_whitespace();
    let mac = match words.next() {
        None | Some("unknown" | "router" | "dynamic") => return Ok(None),
        Some(word) => word.parse().map_err(|e| format!("'{text}': {e}"))?,
    };
    let ips = words.filter(|word| *word != "dynamic").map(|word| {
        let ip = word.split_once('/').map_or(word, |(ip, _)| ip);
        parse(ip)
    });
    Ok(Some(PortAddress {
        mac,
        ips: ips.collect::<Result<_, _>>()?,
    }))
}
