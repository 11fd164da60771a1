//! Routers: interfaces, gateways, SNAT and default routes.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Neutron, named, new_row, refer};
use crate::cloud::objects::{Gateway, Network, Router};

const ROUTER: &str = "Logical_Router";

impl Neutron {
    /// A router without ports.
    pub fn create_router(&self, router: &Router) -> Result<()> {
        self.transact(vec![
            json!({"op": "insert", "table": ROUTER, "row": {
            "name": router.name(), "enabled": true,
            "options": ["map", [["always_learn_from_arp_request", "false"], ["dynamic_neigh_routers", "true"], ["mac_binding_age_threshold", "0"]]],
            "external_ids": ["map", [["neutron:availability_zone_hints", ""], ["neutron:revision_number", "2"], ["neutron:router_name", router.id]]]}}),
        ])
    }

    /// Deletes a router, whatever it still has; the ports on its networks are somebody else's rows.
    pub fn delete_router(&self, router: &Router) -> Result<()> {
        self.transact(vec![
            json!({"op": "delete", "table": ROUTER, "where": named(&router.name())}),
        ])
    }

    /// `openstack router add subnet`, for both subnets of a tenant network. `outside`: the router's gateway, if it has one.
    pub fn attach(
        &self,
        router: &Router,
        network: &Network,
        outside: Option<&Gateway>,
    ) -> Result<()> {
        for (family, address) in families(network) {
            let port = RouterPort::inside(router, network, family, &address);
            self.transact(port.insertion())?;
        }
        match outside.filter(|gateway| gateway.snat) {
            Some(gateway) => self.add_snat(router, network, gateway),
            None => Ok(()),
        }
    }

    /// `openstack router remove subnet`, for both subnets of a network.
    pub fn detach(&self, router: &Router, network: &Network) -> Result<()> {
        self.delete_snat(router, network)?;
        for (family, _) in families(network) {
            self.delete_router_port(router, network, family)?;
        }
        Ok(())
    }

    /// `openstack router set --external-gateway`; `inside` are the networks that the router has already.
    pub fn set_gateway(
        &self,
        router: &Router,
        gateway: &Gateway,
        inside: &[&Network],
    ) -> Result<()> {
        let port = RouterPort::gateway(router, gateway);
        self.transact(port.insertion())?;
        for (prefix, next_hop) in ["0.0.0.0/0", "::/0"]
            .into_iter()
            .zip(gateway.network.gateways())
        {
            self.add_route(router, prefix, &next_hop)?;
        }
        if gateway.snat {
            for network in inside {
                self.add_snat(router, network, gateway)?;
            }
        }
        Ok(())
    }

    /// `openstack router unset --external-gateway`: routes, SNAT and the port go.
    pub fn clear_gateway(
        &self,
        router: &Router,
        gateway: &Gateway,
        inside: &[&Network],
    ) -> Result<()> {
        for network in inside {
            self.delete_snat(router, network)?;
        }
        self.transact(vec![
            json!({"op": "update", "table": ROUTER, "where": named(&router.name()), "row": {"static_routes": ["set", []]}}),
        ])?;
        self.delete_router_port(router, &gateway.network, "v4")
    }

    /// Gives the gateway to the chassis (system ids), the first preferred.
    pub fn prefer_gateways(&self, gateways: &[&str]) -> Result<()> {
        let operations = gateways.iter().zip(1..).map(|(chassis, place)| {
            json!({"op": "update", "table": "Gateway_Chassis", "where": [["chassis_name", "==", chassis]], "row": {"priority": 10 - place}})
        });
        self.transact(operations.collect())
    }

    /// The chassis (system id) that has claimed a router's gateway port; what northd tells follows it.
    pub fn claimed_by(&self, router: &Router, public: &Network) -> Result<Option<String>> {
        let (_, chassis) = self.bound(&format!("cr-{}", router.port(public, "v4")))?;
        Ok(chassis)
    }

    /// The chassis (system id) that hosts a router's gateway port, as northd tells.
    pub fn hosting_chassis(&self, router: &Router, public: &Network) -> Result<String> {
        let row = self.row("Logical_Router_Port", "name", &router.port(public, "v4"))?;
        let pairs = row["status"][1].as_array().into_iter().flatten();
        let hosting = pairs.clone().find(|pair| pair[0] == "hosting-chassis");
        let chassis = hosting.and_then(|pair| pair[1].as_str());
        Ok(chassis.unwrap_or_default().to_owned())
    }

    /// Writes in northd's place where a router's gateway port is.
    pub fn say_hosted(&self, router: &Router, public: &Network, chassis: &str) -> Result<()> {
        let name = router.port(public, "v4");
        self.transact(vec![
            json!({"op": "update", "table": "Logical_Router_Port", "where": [["name", "==", name]],
                "row": {"status": ["map", [["hosting-chassis", chassis]]]}}),
        ])
    }

