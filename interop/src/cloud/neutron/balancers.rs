//! Load balancers of Octavia's OVN provider, and port forwardings of floating IPs.

use anyhow::Result;
use serde_json::{Value, json};

use super::ports::Way;
use super::{Neutron, delete_keys, named, new_row, refer, set_keys};
use crate::cloud::objects::{Balancer, Fip, Network, Router};

const BALANCER: &str = "Load_Balancer";
/// Its pool and its listener have no life of their own here.
const LISTENER: &str = "listener_d6936ed0-6b5a-4bea-a2a2-3ef99b2d01ce";
const POOL: &str = "pool_eb85f777-61b8-4710-ad73-af5081b72984";

impl Neutron {
    /// With listener, pool and members: on the VIP's network, and on the router that it is behind, if there is one.
    pub fn create_balancer(&self, balancer: &Balancer, router: Option<&Router>) -> Result<()> {
        self.create_vip(&balancer.vip)?;
        let network = balancer.on.name();
        let references = json!({ network.as_str(): 2 }).to_string();
        let mut ids = vec![
            json!(["enabled", "True"]),
            json!([LISTENER, format!("80:{POOL}")]),
            json!([POOL, pool(balancer)]),
            json!(["ls_refs", references]),
            json!(["neutron:vip", balancer.vip.v4()]),
            json!(["neutron:vip_port_id", balancer.vip.id]),
        ];
        ids.extend(router.map(|router| json!(["lr_ref", router.name()])));
        let mut operations = vec![
            json!({"op": "insert", "table": BALANCER, "uuid-name": "lb", "row": {
                "name": balancer.id, "protocol": "tcp", "selection_fields": ["set", ["ip_dst", "ip_src", "tp_dst", "tp_src"]],
                "vips": vips(balancer, &[]), "external_ids": ["map", ids]}}),
        ];
        let row = new_row("lb");
        operations.extend(references_of(balancer, router, "insert", &row));
        self.transact(operations)
    }

    /// `openstack loadbalancer set --disable`: its VIPs go, and they are all that traffic knows of it.
    pub fn disable_balancer(&self, balancer: &Balancer) -> Result<()> {
        self.write_vips(balancer, "False", &json!(["map", []]))
    }

    /// `openstack loadbalancer set --enable`.
    pub fn enable_balancer(&self, balancer: &Balancer) -> Result<()> {
        self.write_vips(balancer, "True", &vips(balancer, &[]))
    }

    fn write_vips(&self, balancer: &Balancer, enabled: &str, vips: &Value) -> Result<()> {
        self.transact(vec![
            json!({"op": "update", "table": BALANCER, "where": named(&balancer.id), "row": {"vips": vips}}),
            set_keys(BALANCER, &balancer.id, "external_ids", &[("enabled", enabled)]),
        ])
    }

    /// The VIP gets a floating IP: Neutron writes its NAT row, then the provider its VIPs.
    pub fn expose_balancer(&self, balancer: &Balancer, fip: &Fip, way: &Way<'_>) -> Result<()> {
        // a VIP's floating IP has no MAC of its own: it is where the gateway is
        let way = Way {
            distributed: false,
            ..*way
        };
        self.associate(fip, &balancer.vip, &way, None)?;
        self.transact(vec![
            set_keys(BALANCER, &balancer.id, "external_ids", &[("neutron:vip_fip", &fip.address)]),
            json!({"op": "update", "table": BALANCER, "where": named(&balancer.id), "row": {"vips": vips(balancer, &[&fip.address])}}),
        ])
    }

    /// The floating IP goes from the VIP.
    pub fn withdraw_balancer(&self, balancer: &Balancer, fip: &Fip, router: &Router) -> Result<()> {
        self.disassociate(fip, &balancer.vip, router)?;
        self.transact(vec![
            delete_keys(BALANCER, &balancer.id, "external_ids", &["neutron:vip_fip"]),
            json!({"op": "update", "table": BALANCER, "where": named(&balancer.id), "row": {"vips": vips(balancer, &[])}}),
        ])
    }

