//! `[evpn_vni NAME]`: tenants' tables without OVN.

use std::net::IpAddr;

use bgp::wire::evpn::{Label, RouteDistinguisher};
use ipnet::IpNet;

use crate::config::evpn::{EvpnKind, TargetWord};
use crate::config::kind::*;
use crate::config::table::{At, Row, row};
use crate::mac::MacAddr;

/// The section while it is read.
#[derive(Default)]
pub(in crate::config) struct EvpnVniDraft {
    pub(in crate::config) vni: Option<u32>,
    pub(in crate::config) kind: EvpnKind,
    pub(in crate::config) rd: Option<RouteDistinguisher>,
    pub(in crate::config) route_targets: Vec<TargetWord>,
    pub(in crate::config) import_route_targets: Option<Vec<TargetWord>>,
    pub(in crate::config) export_route_targets: Option<Vec<TargetWord>>,
    pub(in crate::config) vtep: Option<IpAddr>,
    pub(in crate::config) router_mac: Option<MacAddr>,
    pub(in crate::config) originate: Vec<IpNet>,
}

/// The numbers of VXLAN (RFC 7348 §5); 0 is no network.
pub(in crate::config) const VNI: Number = Number(1, Label::MAX);

pub(in crate::config) const EVPN_VNI: &[Row<EvpnVniDraft>] = &[
    row(
        "vni",
        None,
        &At(VNI, |v: &mut EvpnVniDraft| &mut v.vni),
        "VXLAN network identifier of a tenant's table that this node has whatever OVN says; unset takes NAME when that is a number",
    ),
    row(
        "kind",
        Some("l3"),
        &At(Word::new(), |v: &mut EvpnVniDraft| &mut v.kind),
        "l3: prefixes are routed (type 5); l2: hosts are bridged (types 2 and 3)",
    ),
    row(
        "rd",
        None,
        &At(Distinguisher, |v: &mut EvpnVniDraft| &mut v.rd),
        "route distinguisher; unset is VTEP:VNI, of an IPv6 VTEP router-id:VNI, with the low 16 bits of the VNI",
    ),
    row(
        "route_targets",
        Some("auto"),
        &At(List(Target), |v: &mut EvpnVniDraft| &mut v.route_targets),
        "what its routes carry, and which routes it takes: auto is AS:VNI, and takes that of any AS in both spellings; auto-rfc8365 is RFC 8365's spelling of it",
    ),
    row(
        "import_route_targets",
        None,
        &At(List(Target), |v: &mut EvpnVniDraft| {
            &mut v.import_route_targets
        }),
        "which routes it takes; unset is route_targets",
    ),
    row(
        "export_route_targets",
        None,
        &At(List(Target), |v: &mut EvpnVniDraft| {
            &mut v.export_route_targets
        }),
        "what its routes carry; unset is route_targets",
    ),
    row(
        "vtep",
        None,
        &At(Ip, |v: &mut EvpnVniDraft| &mut v.vtep),
        "address where this node takes its traffic; unset is the router-id",
    ),
    row(
        "router_mac",
        None,
        &At(Hardware, |v: &mut EvpnVniDraft| &mut v.router_mac),
        "inner destination of what is routed here; unset is made of vtep",
    ),
    row(
        "originate",
        None,
        &At(List(Prefix), |v: &mut EvpnVniDraft| &mut v.originate),
        "prefixes originated in it",
    ),
];
