//! What ours wishes, in the words in which [`crate::left`] tells what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use ovn_bgp_agent::exposure::{
    Exposure, Node, Options, TenantExposure, northbound, southbound, stretched_l2,
};
use ovn_bgp_agent::ovn::southbound::Scope;
use ovn_bgp_agent::ovn::vswitch::PatchPort;
use ovn_bgp_agent::ovn::{self, BridgeMappings, Northbound, Southbound};
use ovn_bgp_agent::ovsdb::Change;
use ovn_bgp_agent::reconcile::object::EtherType;
use ovn_bgp_agent::reconcile::{Desired, Destination, Key, Value};
use ovn_bgp_agent::wiring::{
    BridgeFacts, Facts, Localnet, desired, localnets, southbound_localnets,
};
use serde_json::Map;
use uuid::Uuid;

use crate::left::Left;
use crate::notation;

const PUBLIC_LOCALNET: &str = "provnet-719da409-e1b8-5b04-89ef-3d926a188006";
const VLAN_LOCALNET: &str = "provnet-7e9d38e8-00a2-55ea-a140-42445206049b";

/// What is exposed, and what is wished for it.
pub(crate) struct Ours {
    pub(crate) exposures: Vec<Arc<Exposure>>,
    pub(crate) desired: Desired,
}

/// `nb_ovn_bgp_driver`, on the node that it left.
pub(crate) fn northbound(left: &Left) -> Ours {
    let mut nb = Northbound::default();
    assert_eq!(nb.apply(&northbound_rows(left)), []);
    let decision = northbound::decide(northbound::Inputs {
        northbound: &nb,
        southbound: None,
        node: &node(),
        options: &options(),
    });
    Ours::new(left, decision.exposures, localnets(&nb))
}

/// `ovn_bgp_driver`, on the node that it left.
pub(crate) fn southbound(left: &Left) -> Ours {
    let sb = southbound_rows(left);
    let decision = southbound::decide(southbound::Inputs {
        southbound: &sb,
        node: &node(),
        options: &options(),
    });
    Ours::new(left, decision.exposures, southbound_localnets(&sb))
}

/// What `ovn_stretched_l2_bgp_driver` exposes there.
pub(crate) fn stretched(left: &Left) -> Vec<Arc<Exposure>> {
    let sb = southbound_rows(left);
    let options = Options::default();
    let decision = stretched_l2::decide(stretched_l2::Inputs {
        southbound: &sb,
        options: &options,
    });
    decision.exposures
}

pub(crate) fn northbound_rows(left: &Left) -> Vec<Change> {
    rows(left, "nb.json", |table| {
        ovn::northbound::Table::named(table).unwrap().columns()
    })
}

fn southbound_rows(left: &Left) -> Southbound {
    let mut sb = Southbound::new(Scope::Everything);
    let rows = rows(left, "sb.json", |table| {
        let table = ovn::southbound::Table::named(table).unwrap();
        table.columns(Scope::Everything).unwrap()
    });
    assert_eq!(sb.apply(&rows), []);
    sb
}

fn node() -> Node {
    Node {
        hostname: "compute-1".into(),
        chassis: "compute-1".into(),
        mappings: BridgeMappings::parse("physnet1:br-ex"),
    }
}

fn options() -> Options {
    Options {
        tenants: TenantExposure::Everything,
        ..Options::default()
    }
}

impl Ours {
    fn new(left: &Left, exposures: Vec<Arc<Exposure>>, localnets: Vec<Localnet>) -> Self {
        let patch_port = |localnet: &str, ofport| PatchPort {
            localnet: localnet.into(),
            ofport,
        };
        let br_ex = BridgeFacts {
            table: Some(left.table()),
            mac: left.bridge_mac().parse().ok(),
            patch_ports: vec![patch_port(PUBLIC_LOCALNET, 1), patch_port(VLAN_LOCALNET, 2)],
        };
        let facts = Facts {
            mappings: node().mappings,
            localnets,
            bridges: BTreeMap::from([(Arc::from("br-ex"), br_ex)]),
            ..Facts::default()
        };
        let desired = desired(&exposures, &BTreeMap::new(), [], &facts);
        Self { exposures, desired }
    }

