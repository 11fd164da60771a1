//! The speaker's options, sessions' own apart: `[bgp]` and the sections that have names.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Draft;
use crate::config::choice::Shutdown;
use crate::config::kind::*;
use crate::config::table::{At, Row, row};
use crate::config::{BfdProfile, policy};

/// Lowest and highest interval of BFD, in milliseconds: what FRR accepts.
const BFD_INTERVAL: Milliseconds = Milliseconds(10, 60_000);

/// `[bgp]`.
pub(super) const BGP: &[Row<Draft>] = &[
    row(
        "frr_config",
        None,
        &At(FilePath, |d: &mut Draft| &mut d.config.bgp.frr_config),
        "take neighbours and policy from this FRR configuration; what is set in these files counts more",
    ),
    row(
        "as",
        None,
        &At(AsNumber, |d: &mut Draft| &mut d.bgp_as),
        "our AS number; unset takes [DEFAULT] bgp_AS",
    ),
    row(
        "router_id",
        None,
        &At(RouterId, |d: &mut Draft| &mut d.bgp_router_id),
        "our router-id; unset takes [DEFAULT] bgp_router_id, else the highest IPv4 address of lo (127.0.0.0/8 apart), else of any device",
    ),
    row(
        "listen",
        Some("0.0.0.0, ::"),
        &At(List(Ip), |d: &mut Draft| &mut d.config.bgp.listen),
        "local addresses that accept sessions; empty accepts none",
    ),
    row(
        "port",
        Some("179"),
        &At(Port(1), |d: &mut Draft| &mut d.config.bgp.port),
        "TCP port of the listeners",
    ),
    row(
        "graceful_restart",
        Some("true"),
        &At(Flag, |d: &mut Draft| &mut d.config.bgp.graceful_restart),
        "ask neighbours to keep forwarding while the agent restarts (RFC 4724)",
    ),
    row(
        "graceful_restart_time",
        Some("120"),
        &At(Seconds(1, 4095), |d: &mut Draft| {
            &mut d.config.bgp.graceful_restart_time
        }),
        "how long they wait for its return",
    ),
    row(
        "graceful_shutdown",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.bgp.graceful_shutdown),
        "tell neighbours to prefer any other path (RFC 8326), as drain does",
    ),
    row(
        "max_paths",
        Some("16"),
        &At(Number(1, 256), |d: &mut Draft| {
            &mut d.config.bgp.multipath.max_paths
        }),
        "at most so many equally good paths to a prefix are used",
    ),
    row(
        "multipath_relax",
        Some("true"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.bgp.multipath.relax_as_path
        }),
        "paths through different ASes count as equally good when they are equally long",
    ),
    row(
        "originate",
        None,
        &At(List(Prefix), |d: &mut Draft| &mut d.config.bgp.originate),
        "prefixes advertised whatever OVN says; export_prefixes must let them pass",
    ),
    row(
        "redistribute_connected",
        None,
        &At(List(Name), |d: &mut Draft| {
            &mut d.config.bgp.redistribute_connected
        }),
        "advertise the addresses of these devices, whose names may hold * and ?; lo for loopbacks",
    ),
    row(
        "redistribute_as",
        Some("hosts"),
        &At(Word::new(), |d: &mut Draft| {
            &mut d.config.bgp.redistribute_as
        }),
        "hosts: each of these addresses as /32 or /128; prefixes: the connected prefix, as FRR does, which is a /32 only for an address with /32",
    ),
    row(
        "fib_import",
        Some("default-only"),
        &At(PrefixSet, |d: &mut Draft| &mut d.fib_import),
        "learned prefixes that become routes of the node",
    ),
    row(
        "fib_table",
        Some("254"),
        &At(Number(1, u32::MAX), |d: &mut Draft| {
            &mut d.config.bgp.fib.table
        }),
        "routing table they go into; 254 is main",
    ),
    row(
        "fib_metric",
        Some("20"),
        &At(Number(1, u32::MAX), |d: &mut Draft| {
            &mut d.config.bgp.fib.metric
        }),
        "metric of these routes; the route with the lowest counts",
    ),
    row(
        "preferred_source_ipv4",
        None,
        &At(V4, |d: &mut Draft| {
            &mut d.config.bgp.fib.preferred_source_ipv4
        }),
        "source address the node prefers over these routes (FRR's set src)",
    ),
    row(
        "preferred_source_ipv6",
        None,
        &At(V6, |d: &mut Draft| {
            &mut d.config.bgp.fib.preferred_source_ipv6
        }),
        "the same for IPv6",
    ),
    row(
        "resolve_via_default",
        Some("true"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.bgp.fib.resolve_via_default
        }),
        "next hops may be reached through a default route",
    ),
    row(
        "router_import",
        Some("any"),
        &At(PrefixSet, |d: &mut Draft| &mut d.router_import),
        "learned prefixes that ovn-controller finds in the tables of OVN's routers (driver = ovn_native)",
    ),
    row(
        "metrics_listen",
        None,
        &At(Listener, |d: &mut Draft| &mut d.config.bgp.metrics_listen),
        "address and port where Prometheus finds metrics; unset has none",
    ),
];

