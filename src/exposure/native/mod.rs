//! What `ovn_native` exposes: what OVN's own dynamic routing (25.03 and later) wants advertised. northd has decided which
//! prefixes those are ([`AdvertisedRoute`](crate::ovn::southbound::AdvertisedRoute)); this chassis advertises those of
//! routers that it hosts a port of.
//!
//! Without a VNI the next hop is the router's port itself, on the provider network that it shares with the fabric:
//! nothing enters OVN through the node, so nothing is wired. With one (`neutron_bgpvpn:vni` on that port, or on the
//! switch's end of it) the prefix is that tenant's, and its traffic enters through this node, as with
//! `ovn_evpn_driver`.
//!
//! [`decide`] says it for a whole snapshot, [`Standing`] keeps it by router. What is learned for those routers goes where
//! [`learning`] says.

mod learning;
mod port;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::evpn::Vni;
use rustc_hash::FxHashSet;
use uuid::Uuid;

pub use self::learning::{Devices, Learning, Lessons, Teacher, learning};
use super::members::{self, Elected, Members};
pub use super::southbound::Inputs;
use super::verdict::{Kept, Verdict};
use super::{Decision, Delta, Exposure, Tenant};
use crate::ovn::Southbound;
use crate::ovn::southbound::Affected;

/// Why a candidate is withheld: the code, and the words for operators.
type Why = (super::Code, String);

/// Decides everything, and says why not for every candidate that is withheld.
pub fn decide(inputs: Inputs<'_>) -> Decision {
    let mut members = Members::default();
    for router in inputs.southbound.advertising_routers() {
        members.replace(router, route::members(inputs, router));
    }
    let elected = members.elect();
    let mut verdict = Verdict::explained();
    for router in inputs.southbound.advertising_routers() {
        route::decide(inputs, &elected, router, &mut verdict);
    }
    Decision {
        tenants: members.tenants(&elected),
        ..verdict.into_decision()
    }
}

/// The exposures in force, by the router that each is of, and the tenants.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    routers: Kept<Uuid>,
    members: Members<Uuid>,
    elected: Elected,
    tenants: BTreeMap<Vni, Arc<Tenant>>,
}

impl Standing {
    /// Takes again the decisions that may have changed. `affected` comes from [`Southbound::take_affected`]; set
    /// `everything` when the node or an option changed.
    pub fn update(&mut self, inputs: Inputs<'_>, affected: Affected) -> Delta {
        let mut routers = if affected.everything {
            self.every_router(inputs)
        } else {
            reached(inputs.southbound, affected)
        };
        let mut delta = Delta::default();
        // All of them: `any` would stop at the first.
        let changed = routers.iter().fold(false, |changed, router| {
            let members = route::members(inputs, *router);
            self.members.replace(*router, members) | changed
        });
        if changed {
            let elected = self.members.elect();
            if self.elected != elected {
                self.elected = elected;
                routers = self.every_router(inputs);
            }
            let tenants = self.members.tenants(&self.elected);
            delta.tenants = members::changes(&self.tenants, &tenants);
            self.tenants = tenants;
        }
        for router in routers {
            let mut verdict = Verdict::default();
            route::decide(inputs, &self.elected, router, &mut verdict);
            self.routers.replace(router, verdict, &mut delta);
        }
        delta.added.sort();
        delta.removed.sort();
        delta
    }

    /// Those that want something advertised, and those that did.
    fn every_router(&self, inputs: Inputs<'_>) -> FxHashSet<Uuid> {
        let known = self.routers.keys().chain(self.members.keys()).copied();
        known
            .chain(inputs.southbound.advertising_routers())
            .collect()
    }

    /// The exposures in force, in no particular order.
    pub fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        self.routers.exposures()
    }

    /// The tenants in force.
    pub fn tenants(&self) -> &BTreeMap<Vni, Arc<Tenant>> {
        &self.tenants
    }
}

/// The routers that a change may concern: those named, and those on the networks named.
fn reached(sb: &Southbound, affected: Affected) -> FxHashSet<Uuid> {
    let mut routers = affected.routers;
    for datapath in affected.datapaths.into_iter().chain(affected.switches) {
        // It may have been a router until now.
        routers.insert(datapath);
        routers.extend(sb.routers_on(datapath));
    }
    for binding in affected.bindings {
        let datapath = sb.binding(binding).and_then(|binding| binding.datapath);
        routers.extend(datapath.filter(|datapath| sb.is_router(*datapath)));
    }
    routers
}
