//! B13: no option of the Python agent does nothing in silence. Each, with a value that is not its default, works
//! (it changes the configuration), is refused by name, or is told by name to have no effect, with the reason;
//! with every driver, exposing method and backend. The options are those of ovn_bgp_agent/config.py, oslo.log,
//! oslo.service and oslo.privsep.

use ovn_bgp_agent::config::{Fault, Input, Loaded, Problem, Severity};

/// Section, option, a value that is not its default.
const OPTIONS: &[(&str, &str, &str)] = &[
    ("DEFAULT", "reconcile_interval", "120"),
    ("DEFAULT", "frr_reconcile_interval", "86400"),
    ("DEFAULT", "expose_tenant_networks", "true"),
    ("DEFAULT", "expose_ipv6_gua_tenant_networks", "true"),
    ("DEFAULT", "advertisement_method_tenant_networks", "subnet"),
    (
        "DEFAULT",
        "require_snat_disabled_for_tenant_networks",
        "true",
    ),
    ("DEFAULT", "ovsdb_connection", "tcp:127.0.0.1:6640"),
    ("DEFAULT", "ovsdb_connection_timeout", "60"),
    ("DEFAULT", "bgp_AS", "65001"),
    ("DEFAULT", "bgp_router_id", "192.0.2.9"),
    ("DEFAULT", "evpn_local_ip", "192.0.2.9"),
    ("DEFAULT", "evpn_nic", "eth9"),
    ("DEFAULT", "evpn_udp_dstport", "8472"),
    ("DEFAULT", "clear_vrf_routes_on_startup", "true"),
    ("DEFAULT", "delete_vrf_on_disconnect", "false"),
    ("DEFAULT", "bgp_nic", "other-nic"),
    ("DEFAULT", "bgp_vrf", "other-vrf"),
    ("DEFAULT", "bgp_vrf_table_id", "11"),
    (
        "DEFAULT",
        "address_scopes",
        "0f2b4d1e-7a55-4d0c-9a5b-5ed6f2a9d001",
    ),
    ("agent", "root_helper", "sudo rootwrap"),
    ("ovn", "ovn_sb_connection", "tcp:192.0.2.1:6642"),
    ("ovn", "ovn_nb_connection", "tcp:192.0.2.1:6641"),
    ("ovn", "ovn_sb_private_key", "/etc/sb.key"),
    ("ovn", "ovn_nb_private_key", "/etc/nb.key"),
    ("ovn", "ovn_sb_certificate", "/etc/sb.crt"),
    ("ovn", "ovn_nb_certificate", "/etc/nb.crt"),
    ("ovn", "ovn_sb_ca_cert", "/etc/sb-ca.crt"),
    ("ovn", "ovn_nb_ca_cert", "/etc/nb-ca.crt"),
    (
        "local_ovn_cluster",
        "ovn_nb_connection",
        "tcp:127.0.0.1:6641",
    ),
    ("local_ovn_cluster", "external_nics", "eth1, eth2"),
    ("local_ovn_cluster", "peer_ips", "192.0.2.1"),
    (
        "local_ovn_cluster",
        "provider_networks_pool_prefixes",
        "10.0.0.0/8",
    ),
    ("local_ovn_cluster", "bgp_chassis_id", "other"),
    ("privsep", "user", "neutron"),
    ("privsep", "group", "neutron"),
    ("privsep", "capabilities", "12, 21"),
    ("privsep", "thread_pool_size", "8"),
    ("privsep", "helper_command", "sudo privsep-helper"),
    ("privsep", "logger_name", "x"),
    ("privsep", "log_daemon_traceback", "true"),
    ("privsep_ovs_vsctl", "helper_command", "sudo privsep-helper"),
    ("privsep_vtysh", "helper_command", "sudo privsep-helper"),
    ("DEFAULT", "debug", "true"),
    ("DEFAULT", "log_config_append", "/etc/logging.conf"),
    ("DEFAULT", "log_date_format", "%H:%M"),
    ("DEFAULT", "log_file", "/var/log/agent.log"),
    ("DEFAULT", "log_dir", "/var/log"),
    ("DEFAULT", "watch_log_file", "true"),
    ("DEFAULT", "use_syslog", "true"),
    ("DEFAULT", "use_journal", "true"),
    ("DEFAULT", "syslog_log_facility", "LOG_LOCAL0"),
    ("DEFAULT", "use_json", "true"),
    ("DEFAULT", "use_stderr", "true"),
    ("DEFAULT", "log_color", "true"),
    ("DEFAULT", "log_rotate_interval", "2"),
    ("DEFAULT", "log_rotate_interval_type", "hours"),
    ("DEFAULT", "max_logfile_count", "3"),
    ("DEFAULT", "max_logfile_size_mb", "10"),
    ("DEFAULT", "log_rotation_type", "size"),
    ("DEFAULT", "logging_context_format_string", "x"),
    ("DEFAULT", "logging_default_format_string", "x"),
    ("DEFAULT", "logging_debug_format_suffix", "x"),
    ("DEFAULT", "logging_exception_prefix", "x"),
    ("DEFAULT", "logging_user_identity_format", "x"),
    ("DEFAULT", "default_log_levels", "agent=DEBUG"),
    ("DEFAULT", "publish_errors", "true"),
    ("DEFAULT", "instance_format", "x"),
    ("DEFAULT", "instance_uuid_format", "x"),
    ("DEFAULT", "rate_limit_interval", "5"),
    ("DEFAULT", "rate_limit_burst", "5"),
    ("DEFAULT", "rate_limit_except_level", "ERROR"),
    ("DEFAULT", "fatal_deprecations", "true"),
    ("DEFAULT", "log_options", "false"),
    ("DEFAULT", "graceful_shutdown_timeout", "5"),
    ("DEFAULT", "backdoor_port", "4444"),
    ("DEFAULT", "backdoor_socket", "/run/backdoor"),
];

