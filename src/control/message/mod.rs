//! What is asked and answered. Field names follow FRR's JSON where FRR has the field.

mod evpn;
mod neighbors;
mod orders;
mod origination;
mod routes;
mod watch;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::drain::Drained;
use crate::exposure::Shown;
use crate::router_advertisement::AdvertisingSnapshot;
use crate::{bfd, fib};

pub use evpn::{
    EvpnMacLine, EvpnPrefixLine, EvpnQuery, EvpnRouteLine, EvpnTable, EvpnTables, EvpnWayLine,
};
pub use neighbors::{
    Capabilities, FamilyInfo, MessageStats, Neighbor, NeighborSummaries, NeighborSummary,
    Neighbors, Offer,
};
pub use orders::{Done, DrainOrder, ResetOrder};
pub(super) use origination::Line;
pub use origination::{Attributes, Originate, Taken, Withdraw};
pub use routes::{Hop, OfNeighbor, RouteLine, Routes, RoutesQuery};
pub use watch::{Happened, Happening};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "kebab-case")]
pub enum Query {
    Summary,
    /// One of this name, or all.
    Neighbors {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Routes(RoutesQuery),
    /// What the kernel has of the learned routes.
    Fib,
    Bfd,
    Evpn(EvpnQuery),
    Exposures,
    /// What hosts of provider networks are told of this node as their router.
    RouterAdvertisements,
    Explain {
        ip: IpAddr,
    },
    Originate(Originate),
    Withdraw(Withdraw),
    /// Events follow the answer, one per line, until the client goes.
    Watch,
    Drain(DrainOrder),
    Undrain,
    Reset(ResetOrder),
    /// Read the configuration again.
    Reload,
    /// Say what that would do.
    ReloadPreview,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "body", rename_all = "kebab-case")]
pub enum Reply {
    Summary(Summary),
    Neighbors(Neighbors),
    Routes(Routes),
    Fib(Fib),
    Bfd(bfd::Snapshot),
    Evpn(EvpnTables),
    Exposures(ExposureList),
    RouterAdvertisements(RouterAdvertisementList),
    Explain(Explanation),
    /// Routes by hand were taken in.
    Taken(Taken),
    /// Events follow.
    Watching,
    /// An order was carried out.
    Done(Done),
    /// The request was not served; why.
    Error(String),
}

/// `show summary`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub version: String,
    /// Milliseconds since the start.
    pub uptime_msec: u64,
    pub router_id: Option<Ipv4Addr>,
    #[serde(rename = "as")]
    pub asn: u32,
    pub peers_established: usize,
    pub peers_total: usize,
    pub peers: NeighborSummaries,
    #[serde(default)]
    pub drain: Drained,
    /// The last failure that still stands.
    pub problem: Option<String>,
    /// Absent from a speaker without OVN.
    #[serde(flatten)]
    pub agent: Option<AgentSummary>,
}

/// What `show summary` says of OVN and the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentSummary {
    pub chassis_name: String,
    pub chassis_id: String,
    pub driver: String,
    pub exposing_method: String,
    /// State of each database connection, by name.
    pub databases: BTreeMap<String, String>,
    pub exposures: usize,
    pub withheld: usize,
    /// Changes made to the node since the start.
    pub changes_applied: u64,
    /// Changes that failed; they are tried again.
    #[serde(default)]
    pub changes_failed: u64,
    /// How FRR stands, with `bgp_backend = frr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frr: Option<String>,
    /// Requests that wrote to the kernel or a bridge.
    #[serde(default)]
    pub writes: u64,
    /// Prefixes advertised here that the fabric also learns from somewhere else.
    #[serde(default)]
    pub duplicates: usize,
}

/// A part of `show fib`: learned routes and what the kernel has of them, sorted by prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fib {
    #[serde(flatten)]
    pub fib: fib::Snapshot,
    /// Another part follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// `show router-advertisements`, by device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterAdvertisementList {
    pub devices: Vec<AdvertisingSnapshot>,
}

/// `show exposures`, sorted by prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExposureList {
    pub exposures: Vec<ExposureLine>,
}

/// One exposure and how far it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExposureLine {
    pub prefix: IpNet,
    /// As in `plan --json`.
    pub kind: String,
    pub port: String,
    pub network: String,
    pub bridge: Option<String>,
    pub vlan: Option<u16>,
    /// Absent in the default table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    pub reason: String,
    /// What policies have neighbours told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Shown>,
    /// Which policies say something of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Whether the kernel and OVS have all of its wiring.
    pub wired: bool,
    pub advertised: Advertised,
    /// Who else originates it, as neighbours tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_from: Vec<String>,
}

/// Whether a prefix is told to the neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advertised {
    Yes,
    /// It waits for its wiring.
    Waiting,
    /// No neighbour is Established.
    NoNeighbor,
}

/// `explain`: every step of the way for one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub ip: IpAddr,
    /// In one sentence, which names the address.
    pub verdict: String,
    pub steps: Vec<Step>,
    /// The agent follows no row with the address. Rows that concern other nodes alone it does not follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_row: bool,
}

/// One question on the way, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub step: String,
    pub verdict: Verdict,
    /// The row, column or object that decided.
    pub detail: String,
}

/// The answer of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Ok,
    No,
    Unknown,
}