    /// `openstack loadbalancer delete --cascade`: the rows one by one, the VIP's port last.
    pub fn delete_balancer(&self, balancer: &Balancer, router: Option<&Router>) -> Result<()> {
        let row = self.uuid(BALANCER, "name", &balancer.id)?;
        self.write_vips(balancer, "True", &json!(["map", []]))?;
        let mut operations = references_of(balancer, router, "delete", &row);
        operations.push(json!({"op": "delete", "table": BALANCER, "where": named(&balancer.id)}));
        self.transact(operations)?;
        self.delete_port(&balancer.vip)
    }

    /// `openstack floating ip port forwarding create`: the port of the floating IP goes to port 8080 of an inside address.
    pub fn forward(&self, forwarding: &Forwarding<'_>) -> Result<()> {
        let (name, router) = (forwarding.row_name(), forwarding.router.name());
        let inside = forwarding.inside.name();
        self.transact(vec![
            json!({"op": "insert", "table": BALANCER, "uuid-name": "pf", "row": {
                "name": name, "protocol": forwarding.protocol,
                "vips": ["map", [[format!("{}:{}", forwarding.fip.address, forwarding.port), format!("{}:8080", forwarding.target)]]],
                "external_ids": ["map", [
                    ["neutron:device_owner", "port_forwarding_plugin"], ["neutron:fip_id", forwarding.fip.id], ["neutron:revision_number", "2"],
                    ["neutron:router_name", router]]]}}),
            refer("Logical_Switch", &inside, "load_balancer", "insert", &new_row("pf")),
            refer("Logical_Router", &router, "load_balancer", "insert", &new_row("pf")),
        ])
    }

    /// The last port forwarding of this protocol goes.
    pub fn stop_forwarding(&self, forwarding: &Forwarding<'_>) -> Result<()> {
        let name = forwarding.row_name();
        let row = self.uuid(BALANCER, "name", &name)?;
        self.transact(vec![
            refer(
                "Logical_Switch",
                &forwarding.inside.name(),
                "load_balancer",
                "delete",
                &row,
            ),
            refer(
                "Logical_Router",
                &forwarding.router.name(),
                "load_balancer",
                "delete",
                &row,
            ),
            json!({"op": "delete", "table": BALANCER, "where": named(&name)}),
        ])
    }
}

/// A port of a floating IP that is forwarded.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// The floating IP.
    pub fip: &'a Fip,
    /// The router that has it.
    pub router: &'a Router,
    /// The network of the target.
    pub inside: &'a Network,
    /// `tcp` or `udp`.
    pub protocol: &'a str,
    /// The port of the floating IP.
    pub port: u16,
    /// The address it goes to.
    pub target: &'a str,
}

impl Forwarding<'_> {
    fn row_name(&self) -> String {
        format!("pf-floatingip-{}-{}", self.fip.id, self.protocol)
    }
}

/// The columns of switch and router that name the load balancer.
fn references_of(
    balancer: &Balancer,
    router: Option<&Router>,
    how: &str,
    row: &Value,
) -> Vec<Value> {
    let network = balancer.on.name();
    let switch = refer("Logical_Switch", &network, "load_balancer", how, row);
    let router =
        router.map(|router| refer("Logical_Router", &router.name(), "load_balancer", how, row));
    std::iter::once(switch).chain(router).collect()
}

/// Port 80 of the VIP, and of these addresses too.
fn vips(balancer: &Balancer, also: &[&str]) -> Value {
    let members: Vec<_> = balancer
        .members
        .iter()
        .map(|m| format!("{m}:8080"))
        .collect();
    let own = balancer.vip.v4();
    let addresses = std::iter::once(own.as_str()).chain(also.iter().copied());
    let pairs: Vec<_> = addresses
        .map(|address| json!([format!("{address}:80"), members.join(",")]))
        .collect();
    json!(["map", pairs])
}

fn pool(balancer: &Balancer) -> String {
    let members: Vec<_> = balancer
        .members
        .iter()
        .zip(1..)
        .map(|(m, n)| format!("member_{n:08x}-0000-4000-8000-000000000000_{m}:8080_cb1ee22c-cfc6-4a3c-a8f3-ded3480a145a"))
        .collect();
    members.join(",")
}
