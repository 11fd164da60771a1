//! Exposures to desired objects, one file per exposing method.
//!
//! [`Wiring`] remembers exposures by prefix and answers only for the prefixes that a change touches: what
//! [`desired`] says of all at once, at the cost of the change. What several prefixes share is held by each of
//! them, and counted by [`crate::reconcile::Reconciler`]; what the hosts of a tenant subnet share is held for
//! the subnet.

mod facts;
mod index;
mod subnet;
pub mod tenants;
#[cfg(test)]
mod tests;
pub mod underlay;
mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp::evpn::{EvpnEvent, Instance, Vni};
use ipnet::IpNet;

pub use self::facts::{
    BridgeFacts, BridgeRole, Facts, Localnet, Tenancy, localnets, southbound_localnets,
};
use self::index::Index;
use self::subnet::{Gateway, Subnet, Way};
pub use self::tenants::AdvertisedRouter;
use self::tenants::{Extent, Outline, Tenants};
use self::wish::Needs;
pub use self::wish::{Pending, Wish};
use crate::exposure::native::Lessons;
use crate::exposure::{Delta, Exposure, Tenant};
use crate::reconcile::{Advert, Announcement, Desired, Destination, Holder, Key, Taught, Value};

/// Everything a node should have for these exposures and tenants, and for what peers have taught.
pub fn desired<'a>(
    exposures: impl IntoIterator<Item = &'a Arc<Exposure>>,
    tenants: &BTreeMap<Vni, Arc<Tenant>>,
    taught: impl IntoIterator<Item = EvpnEvent>,
    facts: &Facts,
) -> Desired {
    let mut wiring = Wiring::default();
    // Nothing is wished of it before the tenants are known.
    wiring.teach(taught);
    let kept = wiring.set_facts(facts.clone());
    let tenants = tenants.iter();
    let delta = Delta {
        added: exposures.into_iter().cloned().collect(),
        tenants: tenants
            .map(|(vni, tenant)| (*vni, Some(Arc::clone(tenant))))
            .collect(),
        ..Delta::default()
    };
    let updated = wiring.update(&delta);
    // As the reconciler has it: the last word of each holder, and where holders differ, the first of them.
    let wishes = kept.into_iter().chain(updated);
    let wishes: BTreeMap<Holder, Wish> = wishes.map(|wish| (wish.holder, wish)).collect();
    let mut desired = Desired {
        objects: wiring.base().into_iter().collect(),
        adverts: BTreeMap::new(),
    };
    for wish in wishes.into_values() {
        for (key, value) in wish.objects {
            desired.objects.entry(key).or_insert(value);
        }
        if let (Holder::Exposed(destination), Some(advert)) = (wish.holder, wish.advert) {
            desired.adverts.insert(destination, advert);
        }
    }
    desired
}

/// The exposures in force by destination, and the facts they are wired by.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    facts: Facts,
    exposures: Index,
    /// Tenant subnets in which something is exposed, masked.
    subnets: BTreeMap<IpNet, Subnet>,
    tenants: Tenants,
    /// Of some tenant, since [`Self::take_tenants_changed`].
    tenants_changed: bool,
}

/// What a change has touched.
#[derive(Debug, Default)]
struct Touched {
    base: bool,
    destinations: BTreeSet<Destination>,
    subnets: BTreeSet<IpNet>,
    tenants: BTreeMap<Vni, Extent>,
    taught: BTreeSet<(Vni, Taught)>,
}

impl Touched {
    fn tenant(&mut self, vni: Vni, extent: Extent) {
        let known = self.tenants.entry(vni).or_insert(extent);
        *known = extent.max(*known);
    }
}

