//! The way from those who want something originated in tenants' tables (EVPN) to the speaker, and back: shared by the
//! agent's loop, the configuration and the control socket, each as a [`Source`] of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bgp::Route;
use bgp::evpn::{Instance, Kind, LocalHost, Vni};
use bgp::wire::evpn::Mac;
use ipnet::IpNet;

use super::origins::{Changes, Origins, Source};
use crate::peering::{Handle, LearnedTenants, TenantChanges};

/// Tenants' tables and what this node originates in them. Clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct TenantOrigination {
    shared: Arc<Mutex<Shared>>,
    learned: LearnedTenants,
}

#[derive(Debug, Default)]
struct Shared {
    /// Where several have a table under one VNI, that of the greatest counts.
    instances: BTreeMap<Source, BTreeMap<Vni, Instance>>,
    prefixes: BTreeMap<Vni, Origins>,
    hosts: BTreeMap<(Vni, Mac), BTreeMap<Source, LocalHost>>,
    /// Once the speaker runs.
    speaker: Option<Handle>,
    held: bool,
    /// Somebody takes what peers teach.
    is_read: bool,
}

impl TenantOrigination {
    /// The tables that a source has, from now on. What is originated in a VNI does not depend on there being a table: it
    /// is told while there is one. True where the source had others. Returns at once, as do all others.
    pub fn set_instances(&self, source: Source, instances: BTreeMap<Vni, Instance>) -> bool {
        let mut shared = self.lock();
        let before = shared.merged();
        let former = shared.instances.insert(source, instances);
        let differs = former.unwrap_or_default() != shared.of(source);
        let after = shared.merged();
        if before != after {
            shared.tell(|changes| changes.set_instances(after));
        }
        differs
    }

    /// A source wants these prefixes in a routed table, with these attributes: see [`Origins::originate`].
    pub fn originate(&self, source: Source, vni: Vni, routes: impl IntoIterator<Item = Route>) {
        self.change(vni, |origins| origins.originate(source, routes));
    }

    /// A source lets go of these: see [`Origins::withdraw`].
    pub fn withdraw(&self, source: Source, vni: Vni, prefixes: impl IntoIterator<Item = IpNet>) {
        self.change(vni, |origins| origins.withdraw(source, prefixes));
    }

    /// A source wants exactly these in a table.
    pub fn replace(&self, source: Source, vni: Vni, routes: impl IntoIterator<Item = Route>) {
        self.change(vni, |origins| origins.replace(source, routes));
    }

    /// A source lets go of all prefixes and hosts that it has, in every table. Answers how many those were.
    pub fn withdraw_all(&self, source: Source) -> usize {
        let held = |vni: Vni| (vni, self.of(source, vni));
        let held: Vec<_> = self.vnis().into_iter().map(held).collect();
        let mut count = 0;
        for (vni, prefixes) in held {
            count += prefixes.len();
            self.withdraw(source, vni, prefixes);
        }
        let vnis: BTreeSet<_> = self.lock().hosts.keys().map(|(vni, _)| *vni).collect();
        for vni in vnis {
            let gone = self.hosts_of(source, vni);
            count += gone.len();
            self.withdraw_hosts(source, vni, gone);
        }
        count
    }

    /// A source wants these hosts of a bridged table to be on this node; others that it wants there stay. What several
    /// say of one host is all told.
    pub fn originate_hosts(
        &self,
        source: Source,
        vni: Vni,
        hosts: impl IntoIterator<Item = (Mac, LocalHost)>,
    ) {
        let mut shared = self.lock();
        let hosts = hosts.into_iter().map(|(mac, host)| (mac, Some(host)));
        shared.change_hosts(source, vni, hosts);
    }

    /// A source lets go of these.
    pub fn withdraw_hosts(&self, source: Source, vni: Vni, macs: impl IntoIterator<Item = Mac>) {
        let mut shared = self.lock();
        shared.change_hosts(source, vni, macs.into_iter().map(|mac| (mac, None)));
    }

