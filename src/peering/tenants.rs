//! Tenants' tables (EVPN) between the speaker's thread and others: what is to be originated in them on its way in, what
//! peers teach of them on its way out.
//!
//! A slot per subject in both directions, as for unicast: nobody waits, nothing is lost, and however far the reader is
//! behind, memory is bounded by the number of prefixes, hosts and tables.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bgp::evpn::{EvpnEvent, Instance, LocalHost, RemoteHost, Vni, Way};
use bgp::wire::Family;
use bgp::wire::evpn::Mac;
use bgp::{AddressHash, AddressMap, Event, Route, RouteAttributes, Speaker};
use indexmap::IndexMap;
use ipnet::IpNet;
use tokio::sync::Notify;

/// What is to become of tenants' tables, and of what this node originates in them.
#[derive(Debug, Default)]
pub struct TenantChanges {
    /// All there are from now on.
    instances: Option<BTreeMap<Vni, Instance>>,
    /// In the order in which they were first asked for.
    prefixes: IndexMap<(Vni, IpNet), Option<Arc<RouteAttributes>>, AddressHash>,
    hosts: IndexMap<(Vni, Mac), Option<LocalHost>, AddressHash>,
    silent: Option<bool>,
}

impl TenantChanges {
    /// These are the tables from now on, each under its VNI.
    pub fn set_instances(&mut self, instances: BTreeMap<Vni, Instance>) {
        self.instances = Some(instances);
    }

    /// Originate these prefixes in a routed table.
    pub fn originate(&mut self, vni: Vni, routes: impl IntoIterator<Item = Route>) {
        let slot = |route: Route| ((vni, route.prefix.trunc()), Some(route.attributes));
        self.prefixes.extend(routes.into_iter().map(slot));
    }

    /// Stop originating these.
    pub fn withdraw(&mut self, vni: Vni, prefixes: impl IntoIterator<Item = IpNet>) {
        let slot = |prefix: IpNet| ((vni, prefix.trunc()), None);
        self.prefixes.extend(prefixes.into_iter().map(slot));
    }

    /// These hosts of a bridged table are here.
    pub fn originate_hosts(&mut self, vni: Vni, hosts: impl IntoIterator<Item = (Mac, LocalHost)>) {
        let slot = |(mac, host)| ((vni, mac), Some(host));
        self.hosts.extend(hosts.into_iter().map(slot));
    }

    /// These have left.
    pub fn withdraw_hosts(&mut self, vni: Vni, macs: impl IntoIterator<Item = Mac>) {
        let slot = |mac| ((vni, mac), None);
        self.hosts.extend(macs.into_iter().map(slot));
    }

    /// Originate nothing of all that, or all of it again.
    pub fn set_silent(&mut self, silent: bool) {
        self.silent = Some(silent);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.instances.is_none()
            && self.prefixes.is_empty()
            && self.hosts.is_empty()
            && self.silent.is_none()
    }

    /// What comes later wins, subject by subject.
    pub(super) fn add(&mut self, later: Self) {
        self.instances = later.instances.or_else(|| self.instances.take());
        self.silent = later.silent.or(self.silent);
        if self.prefixes.is_empty() {
            self.prefixes = later.prefixes;
        } else {
            self.prefixes.extend(later.prefixes);
        }
        if self.hosts.is_empty() {
            self.hosts = later.hosts;
        } else {
            self.hosts.extend(later.hosts);
        }
    }

    /// Has the speaker do it. The order does not matter to it: see [`bgp::evpn`].
    pub(super) fn apply(self, speaker: &mut Speaker, now: Instant) {
        if let Some(silent) = self.silent {
            speaker.set_evpn_silent(silent, now);
        }
        if let Some(instances) = self.instances {
            speaker.set_evpn_instances(instances, now);
        }
        for ((vni, prefix), wanted) in self.prefixes {
            match wanted {
                Some(attributes) => {
                    speaker.originate_evpn(vni, [Route { prefix, attributes }], now)
                }
                None => speaker.withdraw_evpn(vni, [prefix], now),
            }
        }
        for ((vni, mac), host) in self.hosts {
            match host {
                Some(host) => speaker.originate_evpn_hosts(vni, [(mac, host)], now),
                None => speaker.withdraw_evpn_hosts(vni, [mac], now),
            }
        }
    }
}

