//! What an interface is.

use std::sync::Arc;

use super::State;
use crate::kernel::message::LinkFacts;
use crate::reconcile::object::LinkKind;

impl State {
    /// How an interface came into being, as far as we could make one like it.
    pub(in crate::kernel) fn kind(&self, link: &LinkFacts) -> LinkKind {
        if let Some((parent, id)) = self.vlan(link) {
            let parent = Arc::clone(parent);
            return LinkKind::Vlan { parent, id };
        }
        match link.vrf {
            Some(table) => LinkKind::Vrf { table },
            None if link.is_dummy => LinkKind::Dummy,
            None => LinkKind::Foreign,
        }
    }

    /// The parent and id of a VLAN device.
    pub(super) fn vlan<'a>(&'a self, link: &'a LinkFacts) -> Option<(&'a Arc<str>, u16)> {
        let (parent, id) = link.vlan?;
        Some((&self.links.get(&parent)?.name, id))
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
