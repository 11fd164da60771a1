//! `show neighbors` and the neighbours of `show summary`, in FRR's words.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::peering::DiscoverySnapshot;

/// `show neighbors`: by name of the neighbour.
pub type Neighbors = BTreeMap<String, Neighbor>;

/// The neighbours of `show summary`, by name.
pub type NeighborSummaries = BTreeMap<String, NeighborSummary>;

/// One neighbour at a glance: FRR's `show bgp summary json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeighborSummary {
    /// The neighbour's AS number; zero before it is known.
    pub remote_as: u32,
    pub local_as: u32,
    pub msg_rcvd: u64,
    pub msg_sent: u64,
    /// Changes that wait until the neighbour reads.
    pub outq: usize,
    /// Milliseconds in Established; zero otherwise.
    pub peer_uptime_msec: u64,
    pub pfx_rcd: usize,
    pub pfx_snt: usize,
    /// `Idle`, `Connect`, `Active`, `OpenSent`, `OpenConfirm`, `Established` (RFC 4271 §8.2.2).
    pub state: String,
    pub connections_established: u64,
    pub connections_dropped: u64,
    pub desc: Option<String>,
}

/// One neighbour: FRR's `show bgp neighbors json`, with the totals of `show bgp summary json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbor {
    /// Unknown until it is discovered.
    pub bgp_neighbor_addr: Option<IpAddr>,
    /// Of a link-local session.
    pub interface: Option<String>,
    /// What is known of the interface, when the neighbour is discovered there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DiscoverySnapshot>,
    /// The neighbour's AS number; zero before it is known.
    pub remote_as: u32,
    pub local_as: u32,
    /// Whether it is in another AS; `None` before that is known.
    pub nbr_external_link: Option<bool>,
    pub nbr_desc: Option<String>,
    pub remote_router_id: Option<Ipv4Addr>,
    pub local_router_id: Option<Ipv4Addr>,
    /// As in [`NeighborSummary::state`].
    pub bgp_state: String,
    /// Why it is left alone, while it is.
    pub idle_reason: Option<String>,
    /// Milliseconds in Established; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp_timer_up_msec: Option<u64>,
    /// Milliseconds in the present state.
    pub state_msec: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp_timer_hold_time_msecs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp_timer_keep_alive_interval_msecs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbor_capabilities: Option<Capabilities>,
    pub message_stats: MessageStats,
    /// By family, `ipv4Unicast` and `ipv6Unicast`.
    pub address_family_info: BTreeMap<String, FamilyInfo>,
    pub pfx_rcd: usize,
    pub pfx_snt: usize,
    pub connections_established: u64,
    pub connections_dropped: u64,
    /// Milliseconds since the last thing that went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reset_timer_msecs: Option<u64>,
    /// What that was.
    pub last_reset_due_to: Option<String>,
    pub host_local: Option<IpAddr>,
    pub host_foreign: Option<IpAddr>,
}

/// What both OPENs offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    #[serde(rename = "4byteAs")]
    pub four_octet_as: Offer,
    pub extended_message: Offer,
    pub route_refresh: Offer,
    pub enhanced_route_refresh: Offer,
    pub extended_nexthop: Offer,
    pub add_path_receive: Offer,
    pub link_local_nexthop: Offer,
    pub graceful_restart: Offer,
    /// RFC 8538.
    pub graceful_restart_notification: Offer,
    /// How long it wants its routes to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graceful_restart_remote_timer_msecs: Option<u64>,
    /// Families of both OPENs.
    pub multiprotocol_extensions: Vec<String>,
}

/// Whether a capability is in force. FRR has more words; these are those that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Offer {
    AdvertisedAndReceived,
    #[default]
    NotNegotiated,
}

impl From<bool> for Offer {
    fn from(negotiated: bool) -> Self {
        if negotiated {
            Self::AdvertisedAndReceived
        } else {
            Self::NotNegotiated
        }
    }
}

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageStats {
    /// Changes that wait until the neighbour reads.
    pub depth_outq: usize,
    pub opens_sent: u64,
    pub opens_recv: u64,
    pub notifications_sent: u64,
    pub notifications_recv: u64,
    pub updates_sent: u64,
    pub updates_recv: u64,
    pub keepalives_sent: u64,
    pub keepalives_recv: u64,
    pub route_refresh_sent: u64,
    pub route_refresh_recv: u64,
    pub total_sent: u64,
    pub total_recv: u64,
}

/// One family of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FamilyInfo {
    pub accepted_prefix_counter: usize,
    pub sent_prefix_counter: usize,
    /// Why the neighbour is sent none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}
