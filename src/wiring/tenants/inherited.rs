//! What peers have taught a process before this one, as far as it is in the kernel.
//!
//! It stays until peers have taught this process: a restart must not interrupt traffic. An FRR before our own speaker
//! counts as such a process. Its routes are not ours and stay as they are; what they say is wished in our own words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::{EvpnEvent, RemoteHost, Vni, Way};
use bgp::wire::evpn::{Mac, Mobility};
use ipnet::IpNet;

use super::names;
use crate::mac::MacAddr;
use crate::reconcile::object::Route;
use crate::reconcile::{Found, Key, Value};

/// What was taught, of what there is and is ours or FRR's: prefixes behind VTEPs, hosts there, who gets what is flooded.
pub fn taught_before<'a>(
    objects: impl IntoIterator<Item = (&'a Key, &'a Found)>,
) -> Vec<EvpnEvent> {
    let mut seen = Seen::default();
    for (key, found) in objects {
        // What is observed of FRR's routes are those by way of VTEPs, with its own metric.
        if found.owned != matches!(key, Key::StrayRoute { .. }) {
            seen.take(key, &found.value);
        }
    }
    seen.lessons()
}

/// Objects by VNI that may have been taught.
#[derive(Default)]
struct Seen<'a> {
    routes: Vec<(Vni, IpNet, &'a Route)>,
    neighbours: BTreeMap<(Vni, IpAddr), MacAddr>,
    /// The same, the other way round.
    addresses: BTreeMap<(Vni, MacAddr), BTreeSet<IpAddr>>,
    entries: Vec<(Vni, MacAddr, IpAddr)>,
    floods: BTreeMap<Vni, BTreeSet<IpAddr>>,
}

impl<'a> Seen<'a> {
    fn take(&mut self, key: &'a Key, value: &'a Value) {
        match (key, value) {
            (
                Key::Route { table, prefix } | Key::StrayRoute { table, prefix, .. },
                Value::Route(route),
            ) if !route.via.is_empty() && route.dev == names::bridge(*table) => {
                self.routes.push((*table, *prefix, route));
            }
            (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
                if let Some(vni) = number(dev, "br-") {
                    self.neighbours.insert((vni, *address), *mac);
                    let addresses = self.addresses.entry((vni, *mac));
                    addresses.or_default().insert(*address);
                }
            }
            (Key::Fdb { dev, mac }, Value::Fdb { vtep: Some(vtep) }) => {
                if let Some(vni) = number(dev, "vxlan-") {
                    self.entries.push((vni, *mac, *vtep));
                }
            }
            (Key::Flood { dev, vtep }, _) => {
                if let Some(vni) = number(dev, "vxlan-") {
                    self.floods.entry(vni).or_default().insert(*vtep);
                }
            }
            _ => {}
        }
    }

    fn lessons(self) -> Vec<EvpnEvent> {
        let mut lessons = Vec::new();
        let mut routers = BTreeSet::new();
        for &(vni, prefix, route) in &self.routes {
            let way = |hop: &IpAddr| {
                let vtep = hop.to_canonical();
                let mac = self.neighbours.get(&(vni, *hop)).copied();
                let router_mac = Mac(mac.or_else(|| self.router_at(vni, vtep))?.0);
                Some(Way { vtep, router_mac })
            };
            let ways: Vec<Way> = route.via.iter().filter_map(way).collect();
            routers.extend(ways.iter().map(|way| (vni, MacAddr(way.router_mac.0))));
            if !ways.is_empty() {
                lessons.push(EvpnEvent::Prefix { vni, prefix, ways });
            }
        }
        let hosts = self.entries.iter();
        let hosts = hosts.filter(|(vni, mac, _)| !routers.contains(&(*vni, *mac)));
        lessons.extend(hosts.map(|&(vni, mac, vtep)| self.host(vni, mac, vtep)));
        let floods = self.floods.into_iter();
        lessons.extend(floods.map(|(vni, vteps)| EvpnEvent::Flood { vni, vteps }));
        lessons
    }

    /// The MAC address that is forwarded to a VTEP. Zebra's neighbours are not among what is observed; where prefixes are
    /// routed, a VTEP has one MAC address.
    fn router_at(&self, vni: Vni, vtep: IpAddr) -> Option<MacAddr> {
        let mut entries = self.entries.iter();
        let entry = entries.find(|(of, _, at)| (*of, *at) == (vni, vtep))?;
        Some(entry.1)
    }

    fn host(&self, vni: Vni, mac: MacAddr, vtep: IpAddr) -> EvpnEvent {
        let addresses = self.addresses.get(&(vni, mac));
        let host = RemoteHost {
            vtep,
            mobility: Mobility::default(),
            gateway: false,
            addresses: addresses.cloned().unwrap_or_default(),
        };
        EvpnEvent::Host {
            vni,
            mac: Mac(mac.0),
            host: Some(host),
        }
    }
}

fn number(dev: &Arc<str>, prefix: &str) -> Option<Vni> {
    dev.strip_prefix(prefix)?.parse().ok()
}
