mod advertising;
mod bridged;
mod redistribution;

use super::*;
use crate::router_advertisement::Assignment;

/// FRR 10.3 with the Python agent's lines of the NB driver, method vrf.
const PYTHON: &str = include_str!("../../../../../tests/fixtures/golden/frr_tenants/vtysh-run.txt");

const NODE: &str = "router bgp 64999\n bgp router-id 172.30.1.1\n !\n address-family l2vpn evpn\n  \
    advertise-all-vni\n exit-address-family\nexit\n!\n";

fn tenant(rd: Option<&str>, import: &[&str], export: &[&str]) -> Tenant {
    let targets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Tenant {
        asn: 64999,
        rd: rd.map(|rd| rd.parse().unwrap()),
        import: targets(import),
        export: targets(export),
        redistributed: Redistributed::Everything,
        attributes: Attributed::default(),
    }
}

fn tenants(tenants: impl IntoIterator<Item = (u32, Tenant)>) -> Tenants {
    Tenants {
        asn: 64999,
        tenants: tenants.into_iter().collect(),
        ..Tenants::default()
    }
}

fn advertising(device: &str, prefixes: &[(&str, Assignment)], servers: &[&str]) -> Tenants {
    let advertisement = Advertisement {
        source: None,
        prefixes: prefixes
            .iter()
            .map(|(p, a)| (p.parse().unwrap(), *a))
            .collect(),
        dns_servers: servers
            .iter()
            .map(|server| server.parse().unwrap())
            .collect(),
    };
    Tenants {
        advertisements: BTreeMap::from([(device.into(), advertisement)]),
        ..tenants([])
    }
}

/// What is told an FRR whose VRFs are all the kernel's.
fn told(wanted: &Tenants, running: &str) -> Vec<String> {
    let running = Running::parse(running);
    let active = running.vrfs().map(|(name, _)| name.to_owned()).collect();
    let difference = wanted.difference(&running, &active).unwrap();
    assert_eq!(difference.problems, []);
    difference.commands
}

/// A node with a VRF and these lines below `address-family l2vpn evpn`.
fn node_with(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!(
        "{NODE}vrf vrf-1001\n vni 1001\nexit-vrf\n!\nrouter bgp 64999 vrf vrf-1001\n !\n \
         address-family ipv4 unicast\n  redistribute kernel\n  redistribute connected\n exit-address-family\n !\n \
         address-family ipv6 unicast\n  redistribute kernel\n  redistribute connected\n exit-address-family\n !\n \
         address-family l2vpn evpn\n  advertise ipv4 unicast\n  advertise ipv6 unicast\n{lines} exit-address-family\nexit\n!\n"
    )
}

fn below_evpn(lines: &[&str]) -> Vec<String> {
    let around = ["router bgp 64999 vrf vrf-1001", "address-family l2vpn evpn"];
    let end = ["exit-address-family", "exit"];
    let all = around.iter().chain(lines).chain(&end);
    all.map(|line| (*line).to_owned()).collect()
}

#[test]
fn what_the_python_agent_left_needs_nothing() {
    let wanted = tenants([(1001, tenant(Some("172.30.1.1:1001"), &[], &[]))]);
    assert_eq!(told(&wanted, PYTHON), [] as [&str; 0]);
    assert_eq!(wanted.complete(&Running::parse(PYTHON)), Ok(()));
}

#[test]
fn b111_b112_a_new_vni_gets_its_vrf_and_its_instance() {
    let wanted = tenants([(
        1001,
        tenant(
            Some("172.30.1.1:1001"),
            &["65000:7", "64999:1001"],
            &["64999:1001"],
        ),
    )]);
    let expected = [
        "vrf vrf-1001",
        "vni 1001",
        "exit",
        "router bgp 64999 vrf vrf-1001",
        "address-family ipv4 unicast",
        "redistribute connected",
        "redistribute kernel",
        "exit-address-family",
        "address-family ipv6 unicast",
        "redistribute connected",
        "redistribute kernel",
        "exit-address-family",
        "address-family l2vpn evpn",
        "advertise ipv4 unicast",
        "advertise ipv6 unicast",
        "rd 172.30.1.1:1001",
        "route-target import 64999:1001",
        "route-target import 65000:7",
        "route-target export 64999:1001",
        "exit-address-family",
        "exit",
    ];
    assert_eq!(told(&wanted, NODE), expected);
}

#[test]
fn b112_no_rd_and_no_route_targets_are_left_to_frr() {
    let commands = told(&tenants([(1001, tenant(None, &[], &[]))]), NODE);
    let named = |line: &&String| line.starts_with("rd ") || line.starts_with("route-target ");
    assert_eq!(commands.iter().filter(named).count(), 0, "{commands:?}");
}

