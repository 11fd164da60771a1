//! What is reported: errors that stop the start, and warnings.

use std::time::Duration;

use super::*;

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