    pub(crate) fn adverts(&self) -> BTreeSet<IpNet> {
        let destinations = self.desired.adverts.keys();
        destinations.filter_map(Destination::prefix).collect()
    }

    pub(crate) fn rules(&self) -> BTreeSet<String> {
        self.keys(|key, _| match key {
            Key::Rule { priority, to, .. } => {
                assert_eq!(*priority, 32000);
                let host = to.prefix_len() == to.max_prefix_len();
                Some(if host {
                    to.addr().to_string()
                } else {
                    to.to_string()
                })
            }
            _ => None,
        })
    }

    pub(crate) fn routes(&self) -> BTreeSet<String> {
        self.keys(|key, value| match (key, value) {
            (Key::Route { prefix, .. }, Value::Route(route)) => {
                let via = route.via.first();
                let via = via.map_or(String::new(), |via| format!("via {via} "));
                Some(format!("{prefix} {via}dev {}", route.dev))
            }
            _ => None,
        })
    }

    pub(crate) fn neighbours(&self) -> BTreeSet<String> {
        self.keys(|key, value| match (key, value) {
            (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
                Some(format!("{address} dev {dev} lladdr {mac}"))
            }
            _ => None,
        })
    }

    pub(crate) fn proxies(&self) -> BTreeSet<String> {
        self.keys(|key, _| match key {
            Key::Proxy { dev, address } => Some(format!("{address} dev {dev} proxy")),
            _ => None,
        })
    }

    pub(crate) fn flows(&self) -> BTreeSet<String> {
        self.keys(|key, value| match (key, value) {
            (
                Key::Flow {
                    bridge,
                    priority,
                    in_port,
                    ether_type,
                    source: None,
                },
                Value::Flow(flow),
            ) => {
                assert_eq!((&**bridge, flow.cookie), ("br-ex", 0x3e7));
                let family = match ether_type {
                    EtherType::Ipv4 => "ip",
                    EtherType::Ipv6 => "ipv6",
                    EtherType::Arp => "arp",
                    EtherType::Nd => "icmp6",
                };
                let mac = flow.set_eth_dst;
                Some(format!(
                    "{priority},{family},in_port={in_port} actions=mod_dl_dst:{mac},NORMAL"
                ))
            }
            _ => None,
        })
    }

    /// As sysctl(8) writes them: it swaps dots and slashes.
    pub(crate) fn sysctls(&self) -> BTreeSet<String> {
        let swapped = |c| match c {
            '/' => '.',
            '.' => '/',
            c => c,
        };
        self.keys(|key, value| match (key, value) {
            (Key::Sysctl { path }, Value::Sysctl { value }) => {
                assert_eq!(&**value, "1");
                Some(path.chars().map(swapped).collect())
            }
            _ => None,
        })
    }

    /// Every object that none of the others tell.
    pub(crate) fn rest(&self) -> BTreeSet<String> {
        self.keys(|key, _| match key {
            Key::Link { .. } | Key::TableName { .. } | Key::Address { .. } => Some(key.to_string()),
            Key::Rule { .. }
            | Key::Route { .. }
            | Key::Neighbour { .. }
            | Key::Proxy { .. }
            | Key::Flow { .. }
            | Key::Sysctl { .. } => None,
            other => panic!("nobody compares {other}"),
        })
    }

    fn keys(&self, select: impl Fn(&Key, &Value) -> Option<String>) -> BTreeSet<String> {
        let objects = self.desired.objects.iter();
        objects
            .filter_map(|(key, value)| select(key, value))
            .collect()
    }
}

/// Rows of a database, as far as the outputs of `ovn-nbctl` or `ovn-sbctl` on the node tell.
fn rows(left: &Left, file: &str, columns: impl Fn(&str) -> &'static [&'static str]) -> Vec<Change> {
    let rows: Vec<(String, Uuid, Map<String, serde_json::Value>)> =
        serde_json::from_str(&left.text(file)).unwrap();
    let change = |(table, uuid, row): (String, Uuid, Map<_, _>)| {
        notation::insertion(&table, columns(&table), uuid, &row)
    };
    rows.into_iter().map(change).collect()
}
