//! The speaker's options: `[bgp]` and `[bgp_neighbor NAME]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Draft;
use crate::config::Secret;
use crate::config::choice::{Families, RemoteAs, UpdateSource};
use crate::config::kind::*;
use crate::config::table::{At, Row, row};

/// A neighbour while it is read; what is unset comes from `[bgp]` or the section's name.
#[derive(Default)]
pub(in crate::config) struct NeighbourDraft {
    pub(in crate::config) address: Option<IpAddr>,
    pub(in crate::config) remote_as: RemoteAs,
    pub(in crate::config) local_as: Option<u32>,
    pub(in crate::config) password: Option<Secret>,
    pub(in crate::config) port: u16,
    pub(in crate::config) passive: bool,
    pub(in crate::config) update_source: Option<UpdateSource>,
    pub(in crate::config) hold_time: Option<Duration>,
    pub(in crate::config) keepalive_time: Option<Duration>,
    pub(in crate::config) connect_retry_time: Option<Duration>,
    pub(in crate::config) multihop: Option<u8>,
    pub(in crate::config) ttl_security: Option<u8>,
    pub(in crate::config) families: Families,
    pub(in crate::config) description: String,
    pub(in crate::config) next_hop_ipv4: Option<Ipv4Addr>,
    pub(in crate::config) next_hop_ipv6: Option<Ipv6Addr>,
    pub(in crate::config) only_host_prefixes: bool,
}

/// `[bgp]`.
pub(super) const BGP: &[Row<Draft>] = &[
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
        "hold_time",
        Some("90"),
        &At(HoldTime, |d: &mut Draft| &mut d.config.bgp.hold_time),
        "proposed hold time; a silent neighbour is lost after it",
    ),
    row(
        "keepalive_time",
        None,
        &At(Seconds(1, 21845), |d: &mut Draft| {
            &mut d.config.bgp.keepalive_time
        }),
        "between two KEEPALIVEs; unset is a third of the negotiated hold time",
    ),
    row(
        "connect_retry_time",
        Some("5"),
        &At(Seconds(1, 3600), |d: &mut Draft| {
            &mut d.config.bgp.connect_retry_time
        }),
        "between two attempts to connect",
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
        "next_hop_ipv4",
        None,
        &At(V4, |d: &mut Draft| &mut d.config.bgp.next_hop_ipv4),
        "next hop of IPv4 routes; unset is the session's own address",
    ),
    row(
        "next_hop_ipv6",
        None,
        &At(V6, |d: &mut Draft| &mut d.config.bgp.next_hop_ipv6),
        "next hop of IPv6 routes; unset is the session's own address",
    ),
];

/// `[bgp_neighbor NAME]`.
pub(in crate::config) const NEIGHBOUR: &[Row<NeighbourDraft>] = &[
    row(
        "address",
        None,
        &At(Ip, |n: &mut NeighbourDraft| &mut n.address),
        "address of the neighbour; unset takes NAME when that is an address",
    ),
    row(
        "remote_as",
        Some("auto"),
        &At(PeerAs, |n: &mut NeighbourDraft| &mut n.remote_as),
        "AS number of the neighbour: internal is ours, external any other, auto whatever it says",
    ),
    row(
        "local_as",
        None,
        &At(AsNumber, |n: &mut NeighbourDraft| &mut n.local_as),
        "AS number shown to it; unset is ours",
    ),
    row(
        "password",
        None,
        &At(Password, |n: &mut NeighbourDraft| &mut n.password),
        "TCP-MD5 key (RFC 2385); no comment may follow it and '$' is an ordinary character",
    ),
    row(
        "port",
        Some("179"),
        &At(Port(1), |n: &mut NeighbourDraft| &mut n.port),
        "TCP port it listens on",
    ),
    row(
        "passive",
        Some("false"),
        &At(Flag, |n: &mut NeighbourDraft| &mut n.passive),
        "wait for it to connect",
    ),
    row(
        "update_source",
        None,
        &At(Source, |n: &mut NeighbourDraft| &mut n.update_source),
        "local address, or device, of the session",
    ),
    row(
        "hold_time",
        None,
        &At(HoldTime, |n: &mut NeighbourDraft| &mut n.hold_time),
        "as in [bgp], whose value it takes when unset",
    ),
    row(
        "keepalive_time",
        None,
        &At(Seconds(1, 21845), |n: &mut NeighbourDraft| {
            &mut n.keepalive_time
        }),
        "as in [bgp]",
    ),
    row(
        "connect_retry_time",
        None,
        &At(Seconds(1, 3600), |n: &mut NeighbourDraft| {
            &mut n.connect_retry_time
        }),
        "as in [bgp]",
    ),
    row(
        "multihop",
        None,
        &At(Number(1, 255), |n: &mut NeighbourDraft| &mut n.multihop),
        "most hops to an eBGP neighbour; unset is 1",
    ),
    row(
        "ttl_security",
        None,
        &At(Number(1, 254), |n: &mut NeighbourDraft| &mut n.ttl_security),
        "drop what comes from further away than so many hops (GTSM, RFC 5082)",
    ),
    row(
        "families",
        Some("ipv4-unicast, ipv6-unicast"),
        &At(FamilyList, |n: &mut NeighbourDraft| &mut n.families),
        "address families offered",
    ),
    row(
        "description",
        Some(""),
        &At(Text, |n: &mut NeighbourDraft| &mut n.description),
        "for people",
    ),
    row(
        "next_hop_ipv4",
        None,
        &At(V4, |n: &mut NeighbourDraft| &mut n.next_hop_ipv4),
        "as in [bgp]",
    ),
    row(
        "next_hop_ipv6",
        None,
        &At(V6, |n: &mut NeighbourDraft| &mut n.next_hop_ipv6),
        "as in [bgp]",
    ),
    row(
        "only_host_prefixes",
        Some("true"),
        &At(Flag, |n: &mut NeighbourDraft| &mut n.only_host_prefixes),
        "nothing but /32 and /128 leaves",
    ),
];
