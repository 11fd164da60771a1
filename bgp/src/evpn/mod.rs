//! Ethernet VPN over VXLAN (RFC 7432, RFC 8365): tenants' tables, told apart by their VNI.
//!
//! An [`Instance`] is a tenant's table on this node. Prefixes and hosts that are put into it are originated under its
//! route distinguisher and targets; what peers teach and its imports take comes out as [`EvpnEvent`]s: prefixes with
//! their ways, hosts, who floods. Nothing here knows of devices, nor of what the tenants are.
//!
//! ```text
//!   peers ──► learned: best path to each route ──► table of each instance ──► EvpnEvent
//!                                                       │ who has a MAC address (RFC 7432 §7.7)
//!   prefixes, hosts of this node ──► here ──────► tenant ◄──┘ ──► routes to originate
//! ```
//!
//! What this node has is kept for VNIs that have no instance (yet): instances, prefixes and hosts may be told in any
//! order, and an instance that goes and comes again finds its own.

mod event;
mod imports;
mod instance;
mod learned;
mod local;
mod mobility;
mod path;
mod table;
mod tenant;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

pub use event::{EvpnEvent, RemoteHost, Way};
use imports::Importers;
pub use instance::{Import, Instance, Kind, Vni};
pub(crate) use learned::Learned;
use local::Here;
pub use local::LocalHost;
use mobility::Standing;
pub use path::EvpnPath;
pub use table::{Judgement, Unused};
use table::{Subject, judge};
pub(crate) use tenant::Offer;
use tenant::Tenant;

use crate::rib::RouteAttributes;
use crate::speaker::Multipath;
use crate::wire::evpn::{EvpnRoute, Mac, Mobility};

/// EVPN of one speaker.
#[derive(Debug, Default)]
pub struct Evpn {
    instances: BTreeMap<Vni, Tenant>,
    /// What this node has.
    here: BTreeMap<Vni, Here>,
    /// Nothing of ours is told for the time being.
    silent: bool,
    learned: Learned,
    multipath: Multipath,
    /// Routes of ours that changed since they were last asked for.
    offers: Vec<Offer>,
    events: VecDeque<EvpnEvent>,
}

impl Evpn {
    /// These are the instances, from `now` on. What is in those that stay is kept, whatever else of them changes, and
    /// told again as they are now.
    pub(crate) fn set_instances(&mut self, wanted: BTreeMap<Vni, Instance>, now: Instant) {
        let gone: Vec<_> = self.instances.keys().copied().collect();
        for vni in gone.into_iter().filter(|vni| !wanted.contains_key(vni)) {
            if let Some(mut tenant) = self.instances.remove(&vni) {
                tenant.forget();
                tenant.report_all(vni, self.multipath, &mut self.events);
                tenant.originate_all(vni, None, &mut self.offers);
                self.tidy(vni);
            }
        }
        for (vni, instance) in wanted {
            match self.instances.get_mut(&vni) {
                Some(tenant) if tenant.instance == instance => {}
                Some(tenant) => {
                    tenant.change(instance);
                    self.fill(vni);
                }
                None => self.found(vni, instance, now),
            }
        }
    }

    /// This node has a prefix in a VNI, with these attributes.
    pub(crate) fn add_prefix(&mut self, vni: Vni, prefix: IpNet, told: Arc<RouteAttributes>) {
        let here = self.here.entry(vni).or_default();
        here.prefixes.insert(prefix, told);
        self.originate(vni, Subject::Prefix(prefix));
    }

    /// It has it no more.
    pub(crate) fn remove_prefix(&mut self, vni: Vni, prefix: IpNet) {
        if let Some(here) = self.here.get_mut(&vni)
            && here.prefixes.remove(&prefix).is_some()
        {
            self.originate(vni, Subject::Prefix(prefix));
            self.tidy(vni);
        }
    }

    /// This node has a host in a VNI. Of one that was not here before, `now` is when it came: if others claim it, ours
    /// is the newer word (RFC 7432 §7.7).
    pub(crate) fn add_host(&mut self, vni: Vni, mac: Mac, host: LocalHost, now: Instant) {
        let own = Standing::from(&host);
        let here = self.here.entry(vni).or_default();
        let before = here.hosts.insert(mac, host);
        if before.is_none_or(|before| Standing::from(&before) != own) {
            self.arrive(vni, mac, own, now);
        }
        self.report(vni, Subject::Host(mac));
        self.originate(vni, Subject::Host(mac));
    }

