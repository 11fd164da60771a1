//! What peers teach of a tenant's table: prefixes, hosts and who floods, behind other VTEPs.
//!
//! A prefix is a route by way of the VTEPs' addresses on `br-<vni>`, where they are neighbours with their Router's MAC, which is
//! a destination of `vxlan-<vni>` (RFC 9136 §4.4.1). Neighbours of IPv6 prefixes are IPv4 VTEPs mapped into IPv6, as FRR
//! has it. What several prefixes share is held once for each next hop.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::{EvpnEvent, RemoteHost, Vni, Way};
use bgp::wire::evpn::Mac;
use ipnet::IpNet;

use super::entrance::neighbour;
use super::names;
use crate::exposure::Layer;
use crate::mac::MacAddr;
use crate::reconcile::object::Route;
use crate::reconcile::{Key, Taught, Value};

/// All that peers teach of one table.
#[derive(Clone, Debug, Default)]
pub(super) struct Teaching {
    prefixes: BTreeMap<IpNet, Lesson>,
    /// By next hop, who has said when what its Router's MAC is.
    next_hops: BTreeMap<IpAddr, BTreeMap<u64, MacAddr>>,
    hosts: BTreeMap<MacAddr, RemoteHost>,
    flood: BTreeSet<IpAddr>,
    /// How many lessons there have been.
    count: u64,
    /// What an earlier process was taught, and this one was not.
    inherited: BTreeSet<Taught>,
}

#[derive(Clone, Debug)]
struct Lesson {
    ways: Vec<Way>,
    /// Lessons before it.
    at: u64,
}

impl Teaching {
    /// Takes in a lesson. Answers of what it says something else than before.
    pub(super) fn learn(&mut self, event: EvpnEvent) -> BTreeSet<Taught> {
        if let Some(subject) = subject(&event) {
            self.inherited.remove(&subject);
        }
        self.replace(event)
    }

    /// Takes in what an earlier process was taught. Answers of what it says something else than before: nothing that
    /// peers have taught this process.
    pub(super) fn inherit(&mut self, event: EvpnEvent) -> BTreeSet<Taught> {
        match subject(&event) {
            Some(subject) if !self.knows(subject) => {
                self.inherited.insert(subject);
                self.replace(event)
            }
            _ => BTreeSet::new(),
        }
    }

    /// What was inherited and not confirmed is void. Answers of what it is.
    pub(super) fn forget_inherited(&mut self, vni: Vni) -> BTreeSet<Taught> {
        let inherited = std::mem::take(&mut self.inherited).into_iter();
        inherited
            .filter_map(|subject| nothing(vni, subject))
            .flat_map(|event| self.replace(event))
            .collect()
    }

    fn knows(&self, subject: Taught) -> bool {
        match subject {
            Taught::Prefix(prefix) => self.prefixes.contains_key(&prefix),
            Taught::NextHop(hop) => self.next_hops.contains_key(&hop),
            Taught::Host(mac) => self.hosts.contains_key(&mac),
            Taught::Flood => !self.flood.is_empty(),
        }
    }

    fn replace(&mut self, event: EvpnEvent) -> BTreeSet<Taught> {
        match event {
            EvpnEvent::Prefix { prefix, ways, .. } => self.learn_prefix(prefix.trunc(), ways),
            EvpnEvent::Host { mac, host, .. } => {
                let mac = MacAddr(mac.0);
                let before = match host.clone() {
                    Some(host) => self.hosts.insert(mac, host),
                    None => self.hosts.remove(&mac),
                };
                changed(before != host, Taught::Host(mac))
            }
            EvpnEvent::Flood { vteps, .. } => {
                let before = std::mem::replace(&mut self.flood, vteps);
                changed(before != self.flood, Taught::Flood)
            }
            // The speaker says so to the operator; where the host is has been told.
            EvpnEvent::DuplicateMac { .. } => BTreeSet::new(),
        }
    }

