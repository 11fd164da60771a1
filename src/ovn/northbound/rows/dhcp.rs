//! What ports are told of their network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use uuid::Uuid;

use crate::ovn::row::{ColumnError, Reader};

/// `DHCP_Options`: one subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpOptions {
    pub uuid: Uuid,
    pub told: Told,
}

/// What the ports of a subnet are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// IPv4: `options:router`.
    Routers(Vec<Ipv4Addr>),
    /// IPv6.
    Subnet {
        /// `cidr`, masked.
        prefix: Ipv6Net,
        /// `options:dhcpv6_stateless`: they may choose their own addresses.
        stateless: bool,
        /// `options:dns_server`, in its order.
        dns_servers: Vec<Ipv6Addr>,
    },
}

impl DhcpOptions {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["cidr", "options"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let told = match row.parse("cidr")? {
            IpNet::V4(_) => Told::Routers(row.addresses("options", "router")?),
            IpNet::V6(subnet) => {
                let stateless = row.entry("options", "dhcpv6_stateless")?;
                Told::Subnet {
                    prefix: subnet.trunc(),
                    stateless: stateless.is_some_and(|text| text.eq_ignore_ascii_case("true")),
                    dns_servers: row.addresses("options", "dns_server")?,
                }
            }
        };
        Ok(Self { uuid, told })
    }

    /// The routers that ports are told of.
    pub fn routers(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let routers = match &self.told {
            Told::Routers(routers) => &routers[..],
            Told::Subnet { .. } => &[],
        };
        routers.iter().map(|router| IpAddr::V4(*router))
    }
}
