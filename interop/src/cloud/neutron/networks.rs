//! Networks: logical switches, and their way to the bridges.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Neutron, named, new_row};
use crate::cloud::objects::{Network, Reach};

impl Neutron {
    /// A network without ports, but for the localnet port of a provider network.
    pub fn create_network(&self, network: &Network) -> Result<()> {
        let mut operations = Vec::new();
        let mut ports = Vec::<Value>::new();
        let (kind, mtu, wire) = match network.reach {
            Reach::Flat(physical) => ("flat", "1500", Some((physical, None))),
            Reach::Vlan(physical, tag) => ("vlan", "1500", Some((physical, Some(tag)))),
            Reach::Tunnelled => ("geneve", "1442", None),
        };
        if let Some((physical, tag)) = wire {
            ports.push(new_row("provnet"));
            operations.push(json!({"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "provnet", "row": {
                "name": localnet(network), "type": "localnet", "addresses": "unknown", "tag": tag.map_or_else(|| json!(["set", []]), |tag| json!(tag)),
                "options": ["map", [["localnet_learn_fdb", "false"], ["mcast_flood", "false"], ["mcast_flood_reports", "true"],
                    ["network_name", physical]]]}}));
        }
        operations.push(json!({"op": "insert", "table": "Logical_Switch", "row": {
            "name": network.name(), "ports": ["set", ports],
            "other_config": ["map", [["mcast_flood_unregistered", "false"], ["mcast_snoop", "false"], ["vlan-passthru", "false"]]],
            "external_ids": ["map", [["neutron:availability_zone_hints", ""], ["neutron:mtu", mtu], ["neutron:network_name", network.id],
                ["neutron:provnet-network-type", kind], ["neutron:revision_number", "1"]]]}}));
        self.transact(operations)
    }

    /// Deletes the network, whatever ports it still has.
    pub fn delete_network(&self, network: &Network) -> Result<()> {
        let name = network.name();
        self.transact(vec![
            json!({"op": "delete", "table": "Logical_Switch", "where": named(&name)}),
        ])
    }
}

/// The name of the localnet port of a provider network.
pub(super) fn localnet(network: &Network) -> String {
    format!("provnet-{}", network.id)
}
