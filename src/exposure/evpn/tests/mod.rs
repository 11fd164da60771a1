//! Behaviours 153 to 158, as far as they are exposure.

mod histories;
mod hosts;
mod tenants;

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::evpn::Vni;

use crate::exposure::southbound::tests::cloud::{
    Cloud, gateway_of, id, interface, link, localnet, vm,
};
use crate::exposure::southbound::tests::decided::{self, Decided};
use crate::exposure::{Code, Decision, Delta, Exposure, Tenant};
use crate::ovn::southbound::{Affected, PortBinding};

use super::{Inputs, Standing, decide};

const NETWORKS: [&str; 2] = ["172.24.4.146/24", "2001:db8:4::146/64"];
/// The switches' ends of the router's gateway and interface.
const GATEWAY_PORT: &str = "lrp-gw on provider";
const INTERFACE_PORT: &str = "lrp-1 on tenant";

/// A cloud and this driver's standing decisions.
pub(super) type Node = Decided<Standing>;

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
    /// `router` is of VNI 77 and AS 65000: gateway `lrp-gw` on chassis-1, interface `lrp-1` (10.0.0.1/24, fd00::1/64) on
    /// `tenant`, on which `vm` (10.0.0.5, fd00::5) is, up on chassis-2. Tenant networks are not exposed by any option.
    fn new() -> Self {
        let mut cloud = Cloud::new();
        cloud.put_all(gateway_of("router", "lrp-gw", "provider", &NETWORKS));
        cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24", "fd00::1/64"]));
        cloud.put(PortBinding {
            chassis: Some(id("chassis-2")),
            ..vm("vm", "tenant", &["10.0.0.5", "fd00::5"])
        });
        let mut node = Self::of(cloud);
        node.join(GATEWAY_PORT, "77", "65000");
        node.join(INTERFACE_PORT, "77", "65000");
        node
    }

    /// The same, with `router-2` of another VNI: `lrp-gw-2` (172.24.4.147) and `lrp-2` (10.0.0.1/24) on `other`, where
    /// `vm-2` is (10.0.0.5).
    fn with_other(vni: &str, asn: &str) -> Self {
        let mut node = Self::new();
        let cloud = &mut node.cloud;
        cloud.datapath("other", false);
        cloud.datapath("router-2", true);
        let networks = ["172.24.4.147/24"];
        cloud.put_all(gateway_of("router-2", "lrp-gw-2", "provider", &networks));
        cloud.put_all(link("router-2", "lrp-2", "other", &["10.0.0.1/24"]));
        cloud.put(vm("vm-2", "other", &["10.0.0.5"]));
        node.join("lrp-gw-2 on provider", vni, asn);
        node.join("lrp-2 on other", vni, asn);
        node
    }

    fn join(&mut self, port: &str, vni: &str, asn: &str) {
        self.cloud.join(port, Some(vni), Some(asn));
    }

    fn vlan(&mut self, vlan: u16) {
        self.cloud.put(localnet("provider", "physnet1", Some(vlan)));
    }

    /// What is exposed, with its VNI.
    fn exposed(&mut self) -> Vec<String> {
        let shown = |e: &Exposure| format!("{} {}", e.vni.unwrap_or_default(), e.prefix);
        let mut exposed = self.exposed_as(shown);
        exposed.sort();
        exposed
    }
}