const DRIVERS: [&str; 4] = [
    "nb_ovn_bgp_driver",
    "ovn_bgp_driver",
    "ovn_stretched_l2_bgp_driver",
    "ovn_evpn_driver",
];
const METHODS: [&str; 5] = ["underlay", "vrf", "ovn", "l2vni", "dynamic"];
const BACKENDS: [&str; 3] = ["embedded", "frr", "frr-peer"];

struct Setup {
    text: String,
}

impl Setup {
    fn all() -> impl Iterator<Item = Self> {
        DRIVERS.into_iter().flat_map(|driver| {
            METHODS.into_iter().flat_map(move |method| {
                BACKENDS.into_iter().map(move |backend| Self {
                    text: format!(
                        "[DEFAULT]\ndriver = {driver}\nexposing_method = {method}\nbgp_backend = {backend}\n"
                    ),
                })
            })
        })
    }

    fn read(&self, more: &str) -> Loaded {
        Loaded::read(&Input {
            files: vec![("a.conf".into(), format!("{}{more}", self.text))],
            ..Input::default()
        })
    }
}

fn about<'a>(loaded: &'a Loaded, option: &str) -> Vec<&'a Problem> {
    let problems = loaded.problems.iter();
    problems
        .filter(|problem| problem.option.as_deref() == Some(option))
        .collect()
}

#[test]
fn every_option_of_the_python_agent_works_or_is_refused_or_is_told_to_do_nothing() {
    for setup in Setup::all() {
        let without = setup.read("");
        for (section, option, value) in OPTIONS {
            let loaded = setup.read(&format!("[{section}]\n{option} = {value}\n"));
            let name = format!("[{section}] {option}");
            let told = about(&loaded, &name);
            let changes = loaded.config != without.config;
            assert!(
                changes || !told.is_empty(),
                "{name} does nothing in silence, with {}",
                setup.text
            );
            for problem in told {
                let unknown = matches!(
                    problem.fault,
                    Fault::UnknownOption { .. } | Fault::Value { .. }
                );
                assert!(!unknown, "{name}: {problem}");
                assert!(
                    !problem.fault.to_string().is_empty() && !problem.fault.remedy().is_empty()
                );
            }
        }
    }
}

