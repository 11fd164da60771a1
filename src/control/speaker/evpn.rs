//! Tenants' tables in words: copied on the speaker's thread a table at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use bgp::RouteAttributes;
use bgp::evpn::{Evpn, EvpnEvent, EvpnPath, Import, Instance, Kind, RemoteHost, Unused, Vni};
use bgp::wire::ExtendedCommunity;
use bgp::wire::evpn::{EvpnCommunity, EvpnRoute, Mac};

use crate::advertise::Live;
use crate::control::message::{
    EvpnMacLine, EvpnPrefixLine, EvpnQuery, EvpnRouteLine, EvpnTable, EvpnTables, EvpnWayLine,
};
use crate::peering::{Ended, Handle};

/// The answer to `show evpn`, to be read table by table.
#[derive(Debug)]
pub(crate) struct TenantTables {
    left: VecDeque<Vni>,
    speaker: Option<Handle>,
    routes: bool,
    /// What belongs into which table, found in one pass over all routes; `None` for a table alone, or where no routes are
    /// asked for. Routes that come later may be missing, as in every answer in parts.
    keys: Option<BTreeMap<Vni, Vec<EvpnRoute>>>,
    /// What belongs into no table is still to be told.
    elsewhere: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTenants {
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error("this node has no table of VNI {asked}; there are: {known}")]
    NoTable { asked: Vni, known: String },
}

impl TenantTables {
    pub(crate) async fn of(live: &Live, query: &EvpnQuery) -> Result<Self, NoTenants> {
        let known: Vec<Vni> = match &live.speaker {
            Some(speaker) => {
                let vnis = |evpn: &Evpn| evpn.instances().map(|(vni, _)| vni).collect();
                speaker.look(move |view| vnis(view.speaker.evpn())).await?
            }
            None => Vec::new(),
        };
        let left = match query.vni {
            None => known.into(),
            Some(asked) if known.contains(&asked) => VecDeque::from([asked]),
            Some(asked) => {
                let known: Vec<_> = known.iter().map(ToString::to_string).collect();
                let known = match known.as_slice() {
                    [] => "none".to_owned(),
                    known => known.join(", "),
                };
                return Err(NoTenants::NoTable { asked, known });
            }
        };
        let several = query.routes && left.len() > 1;
        let keys = match &live.speaker {
            Some(speaker) if several => {
                let keys = speaker.look(|view| view.speaker.evpn().keys_by_instance());
                Some(keys.await?)
            }
            _ => None,
        };
        Ok(Self {
            left,
            keys,
            speaker: live.speaker.clone(),
            routes: query.routes,
            elsewhere: query.routes && query.vni.is_none(),
        })
    }

    /// The next part; the last one says so.
    pub(crate) async fn next(&mut self) -> Result<EvpnTables, Ended> {
        let mut part = EvpnTables::default();
        let Some(speaker) = &self.speaker else {
            return Ok(part);
        };
        if let Some(vni) = self.left.pop_front() {
            let wanted = match &mut self.keys {
                _ if !self.routes => Wanted::Nothing,
                Some(keys) => Wanted::With(keys.remove(&vni).unwrap_or_default()),
                None => Wanted::All,
            };
            let table = speaker.look(move |view| table(view.speaker.evpn(), vni, &wanted));
            // A table may have gone meanwhile.
            part.tables.extend(table.await?);
        } else if std::mem::take(&mut self.elsewhere) {
            let elsewhere = speaker.look(|view| elsewhere(view.speaker.evpn()));
            part.elsewhere = elsewhere.await?;
        }
        part.more = self.elsewhere || !self.left.is_empty();
        Ok(part)
    }
}

/// Which routes of a table.
enum Wanted {
    Nothing,
    All,
    /// Those of peers that have these keys.
    With(Vec<EvpnRoute>),
}

fn table(evpn: &Evpn, vni: Vni, wanted: &Wanted) -> Option<EvpnTable> {
    let (_, instance) = evpn.instances().find(|(of, _)| *of == vni)?;
    let mut table = empty(vni, instance);
    let mut vteps = BTreeSet::new();
    let duplicates: BTreeSet<Mac> = evpn.duplicates(vni, Instant::now()).collect();
    for event in evpn.told(vni) {
        match event {
            EvpnEvent::Prefix { prefix, ways, .. } => {
                vteps.extend(ways.iter().map(|way| way.vtep));
                let way = |way: &bgp::evpn::Way| EvpnWayLine {
                    vtep: way.vtep,
                    router_mac: way.router_mac.to_string(),
                };
                table.prefixes.push(EvpnPrefixLine {
                    prefix: *prefix,
                    ways: ways.iter().map(way).collect(),
                });
            }
            EvpnEvent::Host { mac, host, .. } => {
                if let Some(host) = host {
                    vteps.insert(host.vtep);
                    table.macs.push(elsewhere_is(*mac, host, &duplicates));
                }
            }
            EvpnEvent::Flood { vteps: to, .. } => {
                vteps.extend(to);
                table.flood = to.iter().copied().collect();
            }
            EvpnEvent::DuplicateMac { .. } => {}
        }
    }
    table.remote_vteps = vteps.into_iter().collect();
    mark_ours(evpn, vni, &duplicates, &mut table.macs);
    table.moves = evpn.moves(vni);
    table.originated = evpn.originated(vni).count();
    table.routes = match wanted {
        Wanted::Nothing => Vec::new(),
        Wanted::All => routes(evpn, vni, evpn.routes_of(vni)),
        Wanted::With(keys) => routes(evpn, vni, evpn.routes_with(vni, keys)),
    };
    Some(table)
}

