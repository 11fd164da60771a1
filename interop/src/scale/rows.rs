//! The rows, as operations of a transaction (RFC 7047 §5.2).

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::{Role, Scale, Share, This};

/// Rows by transaction.
pub(super) struct Rows<'a> {
    scale: Scale,
    this: This<'a>,
    pub(super) transactions: Vec<Vec<Value>>,
    pub(super) share: Share,
    vms: usize,
    fips: usize,
}

/// What a network's rows need to know of each other.
struct Network {
    name: String,
    ports: Vec<Value>,
    operations: Vec<Value>,
}

impl Network {
    fn new(name: String) -> Self {
        Self {
            name,
            ports: Vec::new(),
            operations: Vec::new(),
        }
    }

    fn port(&mut self, id: &str, row: Value) {
        self.ports.push(named(id));
        self.operations
            .push(insert("Logical_Switch_Port", Some(id), row));
    }

    fn switch(mut self, balancers: Vec<Value>) -> Vec<Value> {
        let row = json!({
            "name": self.name, "ports": set(self.ports), "load_balancer": set(balancers),
            "external_ids": map(&[("neutron:network_name", &self.name), ("neutron:mtu", "1442"),
                ("neutron:revision_number", "2"), ("neutron:availability_zone_hints", "")]),
        });
        self.operations.push(insert("Logical_Switch", None, row));
        self.operations
    }
}

impl<'a> Rows<'a> {
    pub(super) fn new(scale: Scale, this: This<'a>) -> Self {
        Self {
            scale,
            this,
            transactions: Vec::new(),
            share: Share::default(),
            vms: 0,
            fips: 0,
        }
    }

    pub(super) fn write(&mut self) {
        let global = json!({"external_ids": map(&[("neutron:fip-distributed", "True")])});
        self.transactions.push(vec![
            json!({"op": "update", "table": "NB_Global", "where": [], "row": global}),
        ]);
        for number in 0..self.scale.provider_networks {
            let operations = self.provider(number);
            self.transactions.push(operations);
        }
        for number in 0..self.scale.tenant_networks {
            let operations = self.tenant(number);
            self.transactions.push(operations);
        }
    }

    fn provider(&mut self, number: usize) -> Vec<Value> {
        let mut network = Network::new(provider_name(number));
        // Without VLANs, which not every kernel that runs labs can wire.
        let localnet = json!({
            "name": super::localnet(number), "type": "localnet", "addresses": "unknown",
            "options": map(&[("network_name", "physnet1"), ("localnet_learn_fdb", "false"),
                ("mcast_flood", "false"), ("mcast_flood_reports", "true")]),
        });
        network.port("localnet", localnet);
        let share = self.scale.provider_ports / self.scale.provider_networks;
        for place in 0..share {
            let address = Ipv4Addr::from(provider_net(number) + 2 + place as u32);
            self.share.provider_ports += usize::from(self.vm(&mut network, address, 19));
        }
        network.switch(Vec::new())
    }

    /// A tenant network with all that belongs to it.
    fn tenant(&mut self, number: usize) -> Vec<Value> {
        let mut network = Network::new(format!("neutron-{}", id("tenant", number)));
        let net = u32::from(Ipv4Addr::new(10, 0, 0, 0)) + ((number as u32) << 8);
        let router = id("router", number);
        let here = self.hosts_gateway(number);
        let mut nats = vec![];
        let fips = self.scale.fips / self.scale.tenant_networks;
        for place in 0..self.scale.vms_per_network {
            let first = self.vms;
            let address = Ipv4Addr::from(net + 10 + place as u32);
            let local = self.vm(&mut network, address, 24);
            if place < fips {
                nats.push(named(&format!("nat{place}")));
                network
                    .operations
                    .push(self.fip(number, place, first, address));
                self.share.fips += usize::from(local);
            }
        }
        if here {
            self.share.gateways += 1;
            self.share.tenants += self.scale.vms_per_network;
            self.share.balancers += 1;
        }
        let vip = Ipv4Addr::from(net + 5);
        let balancer = balancer(&mut network, number, &router, vip);
        let gateway_port = self.router(&mut network, number, &router, net, nats);
        network.operations.push(gateway_port);
        network.switch(vec![balancer])
    }

