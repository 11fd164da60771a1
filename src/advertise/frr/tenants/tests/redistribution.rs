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