    /// The hosts that a source has in a table.
    pub fn hosts_of(&self, source: Source, vni: Vni) -> Vec<Mac> {
        let shared = self.lock();
        let hosts = shared.hosts.iter();
        let own = hosts.filter(|((of, _), by)| *of == vni && by.contains_key(&source));
        own.map(|((_, mac), _)| *mac).collect()
    }

    /// What peers teach: the reader waits for [`LearnedTenants::filled`], then takes. There is one reader, who asks before
    /// the speaker starts.
    pub fn learned(&self) -> LearnedTenants {
        self.lock().is_read = true;
        self.learned.clone()
    }

    /// The same for the speaker to fill; `None` where nobody takes from it, and it would hold for ever whatever has been
    /// taught and taken back.
    pub(super) fn to_fill(&self) -> Option<LearnedTenants> {
        self.lock().is_read.then(|| self.learned.clone())
    }

    /// The tables that a source has.
    pub fn instances(&self, source: Source) -> BTreeMap<Vni, Instance> {
        self.lock().of(source)
    }

    /// What the table under this VNI holds; `None` where nobody has one.
    pub fn kind(&self, vni: Vni) -> Option<Kind> {
        let shared = self.lock();
        let mut tables = shared.instances.values().rev();
        let table = tables.find_map(|all| all.get(&vni))?;
        Some(table.kind)
    }

    /// The prefixes that a source has in a table, in no particular order.
    pub fn of(&self, source: Source, vni: Vni) -> Vec<IpNet> {
        let shared = self.lock();
        let origins = shared.prefixes.get(&vni);
        origins.map_or_else(Vec::new, |origins| origins.of(source).collect())
    }

    /// Tables in which something is originated.
    pub fn vnis(&self) -> Vec<Vni> {
        self.lock().prefixes.keys().copied().collect()
    }

    /// Starts the speaker with what there is by now; from then on it is told every change.
    pub(super) fn start<T, E>(
        &self,
        start: impl FnOnce(TenantChanges) -> Result<T, E>,
        handle: impl FnOnce(&T) -> Option<Handle>,
    ) -> Result<T, E> {
        let mut shared = self.lock();
        let speaker = start(shared.whole())?;
        shared.speaker = handle(&speaker);
        Ok(speaker)
    }

    /// Has the speaker withdraw everything while `held`. The sources hold what they hold, and what peers teach comes
    /// all the same.
    pub(super) fn hold(&self, held: bool) {
        let mut shared = self.lock();
        shared.held = held;
        shared.tell(|changes| changes.set_silent(held));
    }

