//! `show routes`, each path in FRR's words.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `show routes`: which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutesQuery {
    /// Those that contain it: a prefix itself, and what covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<IpNet>,
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub of: Option<OfNeighbor>,
}

/// The routes of one neighbour's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OfNeighbor {
    /// What it has taught, before the choice among neighbours.
    Received(String),
    /// What it has been told.
    Advertised(String),
}

/// A part of `show routes`. All parts together are sorted by prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    pub routes: Vec<RouteLine>,
    /// Another part follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// One path of a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteLine {
    pub prefix: IpNet,
    /// Who wants it originated: `operator`, `ovn`, `connected`; empty for what a neighbour teaches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Name of the neighbour it was learned from; `None` is our own.
    pub peer: Option<String>,
    /// A global address, and a link-local one where there is one; empty: that of the session it leaves by.
    pub nexthops: Vec<Hop>,
    /// AS_PATH as text; empty for our own.
    pub path: String,
    pub origin: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loc_prf: Option<u32>,
    /// MULTI_EXIT_DISC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub community: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended_community: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large_community: Vec<String>,
    pub bestpath: bool,
    /// Used beside the best path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multipath: bool,
    /// Kept for a neighbour that is away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// Neighbours it is advertised to.
    #[serde(default)]
    pub advertised_to: Vec<String>,
}

/// A next hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    pub ip: IpAddr,
    /// Of a link-local session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}
