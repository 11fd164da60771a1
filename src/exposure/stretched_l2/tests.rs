//! Behaviours 161 to 167 of upstream.md section 8.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Inputs, Standing, decide};
use crate::config::ExposeRule;
use crate::exposure::southbound::tests::cloud::{
    Cloud, gateway, gateway_of, interface, link, redirect_on, scoped,
};
use crate::exposure::southbound::tests::decided::{self, Decided};
use crate::exposure::southbound::tests::histories::{Edit, apply, edit, start};
use crate::exposure::{Code, Decision, Delta, Exposure, Kind, Policy};
use crate::ovn::southbound::Affected;
use crate::route_settings::RouteSettings;

const NETWORKS: [&str; 2] = ["172.24.4.146/24", "2001:db8:4::146/64"];
const NOTHING: [&str; 0] = [];
const V4: [&str; 2] = ["10.0.0.0/24", "172.24.4.0/24"];

/// A cloud with a router, and this driver's standing decisions.
type Stretched = Decided<Standing>;

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
}

fn inputs(cloud: &Cloud) -> Inputs<'_> {
    Inputs {
        southbound: &cloud.sb,
        options: &cloud.options,
    }
}

impl Stretched {
    fn new() -> Self {
        Self::of(Cloud::with_tenant())
    }

    fn exposed(&mut self) -> Vec<String> {
        self.exposed_as(|e| e.prefix.to_string())
    }
}

#[test]
fn b161_networks_behind_a_gateway_have_its_address_as_next_hop() {
    let mut stretched = Stretched::new();
    assert_eq!(stretched.exposed(), V4);
    let behind = stretched.exposure("10.0.0.0/24");
    assert_eq!((behind.kind, &*behind.port), (Kind::L2Subnet, "lrp-1"));
    assert_eq!(behind.next_hop, Some("172.24.4.146".parse().unwrap()));
    assert_eq!(
        (&behind.attachment, behind.via),
        (&None, None),
        "nothing is wired"
    );
    stretched
        .cloud
        .put_all(interface("lrp-1", "tenant", &["fd00::1/64"]));
    assert_eq!(stretched.exposed(), ["2001:db8:4::/64", "fd00::/64"]);
    let next_hop = stretched.exposure("fd00::/64").next_hop;
    assert_eq!(next_hop, Some("2001:db8:4::146".parse().unwrap()));
}

#[test]
fn b161_the_gateways_own_network_has_the_same_next_hop() {
    let mut stretched = Stretched::new();
    stretched.delta();
    let own = stretched.exposure("172.24.4.0/24");
    assert_eq!((own.kind, &*own.port), (Kind::L2Subnet, "lrp-gw"));
    assert_eq!(own.next_hop, Some("172.24.4.146".parse().unwrap()));
}

#[test]
fn b161_every_chassis_says_so_without_any_mapping() {
    let mut stretched = Stretched::new();
    stretched.cloud.delete("physnet1 of provider");
    assert_eq!(stretched.exposed(), V4);
}

#[test]
fn a_network_obeys_either_end_of_its_interface_and_the_policy_file() {
    let mut stretched = Stretched::new();
    for end in ["lrp-1", "lrp-1 on tenant"] {
        stretched.cloud.say(end, &[("bgp:med", "7")]);
        stretched.delta();
        assert_eq!(stretched.exposure("10.0.0.0/24").attributes.med, Some(7));
        assert_eq!(stretched.exposure("172.24.4.0/24").attributes.med, None);
        stretched.cloud.say(end, &[("bgp:advertise", "false")]);
        stretched.delta();
        assert_eq!(stretched.withheld("10.0.0.0/24").0, Code::Policy, "{end}");
        stretched.cloud.say(end, &[]);
        assert_eq!(stretched.exposed(), V4);
    }
    let rule = ExposeRule {
        name: "tenant".into(),
        networks: Some(vec!["tenant".into()]),
        settings: RouteSettings {
            advertise: Some(false),
            ..RouteSettings::default()
        },
        ..ExposeRule::default()
    };
    stretched.cloud.options.policy = Policy {
        file: "/policy.conf".into(),
        rules: [rule].into(),
    };
    stretched.reconsider();
    assert_eq!(stretched.exposed(), ["172.24.4.0/24"]);
}

#[test]
fn b162_looking_again_changes_nothing_and_what_is_stale_goes() {
    let mut stretched = Stretched::new();
    assert_eq!(stretched.delta().added.len(), 2);
    assert!(stretched.reconsider().is_empty());
    stretched.cloud.delete("cr-lrp-gw");
    assert_eq!(stretched.delta().removed.len(), 2);
    assert!(stretched.reconsider().is_empty());
}

