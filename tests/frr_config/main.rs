//! FRR's configuration: what `convert` makes of it, and that `frr_config` means the same.

mod random;

use std::path::{Path, PathBuf};

use ovn_bgp_agent::config::{Config, Input, Loaded, convert};

const START: &str = "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n";

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/frr");
    std::fs::read_to_string(path.join(name)).unwrap()
}

fn load(text: String, frr: &str) -> Loaded {
    let input = Input {
        files: vec![(PathBuf::from("a.conf"), text)],
        ..Input::default()
    };
    Loaded::read_with(&input, &|_| Ok(frr.to_owned()))
}

/// What `frr_config` gives, with more in bgp-agent.conf.
fn taken(frr: &str, more: &str) -> Loaded {
    load(
        format!("{START}[bgp]\nfrr_config = /etc/frr/frr.conf\n{more}"),
        frr,
    )
}

fn taken_config(frr: &str) -> Config {
    let mut config = taken(frr, "").config;
    config.bgp.frr_config = None;
    config
}

fn converted(frr: &str) -> Config {
    load(format!("{START}{}", convert(frr).text), "").config
}

/// The converted text, and the notes below it.
fn said(frr: &str) -> String {
    let converted = convert(frr);
    let note = |(line, what): &(usize, String)| format!("# {line}: {what}\n");
    let notes: String = converted.notes.iter().map(note).collect();
    format!("{}\n{notes}", converted.text)
}

/// A `router bgp` around these lines, and what `convert` says of a section.
fn section(frr: &str, name: &str) -> Vec<String> {
    let text = convert(frr).text;
    let after = text
        .split(&format!("[{name}]\n"))
        .nth(1)
        .unwrap_or_default();
    let lines = after.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

fn notes(frr: &str) -> Vec<String> {
    let notes = convert(frr).notes;
    notes
        .iter()
        .map(|(line, what)| format!("{line}: {what}"))
        .collect()
}

macro_rules! fixtures {
    ($($name:ident = $file:literal),+ $(,)?) => {$(
        #[test]
        fn $name() {
            let frr = fixture($file);
            insta::assert_snapshot!(stringify!($name), said(&frr));
            let loaded = taken(&frr, "");
            assert!(loaded.is_valid(), "{:#?}", loaded.problems);
            assert_eq!(taken_config(&frr), converted(&frr));
        }
    )+};
}

fixtures! {
    the_documented_sample = "documented-sample.conf",
    unnumbered_with_bfd = "bfd.conf",
    numbered_with_evpn = "numbered-ebgp-evpn.conf",
    edpm = "edpm.conf",
    frr_k8s = "frr-k8s.conf",
}

#[test]
fn a_problem_of_frrs_file_has_its_line() {
    let frr = "router bgp 65001\n neighbor 192.0.2.1 remote-as external\n neighbor 192.0.2.1 timers 1 2\n";
    let loaded = taken(frr, "");
    let all: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        [
            "/etc/frr/frr.conf:3: [bgp_neighbor 192.0.2.1] hold_time: '2' is not accepted; allowed: 0, or 3–65535 seconds"
        ]
    );
    let unreadable = Loaded::read_with(
        &Input {
            files: vec![("a.conf".into(), format!("{START}[bgp]\nfrr_config = /x\n"))],
            ..Input::default()
        },
        &|_| Err("No such file".into()),
    );
    let first = unreadable.problems[0].to_string();
    assert_eq!(
        first,
        "a.conf:4: [bgp] frr_config: cannot be read: /x: No such file; check the path and its permissions"
    );
    assert!(!unreadable.is_valid());
}

