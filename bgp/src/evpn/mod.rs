//! Ethernet VPN over VXLAN (RFC 7432, RFC 8365): tenants' tables, told apart by their VNI.
//!
//! An [`Instance`] is a tenant's table on this node. What is put into it by [`Evpn::set_prefixes`] and
//! [`Evpn::set_hosts`] is originated under its route distinguisher and targets; what peers teach and its imports take
//! comes out as [`EvpnEvent`]s: prefixes with their ways, hosts, who floods. Nothing here knows of devices, nor of what
//! the tenants are.
//!
//! ```text
//!   peers ──► learned: best path to each route ──► table of each instance ──► EvpnEvent
//!                                                       │ who has a MAC address (RFC 7432 §7.7)
//!   set_prefixes, set_hosts ──────────────► local ◄─────┘ ──► routes to originate
//! ```

mod instance;
mod learned;
mod local;
mod mobility;
mod path;
mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

pub use instance::{Import, Instance, Kind, Vni};
pub(crate) use learned::Learned;
pub use local::Prefixes;
use mobility::{Duplicate, Local};
pub use path::EvpnPath;
use table::{Subject, Table, judge};

use crate::rib::RouteAttributes;
use crate::speaker::Multipath;
use crate::wire::evpn::{EvpnRoute, Mac, Mobility};

/// One way to a prefix of a routed instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// Where the tunnel ends.
    pub vtep: IpAddr,
    /// The inner destination.
    pub router_mac: Mac,
}

/// A host of a bridged instance, at another VTEP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteHost {
    /// Where the tunnel ends.
    pub vtep: IpAddr,
    /// How often it has moved, and whether it does.
    pub mobility: Mobility,
    /// It is a default gateway of the network.
    pub gateway: bool,
    /// The IP addresses that its VTEP says it has.
    pub addresses: BTreeSet<IpAddr>,
}

/// A host of this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalHost {
    /// Its IP addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// It does not move: who else claims its MAC address is wrong (RFC 7432 §15.2).
    pub sticky: bool,
}

/// What an instance takes from others changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvpnEvent {
    /// The ways to a prefix; none are left when it is empty.
    Prefix {
        /// The instance.
        vni: Vni,
        /// Where to.
        prefix: IpNet,
        /// They share the traffic.
        ways: Vec<Way>,
    },
    /// Where a MAC address is; `None` when nobody else has it, or this node does.
    Host {
        /// The instance.
        vni: Vni,
        /// Of whom.
        mac: Mac,
        /// Where, and with what addresses.
        host: Option<RemoteHost>,
    },
    /// Who is to get a copy of what is flooded; empty when nobody is.
    Flood {
        /// The instance.
        vni: Vni,
        /// Their tunnel ends.
        vteps: BTreeSet<IpAddr>,
    },
    /// A MAC address moves too often (RFC 7432 §15.1): it is on two nodes, or there is a loop. Its sequence number stands
    /// still until three minutes have passed.
    DuplicateMac {
        /// The instance.
        vni: Vni,
        /// Which.
        mac: Mac,
    },
}

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

/// A route of ours changed: what it is to be told with, or that it is to be withdrawn.
pub(crate) type Offer = (EvpnRoute, Option<Arc<RouteAttributes>>);

/// EVPN of one speaker.
#[derive(Debug, Default)]
pub struct Evpn {
    instances: BTreeMap<Vni, Tenant>,
    learned: Learned,
    multipath: Multipath,
    /// Routes of ours that changed since they were last asked for.
    offers: Vec<Offer>,
    events: VecDeque<EvpnEvent>,
}

#[derive(Debug)]
struct Tenant {
    instance: Instance,
    table: Table,
    /// What was told last of each subject that something is known of.
    told: BTreeMap<Subject, EvpnEvent>,
    prefixes: Prefixes,
    hosts: BTreeMap<Mac, (LocalHost, Local)>,
    originated: BTreeMap<EvpnRoute, Arc<RouteAttributes>>,
    /// Hosts that were here: how often they came counts.
    left: BTreeMap<Mac, Local>,
}

impl Tenant {
    fn new(instance: Instance) -> Self {
        Self {
            instance,
            table: Table::default(),
            told: BTreeMap::new(),
            prefixes: Prefixes::new(),
            hosts: BTreeMap::new(),
            originated: BTreeMap::new(),
            left: BTreeMap::new(),
        }
    }
}

