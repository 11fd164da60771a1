//! bgp-agent.conf in the style of those who deploy it, and every quirk of the dialect.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bgp::Filters;
use ovn_bgp_agent::config::{
    Config, Driver, Endpoint, Families, Files, Input, Loaded, RemoteAs, Secret, Severity, Source,
    Ttl,
};
use proptest::prelude::*;

/// The least that starts.
const VALID: &str = "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n[bgp_neighbor 192.0.2.1]\n";

fn read(text: &str) -> Loaded {
    read_with(text, &[])
}

fn read_with(text: &str, environment: &[(&str, &str)]) -> Loaded {
    let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    Loaded::read(&Input {
        files: vec![(PathBuf::from("a.conf"), text.to_owned())],
        environment: environment.iter().map(pair).collect(),
        flags: Vec::new(),
    })
}

/// The configuration of VALID and `more`, which must be accepted.
fn accepted(more: &str) -> Config {
    let loaded = read(&format!("{VALID}{more}"));
    assert!(loaded.is_valid(), "{:#?}", loaded.problems);
    loaded.config
}

fn lines(loaded: &Loaded, severity: Severity) -> Vec<String> {
    let wanted = loaded.problems.iter().filter(|p| p.severity == severity);
    wanted.map(ToString::to_string).collect()
}

/// The errors of VALID and `more`.
fn errors(more: &str) -> Vec<String> {
    lines(&read(&format!("{VALID}{more}")), Severity::Error)
}

fn fixture(source: Source) -> Loaded {
    let Files { files, problems } = Files::find(&[Source::File("/dev/null".into()), source], None);
    assert_eq!(problems, []);
    Loaded::read(&Input {
        files,
        ..Input::default()
    })
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/config")
        .join(name)
}

#[test]
fn edpm_directory_of_two_files_is_merged_in_order_of_name() {
    let loaded = fixture(Source::Dir(path("edpm")));
    assert!(loaded.is_valid(), "{:#?}", loaded.problems);
    let config = &loaded.config;
    assert!(
        !config.logging.debug,
        "bgp-agent.conf comes after 10-neutron-ovn.conf"
    );
    assert_eq!(config.agent.driver, Driver::Northbound);
    assert_eq!(config.agent.reconcile_interval, Duration::from_secs(120));
    assert_eq!(config.ovn.ovsdb_connection, "tcp:127.0.0.1:6640");
    assert_eq!(
        config.ovn.southbound.connection.as_deref(),
        Some("tcp:127.0.0.1:6642")
    );
    assert_eq!(config.bgp.router_id, None);
    let warnings = lines(&loaded, Severity::Warning).join("\n");
    for expected in [
        "10-neutron-ovn.conf:11: neither '=' nor ':' in the line that begins 'ovn_sb_connection', ignored",
        "bgp-agent.conf:12: [agent] root_helper: has no effect",
        "bgp-agent.conf:16: [privsep] helper_command: has no effect",
        "no [bgp_neighbor NAME]",
    ] {
        assert!(warnings.contains(expected), "{expected} not in\n{warnings}");
    }
}

#[test]
fn kolla_quotes_every_value() {
    let loaded = fixture(Source::File(path("kolla.conf")));
    assert!(loaded.is_valid(), "{:#?}", loaded.problems);
    let config = &loaded.config;
    assert!(config.logging.debug && config.logging.watch_log_file);
    assert!(config.agent.clear_vrf_routes_on_startup);
    assert_eq!(config.bgp.asn, 64999);
    assert_eq!(config.ovn.ovsdb_connection, "unix:/run/openvswitch/db.sock");
    let warnings = lines(&loaded, Severity::Warning).join("\n");
    assert!(
        warnings.contains("[DEFAULT] bridge_mappings: unknown option"),
        "{warnings}"
    );
    assert!(
        warnings.contains("[local_ovn_cluster] ovn_sb_connection: unknown option"),
        "{warnings}"
    );
}

