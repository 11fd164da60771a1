//! What `ovn_stretched_l2_bgp_driver` exposes: networks behind gateway ports on a layer 2 that the
//! fabric shares, with the gateway's address as BGP next hop. Every node says the same, so nothing moves
//! when a gateway does, and nothing enters OVN through the node that says it.
//!
//! [`decide`] says it for a whole snapshot, [`Standing`] keeps it by router.

mod router;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::verdict::{Kept, Verdict};
use super::{Decision, Delta, Exposure, Options};
use crate::ovn::Southbound;
use crate::ovn::southbound::Affected;

/// All that the driver decides by. The node is none of it.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub southbound: &'a Southbound,
    /// Of these, `address_scopes`.
    pub options: &'a Options,
}

/// Decides everything, and says why not for every candidate that is withheld.
pub fn decide(inputs: Inputs<'_>) -> Decision {
    let mut verdict = Verdict::explained();
    for router in inputs.southbound.routers() {
        decide_router(inputs, router, &mut verdict);
    }
    verdict.into_decision()
}

/// What policies say comes last.
fn decide_router(inputs: Inputs<'_>, router: Uuid, verdict: &mut Verdict) {
    let from = verdict.exposed();
    router::decide(inputs, router, verdict);
    verdict.rule(inputs.southbound, inputs.options, from);
}

/// The exposures in force, by the router that each is of.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    routers: Kept<Uuid>,
}

impl Standing {
    /// Takes again the decisions that may have changed. `affected` comes from
    /// [`Southbound::take_affected`]; set `everything` when an option changed.
    pub fn update(&mut self, inputs: Inputs<'_>, affected: Affected) -> Delta {
        let sb = inputs.southbound;
        let routers: FxHashSet<_> = if affected.everything {
            self.routers.keys().copied().chain(sb.routers()).collect()
        } else {
            affected
                .routers
                .into_iter()
                .chain(affected.datapaths)
                .collect()
        };
        let mut delta = Delta::default();
        for router in routers {
            let mut verdict = Verdict::default();
            if sb.is_router(router) {
                decide_router(inputs, router, &mut verdict);
            }
            self.routers.replace(router, verdict, &mut delta);
        }
        delta.added.sort();
        delta.removed.sort();
        delta
    }

    /// The exposures in force, in no particular order.
    pub fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        self.routers.exposures()
    }
}