#[test]
fn what_bgp_agent_conf_says_counts_more_than_frr() {
    let frr = "router bgp 65001\n neighbor 192.0.2.1 remote-as 65002\n neighbor 192.0.2.1 ttl-security hops 1\n neighbor 192.0.2.1 timers 10 30\n";
    let more = "router_id = 192.0.2.9\nhold_time = 60\n[bgp_neighbor 192.0.2.1]\nmultihop = 3\nexport_prefixes = any\n[bgp_neighbor 192.0.2.7]\n";
    let loaded = taken(frr, more);
    assert!(loaded.is_valid(), "{:#?}", loaded.problems);
    let config = loaded.config;
    assert_eq!(config.bgp.asn, 65001);
    let names: Vec<_> = config.neighbours.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["192.0.2.1", "192.0.2.7"]);
    let session = &config.neighbours[0].session;
    assert_eq!(session.ttl, ovn_bgp_agent::config::Ttl::Multihop(3));
    assert_eq!(session.export, bgp::Filters::default());
    assert_eq!(
        session.hold_time.as_secs(),
        30,
        "FRR's own of this neighbour"
    );
    assert_eq!(config.neighbours[1].session.hold_time.as_secs(), 60);
}

#[test]
fn a_member_says_only_what_its_group_does_not() {
    let frr = "router bgp 65001\n neighbor G peer-group\n neighbor G remote-as external\n neighbor G password p\n \
               neighbor 192.0.2.1 peer-group G\n neighbor 192.0.2.1 password q\n neighbor 192.0.2.1 passive\n \
               address-family ipv4 unicast\n  neighbor G route-map X in\n  neighbor G prefix-list P out\n  no neighbor 192.0.2.1 prefix-list P out\n  neighbor 192.0.2.1 prefix-list Q out\n \
               exit-address-family\nip prefix-list P permit any\nip prefix-list Q permit any\nroute-map X permit 10\n";
    assert_eq!(
        section(frr, "bgp_neighbor 192.0.2.1"),
        [
            "group = G",
            "password = q",
            "passive = true",
            "export_prefixes_ipv4 = Q"
        ]
    );
    assert!(section(frr, "bgp_group G").contains(&"import_policy_ipv4 = X".to_owned()));
}

#[test]
fn no_takes_back_what_was_said() {
    let frr = "router bgp 65001\n bgp graceful-shutdown\n no bgp graceful-shutdown\n neighbor 192.0.2.1 remote-as 65002\n \
               neighbor 192.0.2.1 passive\n no neighbor 192.0.2.1 passive\n neighbor 192.0.2.2 remote-as 65002\n no neighbor 192.0.2.2\n \
               no neighbor 192.0.2.1 send-community\n";
    let all = said(frr);
    assert!(all.contains("graceful_shutdown = false"), "{all}");
    assert!(
        !all.contains("passive") && !all.contains("192.0.2.2"),
        "{all}"
    );
}

#[test]
fn without_a_policy_nothing_passes_where_frr_requires_one() {
    let lines = |head: &str, more: &str, remote: &str| {
        let frr = format!("{head}router bgp 65001\n{more} neighbor 192.0.2.1 remote-as {remote}\n");
        let said = section(&frr, "bgp_neighbor 192.0.2.1");
        said.iter()
            .any(|line| line == "import_prefixes_ipv4 = none")
    };
    assert!(lines("", "", "external") && lines("", "", "65002"));
    assert!(!lines("", "", "internal") && !lines("", "", "65001"));
    assert!(!lines("", " no bgp ebgp-requires-policy\n", "external"));
    assert!(!lines("frr defaults datacenter\n", "", "external"));
    assert!(!lines("frr version 7.3\n", "", "external"));
}

#[test]
fn families_are_active_as_frr_has_them() {
    let families = |more: &str| {
        let frr = format!("router bgp 65001\n{more} neighbor 192.0.2.1 remote-as internal\n");
        let said = section(&frr, "bgp_neighbor 192.0.2.1");
        said.into_iter().find(|line| line.starts_with("families"))
    };
    assert_eq!(families("").as_deref(), Some("families = ipv4-unicast"));
    assert_eq!(families(" no bgp default ipv4-unicast\n"), None);
    assert_eq!(
        families(" bgp default ipv6-unicast\n").as_deref(),
        Some("families = ipv4-unicast, ipv6-unicast")
    );
}

#[test]
fn timers_come_from_the_profile_of_defaults() {
    let hold = |head: &str| {
        let said = section(&format!("{head}router bgp 65001\n"), "bgp");
        said.into_iter()
            .filter(|line| line.ends_with("0") && line.contains("time"))
            .collect::<Vec<_>>()
    };
    assert_eq!(hold(""), ["hold_time = 180", "keepalive_time = 60"]);
    let datacenter = section("frr defaults datacenter\nrouter bgp 65001\n", "bgp");
    assert!(
        datacenter.contains(&"hold_time = 9".to_owned()),
        "{datacenter:?}"
    );
}

