//! What Neutron 26 (ML2/OVN) writes into the Northbound database, row by row and transaction by transaction: the shapes are those
//! of `tests/fixtures/snap`. northd and ovn-controller, which are real, write the rest (`up`, `status`, patch ports).

use anyhow::{Context, Result};
use interop::ovn::Central;
use interop::{PATIENCE, wait_until};
use serde_json::{Value, json};

/// The provider network, flat on physnet1: 172.24.4.0/24, 2001:db8:100::/64.
pub(crate) const PUBLIC: &str = "neutron-56c5d71b-4df8-41c4-a89b-b7bad3fec987";
/// A tenant network: 10.10.8.0/24, 2a05:d014:aa:8::/64.
pub(crate) const TENANT: &str = "neutron-df16cc88-fe6a-4dde-bc0f-88701f1ce079";
/// The router between the two, and its addresses on the provider network.
pub(crate) const ROUTER: &str = "neutron-22d02893-279f-4faf-b82c-031dbed2817f";
pub(crate) const GATEWAY: &str = "lrp-f6698677-eab8-492b-850f-3b5dac75aaf3";
pub(crate) const GATEWAY_V4: &str = "172.24.4.40";
pub(crate) const GATEWAY_V6: &str = "2001:db8:100:0:f816:3eff:feec:91c9";

/// A port as `openstack port create` makes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    /// The port's id: the name of its row.
    pub(crate) id: &'static str,
    pub(crate) network: &'static str,
    pub(crate) mac: &'static str,
    pub(crate) v4: &'static str,
    pub(crate) v6: &'static str,
}

impl Port {
    /// What the subnets call `gateway_ip`.
    pub(crate) fn gateways(&self) -> [&'static str; 2] {
        if self.network == PUBLIC {
            ["172.24.4.1", "2001:db8:100::1"]
        } else {
            ["10.10.8.1", "2a05:d014:aa:8::1"]
        }
    }
}

/// A floating IP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fip {
    pub(crate) address: &'static str,
    pub(crate) mac: &'static str,
}

/// Neutron's hand on the databases.
#[derive(Debug)]
pub(crate) struct Neutron {
    pub(crate) central: Central,
}

