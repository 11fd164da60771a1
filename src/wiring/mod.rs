//! Exposures to desired objects, one file per exposing method.
//!
//! [`Wiring`] remembers exposures by prefix and answers only for the prefixes that a change touches: what
//! [`desired`] says of all at once, at the cost of the change. What several prefixes share is held by each of
//! them, and counted by [`crate::reconcile::Reconciler`]; what the hosts of a tenant subnet share is held for
//! the subnet.

mod subnet;
#[cfg(test)]
mod tests;
pub mod underlay;
mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use self::subnet::{Gateway, Subnet, Way};
pub use self::wish::{Pending, Wish};
use crate::exposure::{Delta, Exposure};
use crate::mac::MacAddr;
use crate::ovn::vswitch::PatchPort;
use crate::ovn::{BridgeMappings, Northbound, Southbound, Vswitch};
use crate::reconcile::object::TableId;
use crate::reconcile::{Advert, Announcement, Desired, Destination, Holder, Key, Value};

/// What wiring depends on besides exposures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub mappings: BridgeMappings,
    /// The localnet ports of all provider networks, sorted.
    pub localnets: Vec<Localnet>,
    /// The bridges of `mappings`, as far as they are known.
    pub bridges: BTreeMap<Arc<str>, BridgeFacts>,
}

/// A localnet port: a physical network and the VLAN on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Localnet {
    pub physical_network: Arc<str>,
    /// 1–4094.
    pub vlan: Option<u16>,
}

/// What this node knows of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BridgeFacts {
    /// Its routing table, from `rt_tables`.
    pub table: Option<TableId>,
    /// The MAC of its kernel interface.
    pub mac: Option<MacAddr>,
    /// Its patch ports to OVN, sorted.
    pub patch_ports: Vec<PatchPort>,
}

impl Facts {
    /// Gathers the facts: `tables` are those of `rt_tables` by bridge, `mac` tells the MAC of an
    /// interface of the kernel.
    pub fn gather(
        mappings: &BridgeMappings,
        nb: &Northbound,
        vswitch: &Vswitch,
        tables: &BTreeMap<Arc<str>, TableId>,
        mac: impl Fn(&str) -> Option<MacAddr>,
    ) -> Self {
        let bridges = mappings.entries().iter().map(|mapping| {
            let bridge = &mapping.bridge;
            let facts = BridgeFacts {
                table: tables.get(bridge).copied(),
                mac: mac(bridge),
                patch_ports: vswitch.patch_ports(bridge),
            };
            (bridge.clone(), facts)
        });
        Self {
            bridges: bridges.collect(),
            localnets: localnets(nb),
            mappings: mappings.clone(),
        }
    }
}

impl BridgeFacts {
    /// The OpenFlow port of a localnet port's patch port.
    pub fn ofport(&self, localnet: &str) -> Option<u32> {
        let mut ports = self.patch_ports.iter();
        ports.find(|p| &*p.localnet == localnet).map(|p| p.ofport)
    }
}

/// The localnet ports of all provider networks, as [`Facts`] wants them. They change when
/// [`crate::ovn::northbound::Affected::localnets`] says so.
pub fn localnets(nb: &Northbound) -> Vec<Localnet> {
    let ports = nb.all_localnets();
    sorted(ports.map(|port| (port.physical_network.as_ref(), port.tag)))
}

/// The same from the Southbound database.
pub fn southbound_localnets(sb: &Southbound) -> Vec<Localnet> {
    let ports = sb.all_localnets();
    sorted(ports.map(|port| (port.physical_network.as_ref(), port.vlan)))
}

fn sorted<'a>(ports: impl Iterator<Item = (Option<&'a Arc<str>>, Option<u16>)>) -> Vec<Localnet> {
    let localnet = |(physical_network, tag): (Option<&Arc<str>>, Option<u16>)| {
        Some(Localnet {
            physical_network: physical_network?.clone(),
            vlan: tag.filter(|tag| *tag != 0),
        })
    };
    let localnets: BTreeSet<_> = ports.filter_map(localnet).collect();
    localnets.into_iter().collect()
}

/// Everything a node should have for these exposures.
pub fn desired<'a>(
    exposures: impl IntoIterator<Item = &'a Arc<Exposure>>,
    facts: &Facts,
) -> Desired {
    let mut wiring = Wiring::default();
    wiring.set_facts(facts.clone());
    let delta = Delta {
        added: exposures.into_iter().cloned().collect(),
        ..Delta::default()
    };
    let mut desired = Desired {
        objects: wiring.base().into_iter().collect(),
        adverts: BTreeMap::new(),
    };
    let mut wishes = wiring.update(&delta);
    // As the reconciler has it: where holders differ, the first of them.
    wishes.sort_by_key(|wish| wish.holder);
    for wish in wishes {
        for (key, value) in wish.objects {
            desired.objects.entry(key).or_insert(value);
        }
        if let (Holder::Exposed(destination), Some(advert)) = (wish.holder, wish.advert) {
            desired.adverts.insert(destination, advert);
        }
    }
    desired
}

/// The exposures in force by prefix, and the facts they are wired by.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    facts: Facts,
    exposures: BTreeMap<IpNet, Vec<Arc<Exposure>>>,
    /// Tenant subnets in which something is exposed, masked.
    subnets: BTreeMap<IpNet, Subnet>,
}

