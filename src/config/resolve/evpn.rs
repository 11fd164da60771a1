//! `[evpn_vni NAME]`: which tables there are, and that they can be told apart.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::fill;
use crate::config::evpn::{EvpnKind, EvpnVni};
use crate::config::given::{Given, label};
use crate::config::kind::Kind;
use crate::config::options::{EVPN_VNI, EvpnVniDraft, Named, VNI};
use crate::config::problem::{Fault, Severity};

/// Every table that a section describes; what is wrong with one is a problem, and leaves it out.
pub(super) fn tables(given: &mut Given) -> Vec<EvpnVni> {
    let names: Vec<_> = given.names(Named::EvpnVni).map(str::to_owned).collect();
    let mut tables: Vec<EvpnVni> = Vec::new();
    let mut distinguishers = BTreeMap::new();
    for name in names {
        let Some(table) = table(given, &name) else {
            continue;
        };
        if let Some(other) = tables.iter().find(|other| other.vni == table.vni) {
            let what = format!("VNI {} is that of [evpn_vni {}] too", table.vni, other.name);
            refuse(given, &name, "vni", what, "give each table its own VNI");
            continue;
        }
        // Of tables with one VTEP; the router-id, which may be chosen at the start, is the same for all.
        let rd = table.rd(Ipv4Addr::UNSPECIFIED);
        if let Some(other) = distinguishers.insert(rd, name.clone()) {
            let what = format!("its route distinguisher is that of [evpn_vni {other}] too");
            let remedy = "set rd: derived ones hold the low 16 bits of the VNI";
            refuse(given, &name, "rd", what, remedy);
            continue;
        }
        tables.push(table);
    }
    tables
}

fn table(given: &mut Given, name: &str) -> Option<EvpnVni> {
    let section = Named::EvpnVni.section(name);
    let mut draft = EvpnVniDraft::default();
    fill(given, &section, EVPN_VNI, &mut draft);
    let Some(vni) = draft.vni.or_else(|| Kind::<u32>::parse(&VNI, name)) else {
        let what = format!("table '{name}' has no VNI");
        refuse(
            given,
            name,
            "vni",
            what,
            "set vni, or write a number as the section's name",
        );
        return None;
    };
    if draft.kind == EvpnKind::L2 && !draft.originate.is_empty() {
        let what = "prefixes are originated in tables of kind l3".to_owned();
        refuse(
            given,
            name,
            "originate",
            what,
            "remove originate, or set kind = l3",
        );
    }
    let both = draft.route_targets;
    Some(EvpnVni {
        name: name.to_owned(),
        vni,
        kind: draft.kind,
        rd: draft.rd,
        import: draft.import_route_targets.unwrap_or_else(|| both.clone()),
        export: draft.export_route_targets.unwrap_or(both),
        vtep: draft.vtep,
        router_mac: draft.router_mac,
        originate: draft.originate,
    })
}

fn refuse(given: &mut Given, name: &str, option: &str, what: String, remedy: &str) {
    let section = Named::EvpnVni.section(name);
    let place = given.place(&section, option);
    let fault = Fault::Conflict(what, remedy.to_owned());
    given.problem(Severity::Error, place, Some(label(&section, option)), fault);
}