/// What peers teach of tenants' tables. Clones are handles to the same; the speaker fills it, one reader takes from it.
#[derive(Debug, Clone, Default)]
pub struct LearnedTenants(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    news: Mutex<TenantNews>,
    filled: Notify,
}

/// What has changed since it was last asked for: of each subject as it is now, whatever it was in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantNews {
    /// The ways to a prefix of a routed table, each VTEP once, sorted; none are left where it is empty.
    pub prefixes: AddressMap<(Vni, IpNet), Vec<Way>>,
    /// Where a MAC address of a bridged table is; `None`: nowhere else, or on this node.
    pub hosts: AddressMap<(Vni, Mac), Option<RemoteHost>>,
    /// Who is to get a copy of what is flooded in a bridged table: all of them.
    pub floods: BTreeMap<Vni, BTreeSet<IpAddr>>,
    /// MAC addresses that began to move too often (RFC 7432 §15.1).
    pub duplicates: BTreeSet<(Vni, Mac)>,
    /// After a start: every peer that is up has told all it has, and what was not told is no more. Once.
    pub converged: bool,
}

impl TenantNews {
    /// The same, subject by subject.
    pub fn events(&self) -> impl Iterator<Item = EvpnEvent> + '_ {
        let prefixes = self
            .prefixes
            .iter()
            .map(|((vni, prefix), ways)| EvpnEvent::Prefix {
                vni: *vni,
                prefix: *prefix,
                ways: ways.clone(),
            });
        let hosts = self.hosts.iter().map(|((vni, mac), host)| EvpnEvent::Host {
            vni: *vni,
            mac: *mac,
            host: host.clone(),
        });
        let floods = self.floods.iter().map(|(vni, vteps)| EvpnEvent::Flood {
            vni: *vni,
            vteps: vteps.clone(),
        });
        let duplicates = self.duplicates.iter();
        let duplicates = duplicates.map(|(vni, mac)| EvpnEvent::DuplicateMac {
            vni: *vni,
            mac: *mac,
        });
        prefixes.chain(hosts).chain(floods).chain(duplicates)
    }

    /// Nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
            && self.hosts.is_empty()
            && self.floods.is_empty()
            && self.duplicates.is_empty()
            && !self.converged
    }

    /// Takes in what the speaker tells of one subject.
    fn note(&mut self, event: &EvpnEvent) {
        match event {
            EvpnEvent::Prefix { vni, prefix, ways } => {
                self.prefixes.insert((*vni, *prefix), ways.clone());
            }
            EvpnEvent::Host { vni, mac, host } => {
                self.hosts.insert((*vni, *mac), host.clone());
            }
            EvpnEvent::Flood { vni, vteps } => {
                self.floods.insert(*vni, vteps.clone());
            }
            EvpnEvent::DuplicateMac { vni, mac } => {
                self.duplicates.insert((*vni, *mac));
            }
        }
    }

    fn add(&mut self, later: Self) {
        self.prefixes.extend(later.prefixes);
        self.hosts.extend(later.hosts);
        self.floods.extend(later.floods);
        self.duplicates.extend(later.duplicates);
        self.converged |= later.converged;
    }

    /// Everything that a speaker knows of the tables it has.
    pub(super) fn whole(speaker: &Speaker) -> Self {
        let mut whole = Self::default();
        for (vni, _) in speaker.evpn().instances() {
            for event in speaker.evpn().told(vni) {
                whole.note(event);
            }
        }
        whole
    }
}

impl LearnedTenants {
    /// Everything since the last call.
    pub fn take(&self) -> TenantNews {
        std::mem::take(&mut *self.lock())
    }

