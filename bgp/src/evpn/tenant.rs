//! One tenant's table on this node: what it takes from others, what it says, who has a MAC address.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::event::{EvpnEvent, RemoteHost};
use super::instance::{Instance, Kind, Vni};
use super::local::{Here, LocalHost};
use super::mobility::{Duplicate, Local, Past, Standing};
use super::table::{Subject, Table};
use crate::rib::RouteAttributes;
use crate::speaker::Multipath;
use crate::wire::evpn::{EvpnRoute, Mac, Mobility};

/// A route of ours changed: what it is to be told with, or that it is to be withdrawn.
pub(crate) type Offer = (EvpnRoute, Option<Arc<RouteAttributes>>);

/// A route of ours, with what it is told with.
type Own = (EvpnRoute, Arc<RouteAttributes>);

/// Hosts that left of which nobody is asked whether they still count, at least.
const LEFT_MIN: usize = 64;

#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) instance: Instance,
    pub(super) table: Table,
    /// What was told last of each subject that something is known of.
    pub(super) told: BTreeMap<Subject, EvpnEvent>,
    /// Routes of ours, by what they are about.
    pub(super) originated: BTreeMap<Subject, Vec<Own>>,
    /// Hosts that are here, whoever else claims them.
    present: BTreeMap<Mac, Local>,
    /// Hosts that were here or elsewhere until lately: their numbers and how often they moved count.
    left: BTreeMap<Mac, Past>,
    /// How many left when it was last asked which of them still count.
    left_at_prune: usize,
    /// How often a MAC address was seen to go from one VTEP to another, this one included.
    pub(super) moves: u64,
    made: Made,
}

/// Attributes made last: routes that follow mostly have the same, and share them.
#[derive(Debug, Default)]
struct Made {
    prefix: Option<(Arc<RouteAttributes>, Arc<RouteAttributes>)>,
    host: Option<((Mobility, bool), Arc<RouteAttributes>)>,
}

impl Tenant {
    pub(super) fn new(instance: Instance) -> Self {
        Self {
            instance,
            table: Table::default(),
            told: BTreeMap::new(),
            originated: BTreeMap::new(),
            present: BTreeMap::new(),
            left: BTreeMap::new(),
            left_at_prune: 0,
            moves: 0,
            made: Made::default(),
        }
    }

    /// Nothing of others is in it any more.
    pub(super) fn forget(&mut self) {
        self.table = Table::default();
        self.present.clear();
    }

    /// It is made of something else now.
    pub(super) fn change(&mut self, instance: Instance) {
        self.instance = instance;
        self.made = Made::default();
    }

    /// What is to be told of a subject, compared with what is told: the differences are offered, withdrawals first.
    pub(super) fn originate(
        &mut self,
        vni: Vni,
        subject: Subject,
        here: Option<&Here>,
        offers: &mut Vec<Offer>,
    ) {
        let wanted = here.map_or_else(Vec::new, |here| self.wanted(vni, subject, here));
        let before = self.originated.remove(&subject).unwrap_or_default();
        let stays = |route: &EvpnRoute| wanted.iter().any(|(wanted, _)| wanted == route);
        let gone = before.iter().filter(|(route, _)| !stays(route));
        offers.extend(gone.map(|(route, _)| (*route, None)));
        let news = wanted.iter().filter(|own| !before.contains(own));
        offers.extend(news.map(|(route, told)| (*route, Some(Arc::clone(told)))));
        if !wanted.is_empty() {
            self.originated.insert(subject, wanted);
        }
    }

    /// Everything of ours, compared anew.
    pub(super) fn originate_all(&mut self, vni: Vni, here: Option<&Here>, offers: &mut Vec<Offer>) {
        let mut subjects: BTreeSet<_> = self.originated.keys().copied().collect();
        if let Some(here) = here {
            subjects.extend(here.subjects());
        }
        for subject in subjects {
            self.originate(vni, subject, here, offers);
        }
    }