#[test]
fn b112_tenants_of_the_agent_are_said_in_frrs_words() {
    let of = |change: fn(&mut exposure::Tenant), rd: Option<&str>| {
        let mut tenant = exposure::Tenant {
            vni: 1001,
            layer: exposure::Layer::Routed,
            entry: Entry::PerNetwork,
            asn: None,
            rd: None,
            import: BTreeSet::new(),
            export: BTreeSet::from(["64999:9".parse().unwrap()]),
            networks: BTreeMap::new(),
        };
        change(&mut tenant);
        Tenant::of(&tenant, 64999, rd.map(|rd| rd.parse().unwrap()))
    };
    let rd = Some("172.30.1.1:1001");
    let expected = tenant(rd, &[], &["64999:9"]);
    assert_eq!(of(|_| (), rd), expected);
    // The Python agent has FRR refuse None:1001 (upstream.md 6.3).
    assert_eq!(of(|_| (), None).rd, None);
    let shared = |t: &mut exposure::Tenant| (t.entry, t.asn) = (Entry::PerGateway, Some(65000));
    let shared = of(shared, rd);
    assert_eq!(
        (shared.redistributed, shared.asn),
        (Redistributed::Hosts, 65000)
    );
}

#[test]
fn b114_another_rd_takes_the_place_of_the_old() {
    let running = node_with(&["rd 172.30.1.1:1001"]);
    let other = tenants([(1001, tenant(Some("65000:5"), &[], &[]))]);
    assert_eq!(told(&other, &running), below_evpn(&["rd 65000:5"]));
    let none = tenants([(1001, tenant(None, &[], &[]))]);
    assert_eq!(
        told(&none, &running),
        below_evpn(&["no rd 172.30.1.1:1001"])
    );
}

#[test]
fn b114_route_targets_come_before_others_go() {
    let running = node_with(&[
        "route-target import 64999:1",
        "route-target import 64999:2",
        "route-target export 64999:1",
    ]);
    let wanted = tenants([(1001, tenant(None, &["64999:2", "64999:3"], &["64999:3"]))]);
    let expected = below_evpn(&[
        "route-target import 64999:3",
        "route-target export 64999:3",
        "no route-target import 64999:1",
        "no route-target export 64999:1",
    ]);
    assert_eq!(told(&wanted, &running), expected);
}

#[test]
fn b114_targets_for_both_are_read_as_two() {
    let running = node_with(&["route-target both 64999:1", "route-target import *:9"]);
    let same = tenants([(1001, tenant(None, &["64999:1"], &["64999:1"]))]);
    assert_eq!(
        told(&same, &running),
        below_evpn(&["no route-target import *:9"])
    );
    let import = tenants([(1001, tenant(None, &["64999:1"], &[]))]);
    let expected = [
        "no route-target import *:9",
        "no route-target export 64999:1",
    ];
    assert_eq!(told(&import, &running), below_evpn(&expected));
}

#[test]
fn targets_of_long_as_numbers_and_addresses_are_the_same_in_frrs_words() {
    let targets = ["10.0.0.1:7", "4200000000:7", "5:70000"];
    let lines = targets.map(|target| format!("route-target import {target}"));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let wanted = tenants([(1001, tenant(None, &targets, &[]))]);
    assert_eq!(told(&wanted, &node_with(&lines)), [] as [&str; 0]);
}

#[test]
fn b116_b118_a_vni_that_is_wanted_no_more_goes_its_vrf_when_the_kernel_has_none() {
    let running = Running::parse(PYTHON);
    let wanted = tenants([]);
    let expected = [
        "vrf vrf-1001",
        "no vni 1001",
        "exit",
        "no router bgp 64999 vrf vrf-1001",
        "no vrf vrf-1001",
    ];
    assert!(wanted.asks_for_vrfs(&running));
    let kernel = BTreeSet::from(["vrf-1001".to_owned()]);
    let told = |running: &Running, active: &BTreeSet<String>| {
        wanted.difference(running, active).unwrap().commands
    };
    assert_eq!(told(&running, &kernel), expected[..4]);
    assert_eq!(told(&running, &BTreeSet::new()), expected);

    let rest = Running::parse("vrf vrf-1001\nexit-vrf\n!\n");
    assert!(wanted.asks_for_vrfs(&rest));
    assert_eq!(told(&rest, &kernel), [] as [&str; 0]);
    assert_eq!(told(&rest, &BTreeSet::new()), expected[4..]);
}

#[test]
fn b115_another_vni_is_another_vrf() {
    let commands = told(&tenants([(1002, tenant(None, &[], &[]))]), PYTHON);
    assert_eq!(commands[..3], ["vrf vrf-1001", "no vni 1001", "exit"]);
    assert_eq!(commands[3], "no router bgp 64999 vrf vrf-1001");
    assert_eq!(commands[4..6], ["vrf vrf-1002", "vni 1002"]);
}

