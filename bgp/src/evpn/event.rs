//! What comes out of the tenants' tables.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::instance::Vni;
use super::mobility::Claim;
use crate::wire::evpn::{Mac, Mobility};

/// One way to a prefix of a routed instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// Where the tunnel ends.
    pub vtep: IpAddr,
    /// The inner destination.
    pub router_mac: Mac,
}

/// A host of a bridged instance, at another VTEP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteHost {
    /// Where the tunnel ends.
    pub vtep: IpAddr,
    /// How often it has moved, and whether it does.
    pub mobility: Mobility,
    /// It is a default gateway of the network.
    pub gateway: bool,
    /// The IP addresses that its VTEP says it has.
    pub addresses: BTreeSet<IpAddr>,
}

/// What an instance takes from others changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvpnEvent {
    /// The ways to a prefix; none are left when it is empty.
    Prefix {
        /// The instance.
        vni: Vni,
        /// Where to.
        prefix: IpNet,
        /// They share the traffic.
        ways: Vec<Way>,
    },
    /// Where a MAC address is; `None` when nobody else has it, or this node does.
    Host {
        /// The instance.
        vni: Vni,
        /// Of whom.
        mac: Mac,
        /// Where, and with what addresses.
        host: Option<RemoteHost>,
    },
    /// Who is to get a copy of what is flooded; empty when nobody is.
    Flood {
        /// The instance.
        vni: Vni,
        /// Their tunnel ends.
        vteps: BTreeSet<IpAddr>,
    },
    /// A MAC address moves too often (RFC 7432 §15.1): it is on two nodes, or there is a loop. Its sequence number stands
    /// still until three minutes have passed.
    DuplicateMac {
        /// The instance.
        vni: Vni,
        /// Which.
        mac: Mac,
    },
}

impl RemoteHost {
    pub(super) fn claim(&self) -> Claim {
        Claim {
            mobility: self.mobility,
            vtep: self.vtep,
        }
    }
}