    /// Completes when there is something to take. May be dropped while it waits.
    pub async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// Puts what has changed; of a subject that was not taken yet, what is put last counts.
    pub fn put(&self, news: TenantNews) {
        let mut slots = self.lock();
        if slots.is_empty() {
            *slots = news;
        } else {
            slots.add(news);
        }
        drop(slots);
        self.0.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, TenantNews> {
        // A map of plain values is sound whatever its holder was doing.
        self.0.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The speaker's end: what an input brings is put at once.
#[derive(Debug)]
pub(super) struct TenantTeacher {
    learned: LearnedTenants,
    /// Yet to be put.
    news: TenantNews,
}

impl TenantTeacher {
    pub(super) fn new(learned: LearnedTenants) -> Self {
        Self {
            learned,
            news: TenantNews::default(),
        }
    }

    /// Takes in what the speaker tells, where it is about tenants' tables.
    pub(super) fn follow(&mut self, event: &Event) {
        match event {
            Event::Evpn(event) => self.news.note(event),
            Event::Converged {
                family: Family::L2VPN_EVPN,
            } => self.news.converged = true,
            _ => {}
        }
    }

    /// Puts what was taken in.
    pub(super) fn put(&mut self) {
        if !self.news.is_empty() {
            self.learned.put(std::mem::take(&mut self.news));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn ways(last: u8) -> Event {
        let way = Way {
            vtep: [192, 0, 2, last].into(),
            router_mac: Mac([2, 0, 0, 0, 0, last]),
        };
        Event::Evpn(EvpnEvent::Prefix {
            vni: 77,
            prefix: net("10.0.0.0/24"),
            ways: vec![way],
        })
    }

    #[test]
    fn changes_of_one_subject_collapse() {
        let learned = LearnedTenants::default();
        let mut teacher = TenantTeacher::new(learned.clone());
        let mac = Mac([2, 0, 0, 0, 0, 9]);
        for round in 0..1000_u32 {
            teacher.follow(&ways(u8::try_from(round % 7).unwrap()));
            let host = None;
            teacher.follow(&Event::Evpn(EvpnEvent::Host {
                vni: 1001,
                mac,
                host,
            }));
            let family = Family::L2VPN_EVPN;
            teacher.follow(&Event::Converged { family });
            teacher.put();
        }
        teacher.follow(&ways(1));
        teacher.put();
        let news = learned.take();
        let Event::Evpn(EvpnEvent::Prefix { ways, .. }) = ways(1) else {
            unreachable!()
        };
        let prefixes: Vec<_> = news.prefixes.into_iter().collect();
        assert_eq!(prefixes, [((77, net("10.0.0.0/24")), ways)]);
        assert_eq!(
            news.hosts.into_iter().collect::<Vec<_>>(),
            [((1001, mac), None)]
        );
        assert!(news.converged);
        assert!(learned.take().is_empty());
    }

    #[test]
    fn unicast_that_converged_is_no_news_of_tenants() {
        let learned = LearnedTenants::default();
        let mut teacher = TenantTeacher::new(learned.clone());
        let family = Family::IPV4_UNICAST;
        teacher.follow(&Event::Converged { family });
        teacher.put();
        assert!(learned.take().is_empty());
    }

    #[test]
    fn what_is_asked_for_later_replaces_what_was() {
        let prefix = net("10.0.0.0/24");
        let mut changes = TenantChanges::default();
        changes.originate(77, [Route::new(prefix)]);
        changes.set_silent(true);
        let mut later = TenantChanges::default();
        later.withdraw(77, [net("10.0.0.9/24")]);
        later.originate(78, [Route::new(prefix)]);
        later.set_instances(BTreeMap::new());
        changes.add(later);
        let wanted: Vec<_> = changes
            .prefixes
            .iter()
            .map(|(at, to)| (*at, to.is_some()))
            .collect();
        assert_eq!(wanted, [((77, prefix), false), ((78, prefix), true)]);
        assert_eq!(
            (changes.silent, changes.instances),
            (Some(true), Some(BTreeMap::new()))
        );
    }
}