#[test]
fn neighbours_take_from_bgp_what_they_do_not_set() {
    let loaded = fixture(Source::File(path("devstack.conf")));
    assert!(loaded.is_valid(), "{:#?}", loaded.problems);
    let config = &loaded.config;
    assert_eq!(config.bgp.asn, 4_200_000_001);
    let [leaf, second] = &config.neighbours[..] else {
        panic!("{:?}", config.neighbours)
    };
    assert_eq!(
        (leaf.name.as_str(), &leaf.endpoint),
        ("leaf0", &Endpoint::Address("192.0.2.1".parse().unwrap()))
    );
    let (session, other) = (&leaf.session, &second.session);
    assert_eq!(
        (session.remote_as, session.local_as),
        (RemoteAs::External, None)
    );
    assert_eq!(session.password, Some(Secret::new("pa$$ # word")));
    assert_eq!(
        (session.hold_time, session.ttl),
        (Duration::from_secs(9), Ttl::Security(1))
    );
    assert_eq!(session.next_hop_ipv6, Some("2001:db8::10".parse().unwrap()));
    assert_eq!(session.export, Filters::host_prefixes());
    assert_eq!(other.export, Filters::default());
    assert_eq!(session.import, Filters::default_routes());
    assert_eq!(
        second.endpoint,
        Endpoint::Address("2001:db8::1".parse().unwrap())
    );
    assert_eq!(other.hold_time, Duration::ZERO);
    assert_eq!(
        other.families,
        Families {
            ipv4_unicast: false,
            ipv6_unicast: true,
            l2vpn_evpn: false,
        }
    );
    assert!(!format!("{loaded:?}").contains("# word"));
}

#[test]
fn nothing_set_gives_upstreams_defaults() {
    let loaded = read("");
    let config = &loaded.config;
    assert_eq!(config.agent.reconcile_interval, Duration::from_secs(300));
    assert_eq!(config.agent.frr_reconcile_interval, Duration::from_secs(15));
    assert_eq!(
        config.ovn.ovsdb_connection,
        "unix:/usr/local/var/run/openvswitch/db.sock"
    );
    assert_eq!(
        config.ovn.ovsdb_connection_timeout,
        Duration::from_secs(180)
    );
    assert_eq!(
        (config.agent.bgp_nic.as_str(), config.agent.bgp_vrf.as_str()),
        ("bgp-nic", "bgp-vrf")
    );
    assert_eq!(
        (config.agent.bgp_vrf_table_id, config.agent.evpn_udp_dstport),
        (10, 4789)
    );
    assert_eq!((config.bgp.asn, config.bgp.port), (64999, 179));
    assert_eq!(
        config.ovn.northbound.tls.ca_cert,
        Path::new("/etc/ipa/ca.crt")
    );
    assert!(config.agent.delete_vrf_on_disconnect && config.bgp.graceful_restart);
    let errors = lines(&loaded, Severity::Error);
    assert_eq!(errors, [] as [String; 0]);
}

#[test]
fn the_dialects_quirks_are_accepted() {
    let config = accepted(
        "[Default]\nbgp_AS: 1.10\n[OVN]\novn_nb_connection = tcp:[::1]:6641 # here\n[BGP]\nlisten = 127.0.0.1,\n  ::1\n",
    );
    assert_eq!(config.bgp.asn, 65546);
    assert_eq!(
        config.ovn.northbound.connection.as_deref(),
        Some("tcp:[::1]:6641")
    );
    assert_eq!(config.bgp.listen.len(), 2);
    for yes in ["true", "1", "on", "YES"] {
        assert!(
            accepted(&format!("[DEFAULT]\ndebug = {yes}\n"))
                .logging
                .debug
        );
    }
}

#[test]
fn references_are_replaced_within_the_section_and_default() {
    let config = accepted(
        "[DEFAULT]\nlog_dir = /var/log\nlog_file = $log_dir/a.log\n[ovn]\novn_nb_connection = unix:${DEFAULT.log_dir}/$$x\n",
    );
    assert_eq!(
        config.logging.log_file.as_deref(),
        Some(Path::new("/var/log/a.log"))
    );
    assert_eq!(
        config.ovn.northbound.connection.as_deref(),
        Some("unix:/var/log/$x")
    );
    let errors =
        errors("description = $password\npassword = hunter2\n[DEFAULT]\nlog_file = $nothing\n");
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(!errors.join("").contains("hunter2"));
}

#[test]
fn environment_variables_win_over_files() {
    let environment = [
        ("OS_DEFAULT__BGP_AS", "65010"),
        ("OS_OVN__OVN_NB_CONNECTION", "x"),
        ("OS_AUTH_URL", "y"),
    ];
    let loaded = read_with(&format!("{VALID}[DEFAULT]\nbgp_AS = 65020\n"), &environment);
    assert_eq!(loaded.config.bgp.asn, 65010);
    let errors = lines(&loaded, Severity::Error);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("environment variable OS_OVN__OVN_NB_CONNECTION: [ovn] ovn_nb_connection: 'x' is not accepted"), "{errors:?}");
}

