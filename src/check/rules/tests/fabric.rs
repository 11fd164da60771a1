//! What BGP, BFD and FRR need.

use super::*;
use crate::check::facts::FrrFacts;

const LEAF: &str =
    "[bgp]\nas = 64999\n[bgp_neighbor leaf]\naddress = 192.0.2.1\nremote_as = internal\n";

fn with_address(facts: &mut NodeFacts) {
    let mut lo = device(None);
    lo.addresses.push("192.0.2.9".parse().unwrap());
    facts.machine.devices.insert("lo".into(), lo);
}

#[test]
fn a_router_id_must_come_from_somewhere() {
    let speaks = configured("", LEAF);
    tells(
        &finding_with(&speaks, |_| {}),
        &["router-id-missing", "bgp_router_id"],
    );
    nothing_with(&speaks, with_address);
    nothing_with(&configured("bgp_router_id = 192.0.2.9", LEAF), |_| {});
}

#[test]
fn the_device_of_a_neighbour_must_be_there_and_up() {
    let by_device = configured(
        "bgp_router_id = 192.0.2.9",
        "[bgp_neighbor l]\ninterface = eth1\n",
    );
    let found = finding_with(&by_device, |_| {});
    tells(
        &found,
        &["neighbor-interface-missing", "eth1", "does not exist"],
    );
    let found = finding_with(&by_device, |facts| {
        facts
            .machine
            .devices
            .insert("eth1".into(), Device::default());
    });
    tells(&found, &["neighbor-interface-missing", "is down"]);
}

#[test]
fn the_bgp_port_must_be_free_unless_our_own_agent_has_it() {
    let taken =
        |facts: &mut NodeFacts| ignore(facts.machine.tcp.insert("127.0.0.1:179".parse().unwrap()));
    tells(&finding(taken), &["bgp-port-taken", "179"]);
    let found = finding(|facts| {
        taken(facts);
        facts.machine.programs.insert(Program::Bgpd, 17);
    });
    tells(
        &found,
        &[
            "bgp-port-taken",
            "FRR's bgpd runs (process 17)",
            "frr_config",
        ],
    );
    nothing_with(&config(), |facts| {
        taken(facts);
        facts.agent_runs = true;
    });
}

#[test]
fn a_port_at_an_address_that_is_not_ours_is_free() {
    let ours = configured("", "[bgp]\nlisten = 192.0.2.2\n");
    let at = |socket: &str| {
        let socket = socket.parse().unwrap();
        move |facts: &mut NodeFacts| ignore(facts.machine.tcp.insert(socket))
    };
    nothing_with(&ours, at("127.0.0.1:179"));
    nothing_with(&ours, at("192.0.2.2:180"));
    tells(
        &finding_with(&ours, at("192.0.2.2:179")),
        &["bgp-port-taken"],
    );
    tells(&finding_with(&ours, at("[::]:179")), &["bgp-port-taken"]);
}

#[test]
fn frr_beside_the_embedded_speaker_is_told() {
    let found = finding(|facts| ignore(facts.machine.programs.insert(Program::Bgpd, 17)));
    tells(&found, &["frr-beside", "process 17"]);
}

#[test]
fn bfds_ports_must_be_free_where_bfd_is_asked_for() {
    let taken = |facts: &mut NodeFacts| ignore(facts.machine.udp.insert(3784));
    nothing_with(&config(), taken);
    let bfd = configured("bgp_router_id = 192.0.2.9", &format!("{LEAF}bfd = true\n"));
    tells(&finding_with(&bfd, taken), &["bfd-port-taken", "3784"]);
}

#[test]
fn each_fault_of_frr_is_one_finding() {
    let frr = configured("bgp_backend = frr", "");
    let with = |bgpd: Reach, running: Result<&str, &str>| {
        let running = running.map(str::to_owned).map_err(str::to_owned);
        let mut facts = healthy();
        let kinds = ["vrf", "dummy"].map(str::to_owned);
        facts.machine.modules.loaded = kinds.into();
        facts.frr = Some(FrrFacts { bgpd, running });
        node_findings(&facts, &frr)
    };
    let away = |text: &str| Reach::Away(text.to_owned());
    for (bgpd, running, code, words) in [
        (
            away("nothing listens there"),
            Err(""),
            Code::FrrAway,
            "nothing listens there",
        ),
        (away("reset"), Err(""), Code::FrrAway, "reset"),
        (
            Reach::Answers,
            Err("/usr/bin/vtysh cannot be run"),
            Code::FrrVtysh,
            "vtysh cannot be run",
        ),
        (
            Reach::Answers,
            Ok(""),
            Code::FrrConfiguration,
            "no 'router bgp 64999'",
        ),
        (
            Reach::Answers,
            Ok("router bgp 65001\nexit\n"),
            Code::FrrConfiguration,
            "make them equal",
        ),
    ] {
        let found = with(bgpd, running);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].code, code);
        assert!(found[0].problem.contains(words), "{found:?}");
    }
    assert_eq!(with(Reach::Answers, Ok("router bgp 64999\nexit\n")), []);
}
