//! Tenants' tables (EVPN) as metrics.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use bgp::Speaker;
use bgp::evpn::{EvpnEvent, Vni};

use super::exposition::{Exposition, Kind};

/// One table, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct TableCount {
    vni: Vni,
    originated: u64,
    prefixes: u64,
    remote_macs: u64,
    local_macs: u64,
    remote_vteps: u64,
    moves: u64,
    duplicates: u64,
}

/// Every table of a speaker.
pub(super) fn counts(speaker: &Speaker) -> Vec<TableCount> {
    let evpn = speaker.evpn();
    let now = Instant::now();
    let count = |(vni, _)| {
        let mut count = TableCount {
            vni,
            originated: evpn.originated(vni).count() as u64,
            local_macs: evpn.hosts(vni).count() as u64,
            moves: evpn.moves(vni),
            duplicates: evpn.duplicates(vni, now).count() as u64,
            ..TableCount::default()
        };
        let mut vteps: BTreeSet<IpAddr> = BTreeSet::new();
        for event in evpn.told(vni) {
            match event {
                EvpnEvent::Prefix { ways, .. } => {
                    count.prefixes += 1;
                    vteps.extend(ways.iter().map(|way| way.vtep));
                }
                EvpnEvent::Host { host, .. } => {
                    count.remote_macs += u64::from(host.is_some());
                    vteps.extend(host.as_ref().map(|host| host.vtep));
                }
                EvpnEvent::Flood { vteps: to, .. } => vteps.extend(to),
                EvpnEvent::DuplicateMac { .. } => {}
            }
        }
        count.remote_vteps = vteps.len() as u64;
        count
    };
    evpn.instances().map(count).collect()
}

/// Writes them.
pub(super) fn write(text: &mut Exposition, tables: &[TableCount]) {
    type Count = fn(&TableCount) -> u64;
    let all: [(&'static str, Kind, &str, Count); 7] = [
        (
            "ovn_bgp_agent_evpn_originated_routes",
            Kind::Gauge,
            "Routes this node originates in a tenant's table.",
            |t| t.originated,
        ),
        (
            "ovn_bgp_agent_evpn_learned_prefixes",
            Kind::Gauge,
            "Prefixes of other VTEPs in a tenant's routed table.",
            |t| t.prefixes,
        ),
        (
            "ovn_bgp_agent_evpn_remote_macs",
            Kind::Gauge,
            "MAC addresses behind other VTEPs in a tenant's bridged table.",
            |t| t.remote_macs,
        ),
        (
            "ovn_bgp_agent_evpn_local_macs",
            Kind::Gauge,
            "MAC addresses of this node in a tenant's bridged table.",
            |t| t.local_macs,
        ),
        (
            "ovn_bgp_agent_evpn_remote_vteps",
            Kind::Gauge,
            "Other VTEPs that something of a tenant's table is behind.",
            |t| t.remote_vteps,
        ),
        (
            "ovn_bgp_agent_evpn_mac_moves_total",
            Kind::Counter,
            "How often MAC addresses went from one VTEP to another, this one included.",
            |t| t.moves,
        ),
        (
            "ovn_bgp_agent_evpn_duplicate_macs",
            Kind::Gauge,
            "MAC addresses that moved too often in the last three minutes (RFC 7432, 15.1).",
            |t| t.duplicates,
        ),
    ];
    for (name, kind, help, count) in all {
        let mut family = text.family(name, kind, help);
        for table in tables {
            family.sample(&[("vni", &table.vni.to_string())], count(table));
        }
    }
}
