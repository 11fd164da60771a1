//! Where EVPN is configured.

use super::*;
use crate::check::facts::Tunnel;

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
        }
    };
    let small = finding_with(&config, with_uplink(1549));
    tells(&small, &["underlay-mtu", "up0", "1549", "an MTU of 1550"]);
    nothing_with(&config, with_uplink(1550));
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
