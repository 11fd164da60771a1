//! Ports of VMs, their bindings and their floating IPs.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Neutron, delete_keys, named, new_row, refer, set_keys};
use crate::cloud::objects::{Fip, Network, Port, Router};
use crate::{PATIENCE, wait_until};

const PORT: &str = "Logical_Switch_Port";

/// An IPv4 and an IPv6 address scope, by id; empty for none.
pub type Scopes<'a> = [&'a str; 2];

impl Neutron {
    /// A new port, bound to a host but not plugged: the row is down, and Neutron knows no host yet.
    pub fn create_port(&self, port: &Port, host: &str) -> Result<()> {
        self.create_port_in(port, host, ["", ""])
    }

    /// [`Self::create_port`] on subnets of pools in these address scopes.
    pub fn create_port_in(&self, port: &Port, host: &str, scopes: Scopes<'_>) -> Result<()> {
        let addresses = format!("{} {} {}", port.mac(), port.v4(), port.v6());
        self.insert_port(
            port,
            json!({
                "name": port.id, "addresses": addresses, "port_security": addresses, "enabled": true,
                "options": ["map", [["requested-chassis", host]]],
                "external_ids": ids(port, "compute:nova", scopes),
            }),
        )
    }

    /// The port of a load balancer's VIP: no addresses, no binding.
    pub(super) fn create_vip(&self, port: &Port) -> Result<()> {
        let addresses = format!("{} {} {}", port.mac(), port.v4(), port.v6());
        self.insert_port(
            port,
            json!({"name": port.id, "port_security": addresses, "enabled": true, "external_ids": ids(port, "", ["", ""])}),
        )
    }

    /// A virtual port with the IPv4 address alone, which these ports take in turns; they may speak for it from now on (allowed
    /// address pairs).
    pub fn create_virtual(&self, port: &Port, parents: &[&Port]) -> Result<()> {
        let addresses = format!("{} {}", port.mac(), port.v4());
        let mut external_ids = ids(port, "Octavia", ["", ""]);
        keep_v4(&mut external_ids, port);
        self.insert_port(
            port,
            json!({
                "name": port.id, "type": "virtual", "addresses": addresses, "enabled": true,
                "options": ["map", [["virtual-ip", port.v4()], ["virtual-parents", names(parents)]]],
                "external_ids": external_ids,
            }),
        )?;
        let allow = parents.iter().map(|parent| {
            let security = format!("{} {} {} {}", parent.mac(), parent.v4(), parent.v6(), port.v4());
            json!({"op": "update", "table": PORT, "where": named(&parent.id), "row": {"port_security": security}})
        });
        self.transact(allow.collect())
    }

    /// The ports that may take a virtual port are these now.
    pub fn set_virtual_parents(&self, port: &Port, parents: &[&Port]) -> Result<()> {
        let parents = names(parents);
        self.set_keys(PORT, &port.id, "options", &[("virtual-parents", &parents)])
    }

    /// The port that has a virtual port, and the system id of its chassis, as ovn-controller says.
    pub fn holder(&self, port: &Port) -> Result<Option<(String, String)>> {
        let (binding, chassis) = self.bound(&port.id)?;
        let parent = binding["virtual_parent"].as_str().map(str::to_owned);
        let up = binding["up"] == true;
        Ok(parent.zip(chassis).filter(|_| up))
    }

    /// The row that binds a logical port, and the chassis (system id) that has claimed it.
    pub(super) fn bound(&self, logical_port: &str) -> Result<(Value, Option<String>)> {
        let mut found = self.central.southbound.transact(&json!(["OVN_Southbound",
            {"op": "select", "table": "Port_Binding", "where": [["logical_port", "==", logical_port]], "columns": ["virtual_parent", "chassis", "up"]},
            {"op": "select", "table": "Chassis", "where": [], "columns": ["_uuid", "name"]}]))?;
        let binding = found[0]["rows"][0].take();
        let mut chassis = found[1]["rows"].as_array().into_iter().flatten();
        let own = chassis.find(|row| row["_uuid"] == binding["chassis"]);
        let name = own.and_then(|row| row["name"].as_str()).map(str::to_owned);
        Ok((binding, name))
    }

    /// Neutron follows the binding of a virtual port: the host of whoever has it, or none.
    pub fn tell_holder(&self, port: &Port, host: Option<&str>) -> Result<()> {
        let host = host.unwrap_or_default();
        self.set_keys(PORT, &port.id, "external_ids", &[("neutron:host_id", host)])
    }

    fn insert_port(&self, port: &Port, row: Value) -> Result<()> {
        let network = port.network.name();
        self.transact(vec![
            json!({"op": "insert", "table": PORT, "uuid-name": "port", "row": row}),
            refer(
                "Logical_Switch",
                &network,
                "ports",
                "insert",
                &new_row("port"),
            ),
        ])
    }

    /// Deletes a port that is there.
    pub fn delete_port(&self, port: &Port) -> Result<()> {
        let (network, row) = (port.network.name(), self.uuid(PORT, "name", &port.id)?);
        self.transact(vec![refer(
            "Logical_Switch",
            &network,
            "ports",
            "delete",
            &row,
        )])
    }

    /// Waits for northd to tell that the port is up or down. Neutron follows with the host it is on, one second later in life.
    pub fn wait_up(&self, port: &Port, up: bool, host: &str) -> Result<()> {
        wait_until(PATIENCE, &format!("{} to be up: {up}", port.id), || {
            self.row(PORT, "name", &port.id)
                .is_ok_and(|row| row["up"] == up)
        })?;
        self.set_keys(PORT, &port.id, "external_ids", &[("neutron:host_id", host)])
    }