#[test]
fn what_the_operator_has_made_stays() {
    let theirs = "vrf vrf-blue\n vni 5\nexit-vrf\n!\nvrf vrf-7\n vni 8\nexit-vrf\n!\nvrf vrf-07\n vni 7\nexit-vrf\n!\n\
        vrf vrf-9\n ip route 0.0.0.0/0 192.0.2.1\nexit-vrf\n!\nvrf vrf-16777216\nexit-vrf\n!\n\
        router bgp 64999 vrf vrf-7\n neighbor 192.0.2.7 remote-as 65007\n !\n address-family ipv4 unicast\n  \
        redistribute connected\n exit-address-family\nexit\n!\nrouter bgp 64999 vrf vrf-6\n !\n \
        address-family ipv4 unicast\n  redistribute connected\n exit-address-family\nexit\n!\n\
        interface eth1\n ipv6 nd prefix 2001:db8::/64\n no ipv6 nd suppress-ra\nexit\n!\n\
        interface vrf-blue\n ipv6 nd managed-config-flag\nexit\n!\n";
    let running = format!("{NODE}{theirs}");
    assert!(!tenants([]).asks_for_vrfs(&Running::parse(&running)));
    assert_eq!(told(&tenants([]), &running), [] as [&str; 0]);
}

#[test]
fn an_instance_with_neighbours_of_the_operators_loses_our_lines_only() {
    let shared = node_with(&["rd 1.2.3.4:5"]).replace(
        "vrf vrf-1001\n !\n address-family ipv4",
        "vrf vrf-1001\n neighbor 192.0.2.7 remote-as 1\n !\n address-family ipv4",
    );
    let commands = told(&tenants([]), &shared);
    assert_eq!(
        commands[..4],
        [
            "vrf vrf-1001",
            "no vni 1001",
            "exit",
            "router bgp 64999 vrf vrf-1001"
        ]
    );
    for line in [
        "no redistribute kernel",
        "no advertise ipv6 unicast",
        "no rd 1.2.3.4:5",
    ] {
        assert!(commands.iter().any(|command| command == line), "{line}");
    }
    assert!(!commands.iter().any(|command| command.contains("neighbor")));
}

#[test]
fn b154_an_instance_of_another_as_is_made_anew_unless_it_is_the_operators() {
    let mut other = tenant(None, &[], &[]);
    other.asn = 65000;
    let wanted = tenants([(1001, other)]);
    let commands = told(&wanted, &node_with(&[]));
    let expected = [
        "vrf vrf-1001",
        "no vni 1001",
        "exit",
        "no router bgp 64999 vrf vrf-1001",
        "vrf vrf-1001",
        "vni 1001",
        "exit",
        "router bgp 65000 vrf vrf-1001",
    ];
    assert_eq!(commands[..8], expected);
    let theirs = node_with(&["default-originate ipv4"]);
    let difference = wanted
        .difference(&Running::parse(&theirs), &BTreeSet::new())
        .unwrap();
    assert_eq!(difference.commands, [] as [&str; 0]);
    let words = difference.problems[0].to_string();
    assert!(
        words.contains("router bgp 64999 vrf vrf-1001") && words.contains("AS 65000"),
        "{words}"
    );
}

#[test]
fn without_a_default_instance_nothing_is_built_and_leftovers_go() {
    let vrf = node_with(&[]).replace(NODE, "");
    let wanted = tenants([(1002, tenant(None, &[], &[]))]);
    let error = wanted
        .difference(&Running::parse(&vrf), &BTreeSet::new())
        .unwrap_err();
    assert!(
        error.to_string().contains("no 'router bgp 64999'"),
        "{error}"
    );
    assert_eq!(told(&tenants([]), &vrf).len(), 4);
}

#[test]
fn an_frr_that_advertises_no_vnis_is_named() {
    let wanted = tenants([(1001, tenant(None, &[], &[]))]);
    let without = NODE.replace("  advertise-all-vni\n", "");
    let error = wanted.complete(&Running::parse(&without)).unwrap_err();
    assert!(error.to_string().contains("advertise-all-vni"), "{error}");
    assert_eq!(wanted.complete(&Running::parse(NODE)), Ok(()));
    assert_eq!(tenants([]).complete(&Running::parse(&without)), Ok(()));
}

#[test]
fn vrfs_of_the_kernel_are_read_from_what_frr_shows() {
    let shown = "vrf vrf-1001 inactive (configured)\nvrf vrf-1002 id 7 table 1002 (configured)\nvrf bgp-vrf id 5 table 10\n";
    assert_eq!(
        active(shown),
        BTreeSet::from(["bgp-vrf".to_owned(), "vrf-1002".to_owned()])
    );
}

#[test]
fn the_log_names_what_is_changed() {
    let words = headline(&told(&tenants([(1002, tenant(None, &[], &[]))]), PYTHON));
    let expected =
        "FRR reconfiguration (action = del-vrf for vrf-1001, action = add-vrf for vrf-1002)";
    assert_eq!(words, expected);
}