#[test]
fn what_cannot_be_said_of_a_filter_lets_less_pass() {
    let frr = "router bgp 65001\n neighbor 192.0.2.1 remote-as internal\n neighbor 192.0.2.1 route-map M out\n\
               route-map M permit 10\n match as-path A\n set weight 3\nexit\n\
               route-map M deny 20\n match tag 5\nexit\nroute-map M permit 30\n match community C\n set metric +5\nexit\n\
               bgp community-list standard C permit 65000:1\nbgp community-list standard C permit 65000:2\n";
    assert_eq!(
        section(frr, "bgp_policy M"),
        ["terms =", "  deny", "  permit if community 65000:1 65000:2"]
    );
    assert_eq!(
        notes(frr),
        [
            "5: 'match as-path A' cannot be said: where it stands, nothing is permitted and all is denied",
            "6: 'set weight 3' cannot be said: routes are not changed by it",
            "9: 'match tag 5' cannot be said: where it stands, nothing is permitted and all is denied",
            "13: 'set metric +5' cannot be said: routes are not changed by it",
        ]
    );
}

#[test]
fn a_list_of_both_families_is_split_where_a_route_map_means_one() {
    let frr = "router bgp 65001\n neighbor 192.0.2.1 remote-as internal\n neighbor 192.0.2.1 route-map M out\n\
               ip prefix-list L permit 10.0.0.0/8\nipv6 prefix-list L permit 2001:db8::/32\n\
               route-map M permit 10\n match ip address prefix-list L\n";
    assert_eq!(
        section(frr, "bgp_policy M"),
        ["terms =", "  permit if prefix L-ipv4"]
    );
    assert_eq!(
        section(frr, "bgp_prefix_list L-ipv4"),
        ["rules =", "  permit 10.0.0.0/8"]
    );
}

#[test]
fn rules_have_frrs_order() {
    let frr = "router bgp 65001\n neighbor 192.0.2.1 remote-as internal\n neighbor 192.0.2.1 prefix-list L in\n\
               ip prefix-list L seq 7 permit 10.7.0.0/16\nip prefix-list L permit 10.10.0.0/16\n\
               ip prefix-list L seq 5 deny any\nip prefix-list L description words\nno ip prefix-list L seq 5\nip prefix-list L permit any\n";
    assert_eq!(
        section(frr, "bgp_prefix_list L"),
        [
            "rules =",
            "  permit 10.7.0.0/16",
            "  permit 10.10.0.0/16",
            "  permit 0.0.0.0/0 le 32"
        ]
    );
}

#[test]
fn blocks_of_other_daemons_are_one_note_each() {
    let frr = "hostname x\nrouter bgp 65001\n neighbor 192.0.2.1 remote-as internal\n!\nrouter bgp 65001 vrf red\n bgp router-id 192.0.2.1\n neighbor 192.0.2.9 remote-as external\nexit\n\
               interface eth0\n ip address 192.0.2.1/24\nexit\nip route 0.0.0.0/0 192.0.2.1\nkey chain k\n key 1\n  key-string hunter2\nenable password hunter2\n";
    assert_eq!(
        notes(frr),
        [
            "5: 'router bgp 65001 vrf …' means nothing here (and 2 lines in it)",
            "9: 'interface eth0' means nothing here (and 1 line in it)",
            "12: 'ip route 0.0.0.0/0 192.0.2.1' means nothing here",
            "13: 'key …' means nothing here (and 2 lines in it)",
        ]
    );
    assert!(!said(frr).contains("hunter2") && !said(frr).contains("192.0.2.9"));
}