impl Wiring {
    /// Takes over a change of exposures and tenants. Answers what is needed now by each destination, subnet and tenant it
    /// touches, and by the node itself if that changes.
    pub fn update(&mut self, delta: &Delta) -> Vec<Wish> {
        let mut touched = Touched::default();
        let changed = delta.removed.iter().chain(&delta.added);
        let vnis: BTreeSet<Vni> = changed
            .filter_map(|exposure| exposure.vni)
            .chain(delta.tenants.keys().copied())
            .collect();
        let outline = |wiring: &Self, vni| wiring.tenants.outline(vni, &wiring.facts);
        let before: Vec<(Vni, Outline)> = vnis.into_iter().map(|v| (v, outline(self, v))).collect();
        let stations = self.stations(delta);
        touched.base = self.claim(&delta.tenants);
        let changed = self.stations(delta);
        for station in changed.symmetric_difference(&stations) {
            self.touch_station(*station, &mut touched);
        }
        for exposure in &delta.removed {
            if self.exposures.remove(exposure) {
                if let Some(vni) = exposure.vni {
                    self.tenants.remove(vni, &exposure.network);
                }
                self.touch(exposure, &mut touched);
                touched.subnets.extend(self.uncarry(exposure));
            }
        }
        for exposure in &delta.added {
            if self.exposures.insert(exposure) {
                if let Some(vni) = exposure.vni {
                    self.tenants.add(vni, &exposure.network);
                }
                self.touch(exposure, &mut touched);
                touched.subnets.extend(self.carry(exposure));
            }
        }
        for (vni, before) in before {
            if let Some(extent) = before.extent(&outline(self, vni)) {
                touched.tenant(vni, extent);
                self.tenants_changed = true;
            }
        }
        self.wishes(touched)
    }

    /// Takes over changes of tenants. True when other attachments are theirs alone now.
    fn claim(&mut self, tenants: &BTreeMap<Vni, Option<Arc<Tenant>>>) -> bool {
        if tenants.is_empty() {
            return false;
        }
        let claimed = |wiring: &Self| -> BTreeSet<_> {
            let claimed = wiring.tenants.claimed();
            claimed.into_iter().cloned().collect()
        };
        let before = claimed(self);
        for (vni, tenant) in tenants {
            self.tenants.set(*vni, tenant.clone());
        }
        before != claimed(self)
    }

    /// What depends on an exposure that came or went, besides [`Tenants::outline`].
    fn touch(&self, exposure: &Exposure, touched: &mut Touched) {
        let destination = exposure.destination();
        touched.destinations.insert(destination);
        match destination {
            Destination::Prefix(_) => {}
            Destination::Tenant { vni, prefix } => {
                if self.tenants.is_router(vni, prefix.addr()) {
                    touched.tenant(vni, Extent::Devices);
                }
            }
            Destination::Host { vni, mac, .. } => {
                if self.tenants.knows_host(vni, mac) {
                    touched.taught.insert((vni, Taught::Host(mac)));
                }
            }
        }
    }

    /// Takes over new facts. Answers what each destination, subnet and tenant on a bridge of which something
    /// changed needs now; [`Self::base`] may have changed as well.
    pub fn set_facts(&mut self, facts: Facts) -> Vec<Wish> {
        let old = std::mem::replace(&mut self.facts, facts);
        self.tenants_changed = true;
        let (destinations, subnets) = self.on_changed_bridges(&old);
        let vrfs = old.tenancy.vrfs.union(&self.facts.tenancy.vrfs).copied();
        let vnis: BTreeSet<Vni> = self.tenants.vnis().chain(vrfs).collect();
        let differs = |vni: &Vni| self.tenants.differs(*vni, &old, &self.facts);
        let vnis = vnis.into_iter().filter(differs);
        let touched = Touched {
            destinations,
            subnets,
            tenants: vnis.map(|vni| (vni, Extent::All)).collect(),
            ..Touched::default()
        };
        self.wishes(touched)
    }

