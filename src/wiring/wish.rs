//! What one holder needs, and what it waits for.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use bgp::wire::evpn::RouteDistinguisher;
use ipnet::IpNet;

use crate::reconcile::{Advert, Holder, Key, Reconciler, Value};

/// What a prefix or a subnet needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub holder: Holder,
    /// Empty when it is not exposed any more.
    pub objects: Vec<(Key, Value)>,
    /// Of what is exposed; `None` when it is not any more.
    pub advert: Option<Advert>,
}

/// What of a destination is its own.
pub(super) struct Needs {
    pub(super) objects: Vec<(Key, Value)>,
    /// What must be in place before it is advertised, of whomever it is.
    pub(super) requires: Arc<[Key]>,
}

impl Wish {
    /// That of a holder of which nothing is exposed.
    pub(super) fn nothing(holder: Holder) -> Self {
        Self {
            holder,
            objects: Vec::new(),
            advert: None,
        }
    }

    /// Tells the reconciler.
    pub fn tell(self, reconciler: &mut Reconciler) {
        reconciler.hold(self.holder, self.objects);
        if let Holder::Exposed(destination) = self.holder {
            reconciler.set_advert(destination, self.advert);
        }
    }
}

/// What keeps a prefix from being advertised although it is exposed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pending {
    /// No routing table for the bridge.
    NoTable { bridge: Arc<str> },
    /// ovn-controller has not made the patch port yet, or OVS has given it no port number.
    NoPatchPort {
        bridge: Arc<str>,
        localnet: Arc<str>,
    },
    /// The bridge has no interface in the kernel, so its MAC is not known.
    NoBridgeMac { bridge: Arc<str> },
    /// The rule for its subnet looks up another bridge's table: an overlapping subnet of another router.
    SubnetElsewhere {
        subnet: IpNet,
        /// The gateway that the subnet's traffic goes to.
        via: IpAddr,
    },
    /// This node has no address at which its tunnels could begin.
    NoVtep { vni: Vni },
    /// The routing table of that number has another purpose here.
    TableTaken { vni: Vni },
    /// A table of the configuration tells its routes apart by the same route distinguisher.
    DistinguisherTaken {
        vni: Vni,
        rd: RouteDistinguisher,
        /// The VNI of that table.
        by: Vni,
    },
    /// Its provider network is not the tenant's, or another of the tenant's has the entrance.
    NoEntrance { vni: Vni, network: Arc<str> },
    /// Open vSwitch has not made the port that leads into the tenant's table, or has given it no number.
    NoPort { bridge: Arc<str>, port: Arc<str> },
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTable { bridge } => write!(
                f,
                "bridge {bridge} has no routing table: none could be allocated in rt_tables"
            ),
            Self::NoPatchPort { bridge, localnet } => write!(
                f,
                "waiting for ovn-controller to make the patch port of localnet port {localnet} on \
                 bridge {bridge}"
            ),
            Self::NoBridgeMac { bridge } => write!(
                f,
                "bridge {bridge} has no interface in the kernel: create it in Open vSwitch"
            ),
            Self::SubnetElsewhere { subnet, via } => write!(
                f,
                "traffic to {subnet} goes to gateway {via} on another bridge: two routers here have \
                 overlapping subnets, of which one can be exposed"
            ),
            Self::NoVtep { vni } => write!(
                f,
                "VNI {vni} has no tunnel endpoint here: set evpn_local_ip, or give the loopback device a /32 address"
            ),
            Self::TableTaken { vni } => write!(
                f,
                "VNI {vni} needs routing table {vni}, which a bridge has (rt_tables), or bgp_vrf (bgp_vrf_table_id): give \
                 the network another VNI, or that another table"
            ),
            Self::DistinguisherTaken { vni, rd, by } => write!(
                f,
                "VNI {vni} needs route distinguisher {rd}, which the table of VNI {by} has ([evpn_vni]): give that table \
                 another rd, or the network another VNI or neutron_bgpvpn:rd"
            ),
            Self::NoEntrance { vni, network } => write!(
                f,
                "nothing leads from network {network} into VNI {vni}: gateways of one tenant must be on one provider \
                 network, which is mapped here and has the tenant's annotations"
            ),
            Self::NoPort { bridge, port } => write!(
                f,
                "waiting for Open vSwitch to make port {port} on bridge {bridge}"
            ),
        }
    }
}
