//! The speaker's part of bgp-agent.conf: groups, lists, policies, profiles, and what falls back to what.

use std::path::PathBuf;
use std::time::Duration;

use bgp::wire::{Asn, Community};
use bgp::{AllowAsIn, Filters, LocalAs, Match, Set};
use ovn_bgp_agent::config::{
    Config, Endpoint, EvpnKind, Input, Loaded, Neighbour, RemoteAs, Secret, Severity, Ttl,
};

/// What every file here begins with: 2 lines.
const START: &str = "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n";

fn read(text: &str) -> Loaded {
    Loaded::read(&Input {
        files: vec![(PathBuf::from("a.conf"), format!("{START}{text}"))],
        ..Input::default()
    })
}

fn accepted(text: &str) -> Config {
    let loaded = read(text);
    assert!(loaded.problems.is_empty(), "{:#?}", loaded.problems);
    loaded.config
}

fn errors(text: &str) -> Vec<String> {
    let loaded = read(text);
    let errors = loaded
        .problems
        .iter()
        .filter(|p| p.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

fn only(config: &Config) -> &Neighbour {
    let [neighbour] = &config.neighbours[..] else {
        panic!("{:?}", config.neighbours)
    };
    neighbour
}

#[test]
fn a_neighbour_takes_from_its_group_and_the_group_from_bgp() {
    let config = accepted(
        "[bgp]\nhold_time = 30\nsend_hold_time = 60\nremote_as = internal\n\
         [bgp_group fabric]\nhold_time = 9\npassword = s # x\nallowas_in = origin\nttl_security = 1\n\
         [bgp_neighbor 192.0.2.1]\ngroup = fabric\nallowas_in = 2\nmultihop = 4\n\
         [bgp_neighbor 192.0.2.2]\n",
    );
    let [first, second] = &config.neighbours[..] else {
        panic!("{:?}", config.neighbours)
    };
    let (session, plain) = (&first.session, &second.session);
    assert_eq!(session.hold_time, Duration::from_secs(9));
    assert_eq!(session.send_hold_time, Duration::from_secs(60));
    assert_eq!(session.remote_as, RemoteAs::Internal);
    assert_eq!(session.password, Some(Secret::new("s # x")));
    assert_eq!(session.allowas_in, AllowAsIn::Times(2));
    assert_eq!(session.ttl, Ttl::Multihop(4), "its own bound of distance");
    assert_eq!(plain.hold_time, Duration::from_secs(30));
    assert_eq!(
        (&plain.password, plain.allowas_in),
        (&None, AllowAsIn::Never)
    );
}

#[test]
fn a_host_tells_host_prefixes_and_learns_defaults_unless_told_otherwise() {
    let config = accepted("[bgp_neighbor 192.0.2.1]\n");
    let session = &only(&config).session;
    assert_eq!(session.export, Filters::host_prefixes());
    assert_eq!(session.import, Filters::default_routes());
    assert_eq!(
        config.bgp.fib.import.as_deref(),
        Some(&bgp::PrefixList::default_routes())
    );
}

#[test]
fn a_general_option_nearby_beats_a_familys_further_out() {
    let config = accepted(
        "[bgp_group g]\nexport_prefixes_ipv6 = none\nimport_prefixes = any\n\
         [bgp_neighbor 192.0.2.1]\ngroup = g\nexport_prefixes = any\nimport_prefixes_ipv4 = none\n",
    );
    let session = &only(&config).session;
    assert_eq!(session.export, Filters::default());
    assert_eq!(session.import.v6.prefixes, None);
    let none = session.import.v4.prefixes.as_ref().unwrap();
    assert!(none.rules.is_empty());
}

#[test]
fn prefix_lists_and_policies_are_lines() {
    let config = accepted(
        "[bgp_prefix_list hosts]\nrules =\n  # tenants' first\n  deny 172.24.9.0/24 ge 32   # not these\n  permit 172.24.0.0/16 ge 32\n\
         [bgp_policy to-leaf]\nterms =\n  permit if prefix hosts set community add 65101:100, med 50\n  deny\n\
         [bgp_neighbor 192.0.2.1]\nexport_prefixes = any\nexport_policy = to-leaf\nimport_prefixes = hosts\n",
    );
    let session = &only(&config).session;
    let hosts = session.import.v4.prefixes.as_ref().unwrap();
    assert!(hosts.permits(&"172.24.1.1/32".parse().unwrap()));
    assert!(!hosts.permits(&"172.24.9.1/32".parse().unwrap()));
    let policy = session.export.v6.policy.as_ref().unwrap();
    assert_eq!(policy.terms.len(), 2);
    assert_eq!(policy.terms[0].matches, [Match::Prefix(hosts.clone())]);
    let communities = vec![Community(0xfe4d_0064)];
    let community = Set::Communities {
        communities,
        additive: true,
    };
    assert_eq!(policy.terms[0].sets, [community, Set::Med(50)]);
}

#[test]
fn a_bad_line_of_a_list_is_reported_with_its_own_number() {
    let errors = errors(
        "[bgp_prefix_list a]\nrules = permit 10.0.0.0/8 ge 7\n  permit any\n\n[bgp_policy b]\nterms =\n  permit if prefix c\n  permit set weight 3\n[bgp_neighbor 192.0.2.1]\n",
    );
    assert_eq!(
        errors,
        [
            "a.conf:4: [bgp_prefix_list a] rules: these lengths match nothing; 8 <= ge <= le <= 32",
            "a.conf:9: [bgp_policy b] terms: no prefix list 'c'; known names: a",
            "a.conf:10: [bgp_policy b] terms: 'weight' is no change; local-preference N, med N, origin, next-hop ADDRESS, prepend AS…, community [add], large-community [add], extended-community [add], no-communities",
        ]
    );
}

#[test]
fn unknown_names_are_errors_that_tell_the_known_ones() {
    let errors = errors(
        "[bgp]\nfib_import = x\n[bgp_group a]\n[bgp_group b]\nimport_policy = p\n[bfd_profile fast]\n\
         [bgp_neighbor 192.0.2.1]\ngroup = c\nbfd = slow\nexport_prefixes_ipv6 = hosts\n",
    );
    assert_eq!(
        errors,
        [
            "a.conf:4: [bgp] fib_import: there is no [bgp_prefix_list x]; add a section [bgp_prefix_list NAME]; there is none yet",
            "a.conf:7: [bgp_group b] import_policy: there is no [bgp_policy p]; add a section [bgp_policy NAME]; there is none yet",
            "a.conf:10: [bgp_neighbor 192.0.2.1] group: there is no [bgp_group c]; known names: a, b",
            "a.conf:11: [bgp_neighbor 192.0.2.1] bfd: there is no [bfd_profile slow]; known names: fast",
            "a.conf:12: [bgp_neighbor 192.0.2.1] export_prefixes_ipv6: there is no [bgp_prefix_list hosts]; add a section [bgp_prefix_list NAME]; there is none yet",
        ]
    );
}

#[test]
fn a_name_that_means_something_else_is_refused() {
    let errors = errors("[bgp_prefix_list any]\n[bgp_neighbor 192.0.2.1]\n");
    assert_eq!(
        errors,
        [
            "a.conf:3: [bgp_prefix_list any]: 'any' cannot be a name; use one word other than any, none, host-only, default-only, true, false"
        ]
    );
}

#[test]
fn a_neighbour_is_an_address_a_link_local_address_or_an_interface() {
    let config = accepted(
        "[bgp_neighbor leaf0]\ninterface = enp2s0\n[bgp_neighbor leaf1]\naddress = fe80::1%eth1\n\
         [bgp_neighbor fe80::1]\ninterface = eth2\n[bgp_neighbor 2001:db8::1]\n",
    );
    let endpoints: Vec<_> = config
        .neighbours
        .iter()
        .map(|n| n.endpoint.clone())
        .collect();
    let link_local = "fe80::1".parse().unwrap();
    assert_eq!(
        endpoints,
        [
            Endpoint::Interface("enp2s0".into()),
            Endpoint::LinkLocal(link_local, "eth1".into()),
            Endpoint::LinkLocal(link_local, "eth2".into()),
            Endpoint::Address("2001:db8::1".parse().unwrap()),
        ]
    );
    let extended: Vec<_> = config
        .neighbours
        .iter()
        .map(|n| n.session.extended_next_hop)
        .collect();
    assert_eq!(extended, [true, true, true, false]);
    let errors = errors(
        "[bgp_neighbor fe80::1]\n[bgp_neighbor 192.0.2.1]\ninterface = eth0\n[bgp_neighbor a]\ninterface = eth1\n[bgp_neighbor b]\ninterface = eth1\n",
    );
    assert_eq!(
        errors,
        [
            "a.conf:3: [bgp_neighbor fe80::1]: fe80::1 is a link-local address without an interface; set interface, or write address = fe80::1%eth1",
            "a.conf:4: [bgp_neighbor 192.0.2.1]: 192.0.2.1 is no link-local address, so it needs no interface; remove interface; bind_device binds the session to a device",
            "a.conf:9: [bgp_neighbor b] interface: eth1 is the interface of neighbour 'a' too; remove one of the two",
        ]
    );
}

#[test]
fn listen_ranges_are_groups_of_neighbours_nobody_has_named() {
    let config = accepted(
        "[bgp_group hosts]\nremote_as = 65010\n[bgp_listen 192.0.2.0/24]\ngroup = hosts\nlimit = 8\n",
    );
    let [range] = &config.listen_ranges[..] else {
        panic!("{:?}", config.listen_ranges)
    };
    assert_eq!(range.prefix, "192.0.2.0/24".parse().unwrap());
    assert_eq!(
        (range.limit, range.session.remote_as),
        (8, RemoteAs::Number(65010))
    );
    assert_eq!(
        errors("[bgp_listen hosts]\n"),
        [
            "a.conf:3: [bgp_listen hosts]: listen range 'hosts' has no prefix; set prefix, or write one as the section's name"
        ]
    );
}

#[test]
fn bfd_is_off_on_or_a_profile() {
    let config = accepted(
        "[bgp]\nbfd = true\n[bfd_profile fast]\ntransmit_interval = 50\nreceive_interval = 60\n\
         [bgp_neighbor 192.0.2.1]\nbfd = fast\n[bgp_neighbor 192.0.2.2]\n[bgp_neighbor 192.0.2.3]\nbfd = off\n",
    );
    let profiles: Vec<_> = config
        .neighbours
        .iter()
        .map(|n| n.session.bfd.clone())
        .collect();
    let fast = profiles[0].as_ref().unwrap();
    assert_eq!(fast.transmit_interval, Duration::from_millis(50));
    assert_eq!((fast.name.as_str(), fast.detect_multiplier), ("fast", 3));
    assert_eq!(profiles[1].as_ref().unwrap().name, "default");
    assert_eq!(profiles[2], None);
}

#[test]
fn a_shutdown_has_words_or_none() {
    for (text, expected) in [
        ("true", Some("")),
        ("false", None),
        ("planned work until 4", Some("planned work until 4")),
    ] {
        let config = accepted(&format!("[bgp_neighbor 192.0.2.1]\nshutdown = {text}\n"));
        assert_eq!(only(&config).shutdown.as_deref(), expected, "{text}");
    }
}

#[test]
fn another_as_number_towards_one_neighbour() {
    let config = accepted("[bgp_neighbor 192.0.2.1]\nlocal_as = 65010\nlocal_as_replace = yes\n");
    let session = &only(&config).session;
    let local_as = LocalAs {
        asn: Asn(65010),
        prepend_received: true,
        replace: true,
    };
    assert_eq!(session.local_as, Some(local_as));
    assert_eq!((session.shown_as(65001), config.bgp.asn), (65010, 64999));
}

#[test]
fn a_password_of_a_group_is_never_shown() {
    let loaded = read(&format!(
        "[bgp_group g]\npassword = {}\ndescription = x\n",
        "hunter2".repeat(20)
    ));
    let all: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(!all.join("\n").contains("hunter2"), "{all:?}");
    assert!(
        all[0].starts_with("a.conf:4: [bgp_group g] password: the value is not accepted"),
        "{all:?}"
    );
}

/// Every example is a file that starts the agent, or would with a driver and a neighbour.
#[test]
fn the_examples_of_the_documentation_are_valid() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<_> = page
        .split("```ini\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 4, "{}", examples.len());
    for example in examples {
        // A policy that the other example has.
        let policy = "[bgp_policy to-leaf1]\nterms = deny\n";
        let more = if example.contains("[bgp_policy to-leaf1]") {
            ""
        } else {
            policy
        };
        let input = Input {
            files: vec![(PathBuf::from("a.conf"), format!("{START}{more}{example}"))],
            ..Input::default()
        };
        let loaded = Loaded::read_with(&input, &|_| Ok("router bgp 65001\n".into()));
        assert!(loaded.is_valid(), "{example}{:#?}", loaded.problems);
    }
}

#[test]
fn evpn_is_offered_where_tenants_tables_are_exchanged_and_where_it_is_asked_for() {
    let evpn = |text: &str| {
        let loaded = read(text);
        let offered = |n: &Neighbour| n.session.families.l2vpn_evpn;
        loaded
            .config
            .neighbours
            .iter()
            .map(offered)
            .collect::<Vec<_>>()
    };
    let leaf = "[bgp_neighbor 192.0.2.1]\n";
    assert_eq!(evpn(leaf), [false]);
    for method in ["vrf", "l2vni", "dynamic"] {
        assert_eq!(
            evpn(&format!("exposing_method = {method}\n{leaf}")),
            [true],
            "{method}"
        );
    }
    assert_eq!(evpn(&format!("[evpn_vni 77]\n{leaf}")), [true]);
    let asked = "[bgp_neighbor 192.0.2.1]\nfamilies = l2vpn-evpn\n[bgp_neighbor 192.0.2.2]\n";
    assert_eq!(evpn(asked), [true, false]);
    let not = "[evpn_vni 77]\n[bgp_neighbor 192.0.2.1]\nfamilies = ipv4-unicast\n";
    assert_eq!(evpn(not), [false]);
    let loaded = read(asked);
    let families = loaded.config.neighbours[0].session.families;
    assert!(!families.ipv4_unicast && !families.ipv6_unicast);
}

/// What keeps unicast in bounds says nothing of tenants, unless it says all or nothing.
#[test]
fn only_all_and_nothing_of_import_and_export_prefixes_hold_for_evpn() {
    let session = |text: &str| only(&accepted(text)).session.clone();
    let evpn = |text: &str| {
        let session = session(text);
        [session.import.evpn, session.export.evpn]
            .map(|filter| filter.prefixes.map(|l| l.rules.len()))
    };
    let leaf = "[bgp_neighbor 192.0.2.1]\n";
    assert_eq!(evpn(leaf), [None, None]);
    let written = format!("{leaf}import_prefixes = default-only\nexport_prefixes = host-only\n");
    assert_eq!(evpn(&written), [None, None]);
    let nothing = format!("[bgp]\nimport_prefixes = none\nexport_prefixes = none\n{leaf}");
    assert_eq!(evpn(&nothing), [Some(0), Some(0)]);
    assert_eq!(
        evpn(&format!("{nothing}import_prefixes = any\n")),
        [None, Some(0)]
    );
    assert_eq!(
        evpn(&format!("{nothing}import_prefixes = default-only\n")),
        [Some(0), Some(0)]
    );
    assert_eq!(
        evpn(&format!("{nothing}export_prefixes_evpn = any\n")),
        [Some(0), None]
    );
    assert_eq!(
        evpn(&format!("{leaf}import_prefixes_evpn = host-only\n")),
        [Some(2), None]
    );
    let policy = "[bgp_policy tag]\nterms = permit\n";
    let general = session(&format!("{policy}{leaf}export_policy = tag\n"));
    assert!(general.export.evpn.policy.is_some() && general.import.evpn.policy.is_none());
    let own = session(&format!(
        "{policy}{leaf}export_policy = tag\nexport_policy_evpn = any\n"
    ));
    assert!(own.export.evpn.policy.is_none() && own.export.v4.policy.is_some());
}

#[test]
fn tenants_tables_are_read_and_told_apart() {
    let config = accepted(
        "[bgp_neighbor 192.0.2.1]\n[evpn_vni red]\nvni = 77\nroute_targets = auto, 65009:1\nexport_route_targets = auto-rfc8365\nrd = 192.0.2.7:5\n\
         vtep = 192.0.2.7\nrouter_mac = 02:00:00:00:00:07\noriginate = 10.0.0.0/24, 2001:db8::/64\n[evpn_vni 1001]\nkind = l2\n",
    );
    let [red, bridged] = &config.evpn_vnis[..] else {
        panic!("{:?}", config.evpn_vnis)
    };
    assert_eq!((red.vni, red.import.len(), red.export.len()), (77, 2, 1));
    assert_eq!(
        (red.rd.unwrap().to_string().as_str(), red.originate.len()),
        ("192.0.2.7:5", 2)
    );
    assert_eq!((bridged.vni, bridged.kind), (1001, EvpnKind::L2));
    let problems = errors(
        "[bgp_neighbor 192.0.2.1]\n[evpn_vni red]\n[evpn_vni 0]\n[evpn_vni a]\nvni = 5\n[evpn_vni b]\nvni = 5\n[evpn_vni c]\nvni = 65541\n\
         [evpn_vni d]\nvni = 6\nkind = l2\noriginate = 10.0.0.0/8\n[evpn_vni e]\nvni = 7\nrouter_mac = 01:00:5e:00:00:01\nroute_targets = 5\n",
    );
    let all = problems.join("\n");
    for expected in [
        "'red' has no VNI",
        "'0' has no VNI",
        "VNI 5 is that of [evpn_vni a] too",
        "its route distinguisher is that of [evpn_vni a] too",
        "prefixes are originated in tables of kind l3",
        "'01:00:5e:00:00:01' is not accepted",
        "route_targets: '5' is not accepted",
    ] {
        assert!(all.contains(expected), "no {expected:?} in\n{all}");
    }
}
