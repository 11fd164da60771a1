//! What one instance takes of what is learned: prefixes, hosts, who floods.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::event::{RemoteHost, Way};
use super::instance::{Instance, Kind, Vni};
use super::mobility::Claim;
use super::path::EvpnPath;
use crate::hash::AddressSet;
use crate::rib::Decision;
use crate::speaker::Multipath;
use crate::wire::attribute_code;
use crate::wire::evpn::{EvpnRoute, Label, Mac};

/// PMSI tunnel type "ingress replication" (RFC 6514 §5), the one a VTEP can do without multicast below it.
pub(super) const INGRESS_REPLICATION: u8 = 6;

/// Why a route is not taken into an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unused {
    /// Its targets are not imported.
    #[error("none of its route targets is imported here")]
    OtherTarget,
    /// This node's own, reflected.
    #[error("its next hop is this node's own VTEP")]
    Own,
    /// MPLS, say.
    #[error("its tunnel encapsulations do not include VXLAN")]
    OtherTunnel,
    /// The label is another VNI than that of the table.
    #[error("its label is VNI {0}: a table is reached under its own VNI only")]
    OtherVni(Vni),
    /// Type 2 with one label, for a routed instance.
    #[error("it has no label of a routed table (RFC 9135 §5.1)")]
    BridgedOnly,
    /// The inner destination is not known.
    #[error("it has no Router's MAC community (RFC 9135 §8.1)")]
    NoRouterMac,
    /// Multicast underneath is expected.
    #[error("its PMSI tunnel is not ingress replication")]
    OtherFlooding,
}

/// Whether an instance takes a route, and why not.
pub type Judgement = (Vni, Result<(), Unused>);

/// The routes that an instance takes, by what they are about.
#[derive(Debug, Default)]
pub(super) struct Table {
    prefixes: BTreeMap<IpNet, BTreeMap<EvpnRoute, EvpnPath>>,
    hosts: BTreeMap<Mac, BTreeMap<EvpnRoute, EvpnPath>>,
    flood: BTreeMap<EvpnRoute, IpAddr>,
}

/// What a route is about, in one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Prefix(IpNet),
    Host(Mac),
    Flood,
}

/// What the route is about in such an instance; nothing of types that it does not hold.
fn subject(kind: Kind, route: &EvpnRoute) -> Option<Subject> {
    match (kind, route) {
        (Kind::Routed { .. }, EvpnRoute::IpPrefix(route)) => Some(Subject::Prefix(route.prefix)),
        (Kind::Routed { .. }, EvpnRoute::MacIp(route)) => {
            route.ip.map(|ip| Subject::Prefix(ip.into()))
        }
        (Kind::Bridged, EvpnRoute::MacIp(route)) => Some(Subject::Host(route.mac)),
        (Kind::Bridged, EvpnRoute::InclusiveMulticast(_)) => Some(Subject::Flood),
        _ => None,
    }
}

/// Whether an instance can use the path.
pub(super) fn judge(vni: Vni, instance: &Instance, path: &EvpnPath) -> Result<(), Unused> {
    if !instance.takes(path.targets()) {
        return Err(Unused::OtherTarget);
    }
    if path.vtep() == instance.vtep {
        return Err(Unused::Own);
    }
    if !path.says.offers_vxlan() {
        return Err(Unused::OtherTunnel);
    }
    let label = match (instance.kind, &path.route) {
        (Kind::Routed { .. }, EvpnRoute::IpPrefix(route)) => Some(route.label),
        (Kind::Routed { .. }, EvpnRoute::MacIp(route)) => match route.routing_label {
            Some(label) => Some(label),
            None => return Err(Unused::BridgedOnly),
        },
        (Kind::Bridged, EvpnRoute::MacIp(route)) => Some(route.label),
        _ => None,
    };
    // One device is one VNI: what its owner wants to be sent under another cannot be.
    if let Some(label) = label.map(Label::vni)
        && label != vni
    {
        return Err(Unused::OtherVni(label));
    }
    if instance.router_mac().is_some() && path.router_mac().is_none() {
        return Err(Unused::NoRouterMac);
    }
    if matches!(path.route, EvpnRoute::InclusiveMulticast(_)) && !floods_to_each(path) {
        return Err(Unused::OtherFlooding);
    }
    Ok(())
}

/// The PMSI tunnel (RFC 7432 §11.1) is ingress replication, or was left out.
fn floods_to_each(path: &EvpnPath) -> bool {
    let unknown = path.learned.attributes.unknown.iter();
    let mut tunnels = unknown.filter(|attribute| attribute.code == attribute_code::PMSI_TUNNEL);
    tunnels.all(|tunnel| tunnel.value.get(1) == Some(&INGRESS_REPLICATION))
}

