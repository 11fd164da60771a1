//! Where OVN and the node do not mean the same.

use super::*;
use crate::check::facts::Exposed;

#[test]
fn a_chassis_that_ovn_does_not_know_is_an_error() {
    let found = finding(|facts| facts.cloud.chassis = Some([("c9".into(), "h1".into())].into()));
    tells(
        &found,
        &[
            "chassis-missing",
            "Chassis c1",
            "the chassis of host h1 is c9",
        ],
    );
    nothing_with(&config(), |facts| facts.cloud.chassis = None);
}

#[test]
fn a_chassis_by_another_hostname_is_told() {
    let found = finding(|facts| facts.cloud.chassis = Some([("c1".into(), "h2".into())].into()));
    tells(&found, &["hostname-differs", "h2"]);
}

#[test]
fn ports_bound_to_another_spelling_of_our_name_are_told() {
    let bound = |hosts: &[&str]| {
        let hosts: Vec<_> = hosts.iter().map(|host| ((*host).to_owned(), 4)).collect();
        move |facts: &mut NodeFacts| facts.cloud.hosts = hosts.into_iter().collect()
    };
    let found = finding(bound(&["h1.example.org", "h2.example.org"]));
    tells(&found, &["hostname-spelling", "4 ports", "h1.example.org"]);
    tells(&finding(bound(&["H1"])), &["hostname-spelling"]);
    nothing_with(&config(), bound(&["h2.example.org"]));
    nothing_with(&config(), bound(&["h1", "h1.example.org"]));
    nothing_with(&config(), bound(&["c1"]));
}

#[test]
fn address_scopes_must_be_some_of_ovns_letter_by_letter() {
    let id = "0f2b4d1e-7a55-4d0c-9a5b-5ed6f2a9d001";
    let scoped = configured(
        &format!("expose_tenant_networks = true\naddress_scopes = {id}"),
        "",
    );
    tells(
        &finding_with(&scoped, |_| {}),
        &["address-scope-unknown", id],
    );
    nothing_with(&scoped, |facts| {
        ignore(facts.cloud.scopes.insert(id.into()))
    });
    let undashed = configured(
        &format!(
            "expose_tenant_networks = true\naddress_scopes = {}",
            id.replace('-', "")
        ),
        "",
    );
    let found = finding_with(&undashed, |facts| {
        ignore(facts.cloud.scopes.insert(id.into()))
    });
    tells(
        &found,
        &[
            "address-scope-unknown",
            &format!("write it as OVN does: {id}"),
        ],
    );
}

fn exposed(prefix: &str, subnet: &str, port: &str, way: &str) -> Exposed {
    Exposed {
        prefix: prefix.parse().unwrap(),
        subnet: Some(subnet.parse().unwrap()),
        port: port.to_owned(),
        way: way.to_owned(),
    }
}

#[test]
fn tenant_subnets_that_overlap_are_told() {
    let all = |exposed: Vec<Exposed>| move |facts: &mut NodeFacts| facts.cloud.exposed = exposed;
    let found = finding(all(vec![
        exposed("10.0.0.5/32", "10.0.0.0/24", "a", "172.24.4.10%br-ex"),
        exposed("10.0.0.130/32", "10.0.0.128/25", "b", "172.24.4.11%br-ex"),
        exposed("10.0.1.5/32", "10.0.1.0/24", "c", "172.24.4.11%br-ex"),
    ]));
    tells(
        &found,
        &[
            "overlapping-subnets",
            "10.0.0.0/24 (port a",
            "10.0.0.128/25 (port b",
        ],
    );
    // Of one router there is one way in.
    nothing_with(
        &config(),
        all(vec![
            exposed("10.0.0.5/32", "10.0.0.0/24", "a", "172.24.4.10%br-ex"),
            exposed("10.0.0.6/32", "10.0.0.0/24", "b", "172.24.4.10%br-ex"),
        ]),
    );
}

#[test]
fn an_address_for_two_ports_is_told() {
    let found = finding(|facts| {
        let way = "172.24.4.10%br-ex";
        facts.cloud.exposed = vec![
            exposed("10.0.0.5/32", "10.0.0.0/24", "a", way),
            exposed("10.0.0.5/32", "10.0.0.0/24", "b", way),
        ];
    });
    tells(&found, &["exposed-twice", "10.0.0.5/32", "a and b"]);
}

#[test]
fn of_many_overlaps_ten_are_told_one_by_one() {
    let mut facts = healthy();
    let way = |n| format!("172.24.4.{n}%br-ex");
    facts.cloud.exposed = (0..14)
        .map(|n| exposed("10.0.0.5/32", "10.0.0.0/24", "a", &way(n)))
        .collect();
    let found = node_findings(&facts, &config());
    assert_eq!(found.len(), 11, "{found:#?}");
    assert!(found[10].problem.contains("and 81 more"), "{found:#?}");
}

#[test]
fn an_unwritten_fip_mode_is_told() {
    tells(
        &finding(|facts| facts.cloud.fip_mode_unset = true),
        &["fip-mode-unset"],
    );
}
