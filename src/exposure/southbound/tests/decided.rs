//! What a driver decides in a small cloud, kept from change to change and compared with a fresh decision at each.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::evpn::Vni;

use super::cloud::Cloud;
use crate::exposure::{Code, Decision, Delta, Exposure, Tenant};
use crate::ovn::southbound::Affected;

/// The standing decisions of a driver that reads OVN_Southbound.
pub(in crate::exposure) trait Standing: Default {
    fn decide(cloud: &Cloud) -> Decision;
    fn update(&mut self, cloud: &Cloud, affected: Affected) -> Delta;
    fn exposures(&self) -> Vec<Arc<Exposure>>;
    /// Of drivers that have any.
    fn tenants(&self) -> BTreeMap<Vni, Arc<Tenant>> {
        BTreeMap::new()
    }
}

/// A cloud, and what a driver keeps of it.
pub(in crate::exposure) struct Decided<S> {
    pub(in crate::exposure) cloud: Cloud,
    standing: S,
}

impl<S: Standing> Decided<S> {
    pub(in crate::exposure) fn of(cloud: Cloud) -> Self {
        Self {
            cloud,
            standing: S::default(),
        }
    }

    pub(in crate::exposure) fn decide(&self) -> Decision {
        S::decide(&self.cloud)
    }

    /// The change since the last call.
    pub(in crate::exposure) fn delta(&mut self) -> Delta {
        let affected = self.cloud.sb.take_affected();
        self.update(affected)
    }

    /// The same, where the node or an option has changed.
    pub(in crate::exposure) fn reconsider(&mut self) -> Delta {
        self.cloud.sb.take_affected();
        self.update(Affected {
            everything: true,
            ..Affected::default()
        })
    }

    fn update(&mut self, affected: Affected) -> Delta {
        let delta = self.standing.update(&self.cloud, affected);
        let fresh = self.decide();
        let mut kept = self.standing.exposures();
        kept.sort();
        assert_eq!(kept, fresh.exposures);
        assert_eq!(self.standing.tenants(), fresh.tenants);
        delta
    }

    /// What is exposed, as `show` writes it, checked to be the standing exposures too.
    pub(in crate::exposure) fn exposed_as(
        &mut self,
        show: impl Fn(&Exposure) -> String,
    ) -> Vec<String> {
        self.delta();
        self.decide().exposures.iter().map(|e| show(e)).collect()
    }

    pub(in crate::exposure) fn exposure(&self, prefix: &str) -> Arc<Exposure> {
        let decision = self.decide();
        let mut found = decision.exposures.iter();
        let found = found.find(|e| e.prefix.to_string() == prefix);
        found
            .unwrap_or_else(|| panic!("{prefix} is not exposed: {decision:#?}"))
            .clone()
    }

    pub(in crate::exposure) fn withheld(&self, prefix: &str) -> (Code, String) {
        let decision = self.decide();
        let mut found = decision.withheld.iter();
        let found = found.find(|w| w.prefix.to_string() == prefix);
        let found = found.unwrap_or_else(|| panic!("{prefix} is not withheld: {decision:#?}"));
        (found.code, found.reason.clone())
    }

    pub(in crate::exposure) fn tenant(&self, vni: Vni) -> Arc<Tenant> {
        let decision = self.decide();
        let found = decision.tenants.get(&vni);
        found
            .unwrap_or_else(|| panic!("no tenant {vni}: {decision:#?}"))
            .clone()
    }
}