    /// `openstack port set --enable` or `--disable`.
    pub fn enable(&self, port: &Port, enabled: bool) -> Result<()> {
        self.transact(vec![
            json!({"op": "update", "table": PORT, "where": named(&port.id), "row": {"enabled": enabled}}),
        ])
    }

    /// Where the port is to be; of two hosts the second is where it migrates to. Nova asks for RARP then.
    pub fn bind(&self, port: &Port, hosts: &[&str]) -> Result<()> {
        let hosts = hosts.join(",");
        let options = [
            ("requested-chassis", hosts.as_str()),
            ("activation-strategy", "rarp"),
        ];
        self.set_keys(PORT, &port.id, "options", &options)
    }

    /// The subnets of a network's ports go into other address scopes; those of its router ports too.
    pub fn set_scopes(&self, network: &Network, scopes: Scopes<'_>) -> Result<()> {
        let keys = [
            "neutron:subnet_pool_addr_scope4",
            "neutron:subnet_pool_addr_scope6",
        ];
        let name = network.name();
        let switch = self.row("Logical_Switch", "name", &name)?;
        let pairs = [(keys[0], scopes[0]), (keys[1], scopes[1])];
        let ports = self.select(PORT, &json!([]))?;
        let ports = ports.as_array().into_iter().flatten();
        let here = ports.filter(|port| {
            switch["ports"]
                .to_string()
                .contains(&port["_uuid"].to_string())
        });
        let change = here
            .filter_map(|port| port["name"].as_str())
            .map(|name| set_keys(PORT, name, "external_ids", &pairs));
        self.transact(change.collect())
    }

    /// One transaction: whoever had it loses it, `port` gets it. `router` leads from the port's network to the floating IP's;
    /// its gateway is on `public`. Distributed if the floating IP shall have its own MAC.
    pub fn associate(
        &self,
        fip: &Fip,
        port: &Port,
        way: &Way<'_>,
        from: Option<&Port>,
    ) -> Result<()> {
        let (router, six) = (way.router.name(), fip.address.contains(':'));
        let gateway = way.router.port(way.public, "v4");
        let gateway = self.uuid("Logical_Router_Port", "name", &gateway)?;
        let mut operations = match from {
            Some(from) => self.dissociation(fip, from, way.router)?,
            None => Vec::new(),
        };
        let mut row = json!({
            "type": "dnat_and_snat", "external_ip": fip.address, "logical_ip": if six { port.v6() } else { port.v4() },
            "logical_port": port.id, "gateway_port": gateway,
            "external_ids": ["map", [
                ["neutron:fip_external_mac", fip.mac], ["neutron:fip_id", fip.id], ["neutron:fip_network_id", way.public.id],
                ["neutron:fip_port_id", port.id], ["neutron:revision_number", "1"], ["neutron:router_name", router]]]});
        if way.distributed {
            row["external_mac"] = json!(fip.mac);
        }
        operations.extend([
            json!({"op": "insert", "table": "NAT", "uuid-name": "fip", "row": row}),
            refer("Logical_Router", &router, "nat", "insert", &new_row("fip")),
            set_keys(
                PORT,
                &port.id,
                "external_ids",
                &[("neutron:port_fip", &fip.address)],
            ),
        ]);
        self.transact(operations)
    }

    /// The floating IP goes from the port.
    pub fn disassociate(&self, fip: &Fip, port: &Port, router: &Router) -> Result<()> {
        self.transact(self.dissociation(fip, port, router)?)
    }

    fn dissociation(&self, fip: &Fip, port: &Port, router: &Router) -> Result<Vec<Value>> {
        let nat = self.uuid("NAT", "external_ip", &fip.address)?;
        Ok(vec![
            refer("Logical_Router", &router.name(), "nat", "delete", &nat),
            delete_keys(PORT, &port.id, "external_ids", &["neutron:port_fip"]),
        ])
    }
}

/// How floating IPs get to ports.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Over this router.
    pub router: &'a Router,
    /// The network of the floating IPs, and of the router's gateway.
    pub public: &'a Network,
    /// They are where the ports are; otherwise where the gateway is.
    pub distributed: bool,
}

fn names(ports: &[&Port]) -> String {
    let names: Vec<_> = ports.iter().map(|port| port.id.as_str()).collect();
    names.join(",")
}

/// Leaves of `neutron:cidrs` what is IPv4.
fn keep_v4(external_ids: &mut Value, port: &Port) {
    let [v4, _] = port.cidrs();
    let pairs = external_ids[1].as_array_mut().into_iter().flatten();
    for pair in pairs.filter(|pair| pair[0] == "neutron:cidrs") {
        pair[1] = json!(v4);
    }
}

fn ids(port: &Port, owner: &str, scopes: Scopes<'_>) -> Value {
    json!([
        "map",
        [
            ["neutron:cidrs", port.cidrs().join(" ")],
            [
                "neutron:device_id",
                if owner.is_empty() {
                    ""
                } else {
                    "8cd94a31-7bfe-4122-89a1-0358b0b470ad"
                }
            ],
            ["neutron:device_owner", owner],
            ["neutron:mtu", ""],
            ["neutron:network_name", port.network.name()],
            ["neutron:port_capabilities", ""],
            ["neutron:port_name", port.name],
            ["neutron:revision_number", "1"],
            ["neutron:subnet_pool_addr_scope4", scopes[0]],
            ["neutron:subnet_pool_addr_scope6", scopes[1]],
            ["neutron:vnic_type", "normal"]
        ]
    ])
}