    /// What of the default table is on a bridge of which something changed.
    fn on_changed_bridges(&self, old: &Facts) -> (BTreeSet<Destination>, BTreeSet<IpNet>) {
        // Facts change most often about tenants, and exposures are many.
        if old.bridges == self.facts.bridges {
            return Default::default();
        }
        let changed = |bridge: &Arc<str>| old.bridges.get(bridge) != self.facts.bridges.get(bridge);
        let destinations = self.exposures.iter().filter(|(destination, exposures)| {
            let mut bridges = exposures.iter().filter_map(|e| e.bridge());
            destination.vni().is_none() && bridges.any(changed)
        });
        let destinations = destinations.map(|(destination, _)| destination).collect();
        let subnets = self.subnets.iter().filter(|(_, s)| s.is_on(changed));
        let subnets = subnets.map(|(subnet, _)| *subnet).collect();
        (destinations, subnets)
    }

    /// Takes in what peers teach of tenants' tables. Answers what is needed of that now.
    pub fn teach(&mut self, events: impl IntoIterator<Item = EvpnEvent>) -> Vec<Wish> {
        let taught = events.into_iter().map(|event| self.tenants.learn(event));
        let taught = taught.collect::<Vec<_>>();
        self.taught(taught)
    }

    /// Takes in what peers taught a process before this one: [`tenants::taught_before`]. It counts as taught until peers
    /// say something else of it, or [`Self::forget_inherited`].
    pub fn inherit(&mut self, events: impl IntoIterator<Item = EvpnEvent>) -> Vec<Wish> {
        let taught = events.into_iter().map(|event| self.tenants.inherit(event));
        let taught = taught.collect::<Vec<_>>();
        self.taught(taught)
    }

    /// Peers have taught what they have to teach, or there are none: what was inherited besides is void.
    pub fn forget_inherited(&mut self) -> Vec<Wish> {
        let taught = self.tenants.forget_inherited();
        self.taught(taught)
    }

    fn taught(&mut self, taught: Vec<(Vni, BTreeSet<Taught>)>) -> Vec<Wish> {
        let each = |(vni, subjects): (Vni, BTreeSet<Taught>)| {
            let subjects = subjects.into_iter();
            subjects.map(move |subject| (vni, subject))
        };
        let taught = taught.into_iter().flat_map(each).collect();
        let touched = Touched {
            taught,
            ..Touched::default()
        };
        self.wishes(touched)
    }

    /// What is needed by what was touched, and whatever else depends on it.
    fn wishes(&mut self, touched: Touched) -> Vec<Wish> {
        let Touched {
            base,
            mut destinations,
            subnets,
            tenants,
            mut taught,
        } = touched;
        let mut wishes = Vec::new();
        if base {
            let holder = Holder::Base;
            let objects = self.base();
            wishes.push(Wish {
                objects,
                ..Wish::nothing(holder)
            });
        }
        for subnet in subnets {
            let known = self.subnets.get_mut(&subnet);
            if known.is_none_or(|known| known.choose(subnet, &self.facts)) {
                wishes.push(self.subnet_wish(subnet));
                destinations.extend(self.exposures.inside(subnet));
            }
        }
        for (vni, extent) in tenants {
            wishes.push(self.tenant_wish(vni));
            if extent == Extent::All {
                destinations.extend(self.exposures.of_tenant(vni));
                destinations.extend(self.tenants.stations(vni));
                taught.extend(self.tenants.subjects(vni).map(|subject| (vni, subject)));
            }
        }
        wishes.extend(
            destinations
                .into_iter()
                .map(|destination| self.wish(destination)),
        );
        wishes.extend(
            taught
                .into_iter()
                .map(|(vni, subject)| self.taught_wish(vni, subject)),
        );
        wishes
    }

    /// What stands behind a VNI.
    pub fn tenant(&self, vni: Vni) -> Option<&Arc<Tenant>> {
        self.tenants.tenant(vni)
    }

