//! What is asked and answered. Field names follow FRR's JSON where FRR has the field.

mod routes;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use routes::{Attributes, Originate, Taken, Withdraw};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "kebab-case")]
pub enum Query {
    Summary,
    Neighbors,
    Routes,
    Exposures,
    Explain { ip: IpAddr },
    Originate(Originate),
    Withdraw(Withdraw),
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "body", rename_all = "kebab-case")]
pub enum Reply {
    Summary(Summary),
    Neighbors(Neighbors),
    Routes(Routes),
    Exposures(ExposureList),
    Explain(Explanation),
    /// Routes by hand were taken in.
    Taken(Taken),
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
}

/// `show neighbors`: by name of the neighbour.
pub type Neighbors = BTreeMap<String, NeighborState>;

/// One neighbour, in the words of FRR's `show bgp summary json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeighborState {
    pub address: Option<IpAddr>,
    /// `Idle`, `Connect`, `Active`, `OpenSent`, `OpenConfirm`, `Established` (RFC 4271 §8.2.2).
    pub state: String,
    /// The neighbour's AS number; zero before it is known.
    pub remote_as: u32,
    pub local_as: u32,
    /// Milliseconds in Established; zero otherwise.
    pub peer_uptime_msec: u64,
    pub msg_rcvd: u64,
    pub msg_sent: u64,
    pub pfx_rcd: u64,
    pub pfx_snt: u64,
    pub connections_established: u64,
    pub connections_dropped: u64,
    pub desc: Option<String>,
    /// Why the session went down the last time.
    pub last_reset_due_to: Option<String>,
}

/// `show routes`, sorted by prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    pub routes: Vec<RouteLine>,
}

/// One path of a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteLine {
    pub prefix: IpNet,
    pub nexthop: Option<IpAddr>,
    /// Name of the neighbour it was learned from; `None` is our own.
    pub peer: Option<String>,
    /// AS_PATH as text; empty for our own.
    pub path: String,
    pub local_pref: Option<u32>,
    pub metric: Option<u32>,
    pub best: bool,
    /// Neighbours it is advertised to.
    pub advertised_to: Vec<String>,
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
    pub bridge: String,
    pub vlan: Option<u16>,
    pub reason: String,
    /// Whether the kernel and OVS have all of its wiring.
    pub wired: bool,
    pub advertised: Advertised,
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