#[test]
fn an_environment_variable_of_default_may_be_one_of_ovn() {
    let loaded = read_with(
        VALID,
        &[("OS_DEFAULT__OVN_NB_CONNECTION", "tcp:192.0.2.1:6641")],
    );
    assert!(
        loaded.is_valid() && loaded.problems.is_empty(),
        "{:?}",
        loaded.problems
    );
    assert_eq!(
        loaded.config.ovn.northbound.connection.as_deref(),
        Some("tcp:192.0.2.1:6641")
    );
}

#[test]
fn the_command_line_wins_over_all() {
    let loaded = Loaded::read(&Input {
        files: vec![("a.conf".into(), VALID.into())],
        environment: vec![("OS_DEFAULT__DEBUG".into(), "true".into())],
        flags: vec![("debug".into(), "false".into(), "--nodebug".into())],
    });
    assert!(loaded.is_valid() && !loaded.config.logging.debug);
}

#[test]
fn b003_b006_a_connection_is_of_ovn_and_may_stand_under_default() {
    let config =
        accepted("[DEFAULT]\novn_nb_connection = tcp:192.0.2.1:6641\novn_sb_ca_cert = /a\n");
    assert_eq!(
        config.ovn.northbound.connection.as_deref(),
        Some("tcp:192.0.2.1:6641")
    );
    assert_eq!(config.ovn.southbound.tls.ca_cert, Path::new("/a"));
    assert_eq!(accepted("").ovn.northbound.connection, None);
}

#[test]
fn b004_a_connection_needs_a_scheme() {
    for text in ["foo", "tcp:", "http:x", "tcp:192.0.2.1:6640,foo"] {
        let errors = errors(&format!("[DEFAULT]\novsdb_connection = {text}\n"));
        assert_eq!(errors.len(), 1, "{text}");
        assert!(errors[0].starts_with(&format!("a.conf:5: [DEFAULT] ovsdb_connection: '{text}' is not accepted; allowed: 'tcp:', 'ssl:' or 'unix:'")), "{errors:?}");
    }
}

#[test]
fn b005_bad_values_are_reported_together_with_line_option_value_and_what_is_allowed() {
    let loaded = read(
        "[DEFAULT]\ndriver = x\nexposing_method = x\nadvertisement_method_tenant_networks = x\nevpn_local_ip = x\nevpn_udp_dstport = 70000\nreconcile_interval = 0\nbgp_vrf_table_id = 254\ndebug = maybe\nbgp_AS = 0\n[bgp]\nhold_time = 2\nrouter_id = 0.0.0.0\n[bgp_neighbor a]\npassword =\nport = 0\n",
    );
    let errors = lines(&loaded, Severity::Error).join("\n");
    for expected in [
        "a.conf:2: [DEFAULT] driver: 'x' is not accepted; allowed: nb_ovn_bgp_driver, ovn_bgp_driver,",
        "a.conf:3: [DEFAULT] exposing_method: 'x' is not accepted; allowed: underlay, l2vni, vrf, dynamic, ovn",
        "a.conf:4: [DEFAULT] advertisement_method_tenant_networks: 'x' is not accepted; allowed: host, subnet",
        "a.conf:5: [DEFAULT] evpn_local_ip: 'x' is not accepted; allowed: an IPv4 or IPv6 address",
        "a.conf:6: [DEFAULT] evpn_udp_dstport: '70000' is not accepted; allowed: 0–65535",
        "a.conf:7: [DEFAULT] reconcile_interval: '0' is not accepted; allowed: 1–86400 seconds",
        "a.conf:8: [DEFAULT] bgp_vrf_table_id: '254' is not accepted",
        "a.conf:9: [DEFAULT] debug: 'maybe' is not accepted",
        "a.conf:10: [DEFAULT] bgp_AS: '0' is not accepted",
        "a.conf:12: [bgp] hold_time: '2' is not accepted; allowed: 0, or 3–65535 seconds",
        "a.conf:13: [bgp] router_id: '0.0.0.0' is not accepted",
        "a.conf:16: [bgp_neighbor a] port: '0' is not accepted",
        "a.conf:14: [bgp_neighbor a]: neighbour 'a' has neither address nor interface",
    ] {
        assert!(errors.contains(expected), "{expected} not in\n{errors}");
    }
    let order = |line: &str| line.split(':').nth(1)?.parse::<usize>().ok();
    assert!(errors.lines().map(order).is_sorted(), "{errors}");
    assert!(
        !errors.contains("not implemented in this version; set driver"),
        "{errors}"
    );
}

