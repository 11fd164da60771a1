//! Typed rows of OVN_Northbound: only the columns a driver uses.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use crate::mac::MacAddr;
use crate::ovn::row::{ColumnError, Reader};

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
    /// The columns read.
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
    ];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let requested = row.entry("options", "requested-chassis")?;
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
            kind: PortKind::from(&**row.string("type")?),
            up: row.optional_bool("up")?.unwrap_or(false),
            enabled: row.optional_bool("enabled")?.unwrap_or(true),
            addresses: row.parsed("addresses", port_address)?,
            tag: row.optional_integer("tag")?,
            parent: non_empty(row.optional_string("parent_name")?),
            requested_chassis: requested.map(|text| list(text)).unwrap_or_default(),
            host_id: non_empty(row.entry("external_ids", "neutron:host_id")?),
            network: non_empty(row.entry("external_ids", "neutron:network_name")?),
            cidrs: row.words("external_ids", "neutron:cidrs")?,
            physical_network: non_empty(row.entry("options", "network_name")?),
        })
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
}

impl Switch {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["name", "ports"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
            ports: row.uuids("ports")?,
        })
    }
}

/// `Logical_Router`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    pub uuid: Uuid,
    pub name: Arc<str>,
    /// `enabled`; true when not set.
    pub enabled: bool,
    /// `ports`, sorted.
    pub ports: Vec<Uuid>,
    /// `nat`, sorted.
    pub nat: Vec<Uuid>,
}

impl Router {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["name", "enabled", "ports", "nat"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
            enabled: row.optional_bool("enabled")?.unwrap_or(true),
            ports: row.uuids("ports")?,
            nat: row.uuids("nat")?,
        })
    }
}

/// `Logical_Router_Port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterPort {
    pub uuid: Uuid,
    pub name: Arc<str>,
    pub mac: MacAddr,
    /// `enabled`; true when not set.
    pub enabled: bool,
    /// `networks`: the port's own addresses with their prefix lengths.
    pub networks: Vec<IpNet>,
    /// `status:hosting-chassis`: the chassis (its name, not its hostname) that hosts a gateway port.
    /// Written by northd since OVN 23.09.
    pub hosting_chassis: Option<Arc<str>>,
    /// `external_ids:neutron:network_name`: the name of the logical switch.
    pub network: Option<Arc<str>>,
    /// `external_ids:neutron:is_ext_gw`.
    pub is_gateway: bool,
}

impl RouterPort {
    /// The columns read; `status` is missing before OVN 23.09.
    pub const COLUMNS: &[&str] = &[
        "name",
        "mac",
        "enabled",
        "networks",
        "status",
        "external_ids",
    ];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
            mac: row.parse("mac")?,
            enabled: row.optional_bool("enabled")?.unwrap_or(true),
            networks: row.parsed("networks", |text| parse(text).map(Some))?,
            hosting_chassis: non_empty(row.entry("status", "hosting-chassis")?),
            network: non_empty(row.entry("external_ids", "neutron:network_name")?),
            is_gateway: row
                .entry("external_ids", "neutron:is_ext_gw")?
                .is_some_and(|text| **text == *"True"),
        })
    }
}

/// `NAT.type` of floating IPs.
pub(super) const FIP_TYPE: &str = "dnat_and_snat";

/// `Logical_Router_Static_Route.ip_prefix` of an IPv6 default route.
pub(super) const IPV6_DEFAULT: &str = "::/0";

/// `NAT` with `type = dnat_and_snat`: a floating IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    pub uuid: Uuid,
    pub external_ip: IpAddr,
    /// `logical_port`: the name of the switch port behind a distributed floating IP.
    pub logical_port: Option<Arc<str>>,
    /// `external_mac`: set while the floating IP is distributed and its VM is up.
    pub external_mac: Option<MacAddr>,
    /// `neutron-` + `external_ids:neutron:fip_network_id`: the name of the provider's logical switch.
    pub network: Option<Arc<str>>,
}

impl Nat {
    /// The columns read.
    pub const COLUMNS: &[&str] = &[
        "type",
        "external_ip",
        "logical_port",
        "external_mac",
        "external_ids",
    ];

    /// `None` for rows of another `type`: they are no floating IPs.
    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Option<Self>, ColumnError> {
        if **row.string("type")? != *FIP_TYPE {
            return Ok(None);
        }
        let network = row.entry("external_ids", "neutron:fip_network_id")?;
        Ok(Some(Self {
            uuid,
            external_ip: row.parse("external_ip")?,
            logical_port: non_empty(row.optional_string("logical_port")?),
            external_mac: row.optional_parse("external_mac")?,
            network: network
                .filter(|id| !id.is_empty())
                .map(|id| format!("neutron-{id}").into()),
        }))
    }
}

/// `Logical_Router_Static_Route`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    pub uuid: Uuid,
    /// `nexthop` of an IPv6 default route; `None` for every other route.
    pub ipv6_gateway: Option<std::net::Ipv6Addr>,
}

impl StaticRoute {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["ip_prefix", "nexthop"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        // `nexthop` may also be `discard` or a router port's name: those are no gateways.
        let ipv6_gateway = match &**row.string("ip_prefix")? {
            IPV6_DEFAULT => row.string("nexthop")?.parse().ok(),
            _ => None,
        };
        Ok(Self { uuid, ipv6_gateway })
    }
}

/// `NB_Global`: where floating IPs are answered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FipMode {
    /// `external_ids:neutron:fip-distributed` is missing, which counts as distributed: Neutron has
    /// not written it yet.
    #[default]
    Unset,
    /// `True`: on the VM's chassis.
    Distributed,
    /// Any other value: on the chassis of the router's gateway.
    Centralised,
}

impl FipMode {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["external_ids"];

    pub(crate) fn read(row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(
            match row
                .entry("external_ids", "neutron:fip-distributed")?
                .map(|text| &**text)
            {
                None => Self::Unset,
                Some("True") => Self::Distributed,
                Some(_) => Self::Centralised,
            },
        )
    }
}

fn non_empty(text: Option<&Arc<str>>) -> Option<Arc<str>> {
    text.filter(|t| !t.is_empty()).cloned()
}

fn list(text: &str) -> Vec<Arc<str>> {
    text.split(',')
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(Arc::from)
        .collect()
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e| format!("'{text}': {e}"))
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