    /// The speaker is told under the lock: in the order in which the changes were made.
    fn change(&self, vni: Vni, change: impl FnOnce(&mut Origins) -> Changes) {
        let mut shared = self.lock();
        let origins = shared.prefixes.entry(vni).or_default();
        let news = change(origins);
        if origins.is_empty() {
            shared.prefixes.remove(&vni);
        }
        if !news.is_empty() {
            shared.tell(|changes| {
                changes.originate(vni, news.originate);
                changes.withdraw(vni, news.withdraw);
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A map of plain values is sound whatever its holder was doing.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn of(&self, source: Source) -> BTreeMap<Vni, Instance> {
        self.instances.get(&source).cloned().unwrap_or_default()
    }

    /// What a source says of hosts from now on; `None` is nothing. The speaker is told what differs.
    fn change_hosts(
        &mut self,
        source: Source,
        vni: Vni,
        said: impl Iterator<Item = (Mac, Option<LocalHost>)>,
    ) {
        let (mut here, mut gone) = (Vec::new(), Vec::new());
        for (mac, host) in said {
            let by = self.hosts.entry((vni, mac)).or_default();
            let before = (!by.is_empty()).then(|| all_of(by));
            match host {
                Some(host) => by.insert(source, host),
                None => by.remove(&source),
            };
            let now = (!by.is_empty()).then(|| all_of(by));
            if by.is_empty() {
                self.hosts.remove(&(vni, mac));
            }
            match now {
                Some(now) if before.as_ref() != Some(&now) => here.push((mac, now)),
                None if before.is_some() => gone.push(mac),
                Some(_) | None => {}
            }
        }
        if !here.is_empty() || !gone.is_empty() {
            self.tell(|changes| {
                changes.originate_hosts(vni, here);
                changes.withdraw_hosts(vni, gone);
            });
        }
    }

    fn merged(&self) -> BTreeMap<Vni, Instance> {
        let mut merged = BTreeMap::new();
        // The greatest source comes last.
        for instances in self.instances.values() {
            merged.extend(instances.clone());
        }
        merged
    }

    fn whole(&self) -> TenantChanges {
        let mut changes = TenantChanges::default();
        changes.set_instances(self.merged());
        for (vni, origins) in &self.prefixes {
            changes.originate(*vni, origins.routes());
        }
        for ((vni, mac), by) in &self.hosts {
            changes.originate_hosts(*vni, [(*mac, all_of(by))]);
        }
        changes.set_silent(self.held);
        changes
    }

    fn tell(&self, change: impl FnOnce(&mut TenantChanges)) {
        if let Some(speaker) = &self.speaker {
            let mut changes = TenantChanges::default();
            change(&mut changes);
            speaker.change_tenants(changes);
        }
    }
}

/// What all sources say of one host.
fn all_of(by: &BTreeMap<Source, LocalHost>) -> LocalHost {
    let mut all = LocalHost::default();
    for host in by.values() {
        all.addresses.extend(&host.addresses);
        all.sticky |= host.sticky;
        all.gateway |= host.gateway;
    }
    all
}

#[cfg(test)]
mod tests {
    use bgp::evpn::Kind;

    use super::*;

    fn instance(number: u16) -> Instance {
        Instance {
            rd: format!("192.0.2.1:{number}").parse().unwrap(),
            vtep: "192.0.2.1".parse().unwrap(),
            export: [].into(),
            import: [].into(),
            kind: Kind::Bridged,
        }
    }

    #[test]
    fn what_nobody_reads_is_not_gathered() {
        let tenants = TenantOrigination::default();
        assert!(tenants.to_fill().is_none(), "a speaker without an agent");
        let _reader = tenants.learned();
        assert!(tenants.to_fill().is_some());
    }

    #[test]
    fn a_source_is_told_whether_it_had_other_tables() {
        let tenants = TenantOrigination::default();
        let with = |number| BTreeMap::from([(7, instance(number))]);
        assert!(!tenants.set_instances(Source::Ovn, BTreeMap::new()));
        assert!(tenants.set_instances(Source::Ovn, with(1)));
        assert!(!tenants.set_instances(Source::Ovn, with(1)));
        assert!(tenants.set_instances(Source::Ovn, with(2)), "another RD");
        assert!(tenants.set_instances(Source::Configuration, with(3)));
        assert_eq!(tenants.instances(Source::Ovn), with(2));
    }

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn host(address: &str, gateway: bool) -> LocalHost {
        LocalHost {
            addresses: [address.parse().unwrap()].into(),
            gateway,
            ..LocalHost::default()
        }
    }

    fn told(tenants: &TenantOrigination) -> Option<LocalHost> {
        tenants.lock().hosts.get(&(7, MAC)).map(all_of)
    }

    #[test]
    fn what_an_operator_says_of_a_host_is_told_beside_what_ovn_says_and_goes_by_itself() {
        let tenants = TenantOrigination::default();
        let (ovn, by_hand) = (host("192.0.2.1", false), host("192.0.2.2", true));
        tenants.originate_hosts(Source::Ovn, 7, [(MAC, ovn.clone())]);
        tenants.originate_hosts(Source::Operator, 7, [(MAC, by_hand)]);
        let both = told(&tenants).unwrap();
        assert_eq!((both.addresses.len(), both.gateway), (2, true));
        assert_eq!(tenants.hosts_of(Source::Operator, 7), [MAC]);
        tenants.withdraw_hosts(Source::Operator, 7, [MAC]);
        assert_eq!(told(&tenants), Some(ovn));
        tenants.withdraw_hosts(Source::Ovn, 7, [MAC]);
        assert_eq!(told(&tenants), None);
    }
}