#[test]
fn a_line_that_cannot_be_read_does_not_show_a_password() {
    let loaded = read(&format!(
        "{VALID}password hunter2\n[x password = hunter2\npasswordhunter2\npassword = a\n"
    ));
    let all = lines(&loaded, Severity::Warning).join("\n");
    assert!(
        all.contains("begins 'password'") && !all.contains("hunter2"),
        "{all}"
    );
}

#[test]
fn a_bad_secret_is_reported_without_its_value() {
    let errors = errors(&format!("password = {}\n", "s".repeat(81)));
    assert_eq!(
        errors,
        [
            "a.conf:4: [bgp_neighbor 192.0.2.1] password: the value is not accepted; allowed: 1–80 bytes, taken as they are"
        ]
    );
}

#[test]
fn what_this_version_lacks_stops_the_start_and_says_so() {
    let errors = errors("[DEFAULT]\nexposing_method = ovn\n");
    let expected =
        "a.conf:5: [DEFAULT] exposing_method: 'ovn' is not implemented in this version; set ";
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with(expected), "{errors:?}");
}

#[test]
fn neighbours_are_frrs_where_frr_has_the_sessions() {
    let nobody = read("[DEFAULT]\ndriver = nb_ovn_bgp_driver\nbgp_backend = frr\n");
    assert_eq!(lines(&nobody, Severity::Warning), [""; 0], "FRR has them");
    let loaded = read(&format!("{VALID}[DEFAULT]\nbgp_backend = frr\n"));
    assert!(loaded.is_valid());
    let warnings = lines(&loaded, Severity::Warning);
    assert!(
        warnings[0].contains("the sessions are FRR's"),
        "{warnings:?}"
    );
}

#[test]
fn the_frr_on_this_node_is_a_neighbour_that_the_agent_makes_up() {
    let loaded =
        read("[DEFAULT]\ndriver = nb_ovn_bgp_driver\nbgp_backend = frr-peer\nbgp_AS = 64512\n");
    assert!(loaded.is_valid(), "{:?}", loaded.problems);
    assert_eq!(lines(&loaded, Severity::Warning), [""; 0]);
    let config = loaded.config;
    let [frr] = config.neighbours.as_slice() else {
        panic!("{:?}", config.neighbours)
    };
    assert_eq!(frr.name, "local-frr");
    assert_eq!(frr.session.shown_as(config.bgp.asn), 4_200_000_000);
    assert_eq!(frr.session.next_hop_ipv4, Some([169, 254, 255, 0].into()));
    assert!(config.bgp.listen.is_empty(), "FRR has the port");
    assert_eq!(
        config.bgp.fib.import.unwrap().rules.len(),
        0,
        "and the routes"
    );
}

#[test]
fn what_is_harmless_without_tenant_networks_only_warns() {
    let loaded = read(&format!(
        "{VALID}[DEFAULT]\nadvertisement_method_tenant_networks = subnet\nrequire_snat_disabled_for_tenant_networks = true\naddress_scopes = a, b\nevpn_nic = eth0\n"
    ));
    assert!(loaded.is_valid());
    let has_no_effect = lines(&loaded, Severity::Warning)
        .iter()
        .filter(|l| l.contains("has no effect"))
        .count();
    assert_eq!(has_no_effect, 4);
}

#[test]
fn the_drivers_of_this_version_with_their_options_are_accepted() {
    let tenants = "expose_tenant_networks = true\naddress_scopes = a\n";
    for options in [
        format!(
            "driver = nb_ovn_bgp_driver\nadvertisement_method_tenant_networks = subnet\nrequire_snat_disabled_for_tenant_networks = true\n{tenants}"
        ),
        format!(
            "driver = ovn_bgp_driver\nadvertisement_method_tenant_networks = subnet\n{tenants}"
        ),
        "driver = ovn_bgp_driver\nexpose_ipv6_gua_tenant_networks = true\n".to_owned(),
        "driver = ovn_stretched_l2_bgp_driver\naddress_scopes = a\n".to_owned(),
    ] {
        let loaded = read(&format!("{VALID}[DEFAULT]\n{options}"));
        assert!(loaded.is_valid(), "{options}: {:?}", loaded.problems);
        let mut warnings = lines(&loaded, Severity::Warning);
        warnings.retain(|line| !line.contains("set before"));
        assert_eq!(warnings, [] as [String; 0], "{options}");
    }
}