#[test]
fn redistribution_names_the_devices() {
    let devices = |map: &str| {
        let frr = format!(
            "router bgp 65001\n address-family ipv4 unicast\n  redistribute connected{map}\n"
        );
        let said = section(&frr, "bgp");
        said.into_iter()
            .find(|line| line.starts_with("redistribute"))
    };
    assert_eq!(devices("").as_deref(), Some("redistribute_connected = *"));
    let map = " route-map M\nroute-map M permit 10\n match interface lo\nroute-map M permit 20\n match interface dummy0\nroute-map M deny 30\n";
    assert_eq!(
        devices(map).as_deref(),
        Some("redistribute_connected = dummy0, lo")
    );
    assert_eq!(
        devices(" route-map M\nroute-map M permit 10\n match ip address prefix-list L\n"),
        None
    );
}

#[test]
fn a_secret_is_taken_as_it_is() {
    for password in ["s3cr3t!#x", "\"quoted\"", "a  b", "it's", "$x$$y", "'q"] {
        let frr = format!(
            "router bgp 65001\n neighbor 192.0.2.1 remote-as internal\n neighbor 192.0.2.1 password {password}\n neighbor 192.0.2.1 description \"x\" # $y\n"
        );
        assert_eq!(taken_config(&frr), converted(&frr), "{password}");
        let secret = taken_config(&frr).neighbours[0]
            .session
            .password
            .clone()
            .unwrap();
        let words: Vec<_> = password.split_whitespace().collect();
        assert_eq!(secret.reveal(), words.join(" "));
    }
}

#[test]
fn groups_that_nobody_uses_and_lists_that_nobody_names_are_left_out() {
    let frr = "router bgp 65001\n neighbor G peer-group\n neighbor H peer-group\n neighbor H remote-as 65009\n bgp listen range 192.0.2.0/24 peer-group H\n bgp listen limit 7\nip prefix-list P permit any\n";
    let all = said(frr);
    assert!(
        !all.contains("[bgp_group G]") && !all.contains("prefix_list P"),
        "{all}"
    );
    assert_eq!(
        section(frr, "bgp_listen 192.0.2.0/24"),
        ["limit = 7", "group = H"]
    );
}

#[test]
fn evpn_is_a_family_with_its_own_route_maps() {
    let frr = "router bgp 65001\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor RR peer-group\n neighbor RR remote-as internal\n \
               neighbor 192.0.2.1 peer-group RR\n neighbor 192.0.2.2 remote-as external\n \
               address-family ipv4 unicast\n  neighbor 192.0.2.2 activate\n exit-address-family\n \
               address-family l2vpn evpn\n  neighbor RR activate\n  neighbor RR route-map in in\n  neighbor 192.0.2.2 activate\n  advertise-all-vni\n  \
               vni 77\n   rd 1:1\n   route-target both 1:1\n  exit-vni\n  advertise-svi-ip\n exit-address-family\nroute-map in permit 10\n";
    let group = section(frr, "bgp_group RR");
    assert!(
        group.contains(&"families = l2vpn-evpn".to_owned()),
        "{group:?}"
    );
    assert!(
        group.contains(&"import_policy_evpn = in".to_owned()),
        "{group:?}"
    );
    assert!(
        group.contains(&"export_prefixes_evpn = any".to_owned()),
        "{group:?}"
    );
    let leaf = section(frr, "bgp_neighbor 192.0.2.2");
    assert!(
        leaf.contains(&"families = ipv4-unicast, l2vpn-evpn".to_owned()),
        "{leaf:?}"
    );
    let notes = notes(frr);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[0].starts_with("16: 'vni 77' has no equivalent"),
        "{notes:?}"
    );
    assert!(
        notes[1].starts_with("20: 'advertise-svi-ip' has no equivalent"),
        "{notes:?}"
    );
    assert_eq!(taken_config(frr), converted(frr));
}

/// RFC 8212 in FRR: towards another AS nothing passes without a route map, EVPN included.
#[test]
fn evpn_without_a_route_map_towards_another_as_is_nothing_where_one_is_required() {
    let frr = "router bgp 65001\n neighbor 192.0.2.2 remote-as external\n address-family l2vpn evpn\n  neighbor 192.0.2.2 activate\n exit-address-family\n";
    let leaf = section(frr, "bgp_neighbor 192.0.2.2");
    assert!(
        leaf.contains(&"export_prefixes_evpn = none".to_owned()),
        "{leaf:?}"
    );
}
