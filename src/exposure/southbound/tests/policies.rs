//! What rows and the policy file say of routes, by the Southbound database.

use super::cloud::{Cloud, answering, vm};
use crate::config::{ExposeRule, TenantAdvertisement};
use crate::exposure::{Code, Policy};
use crate::ovn::southbound::PortBinding;
use crate::route_settings::RouteSettings;

const NEVER: &[(&str, &str)] = &[("bgp:advertise", "false")];

fn never(rule: ExposeRule) -> Policy {
    let settings = RouteSettings {
        advertise: Some(false),
        ..RouteSettings::default()
    };
    Policy {
        file: "/policy.conf".into(),
        rules: [ExposeRule {
            name: "never".into(),
            settings,
            ..rule
        }]
        .into(),
    }
}

fn names(name: &str) -> Option<Vec<String>> {
    Some(vec![name.to_owned()])
}

#[test]
fn a_port_and_its_floating_ip_obey_the_ports_binding() {
    let mut cloud = Cloud::with_tenant();
    cloud.put(vm("p", "tenant", &["10.0.0.5"]));
    cloud.put(answering(&[("172.24.4.50", Some("p"))]));
    assert_eq!(cloud.exposed_behind(), ["10.0.0.5/32", "172.24.4.50/32"]);
    cloud.say("p", &[("bgp:med", "7"), ("bgp:communities", "no-export")]);
    cloud.delta();
    for prefix in ["10.0.0.5/32", "172.24.4.50/32"] {
        let exposure = cloud.exposure(prefix);
        assert_eq!(exposure.attributes.med, Some(7), "{prefix}");
        assert_eq!(
            exposure.attributes.rule.as_deref(),
            Some(
                "Port_Binding p external_ids:bgp:communities; Port_Binding p external_ids:bgp:med"
            )
        );
    }
    cloud.say("p", NEVER);
    assert_eq!(cloud.exposed_behind(), [""; 0]);
    let (code, why) = cloud.withheld("172.24.4.50/32");
    assert_eq!(code, Code::Policy);
    assert_eq!(why, "Port_Binding p external_ids:bgp:advertise is false");
}

#[test]
fn a_gateway_obeys_its_router_port_and_floating_ips_on_it_do_not() {
    let mut cloud = Cloud::with_tenant();
    cloud.put(answering(&[("172.24.4.50", Some("cr-lrp-gw"))]));
    cloud.say("lrp-gw", NEVER);
    assert_eq!(cloud.exposed(), ["172.24.4.50/32"]);
}

#[test]
fn a_subnet_obeys_either_end_of_its_interface() {
    let mut cloud = Cloud::with_tenant();
    cloud.options.advertisement = TenantAdvertisement::Subnet;
    for end in ["lrp-1", "lrp-1 on tenant"] {
        cloud.say(end, NEVER);
        assert_eq!(cloud.exposed_behind(), [""; 0], "{end}");
        cloud.say(end, &[]);
        assert_eq!(cloud.exposed_behind(), ["10.0.0.0/24"], "{end}");
    }
}

#[test]
fn the_policy_file_knows_networks_routers_and_projects() {
    let mut cloud = Cloud::with_tenant();
    cloud.put(PortBinding {
        project: Some("gold".into()),
        ..vm("p", "tenant", &["10.0.0.5"])
    });
    cloud.put(answering(&[("172.24.4.50", Some("cr-lrp-gw"))]));
    let left = |cloud: &mut Cloud, rule: ExposeRule| {
        cloud.options.policy = never(rule);
        cloud.reconsider();
        cloud.exposed_behind()
    };
    let networks = names("tenant");
    let rule = ExposeRule {
        networks,
        ..ExposeRule::default()
    };
    assert_eq!(left(&mut cloud, rule), ["172.24.4.50/32"]);
    let rule = ExposeRule {
        networks: names("provider"),
        ..ExposeRule::default()
    };
    assert_eq!(left(&mut cloud, rule), ["10.0.0.5/32"]);
    let rule = ExposeRule {
        routers: names("router"),
        ..ExposeRule::default()
    };
    assert_eq!(left(&mut cloud, rule), [""; 0]);
    let rule = ExposeRule {
        projects: names("gold"),
        ..ExposeRule::default()
    };
    assert_eq!(left(&mut cloud, rule), ["172.24.4.50/32"]);
}