impl Evpn {
    /// These are the instances, from now on. What is in those that stay is kept, whatever else of them changes, and
    /// told again as they are now.
    pub fn set_instances(&mut self, wanted: BTreeMap<Vni, Instance>) {
        let gone: Vec<_> = self.instances.keys().copied().collect();
        for vni in gone.into_iter().filter(|vni| !wanted.contains_key(vni)) {
            if let Some(mut tenant) = self.instances.remove(&vni) {
                tenant.table = Table::default();
                tenant.report_all(vni, self.multipath, &mut self.events);
                let routes = tenant.originated.into_keys();
                self.offers.extend(routes.map(|route| (route, None)));
            }
        }
        for (vni, instance) in wanted {
            match self.instances.get_mut(&vni) {
                Some(tenant) if tenant.instance == instance => {}
                Some(tenant) => {
                    tenant.instance = instance;
                    self.fill(vni);
                }
                None => {
                    self.instances.insert(vni, Tenant::new(instance));
                    self.fill(vni);
                }
            }
        }
    }

    /// These are the prefixes of a routed instance that this node has; nothing for one that does not exist.
    pub fn set_prefixes(&mut self, vni: Vni, prefixes: Prefixes) {
        if let Some(tenant) = self.instances.get_mut(&vni) {
            tenant.prefixes = prefixes;
            tenant.originate(vni, &mut self.offers);
        }
    }

    /// These are the hosts of a bridged instance that this node has. Of one that was not among them before, `now` is
    /// when it came: if others claim it, ours is the newer word (RFC 7432 §7.7).
    pub fn set_hosts(&mut self, vni: Vni, hosts: BTreeMap<Mac, LocalHost>, now: Instant) {
        let Some(tenant) = self.instances.get_mut(&vni) else {
            return;
        };
        let mut before = std::mem::take(&mut tenant.hosts);
        for (mac, host) in hosts {
            let best = tenant.table.host(&mac).map(|host| host.claim());
            let stay = before
                .remove(&mac)
                .filter(|(was, _)| was.sticky == host.sticky);
            let local = match stay {
                Some((_, local)) => local,
                None => {
                    let earlier = tenant.left.remove(&mac);
                    let (local, duplicate) = Local::appeared(host.sticky, best, earlier, now);
                    if duplicate == Some(Duplicate) {
                        self.events.push_back(EvpnEvent::DuplicateMac { vni, mac });
                    }
                    local
                }
            };
            tenant.hosts.insert(mac, (host, local));
            tenant.report(vni, Subject::Host(mac), self.multipath, &mut self.events);
        }
        for (mac, (_, local)) in before {
            tenant.left.insert(mac, local);
            tenant.report(vni, Subject::Host(mac), self.multipath, &mut self.events);
        }
        tenant.left.retain(|_, local| local.counts_at(now));
        tenant.originate(vni, &mut self.offers);
    }

    /// Another number of ways. False when it is the same.
    pub fn set_multipath(&mut self, multipath: Multipath) -> bool {
        let changed = std::mem::replace(&mut self.multipath, multipath) != multipath;
        for (vni, tenant) in &mut self.instances {
            tenant.report_all(*vni, multipath, &mut self.events);
        }
        changed
    }

    /// The instances.
    pub fn instances(&self) -> impl Iterator<Item = (Vni, &Instance)> {
        let instances = self.instances.iter();
        instances.map(|(vni, tenant)| (*vni, &tenant.instance))
    }

    /// What was told last of an instance: prefixes, hosts, who floods.
    pub fn told(&self, vni: Vni) -> impl Iterator<Item = &EvpnEvent> {
        let tenant = self.instances.get(&vni);
        tenant.into_iter().flat_map(|tenant| tenant.told.values())
    }

    /// Every route that peers teach with the path in use, and for each instance why it is not in it.
    pub fn routes(&self) -> impl Iterator<Item = (&EvpnPath, Vec<Judgement>)> {
        self.learned.iter().map(|(_, path)| {
            let instances = self.instances.iter();
            let verdict =
                |(vni, tenant): (&Vni, &Tenant)| (*vni, judge(*vni, &tenant.instance, path));
            (path, instances.map(verdict).collect())
        })
    }

    /// What this node says.
    pub fn originated(&self) -> impl Iterator<Item = (&EvpnRoute, &Arc<RouteAttributes>)> {
        let tenants = self.instances.values();
        tenants.flat_map(|tenant| tenant.originated.iter())
    }

    pub(crate) fn learned_mut(&mut self) -> &mut Learned {
        &mut self.learned
    }

    pub(crate) fn learned(&self) -> &Learned {
        &self.learned
    }

    /// The paths to these routes changed: tables, events and what we say follow.
    pub(crate) fn decide(&mut self, keys: &[EvpnRoute]) {
        for key in keys {
            let best = self.learned.best(key);
            for (vni, tenant) in &mut self.instances {
                let Some(subject) = tenant.table.set((*vni, &tenant.instance), key, best) else {
                    continue;
                };
                tenant.report(*vni, subject, self.multipath, &mut self.events);
                if let Subject::Host(mac) = subject
                    && tenant.hosts.contains_key(&mac)
                {
                    tenant.originate(*vni, &mut self.offers);
                }
            }
        }
    }