    fn add_route(&self, router: &Router, prefix: &str, next_hop: &str) -> Result<()> {
        self.transact(vec![
            json!({"op": "insert", "table": "Logical_Router_Static_Route", "uuid-name": "route", "row": {
                "ip_prefix": prefix, "nexthop": next_hop,
                "external_ids": ["map", [["neutron:is_ext_gw", "true"], ["neutron:is_static_route", "true"]]]}}),
            refer(ROUTER, &router.name(), "static_routes", "insert", &new_row("route")),
        ])
    }

    fn add_snat(&self, router: &Router, network: &Network, gateway: &Gateway) -> Result<()> {
        let [inside, _] = network.subnets();
        self.transact(vec![
            json!({"op": "insert", "table": "NAT", "uuid-name": "snat", "row": {
                "type": "snat", "external_ip": gateway.network.v4(gateway.host), "logical_ip": inside}}),
            refer(ROUTER, &router.name(), "nat", "insert", &new_row("snat")),
        ])
    }

    fn delete_snat(&self, router: &Router, network: &Network) -> Result<()> {
        let [inside, _] = network.subnets();
        match self.uuid("NAT", "logical_ip", &inside) {
            Ok(row) => self.transact(vec![refer(ROUTER, &router.name(), "nat", "delete", &row)]),
            Err(_) => Ok(()),
        }
    }

    fn delete_router_port(&self, router: &Router, network: &Network, family: &str) -> Result<()> {
        let name = router.port(network, family);
        let row = self.uuid("Logical_Router_Port", "name", &name)?;
        let peer = self.uuid(
            "Logical_Switch_Port",
            "name",
            name.trim_start_matches("lrp-"),
        )?;
        self.transact(vec![
            refer(ROUTER, &router.name(), "ports", "delete", &row),
            refer("Logical_Switch", &network.name(), "ports", "delete", &peer),
        ])
    }
}

fn families(network: &Network) -> [(&'static str, String); 2] {
    let [v4, v6] = network.gateways();
    [("v4", format!("{v4}/24")), ("v6", format!("{v6}/64"))]
}

/// A router's port and its peer on the network's switch.
struct RouterPort<'a> {
    router: &'a Router,
    network: &'a Network,
    name: String,
    mac: String,
    networks: Vec<String>,
    chassis: &'a [String],
}

impl<'a> RouterPort<'a> {
    fn inside(router: &'a Router, network: &'a Network, family: &str, address: &str) -> Self {
        Self {
            router,
            network,
            name: router.port(network, family),
            mac: router.mac(network, family),
            networks: vec![address.to_owned()],
            chassis: &[],
        }
    }

    fn gateway(router: &'a Router, gateway: &'a Gateway) -> Self {
        let Gateway {
            network,
            host,
            chassis,
            ..
        } = gateway;
        Self {
            router,
            network,
            name: router.port(network, "v4"),
            mac: router.mac(network, "v4"),
            networks: vec![
                format!("{}/24", network.v4(*host)),
                format!("{}/64", network.v6(*host)),
            ],
            chassis,
        }
    }

    fn insertion(&self) -> Vec<Value> {
        let (external, name) = (self.network.is_provider(), &self.name);
        let chassis = self.chassis.iter().zip(1..).map(|(chassis, place)| {
            json!({"op": "insert", "table": "Gateway_Chassis", "uuid-name": format!("gw{place}"), "row": {
                "name": format!("{name}_{chassis}"), "chassis_name": chassis, "priority": 10 - place}})
        });
        let hosts: Vec<Value> = (1..=self.chassis.len())
            .map(|n| new_row(&format!("gw{n}")))
            .collect();
        let mut operations: Vec<Value> = chassis.collect();
        operations.extend([
            json!({"op": "insert", "table": "Logical_Router_Port", "uuid-name": "lrp", "row": {
                "name": name, "mac": self.mac, "networks": ["set", self.networks], "gateway_chassis": ["set", hosts],
                "options": ["map", if external { json!([["gateway_mtu", "1442"], ["reside-on-redirect-chassis", "true"]]) } else { json!([]) }],
                "external_ids": ["map", [
                    ["neutron:is_ext_gw", if external { "True" } else { "False" }], ["neutron:network_name", self.network.name()],
                    ["neutron:revision_number", "5"], ["neutron:router_name", self.router.id]]]}}),
            refer(ROUTER, &self.router.name(), "ports", "insert", &new_row("lrp")),
            json!({"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "peer", "row": {
                "name": name.trim_start_matches("lrp-"), "type": "router", "addresses": "router", "enabled": true,
                "options": ["map", [["router-port", name.as_str()], ["nat-addresses", "router"], ["exclude-lb-vips-from-garp", "true"]]],
                "external_ids": ["map", [
                    ["neutron:cidrs", self.networks.join(" ")], ["neutron:network_name", self.network.name()], ["neutron:device_id", self.router.id],
                    ["neutron:subnet_pool_addr_scope4", ""], ["neutron:subnet_pool_addr_scope6", ""],
                    ["neutron:device_owner", if external { "network:router_gateway" } else { "network:router_interface" }]]]}}),
            refer("Logical_Switch", &self.network.name(), "ports", "insert", &new_row("peer")),
        ]);
        operations
    }
}
