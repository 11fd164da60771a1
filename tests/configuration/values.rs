//! What is read: files of those who deploy the agent, every quirk of the dialect, what falls back to what.

use std::time::Duration;

use bgp::Filters;
use ovn_bgp_agent::config::{Driver, Endpoint, Families, RemoteAs, Secret, Ttl};
use proptest::prelude::*;

use super::*;

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