fn empty(vni: Vni, instance: &Instance) -> EvpnTable {
    let import = |import: &Import| match import {
        Import::Target(target) => target.to_string(),
        Import::Derived(vni) => format!("*:{vni}"),
    };
    let kind = match instance.kind {
        Kind::Routed { .. } => "l3",
        Kind::Bridged => "l2",
    };
    EvpnTable {
        vni,
        kind: kind.to_owned(),
        rd: instance.rd.to_string(),
        vtep: instance.vtep,
        router_mac: instance.router_mac().map(|mac| mac.to_string()),
        import_rts: instance.import.iter().map(import).collect(),
        export_rts: instance.export.iter().map(ToString::to_string).collect(),
        remote_vteps: Vec::new(),
        flood: Vec::new(),
        prefixes: Vec::new(),
        macs: Vec::new(),
        moves: 0,
        originated: 0,
        routes: Vec::new(),
    }
}

fn elsewhere_is(mac: Mac, host: &RemoteHost, duplicates: &BTreeSet<Mac>) -> EvpnMacLine {
    EvpnMacLine {
        mac: mac.to_string(),
        vtep: Some(host.vtep),
        superseded: false,
        addresses: host.addresses.iter().copied().collect(),
        sequence: host.mobility.sequence,
        sticky: host.mobility.sticky,
        gateway: host.gateway,
        duplicate: duplicates.contains(&mac),
    }
}

/// Adds the hosts of this node; of one that somebody else has by the rules it is said.
fn mark_ours(evpn: &Evpn, vni: Vni, duplicates: &BTreeSet<Mac>, lines: &mut Vec<EvpnMacLine>) {
    for (mac, host, mobility) in evpn.hosts(vni) {
        let name = mac.to_string();
        let Some(mobility) = mobility else {
            let mut lines = lines.iter_mut();
            if let Some(line) = lines.find(|line| line.mac == name) {
                line.superseded = true;
            }
            continue;
        };
        lines.push(EvpnMacLine {
            mac: name,
            vtep: None,
            superseded: false,
            addresses: host.addresses.iter().copied().collect(),
            sequence: mobility.sequence,
            sticky: mobility.sticky,
            gateway: false,
            duplicate: duplicates.contains(&mac),
        });
    }
    lines.sort_unstable_by(|a, b| a.mac.cmp(&b.mac));
}

fn routes<'a>(
    evpn: &Evpn,
    vni: Vni,
    theirs: impl Iterator<Item = (&'a EvpnPath, Result<(), Unused>)>,
) -> Vec<EvpnRouteLine> {
    let ours = evpn.originated(vni).map(|(route, told)| own(route, told));
    let theirs =
        theirs.map(|(path, verdict)| learned(path, verdict.err().map(|why| why.to_string())));
    let mut all: Vec<_> = ours.chain(theirs).collect();
    all.sort_unstable_by(|a, b| a.route.cmp(&b.route));
    all
}

fn elsewhere(evpn: &Evpn) -> Vec<EvpnRouteLine> {
    const NOWHERE: &str = "none of its route targets is imported here";
    const UNUSABLE: &str = "its path has a loop, or the neighbor's import filters keep it out";
    let nowhere = evpn.routes_of_nobody();
    let nowhere = nowhere.map(|path| learned(path, Some(NOWHERE.to_owned())));
    let unusable = evpn.unusable().map(|route| EvpnRouteLine {
        route: route.to_string(),
        peer: None,
        next_hop: None,
        path: String::new(),
        extended_communities: Vec::new(),
        unused: Some(UNUSABLE.to_owned()),
    });
    let mut all: Vec<_> = nowhere.chain(unusable).collect();
    all.sort_unstable_by(|a, b| a.route.cmp(&b.route));
    all
}

fn own(route: &EvpnRoute, told: &RouteAttributes) -> EvpnRouteLine {
    EvpnRouteLine {
        route: route.to_string(),
        peer: None,
        next_hop: told.next_hop,
        path: String::new(),
        extended_communities: words(&told.extended_communities),
        unused: None,
    }
}

fn learned(path: &EvpnPath, unused: Option<String>) -> EvpnRouteLine {
    let attributes = &path.learned.attributes;
    let vtep: IpAddr = path.vtep();
    EvpnRouteLine {
        route: path.route.to_string(),
        peer: Some(path.learned.source.peer.to_string()),
        next_hop: Some(vtep),
        path: attributes.as_path.to_string(),
        extended_communities: words(&attributes.extended_communities),
        unused,
    }
}

fn words(communities: &[ExtendedCommunity]) -> Vec<String> {
    let word = |community: &ExtendedCommunity| match EvpnCommunity::read(*community) {
        Some(of_evpn) => of_evpn.to_string(),
        None => community.to_string(),
    };
    communities.iter().map(word).collect()
}