impl Table {
    /// The best path of a route changed, or is gone. Gives what that may have changed.
    pub(super) fn set(
        &mut self,
        (vni, instance): (Vni, &Instance),
        key: &EvpnRoute,
        path: Option<&EvpnPath>,
    ) -> Option<Subject> {
        let subject = subject(instance.kind, key)?;
        let path = path.filter(|path| judge(vni, instance, path).is_ok());
        let changed = match subject {
            Subject::Prefix(prefix) => set(&mut self.prefixes, prefix, key, path),
            Subject::Host(mac) => set(&mut self.hosts, mac, key, path),
            Subject::Flood => match path {
                Some(path) => {
                    let vtep = path.vtep();
                    self.flood.insert(*key, vtep) != Some(vtep)
                }
                None => self.flood.remove(key).is_some(),
            },
        };
        changed.then_some(subject)
    }

    /// Everything that something is known of.
    pub(super) fn subjects(&self) -> BTreeSet<Subject> {
        let prefixes = self.prefixes.keys().copied().map(Subject::Prefix);
        let hosts = self.hosts.keys().copied().map(Subject::Host);
        let flood = (!self.flood.is_empty()).then_some(Subject::Flood);
        prefixes.chain(hosts).chain(flood).collect()
    }

    /// The ways to a prefix that share its traffic: each VTEP once.
    pub(super) fn ways(&self, prefix: &IpNet, multipath: Multipath) -> Vec<Way> {
        let Some(paths) = self.prefixes.get(prefix) else {
            return Vec::new();
        };
        let decision = Decision {
            multipath,
            unreachable: &AddressSet::default(),
        };
        // RFC 9135 §9.1 and §9.2 leave open which of type 5 and type 2 is better: who has the host itself.
        let hosts = |path: &&EvpnPath| matches!(path.route, EvpnRoute::MacIp(_));
        let any_host = paths.values().any(|path| hosts(&path));
        let candidates = paths.values().filter(|path| !any_host || hosts(path));
        let candidates: Vec<_> = candidates.collect();
        let mut running: Vec<_> = candidates.iter().map(|path| &*path.learned).collect();
        decision.choose(&mut running);
        let way = |learned| {
            let of = |path: &&&EvpnPath| std::ptr::eq(&raw const *path.learned, learned);
            let path = candidates.iter().find(of)?;
            let router_mac = path.router_mac()?;
            let vtep = path.vtep();
            Some(Way { vtep, router_mac })
        };
        let mut ways: Vec<_> = running.into_iter().filter_map(|l| way(l)).collect();
        ways.sort_unstable();
        ways.dedup_by_key(|way| way.vtep);
        ways
    }

    /// Who has a MAC address, by the rules of mobility, and the addresses he says it has.
    pub(super) fn host(&self, mac: &Mac) -> Option<RemoteHost> {
        let paths = self.hosts.get(mac)?;
        let best = paths.values().map(claim).max_by_key(Claim::rank)?;
        let of_best = paths.values().filter(|path| path.vtep() == best.vtep);
        let mut host = RemoteHost {
            vtep: best.vtep,
            mobility: best.mobility,
            gateway: false,
            addresses: BTreeSet::new(),
        };
        for path in of_best {
            host.gateway |= path.says.gateway;
            if let EvpnRoute::MacIp(route) = path.route {
                host.addresses.extend(route.ip);
            }
        }
        Some(host)
    }

    /// Who is to get what is flooded.
    pub(super) fn flood(&self) -> BTreeSet<IpAddr> {
        self.flood.values().copied().collect()
    }
}

pub(super) fn claim(path: &EvpnPath) -> Claim {
    Claim {
        mobility: path.mobility(),
        vtep: path.vtep(),
    }
}

fn set<S: Ord + Copy>(
    table: &mut BTreeMap<S, BTreeMap<EvpnRoute, EvpnPath>>,
    subject: S,
    key: &EvpnRoute,
    path: Option<&EvpnPath>,
) -> bool {
    if let Some(path) = path {
        let paths = table.entry(subject).or_default();
        if paths.get(key) == Some(path) {
            return false;
        }
        paths.insert(*key, path.clone());
        return true;
    }
    let Some(paths) = table.get_mut(&subject) else {
        return false;
    };
    let gone = paths.remove(key).is_some();
    if paths.is_empty() {
        table.remove(&subject);
    }
    gone
}