    fn wanted(&mut self, vni: Vni, subject: Subject, here: &Here) -> Vec<Own> {
        match (self.instance.kind, subject) {
            (Kind::Routed { .. }, Subject::Prefix(prefix)) => {
                let base = here.prefixes.get(&prefix);
                let own = base.and_then(|base| self.prefix(vni, prefix, base));
                own.into_iter().collect()
            }
            (Kind::Bridged, Subject::Host(mac)) => {
                let host = here.hosts.get(&mac);
                host.map_or_else(Vec::new, |host| self.host(vni, mac, host))
            }
            (Kind::Bridged, Subject::Flood) => {
                let own = self.instance.flood(vni);
                own.map(|(route, told)| (route, Arc::new(told)))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn prefix(&mut self, vni: Vni, prefix: IpNet, base: &Arc<RouteAttributes>) -> Option<Own> {
        let route = self.instance.prefix(vni, prefix)?;
        if let Some((of, told)) = &self.made.prefix
            && Arc::ptr_eq(of, base)
        {
            return Some((route, Arc::clone(told)));
        }
        let told = Arc::new(self.instance.prefix_attributes(base)?);
        self.made.prefix = Some((Arc::clone(base), Arc::clone(&told)));
        Some((route, told))
    }

    fn host(&mut self, vni: Vni, mac: Mac, host: &LocalHost) -> Vec<Own> {
        let Some(mobility) = self.present.get(&mac).and_then(Local::mobility) else {
            return Vec::new();
        };
        let told = match &self.made.host {
            Some((of, told)) if *of == (mobility, host.gateway) => Arc::clone(told),
            _ => Arc::new(self.instance.host_attributes(mobility, host.gateway)),
        };
        self.made.host = Some(((mobility, host.gateway), Arc::clone(&told)));
        // The MAC address alone as well: frames to it need no IP address (RFC 7432 §10.1).
        let addresses = host.addresses.iter().copied().map(Some);
        let routes = [None].into_iter().chain(addresses);
        let routes = routes.filter_map(|ip| self.instance.host(vni, mac, ip));
        routes.map(|route| (route, Arc::clone(&told))).collect()
    }

    /// A host came here at `now`: if others claim it, ours is the newer word (RFC 7432 §7.7).
    pub(super) fn arrive(&mut self, mac: Mac, own: Standing, now: Instant) -> Option<Duplicate> {
        let best = self.table.host(&mac).and_then(|host| own.rival(&host));
        let present = self.present.remove(&mac);
        let left = self.left.remove(&mac);
        let earlier = present.map_or(left, |local| Past::here(local, now));
        let (local, duplicate) = Local::appeared(own, best, earlier, now);
        self.present.insert(mac, local);
        duplicate
    }

    /// A host is here no more.
    pub(super) fn depart(&mut self, mac: Mac, now: Instant) {
        let local = self.present.remove(&mac);
        if let Some(past) = local.and_then(|local| Past::here(local, now)) {
            self.remember(mac, past, now);
        }
    }

    /// A path to a host was withdrawn at `now`, not told yet: if that was the last, who had it has it no more.
    pub(super) fn depart_elsewhere(&mut self, mac: Mac, now: Instant) {
        let told = self.told.get(&Subject::Host(mac));
        if let Some(EvpnEvent::Host {
            host: Some(host), ..
        }) = told
            // Gateways share a MAC address, each on its node.
            && !host.gateway
            && self.table.host(&mac).is_none()
        {
            let past = Past::elsewhere(host.mobility, self.left.remove(&mac), now);
            self.remember(mac, past, now);
        }
    }

    fn remember(&mut self, mac: Mac, past: Past, now: Instant) {
        self.left.insert(mac, past);
        if self.left.len() >= LEFT_MIN.max(2 * self.left_at_prune) {
            self.left.retain(|_, past| past.counts_at(now));
            self.left_at_prune = self.left.len();
        }
    }

    /// Whether such a host is here, by what this node says.
    pub(super) fn has(&self, mac: Mac) -> bool {
        self.present.contains_key(&mac)
    }

    /// MAC addresses that moved too often until `now`.
    pub(super) fn duplicates(&self, now: Instant) -> impl Iterator<Item = Mac> {
        let present = self.present.iter();
        let present = present.filter(move |(_, local)| local.is_duplicate_at(now));
        let left = self.left.iter();
        let left = left.filter(move |(_, past)| past.is_duplicate_at(now));
        present
            .map(|(mac, _)| *mac)
            .chain(left.map(|(mac, _)| *mac))
    }

    /// What is said of a host that is here: its sequence, or that somebody else has it.
    pub(super) fn mobility(&self, mac: Mac) -> Option<Mobility> {
        self.present.get(&mac).and_then(Local::mobility)
    }

    /// How many that left are remembered.
    #[cfg(test)]
    pub(super) fn left_len(&self) -> usize {
        self.left.len()
    }

    /// Say what is known of a subject, if that is news.
    pub(super) fn report(
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
        if let Subject::Host(mac) = subject {
            self.count_move(mac, before.as_ref(), &event);
        }
        if before.as_ref() != Some(&event) && (is_known || before.is_some()) {
            events.push_back(event);
        }
    }

    /// It was behind one VTEP and is behind another: one of these is this one where it is here.
    fn count_move(&mut self, mac: Mac, before: Option<&EvpnEvent>, now: &EvpnEvent) {
        let (from, to) = (before.and_then(vtep), vtep(now));
        let here = self.mobility(mac).is_some();
        let moved = match (from, to) {
            (Some(from), Some(to)) => from != to,
            (Some(_), None) => here,
            (None, Some(_)) => self.has(mac),
            (None, None) => false,
        };
        self.moves += u64::from(moved);
    }

    /// Where a MAC address is, unless it is here by the rules of mobility.
    fn remote_host(&mut self, mac: Mac) -> Option<RemoteHost> {
        let remote = self.table.host(&mac);
        if let Some(local) = self.present.get_mut(&mac) {
            let claim = remote
                .as_ref()
                .and_then(|host| local.standing().rival(host));
            local.hear(claim, self.instance.vtep);
            if local.mobility().is_some() {
                return None;
            }
        }
        remote
    }

    pub(super) fn report_all(
        &mut self,
        vni: Vni,
        multipath: Multipath,
        events: &mut VecDeque<EvpnEvent>,
    ) {
        let mut subjects = self.table.subjects();
        subjects.extend(self.told.keys().copied());
        for subject in subjects {
            self.report(vni, subject, multipath, events);
        }
    }
}

/// Behind which VTEP an event says that a host is.
fn vtep(event: &EvpnEvent) -> Option<IpAddr> {
    match event {
        EvpnEvent::Host { host, .. } => host.as_ref().map(|host| host.vtep),
        _ => None,
    }
}