    /// The VNIs of which something is known.
    pub fn vnis(&self) -> impl Iterator<Item = Vni> + '_ {
        self.tenants.vnis()
    }

    /// The facts in force.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The objects of the node itself, whether or not anything is exposed.
    pub fn base(&self) -> Vec<(Key, Value)> {
        underlay::base(&self.facts, &self.tenants.claimed())
    }

    /// True where [`Self::instances`] and [`Self::advertised_routers`] may be others than at the last call. What comes and goes
    /// in a tenant's table leaves them alone, but for its first and last.
    pub fn take_tenants_changed(&mut self) -> bool {
        std::mem::take(&mut self.tenants_changed)
    }

    /// What the speaker is to be told of tenants: those that have their devices, and whose Router's MAC is known where they
    /// need one.
    pub fn instances(&self) -> BTreeMap<Vni, Instance> {
        self.tenants.instances(&self.facts)
    }

    /// Fills in what a VNI teaches its routers.
    pub fn teach_routers(&self, lessons: &mut Lessons) {
        let (vni, ports) = (lessons.vni, &lessons.ports);
        let (prefixes, next, device) = self
            .tenants
            .lessons(vni, ports, &self.facts)
            .unwrap_or_default();
        lessons.prefixes = Arc::new(prefixes);
        lessons.next = next;
        lessons.device = device;
    }

    /// What IPv6 routers say, by device.
    pub fn advertised_routers(&self) -> BTreeMap<Arc<str>, AdvertisedRouter> {
        self.tenants.routers(&self.facts)
    }

    /// What a destination needs, besides what its subnet or its tenant has.
    pub fn wish(&self, destination: impl Into<Destination>) -> Wish {
        let destination = destination.into();
        let holder = Holder::Exposed(destination);
        let Some(chosen) = self.chosen(destination) else {
            return self.station_wish(destination);
        };
        let Needs { objects, requires } = match destination.vni() {
            Some(vni) => self.tenants.exposed(vni, chosen, &self.facts),
            None => self.routed(destination, chosen),
        };
        let announcement = Announcement {
            next_hop: chosen.next_hop,
            attributes: chosen.attributes.announced(),
        };
        let advert = Advert {
            requires,
            announcement,
        };
        Wish {
            holder,
            objects,
            advert: Some(advert),
        }
    }

    /// Whether this is to be advertised, now or once it is wired.
    pub fn wants(&self, destination: &Destination) -> bool {
        self.wish(*destination).advert.is_some()
    }

    /// What a prefix of the default table needs.
    fn routed(&self, destination: Destination, chosen: &Exposure) -> Needs {
        let (mut objects, requires) = match self.way(chosen) {
            None => (
                underlay::steering(chosen, &self.facts),
                underlay::requires(chosen, &self.facts).into(),
            ),
            Some(Way::Shared(carried)) => (Vec::new(), Arc::clone(&carried.requires)),
            Some(Way::Beside(carried)) => {
                let own = underlay::beside(chosen, &self.facts);
                let shared = carried.requires.iter().cloned();
                let requires = own.iter().map(|(key, _)| key.clone()).chain(shared);
                let requires = requires.collect();
                (own, requires)
            }
            // An advert that requires what nobody wishes waits, and stays out if it is out.
            Some(Way::Blocked(_)) => (Vec::new(), underlay::requires(chosen, &self.facts).into()),
        };
        // The gateways of each port are answered for, whichever of them attracts the traffic.
        for exposure in self.exposures(destination) {
            for object in underlay::proxies(exposure) {
                if !objects.contains(&object) {
                    objects.push(object);
                }
            }
        }
        Needs { objects, requires }
    }

    /// The exposures of a destination, sorted.
    pub fn exposures(&self, destination: impl Into<Destination>) -> &[Arc<Exposure>] {
        self.exposures.of(destination.into())
    }

    /// Of several exposures of one destination the one that is wired, and whose attributes are told: the first
    /// that need not wait, else the first. One that goes the way of its subnet comes before one that does not, and a
    /// port before the kernel's own address.
    pub fn chosen(&self, destination: impl Into<Destination>) -> Option<&Arc<Exposure>> {
        let exposures = self.exposures(destination).iter();
        exposures.min_by_key(|exposure| {
            let own = exposure
                .vni
                .is_some_and(|vni| self.tenants.is_own_address(vni, exposure));
            let waits = self.waits_for(exposure).is_some();
            let beside = matches!(self.way(exposure), Some(Way::Beside(_)));
            (own, waits, beside)
        })
    }

    /// The exposure that an advert is of.
    pub fn behind(&self, destination: &Destination) -> Option<&Arc<Exposure>> {
        self.chosen(*destination)
    }

    /// What is exposed but waits, with what it waits for.
    pub fn pending(&self) -> impl Iterator<Item = (Destination, Pending)> + '_ {
        let destinations = self.exposures.iter().map(|(destination, _)| destination);
        destinations.filter_map(|destination| Some((destination, self.pending_for(destination)?)))
    }

    /// What a destination waits for; `None` when nothing is in its way, or it is not exposed.
    pub fn pending_for(&self, destination: impl Into<Destination>) -> Option<Pending> {
        self.waits_for(self.chosen(destination)?)
    }

    fn waits_for(&self, exposure: &Exposure) -> Option<Pending> {
        if let Some(vni) = exposure.vni {
            return self.tenants.waits_for(vni, exposure, &self.facts);
        }
        if let Some(Way::Blocked(carried)) = self.way(exposure) {
            return Some(Pending::SubnetElsewhere {
                subnet: exposure.subnet?,
                via: carried.gateway.via,
            });
        }
        underlay::waits_for(exposure.attachment.as_ref()?, &self.facts)
    }

    /// How an exposure is reached that a subnet carries; `None` for all others.
    fn way(&self, exposure: &Exposure) -> Option<Way<'_>> {
        let (subnet, gateway) = Gateway::of(exposure)?;
        let carried = self.subnets.get(&subnet)?.carried()?;
        Some(Way::of(exposure, &gateway, carried))
    }

    fn subnet_wish(&self, subnet: IpNet) -> Wish {
        let holder = Holder::Subnet(subnet);
        let carried = self.subnets.get(&subnet).and_then(Subnet::carried);
        let objects =
            carried.map(|carried| underlay::through(subnet, &carried.gateway, &self.facts));
        Wish {
            objects: objects.unwrap_or_default(),
            ..Wish::nothing(holder)
        }
    }

    fn tenant_wish(&self, vni: Vni) -> Wish {
        self.tenants.wish(vni, &self.facts, |address| {
            let prefix = IpNet::from(address);
            let exposures = self.exposures(Destination::Tenant { vni, prefix });
            exposures
                .iter()
                .any(|exposure| !self.tenants.is_own_address(vni, exposure))
        })
    }

    fn taught_wish(&self, vni: Vni, subject: Taught) -> Wish {
        let here = |mac| self.exposures.has_host(vni, mac) || self.tenants.has_station(vni, mac);
        self.tenants.taught(vni, subject, &self.facts, here)
    }

    /// Counts an exposure in its subnet. Answers the subnet, if it may be carried another way now.
    fn carry(&mut self, exposure: &Exposure) -> Option<IpNet> {
        let (subnet, gateway) = Gateway::of(exposure)?;
        let first = self.subnets.entry(subnet).or_default().add(gateway);
        first.then_some(subnet)
    }

    /// The opposite of [`Self::carry`].
    fn uncarry(&mut self, exposure: &Exposure) -> Option<IpNet> {
        let (subnet, gateway) = Gateway::of(exposure)?;
        let known = self.subnets.get_mut(&subnet)?;
        let last = known.remove(&gateway);
        if known.is_empty() {
            self.subnets.remove(&subnet);
        }
        last.then_some(subnet)
    }
}