/// `[bgp_neighbor NAME]`, besides the session's options.
#[derive(Default)]
pub(in crate::config) struct NeighbourDraft {
    pub(in crate::config) address: Option<(IpAddr, Option<String>)>,
    pub(in crate::config) interface: Option<String>,
    pub(in crate::config) group: Option<String>,
    pub(in crate::config) port: u16,
    pub(in crate::config) description: String,
    pub(in crate::config) shutdown: Shutdown,
}

pub(in crate::config) const NEIGHBOUR: &[Row<NeighbourDraft>] = &[
    row(
        "address",
        None,
        &At(PeerAddress, |n: &mut NeighbourDraft| &mut n.address),
        "address of the neighbour; unset takes NAME when that is an address",
    ),
    row(
        "interface",
        None,
        &At(Device, |n: &mut NeighbourDraft| &mut n.interface),
        "device that leads to it: with a link-local address, or alone, when the neighbour is found by its router advertisements (unnumbered)",
    ),
    row(
        "group",
        None,
        &At(Name, |n: &mut NeighbourDraft| &mut n.group),
        "NAME of a [bgp_group NAME], whose options count where they are unset here",
    ),
    row(
        "port",
        Some("179"),
        &At(Port(1), |n: &mut NeighbourDraft| &mut n.port),
        "TCP port it listens on",
    ),
    row(
        "description",
        Some(""),
        &At(Text, |n: &mut NeighbourDraft| &mut n.description),
        "for people",
    ),
    row(
        "shutdown",
        Some("false"),
        &At(ShutdownWords, |n: &mut NeighbourDraft| &mut n.shutdown),
        "keep the session down, and tell the neighbour these words (RFC 9003)",
    ),
];

/// `[bgp_listen NAME]`, besides the session's options.
#[derive(Default)]
pub(in crate::config) struct ListenDraft {
    pub(in crate::config) prefix: Option<IpNet>,
    pub(in crate::config) limit: u32,
    pub(in crate::config) group: Option<String>,
}

pub(in crate::config) const LISTEN: &[Row<ListenDraft>] = &[
    row(
        "prefix",
        None,
        &At(Prefix, |l: &mut ListenDraft| &mut l.prefix),
        "whoever connects from here is a neighbour; unset takes NAME when that is a prefix",
    ),
    row(
        "limit",
        Some("100"),
        &At(Number(1, 65535), |l: &mut ListenDraft| &mut l.limit),
        "at most so many at a time",
    ),
    row(
        "group",
        None,
        &At(Name, |l: &mut ListenDraft| &mut l.group),
        "NAME of a [bgp_group NAME], whose options count where they are unset here",
    ),
];

/// `[bgp_prefix_list NAME]`.
pub(in crate::config) const PREFIX_LIST: &[Row<String>] = &[row(
    "rules",
    Some(""),
    &At(Lines(policy::RULE), |rules: &mut String| rules),
    "one rule per line; the first that matches decides, and no match denies",
)];

/// `[bgp_policy NAME]`.
pub(in crate::config) const POLICY: &[Row<String>] = &[row(
    "terms",
    Some(""),
    &At(Lines(policy::TERM), |terms: &mut String| terms),
    "one term per line; the first whose conditions all hold decides, and no match denies",
)];

/// `[bfd_profile NAME]`.
pub(in crate::config) const PROFILE: &[Row<BfdProfile>] = &[
    row(
        "transmit_interval",
        Some("300"),
        &At(BFD_INTERVAL, |p: &mut BfdProfile| &mut p.transmit_interval),
        "shortest time between two packets we send",
    ),
    row(
        "receive_interval",
        Some("300"),
        &At(BFD_INTERVAL, |p: &mut BfdProfile| &mut p.receive_interval),
        "shortest time between two packets we want to get",
    ),
    row(
        "detect_multiplier",
        Some("3"),
        &At(Number(1, 255), |p: &mut BfdProfile| {
            &mut p.detect_multiplier
        }),
        "so many packets may be missed",
    ),
    row(
        "passive",
        Some("false"),
        &At(Flag, |p: &mut BfdProfile| &mut p.passive),
        "wait for the neighbour's first packet",
    ),
    row(
        "minimum_ttl",
        Some("254"),
        &At(Number(1, 254), |p: &mut BfdProfile| &mut p.minimum_ttl),
        "multihop sessions: drop what arrives with a lower TTL",
    ),
];
