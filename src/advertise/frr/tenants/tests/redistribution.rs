//! What of a table is advertised: all, or hosts behind gateways alone.

use super::*;

/// A node with the VRF of 1001 and these lines in both unicast families.
fn node_redistributing(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    let both = "  redistribute kernel\n  redistribute connected\n";
    node_with(&[]).replace(both, &lines)
}

fn of_both_families(lines: &[&str]) -> Vec<String> {
    let mut all = vec!["router bgp 64999 vrf vrf-1001"];
    for family in ["address-family ipv4 unicast", "address-family ipv6 unicast"] {
        all.push(family);
        all.extend(lines);
        all.push("exit-address-family");
    }
    all.push("exit");
    all.into_iter().map(str::to_owned).collect()
}

fn hosts() -> Tenants {
    let mut tenant = tenant(None, &[], &[]);
    tenant.redistributed = Redistributed::Hosts;
    tenants([(1001, tenant)])
}

const FILTER: [&str; 14] = [
    "ip prefix-list ovn-bgp-agent-hosts seq 5 permit 0.0.0.0/0 ge 32",
    "ip prefix-list ovn-bgp-agent-gateways seq 5 deny 0.0.0.0/32",
    "ip prefix-list ovn-bgp-agent-gateways seq 10 permit any",
    "ipv6 prefix-list ovn-bgp-agent-hosts seq 5 permit ::/0 ge 128",
    "ipv6 prefix-list ovn-bgp-agent-gateways seq 5 deny ::/128",
    "ipv6 prefix-list ovn-bgp-agent-gateways seq 10 permit any",
    "route-map ovn-bgp-agent-hosts permit 10",
    "match ip address prefix-list ovn-bgp-agent-hosts",
    "match ip next-hop prefix-list ovn-bgp-agent-gateways",
    "exit",
    "route-map ovn-bgp-agent-hosts permit 20",
    "match ipv6 address prefix-list ovn-bgp-agent-hosts",
    "match ipv6 next-hop prefix-list ovn-bgp-agent-gateways",
    "exit",
];

/// [`FILTER`] as it runs.
fn filter_text() -> String {
    let line = |line: &str| match line.strip_prefix("match") {
        Some(_) => format!(" {line}\n"),
        None => format!("{line}\n"),
    };
    FILTER.map(line).concat()
}

#[test]
fn b153_of_tenants_that_share_a_network_only_hosts_behind_gateways_are_advertised() {
    let commands = told(&hosts(), &node_redistributing(&["redistribute connected"]));
    assert_eq!(commands[..14], FILTER);
    let lines = [
        "redistribute kernel route-map ovn-bgp-agent-hosts",
        "no redistribute connected",
    ];
    assert_eq!(commands[14..], of_both_families(&lines));
    let running = node_redistributing(&lines[..1]) + &filter_text();
    assert_eq!(told(&hosts(), &running), [] as [&str; 0]);
}

#[test]
fn the_filter_goes_when_nobody_needs_it_any_more() {
    let line = "redistribute kernel route-map ovn-bgp-agent-hosts";
    let running = node_redistributing(&[line]) + &filter_text();
    let commands = told(&tenants([(1001, tenant(None, &[], &[]))]), &running);
    let lines = [
        "redistribute connected",
        "no redistribute kernel",
        "redistribute kernel",
    ];
    let router = of_both_families(&lines);
    assert_eq!(commands[..router.len()], router);
    let rest = &commands[router.len()..];
    assert_eq!(rest[0], "no route-map ovn-bgp-agent-hosts permit 10");
    assert_eq!(
        rest[2],
        "no ip prefix-list ovn-bgp-agent-hosts seq 5 permit 0.0.0.0/0 ge 32"
    );
    assert_eq!(rest.len(), 8);
    let gone = told(&tenants([]), &running);
    assert_eq!(
        gone[..4],
        [
            "vrf vrf-1001",
            "no vni 1001",
            "exit",
            "no router bgp 64999 vrf vrf-1001"
        ]
    );
    assert_eq!(gone[4..], *rest);
}

