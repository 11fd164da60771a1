//! A node that the Python agent (4.0.0, Debian 13) left behind, NB driver, method underlay: what ours
//! wishes for the same database is what is there, with the differences named.
//!
//! `tests/fixtures/golden/nb_underlay` has the outputs of `ip`, `ovs-ofctl` and `sysctl` on that node.
//! Tenant addresses are left out: there, tenant networks were exposed.

mod notation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use ovn_bgp_agent::exposure::northbound::{Inputs, decide};
use ovn_bgp_agent::exposure::{Node, Options};
use ovn_bgp_agent::ovn::vswitch::PatchPort;
use ovn_bgp_agent::ovn::{BridgeMappings, Northbound, northbound};
use ovn_bgp_agent::reconcile::object::EtherType;
use ovn_bgp_agent::reconcile::{Desired, Key, Value};
use ovn_bgp_agent::wiring::{BridgeFacts, Facts, desired, localnets};
use uuid::Uuid;

const PUBLIC_LOCALNET: &str = "provnet-719da409-e1b8-5b04-89ef-3d926a188006";
const VLAN_LOCALNET: &str = "provnet-7e9d38e8-00a2-55ea-a140-42445206049b";
const BRIDGE_MAC: &str = "52:8e:1f:3d:97:48";

#[test]
fn rules_are_those_the_python_agent_left() {
    let there = lines("ip-rule.txt")
        .into_iter()
        .chain(lines("ip-6-rule.txt"))
        .filter_map(|line| {
            let rest = line.strip_prefix("32000:\tfrom all to ")?;
            let (to, table) = rest.split_once(" lookup ")?;
            assert_eq!(table, "br-ex");
            prefix(to)
        })
        .filter(|to| !is_tenant(to))
        .collect::<BTreeSet<_>>();
    let ours = keys(|key, _| match key {
        Key::Rule {
            priority: 32000,
            to,
            table: 189,
        } => Some(*to),
        Key::Rule { .. } => panic!("unexpected {key:?}"),
        _ => None,
    });
    assert_eq!(there.len(), 6);
    assert_eq!(ours, there);
}

#[test]
fn routes_are_those_the_python_agent_left() {
    let mut there = BTreeSet::new();
    for line in lines("ip-route-all.txt") {
        let Some((route, _)) = line.split_once(" table br-ex") else {
            continue;
        };
        let (to, dev) = route.split_once(" dev ").unwrap();
        match to {
            "default" if line.contains("scope link") => {
                there.insert(("0.0.0.0/0".into(), dev.into()))
            }
            "default" => there.insert(("::/0".into(), dev.into())),
            via if via.contains(" via ") => false,
            to => there.insert((prefix(to).unwrap().to_string(), dev.into())),
        };
    }
    let ours = keys(|key, value| match (key, value) {
        (Key::Route { table: 189, prefix }, Value::Route(route)) => {
            assert_eq!(route.via, None);
            Some((prefix.to_string(), route.dev.to_string()))
        }
        _ => None,
    });
    assert_eq!(there.len(), 8);
    assert_eq!(ours, there);
}

#[test]
fn neighbours_are_those_the_python_agent_left() {
    let there = lines("ip-neigh.txt")
        .into_iter()
        .filter_map(|line| line.strip_suffix(" PERMANENT").map(str::to_owned))
        .collect::<BTreeSet<_>>();
    let ours = keys(|key, value| match (key, value) {
        (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
            Some(format!("{address} dev {dev} lladdr {mac}"))
        }
        _ => None,
    });
    assert_eq!(there.len(), 6);
    assert_eq!(ours, there);
}

#[test]
fn proxies_are_those_the_python_agent_left_and_the_subnets_other_usual_gateway() {
    let there = lines("ip-neigh-proxy.txt")
        .into_iter()
        .collect::<BTreeSet<_>>();
    let mut ours = keys(|key, _| match key {
        Key::Proxy { dev, address } => Some(format!("{address} dev {dev} proxy")),
        _ => None,
    });
    assert!(ours.remove("2001:db8:100::1 dev br-ex proxy"), "{ours:?}");
    assert_eq!(ours, there);
}

#[test]
fn flows_are_those_the_python_agent_left() {
    let there = lines("flows-br-ex.txt")
        .into_iter()
        .filter(|line| line.contains("cookie=0x3e7,"))
        .map(|line| {
            let (_, flow) = line.split_once("priority=").unwrap();
            flow.to_owned()
        })
        .collect::<BTreeSet<_>>();
    let ours = keys(|key, value| match (key, value) {
        (
            Key::Flow {
                bridge,
                priority,
                in_port,
                ether_type,
            },
            Value::Flow(flow),
        ) => {
            assert_eq!((&**bridge, flow.cookie), ("br-ex", 0x3e7));
            let family = match ether_type {
                EtherType::Ipv4 => "ip",
                EtherType::Ipv6 => "ipv6",
            };
            let mac = flow.set_eth_dst;
            Some(format!(
                "{priority},{family},in_port={in_port} actions=mod_dl_dst:{mac},NORMAL"
            ))
        }
        _ => None,
    });
    assert_eq!(there.len(), 4);
    assert_eq!(ours, there);
}