/// What a set-up that this version has not is refused for is named; none starts and does half of it.
#[test]
fn a_driver_or_method_that_is_not_there_is_refused_by_name() {
    for setup in Setup::all() {
        let loaded = setup.read("");
        let errors: Vec<_> = loaded
            .problems
            .iter()
            .filter(|p| p.severity == Severity::Error)
            .collect();
        for error in &errors {
            let named = ["[DEFAULT] driver", "[DEFAULT] exposing_method"];
            let option = error.option.as_deref().unwrap_or_default();
            assert!(named.contains(&option), "{}{error}", setup.text);
        }
        let is_there = setup.text.contains("underlay") && !setup.text.contains("ovn_evpn_driver");
        assert!(!is_there || errors.is_empty(), "{}{errors:?}", setup.text);
    }
}

/// Told by name where the operator would expect it to work.
#[test]
fn an_option_that_another_driver_or_backend_would_heed_is_told_with_the_reason() {
    for (setup, option, reason) in [
        (
            "driver = ovn_bgp_driver\n[ovn]\novn_nb_connection = tcp:192.0.2.1:6641",
            "[ovn] ovn_nb_connection",
            "only nb_ovn_bgp_driver",
        ),
        (
            "driver = ovn_stretched_l2_bgp_driver\nexpose_tenant_networks = true",
            "[DEFAULT] expose_tenant_networks",
            "always advertises whole",
        ),
        (
            "driver = nb_ovn_bgp_driver\nexpose_tenant_networks = true\nexpose_ipv6_gua_tenant_networks = true",
            "[DEFAULT] expose_ipv6_gua_tenant_networks",
            "and all others",
        ),
        (
            "driver = nb_ovn_bgp_driver\ndelete_vrf_on_disconnect = false",
            "[DEFAULT] delete_vrf_on_disconnect",
            "exposing_method = vrf",
        ),
        (
            "driver = nb_ovn_bgp_driver\nevpn_udp_dstport = 8472",
            "[DEFAULT] evpn_udp_dstport",
            "EVPN",
        ),
        (
            "driver = nb_ovn_bgp_driver\nfrr_peer_as = 65000",
            "[DEFAULT] frr_peer_as",
            "frr-peer",
        ),
        (
            "driver = nb_ovn_bgp_driver\n[local_ovn_cluster]\npeer_ips = 192.0.2.1",
            "[local_ovn_cluster] peer_ips",
            "exposing_method = ovn",
        ),
        (
            "driver = nb_ovn_bgp_driver\nbgp_backend = frr\n[bgp]\nfib_metric = 7",
            "[bgp] fib_metric",
            "the sessions are FRR's",
        ),
        (
            "driver = nb_ovn_bgp_driver\nbgp_backend = frr\n[bgp]\nhold_time = 9",
            "[bgp] hold_time",
            "the sessions are FRR's",
        ),
        (
            "driver = nb_ovn_bgp_driver\nbgp_backend = frr-peer\nbgp_router_id = 192.0.2.9",
            "[DEFAULT] bgp_router_id",
            "frr-peer",
        ),
        (
            "driver = nb_ovn_bgp_driver\nbgp_backend = frr-peer\n[bgp]\nfib_import = any",
            "[bgp] fib_import",
            "frr-peer",
        ),
    ] {
        let loaded = Setup {
            text: "[DEFAULT]\n".into(),
        }
        .read(setup);
        assert!(loaded.is_valid(), "{setup}: {:?}", loaded.problems);
        let told = about(&loaded, option);
        let text: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert!(
            text.iter()
                .any(|t| t.contains("has no effect") && t.contains(reason)),
            "{setup}: {text:?}"
        );
    }
}

/// Templates of deployment tools write every option out.
#[test]
fn the_python_agents_defaults_written_out_are_nothing_to_tell() {
    let text = "expose_tenant_networks = False\nadvertisement_method_tenant_networks = host\n\
        require_snat_disabled_for_tenant_networks = False\ndelete_vrf_on_disconnect = True\nevpn_udp_dstport = 4789\n\
        [local_ovn_cluster]\nprovider_networks_pool_prefixes = 192.168.0.0/16\nbgp_chassis_id = bgp\n\
        [agent]\nroot_helper = sudo\n";
    let loaded = Setup {
        text: "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n".into(),
    }
    .read(text);
    let idle = loaded
        .problems
        .iter()
        .filter(|p| matches!(p.fault, Fault::NoEffect(_)));
    assert_eq!(idle.collect::<Vec<_>>(), [] as [&Problem; 0]);
}