    /// It left.
    pub(crate) fn remove_host(&mut self, vni: Vni, mac: Mac, now: Instant) {
        let Some(here) = self.here.get_mut(&vni) else {
            return;
        };
        if here.hosts.remove(&mac).is_none() {
            return;
        }
        if let Some(tenant) = self.instances.get_mut(&vni) {
            tenant.depart(mac, now);
        }
        self.report(vni, Subject::Host(mac));
        self.originate(vni, Subject::Host(mac));
        self.tidy(vni);
    }

    /// Nothing of ours is told any more, or everything again. What others teach is taken all the same.
    pub(crate) fn set_silent(&mut self, silent: bool) {
        if std::mem::replace(&mut self.silent, silent) != silent {
            let vnis: Vec<_> = self.instances.keys().copied().collect();
            vnis.into_iter().for_each(|vni| self.originate_all(vni));
        }
    }

    /// Another number of ways.
    pub(crate) fn set_multipath(&mut self, multipath: Multipath) {
        if std::mem::replace(&mut self.multipath, multipath) != multipath {
            for (vni, tenant) in &mut self.instances {
                tenant.report_all(*vni, multipath, &mut self.events);
            }
        }
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

    /// Routes that peers teach and whose targets an instance imports, and whether it can use each.
    pub fn routes_of(&self, vni: Vni) -> impl Iterator<Item = (&EvpnPath, Result<(), Unused>)> {
        let tenant = self.instances.get(&vni).into_iter();
        tenant.flat_map(move |tenant| {
            let paths = self.learned.iter().map(|(_, path)| path);
            let judged = paths.map(move |path| (path, judge(vni, &tenant.instance, path)));
            judged.filter(|(_, verdict)| *verdict != Err(Unused::OtherTarget))
        })
    }

    /// The keys of what [`Self::routes_of`] has of every instance, in one pass over all routes.
    pub fn keys_by_instance(&self) -> BTreeMap<Vni, Vec<EvpnRoute>> {
        let importers = Importers::of(self.instances());
        let mut keys: BTreeMap<Vni, Vec<EvpnRoute>> = BTreeMap::new();
        for (key, path) in self.learned.iter() {
            for vni in importers.taking(path.targets()) {
                keys.entry(vni).or_default().push(*key);
            }
        }
        keys
    }

    /// Those of [`Self::routes_of`] that have these keys and are still there.
    pub fn routes_with<'a>(
        &'a self,
        vni: Vni,
        keys: &'a [EvpnRoute],
    ) -> impl Iterator<Item = (&'a EvpnPath, Result<(), Unused>)> {
        let tenant = self.instances.get(&vni).into_iter();
        tenant.flat_map(move |tenant| {
            let paths = keys.iter().filter_map(|key| self.learned.best(key));
            let judged = paths.map(move |path| (path, judge(vni, &tenant.instance, path)));
            judged.filter(|(_, verdict)| *verdict != Err(Unused::OtherTarget))
        })
    }

    /// Routes that peers teach and whose targets no instance imports.
    pub fn routes_of_nobody(&self) -> impl Iterator<Item = &EvpnPath> {
        let importers = Importers::of(self.instances());
        let paths = self.learned.iter().map(|(_, path)| path);
        paths.filter(move |path| importers.taking(path.targets()).is_empty())
    }

    /// Routes that peers teach without a path that can be used: it has a loop, or an import filter keeps it out.
    pub fn unusable(&self) -> impl Iterator<Item = &EvpnRoute> {
        self.learned.unusable()
    }

    /// What this node says in an instance.
    pub fn originated(
        &self,
        vni: Vni,
    ) -> impl Iterator<Item = (&EvpnRoute, &Arc<RouteAttributes>)> {
        let tenant = self.instances.get(&vni).into_iter();
        let routes = tenant.flat_map(|tenant| tenant.originated.values().flatten());
        routes.map(|(route, told)| (route, told))
    }

    /// The hosts that this node has in a VNI; and for each how often it has moved, or nothing where somebody else has
    /// it since, by the rules.
    pub fn hosts(&self, vni: Vni) -> impl Iterator<Item = (Mac, &LocalHost, Option<Mobility>)> {
        let here = self.here.get(&vni).into_iter();
        let hosts = here.flat_map(|here| &here.hosts);
        hosts.map(move |(mac, host)| {
            let tenant = self.instances.get(&vni);
            let mobility = tenant.and_then(|tenant| tenant.mobility(*mac));
            (*mac, host, mobility)
        })
    }

