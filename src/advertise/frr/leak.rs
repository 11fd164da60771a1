//! The kernel objects that FRR leaks: a VRF, a dummy device in it, and on that device an address per host
//! and a route per subnet. Such an address or route is the advert.
//!
//! ```text
//! bgp-vrf (vrf, table 10)
//!   └─ bgp-nic (dummy)    172.24.4.10/32, 2001:db8::10/128, …      hosts
//!                         10.0.0.0/24 dev bgp-nic table 10, …      subnets
//! ```
//!
//! Desired and observed objects are compared like all others, in a reconciler of their own: an advert is
//! made after its wiring and taken back before it. With another backend nothing of this is desired: what a
//! former backend or the Python agent has left is swept, once the neighbours have it from elsewhere. What
//! `bgp_backend = frr-peer` needs of the kernel is two addresses on `lo` ([`crate::config::frr_peer`]).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::Backend;
use crate::exposure::{Exposure, Kind};
use crate::reconcile::object::{Link, LinkKind, Route};
use crate::reconcile::ownership::{LOOPBACK, Leak as Names};
use crate::reconcile::{Blocked, Domain, Found, Holder, Key, Plan, Reconciler, Step, Value};

/// What is leaked and what should be.
#[derive(Debug)]
pub struct Leak {
    names: Names,
    backend: Backend,
    /// What a former backend has left stays for now: traffic still comes by it.
    patient: bool,
    announced: BTreeMap<IpNet, (Key, Value)>,
    /// The announcements have been given to the reconciler: the device is in its VRF. On a device that is
    /// not, an address would be the node's own and swallow its traffic.
    held: bool,
    reconciler: Reconciler,
}

impl Leak {
    /// Nothing is known of the node.
    pub fn new(names: Names, backend: Backend) -> Self {
        let mut reconciler = Reconciler::new();
        reconciler.hold(Holder::Base, base(&names, backend));
        Self {
            names,
            backend,
            patient: backend != Backend::Frr,
            announced: BTreeMap::new(),
            held: false,
            reconciler,
        }
    }

    /// With nothing in the default table to leak ([`super::leaks`]): FRR has it of the tenants' tables.
    #[must_use]
    pub fn of_tenants_alone(mut self) -> Self {
        self.reconciler.hold(Holder::Base, Vec::new());
        self
    }

    /// The devices and the table.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// True if FRR is given what is exposed: `bgp_backend = frr`.
    pub fn is_wanted(&self) -> bool {
        self.backend == Backend::Frr
    }

    /// True while what a former backend has left is not touched.
    pub fn is_patient(&self) -> bool {
        self.patient
    }

    /// From now on what a former backend has left goes. It has to be observed anew.
    pub fn sweep(&mut self) {
        self.patient = false;
    }

    /// True for an object that is compared here, and nowhere else.
    pub fn takes(&self, key: &Key) -> bool {
        let Names {
            vrf,
            table,
            nic,
            loopback,
        } = &self.names;
        match key {
            Key::Address { dev, address } if &**dev == LOOPBACK => loopback.contains(address),
            Key::Link { name } => name == vrf || name == nic || &**name == LOOPBACK,
            Key::Master { dev } | Key::Address { dev, .. } => dev == nic,
            Key::Route { table: of, .. } | Key::StrayRoute { table: of, .. } => of == table,
            _ => false,
        }
    }

    /// A dump of the kernel, as far as this [`Self::takes`] it.
    pub fn observe_all(&mut self, objects: impl IntoIterator<Item = (Key, Found)>) {
        let patient = self.patient;
        let objects = objects.into_iter();
        let seen = objects.map(|(key, found)| (key, spare(found, patient)));
        self.reconciler.observe_all(&Domain::Kernel, seen);
    }

    /// One object was seen to be so, or (`None`) not to be there.
    pub fn observe(&mut self, key: Key, found: Option<Found>) {
        let found = found.map(|found| spare(found, self.patient));
        self.reconciler.observe(key, found);
    }

    /// What is advertised as it was found: prefixes of an agent before this one.
    pub fn found(&self) -> Vec<IpNet> {
        let all = self.reconciler.all_observed();
        let owned = all.iter().filter(|(_, found)| found.owned);
        owned.filter_map(|(key, _)| prefix(key)).collect()
    }

    /// Takes over what [`Self::found`] tells of as if it had been announced here, so that it stays until
    /// it is withdrawn.
    pub fn adopt(&mut self) {
        for (key, found) in self.reconciler.all_observed() {
            if let Some(prefix) = prefix(&key).filter(|_| found.owned) {
                self.announced.entry(prefix).or_insert((key, found.value));
            }
        }
        self.held = false;
    }

    /// Wants a prefix leaked; `exposure` tells how, a prefix without one is a host.
    pub fn announce(&mut self, prefix: IpNet, exposure: Option<&Exposure>) {
        let object = announcement(&self.names, prefix, exposure);
        if self.held {
            let objects = vec![object.clone()];
            self.reconciler.hold(Holder::from(prefix), objects);
        }
        self.announced.insert(prefix, object);
    }

