//! `watch`: what happens, as it happens.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::RouteLine;
use crate::fib::HopSnapshot;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// RFC 3339, in UTC.
    pub time: String,
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Happening {
    /// A session changed its state.
    Session {
        peer: String,
        from: String,
        to: String,
        /// Why, when it went backwards.
        reason: Option<String>,
    },
    /// A neighbour was told of prefixes, in one UPDATE.
    Advertised {
        peer: String,
        prefixes: Arc<[IpNet]>,
    },
    /// A neighbour was told that prefixes are gone, in one UPDATE.
    Withdrawn {
        peer: String,
        prefixes: Arc<[IpNet]>,
    },
    /// A neighbour has told all it has of a family.
    EndOfRib { peer: String, family: String },
    /// The paths in use to a prefix that neighbours teach changed.
    Learned {
        prefix: IpNet,
        /// The best first.
        paths: Vec<RouteLine>,
    },
    /// No neighbour teaches this prefix any more.
    Lost { prefix: IpNet },
    /// The path to neighbours, as BFD sees it, changed its state.
    Bfd {
        /// Those at its end.
        peers: Vec<String>,
        /// Address and interface.
        path: String,
        from: String,
        to: String,
        /// Why, when it went down.
        reason: Option<String>,
        /// The sessions over it end: it was no operator who took it down.
        failed: bool,
    },
    /// The kernel has a learned route, from now on or with other next hops.
    FibInstalled {
        prefix: IpNet,
        next_hops: Vec<HopSnapshot>,
        source: Option<IpAddr>,
    },
    /// The kernel has a learned route no more.
    FibRemoved {
        prefix: IpNet,
        reason: Option<String>,
    },
    /// The kernel refuses a learned route; it is tried again.
    FibRefused { prefix: IpNet, reason: String },
    /// After a start: every neighbour has told all it has of a family, or was waited for long enough.
    Converged { family: String },
    /// A neighbour teaches many routes.
    PrefixLimit {
        peer: String,
        count: usize,
        limit: usize,
        /// Those above the limit were not taken.
        refused: bool,
    },
    /// A dynamic neighbour's session has ended, and it is forgotten.
    PeerVanished { peer: String },
    /// A family is kept from a neighbour.
    Withheld {
        peer: String,
        family: String,
        reason: String,
    },
    /// An UPDATE had errors that do not end the session.
    UpdateErrors { peer: String, errors: Vec<String> },
    /// The configuration was read again; what that did.
    Reload { report: Vec<String> },
    /// The node is being drained, or not any more.
    Drain { on: bool },
    /// A neighbour was told of EVPN routes, in one UPDATE.
    EvpnAdvertised { peer: String, routes: Vec<String> },
    /// A neighbour was told that EVPN routes are gone, in one UPDATE.
    EvpnWithdrawn { peer: String, routes: Vec<String> },
    /// The ways to a prefix of a tenant changed; none are left when there is none.
    EvpnPrefix {
        vni: u32,
        prefix: IpNet,
        vteps: Vec<IpAddr>,
    },
    /// A MAC address of a tenant is behind another VTEP now, or behind none.
    EvpnHost {
        vni: u32,
        mac: String,
        vtep: Option<IpAddr>,
        addresses: Vec<IpAddr>,
    },
    /// Who gets what a tenant's network floods.
    EvpnFlood { vni: u32, vteps: Vec<IpAddr> },
    /// A MAC address moves too often: it is on two nodes, or there is a loop.
    EvpnDuplicate { vni: u32, mac: String },
    /// Something else, in words.
    Note { text: String },
    /// The reader was too slow for this many events.
    Missed { count: u64 },
}

impl Happening {
    /// The tenant's table in which it happened.
    pub fn vni(&self) -> Option<u32> {
        match self {
            Self::EvpnPrefix { vni, .. }
            | Self::EvpnHost { vni, .. }
            | Self::EvpnFlood { vni, .. }
            | Self::EvpnDuplicate { vni, .. } => Some(*vni),
            _ => None,
        }
    }
}
