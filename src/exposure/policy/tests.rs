//! Conditions and precedence, without a database.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;

use super::{Policy, Subject};
use crate::config::ExposeRule;
use crate::exposure::{Attributes, Exposure, Kind, Reason};
use crate::ovn::Annotations;
use crate::route_settings::RouteSettings;

fn exposure(prefix: &str, kind: Kind) -> Exposure {
    Exposure {
        prefix: prefix.parse().unwrap(),
        kind,
        port: "p".into(),
        network: "neutron-n".into(),
        attachment: None,
        vni: None,
        layer: crate::exposure::Layer::default(),
        via: None,
        subnet: None,
        next_hop: None,
        mac: None,
        proxied: Arc::from([]),
        attributes: Attributes::default(),
        reason: Reason::PortHere {
            port: "p".into(),
            host: "host-1".into(),
        },
    }
}

fn subject<'a>() -> Subject<'a> {
    Subject {
        objects: Vec::new(),
        port: Some("p".into()),
        network: Some("neutron-n".into()),
        router: None,
        project: Some("gold".into()),
    }
}

fn med(name: &str, med: u32) -> ExposeRule {
    ExposeRule {
        name: name.into(),
        settings: RouteSettings {
            med: Some(med),
            ..RouteSettings::default()
        },
        ..ExposeRule::default()
    }
}

fn policy(rules: Vec<ExposeRule>) -> Policy {
    Policy {
        file: "/policy.conf".into(),
        rules: rules.into(),
    }
}

/// The MED that one rule gives the address of a port.
fn given(rule: ExposeRule) -> Option<u32> {
    let exposure = exposure("172.24.4.10/32", Kind::Provider);
    policy(vec![rule]).judge(&exposure, &subject()).unwrap().med
}

fn list(name: &str) -> Option<Vec<String>> {
    Some(vec!["other".into(), name.into()])
}

#[test]
fn a_rule_without_conditions_holds_for_everything() {
    assert_eq!(given(med("all", 1)), Some(1));
}

#[test]
fn one_of_the_names_in_a_list_is_enough_with_neutrons_prefix_or_without() {
    for names in ["n", "neutron-n"] {
        let networks = list(names);
        assert_eq!(
            given(ExposeRule {
                networks,
                ..med("x", 1)
            }),
            Some(1)
        );
    }
    let ports = list("p");
    assert_eq!(
        given(ExposeRule {
            ports,
            ..med("x", 1)
        }),
        Some(1)
    );
    let projects = list("silver");
    assert_eq!(
        given(ExposeRule {
            projects,
            ..med("x", 1)
        }),
        None
    );
}

#[test]
fn all_conditions_must_hold() {
    let both = |projects| ExposeRule {
        networks: list("n"),
        projects: list(projects),
        ..med("x", 1)
    };
    assert_eq!(given(both("gold")), Some(1));
    assert_eq!(given(both("silver")), None);
}

#[test]
fn a_condition_on_what_nobody_knows_does_not_hold() {
    let routers = list("r");
    assert_eq!(
        given(ExposeRule {
            routers,
            ..med("x", 1)
        }),
        None
    );
    let routers = Some(vec![]);
    assert_eq!(
        given(ExposeRule {
            routers,
            ..med("x", 1)
        }),
        None
    );
}

#[test]
fn the_prefix_must_be_inside_one_of_the_cidrs() {
    let within = |cidrs: &[&str]| ExposeRule {
        cidrs: Some(cidrs.iter().map(|c| c.parse().unwrap()).collect()),
        ..med("x", 1)
    };
    assert_eq!(given(within(&["10.0.0.0/8", "172.24.4.0/24"])), Some(1));
    assert_eq!(given(within(&["172.24.4.10/32"])), Some(1));
    assert_eq!(given(within(&["2001:db8::/32", "172.24.5.0/24"])), None);
    assert_eq!(given(within(&[])), None);
    let subnet = exposure("10.0.0.0/16", Kind::Subnet);
    let rules = policy(vec![within(&["10.0.0.0/24"])]);
    assert_eq!(rules.judge(&subnet, &subject()).unwrap().med, None);
}

#[test]
fn the_first_rule_that_says_something_of_a_setting_wins() {
    let pref = ExposeRule {
        settings: RouteSettings {
            local_pref: Some(7),
            ..RouteSettings::default()
        },
        ..med("pref", 0)
    };
    let rules = policy(vec![pref, med("first", 1), med("second", 2)]);
    let exposure = exposure("172.24.4.10/32", Kind::Provider);
    let attributes = rules.judge(&exposure, &subject()).unwrap();
    assert_eq!((attributes.local_pref, attributes.med), (Some(7), Some(1)));
    let rule = attributes.rule.unwrap();
    assert_eq!(
        &*rule,
        "[expose pref] local_pref of /policy.conf; [expose first] med of /policy.conf"
    );
}

#[test]
fn an_empty_list_of_communities_takes_inherited_ones_away() {
    let none = Annotations::of_external_ids([("bgp:communities", "")]);
    let some = Annotations::of_external_ids([("bgp:communities", "65000:1")]);
    let mut subject = subject();
    subject.object("Logical_Switch_Port", "p", &none);
    subject.object("Logical_Switch", "n", &some);
    let exposure = exposure("172.24.4.10/32", Kind::Provider);
    let attributes = Policy::default().judge(&exposure, &subject).unwrap();
    assert_eq!(attributes.communities, None);
}

/// What sources say of the MED, from the most to the least telling.
fn sources() -> impl Strategy<Value = [Vec<Option<u32>>; 3]> {
    let some = || proptest::collection::vec(proptest::option::of(0..9u32), 0..4);
    [some(), some(), some()]
}

proptest! {
    #[test]
    fn overriding_rules_win_over_rows_and_rows_over_the_other_rules(
        [overriding, rows, others] in sources(),
        interleave in any::<u8>(),
    ) {
        let rule = |overrides| move |value: &Option<u32>| ExposeRule {
            overrides,
            settings: RouteSettings { med: *value, ..RouteSettings::default() },
            ..ExposeRule::default()
        };
        let (mut first, mut second) = (overriding.iter().map(rule(true)), others.iter().map(rule(false)));
        // How the two kinds are mixed in the file says nothing.
        let mut rules = Vec::new();
        for bit in 0..8 {
            rules.extend(if interleave >> bit & 1 == 1 { first.next() } else { second.next() });
        }
        rules.extend(first.chain(second));
        let said: Vec<_> = rows
            .iter()
            .map(|value| value.map(|v| v.to_string()).unwrap_or_default())
            .map(|text| Annotations::of_external_ids((!text.is_empty()).then_some(("bgp:med", &*text))))
            .collect();
        let mut subject = subject();
        for said in &said {
            subject.object("NAT", "n", said);
        }
        let prefix = IpNet::V4(Ipv4Net::from(Ipv4Addr::new(172, 24, 4, 10)));
        let exposure = Exposure { prefix, ..exposure("::/0", Kind::Fip) };
        let attributes = policy(rules).judge(&exposure, &subject).unwrap();
        let expected = overriding.iter().chain(&rows).chain(&others).flatten().next();
        prop_assert_eq!(attributes.med.as_ref(), expected);
        prop_assert_eq!(attributes.rule.is_some(), expected.is_some());
    }
}
