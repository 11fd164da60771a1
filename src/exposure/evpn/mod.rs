//! What `ovn_evpn_driver` exposes: hosts of tenant networks, each in the VNI of its router, on the chassis of that
//! router's gateway.
//!
//! `neutron_bgpvpn:vni` and `neutron_bgpvpn:as` on the switch's end of a gateway port make the router a tenant's; the
//! same two numbers on the switch's end of an interface admit what is behind that. Gateways and subnets are wired, with
//! their tenant ([`Tenant`]); advertised are the hosts alone.
//!
//! [`decide`] says it for a whole snapshot, with what is withheld and why. [`Standing`] keeps it, and takes again only the
//! decisions that a change may concern.

mod gateway;
mod host;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::evpn::Vni;
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::members::{self, Elected, Member, Members};
pub use super::southbound::Inputs;
use super::southbound::reach;
use super::verdict::{Kept, Verdict};
use super::{Decision, Delta, Exposure, Tenant};
use crate::ovn::southbound::{Affected, BindingKind, PortBinding};

/// Why a candidate is withheld: the code, and the words for operators.
type Why = (super::Code, String);

/// Decides everything, and says why not for every candidate that is withheld.
pub fn decide(inputs: Inputs<'_>) -> Decision {
    let mut members = Members::default();
    for binding in inputs.southbound.bindings() {
        members.replace(binding.uuid, member(inputs, binding.uuid));
    }
    let elected = members.elect();
    let mut verdict = Verdict::explained();
    for binding in inputs.southbound.bindings() {
        decide_binding(inputs, &elected, binding, &mut verdict);
    }
    Decision {
        tenants: members.tenants(&elected),
        ..verdict.into_decision()
    }
}

fn member(inputs: Inputs<'_>, uuid: Uuid) -> Vec<Member> {
    gateway::member(inputs, uuid).into_iter().collect()
}

/// What policies say comes last.
fn decide_binding(
    inputs: Inputs<'_>,
    elected: &Elected,
    binding: &PortBinding,
    verdict: &mut Verdict,
) {
    let from = verdict.exposed();
    match &binding.kind {
        BindingKind::Vif | BindingKind::Virtual => host::decide(inputs, elected, binding, verdict),
        BindingKind::Patch(_) => host::decide_subnets(inputs, elected, binding, verdict),
        BindingKind::ChassisRedirect { .. }
        | BindingKind::L3Gateway { .. }
        | BindingKind::Localnet(_)
        | BindingKind::Other(_) => {}
    }
    verdict.rule(inputs.southbound, inputs.options, from);
}

/// The exposures in force, by the port binding that each comes from, and the tenants.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    bindings: Kept<Uuid>,
    members: Members<Uuid>,
    elected: Elected,
    tenants: BTreeMap<Vni, Arc<Tenant>>,
}

impl Standing {
    /// Takes again the decisions that may have changed. `affected` comes from
    /// [`Southbound::take_affected`](crate::ovn::Southbound::take_affected); set `everything` when the node or an option
    /// changed.
    pub fn update(&mut self, inputs: Inputs<'_>, affected: Affected) -> Delta {
        let sb = inputs.southbound;
        let reached = reach::of(sb, affected);
        let mut bindings = if reached.everything {
            self.every_binding(inputs)
        } else {
            reached.bindings
        };
        let mut delta = Delta::default();
        // All of them: `any` would stop at the first.
        let changed = bindings.iter().fold(false, |changed, uuid| {
            self.members.replace(*uuid, member(inputs, *uuid)) | changed
        });
        if changed {
            let elected = self.members.elect();
            if self.elected != elected {
                self.elected = elected;
                bindings = self.every_binding(inputs);
            }
            let tenants = self.members.tenants(&self.elected);
            delta.tenants = members::changes(&self.tenants, &tenants);
            self.tenants = tenants;
        }
        for uuid in bindings {
            let mut verdict = Verdict::default();
            if let Some(binding) = sb.binding(uuid) {
                decide_binding(inputs, &self.elected, binding, &mut verdict);
            }
            self.bindings.replace(uuid, verdict, &mut delta);
        }
        delta.added.sort();
        delta.removed.sort();
        delta
    }

    /// Those that are there, and those that were.
    fn every_binding(&self, inputs: Inputs<'_>) -> FxHashSet<Uuid> {
        let known = self.bindings.keys().chain(self.members.keys()).copied();
        let there = inputs.southbound.bindings().map(|binding| binding.uuid);
        known.chain(there).collect()
    }

    /// The exposures in force, in no particular order.
    pub fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        self.bindings.exposures()
    }

    /// The tenants in force.
    pub fn tenants(&self) -> &BTreeMap<Vni, Arc<Tenant>> {
        &self.tenants
    }
}
