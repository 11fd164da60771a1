//! Where EVPN is configured.

use super::*;
use crate::check::facts::{Tunnel, VniNetwork};

const EVPN: &str = "exposing_method = vrf\nevpn_local_ip = 172.30.1.1";

/// A neighbour by its device.
const UPLINK: &str = "[bgp_neighbor up0]\ninterface = up0\nremote_as = external";

fn evpn() -> Config {
    configured(EVPN, "")
}

/// A healthy node with a VTEP.
fn with_vtep(facts: &mut NodeFacts) {
    facts.machine.modules.available = Some(["vrf", "vxlan"].map(str::to_owned).into());
    let mut lo = device(None);
    lo.addresses = vec!["172.30.1.1".parse().unwrap()];
    facts.machine.devices.insert("lo".into(), lo);
}

fn vxlan(vni: u32, port: u16, external: bool) -> Device {
    Device {
        tunnel: Some(Tunnel {
            vni,
            port,
            external,
        }),
        ..device(Some("vxlan"))
    }
}

fn found(change: impl FnOnce(&mut NodeFacts)) -> String {
    finding_with(&evpn(), |facts| {
        with_vtep(facts);
        change(facts);
    })
}

#[test]
fn a_node_with_a_vtep_is_healthy_with_and_without_tunnels_of_ours() {
    nothing_with(&evpn(), with_vtep);
    nothing_with(&evpn(), |facts| {
        with_vtep(facts);
        let tunnel = vxlan(1001, 4789, false);
        facts.machine.devices.insert("vxlan-1001".into(), tunnel);
        facts.machine.udp.insert(4789);
    });
}

#[test]
fn b160_a_vtep_that_is_not_told_or_not_here_is_an_error_that_names_the_option() {
    let config = configured("exposing_method = vrf", "");
    let mut facts = healthy();
    with_vtep(&mut facts);
    let missing = of(&facts, &config);
    tells(&missing, &["vtep-missing", "evpn_local_ip"]);
    let foreign = found(|facts| ignore(facts.machine.devices.remove("lo")));
    tells(&foreign, &["vtep-foreign", "172.30.1.1", "ip address add"]);
}

#[test]
fn the_port_of_open_vswitchs_tunnels_cannot_be_shared() {
    let sys = found(|facts| {
        let tunnel = vxlan(0, 4789, true);
        facts
            .machine
            .devices
            .insert("vxlan_sys_4789".into(), tunnel);
        facts.machine.udp.insert(4789);
    });
    tells(
        &sys,
        &["vxlan-port-taken", "vxlan_sys_4789", "evpn_udp_dstport"],
    );
    let somebody = found(|facts| ignore(facts.machine.udp.insert(4789)));
    tells(&somebody, &["vxlan-port-taken", "UDP port 4789"]);
    nothing_with(&evpn(), |facts| {
        with_vtep(facts);
        let tunnel = vxlan(0, 8472, true);
        facts
            .machine
            .devices
            .insert("vxlan_sys_8472".into(), tunnel);
    });
}

#[test]
fn a_vni_of_somebody_elses_device_cannot_be_a_networks() {
    let taken = found(|facts| {
        let tunnel = vxlan(77, 4789, false);
        facts.machine.devices.insert("fabric77".into(), tunnel);
    });
    tells(&taken, &["vni-taken", "fabric77", "VNI 77"]);
}

#[test]
fn a_tenants_packet_has_to_fit_into_the_underlays() {
    let config = configured(EVPN, UPLINK);
    let with_uplink = |mtu| {
        move |facts: &mut NodeFacts| {
            with_vtep(facts);
            let uplink = Device {
                mtu,
                ..device(None)
            };
            facts.machine.devices.insert("up0".into(), uplink);
            network(facts, Some(1500));
        }
    };
    let small = finding_with(&config, with_uplink(1549));
    tells(
        &small,
        &[
            "underlay-mtu",
            "up0",
            "1549",
            "neutron-1",
            "VNI 1001",
            "an MTU of 1550",
        ],
    );
    nothing_with(&config, with_uplink(1550));
}

