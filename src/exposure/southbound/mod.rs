//! What `ovn_bgp_driver` exposes, by what the Southbound database says.
//!
//! [`decide`] says it for a whole snapshot, with what is withheld and why. [`Standing`] keeps the
//! exposures and takes again only the decisions that a change may concern: same result, at the cost
//! of the change.

mod balancer;
mod fip;
mod forwarding;
mod gateway;
pub(super) mod place;
mod port;
pub(super) mod proxied;
pub(super) mod reach;
pub(super) mod router;
mod subnet;
pub(super) mod tenant;
#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::verdict::{Kept, Verdict};
use super::{Attachment, Attributes, Code, Decision, Delta, Exposure, Kind, Node, Options, Reason};
use crate::ovn::Southbound;
use crate::ovn::southbound::{Affected, BindingKind, PortBinding};

/// All that the driver decides by.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub southbound: &'a Southbound,
    pub node: &'a Node,
    /// What of tenant networks is exposed. SNAT cannot be seen from here.
    pub options: &'a Options,
}

/// Why a candidate is withheld: the code, and the words for operators.
type Why = (Code, String);

/// Decides everything, and says why not for every candidate that is withheld.
pub fn decide(inputs: Inputs<'_>) -> Decision {
    let mut verdict = Verdict::explained();
    for binding in inputs.southbound.bindings() {
        decide_binding(inputs, binding, &mut verdict);
    }
    for name in inputs.southbound.balancer_names() {
        decide_balancer(inputs, name, &mut verdict);
    }
    verdict.into_decision()
}

/// What policies say comes last.
fn decide_binding(inputs: Inputs<'_>, binding: &PortBinding, verdict: &mut Verdict) {
    let from = verdict.exposed();
    expose_binding(inputs, binding, verdict);
    verdict.rule(inputs.southbound, inputs.options, from);
}

fn expose_binding(inputs: Inputs<'_>, binding: &PortBinding, verdict: &mut Verdict) {
    match &binding.kind {
        BindingKind::Vif | BindingKind::Virtual => {
            port::decide(inputs, binding, verdict);
            tenant::decide(inputs, binding, verdict);
        }
        BindingKind::Patch(patch) => {
            fip::decide(inputs, binding, patch, verdict);
            subnet::decide(inputs, binding, verdict);
        }
        BindingKind::ChassisRedirect { .. } => gateway::decide(inputs, binding, verdict),
        BindingKind::Other(kind) if &**kind == "external" => port::external(binding, verdict),
        BindingKind::Localnet(_) | BindingKind::L3Gateway { .. } | BindingKind::Other(_) => {}
    }
}

fn decide_balancer(inputs: Inputs<'_>, name: &str, verdict: &mut Verdict) {
    let from = verdict.exposed();
    if name.starts_with(forwarding::PREFIX) {
        forwarding::decide(inputs, name, verdict);
    } else {
        balancer::decide(inputs, name, verdict);
    }
    verdict.rule(inputs.southbound, inputs.options, from);
}

/// The exposures in force, by the port binding or load balancer that each comes from.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    bindings: Kept<Uuid>,
    balancers: Kept<Arc<str>>,
}

impl Standing {
    /// Takes again the decisions that may have changed. `affected` comes from
    /// [`Southbound::take_affected`]; set `everything` when the node or an option changed.
    pub fn update(&mut self, inputs: Inputs<'_>, affected: Affected) -> Delta {
        let sb = inputs.southbound;
        let mut reached = reach::of(sb, affected);
        if reached.everything {
            let known = self.bindings.keys().copied();
            reached.bindings = known.chain(sb.bindings().map(|b| b.uuid)).collect();
            let known = self.balancers.keys().chain(sb.balancer_names());
            reached.balancers = known.cloned().collect();
        }
        let mut delta = Delta::default();
        for uuid in reached.bindings {
            let mut verdict = Verdict::default();
            if let Some(binding) = sb.binding(uuid) {
                decide_binding(inputs, binding, &mut verdict);
            }
            self.bindings.replace(uuid, verdict, &mut delta);
        }
        for name in reached.balancers {
            let mut verdict = Verdict::default();
            decide_balancer(inputs, &name, &mut verdict);
            self.balancers.replace(name, verdict, &mut delta);
        }
        delta.added.sort();
        delta.removed.sort();
        delta
    }

    /// The exposures in force, in no particular order.
    pub fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        self.bindings.exposures().chain(self.balancers.exposures())
    }
}

/// An exposure on the link of a provider network, for which nothing answers but OVN itself.
pub(super) fn on_link(
    prefix: IpNet,
    kind: Kind,
    port: &Arc<str>,
    network: Arc<str>,
    attachment: Attachment,
    reason: Reason,
) -> Exposure {
    Exposure {
        prefix,
        kind,
        port: port.clone(),
        network,
        attachment: Some(attachment),
        vni: None,
        layer: crate::exposure::Layer::default(),
        via: None,
        subnet: None,
        next_hop: None,
        mac: None,
        proxied: proxied::none(),
        attributes: Attributes::default(),
        reason,
    }
}