    fn learn_prefix(&mut self, prefix: IpNet, ways: Vec<Way>) -> BTreeSet<Taught> {
        let at = self.count;
        self.count += 1;
        let before = self.prefixes.remove(&prefix);
        let old = before.iter().flat_map(|lesson| &lesson.ways);
        let hops: BTreeSet<IpAddr> = old.chain(&ways).map(|w| next_hop(prefix, w.vtep)).collect();
        let known = |teaching: &Self| -> Vec<_> {
            let macs = hops.iter().map(|hop| teaching.router_mac(*hop));
            macs.collect()
        };
        let macs = known(self);
        if let Some(lesson) = &before {
            for hop in &hops {
                if let Some(said) = self.next_hops.get_mut(hop) {
                    said.remove(&lesson.at);
                    if said.is_empty() {
                        self.next_hops.remove(hop);
                    }
                }
            }
        }
        for way in &ways {
            let said = self.next_hops.entry(next_hop(prefix, way.vtep));
            said.or_default().insert(at, MacAddr(way.router_mac.0));
        }
        let moved = hops.iter().zip(macs.iter().zip(known(self)));
        let moved = moved.filter(|(_, (before, after))| *before != after);
        let mut subjects: BTreeSet<_> = moved.map(|(hop, _)| Taught::NextHop(*hop)).collect();
        let vteps = |ways: &[Way]| -> BTreeSet<_> { ways.iter().map(|way| way.vtep).collect() };
        let before = before.map(|lesson| vteps(&lesson.ways)).unwrap_or_default();
        if before != vteps(&ways) {
            subjects.insert(Taught::Prefix(prefix));
        }
        if !ways.is_empty() {
            self.prefixes.insert(prefix, Lesson { ways, at });
        }
        subjects
    }

    /// What the VTEP behind a next hop said last that its Router's MAC is, of what is still in force: while it tells
    /// its prefixes anew after a restart, the old word stands beside the new.
    fn router_mac(&self, hop: IpAddr) -> Option<MacAddr> {
        let (_, mac) = self.next_hops.get(&hop)?.last_key_value()?;
        Some(*mac)
    }

    /// The prefixes that are behind other VTEPs.
    pub(super) fn prefixes(&self) -> BTreeSet<IpNet> {
        self.prefixes.keys().copied().collect()
    }

    /// Everything of which something is known.
    pub(super) fn subjects(&self) -> impl Iterator<Item = Taught> + '_ {
        let prefixes = self.prefixes.keys().copied().map(Taught::Prefix);
        let hops = self.next_hops.keys().copied().map(Taught::NextHop);
        let hosts = self.hosts.keys().copied().map(Taught::Host);
        let flood = (!self.flood.is_empty()).then_some(Taught::Flood);
        prefixes.chain(hops).chain(hosts).chain(flood)
    }

    /// True when nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.hosts.is_empty() && self.flood.is_empty()
    }

    /// Whether a host with this MAC address is known elsewhere.
    pub(super) fn has_host(&self, mac: MacAddr) -> bool {
        self.hosts.contains_key(&mac)
    }

    /// What is needed of what is known of a subject.
    pub(super) fn objects(&self, vni: Vni, layer: Layer, subject: Taught) -> Vec<(Key, Value)> {
        match (layer, subject) {
            (Layer::Routed, Taught::Prefix(prefix)) => {
                self.route(vni, prefix).into_iter().collect()
            }
            (Layer::Routed, Taught::NextHop(hop)) => self.next_hop(vni, hop),
            (Layer::Bridged, Taught::Host(mac)) => self.host(vni, mac),
            (Layer::Bridged, Taught::Flood) => self.flood(vni).collect(),
            (Layer::Routed, Taught::Host(_) | Taught::Flood)
            | (Layer::Bridged, Taught::Prefix(_) | Taught::NextHop(_)) => Vec::new(),
        }
    }

    fn route(&self, vni: Vni, prefix: IpNet) -> Option<(Key, Value)> {
        let ways = &self.prefixes.get(&prefix)?.ways;
        let hops: BTreeSet<_> = ways.iter().map(|w| next_hop(prefix, w.vtep)).collect();
        let route = Route {
            dev: names::bridge(vni),
            via: hops.into_iter().collect(),
        };
        let key = Key::Route { table: vni, prefix };
        Some((key, Value::Route(route)))
    }

    fn next_hop(&self, vni: Vni, hop: IpAddr) -> Vec<(Key, Value)> {
        let Some(mac) = self.router_mac(hop) else {
            return Vec::new();
        };
        vec![
            neighbour(&names::bridge(vni), hop, mac),
            behind(vni, mac, hop.to_canonical()),
        ]
    }

    fn host(&self, vni: Vni, mac: MacAddr) -> Vec<(Key, Value)> {
        let Some(host) = self.hosts.get(&mac) else {
            return Vec::new();
        };
        let bridge = names::bridge(vni);
        let addresses = host.addresses.iter();
        let neighbours = addresses.map(|address| neighbour(&bridge, *address, mac));
        std::iter::once(behind(vni, mac, host.vtep))
            .chain(neighbours)
            .collect()
    }

    fn flood(&self, vni: Vni) -> impl Iterator<Item = (Key, Value)> + '_ {
        let dev = names::vxlan(vni);
        self.flood.iter().map(move |vtep| {
            let dev = Arc::clone(&dev);
            (Key::Flood { dev, vtep: *vtep }, Value::Flood {})
        })
    }
}

