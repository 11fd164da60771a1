//! Behaviours of upstream.md section 8.2 and the wiring of 8.3, by number.

mod base;
mod exposures;
mod histories;
mod node;
mod reconciled;
mod tenants;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::sync::Arc;

use super::{BridgeFacts, Facts, Localnet};
use crate::exposure::{Attachment, Attributes, Exposure, Kind, Reason};
use crate::mac::MacAddr;
use crate::ovn::BridgeMappings;
use crate::ovn::vswitch::PatchPort;
use crate::reconcile::Desired;
use crate::reconcile::{Key, Value};

const BRIDGE_MAC: MacAddr = MacAddr([0x52, 0, 0, 0, 0, 1]);
const VM_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
const TABLE: u32 = 201;

/// physnet1 on br-ex, table 201, with the patch port of `provnet` as OpenFlow port 5.
fn facts() -> Facts {
    let br_ex = BridgeFacts {
        table: Some(TABLE),
        mac: Some(BRIDGE_MAC),
        patch_ports: vec![patch_port("provnet", 5)],
    };
    Facts {
        mappings: BridgeMappings::parse("physnet1:br-ex"),
        localnets: Vec::new(),
        bridges: BTreeMap::from([(Arc::from("br-ex"), br_ex)]),
        ..Facts::default()
    }
}

/// Everything a node without tenants should have.
fn desired<'a>(exposures: impl IntoIterator<Item = &'a Arc<Exposure>>, facts: &Facts) -> Desired {
    super::desired(exposures, &BTreeMap::new(), [], facts)
}

fn patch_port(localnet: &str, ofport: u32) -> PatchPort {
    PatchPort {
        localnet: localnet.into(),
        ofport,
    }
}

fn localnet(physical_network: &str, vlan: Option<u16>) -> Localnet {
    Localnet {
        physical_network: physical_network.into(),
        vlan,
    }
}

/// A VM's address on br-ex, localnet port `provnet`.
fn exposure(prefix: &str) -> Exposure {
    Exposure {
        prefix: prefix.parse().unwrap(),
        kind: Kind::Provider,
        port: "vm".into(),
        network: "provider".into(),
        attachment: Some(Attachment {
            bridge: "br-ex".into(),
            vlan: None,
            localnet: "provnet".into(),
        }),
        vni: None,
        layer: crate::exposure::Layer::default(),
        via: None,
        subnet: None,
        next_hop: None,
        mac: Some(VM_MAC),
        proxied: Arc::from([]),
        attributes: Attributes::default(),
        reason: Reason::PortHere {
            port: "vm".into(),
            host: "host-1".into(),
        },
    }
}

fn proxying(exposure: Exposure, addresses: &[&str]) -> Exposure {
    let addresses = addresses.iter().map(|a| a.parse::<Ipv6Addr>().unwrap());
    Exposure {
        proxied: addresses.collect(),
        ..exposure
    }
}

/// Objects as `ip`, `sysctl` and `ovs-ofctl` would show them.
fn texts<'a>(objects: impl IntoIterator<Item = (&'a Key, &'a Value)>) -> BTreeSet<String> {
    objects
        .into_iter()
        .map(|(key, value)| text(key, value))
        .collect()
}

fn text(key: &Key, value: &Value) -> String {
    match (key, value) {
        (Key::TableName { name }, Value::TableName { id }) => format!("table {id} {name}"),
        (Key::Link { name }, Value::Link(link)) => format!("link {name} {:?}", link.kind),
        (Key::Sysctl { path }, Value::Sysctl { value }) => format!("{path}={value}"),
        (Key::Address { dev, address }, _) => format!("{address} dev {dev}"),
        (Key::Route { table, prefix }, Value::Route(route)) => {
            let via = route
                .via
                .first()
                .map(|via| format!(" via {via}"))
                .unwrap_or_default();
            format!("{prefix}{via} dev {} table {table}", route.dev)
        }
        (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
            format!("{address} dev {dev} lladdr {mac}")
        }
        (Key::Proxy { dev, address }, _) => format!("proxy {address} dev {dev}"),
        (
            Key::Rule {
                priority,
                to,
                table,
            },
            _,
        ) => format!("{priority}: to {to} lookup {table}"),
        (
            Key::Flow {
                bridge,
                priority,
                in_port,
                ether_type,
                source: None,
            },
            Value::Flow(flow),
        ) => format!(
            "{bridge}: cookie={:#x}, priority={priority}, {ether_type:?}, in_port={in_port}, \
             mod_dl_dst:{}",
            flow.cookie, flow.set_eth_dst
        ),
        other => format!("{other:?}"),
    }
}
