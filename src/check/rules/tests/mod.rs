//! Each fault of a healthy node is one finding, with its code.

mod databases;
mod evpn;
mod fabric;
mod kernel;
mod ovn;
mod vswitch;

use super::*;
use crate::check::facts::{Database, Denial, Device, File, Owner, Program, Reach, Server};
use crate::config::{Driver, Input, Loaded};

const NB: &str = "tcp:192.0.2.1:6641";

fn configured(default: &str, more: &str) -> Config {
    let text = format!(
        "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n{default}\n[ovn]\novn_nb_connection = {NB}\n{more}"
    );
    let files = vec![("a.conf".into(), text)];
    let loaded = Loaded::read(&Input {
        files,
        ..Input::default()
    });
    assert!(loaded.is_valid(), "{:?}", loaded.problems);
    loaded.config
}

fn config() -> Config {
    configured("", "")
}

fn server(remote: &str) -> Server {
    Server {
        remote: remote.to_owned(),
        reach: Reach::Answers,
        has_conditions: true,
        ..Server::default()
    }
}

fn database(name: &str, option: &str, remotes: &[&str]) -> Database {
    Database {
        name: name.to_owned(),
        option: option.to_owned(),
        servers: remotes.iter().map(|remote| server(remote)).collect(),
    }
}

fn device(kind: Option<&str>) -> Device {
    Device {
        is_up: true,
        kind: kind.map(str::to_owned),
        mtu: 1500,
        ..Device::default()
    }
}

fn healthy() -> NodeFacts {
    let pair = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
    let mut facts = NodeFacts {
        vswitch: database("Open_vSwitch", "ovsdb_connection", &["unix:/run/db.sock"]),
        ovn: vec![
            database("OVN_Northbound", "ovn_nb_connection", &[NB]),
            database(
                "OVN_Southbound",
                "ovn_sb_connection",
                &["tcp:192.0.2.1:6642"],
            ),
        ],
        rt_tables: File::Text("254 main\n201 br-ex\n".into()),
        bridges: ["br-ex".to_owned()].into(),
        external_ids: [
            ("system-id", "c1"),
            ("hostname", "h1"),
            ("ovn-bridge-mappings", "physnet1:br-ex"),
        ]
        .map(pair)
        .into(),
        ..NodeFacts::default()
    };
    let machine = &mut facts.machine;
    machine.sysctls = [
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.br-ex.proxy_arp", "0"),
    ]
    .map(pair)
    .into();
    machine.capabilities = ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"]
        .map(str::to_owned)
        .into();
    machine.hostname = Some("h1".into());
    machine.devices.insert("br-ex".into(), device(None));
    facts.cloud.is_read = true;
    facts.cloud.chassis = Some([pair(("c1", "h1"))].into());
    facts.cloud.hosts.insert("h1".into(), 3);
    facts
        .cloud
        .physical_networks
        .insert("physnet1".into(), Some(1500));
    facts
}

/// The one finding, as `code: place: problem; remedy`.
fn of(facts: &NodeFacts, config: &Config) -> String {
    let findings = node_findings(facts, config);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let Finding {
        code,
        place,
        problem,
        remedy,
        ..
    } = &findings[0];
    format!("{}: {place}: {problem}; {remedy}", code.name())
}

/// The one finding after `change` of a healthy node.
fn finding(change: impl FnOnce(&mut NodeFacts)) -> String {
    finding_with(&config(), change)
}

fn finding_with(config: &Config, change: impl FnOnce(&mut NodeFacts)) -> String {
    let mut facts = healthy();
    change(&mut facts);
    of(&facts, config)
}

fn nothing_with(config: &Config, change: impl FnOnce(&mut NodeFacts)) {
    let mut facts = healthy();
    change(&mut facts);
    assert_eq!(node_findings(&facts, config), []);
}

fn ignore<T>(_: T) {}

#[track_caller]
fn tells(found: &str, words: &[&str]) {
    for word in words {
        assert!(found.contains(word), "no {word:?} in {found:?}");
    }
}

fn sysctl(path: &str, value: &str) -> impl FnOnce(&mut NodeFacts) + use<> {
    let (path, value) = (path.to_owned(), value.to_owned());
    move |facts| ignore(facts.machine.sysctls.insert(path, value))
}

#[test]
fn a_healthy_node_has_no_finding() {
    nothing_with(&config(), |_| {});
}