/// What an event is about; `None` of one that leads nowhere.
fn subject(event: &EvpnEvent) -> Option<Taught> {
    match event {
        EvpnEvent::Prefix { prefix, .. } => Some(Taught::Prefix(prefix.trunc())),
        EvpnEvent::Host { mac, .. } => Some(Taught::Host(MacAddr(mac.0))),
        EvpnEvent::Flood { .. } => Some(Taught::Flood),
        EvpnEvent::DuplicateMac { .. } => None,
    }
}

/// That nothing is known of a subject; `None` of what follows from others.
fn nothing(vni: Vni, subject: Taught) -> Option<EvpnEvent> {
    match subject {
        Taught::Prefix(prefix) => Some(EvpnEvent::Prefix {
            vni,
            prefix,
            ways: Vec::new(),
        }),
        Taught::Host(mac) => Some(EvpnEvent::Host {
            vni,
            mac: Mac(mac.0),
            host: None,
        }),
        Taught::Flood => Some(EvpnEvent::Flood {
            vni,
            vteps: BTreeSet::new(),
        }),
        Taught::NextHop(_) => None,
    }
}

fn changed(differs: bool, subject: Taught) -> BTreeSet<Taught> {
    differs.then_some(subject).into_iter().collect()
}

/// Where a route of the prefix's family leads to.
fn next_hop(prefix: IpNet, vtep: IpAddr) -> IpAddr {
    match (prefix, vtep) {
        (IpNet::V6(_), IpAddr::V4(vtep)) => IpAddr::V6(vtep.to_ipv6_mapped()),
        (IpNet::V4(_), _) | (_, IpAddr::V6(_)) => vtep,
    }
}

/// Frames to `mac` go to a VTEP.
fn behind(vni: Vni, mac: MacAddr, vtep: IpAddr) -> (Key, Value) {
    let dev = names::vxlan(vni);
    (Key::Fdb { dev, mac }, Value::Fdb { vtep: Some(vtep) })
}

/// The table that an event is about.
pub(super) fn vni(event: &EvpnEvent) -> Vni {
    match event {
        EvpnEvent::Prefix { vni, .. }
        | EvpnEvent::Host { vni, .. }
        | EvpnEvent::Flood { vni, .. }
        | EvpnEvent::DuplicateMac { vni, .. } => *vni,
    }
}