#[test]
fn a_route_map_of_the_operators_stays() {
    let lines = [
        "redistribute kernel route-map theirs",
        "redistribute connected metric 5",
    ];
    let wanted = tenants([(1001, tenant(None, &[], &[]))]);
    assert_eq!(told(&wanted, &node_redistributing(&lines)), [] as [&str; 0]);
}

const POLICY: [&str; 6] = [
    "ip prefix-list ovn-bgp-agent-policy-vni-1001-1 seq 1 permit 172.24.4.10/32",
    "route-map ovn-bgp-agent-policy-vni-1001 permit 1",
    "match ip address prefix-list ovn-bgp-agent-policy-vni-1001-1",
    "set metric 50",
    "exit",
    "route-map ovn-bgp-agent-policy-vni-1001 permit 65534",
];

fn with_policy(mut tenants: Tenants) -> Tenants {
    for tenant in tenants.tenants.values_mut() {
        let attributes = exposure::Attributes {
            med: Some(50),
            ..Default::default()
        };
        let prefix = "172.24.4.10/32".parse().unwrap();
        tenant.attributes.add(prefix, &attributes);
    }
    tenants
}

#[test]
fn a_tenants_policies_are_a_map_of_its_own() {
    let wanted = with_policy(tenants([(1001, tenant(None, &[], &[]))]));
    let running = node_redistributing(&["redistribute connected", "redistribute kernel"]);
    let commands = told(&wanted, &running);
    assert_eq!(commands[..5], POLICY[..5]);
    let lines = ["connected", "kernel"]
        .map(|what| format!("redistribute {what} route-map ovn-bgp-agent-policy-vni-1001"));
    let lines = lines.each_ref().map(String::as_str);
    let router = of_both_families(&lines);
    assert_eq!(commands[commands.len() - router.len()..], router);
    let map = "route-map ovn-bgp-agent-policy-vni-1001 permit 1\n match ip address prefix-list \
        ovn-bgp-agent-policy-vni-1001-1\n set metric 50\nexit\nroute-map ovn-bgp-agent-policy-vni-1001 permit 65535\nexit\n";
    let running = format!("{}{map}{}\n", node_redistributing(&lines), POLICY[0]);
    assert_eq!(told(&wanted, &running), [""; 0]);
    let removal = [
        "no route-map ovn-bgp-agent-policy-vni-1001",
        "no ip prefix-list ovn-bgp-agent-policy-vni-1001-1",
    ];
    let without = told(&tenants([(1001, tenant(None, &[], &[]))]), &running);
    assert_eq!(without[without.len() - 2..], removal);
    let gone = told(&tenants([]), &running);
    assert_eq!(gone[3], "no router bgp 64999 vrf vrf-1001");
    assert_eq!(gone[4..], removal);
}

#[test]
fn where_hosts_alone_are_advertised_policies_let_no_more_pass() {
    let commands = told(&with_policy(hosts()), &node_redistributing(&[]));
    let map = &commands[14..];
    assert_eq!(map[..6], POLICY);
    let last = [
        "match ip address prefix-list ovn-bgp-agent-hosts",
        "match ip next-hop prefix-list ovn-bgp-agent-gateways",
    ];
    assert_eq!(map[6..8], last);
    let line = "redistribute kernel route-map ovn-bgp-agent-policy-vni-1001";
    let router = of_both_families(&[line]);
    assert_eq!(commands[commands.len() - router.len()..], router);
}

#[test]
fn lines_of_others_stay_and_the_attributes_do_not_pass() {
    let lines = [
        "redistribute kernel route-map theirs",
        "redistribute connected metric 5",
    ];
    let running = node_redistributing(&lines);
    let wanted = with_policy(tenants([(1001, tenant(None, &[], &[]))]));
    assert_eq!(told(&wanted, &running), [""; 0]);
    let said = wanted.complete(&Running::parse(&running)).unwrap_err();
    let said = said.to_string();
    assert!(
        said.contains("'redistribute kernel route-map theirs' (ipv4 unicast)"),
        "{said}"
    );
}
