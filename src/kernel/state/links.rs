//! The interfaces, and what each is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::State;
use crate::kernel::message::{Device, LinkFacts, PortFacts, VxlanFacts};
use crate::reconcile::object::LinkKind;

/// All interfaces, by index, by name, and by what they are enslaved to.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_index: BTreeMap<u32, LinkFacts>,
    indexes: FxHashMap<Arc<str>, u32>,
    members: BTreeMap<u32, BTreeSet<u32>>,
}

impl Links {
    pub(super) fn get(&self, index: u32) -> Option<&LinkFacts> {
        self.by_index.get(&index)
    }

    pub(super) fn named(&self, name: &str) -> Option<&LinkFacts> {
        self.by_index.get(self.indexes.get(name)?)
    }

    pub(super) fn index(&self, name: &str) -> Option<u32> {
        self.indexes.get(name).copied()
    }

    pub(super) fn name(&self, index: u32) -> Option<&Arc<str>> {
        Some(&self.by_index.get(&index)?.name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &LinkFacts> {
        self.by_index.values()
    }

    /// What is enslaved to the interface with this index.
    pub(super) fn members(&self, index: u32) -> impl Iterator<Item = &LinkFacts> {
        let members = self.members.get(&index).into_iter().flatten();
        members.filter_map(|index| self.by_index.get(index))
    }

    /// The interface that this one is enslaved to.
    pub(super) fn master(&self, link: &LinkFacts) -> Option<&LinkFacts> {
        self.by_index.get(&link.master?)
    }

    /// Puts an interface in place of what has its index.
    pub(super) fn insert(&mut self, link: LinkFacts) -> Option<LinkFacts> {
        let before = self.remove(link.index);
        self.indexes.insert(Arc::clone(&link.name), link.index);
        if let Some(master) = link.master {
            self.members.entry(master).or_default().insert(link.index);
        }
        self.by_index.insert(link.index, link);
        before
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<LinkFacts> {
        let link = self.by_index.remove(&index)?;
        if self.indexes.get(&link.name) == Some(&index) {
            self.indexes.remove(&link.name);
        }
        if let Some(master) = link.master
            && let Some(members) = self.members.get_mut(&master)
        {
            members.remove(&index);
            if members.is_empty() {
                self.members.remove(&master);
            }
        }
        Some(link)
    }

    /// How its bridge treats a port; `None` when it is no port any more.
    pub(super) fn set_port(&mut self, index: u32, port: Option<PortFacts>) -> bool {
        let Some(link) = self.by_index.get_mut(&index) else {
            return false;
        };
        std::mem::replace(&mut link.port, port) != port
    }
}

impl State {
    /// How an interface came into being, as far as we could make one like it.
    pub(in crate::kernel) fn kind(&self, link: &LinkFacts) -> LinkKind {
        let kind = match link.device {
            Device::Vlan { parent, id } => self.links.name(parent).map(|parent| LinkKind::Vlan {
                parent: Arc::clone(parent),
                id,
            }),
            Device::Vrf { table } => Some(LinkKind::Vrf { table }),
            Device::Dummy => Some(LinkKind::Dummy),
            Device::Bridge => Some(LinkKind::Bridge),
            Device::Vxlan(VxlanFacts {
                vni,
                port,
                local: Some(local),
                learning: false,
                plain: true,
                ..
            }) => Some(LinkKind::Vxlan { vni, port, local }),
            Device::Veth { peer } => self.links.name(peer).map(|peer| LinkKind::Veth {
                peer: Arc::clone(peer),
            }),
            Device::Vxlan(_) | Device::Other => None,
        };
        kind.unwrap_or(LinkKind::Foreign)
    }

    /// The parent and id of a VLAN device.
    pub(super) fn vlan<'a>(&'a self, link: &'a LinkFacts) -> Option<(&'a Arc<str>, u16)> {
        let (parent, id) = link.vlan()?;
        Some((self.links.name(parent)?, id))
    }

    /// True for a name that we would give a VLAN device, whatever bears it.
    pub(super) fn is_name_we_need(&self, name: &str) -> bool {
        let Some((stem, id)) = name.rsplit_once('.') else {
            return false;
        };
        let cut = |bridge: &Arc<str>| bridge.chars().take(10).eq(stem.chars());
        id.parse::<u16>().is_ok() && self.scope.bridges.keys().any(cut)
    }
}