#[test]
fn b163_a_gateway_that_moves_changes_nothing() {
    let mut stretched = Stretched::new();
    stretched.delta();
    stretched
        .cloud
        .put(redirect_on(Some("chassis-2"), &NETWORKS));
    assert!(stretched.delta().is_empty());
    stretched.cloud.put(redirect_on(None, &NETWORKS));
    assert_eq!(stretched.delta().removed.len(), 2);
    assert_eq!(stretched.withheld("10.0.0.0/24").0, Code::NotBound);
}

#[test]
fn b164_networks_that_an_interface_gains_and_loses_are_followed() {
    let mut stretched = Stretched::new();
    stretched.delta();
    stretched.cloud.put_all(interface(
        "lrp-1",
        "tenant",
        &["10.0.0.1/24", "10.0.1.1/24"],
    ));
    assert_eq!(stretched.delta().added.len(), 1);
    stretched
        .cloud
        .put_all(interface("lrp-1", "tenant", &["10.0.1.1/24"]));
    assert_eq!(stretched.exposed(), ["10.0.1.0/24", "172.24.4.0/24"]);
    stretched.cloud.delete("lrp-1 on tenant");
    assert_eq!(stretched.delta().removed.len(), 2);
}

#[test]
fn b165_the_gateways_own_network_stays_while_another_router_needs_it() {
    let mut stretched = Stretched::new();
    let cloud = &mut stretched.cloud;
    cloud.datapath("router-2", true);
    cloud.put_all(gateway_of(
        "router-2",
        "lrp-gw-2",
        "provider",
        &["172.24.4.147/24"],
    ));
    cloud.put_all(link("router-2", "lrp-2", "other", &["10.0.2.1/24"]));
    let own = "172.24.4.0/24";
    assert_eq!(
        stretched.exposed(),
        ["10.0.0.0/24", "10.0.2.0/24", own, own]
    );
    stretched.cloud.delete("lrp-1");
    assert_eq!(stretched.exposed(), ["10.0.2.0/24", own]);
    stretched.cloud.delete("lrp-2");
    assert_eq!(stretched.exposed(), NOTHING);
}

#[test]
fn b166_the_gateways_scope_must_be_the_networks_and_in_the_list() {
    let mut stretched = Stretched::new();
    stretched.cloud.options.address_scopes = [Arc::from("s4")].into();
    let [_, _, own] = gateway("lrp-gw", &NETWORKS);
    let networks = ["10.0.0.1/24", "fd00::1/64"];
    let [lrp, behind] = interface("lrp-1", "tenant", &networks);
    stretched
        .cloud
        .put_all([lrp, scoped(behind.clone(), Some("s4"), Some("s6"))]);
    stretched
        .cloud
        .put(scoped(own.clone(), Some("s4"), Some("s6")));
    stretched.reconsider();
    assert_eq!(stretched.exposed(), V4);
    assert_eq!(stretched.withheld("fd00::/64").0, Code::AddressScope);
    stretched
        .cloud
        .put(scoped(own.clone(), Some("other"), None));
    assert_eq!(stretched.exposed(), NOTHING);
    stretched.cloud.put(scoped(own, Some("s4"), None));
    assert_eq!(stretched.exposed(), V4);
    stretched.cloud.put(scoped(behind, None, None));
    assert_eq!(stretched.exposed(), NOTHING);
    assert_eq!(stretched.withheld("10.0.0.0/24").0, Code::AddressScope);
}

#[test]
fn b167_without_gateway_or_with_its_own_address_there_is_nothing() {
    let mut stretched = Stretched::new();
    stretched
        .cloud
        .put_all(interface("lrp-1", "tenant", &["172.24.4.146/24"]));
    assert_eq!(stretched.exposed(), NOTHING);
    assert_eq!(stretched.withheld("172.24.4.0/24").0, Code::GatewayAddress);
    stretched
        .cloud
        .put_all(interface("lrp-1", "tenant", &["10.0.0.1/24"]));
    stretched
        .cloud
        .put(redirect_on(Some("chassis-1"), &["2001:db8:4::146/64"]));
    assert_eq!(stretched.exposed(), NOTHING);
    assert_eq!(stretched.withheld("10.0.0.0/24").0, Code::NoNextHop);
    stretched.cloud.delete("cr-lrp-gw");
    assert_eq!(stretched.exposed(), NOTHING);
    assert_eq!(stretched.withheld("10.0.0.0/24").0, Code::NoGateway);
}

#[test]
fn b167_a_removed_datapath_takes_its_networks_along() {
    let mut stretched = Stretched::new();
    stretched.delta();
    stretched.cloud.delete_datapath("router");
    assert_eq!(stretched.delta().removed.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn standing_exposures_equal_a_fresh_decision(edits in proptest::collection::vec(edit(), 1..60)) {
        let mut stretched = Stretched::of(start());
        for edit in edits {
            if apply(&mut stretched.cloud, &edit) {
                stretched.reconsider();
            } else if matches!(edit, Edit::Look) {
                stretched.delta();
            }
        }
        stretched.delta();
        prop_assert!(stretched.delta().is_empty());
    }
}
