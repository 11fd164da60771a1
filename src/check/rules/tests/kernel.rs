//! The machine.

use super::*;

#[test]
fn forwarding_must_be_on_in_both_families() {
    for (path, family) in [
        ("net.ipv4.ip_forward", "IPv4"),
        ("net.ipv6.conf.all.forwarding", "IPv6"),
    ] {
        tells(
            &finding(sysctl(path, "0")),
            &["forwarding-off", path, family],
        );
    }
}

#[test]
fn a_strict_reverse_path_filter_is_found_where_traffic_of_ours_passes() {
    let strict = |device: &str| sysctl(&format!("net.ipv4.conf.{device}.rp_filter"), "1");
    tells(
        &finding(strict("br-ex")),
        &["rp-filter-strict", "conf.br-ex.rp_filter"],
    );
    tells(
        &finding(strict("all")),
        &["rp-filter-strict", "conf.all.rp_filter"],
    );
    nothing_with(&config(), strict("docker0"));
    let uplink = configured(
        "",
        "[bgp]\nas = 64999\nrouter_id = 192.0.2.2\n[bgp_neighbor l]\ninterface = eth1\n",
    );
    let found = finding_with(&uplink, |facts| {
        facts.machine.devices.insert("eth1".into(), device(None));
        strict("eth1")(facts);
    });
    tells(&found, &["rp-filter-strict", "conf.eth1.rp_filter"]);
}

#[test]
fn the_higher_of_all_and_the_devices_own_reverse_path_filter_counts() {
    nothing_with(&config(), |facts| {
        sysctl("net.ipv4.conf.all.rp_filter", "2")(facts);
        sysctl("net.ipv4.conf.br-ex.rp_filter", "1")(facts);
    });
}

#[test]
fn vlan_devices_to_come_take_the_default_reverse_path_filter() {
    let default = "net.ipv4.conf.default.rp_filter";
    nothing_with(&config(), sysctl(default, "1"));
    let found = finding(|facts| {
        facts.cloud.vlans.insert("physnet1".into());
        facts.machine.modules.loaded.insert("8021q".into());
        sysctl(default, "1")(facts);
    });
    tells(&found, &["rp-filter-strict", default]);
}

#[test]
fn each_missing_capability_is_a_finding() {
    for capability in ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"] {
        let found = finding(|facts| ignore(facts.machine.capabilities.remove(capability)));
        tells(&found, &["capability-missing", capability]);
    }
    let high = configured("", "[bgp]\nport = 1179\n");
    nothing_with(&high, |facts| {
        facts.machine.capabilities.remove("CAP_NET_BIND_SERVICE");
    });
}

#[test]
fn ipv6_that_is_off_on_a_bridge_is_found() {
    let found = finding(sysctl("net.ipv6.conf.br-ex.disable_ipv6", "1"));
    tells(&found, &["ipv6-disabled", "br-ex"]);
}

#[test]
fn read_only_sysctls_matter_while_a_bridge_needs_one() {
    let found = finding(|facts| facts.machine.sysctls_read_only = true);
    tells(
        &found,
        &["sysctls-read-only", "net.ipv4.conf.br-ex.proxy_arp=1"],
    );
    nothing_with(&config(), |facts| {
        facts.machine.sysctls_read_only = true;
        sysctl("net.ipv4.conf.br-ex.proxy_arp", "1")(facts);
    });
}

#[test]
fn modules_are_missed_where_the_configuration_needs_them() {
    let vlan = |facts: &mut NodeFacts| {
        facts.cloud.vlans.insert("physnet1".into());
        facts.machine.modules.available = Some(["dummy".to_owned()].into());
    };
    tells(
        &finding(vlan),
        &["kernel-module-missing", "8021q", "physnet1"],
    );
    let unknown = finding(|facts| {
        vlan(facts);
        facts.machine.modules.available = None;
    });
    tells(&unknown, &["not-seen", "8021q"]);
    nothing_with(&config(), |facts| {
        vlan(facts);
        facts
            .machine
            .devices
            .insert("eth0.5".into(), device(Some("vlan")));
    });
    nothing_with(&config(), |facts| {
        vlan(facts);
        facts.machine.modules.available = Some(["8021q".to_owned()].into());
    });
}

#[test]
fn the_backend_frr_needs_vrf_and_dummy_devices() {
    let frr = configured("bgp_backend = frr", "");
    let mut facts = healthy();
    facts.machine.modules.available = Some(Default::default());
    let found = node_findings(&facts, &frr);
    let places: Vec<_> = found.iter().map(|finding| finding.place.as_str()).collect();
    assert_eq!(places, ["kernel module vrf", "kernel module dummy"]);
}

#[test]
fn network_manager_shall_leave_our_devices_alone() {
    let found = finding(|facts| {
        facts
            .machine
            .devices
            .entry("br-ex".into())
            .or_default()
            .managed = true;
    });
    tells(
        &found,
        &[
            "network-manager",
            "br-ex",
            "unmanaged-devices=interface-name:br-ex",
        ],
    );
    for name in ["br-ex.100", "vxlan-77", "br-77", "bgp-nic2"] {
        let managed = |facts: &mut NodeFacts| {
            let managed = Device {
                managed: true,
                ..device(name.contains('.').then_some("vlan"))
            };
            facts.machine.devices.insert(name.into(), managed);
        };
        match name {
            "bgp-nic2" => nothing_with(&config(), managed),
            _ => tells(&finding(managed), &["network-manager", name]),
        }
    }
}

#[test]
fn the_python_agent_beside_us_and_what_it_leaves_are_told() {
    let found = finding(|facts| ignore(facts.machine.programs.insert(Program::PythonAgent, 42)));
    tells(&found, &["python-agent", "process 42"]);
    let found =
        finding(|facts| ignore(facts.machine.devices.insert("bgp-nic".into(), device(None))));
    tells(&found, &["python-leftover", "bgp-nic"]);
}

#[test]
fn what_could_not_be_seen_is_told_and_is_no_problem() {
    let mut facts = healthy();
    facts
        .machine
        .unseen
        .push(("process 7".into(), "permission denied".into()));
    let findings = node_findings(&facts, &config());
    assert_eq!(findings[0].severity, Severity::Info);
    tells(&of(&facts, &config()), &["not-seen", "process 7"]);
}
