//! A received UPDATE as changes of the Adj-RIB-In.

use std::sync::Arc;

use ipnet::IpNet;

use super::learned_path::{LearnedPath, PathSource, address};
use crate::session::{Ends, Negotiated};
use crate::wire::{Announcement, DecodedUpdate, RouterId};

/// What an UPDATE changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) withdrawn: Vec<IpNet>,
    pub(crate) announced: Vec<(IpNet, LearnedPath)>,
}

/// The session an UPDATE came by.
pub(crate) struct ImportContext<'a> {
    pub(crate) negotiated: &'a Negotiated,
    pub(crate) source: &'a Arc<PathSource>,
    pub(crate) ends: &'a Ends,
    pub(crate) router_id: RouterId,
}

/// Sort an UPDATE into withdrawals and eligible paths. An announcement we must not use (a loop, our
/// own address as next hop) is a withdrawal: it replaces what the peer said before (RFC 4271 §9.1.2).
pub(crate) fn import(update: &DecodedUpdate, context: &ImportContext<'_>) -> Imported {
    let mut imported = Imported::default();
    let families = &context.negotiated.families;
    for (family, nlri) in update.withdrawals() {
        if families.contains(&family) {
            imported
                .withdrawn
                .extend(nlri.iter().map(|nlri| nlri.prefix));
        }
    }
    for announcement in update.announcements() {
        if !families.contains(&announcement.family) {
            continue;
        }
        let prefixes = announcement.nlri.iter().map(|nlri| nlri.prefix);
        if context.is_eligible(&announcement) {
            let path = context.path(&announcement);
            imported
                .announced
                .extend(prefixes.map(|prefix| (prefix, path.clone())));
        } else {
            imported.withdrawn.extend(prefixes);
        }
    }
    imported
}

impl ImportContext<'_> {
    fn is_eligible(&self, announcement: &Announcement<'_>) -> bool {
        let attributes = announcement.attributes;
        let looped = attributes.as_path.count(self.negotiated.local_as) > 0;
        let reflected = attributes.originator_id == Some(self.router_id);
        // RFC 4271 §5.1.3: a route is not used when it leads to the receiver itself.
        let own = address(announcement.next_hop) == self.ends.local;
        !looped && !reflected && !own
    }

    fn path(&self, announcement: &Announcement<'_>) -> LearnedPath {
        let attributes = Arc::new(announcement.attributes.clone());
        LearnedPath::new(Arc::clone(self.source), announcement.next_hop, attributes)
    }
}
