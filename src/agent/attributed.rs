//! What policies say of routes, for FRR: told before the routes come.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::evpn::Vni;

use super::Agent;
use crate::advertise::frr::{Attributed, Tenants, Upkeep};
use crate::config::Backend;
use crate::reconcile::{Destination, Step};

/// What policies say of the routes of each table: the default one, and tenants'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    leaked: Arc<Attributed>,
    tenants: BTreeMap<Vni, Attributed>,
}

impl Attributes {
    /// Of what is leaked.
    pub(super) fn leaked(&self) -> Arc<Attributed> {
        Arc::clone(&self.leaked)
    }

    /// What FRR is to have of tenants, with these.
    pub(super) fn of_tenants(&self, tenants: &Arc<Tenants>) -> Arc<Tenants> {
        match self.tenants.is_empty() {
            true => Arc::clone(tenants),
            false => Arc::new(tenants.attributing(|vni| self.tenants.get(&vni).cloned())),
        }
    }
}

/// Returns once what waits for FRR need not wait any more; never while nothing `waits`.
pub(super) async fn tried(frr: &mut Option<Upkeep>, waits: bool) {
    match frr {
        Some(frr) if waits => frr.tried().await,
        _ => std::future::pending().await,
    }
}

impl Agent {
    /// Takes in what policies say now of what is exposed, and has FRR told of it.
    pub(super) fn attribute(&mut self) {
        if self.config.agent.bgp_backend != Backend::Frr {
            return;
        }
        let now = self.attributes();
        if self.frr_attributes.as_ref() != Some(&now) {
            self.frr_attributes = Some(now);
            self.change_frr();
        }
    }

    fn attributes(&self) -> Attributes {
        let mut leaked = Attributed::default();
        let mut tenants: BTreeMap<Vni, Attributed> = BTreeMap::new();
        let exposures = self.core.exposures();
        for exposure in exposures.filter(|exposure| exposure.attributes.are_special()) {
            let destination = exposure.destination();
            // What the speaker would be told: of several exposures those of one count.
            let Some(chosen) = self.core.wiring().chosen(destination) else {
                continue;
            };
            match destination {
                Destination::Prefix(prefix) => leaked.add(prefix, &chosen.attributes),
                Destination::Tenant { vni, prefix } => {
                    tenants
                        .entry(vni)
                        .or_default()
                        .add(prefix, &chosen.attributes);
                }
                // FRR finds hosts of stretched networks by itself.
                Destination::Host { .. } => {}
            }
        }
        tenants.retain(|_, attributed| !attributed.is_empty());
        Attributes {
            leaked: Arc::new(leaked),
            tenants,
        }
    }

    /// True for an advert that waits until FRR has been told what policies say of it: FRR would announce it without for up
    /// to its `bgp route-map delay-timer`. An FRR that cannot be told now is told before it hears of routes.
    pub(super) fn waits_for_frr(&self, step: &Step) -> bool {
        let Step::Advertise { announcement, .. } = step else {
            return false;
        };
        announcement.attributes.are_special()
            && self.frr.as_ref().is_some_and(|frr| !frr.has_tried())
    }

    /// Advertises what has waited for FRR.
    pub(super) fn release_to_frr(&mut self) {
        self.awaits_frr = false;
        self.core.reconciler_mut().retry();
    }
}
