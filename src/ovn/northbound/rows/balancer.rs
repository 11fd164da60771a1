//! Load balancers: those of Octavia's OVN provider, and Neutron's port forwardings.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::{non_empty, router_id};
use crate::ovn::row::{ColumnError, Reader};
use crate::ovn::{Annotations, Vip};

/// `Load_Balancer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    pub uuid: Uuid,
    /// `name`: Octavia's id of the load balancer (one row for each protocol), or `pf-floatingip-…`.
    pub name: Arc<str>,
    pub purpose: Purpose,
    /// `vips`. None while the load balancer is disabled or has no listener.
    pub vips: Vec<Vip>,
    /// What `external_ids` and `options` say of the routes to its VIPs.
    pub annotations: Annotations,
}

/// Who made a load balancer, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Octavia's OVN provider.
    LoadBalancing(Octavia),
    /// Neutron's port forwarding; the router of `external_ids:neutron:router_name`, as
    /// [`router_id`] has it.
    PortForwarding { router: Option<Arc<str>> },
    /// Somebody else's: nothing to expose.
    Other,
}

/// What Octavia's OVN provider says of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Octavia {
    /// `external_ids:neutron:vip`.
    pub vip: Option<IpAddr>,
    /// `external_ids:neutron:vip_fip`.
    pub fip: Option<IpAddr>,
    /// `external_ids:neutron:vip_port_id`: the name of the VIP's switch port.
    pub port: Arc<str>,
    /// `external_ids:lr_ref`, as [`router_id`] has it: the router that balances.
    pub router: Option<Arc<str>>,
}

impl Balancer {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["name", "vips", "options", "external_ids"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        let name = row.optional_string("name")?.cloned().unwrap_or_default();
        let purpose = purpose(&name, row)?;
        Ok(Self {
            uuid,
            name,
            // Who else uses OVN may write there what we do not understand.
            vips: match purpose {
                Purpose::Other => Vec::new(),
                Purpose::LoadBalancing(_) | Purpose::PortForwarding { .. } => Vip::read(row)?,
            },
            purpose,
            annotations: Annotations::read(row)?,
        })
    }

    /// The router it works on, as [`router_id`] has it.
    pub fn router(&self) -> Option<&Arc<str>> {
        match &self.purpose {
            Purpose::LoadBalancing(octavia) => octavia.router.as_ref(),
            Purpose::PortForwarding { router } => router.as_ref(),
            Purpose::Other => None,
        }
    }

    /// What Octavia says of it.
    pub fn octavia(&self) -> Option<&Octavia> {
        match &self.purpose {
            Purpose::LoadBalancing(octavia) => Some(octavia),
            Purpose::PortForwarding { .. } | Purpose::Other => None,
        }
    }

    /// The addresses among the keys of `vips`, sorted, each once.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<_> = self.vips.iter().map(|vip| vip.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Whether an address is among the keys of `vips`.
    pub fn serves(&self, address: IpAddr) -> bool {
        self.vips.iter().any(|vip| vip.address == address)
    }
}

fn purpose(name: &str, row: &Reader<'_>) -> Result<Purpose, ColumnError> {
    let entry = |key| Ok(row.entry("external_ids", key)?.filter(|t| !t.is_empty()));
    let router = |key| Ok(entry(key)?.map(|name| Arc::from(router_id(name))));
    if name.starts_with("pf-floatingip-") {
        let router = router("neutron:router_name")?;
        return Ok(Purpose::PortForwarding { router });
    }
    let Some(port) = non_empty(entry("neutron:vip_port_id")?) else {
        return Ok(Purpose::Other);
    };
    Ok(Purpose::LoadBalancing(Octavia {
        vip: row.word("external_ids", "neutron:vip")?,
        fip: row.word("external_ids", "neutron:vip_fip")?,
        port,
        router: router("lr_ref")?,
    }))
}