    /// How often MAC addresses were seen to move in an instance, since it is there.
    pub fn moves(&self, vni: Vni) -> u64 {
        self.instances.get(&vni).map_or(0, |tenant| tenant.moves)
    }

    /// MAC addresses of an instance that moved too often until `now` (RFC 7432 §15.1).
    pub fn duplicates(&self, vni: Vni, now: Instant) -> impl Iterator<Item = Mac> {
        let tenant = self.instances.get(&vni).into_iter();
        tenant.flat_map(move |tenant| tenant.duplicates(now))
    }

    pub(crate) fn learned_mut(&mut self) -> &mut Learned {
        &mut self.learned
    }

    pub(crate) fn learned(&self) -> &Learned {
        &self.learned
    }

    /// The paths to these routes changed at `now`: tables, events and what we say follow.
    pub(crate) fn decide(&mut self, keys: &[EvpnRoute], now: Instant) {
        for key in keys {
            let best = self.learned.best(key);
            for (vni, tenant) in &mut self.instances {
                let Some(subject) = tenant.table.set((*vni, &tenant.instance), key, best) else {
                    continue;
                };
                if let (Subject::Host(mac), None) = (subject, best) {
                    tenant.depart_elsewhere(mac, now);
                }
                tenant.report(*vni, subject, self.multipath, &mut self.events);
                if let Subject::Host(mac) = subject
                    && tenant.has(mac)
                {
                    let here = self.here.get(vni).filter(|_| !self.silent);
                    tenant.originate(*vni, subject, here, &mut self.offers);
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

    /// An instance is there that was not: what is known of its VNI belongs into it.
    fn found(&mut self, vni: Vni, instance: Instance, now: Instant) {
        // Its own flooding is to be told even where nothing else is here.
        self.here.entry(vni).or_default();
        self.instances.insert(vni, Tenant::new(instance));
        self.read(vni);
        let hosts = self.here.get(&vni).map(|here| &here.hosts);
        let arrivals: Vec<_> = hosts
            .into_iter()
            .flatten()
            .map(|(mac, host)| (*mac, Standing::from(host)))
            .collect();
        for (mac, own) in arrivals {
            self.arrive(vni, mac, own, now);
        }
        self.tell(vni);
    }

    /// Judge everything learned anew for one instance.
    fn fill(&mut self, vni: Vni) {
        self.read(vni);
        self.tell(vni);
    }

    fn read(&mut self, vni: Vni) {
        if let Some(tenant) = self.instances.get_mut(&vni) {
            tenant.table = table::Table::default();
            for (key, path) in self.learned.iter() {
                tenant.table.set((vni, &tenant.instance), key, Some(path));
            }
        }
    }

    fn tell(&mut self, vni: Vni) {
        if let Some(tenant) = self.instances.get_mut(&vni) {
            tenant.report_all(vni, self.multipath, &mut self.events);
        }
        self.originate_all(vni);
    }

    fn arrive(&mut self, vni: Vni, mac: Mac, own: Standing, now: Instant) {
        if let Some(tenant) = self.instances.get_mut(&vni)
            && tenant.arrive(mac, own, now).is_some()
        {
            self.events.push_back(EvpnEvent::DuplicateMac { vni, mac });
        }
    }

    fn report(&mut self, vni: Vni, subject: Subject) {
        if let Some(tenant) = self.instances.get_mut(&vni) {
            tenant.report(vni, subject, self.multipath, &mut self.events);
        }
    }

    fn originate(&mut self, vni: Vni, subject: Subject) {
        let here = self.here.get(&vni).filter(|_| !self.silent);
        if let Some(tenant) = self.instances.get_mut(&vni) {
            tenant.originate(vni, subject, here, &mut self.offers);
        }
    }

    fn originate_all(&mut self, vni: Vni) {
        let here = self.here.get(&vni).filter(|_| !self.silent);
        if let Some(tenant) = self.instances.get_mut(&vni) {
            tenant.originate_all(vni, here, &mut self.offers);
        }
    }

    /// Nothing is kept of a VNI without an instance in which this node has nothing.
    fn tidy(&mut self, vni: Vni) {
        let is_empty = self.here.get(&vni).is_some_and(Here::is_empty);
        if is_empty && !self.instances.contains_key(&vni) {
            self.here.remove(&vni);
        }
    }
}

#[cfg(test)]
mod tests;