    /// What peers are to be told since the last call, withdrawals of a destination before its new routes.
    pub(crate) fn take_offers(&mut self) -> Vec<Offer> {
        std::mem::take(&mut self.offers)
    }

    /// The next event.
    pub(crate) fn next_event(&mut self) -> Option<EvpnEvent> {
        self.events.pop_front()
    }

    /// Judge everything learned anew for one instance.
    fn fill(&mut self, vni: Vni) {
        let Some(tenant) = self.instances.get_mut(&vni) else {
            return;
        };
        tenant.table = Table::default();
        for (key, path) in self.learned.iter() {
            tenant.table.set((vni, &tenant.instance), key, Some(path));
        }
        tenant.report_all(vni, self.multipath, &mut self.events);
        tenant.originate(vni, &mut self.offers);
    }
}

impl RemoteHost {
    fn claim(&self) -> mobility::Claim {
        mobility::Claim {
            mobility: self.mobility,
            vtep: self.vtep,
        }
    }
}

impl Tenant {
    /// What is to be told, compared with what is told: the differences are offered.
    fn originate(&mut self, vni: Vni, offers: &mut Vec<Offer>) {
        let wanted = self.wanted(vni);
        let mut before = std::mem::take(&mut self.originated);
        before.retain(|route, _| {
            let stays = wanted.contains_key(route);
            if !stays {
                offers.push((*route, None));
            }
            stays
        });
        for (route, attributes) in wanted {
            let shared = match before.remove(&route) {
                Some(same) if *same == attributes => same,
                _ => {
                    let attributes = Arc::new(attributes);
                    offers.push((route, Some(Arc::clone(&attributes))));
                    attributes
                }
            };
            self.originated.insert(route, shared);
        }
    }

    fn wanted(&self, vni: Vni) -> BTreeMap<EvpnRoute, RouteAttributes> {
        let mut wanted = BTreeMap::new();
        let instance = &self.instance;
        match instance.kind {
            Kind::Routed { .. } => {
                let prefixes = self.prefixes.iter();
                let routes = prefixes.map(|(prefix, base)| instance.prefix(vni, *prefix, base));
                wanted.extend(routes.flatten());
            }
            Kind::Bridged => {
                wanted.extend(instance.flood(vni));
                for (mac, (host, local)) in &self.hosts {
                    let Some(mobility) = local.mobility() else {
                        continue;
                    };
                    // The MAC address alone as well: frames to it need no IP address (RFC 7432 §10.1).
                    let addresses = host.addresses.iter().copied().map(Some);
                    let all = addresses.chain([None]);
                    wanted.extend(all.filter_map(|ip| instance.host(vni, *mac, ip, mobility)));
                }
            }
        }
        wanted
    }

    /// Say what is known of a subject, if that is news.
    fn report(
        &mut self,
        vni: Vni,
        subject: Subject,
        multipath: Multipath,
        events: &mut VecDeque<EvpnEvent>,
    ) {
        let (event, is_known) = match subject {
            Subject::Prefix(prefix) => {
                let ways = self.table.ways(&prefix, multipath);
                let is_known = !ways.is_empty();
                (EvpnEvent::Prefix { vni, prefix, ways }, is_known)
            }
            Subject::Host(mac) => {
                let host = self.remote_host(mac);
                let is_known = host.is_some();
                (EvpnEvent::Host { vni, mac, host }, is_known)
            }
            Subject::Flood => {
                let vteps = self.table.flood();
                let is_known = !vteps.is_empty();
                (EvpnEvent::Flood { vni, vteps }, is_known)
            }
        };
        let before = if is_known {
            self.told.insert(subject, event.clone())
        } else {
            self.told.remove(&subject)
        };
        if before.as_ref() != Some(&event) && (is_known || before.is_some()) {
            events.push_back(event);
        }
    }

    /// Where a MAC address is, unless it is here by the rules of mobility.
    fn remote_host(&mut self, mac: Mac) -> Option<RemoteHost> {
        let remote = self.table.host(&mac);
        if let Some((_, local)) = self.hosts.get_mut(&mac) {
            local.hear(remote.as_ref().map(RemoteHost::claim), self.instance.vtep);
            if local.mobility().is_some() {
                return None;
            }
        }
        remote
    }

    fn report_all(&mut self, vni: Vni, multipath: Multipath, events: &mut VecDeque<EvpnEvent>) {
        let mut subjects = self.table.subjects();
        subjects.extend(self.told.keys().copied());
        for subject in subjects {
            self.report(vni, subject, multipath, events);
        }
    }
}

#[cfg(test)]
mod tests;