#[test]
fn what_a_driver_cannot_see_is_told_by_name() {
    for driver in ["ovn_bgp_driver", "ovn_stretched_l2_bgp_driver"] {
        let loaded = read(&format!(
            "{VALID}[DEFAULT]\ndriver = {driver}\nrequire_snat_disabled_for_tenant_networks = true\n"
        ));
        assert!(loaded.is_valid());
        let warnings = lines(&loaded, Severity::Warning);
        let told = |line: &String| {
            line.starts_with("a.conf:6: [DEFAULT] require_snat_disabled_for_tenant_networks: ")
                && line.contains(&format!("{driver} cannot see"))
        };
        assert!(warnings.iter().any(told), "{warnings:?}");
    }
}

/// B13.
#[test]
fn a_method_that_no_driver_here_honours_stops_the_start() {
    for driver in [
        "nb_ovn_bgp_driver",
        "ovn_bgp_driver",
        "ovn_stretched_l2_bgp_driver",
    ] {
        let errors = errors(&format!(
            "[DEFAULT]\ndriver = {driver}\nexposing_method = ovn\nexpose_tenant_networks = true\n"
        ));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with("a.conf:6: [DEFAULT] exposing_method: 'ovn' is not implemented"),
            "{errors:?}"
        );
    }
}

#[test]
fn unknown_options_and_sections_warn_and_name_what_was_meant() {
    let loaded = read(&format!(
        "{VALID}[DEFAULT]\nbgp_as = 65001\n[frr_k8s]\nx = 1\n[bgp_neighbour y]\n"
    ));
    assert!(loaded.is_valid());
    let warnings = lines(&loaded, Severity::Warning);
    assert!(
        warnings.iter().any(|w| w.starts_with(
            "a.conf:5: [DEFAULT] bgp_as: unknown option, ignored (did you mean 'bgp_AS'?)"
        )),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|w| w.starts_with("a.conf:6: [frr_k8s]: unknown section, ignored")),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|w| w.starts_with("a.conf:8: [bgp_neighbour y]: unknown section, ignored")),
        "{warnings:?}"
    );
}

#[test]
fn contradictions_between_neighbours_are_errors() {
    for (more, expected) in [
        (
            "[bgp_neighbor b]\naddress = 192.0.2.1\n",
            "is the address of neighbour '192.0.2.1' too",
        ),
        ("multihop = 2\nttl_security = 1\n", "exclude each other"),
        (
            "hold_time = 9\nkeepalive_time = 9\n",
            "keepalive_time is not below hold_time",
        ),
    ] {
        let errors = errors(more);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(expected), "{errors:?}");
    }
}

#[test]
fn a_repeated_option_counts_the_last_and_warns() {
    let loaded = read(&format!("{VALID}[bgp]\nhold_time = 30\nhold_time = 60\n"));
    assert_eq!(
        loaded.config.neighbours[0].session.hold_time,
        Duration::from_secs(60)
    );
    let warnings = lines(&loaded, Severity::Warning);
    assert_eq!(
        warnings,
        [
            "a.conf:6: [bgp] hold_time: set before at line 5; the last one counts; remove one of the two"
        ]
    );
}

#[test]
fn the_router_id_without_configuration_is_los_highest_address() {
    let node = |text: &str| text.parse().unwrap();
    let bgp = accepted("").bgp;
    let lo = [
        ("eth0", node("198.51.100.9")),
        ("lo", node("127.0.0.1")),
        ("lo", node("192.0.2.7")),
    ];
    assert_eq!(bgp.router_id_from(lo), Some(node("192.0.2.7")));
    assert_eq!(
        bgp.router_id_from([lo[0], lo[1]]),
        Some(node("198.51.100.9"))
    );
    assert_eq!(bgp.router_id_from([lo[1]]), None);
    let set = accepted("[DEFAULT]\nbgp_router_id = 192.0.2.200\n").bgp;
    assert_eq!(set.router_id_from(lo), Some(node("192.0.2.200")));
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_problems(text in "(\\[(DEFAULT|ovn|bgp|bgp_neighbor x)\\]\n|(driver|listen|password|hold_time|bgp_AS) ?= ?\\PC{0,20}\n|\\PC*\n){0,12}") {
        let _ = read(&text);
    }

    #[test]
    fn a_password_survives_as_it_is(password in "[!-~]([ -~]{0,30}[!-~])?") {
        prop_assume!(!password.starts_with(['"', '\'']));
        let config = read(&format!("{VALID}password = {password}\n")).config;
        prop_assert_eq!(config.neighbours[0].session.password.as_ref(), Some(&Secret::new(password)));
    }
}