#[test]
fn sysctls_devices_and_the_table_are_those_the_python_agent_left() {
    let there = lines("sysctl.txt")
        .into_iter()
        .filter_map(|line| line.strip_suffix(" = 1").map(str::to_owned))
        .collect::<BTreeSet<_>>();
    let ours = keys(|key, _| match key {
        // sysctl(8) swaps dots and slashes.
        Key::Sysctl { path } => Some(
            path.chars()
                .map(|c| match c {
                    '/' => '.',
                    '.' => '/',
                    c => c,
                })
                .collect::<String>(),
        ),
        _ => None,
    });
    assert_eq!(there.len(), 4);
    assert_eq!(ours, there);

    let links = keys(|key, _| match key {
        Key::Link { name } => Some(name.to_string()),
        _ => None,
    });
    assert_eq!(links, BTreeSet::from(["br-ex".into(), "br-ex.123".into()]));
    let tables = keys(|key, value| match (key, value) {
        (Key::TableName { name }, Value::TableName { id }) => Some(format!("{id} {name}")),
        _ => None,
    });
    assert!(
        lines("rt_tables.txt")
            .iter()
            .any(|line| tables.contains(line))
    );
}

/// 4.0.0 numbered the mapping from 0 and gave VLAN devices no address; the later agent, and ours, do
/// as upstream.md 3.0.1 says.
#[test]
fn helper_addresses_are_those_of_the_python_agents_later_version() {
    let there = lines("ip-addr.txt")
        .into_iter()
        .filter(|line| line.contains("169.254.") || line.contains("fd53:"))
        .count();
    assert_eq!(there, 2);
    let ours = keys(|key, _| match key {
        Key::Address { dev, address } => Some(format!("{address} dev {dev}")),
        _ => None,
    });
    let expected = [
        "169.254.1.1/32 dev br-ex",
        "169.254.1.123/32 dev br-ex.123",
        "fd53:d91e:400:7f17::1:1/128 dev br-ex",
        "fd53:d91e:400:7f17::1:7b/128 dev br-ex.123",
    ];
    assert_eq!(ours, expected.into_iter().map(str::to_owned).collect());
}

fn keys<T: Ord>(select: impl Fn(&Key, &Value) -> Option<T>) -> BTreeSet<T> {
    let desired = wished();
    let objects = desired.objects.iter();
    objects
        .filter_map(|(key, value)| select(key, value))
        .collect()
}

fn wished() -> Desired {
    let nb = database();
    let node = Node {
        hostname: "compute-1".into(),
        chassis: "compute-1".into(),
        mappings: BridgeMappings::parse("physnet1:br-ex"),
    };
    let decision = decide(Inputs {
        northbound: &nb,
        southbound: None,
        node: &node,
        options: &Options::default(),
    });
    let patch_port = |localnet: &str, ofport| PatchPort {
        localnet: localnet.into(),
        ofport,
    };
    let br_ex = BridgeFacts {
        table: Some(189),
        mac: BRIDGE_MAC.parse().ok(),
        patch_ports: vec![patch_port(PUBLIC_LOCALNET, 1), patch_port(VLAN_LOCALNET, 2)],
    };
    let facts = Facts {
        mappings: node.mappings.clone(),
        localnets: localnets(&nb),
        bridges: BTreeMap::from([(Arc::from("br-ex"), br_ex)]),
    };
    desired(&decision.exposures, &facts)
}

/// The node's Northbound database, as far as its `ovn-nbctl show` and `list` told.
fn database() -> Northbound {
    let rows: Vec<(String, Uuid, serde_json::Map<String, serde_json::Value>)> =
        serde_json::from_str(&lines("nb.json").join("\n")).unwrap();
    let mut nb = Northbound::default();
    for (table, uuid, row) in rows {
        let table = northbound::Table::named(&table).unwrap();
        let change = notation::insertion(table.name(), table.columns(), uuid, &row);
        assert_eq!(nb.apply([&change]), []);
    }
    nb
}

fn lines(file: &str) -> Vec<String> {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/golden/nb_underlay/"
    );
    let text = std::fs::read_to_string(format!("{root}{file}")).unwrap();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// `1.2.3.4` or `1.2.3.4/24`, as `ip` prints destinations.
fn prefix(text: &str) -> Option<IpNet> {
    let host = || Some(IpNet::from(text.parse::<std::net::IpAddr>().ok()?));
    text.parse().ok().or_else(host)
}

fn is_tenant(to: &IpNet) -> bool {
    to.prefix_len() != to.max_prefix_len()
}
