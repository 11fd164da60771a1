//! Routes that northd wants advertised, in a small cloud.

mod histories;

mod routes;
mod tables;
mod tenants;
mod wired;

use std::sync::Arc;

use crate::exposure::southbound::tests::cloud::{
    Cloud, gateway_of, id, interface, link, localnet, vm,
};
use crate::exposure::{Code, Decision, Delta, Exposure};
use crate::ovn::southbound::{Affected, BindingKind, PortBinding};

use super::{Devices, Inputs, Learning, Standing, decide, learning};

const NETWORKS: [&str; 2] = ["172.24.4.146/24", "2001:db8:4::146/64"];
const ENABLED: (&str, &str) = ("dynamic-routing", "true");

/// A cloud and this driver's standing decisions.
struct Node {
    cloud: Cloud,
    standing: Standing,
}

impl Node {
    /// `router` has dynamic routing on its gateway `lrp-gw` (172.24.4.146, 2001:db8:4::146), which chassis-1 hosts, and
    /// wants its tenant's networks advertised: 10.0.0.0/24, fd00::/64.
    fn new() -> Self {
        let mut cloud = Cloud::new();
        cloud.put_all(gateway_of("router", "lrp-gw", "provider", &NETWORKS));
        cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24", "fd00::1/64"]));
        cloud.route_by("cr-lrp-gw", &[ENABLED]);
        cloud.advertise("router", "lrp-1", "10.0.0.0/24", None);
        cloud.advertise("router", "lrp-1", "fd00::/64", None);
        Self {
            cloud,
            standing: Standing::default(),
        }
    }

    fn redirect_on(&mut self, chassis: Option<&str>) {
        let [redirect, ..] = gateway_of("router", "lrp-gw", "provider", &NETWORKS);
        self.cloud.put(PortBinding {
            chassis: chassis.map(id),
            ..redirect
        });
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            southbound: &self.cloud.sb,
            node: &self.cloud.node,
            options: &self.cloud.options,
        }
    }

    fn decide(&self) -> Decision {
        decide(self.inputs())
    }

    /// The change since the last call, checked against the whole decision.
    fn delta(&mut self) -> Delta {
        let affected = self.cloud.sb.take_affected();
        self.update(affected)
    }

    /// The same, where the node or an option has changed.
    fn reconsider(&mut self) -> Delta {
        self.cloud.sb.take_affected();
        self.update(Affected {
            everything: true,
            ..Affected::default()
        })
    }

    fn update(&mut self, affected: Affected) -> Delta {
        let inputs = Inputs {
            southbound: &self.cloud.sb,
            node: &self.cloud.node,
            options: &self.cloud.options,
        };
        let delta = self.standing.update(inputs, affected);
        let fresh = self.decide();
        let mut kept: Vec<_> = self.standing.exposures().cloned().collect();
        kept.sort();
        assert_eq!(kept, fresh.exposures);
        assert_eq!(*self.standing.tenants(), fresh.tenants);
        delta
    }

    /// What is exposed, with where it leads, checked to be the standing exposures too.
    fn exposed(&mut self) -> Vec<String> {
        self.delta();
        let shown = |e: &Arc<Exposure>| {
            let next_hop = e.next_hop.or(e.via).unwrap();
            format!("{} {next_hop}", e.prefix)
        };
        self.decide().exposures.iter().map(shown).collect()
    }

    fn exposure(&self, prefix: &str) -> Arc<Exposure> {
        let decision = self.decide();
        let mut found = decision.exposures.iter();
        let found = found.find(|e| e.prefix.to_string() == prefix);
        found
            .unwrap_or_else(|| panic!("{prefix} is not exposed: {decision:#?}"))
            .clone()
    }

    fn withheld(&self, prefix: &str) -> (Code, String) {
        let decision = self.decide();
        let mut found = decision.withheld.iter();
        let found = found.find(|w| w.prefix.to_string() == prefix);
        let found = found.unwrap_or_else(|| panic!("{prefix} is not withheld: {decision:#?}"));
        (found.code, found.reason.clone())
    }
}

/// A port of a gateway router on a network, both ends: `NAME`, `NAME on NETWORK`.
fn gateway_router_port(
    router: &str,
    name: &str,
    network: &str,
    networks: &[&str],
) -> [PortBinding; 2] {
    link(router, name, network, networks).map(|end| {
        let peer = end.patch().and_then(|patch| patch.peer.clone());
        PortBinding {
            kind: BindingKind::L3Gateway { peer },
            chassis: Some(id("chassis-1")),
            ..end
        }
    })
}
