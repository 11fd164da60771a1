//! What rows and the policy file say of routes, by the Northbound database.

use super::cloud::{Cloud, balancer, fip, gateway, vip_port, vm};
use crate::config::{ExposeRule, TenantAdvertisement};
use crate::exposure::{Code, Kind, Policy};
use crate::ovn::northbound::{Fip, FipMode, SwitchPort};
use crate::route_settings::RouteSettings;

/// Policy files: none, and some.
pub(super) fn of(number: usize) -> Policy {
    let rule = |name: &str| ExposeRule {
        name: name.into(),
        ..ExposeRule::default()
    };
    let med = |med| RouteSettings {
        med: Some(med),
        ..RouteSettings::default()
    };
    let never = RouteSettings {
        advertise: Some(false),
        ..RouteSettings::default()
    };
    let rules = match number {
        0 => vec![],
        1 => vec![ExposeRule {
            networks: Some(vec!["tenant".into()]),
            settings: med(1),
            ..rule("tenant")
        }],
        2 => vec![ExposeRule {
            routers: Some(vec!["router".into()]),
            kinds: Some(vec![Kind::Fip, Kind::Subnet]),
            overrides: true,
            settings: never,
            ..rule("never")
        }],
        _ => vec![
            ExposeRule {
                cidrs: Some(vec!["172.24.4.0/24".parse().unwrap()]),
                overrides: true,
                settings: med(2),
                ..rule("provider")
            },
            ExposeRule {
                ports: Some(vec!["p0".into()]),
                settings: never,
                ..rule("p0")
            },
        ],
    };
    Policy {
        file: "/policy.conf".into(),
        rules: rules.into(),
    }
}

const NEVER: &[(&str, &str)] = &[("bgp:advertise", "false")];

