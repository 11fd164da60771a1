//! `show evpn`: tenants' tables.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `show evpn`: which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvpnQuery {
    /// This table alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    /// Every route as well, those of others with the reason where one is not used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub routes: bool,
}

/// A part of `show evpn`, sorted by VNI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvpnTables {
    pub tables: Vec<EvpnTable>,
    /// Routes of neighbours that belong into no table here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<EvpnRouteLine>,
    /// Another part follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// One tenant's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvpnTable {
    pub vni: u32,
    /// `l3` is routed, `l2` bridged.
    #[serde(rename = "type")]
    pub kind: String,
    pub rd: String,
    pub vtep: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_mac: Option<String>,
    /// Route targets, and `*:VNI` for derived ones of any AS.
    pub import_rts: Vec<String>,
    pub export_rts: Vec<String>,
    /// Other VTEPs that anything is known of.
    pub remote_vteps: Vec<IpAddr>,
    /// Who is sent a copy of what is flooded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flood: Vec<IpAddr>,
    /// What others have, in a routed table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<EvpnPrefixLine>,
    /// Hosts, here and elsewhere, in a bridged one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub macs: Vec<EvpnMacLine>,
    /// How often MAC addresses moved since the table is there.
    pub moves: u64,
    /// Routes that this node originates in it.
    pub originated: usize,
    /// All of these, and those of others that belong into it; where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<EvpnRouteLine>,
}

/// A prefix that others have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvpnPrefixLine {
    pub prefix: IpNet,
    pub ways: Vec<EvpnWayLine>,
}

/// One way to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvpnWayLine {
    pub vtep: IpAddr,
    pub router_mac: String,
}

/// A MAC address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvpnMacLine {
    pub mac: String,
    /// Where it is; absent: here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vtep: Option<IpAddr>,
    /// This node has it as well, but somebody else has it by the rules of mobility.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
    pub addresses: Vec<IpAddr>,
    /// How often it has moved.
    pub sequence: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sticky: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gateway: bool,
    /// It moved too often lately.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvpnRouteLine {
    /// With its route distinguisher, as FRR writes it.
    pub route: String,
    /// Who taught it; absent: ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    pub next_hop: Option<IpAddr>,
    /// AS_PATH as text; empty for our own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// As FRR writes them.
    pub extended_communities: Vec<String>,
    /// Why it is not used; absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<String>,
}