    /// A VM somewhere; true if that is the node under test.
    fn vm(&mut self, network: &mut Network, address: Ipv4Addr, length: u8) -> bool {
        let number = self.vms;
        self.vms += 1;
        // Every chassis has as many, and those of a network are on different ones.
        let chassis = number.wrapping_mul(7919) % self.scale.chassis;
        let local = chassis == self.own();
        let host = self.host(chassis);
        let mac = mac(number);
        let name = id("vm", number);
        network.port(&format!("vm{number}"), json!({
            "name": name, "addresses": format!("{mac} {address}"), "up": true, "enabled": true,
            "port_security": format!("{mac} {address}"),
            "options": map(&[("requested-chassis", &host)]),
            "external_ids": port_ids(&network.name, &format!("{address}/{length}"), "compute:nova",
                &id("server", number), &[("neutron:host_id", &host),
                    ("neutron:port_name", &format!("vm-{number}")),
                    ("neutron:project_id", "11111111222233334444555566667777"),
                    ("neutron:security_group_ids", &id("group", 0))]),
        }));
        local
    }

    fn fip(&mut self, tenant: usize, place: usize, vm: usize, inside: Ipv4Addr) -> Value {
        let number = self.fips;
        self.fips += 1;
        let provider = tenant % self.scale.provider_networks;
        let outside = Ipv4Addr::from(provider_net(provider) + 2600 + number as u32);
        let (port, mac) = (id("vm", vm), mac(100_000 + number));
        insert(
            "NAT",
            Some(&format!("nat{place}")),
            json!({
                "type": "dnat_and_snat", "external_ip": outside.to_string(), "logical_ip": inside.to_string(),
                "logical_port": port, "external_mac": mac, "gateway_port": named("gateway"),
                "external_ids": map(&[("neutron:fip_id", &id("fip", number)), ("neutron:fip_port_id", &port),
                    ("neutron:fip_external_mac", &mac), ("neutron:revision_number", "2"),
                    ("neutron:fip_network_id", &id("provider", provider)),
                    ("neutron:router_name", &format!("neutron-{}", id("router", tenant)))]),
            }),
        )
    }

    /// The router, its ports, their switch ports, its SNAT and default route; the last of the operations is
    /// that which puts the gateway's switch port on the provider network.
    fn router(
        &self,
        network: &mut Network,
        number: usize,
        router: &str,
        net: u32,
        mut nats: Vec<Value>,
    ) -> Value {
        let provider = number % self.scale.provider_networks;
        let provider_name = provider_name(provider);
        let outside = Ipv4Addr::from(provider_net(provider) + 2048 + number as u32);
        let inside = Ipv4Addr::from(net + 1);
        let (lrp, gateway) = (id("interface", number), id("gateway", number));
        let hosting = self.chassis(self.gateway_chassis(number));
        nats.push(named("snat"));
        network.operations.push(insert(
            "NAT",
            Some("snat"),
            json!({
                "type": "snat", "external_ip": outside.to_string(),
                "logical_ip": format!("{}/24", Ipv4Addr::from(net)),
            }),
        ));
        network.operations.push(insert("Logical_Router_Static_Route", Some("route"), json!({
            "ip_prefix": "0.0.0.0/0", "nexthop": Ipv4Addr::from(provider_net(provider) + 1).to_string(),
            "external_ids": map(&[("neutron:is_ext_gw", "true"), ("neutron:is_static_route", "true")]),
        })));
        network.operations.push(insert("Logical_Router_Port", Some("interface"), json!({
            "name": format!("lrp-{lrp}"), "mac": mac(200_000 + number), "networks": format!("{inside}/24"),
            "external_ids": map(&[("neutron:is_ext_gw", "False"), ("neutron:network_name", &network.name),
                ("neutron:router_name", router), ("neutron:revision_number", "3")]),
        })));
        network.operations.push(insert("Logical_Router_Port", Some("gateway"), json!({
            "name": format!("lrp-{gateway}"), "mac": mac(300_000 + number), "networks": format!("{outside}/19"),
            "status": map(&[("hosting-chassis", &hosting)]),
            "external_ids": map(&[("neutron:is_ext_gw", "True"), ("neutron:network_name", &provider_name),
                ("neutron:router_name", router), ("neutron:revision_number", "3")]),
        })));
        network.operations.push(insert(
            "Logical_Router",
            None,
            json!({
                "name": format!("neutron-{router}"), "enabled": true,
                "ports": set(vec![named("interface"), named("gateway")]), "nat": set(nats),
                "static_routes": named("route"), "load_balancer": named("balancer"),
            }),
        ));
        network.port("inner", json!({
            "name": lrp, "type": "router", "addresses": "router", "up": true, "enabled": true,
            "options": map(&[("router-port", &format!("lrp-{lrp}"))]),
            "external_ids": port_ids(&network.name, &format!("{inside}/24"), "network:router_interface",
                router, &[]),
        }));
        network.operations.push(insert("Logical_Switch_Port", Some("outer"), json!({
            "name": gateway, "type": "router", "addresses": "router", "up": true, "enabled": true,
            "options": map(&[("router-port", &format!("lrp-{gateway}")), ("nat-addresses", "router"),
                ("exclude-lb-vips-from-garp", "true")]),
            "external_ids": port_ids(&provider_name, &format!("{outside}/19"), "network:router_gateway",
                router, &[]),
        })));
        json!({"op": "mutate", "table": "Logical_Switch", "where": [["name", "==", provider_name]],
               "mutations": [["ports", "insert", named("outer")]]})
    }

