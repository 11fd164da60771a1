//! Open vSwitch, bridges and routing tables.

use super::*;

#[test]
fn b001_no_system_id_is_an_error() {
    let found = finding(|facts| ignore(facts.external_ids.remove("system-id")));
    tells(&found, &["system-id-missing", "system-id: is missing"]);
}

#[test]
fn b002_no_hostname_takes_the_machines() {
    let found = finding(|facts| ignore(facts.external_ids.remove("hostname")));
    tells(&found, &["hostname-missing", "(h1) is used"]);
}

#[test]
fn b007_a_malformed_mapping_is_reported_and_the_others_count() {
    let set = |mappings: &str| {
        let mappings = mappings.to_owned();
        move |facts: &mut NodeFacts| {
            facts
                .external_ids
                .insert("ovn-bridge-mappings".into(), mappings);
            facts.cloud.physical_networks.clear();
        }
    };
    tells(
        &finding(set("physnet1,p2:br-ex")),
        &["bridge-mapping-malformed", "'physnet1' is not"],
    );
    tells(
        &finding(set("a:b:c, p2:br-ex")),
        &["bridge-mapping-malformed", "'a:b:c' is not"],
    );
    tells(
        &finding(set("p1:br-ex,p1:br-ex")),
        &["bridge-mapping-twice"],
    );
}

#[test]
fn mappings_that_are_missing_or_of_no_use_are_told() {
    let found = finding(|facts| ignore(facts.external_ids.remove("ovn-bridge-mappings")));
    tells(&found, &["bridge-mappings-missing", "nothing is exposed"]);
    let found = finding(|facts| {
        facts.cloud.physical_networks = [("physnet-1".into(), None)].into();
    });
    tells(
        &found,
        &["bridge-mapping-unused", "'physnet1'", "physnet-1"],
    );
}

#[test]
fn each_fault_of_a_bridge_has_its_code() {
    tells(
        &finding(|facts| facts.bridges.clear()),
        &["bridge-missing", "ovs-vsctl add-br br-ex"],
    );
    tells(
        &finding(|facts| facts.machine.devices.clear()),
        &["bridge-device-missing"],
    );
    let change = |change: fn(&mut Device)| {
        finding(move |facts| change(facts.machine.devices.get_mut("br-ex").unwrap()))
    };
    tells(
        &change(|device| device.is_up = false),
        &["bridge-down", "ip link set br-ex up"],
    );
    tells(
        &change(|device| device.kind = Some("bridge".into())),
        &["bridge-is-linux"],
    );
    tells(
        &change(|device| device.mtu = 1400),
        &["bridge-mtu", "1400", "mtu_request=1500"],
    );
    nothing_with(&config(), |facts| {
        facts.machine.devices.entry("br-ex".into()).or_default().mtu = 9000;
    });
}

#[test]
fn table_numbers_are_for_one_thing_each() {
    let rows = |text: &str| {
        let text = text.to_owned();
        finding(move |facts| facts.rt_tables = File::Text(text))
    };
    tells(
        &rows("10 br-ex\n"),
        &["rt-tables-conflict", "table 10", "bgp_vrf_table_id"],
    );
    tells(&rows("254 br-ex\n"), &["rt-tables-conflict", "fib_table"]);
    let full: String = (1..=252).map(|n| format!("{n} t{n}\n")).collect();
    tells(&rows(&full), &["rt-tables-full", "br-ex"]);
    let found = finding(|facts| facts.rt_tables = File::Unreadable("permission denied".into()));
    tells(&found, &["rt-tables-unreadable", "permission denied"]);
    let found = finding(|facts| {
        facts.external_ids.insert(
            "ovn-bridge-mappings".into(),
            "physnet1:br-ex,p2:br-2".into(),
        );
        facts.cloud.physical_networks.clear();
        facts.bridges.insert("br-2".into());
        facts.machine.devices.insert("br-2".into(), device(None));
        facts.rt_tables = File::Text("7 br-ex\n7 br-2\n".into());
    });
    tells(&found, &["rt-tables-conflict", "table 7", "br-ex", "br-2"]);
}

#[test]
fn stretched_networks_need_neither_bridges_nor_forwarding() {
    let mut config = config();
    config.agent.driver = Driver::StretchedL2;
    let mut facts = healthy();
    facts.ovn.remove(0);
    facts.bridges.clear();
    facts
        .machine
        .sysctls
        .insert("net.ipv4.ip_forward".into(), "0".into());
    assert_eq!(node_findings(&facts, &config), []);
}

#[test]
fn a_device_of_ours_that_is_another_kind_of_device_is_told() {
    let frr = configured("bgp_backend = frr", "");
    let with = |name: &str, kind: Option<&str>| {
        let mut facts = healthy();
        facts.machine.modules.loaded = ["vrf", "dummy"].map(str::to_owned).into();
        facts.machine.devices.insert(name.into(), device(kind));
        facts
    };
    let found = of(&with("bgp-vrf", Some("bridge")), &frr);
    tells(&found, &["device-kind", "bgp-vrf", "a bridge", "no VRF"]);
    tells(
        &of(&with("bgp-vrf", None), &frr),
        &["device-kind", "another kind"],
    );
    assert_eq!(node_findings(&with("bgp-vrf", Some("vrf")), &frr), []);
    tells(
        &of(&with("br-ex.100", Some("vxlan")), &config()),
        &["device-kind", "no VLAN device"],
    );
    assert_eq!(
        node_findings(&with("br-ex.100", Some("vlan")), &config()),
        []
    );
}