impl Wiring {
    /// Takes over a change of exposures. Answers what is needed now by each prefix it touches, and by each
    /// subnet.
    pub fn update(&mut self, delta: &Delta) -> Vec<Wish> {
        let (mut prefixes, mut subnets) = (BTreeSet::new(), BTreeSet::new());
        for exposure in &delta.removed {
            if self.remove(exposure) {
                prefixes.insert(exposure.prefix);
                subnets.extend(self.uncarry(exposure));
            }
        }
        for exposure in &delta.added {
            if self.insert(exposure) {
                prefixes.insert(exposure.prefix);
                subnets.extend(self.carry(exposure));
            }
        }
        self.wishes(prefixes, &subnets)
    }

    /// Takes over new facts. Answers what each prefix and each subnet on a bridge of which something
    /// changed needs now; [`Self::base`] may have changed as well.
    pub fn set_facts(&mut self, facts: Facts) -> Vec<Wish> {
        let old = std::mem::replace(&mut self.facts, facts);
        let changed = |bridge: &Arc<str>| old.bridges.get(bridge) != self.facts.bridges.get(bridge);
        let prefixes = self.exposures.iter().filter(|(_, exposures)| {
            let mut bridges = exposures.iter().filter_map(|e| e.bridge());
            bridges.any(changed)
        });
        let prefixes = prefixes.map(|(prefix, _)| *prefix).collect();
        let subnets = self.subnets.iter().filter(|(_, s)| s.is_on(changed));
        let subnets = subnets.map(|(subnet, _)| *subnet).collect();
        self.wishes(prefixes, &subnets)
    }

    /// What these need, and whatever else depends on the subnets.
    fn wishes(&mut self, mut prefixes: BTreeSet<IpNet>, subnets: &BTreeSet<IpNet>) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for subnet in subnets {
            let known = self.subnets.get_mut(subnet);
            if known.is_none_or(|known| known.choose(*subnet, &self.facts)) {
                wishes.push(self.subnet_wish(*subnet));
                prefixes.extend(self.exposed_in(*subnet));
            }
        }
        wishes.extend(prefixes.into_iter().map(|prefix| self.wish(prefix)));
        wishes
    }

    /// The facts in force.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The objects of the node itself, whether or not anything is exposed.
    pub fn base(&self) -> Vec<(Key, Value)> {
        underlay::base(&self.facts)
    }

    /// What a prefix needs, besides what its subnet has.
    pub fn wish(&self, prefix: IpNet) -> Wish {
        let holder = Holder::from(prefix);
        let exposures = self.exposures(prefix);
        let Some(chosen) = self.chosen(prefix) else {
            return Wish::nothing(holder);
        };
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
        for exposure in exposures {
            for object in underlay::proxies(exposure) {
                if !objects.contains(&object) {
                    objects.push(object);
                }
            }
        }
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

    /// The exposures of a prefix, sorted.
    pub fn exposures(&self, prefix: IpNet) -> &[Arc<Exposure>] {
        self.exposures.get(&prefix).map_or(&[], Vec::as_slice)
    }

    /// Of several exposures of one prefix the one that is wired, and whose attributes are told: the first
    /// that need not wait, else the first. One that goes the way of its subnet comes before one that does not.
    pub fn chosen(&self, prefix: IpNet) -> Option<&Arc<Exposure>> {
        let exposures = self.exposures(prefix).iter();
        exposures.min_by_key(|exposure| {
            let waits = self.waits_for(exposure).is_some();
            let beside = matches!(self.way(exposure), Some(Way::Beside(_)));
            (waits, beside)
        })
    }

    /// The exposure that an advert is of.
    pub fn behind(&self, destination: &Destination) -> Option<&Arc<Exposure>> {
        self.chosen(destination.prefix()?)
    }

    /// The prefixes that are exposed but wait, with what they wait for.
    pub fn pending(&self) -> impl Iterator<Item = (IpNet, Pending)> + '_ {
        let prefixes = self.exposures.keys();
        prefixes.filter_map(|prefix| Some((*prefix, self.pending_for(*prefix)?)))
    }

    /// What the prefix waits for; `None` when nothing is in its way, or it is not exposed.
    pub fn pending_for(&self, prefix: IpNet) -> Option<Pending> {
        self.waits_for(self.chosen(prefix)?)
    }

    fn waits_for(&self, exposure: &Exposure) -> Option<Pending> {
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

    /// The exposed prefixes inside a subnet.
    fn exposed_in(&self, subnet: IpNet) -> impl Iterator<Item = IpNet> + '_ {
        let from = self.exposures.range(subnet..).map(|(prefix, _)| *prefix);
        from.take_while(move |prefix| subnet.contains(prefix))
    }

    /// False when it was there already.
    fn insert(&mut self, exposure: &Arc<Exposure>) -> bool {
        let exposures = self.exposures.entry(exposure.prefix).or_default();
        match exposures.binary_search(exposure) {
            Ok(_) => false,
            Err(place) => {
                exposures.insert(place, exposure.clone());
                true
            }
        }
    }

    /// False when it was not there.
    fn remove(&mut self, exposure: &Arc<Exposure>) -> bool {
        let Some(exposures) = self.exposures.get_mut(&exposure.prefix) else {
            return false;
        };
        let Ok(place) = exposures.binary_search(exposure) else {
            return false;
        };
        exposures.remove(place);
        if exposures.is_empty() {
            self.exposures.remove(&exposure.prefix);
        }
        true
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
