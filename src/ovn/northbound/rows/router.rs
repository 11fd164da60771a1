//! Logical routers, their ports and their default routes.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::{non_empty, parse};
use crate::mac::MacAddr;
use crate::ovn::Annotations;
use crate::ovn::row::{ColumnError, Reader};

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
    /// `static_routes`, sorted.
    pub static_routes: Vec<Uuid>,
    /// What `external_ids` and `options` say of the routes to it and to what is behind it.
    pub annotations: Annotations,
}

impl Router {
    /// The columns read. What OVN says of routes in `options` it says of ports, NAT rows and load balancers.
    pub const COLUMNS: &[&str] = &[
        "name",
        "enabled",
        "ports",
        "nat",
        "static_routes",
        "external_ids",
    ];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            name: row.string("name")?.clone(),
            enabled: row.optional_bool("enabled")?.unwrap_or(true),
            ports: row.uuids("ports")?,
            nat: row.uuids("nat")?,
            static_routes: row.uuids("static_routes")?,
            annotations: Annotations::read(row)?,
        })
    }

    /// Its id, by which other rows name it.
    pub fn id(&self) -> &str {
        super::router_id(&self.name)
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
    /// What `external_ids` and `options` say of the routes to its addresses.
    pub annotations: Annotations,
}

impl RouterPort {
    /// The columns read; `status` is missing before OVN 23.09.
    pub const COLUMNS: &[&str] = &[
        "name",
        "mac",
        "enabled",
        "networks",
        "status",
        "options",
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
            annotations: Annotations::read(row)?,
        })
    }
}

/// `Logical_Router_Static_Route`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    pub uuid: Uuid,
    /// `nexthop` of a default route; `None` for every other route.
    pub default_gateway: Option<IpAddr>,
}

impl StaticRoute {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["ip_prefix", "nexthop"];
    /// `ip_prefix` of default routes.
    pub const DEFAULTS: [&str; 2] = ["0.0.0.0/0", "::/0"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let is_default = Self::DEFAULTS.contains(&&**row.string("ip_prefix")?);
        // `nexthop` may also be `discard` or a router port's name: those are no gateways.
        let gateway = || Ok(row.string("nexthop")?.parse().ok());
        Ok(Self {
            uuid,
            default_gateway: if is_default { gateway()? } else { None },
        })
    }

    /// The next hop of an IPv6 default route.
    pub fn ipv6_gateway(&self) -> Option<std::net::Ipv6Addr> {
        match self.default_gateway? {
            IpAddr::V6(gateway) => Some(gateway),
            IpAddr::V4(_) => None,
        }
    }
}
