//! Who desires objects, and what one dump covers of them.

use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::IpNet;

use super::Destination;
use super::object::Key;
use crate::mac::MacAddr;

/// On whose behalf an object is desired. An object is desired while somebody holds it; where
/// holders differ about its value, the first in this order has its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The node: what is there whether or not anything is exposed.
    Base,
    /// A tenant subnet in which something is exposed, masked.
    Subnet(IpNet),
    /// What a tenant's table is made of on this node: devices, and what is attached to them.
    Tenant(Vni),
    /// One thing that is exposed.
    Exposed(Destination),
    /// What peers teach of a tenant's table.
    Taught { vni: Vni, subject: Taught },
}

/// What of a tenant's table peers teach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Taught {
    /// A prefix behind other VTEPs.
    Prefix(IpNet),
    /// What is known of a next hop of those prefixes: a VTEP, an IPv4 one mapped into IPv6 for prefixes of IPv6.
    NextHop(IpAddr),
    /// A host behind another VTEP.
    Host(MacAddr),
    /// Who is to get a copy of what is flooded.
    Flood,
}

impl From<IpNet> for Holder {
    fn from(prefix: IpNet) -> Self {
        Self::Exposed(Destination::Prefix(prefix))
    }
}

/// What one dump covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    Kernel,
    /// The flows of one bridge.
    Bridge(Arc<str>),
    /// The ports of all bridges.
    Ports,
}

impl Domain {
    pub(super) fn covers(&self, key: &Key) -> bool {
        match self {
            Self::Kernel => !key.is_flow() && !key.is_port(),
            Self::Bridge(bridge) => key.is_flow() && key.bridge() == Some(bridge),
            Self::Ports => key.is_port(),
        }
    }
}