#[test]
fn a_port_that_says_no_is_withheld_and_the_row_named() {
    let mut cloud = Cloud::new();
    cloud.port(vm("p", "provider", &["172.24.4.10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    cloud.say("p", NEVER);
    assert_eq!(cloud.exposed(), [""; 0]);
    let (code, why) = cloud.withheld("172.24.4.10/32");
    assert_eq!(code, Code::Policy);
    assert_eq!(
        why,
        "Logical_Switch_Port p external_ids:bgp:advertise is false"
    );
    cloud.say("p", &[]);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

#[test]
fn a_change_of_one_port_concerns_its_address_alone() {
    let mut cloud = Cloud::new();
    cloud.port(vm("p", "provider", &["172.24.4.10"]));
    cloud.port(vm("q", "provider", &["172.24.4.11"]));
    cloud.delta();
    cloud.say("p", &[("bgp:med", "7")]);
    let delta = cloud.delta();
    assert_eq!((delta.removed.len(), delta.added.len()), (1, 1));
    assert_eq!(delta.added[0].attributes.med, Some(7));
    assert_eq!(delta.removed[0].prefix, delta.added[0].prefix);
}

#[test]
fn what_a_network_says_its_ports_inherit_unless_they_say_otherwise() {
    let mut cloud = Cloud::new();
    cloud.port(vm("p", "provider", &["172.24.4.10"]));
    cloud.say("provider", &[("bgp:med", "7"), ("bgp:local-pref", "50")]);
    cloud.say("p", &[("bgp:med", "8")]);
    cloud.delta();
    let attributes = cloud.exposure("172.24.4.10/32").attributes.clone();
    assert_eq!((attributes.med, attributes.local_pref), (Some(8), Some(50)));
    assert_eq!(
        attributes.rule.as_deref(),
        Some(
            "Logical_Switch provider external_ids:bgp:local-pref; Logical_Switch_Port p external_ids:bgp:med"
        )
    );
    cloud.say("provider", NEVER);
    assert_eq!(cloud.exposed(), [""; 0]);
    cloud.say("p", &[("bgp:advertise", "true")]);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

#[test]
fn true_exposes_nothing_that_the_options_do_not() {
    let mut cloud = Cloud::routed();
    cloud.options.tenants = crate::exposure::TenantExposure::Nothing;
    cloud.port(vm("p", "tenant", &["10.0.0.5"]));
    cloud.say("p", &[("bgp:advertise", "true")]);
    assert_eq!(
        cloud.withheld("10.0.0.5/32").0,
        Code::TenantNetworksDisabled
    );
}

#[test]
fn a_floating_ip_obeys_its_own_row_then_the_vms_port_then_its_network_then_the_router() {
    let mut cloud = Cloud::routed();
    cloud.port(vm("p", "tenant", &["10.0.0.5"]));
    cloud.nat(fip("172.24.4.100", "p"));
    cloud.router(true, &["lrp-gw", "lrp-if"], &["172.24.4.100"]);
    let med = |cloud: &mut Cloud| {
        cloud.delta();
        cloud.exposure("172.24.4.100/32").attributes.med
    };
    for (speaker, value) in [
        ("router", "1"),
        ("provider", "2"),
        ("p", "3"),
        ("172.24.4.100", "4"),
    ] {
        cloud.say(speaker, &[("bgp:med", value)]);
        assert_eq!(med(&mut cloud), value.parse().ok(), "{speaker}");
    }
    // The network behind it is of the VM's own address.
    cloud.say("172.24.4.100", &[]);
    cloud.say("p", &[]);
    cloud.say("tenant", &[("bgp:med", "9")]);
    assert_eq!(med(&mut cloud), Some(2));
    assert_eq!(cloud.exposure("10.0.0.5/32").attributes.med, Some(9));
    cloud.say("tenant", NEVER);
    cloud.delta();
    assert_eq!(cloud.withheld("10.0.0.5/32").0, Code::Policy);
    assert_eq!(med(&mut cloud), Some(2));
}

#[test]
fn a_floating_ip_on_the_gateway_obeys_the_same() {
    let mut cloud = Cloud::routed();
    cloud.fip_mode(FipMode::Centralised);
    cloud.port(SwitchPort {
        requested_chassis: vec!["host-2".into()],
        ..vm("p", "tenant", &["10.0.0.5"])
    });
    cloud.nat(fip("172.24.4.100", "p"));
    cloud.router(true, &["lrp-gw", "lrp-if"], &["172.24.4.100"]);
    cloud.say("p", NEVER);
    cloud.delta();
    assert_eq!(cloud.withheld("172.24.4.100/32").0, Code::Policy);
    cloud.say("172.24.4.100", &[("bgp:advertise", "true")]);
    cloud.delta();
    cloud.exposure("172.24.4.100/32");
}

#[test]
fn what_a_gateways_port_says_concerns_its_own_addresses_and_no_floating_ip() {
    let mut cloud = Cloud::routed();
    cloud.nat(Fip {
        logical_port: None,
        ..fip("172.24.4.100", "p")
    });
    cloud.router(true, &["lrp-gw", "lrp-if"], &["172.24.4.100"]);
    cloud.say("lrp-gw", NEVER);
    assert_eq!(cloud.exposed(), ["172.24.4.100/32"]);
    cloud.say("router", NEVER);
    assert_eq!(cloud.exposed(), [""; 0]);
    let (_, why) = cloud.withheld("172.24.4.100/32");
    assert_eq!(
        why,
        "Logical_Router neutron-router external_ids:bgp:advertise is false"
    );
    cloud.router_port(gateway("lrp-gw", &["172.24.4.146/24"]));
    cloud.say("lrp-gw", &[("bgp:advertise", "true")]);
    assert_eq!(cloud.exposed(), ["172.24.4.146/32"]);
}

#[test]
fn a_subnet_obeys_its_interface_its_network_and_its_router() {
    let mut cloud = Cloud::routed();
    cloud.options.advertisement = TenantAdvertisement::Subnet;
    for speaker in ["router", "tenant", "lrp-if", "if"] {
        cloud.say(speaker, NEVER);
        cloud.delta();
        assert_eq!(cloud.withheld("10.0.0.0/24").0, Code::Policy, "{speaker}");
        cloud.say(speaker, &[]);
        cloud.delta();
        cloud.exposure("10.0.0.0/24");
    }
}

#[test]
fn a_vip_obeys_any_row_of_its_load_balancer_then_its_port() {
    let mut cloud = Cloud::routed();
    cloud.port(vip_port("vip-port", "tenant"));
    cloud.balancer(balancer("tcp", &[("10.0.0.50", &[])]));
    cloud.balancer(balancer("udp", &[("10.0.0.50", &[])]));
    cloud.say("vip-port", &[("bgp:med", "1"), ("bgp:local-pref", "1")]);
    cloud.say("udp", &[("bgp:med", "2")]);
    cloud.delta();
    let decision = cloud.decide();
    let vips: Vec<_> = decision
        .exposures
        .iter()
        .filter(|e| e.kind == Kind::LbVip)
        .collect();
    assert_eq!(vips.len(), 2, "one for each row");
    for vip in vips {
        assert_eq!(
            (vip.attributes.med, vip.attributes.local_pref),
            (Some(2), Some(1))
        );
    }
    cloud.say("udp", NEVER);
    cloud.delta();
    assert_eq!(cloud.withheld("10.0.0.50/32").0, Code::Policy);
}

#[test]
fn the_policy_file_yields_to_rows_unless_it_overrides() {
    let mut cloud = Cloud::routed();
    cloud.port(vm("p0", "tenant", &["10.0.0.5"]));
    cloud.options.policy = of(1);
    cloud.delta();
    let exposure = cloud.exposure("10.0.0.5/32");
    assert_eq!(exposure.attributes.med, Some(1));
    let rule = exposure.attributes.rule.as_deref();
    assert_eq!(rule, Some("[expose tenant] med of /policy.conf"));
    cloud.say("router", &[("bgp:med", "9")]);
    cloud.delta();
    assert_eq!(cloud.exposure("10.0.0.5/32").attributes.med, Some(9));
    cloud.options.policy = of(3);
    cloud.say("lrp-gw", &[("bgp:med", "9")]);
    cloud.delta();
    assert_eq!(cloud.exposure("172.24.4.146/32").attributes.med, Some(2));
    let (code, why) = cloud.withheld("10.0.0.5/32");
    assert_eq!(code, Code::Policy);
    assert_eq!(why, "[expose p0] advertise of /policy.conf is false");
    cloud.say("p0", &[("bgp:advertise", "true")]);
    cloud.delta();
    cloud.exposure("10.0.0.5/32");
}
