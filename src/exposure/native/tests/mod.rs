//! Routes that northd wants advertised, in a small cloud.

mod histories;

mod routes;
mod tables;
mod tenants;
mod wired;

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::evpn::Vni;

use crate::exposure::southbound::tests::cloud::{
    Cloud, gateway_of, id, interface, link, localnet, vm,
};
use crate::exposure::southbound::tests::decided::{self, Decided};
use crate::exposure::{Code, Decision, Delta, Exposure, Tenant};
use crate::ovn::southbound::{Affected, BindingKind, PortBinding};

use super::{Devices, Inputs, Learning, Lessons, Standing, Teacher, decide, learning};

const NETWORKS: [&str; 2] = ["172.24.4.146/24", "2001:db8:4::146/64"];
const ENABLED: (&str, &str) = ("dynamic-routing", "true");

/// A cloud and this driver's standing decisions.
type Node = Decided<Standing>;

impl decided::Standing for Standing {
    fn decide(cloud: &Cloud) -> Decision {
        decide(inputs(cloud))
    }

    fn update(&mut self, cloud: &Cloud, affected: Affected) -> Delta {
        self.update(inputs(cloud), affected)
    }

    fn exposures(&self) -> Vec<Arc<Exposure>> {
        self.exposures().cloned().collect()
    }

    fn tenants(&self) -> BTreeMap<Vni, Arc<Tenant>> {
        self.tenants().clone()
    }
}

fn inputs(cloud: &Cloud) -> Inputs<'_> {
    Inputs {
        southbound: &cloud.sb,
        node: &cloud.node,
        options: &cloud.options,
    }
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
        Self::of(cloud)
    }

    fn redirect_on(&mut self, chassis: Option<&str>) {
        let [redirect, ..] = gateway_of("router", "lrp-gw", "provider", &NETWORKS);
        self.cloud.put(PortBinding {
            chassis: chassis.map(id),
            ..redirect
        });
    }

    /// What is exposed, with where it leads.
    fn exposed(&mut self) -> Vec<String> {
        self.exposed_as(|e| {
            let next_hop = e.next_hop.or(e.via).unwrap();
            format!("{} {next_hop}", e.prefix)
        })
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
