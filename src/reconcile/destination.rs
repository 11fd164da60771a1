//! What an advert is about.

use std::fmt;
use std::net::IpAddr;

use bgp::evpn::Vni;
use ipnet::IpNet;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::mac::MacAddr;

/// Where traffic may want to go, told apart by the table it is looked up in: two tenants may have the same prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// A prefix of the default table: a unicast route.
    Prefix(IpNet),
    /// A prefix of a tenant's routed table: EVPN type 5 (RFC 9136).
    Tenant { vni: Vni, prefix: IpNet },
    /// A host of a tenant's bridged network: EVPN type 2 (RFC 7432 §7.2), of its MAC address alone where it has no IP
    /// address.
    Host {
        vni: Vni,
        mac: MacAddr,
        address: Option<IpAddr>,
    },
}

impl Destination {
    /// Its VNI; `None` in the default table.
    pub fn vni(&self) -> Option<Vni> {
        match *self {
            Self::Prefix(_) => None,
            Self::Tenant { vni, .. } | Self::Host { vni, .. } => Some(vni),
        }
    }

    /// The prefix of the default table.
    pub fn prefix(&self) -> Option<IpNet> {
        match *self {
            Self::Prefix(prefix) => Some(prefix),
            Self::Tenant { .. } | Self::Host { .. } => None,
        }
    }

    /// The address or addresses that it stands for; none of a MAC address alone.
    pub fn addresses(&self) -> Option<IpNet> {
        match *self {
            Self::Prefix(prefix) | Self::Tenant { prefix, .. } => Some(prefix),
            Self::Host { address, .. } => address.map(IpNet::from),
        }
    }
}

impl From<IpNet> for Destination {
    fn from(prefix: IpNet) -> Self {
        Self::Prefix(prefix)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => write!(f, "{prefix}"),
            Self::Tenant { vni, prefix } => write!(f, "{prefix} of VNI {vni}"),
            Self::Host {
                vni,
                mac,
                address: Some(address),
            } => write!(f, "{address} at {mac} of VNI {vni}"),
            Self::Host { vni, mac, .. } => write!(f, "{mac} of VNI {vni}"),
        }
    }
}

/// Its parts by name: `prefix`, or `vni` with `prefix`, or `vni` with `mac` and `address`.
impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Prefix(prefix) => map.serialize_entry("prefix", prefix)?,
            Self::Tenant { vni, prefix } => {
                map.serialize_entry("vni", vni)?;
                map.serialize_entry("prefix", prefix)?;
            }
            Self::Host { vni, mac, address } => {
                map.serialize_entry("vni", vni)?;
                map.serialize_entry("mac", mac)?;
                map.serialize_entry("address", address)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [Destination; 3] {
        let prefix = "10.0.0.5/32".parse().unwrap();
        let mac = "02:00:00:00:00:01".parse().unwrap();
        [
            Destination::Prefix(prefix),
            Destination::Tenant { vni: 7, prefix },
            Destination::Host {
                vni: 7,
                mac,
                address: Some(prefix.addr()),
            },
        ]
    }

    #[test]
    fn the_same_prefix_of_two_tenants_is_two_destinations() {
        let prefix = "10.0.0.5/32".parse().unwrap();
        let of = |vni| Destination::Tenant { vni, prefix };
        assert_ne!(of(7), of(8));
        assert_eq!(of(7).addresses(), of(8).addresses());
    }

    #[test]
    fn it_is_written_as_operators_read_it() {
        let texts = all().map(|destination| destination.to_string());
        assert_eq!(
            texts,
            [
                "10.0.0.5/32",
                "10.0.0.5/32 of VNI 7",
                "10.0.0.5 at 02:00:00:00:00:01 of VNI 7"
            ]
        );
        let json = all().map(|destination| serde_json::to_string(&destination).unwrap());
        assert_eq!(
            json,
            [
                r#"{"prefix":"10.0.0.5/32"}"#,
                r#"{"vni":7,"prefix":"10.0.0.5/32"}"#,
                r#"{"vni":7,"mac":"02:00:00:00:00:01","address":"10.0.0.5"}"#
            ]
        );
    }
}