impl Neutron {
    /// The provider network, the tenant network and the router between them, whose gateway is hosted by these chassis (system ids),
    /// the first preferred.
    pub(crate) fn build(central: Central, gateways: &[&str]) -> Result<Self> {
        let this = Self { central };
        let distributed = json!([["neutron:fip-distributed", "True"]]);
        this.transact(json!([
            {"op": "mutate", "table": "NB_Global", "where": [], "mutations": [["external_ids", "insert", ["map", distributed]]]},
            {"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "provnet", "row": {
                "name": "provnet-e73e7398-514f-4bf1-af8a-d38a241eebfd", "type": "localnet", "addresses": "unknown",
                "options": ["map", [["localnet_learn_fdb", "false"], ["mcast_flood", "false"], ["mcast_flood_reports", "true"],
                    ["network_name", "physnet1"]]]}},
            switch_row(PUBLIC, "public", "flat", &["provnet"]),
            switch_row(TENANT, "ten1", "geneve", &[]),
            {"op": "insert", "table": "Logical_Router", "row": {
                "name": ROUTER, "enabled": true,
                "options": ["map", [["always_learn_from_arp_request", "false"], ["dynamic_neigh_routers", "true"], ["mac_binding_age_threshold", "0"]]],
                "external_ids": ["map", [["neutron:availability_zone_hints", ""], ["neutron:revision_number", "2"], ["neutron:router_name", "r1"]]]}},
        ]))?;
        for (name, mac, address) in [
            (
                "lrp-17f10702-7c96-4efe-b006-7d9b1d04e3d5",
                "fa:16:3e:e3:f6:30",
                "10.10.8.1/24",
            ),
            (
                "lrp-2a2cd5ed-670f-4bc9-bb1b-a6576b04e4cc",
                "fa:16:3e:fd:a4:0a",
                "2a05:d014:aa:8::1/64",
            ),
        ] {
            this.attach(&RouterPort {
                name,
                network: TENANT,
                mac,
                networks: &[address],
                gateways: &[],
            })?;
        }
        this.attach(&RouterPort {
            name: GATEWAY,
            network: PUBLIC,
            mac: "fa:16:3e:ec:91:c9",
            networks: &[&format!("{GATEWAY_V4}/24"), &format!("{GATEWAY_V6}/64")],
            gateways,
        })?;
        this.route("0.0.0.0/0", "172.24.4.1")?;
        this.route("::/0", "2001:db8:100::")?;
        Ok(this)
    }

    /// A new port, bound to a host but not plugged: the row is down, and Neutron knows no host yet.
    pub(crate) fn create_port(&self, port: &Port, host: &str) -> Result<()> {
        let Port {
            id,
            network,
            mac,
            v4,
            v6,
        } = port;
        let addresses = format!("{mac} {v4} {v6}");
        self.transact(json!([
            {"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "port", "row": {
                "name": id, "addresses": addresses, "port_security": addresses, "enabled": true,
                "options": ["map", [["requested-chassis", host]]],
                "external_ids": ["map", [
                    ["neutron:cidrs", format!("{v4}/24 {v6}/64")], ["neutron:device_id", "8cd94a31-7bfe-4122-89a1-0358b0b470ad"],
                    ["neutron:device_owner", "compute:nova"], ["neutron:mtu", ""], ["neutron:network_name", network],
                    ["neutron:port_capabilities", ""], ["neutron:port_name", "vm"], ["neutron:revision_number", "1"],
                    ["neutron:subnet_pool_addr_scope4", ""], ["neutron:subnet_pool_addr_scope6", ""], ["neutron:vnic_type", "normal"]]]}},
            contains(network, "port"),
        ]))
    }

    pub(crate) fn delete_port(&self, port: &Port) -> Result<()> {
        let uuid = self.uuid("Logical_Switch_Port", "name", port.id)?;
        self.transact(json!([
            {"op": "mutate", "table": "Logical_Switch", "where": [["name", "==", port.network]], "mutations": [["ports", "delete", uuid]]},
        ]))
    }

    /// Waits for northd to tell that the port is up or down. Neutron follows with the host it is on, one second later in life.
    pub(crate) fn wait_up(&self, port: &Port, up: bool, host: &str) -> Result<()> {
        wait_until(PATIENCE, &format!("{} to be up: {up}", port.id), || {
            let rows = self.select("Logical_Switch_Port", &json!([["name", "==", port.id]]));
            rows.is_ok_and(|rows| rows[0]["up"] == up)
        })?;
        self.set_external_id(port, "neutron:host_id", host)
    }

    /// `openstack port set --enable` or `--disable`.
    pub(crate) fn enable(&self, port: &Port, enabled: bool) -> Result<()> {
        self.transact(json!([{"op": "update", "table": "Logical_Switch_Port", "where": [["name", "==", port.id]], "row": {"enabled": enabled}}]))
    }

    /// Where the port is to be; of two hosts the second is where it migrates to. Nova asks for RARP then.
    pub(crate) fn bind(&self, port: &Port, hosts: &[&str]) -> Result<()> {
        let options = json!([
            ["requested-chassis", hosts.join(",")],
            ["activation-strategy", "rarp"]
        ]);
        let keys = json!(["requested-chassis", "activation-strategy"]);
        self.transact(json!([{"op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", port.id]],
            "mutations": [["options", "delete", ["set", keys]], ["options", "insert", ["map", options]]]}]))
    }

    /// One transaction: whoever had it loses it, `port` gets it.
    pub(crate) fn associate(&self, fip: &Fip, port: &Port, from: Option<&Port>) -> Result<()> {
        let six = fip.address.contains(':');
        let gateway = self.uuid("Logical_Router_Port", "name", GATEWAY)?;
        let mut operations = match from {
            Some(from) => self.dissociation(fip, from)?,
            None => Vec::new(),
        };
        operations.extend([
            json!({"op": "insert", "table": "NAT", "uuid-name": "fip", "row": {
                "type": "dnat_and_snat", "external_ip": fip.address, "external_mac": fip.mac,
                "logical_ip": if six { port.v6 } else { port.v4 }, "logical_port": port.id, "gateway_port": gateway,
                "external_ids": ["map", [
                    ["neutron:fip_external_mac", fip.mac], ["neutron:fip_id", "783bfa77-0de4-4b9c-94ea-739400ff438d"],
                    ["neutron:fip_network_id", PUBLIC.trim_start_matches("neutron-")], ["neutron:fip_port_id", port.id],
                    ["neutron:revision_number", "1"], ["neutron:router_name", ROUTER]]]}}),
            json!({"op": "mutate", "table": "Logical_Router", "where": [["name", "==", ROUTER]],
                "mutations": [["nat", "insert", ["named-uuid", "fip"]]]}),
            json!({"op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", port.id]],
                "mutations": [["external_ids", "insert", ["map", [["neutron:port_fip", fip.address]]]]]}),
        ]);
        self.transact(operations.into())
    }

    pub(crate) fn disassociate(&self, fip: &Fip, port: &Port) -> Result<()> {
        self.transact(self.dissociation(fip, port)?.into())
    }

    /// Gives the gateway to the chassis (system ids), the first preferred.
    pub(crate) fn prefer_gateways(&self, gateways: &[&str]) -> Result<()> {
        let operations = gateways.iter().zip(1..).map(|(chassis, place)| {
            json!({"op": "update", "table": "Gateway_Chassis", "where": [["chassis_name", "==", chassis]], "row": {"priority": 10 - place}})
        });
        self.transact(operations.collect())
    }

    /// The chassis (system id) that hosts the gateway port, as northd tells.
    pub(crate) fn hosting_chassis(&self) -> Result<String> {
        let status = self.central.nbctl(&[
            "get",
            "logical_router_port",
            GATEWAY,
            "status:hosting-chassis",
        ])?;
        Ok(status.trim().trim_matches('"').to_owned())
    }

    fn dissociation(&self, fip: &Fip, port: &Port) -> Result<Vec<Value>> {
        let nat = self.uuid("NAT", "external_ip", fip.address)?;
        Ok(vec![
            json!({"op": "mutate", "table": "Logical_Router", "where": [["name", "==", ROUTER]], "mutations": [["nat", "delete", nat]]}),
            json!({"op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", port.id]],
                "mutations": [["external_ids", "delete", ["set", ["neutron:port_fip"]]]]}),
        ])
    }

    fn attach(&self, port: &RouterPort<'_>) -> Result<()> {
        let gateway = !port.gateways.is_empty();
        let chassis = port.gateways.iter().zip(1..).map(|(chassis, place)| {
            json!({"op": "insert", "table": "Gateway_Chassis", "uuid-name": format!("gw{place}"), "row": {
                "name": format!("{}_{chassis}", port.name), "chassis_name": chassis, "priority": 10 - place}})
        });
        let mut operations: Vec<Value> = chassis.collect();
        let named: Vec<Value> = (1..=port.gateways.len())
            .map(|n| json!(["named-uuid", format!("gw{n}")]))
            .collect();
        let row = json!({
            "name": port.name, "mac": port.mac, "networks": ["set", port.networks], "gateway_chassis": ["set", named],
            "options": ["map", if gateway { json!([["gateway_mtu", "1442"], ["reside-on-redirect-chassis", "true"]]) } else { json!([]) }],
            "external_ids": ["map", [
                ["neutron:is_ext_gw", if gateway { "True" } else { "False" }], ["neutron:network_name", port.network],
                ["neutron:revision_number", "5"], ["neutron:router_name", ROUTER.trim_start_matches("neutron-")]]]});
        operations.push(
            json!({"op": "insert", "table": "Logical_Router_Port", "uuid-name": "lrp", "row": row}),
        );
        operations.push(
            json!({"op": "mutate", "table": "Logical_Router", "where": [["name", "==", ROUTER]],
            "mutations": [["ports", "insert", ["named-uuid", "lrp"]]]}),
        );
        operations.push(json!({"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "peer", "row": {
            "name": port.name.trim_start_matches("lrp-"), "type": "router", "addresses": "router", "enabled": true,
            "options": ["map", [["router-port", port.name], ["nat-addresses", "router"], ["exclude-lb-vips-from-garp", "true"]]],
            "external_ids": ["map", [
                ["neutron:cidrs", port.networks.join(" ")], ["neutron:network_name", port.network],
                ["neutron:device_owner", if gateway { "network:router_gateway" } else { "network:router_interface" }]]]}}));
        operations.push(contains(port.network, "peer"));
        self.transact(operations.into())
    }

    fn route(&self, prefix: &str, next_hop: &str) -> Result<()> {
        self.transact(json!([
            {"op": "insert", "table": "Logical_Router_Static_Route", "uuid-name": "route", "row": {
                "ip_prefix": prefix, "nexthop": next_hop,
                "external_ids": ["map", [["neutron:is_ext_gw", "true"], ["neutron:is_static_route", "true"]]]}},
            {"op": "mutate", "table": "Logical_Router", "where": [["name", "==", ROUTER]],
             "mutations": [["static_routes", "insert", ["named-uuid", "route"]]]},
        ]))
    }

    fn set_external_id(&self, port: &Port, key: &str, value: &str) -> Result<()> {
        self.transact(json!([{"op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", port.id]],
            "mutations": [["external_ids", "delete", ["set", [key]]], ["external_ids", "insert", ["map", [[key, value]]]]]}]))
    }

    fn uuid(&self, table: &str, column: &str, value: &str) -> Result<Value> {
        let rows = self.select(table, &json!([[column, "==", value]]))?;
        let uuid = &rows[0]["_uuid"];
        (!uuid.is_null())
            .then(|| uuid.clone())
            .with_context(|| format!("no {table} with {column} {value}"))
    }

    fn select(&self, table: &str, condition: &Value) -> Result<Value> {
        let select =
            json!(["OVN_Northbound", {"op": "select", "table": table, "where": condition}]);
        Ok(self.central.northbound.transact(&select)?[0]["rows"].clone())
    }

    fn transact(&self, operations: Value) -> Result<()> {
        let mut transaction = vec![json!("OVN_Northbound")];
        transaction.extend(operations.as_array().into_iter().flatten().cloned());
        self.central
            .northbound
            .transact(&transaction.into())
            .map(drop)
    }
}

struct RouterPort<'a> {
    name: &'a str,
    network: &'a str,
    mac: &'a str,
    networks: &'a [&'a str],
    gateways: &'a [&'a str],
}

fn switch_row(name: &str, label: &str, kind: &str, ports: &[&str]) -> Value {
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| json!(["named-uuid", port]))
        .collect();
    json!({"op": "insert", "table": "Logical_Switch", "row": {
        "name": name, "ports": ["set", ports],
        "other_config": ["map", [["mcast_flood_unregistered", "false"], ["mcast_snoop", "false"], ["vlan-passthru", "false"]]],
        "external_ids": ["map", [["neutron:network_name", label], ["neutron:provnet-network-type", kind], ["neutron:revision_number", "1"]]]}})
}

fn contains(network: &str, port: &str) -> Value {
    json!({"op": "mutate", "table": "Logical_Switch", "where": [["name", "==", network]],
        "mutations": [["ports", "insert", ["named-uuid", port]]]})
}