    /// Wants a prefix leaked no more.
    pub fn withdraw(&mut self, prefix: IpNet) {
        self.announced.remove(&prefix);
        self.reconciler.hold(Holder::from(prefix), Vec::new());
    }

    /// True when FRR has been given the prefix.
    pub fn is_out(&self, prefix: &IpNet) -> bool {
        self.announced
            .get(prefix)
            .is_some_and(|(key, _)| self.reconciler.is_settled(key))
    }

    /// What the kernel is to be asked next; no steps when there is nothing to do.
    pub fn next_steps(&mut self) -> Plan {
        self.hold_back();
        let plan = self.reconciler.next_steps();
        if plan.steps.is_empty() && self.release() {
            let mut next = self.reconciler.next_steps();
            next.blocked.splice(..0, plan.blocked);
            return next;
        }
        plan
    }

    /// Once the device has left its VRF: nothing may stay on it if it cannot be put back.
    fn hold_back(&mut self) {
        let master = Key::Master {
            dev: Arc::clone(&self.names.nic),
        };
        if self.release() || !self.held || self.reconciler.is_settled(&master) {
            return;
        }
        self.held = false;
        for prefix in self.announced.keys() {
            self.reconciler.hold(Holder::from(*prefix), Vec::new());
        }
    }

    /// Once the device is in its VRF: what is announced may go on it. True when that is news.
    fn release(&mut self) -> bool {
        let keys = self.reconciler.held(Holder::Base);
        let ready = !keys.is_empty() && keys.iter().all(|key| self.reconciler.is_settled(key));
        if self.held || !self.is_wanted() || !ready {
            return false;
        }
        self.held = true;
        for (prefix, object) in &self.announced {
            let objects = vec![object.clone()];
            self.reconciler.hold(Holder::from(*prefix), objects);
        }
        true
    }

    /// A step was taken.
    pub fn succeeded(&mut self, step: &Step) {
        self.reconciler.succeeded(step);
    }

    /// A step failed. Answers what to report, unless it was reported before.
    pub fn failed(&mut self, step: &Step, error: &str) -> Option<Blocked> {
        self.reconciler.failed(step, error)
    }

    /// Tries again what failed.
    pub fn retry(&mut self) {
        self.reconciler.retry();
    }

    /// Compares everything again: the periodic safety net.
    pub fn full(&mut self) {
        self.reconciler.full();
    }

    /// The first thing that cannot be had now, and why.
    pub fn problem(&self) -> Option<String> {
        let (key, reason) = self.reconciler.blocked().next()?;
        Some(format!("{key}: {reason}"))
    }
}

/// Nobody's to remove, for now.
fn spare(found: Found, patient: bool) -> Found {
    Found {
        owned: found.owned && !patient,
        ..found
    }
}

/// What is there whether or not anything is exposed.
fn base(names: &Names, backend: Backend) -> Vec<(Key, Value)> {
    match backend {
        Backend::Embedded => Vec::new(),
        Backend::Frr => devices(names),
        Backend::FrrPeer => {
            let address = |address: &IpNet| {
                let dev = LOOPBACK.into();
                let address = *address;
                (Key::Address { dev, address }, Value::Address {})
            };
            names.loopback.iter().map(address).collect()
        }
    }
}

/// The VRF, and the device in it.
fn devices(names: &Names) -> Vec<(Key, Value)> {
    let link = |name: &Arc<str>, kind| {
        let name = Arc::clone(name);
        (Key::Link { name }, Value::Link(Link::up(kind)))
    };
    let Names {
        vrf, table, nic, ..
    } = names;
    let master = Key::Master {
        dev: Arc::clone(nic),
    };
    let member = Value::Master {
        master: Arc::clone(vrf),
    };
    vec![
        link(vrf, LinkKind::Vrf { table: *table }),
        link(nic, LinkKind::Dummy),
        (master, member),
    ]
}

/// The object that is the advert of a prefix.
///
/// A subnet is on-link. The Python agent names the gateway, which the kernel refuses in IPv6 because that
/// address is on the device too, and which FRR then puts in the place of this node as next hop. In stretched L2
/// the next hop is meant to be the gateway: what lies behind it goes by way of it, its own network is on-link.
fn announcement(names: &Names, prefix: IpNet, exposure: Option<&Exposure>) -> (Key, Value) {
    let kind = exposure.map_or(Kind::Provider, |exposure| exposure.kind);
    if !matches!(kind, Kind::Subnet | Kind::L2Subnet) {
        let dev = Arc::clone(&names.nic);
        let address = prefix;
        return (Key::Address { dev, address }, Value::Address {});
    }
    let next_hop = exposure.and_then(|exposure| exposure.next_hop);
    let behind = |hop: &IpAddr| kind == Kind::L2Subnet && !prefix.contains(hop);
    let route = Route::new(Arc::clone(&names.nic), next_hop.filter(behind));
    let key = Key::Route {
        table: names.table,
        prefix: prefix.trunc(),
    };
    (key, Value::Route(route))
}

/// The prefix that an object on the device advertises.
fn prefix(key: &Key) -> Option<IpNet> {
    match key {
        Key::Address { address, .. } => Some(*address),
        Key::Route { prefix, .. } => Some(*prefix),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