    /// The gateways are spread over the first tenth of the chassis.
    fn gateway_chassis(&self, router: usize) -> usize {
        router % (self.scale.chassis / 10).max(1)
    }

    fn hosts_gateway(&self, router: usize) -> bool {
        self.gateway_chassis(router) == self.own()
    }

    /// Which chassis the node under test is.
    fn own(&self) -> usize {
        match self.this.role {
            Role::Gateway => 0,
            Role::Compute => self.scale.chassis - 1,
        }
    }

    fn host(&self, chassis: usize) -> String {
        match chassis == self.own() {
            true => self.this.hostname.to_owned(),
            false => format!("compute-{chassis:03}"),
        }
    }

    fn chassis(&self, chassis: usize) -> String {
        match chassis == self.own() {
            true => self.this.chassis.to_owned(),
            false => id("chassis", chassis),
        }
    }
}

/// A load balancer and the port of its VIP.
fn balancer(network: &mut Network, number: usize, router: &str, vip: Ipv4Addr) -> Value {
    let (name, port) = (id("balancer", number), id("vip", number));
    network.port(
        "vip",
        json!({
            "name": port, "enabled": true,
            "external_ids": port_ids(&network.name, &format!("{vip}/24"), "", "",
                &[("neutron:port_name", &format!("ovn-lb-vip-{name}"))]),
        }),
    );
    let member = Ipv4Addr::from(u32::from(vip) + 5);
    network.operations.push(insert("Load_Balancer", Some("balancer"), json!({
        "name": name, "protocol": "tcp", "vips": map(&[(&*format!("{vip}:80"), &*format!("{member}:8080"))]),
        "external_ids": map(&[("enabled", "True"), ("neutron:vip", &vip.to_string()),
            ("neutron:vip_port_id", &port), ("lr_ref", &format!("neutron-{router}")),
            ("neutron:member_status", "{}"), ("ls_refs", &format!("{{\"{}\": 1}}", network.name))]),
    })));
    named("balancer")
}

fn port_ids(network: &str, cidrs: &str, owner: &str, device: &str, more: &[(&str, &str)]) -> Value {
    let mut ids = vec![
        ("neutron:network_name", network),
        ("neutron:cidrs", cidrs),
        ("neutron:device_owner", owner),
        ("neutron:device_id", device),
        ("neutron:mtu", ""),
        ("neutron:port_capabilities", ""),
        ("neutron:revision_number", "4"),
        ("neutron:subnet_pool_addr_scope4", ""),
        ("neutron:subnet_pool_addr_scope6", ""),
        ("neutron:vnic_type", "normal"),
    ];
    ids.extend(more);
    map(&ids)
}

fn provider_name(number: usize) -> String {
    format!("neutron-{}", id("provider", number))
}

/// The /19 of a provider network.
fn provider_net(number: usize) -> u32 {
    u32::from(Ipv4Addr::new(172, 16, 0, 0)) + ((number as u32) << 13)
}

/// An id that looks like those of Neutron: the same for the same thing.
pub(super) fn id(kind: &str, number: usize) -> String {
    let mut bits = kind.bytes().fold(0x6c62_272e_07bb_0142_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    bits = (bits ^ number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834 | 1);
    let text = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ]
    .join("-")
}

fn mac(number: usize) -> String {
    let [_, high, middle, low] = (number as u32).to_be_bytes();
    format!("fa:16:3e:{high:02x}:{middle:02x}:{low:02x}")
}

fn insert(table: &str, name: Option<&str>, row: Value) -> Value {
    let mut operation = Map::from_iter([
        ("op".to_owned(), json!("insert")),
        ("table".to_owned(), json!(table)),
        ("row".to_owned(), row),
    ]);
    if let Some(name) = name {
        operation.insert("uuid-name".to_owned(), json!(name));
    }
    Value::Object(operation)
}

fn named(name: &str) -> Value {
    json!(["named-uuid", name])
}

fn set(members: Vec<Value>) -> Value {
    json!(["set", members])
}

fn map(pairs: &[(&str, &str)]) -> Value {
    json!(["map", pairs])
}
