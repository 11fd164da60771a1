//! Address translation: floating IPs and SNAT.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::non_empty;
use crate::mac::MacAddr;
use crate::ovn::Annotations;
use crate::ovn::row::{ColumnError, Reader};

/// `NAT`: a floating IP, or what a router hides behind its own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nat {
    Fip(Fip),
    Snat(Snat),
}

/// `NAT` with `type = dnat_and_snat`: a floating IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fip {
    pub uuid: Uuid,
    pub external_ip: IpAddr,
    /// `logical_port`: the name of the switch port behind a distributed floating IP.
    pub logical_port: Option<Arc<str>>,
    /// `external_mac`: set while the floating IP is distributed and its VM is up.
    pub external_mac: Option<MacAddr>,
    /// `gateway_port`: the router port that answers for it while it is centralised.
    pub gateway_port: Option<Uuid>,
    /// `neutron-` + `external_ids:neutron:fip_network_id`: the name of the provider's logical switch.
    pub network: Option<Arc<str>>,
    /// What `external_ids` and `options` say of its route.
    pub annotations: Annotations,
}

/// `NAT` with `type = snat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snat {
    pub uuid: Uuid,
    /// `logical_ip`: what is hidden, an address or a subnet.
    pub logical_ip: IpNet,
}

impl Nat {
    /// The columns read.
    pub const COLUMNS: &[&str] = &[
        "type",
        "external_ip",
        "logical_ip",
        "logical_port",
        "external_mac",
        "gateway_port",
        "options",
        "external_ids",
    ];
    /// `NAT.type` of the rows of interest.
    pub const TYPES: [&str; 2] = ["dnat_and_snat", "snat"];

    /// `None` for rows of another `type`: they are neither.
    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Option<Self>, ColumnError> {
        Ok(match &**row.string("type")? {
            "dnat_and_snat" => Some(Self::Fip(Fip::read(uuid, row)?)),
            "snat" => Some(Self::Snat(Snat::read(uuid, row)?)),
            _ => None,
        })
    }

    /// The row's id.
    pub fn uuid(&self) -> Uuid {
        match self {
            Self::Fip(fip) => fip.uuid,
            Self::Snat(snat) => snat.uuid,
        }
    }

    /// The floating IP, if it is one.
    pub fn as_fip(&self) -> Option<&Fip> {
        match self {
            Self::Fip(fip) => Some(fip),
            Self::Snat(_) => None,
        }
    }

    /// What is hidden, if that is what it does.
    pub fn as_snat(&self) -> Option<&Snat> {
        match self {
            Self::Fip(_) => None,
            Self::Snat(snat) => Some(snat),
        }
    }
}

impl Fip {
    fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let network = row.entry("external_ids", "neutron:fip_network_id")?;
        Ok(Self {
            uuid,
            external_ip: row.parse("external_ip")?,
            logical_port: non_empty(row.optional_string("logical_port")?),
            external_mac: row.optional_parse("external_mac")?,
            gateway_port: row.uuids("gateway_port")?.first().copied(),
            network: network
                .filter(|id| !id.is_empty())
                .map(|id| format!("neutron-{id}").into()),
            annotations: Annotations::read(row)?,
        })
    }
}

impl Snat {
    fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            logical_ip: row.address_or_subnet("logical_ip")?,
        })
    }
}
