//! What policies leave as it is on routes of EVPN.

use crate::wire::PathAttributes;
use crate::wire::evpn::EvpnCommunity;

/// Puts back the communities without which a route of EVPN is of no use, in front of others and in their order: route
/// targets, encapsulation, Router's MAC, mobility. A policy that takes communities away means an operator's own.
pub(super) fn keep_essence(before: &PathAttributes, after: &mut PathAttributes) {
    let there = &after.extended_communities;
    let essence = before.extended_communities.iter().copied();
    let essence = essence.filter(|community| EvpnCommunity::read(*community).is_some());
    let mut missing: Vec<_> = essence.filter(|essence| !there.contains(essence)).collect();
    if !missing.is_empty() {
        missing.append(&mut after.extended_communities);
        after.extended_communities = missing;
    }
}