/// A network of VNI 1001.
fn network(facts: &mut NodeFacts, mtu: Option<u32>) {
    let network = VniNetwork { vni: 1001, mtu };
    facts.cloud.vni_networks.insert("neutron-1".into(), network);
}

#[test]
fn the_underlay_is_also_where_a_numbered_neighbour_is_and_where_the_vtep_is() {
    let config = configured(
        EVPN,
        "[bgp_neighbor leaf]\naddress = 192.0.2.1\nremote_as = external",
    );
    let with_device = |net: &'static str, address: &'static str| {
        move |facts: &mut NodeFacts| {
            with_vtep(facts);
            network(facts, Some(8950));
            let uplink = Device {
                mtu: 8999,
                networks: vec![net.parse().unwrap()],
                addresses: vec![address.parse().unwrap()],
                ..device(None)
            };
            facts.machine.devices.insert("bond0".into(), uplink);
        }
    };
    let numbered = finding_with(&config, with_device("192.0.2.0/24", "192.0.2.7"));
    tells(&numbered, &["underlay-mtu", "bond0", "an MTU of 9000"]);
    let tunnels = finding_with(&config, with_device("172.30.1.0/24", "172.30.1.1"));
    tells(&tunnels, &["underlay-mtu", "bond0"]);
    nothing_with(&config, with_device("198.51.100.0/24", "198.51.100.1"));
}

/// 70 octets: Ethernet, VXLAN, UDP, and an IPv6 header of 40.
#[test]
fn an_ipv6_vtep_takes_twenty_octets_more() {
    let config = configured("exposing_method = vrf\nevpn_local_ip = 2001:db8::1", UPLINK);
    let with_mtu = |mtu| {
        move |facts: &mut NodeFacts| {
            with_vtep(facts);
            let lo = facts.machine.devices.get_mut("lo").unwrap();
            lo.addresses.push("2001:db8::1".parse().unwrap());
            network(facts, Some(1500));
            let uplink = Device {
                mtu,
                ..device(None)
            };
            facts.machine.devices.insert("up0".into(), uplink);
        }
    };
    let small = finding_with(&config, with_mtu(1569));
    tells(&small, &["underlay-mtu", "70 octets", "an MTU of 1570"]);
    nothing_with(&config, with_mtu(1570));
}

#[test]
fn a_network_that_is_in_no_vni_or_says_nothing_of_its_mtu_needs_no_room() {
    let config = configured(EVPN, UPLINK);
    nothing_with(&config, |facts| {
        with_vtep(facts);
        facts.machine.devices.insert("up0".into(), device(None));
        // Of no VNI: the other network of 1500 octets that a healthy node has.
        network(facts, None);
    });
}

#[test]
fn with_ovns_own_routing_a_missing_vtep_is_an_error_only_where_a_router_has_a_vni() {
    let native = |vnis: &[u32]| {
        let mut config = evpn();
        config.agent.driver = Driver::Native;
        config.agent.evpn_local_ip = None;
        let mut facts = healthy();
        with_vtep(&mut facts);
        facts.machine.devices.remove("lo");
        facts.cloud.vnis = vnis.iter().copied().collect();
        let findings = node_findings(&facts, &config);
        let mut of_vtep = findings.into_iter().filter(|f| f.code == Code::VtepMissing);
        of_vtep.next().unwrap()
    };
    assert_eq!(native(&[]).severity, Severity::Info);
    let needed = native(&[77]);
    assert_eq!(needed.severity, Severity::Error);
    tells(&needed.problem, &["VNI 77", "evpn_local_ip"]);
}

#[test]
fn without_evpn_nobody_asks_for_tunnels() {
    nothing_with(&config(), |facts| {
        let tunnel = vxlan(0, 4789, true);
        facts
            .machine
            .devices
            .insert("vxlan_sys_4789".into(), tunnel);
    });
}
