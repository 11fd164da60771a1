//! Exposures to desired objects, one file per exposing method.
//!
//! [`desired`] says it for all exposures at once. [`Wiring`] remembers them by prefix and answers
//! only for the prefixes that a change touches: same result, at the cost of the change. What several
//! prefixes share is held by each of them, and counted by [`crate::reconcile::Reconciler`].

#[cfg(test)]
mod tests;
pub mod underlay;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use crate::exposure::{Delta, Exposure};
use crate::mac::MacAddr;
use crate::ovn::vswitch::PatchPort;
use crate::ovn::{BridgeMappings, Northbound, Vswitch};
use crate::reconcile::object::TableId;
use crate::reconcile::{Advert, Desired, Key, Value};

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
    let localnets: BTreeSet<_> = nb
        .all_localnets()
        .filter_map(|port| {
            Some(Localnet {
                physical_network: port.physical_network.clone()?,
                vlan: port.tag.filter(|tag| *tag != 0),
            })
        })
        .collect();
    localnets.into_iter().collect()
}

/// What one prefix needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub prefix: IpNet,
    /// Empty when the prefix is not exposed any more.
    pub objects: Vec<(Key, Value)>,
    /// `None` when the prefix is not exposed any more.
    pub advert: Option<Advert>,
}

/// What keeps a prefix from being advertised although it is exposed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pending {
    /// No routing table for the bridge.
    NoTable { bridge: Arc<str> },
    /// ovn-controller has not made the patch port yet, or OVS has given it no port number.
    NoPatchPort {
        bridge: Arc<str>,
        localnet: Arc<str>,
    },
    /// The bridge has no interface in the kernel, so its MAC is not known.
    NoBridgeMac { bridge: Arc<str> },
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTable { bridge } => write!(
                f,
                "bridge {bridge} has no routing table: none could be allocated in rt_tables"
            ),
            Self::NoPatchPort { bridge, localnet } => write!(
                f,
                "waiting for ovn-controller to make the patch port of localnet port {localnet} on \
                 bridge {bridge}"
            ),
            Self::NoBridgeMac { bridge } => write!(
                f,
                "bridge {bridge} has no interface in the kernel: create it in Open vSwitch"
            ),
        }
    }
}

/// Everything a node should have for these exposures.
pub fn desired<'a>(
    exposures: impl IntoIterator<Item = &'a Arc<Exposure>>,
    facts: &Facts,
) -> Desired {
    let mut by_prefix: BTreeMap<IpNet, BTreeSet<&Arc<Exposure>>> = BTreeMap::new();
    for exposure in exposures {
        by_prefix
            .entry(exposure.prefix)
            .or_default()
            .insert(exposure);
    }
    let mut desired = Desired {
        objects: underlay::base(facts).into_iter().collect(),
        adverts: BTreeMap::new(),
    };
    for (prefix, exposures) in by_prefix {
        let wish = wish(prefix, &exposures.into_iter().collect::<Vec<_>>(), facts);
        for (key, value) in wish.objects {
            desired.objects.entry(key).or_insert(value);
        }
        if let Some(advert) = wish.advert {
            desired.adverts.insert(prefix, advert);
        }
    }
    desired
}

/// The exposures in force by prefix, and the facts they are wired by.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    facts: Facts,
    exposures: BTreeMap<IpNet, Vec<Arc<Exposure>>>,
}

impl Wiring {
    /// Takes over a change of exposures. Answers what each prefix it touches needs now.
    pub fn update(&mut self, delta: &Delta) -> Vec<Wish> {
        let mut touched = BTreeSet::new();
        for exposure in &delta.removed {
            self.remove(exposure);
            touched.insert(exposure.prefix);
        }
        for exposure in &delta.added {
            self.insert(exposure);
            touched.insert(exposure.prefix);
        }
        touched
            .into_iter()
            .map(|prefix| self.wish(prefix))
            .collect()
    }

    /// Takes over new facts. Answers what each prefix on a bridge of which something changed needs
    /// now; [`Self::base`] may have changed as well.
    pub fn set_facts(&mut self, facts: Facts) -> Vec<Wish> {
        let old = std::mem::replace(&mut self.facts, facts);
        let changed = |bridge: &Arc<str>| old.bridges.get(bridge) != self.facts.bridges.get(bridge);
        let touched = self.exposures.iter().filter(|(_, exposures)| {
            let mut bridges = exposures.iter().filter_map(|e| e.bridge());
            bridges.any(changed)
        });
        touched.map(|(prefix, _)| self.wish(*prefix)).collect()
    }

    /// The facts in force.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The objects of the node itself, whether or not anything is exposed.
    pub fn base(&self) -> Vec<(Key, Value)> {
        underlay::base(&self.facts)
    }

    /// What a prefix needs.
    pub fn wish(&self, prefix: IpNet) -> Wish {
        let exposures = self.exposures(prefix);
        wish(prefix, &exposures.iter().collect::<Vec<_>>(), &self.facts)
    }

    /// The exposures of a prefix, the one that is wired first.
    pub fn exposures(&self, prefix: IpNet) -> &[Arc<Exposure>] {
        self.exposures.get(&prefix).map_or(&[], Vec::as_slice)
    }

    /// The prefixes that are exposed but wait, with what they wait for.
    pub fn pending(&self) -> impl Iterator<Item = (IpNet, Pending)> + '_ {
        self.exposures.iter().filter_map(|(prefix, exposures)| {
            let first = choose(exposures.iter(), &self.facts)?;
            Some((*prefix, underlay::pending(first, &self.facts)?))
        })
    }

    /// What the prefix waits for; `None` when nothing is in its way, or it is not exposed.
    pub fn pending_for(&self, prefix: IpNet) -> Option<Pending> {
        let first = choose(self.exposures(prefix).iter(), &self.facts)?;
        underlay::pending(first, &self.facts)
    }

    fn insert(&mut self, exposure: &Arc<Exposure>) {
        let exposures = self.exposures.entry(exposure.prefix).or_default();
        if let Err(place) = exposures.binary_search(exposure) {
            exposures.insert(place, exposure.clone());
        }
    }

    fn remove(&mut self, exposure: &Arc<Exposure>) {
        if let Some(exposures) = self.exposures.get_mut(&exposure.prefix) {
            exposures.retain(|e| e != exposure);
            if exposures.is_empty() {
                self.exposures.remove(&exposure.prefix);
            }
        }
    }
}

/// Of several exposures of one prefix, sorted, the one that is wired: the first that need not wait,
/// else the first.
fn choose<'a>(
    exposures: impl Iterator<Item = &'a Arc<Exposure>> + Clone,
    facts: &Facts,
) -> Option<&'a Arc<Exposure>> {
    let mut ready = exposures.clone();
    let ready = ready.find(|exposure| underlay::pending(exposure, facts).is_none());
    let mut exposures = exposures;
    ready.or_else(|| exposures.next())
}

/// `exposures` are those of the prefix, sorted.
fn wish(prefix: IpNet, exposures: &[&Arc<Exposure>], facts: &Facts) -> Wish {
    let Some(chosen) = choose(exposures.iter().copied(), facts) else {
        return Wish {
            prefix,
            objects: Vec::new(),
            advert: None,
        };
    };
    let mut objects = underlay::steering(chosen, facts);
    // The gateways of each port are answered for, whichever of them attracts the traffic.
    for exposure in exposures {
        for object in underlay::proxies(exposure) {
            if !objects.contains(&object) {
                objects.push(object);
            }
        }
    }
    Wish {
        prefix,
        objects,
        advert: Some(Advert {
            requires: underlay::requires(chosen, facts).into(),
        }),
    }
}
