//! A node that the Python agent (4.0.0, Debian 13) left behind, NB driver, method underlay: what ours
//! wishes for the same database is what is there, with the differences named.
//!
//! `tests/fixtures/golden/nb_underlay` has the outputs of `ip`, `ovs-ofctl` and `sysctl` on that node.
//! Tenant addresses are left out: there, tenant networks were exposed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use ovn_bgp_agent::exposure::Node;
use ovn_bgp_agent::exposure::northbound::{Inputs, decide};
use ovn_bgp_agent::ovn::row::Reader;
use ovn_bgp_agent::ovn::vswitch::PatchPort;
use ovn_bgp_agent::ovn::{BridgeMappings, Northbound, northbound};
use ovn_bgp_agent::reconcile::object::EtherType;
use ovn_bgp_agent::reconcile::{Desired, Key, Value};
use ovn_bgp_agent::wiring::{BridgeFacts, Facts, desired, localnets};
use serde_json::json;
use uuid::Uuid;

const PUBLIC: &str = "neutron-38c12e4f-e819-5336-9a2b-8b7f94a6286c";
const VLAN: &str = "neutron-1d2931ed-2d05-5d54-8a9a-825704eb7467";
const TENANT: &str = "neutron-05f13b8c-8bfe-50a3-8422-d376b526a123";
const PUBLIC_LOCALNET: &str = "provnet-719da409-e1b8-5b04-89ef-3d926a188006";
const VLAN_LOCALNET: &str = "provnet-7e9d38e8-00a2-55ea-a140-42445206049b";
const VM_A: &str = "7e81fefd-5daa-5bcd-befd-e19e15d90282";
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

/// The node's Northbound database, as its `ovn-nbctl show` and `list` say.
fn database() -> Northbound {
    use northbound::Table;
    let mut nb = Northbound::default();
    let mut number = 0;
    let mut put = |table, row: serde_json::Value| {
        number += 1;
        let uuid = Uuid::from_u128(number);
        let problem = nb.apply(table, uuid, row.as_object().map(Reader::new));
        assert_eq!(problem, None);
        json!(["uuid", uuid.to_string()])
    };
    for (network, localnet, tag) in [
        (PUBLIC, PUBLIC_LOCALNET, None),
        (VLAN, VLAN_LOCALNET, Some(123)),
    ] {
        let port = put(
            Table::SwitchPort,
            json!({
                "name": localnet, "type": "localnet", "addresses": "unknown", "up": false,
                "tag": tag.map_or_else(|| json!(["set", []]), |tag| json!(tag)),
                "options": ["map", [["network_name", "physnet1"]]],
            }),
        );
        put(Table::Switch, json!({"name": network, "ports": port}));
    }
    for (name, network, address, cidrs) in [
        (
            VM_A,
            TENANT,
            "fa:16:3e:0a:00:01 10.10.0.19 2001:db8:200::19",
            "10.10.0.19/24 2001:db8:200::19/64",
        ),
        (
            "19be73c9-ba65-5183-a191-3988556375de",
            PUBLIC,
            "fa:16:3e:0a:00:02 172.24.4.138 2001:db8:100::138",
            "172.24.4.138/24 2001:db8:100::138/64",
        ),
        (
            "fc42fc47-8f08-5e77-982c-3eb1a82cf21e",
            VLAN,
            "fa:16:3e:0a:00:03 172.30.0.182",
            "172.30.0.182/24",
        ),
        (
            "b8421ab8-7e28-511c-873b-d3661e4773fb",
            TENANT,
            "fa:16:3e:0a:00:04 10.10.0.20",
            "10.10.0.20/24",
        ),
    ] {
        put(
            Table::SwitchPort,
            json!({
                "name": name, "type": "", "addresses": address, "up": true, "enabled": true,
                "options": ["map", [["requested-chassis", "compute-1"]]],
                "external_ids": ["map", [
                    ["neutron:network_name", network], ["neutron:cidrs", cidrs],
                    ["neutron:host_id", "compute-1"],
                ]],
            }),
        );
    }
    put(
        Table::RouterPort,
        json!({
            "name": "lrp-4a252a93-9771-5708-9c86-b16a16d18f36", "mac": "fa:16:3e:94:ec:e8",
            "networks": ["set", ["172.24.4.76/24", "2001:db8:100:0:f816:3eff:fe94:ece8/64"]],
            "status": ["map", [["hosting-chassis", "compute-1"]]],
            "external_ids": ["map", [
                ["neutron:is_ext_gw", "True"], ["neutron:network_name", PUBLIC],
            ]],
        }),
    );
    put(
        Table::Nat,
        json!({
            "type": "dnat_and_snat", "external_ip": "172.24.4.151", "logical_ip": "10.10.0.19",
            "logical_port": VM_A, "external_mac": "fa:16:3e:0a:00:01",
            "external_ids": ["map", [[
                "neutron:fip_network_id", PUBLIC.trim_start_matches("neutron-"),
            ]]],
        }),
    );
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
