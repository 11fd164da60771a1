//! The transactions of the benchmark, as Neutron would write them.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{HOST, PROVIDER, ROUTER, TENANT, VMS, Way};

fn transaction(operations: Vec<Value>) -> Value {
    let mut all = vec![json!("OVN_Northbound")];
    all.extend(operations);
    Value::Array(all)
}

fn map(pairs: &[(&str, &str)]) -> Value {
    let pairs: Vec<Value> = pairs
        .iter()
        .map(|(key, value)| json!([key, value]))
        .collect();
    json!(["map", pairs])
}

fn address(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 24, 0, 10)) + n)
}

/// A VM's port, bound here and up, on `network`.
fn port_row(name: &str, network: &str, n: u32, ip: Ipv4Addr) -> Value {
    let [_, b, c, d] = n.to_be_bytes();
    json!({
        "name": name,
        "addresses": format!("fa:16:3e:{b:02x}:{c:02x}:{d:02x} {ip}"),
        "up": true,
        "enabled": true,
        "options": map(&[("requested-chassis", HOST)]),
        "external_ids": map(&[
            ("neutron:network_name", network),
            ("neutron:cidrs", &format!("{ip}/16")),
            ("neutron:host_id", HOST),
            ("neutron:device_owner", "compute:nova"),
        ]),
    })
}

fn insert(table: &str, uuid_name: &str, row: &Value) -> Value {
    json!({"op": "insert", "table": table, "uuid-name": uuid_name, "row": row})
}

fn mutate(table: &str, name: &str, column: &str, op: &str, uuids: &Value) -> Value {
    json!({"op": "mutate", "table": table, "where": [["name", "==", name]], "mutations": [[column, op, uuids]]})
}

/// A provider network (in a VNI, or not), a tenant network with VMs, a router, and Neutron's mode of floating IPs.
pub(super) fn networks(way: Way) -> Value {
    let vpn = match way {
        Way::Underlay => map(&[]),
        Way::Vni(vni) => map(&[
            ("neutron_bgpvpn:type", "l3"),
            ("neutron_bgpvpn:vni", &vni.to_string()),
        ]),
    };
    let localnet = json!({
        "name": "provnet-1", "type": "localnet", "addresses": "unknown",
        "options": map(&[("network_name", "physnet1")]),
    });
    let mut operations = vec![
        json!({"op": "insert", "table": "NB_Global", "row": {"external_ids": map(&[("neutron:fip-distributed", "True")])}}),
        insert("Logical_Switch_Port", "localnet", &localnet),
        insert(
            "Logical_Switch",
            "provider",
            &json!({"name": PROVIDER, "ports": ["named-uuid", "localnet"], "external_ids": vpn}),
        ),
        insert("Logical_Router", "router", &json!({"name": ROUTER})),
    ];
    let mut ports = Vec::new();
    for n in 0..VMS {
        let (name, uuid) = (format!("vm-{n}"), format!("vm{n}"));
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 10)) + n);
        operations.push(insert(
            "Logical_Switch_Port",
            &uuid,
            &port_row(&name, TENANT, 900_000 + n, ip),
        ));
        ports.push(json!(["named-uuid", uuid]));
    }
    operations.push(insert(
        "Logical_Switch",
        "tenant",
        &json!({"name": TENANT, "ports": ["set", ports]}),
    ));
    transaction(operations)
}

/// Ports that are there before anything is measured.
pub(super) fn fill(first: u32, count: u32) -> Value {
    let mut operations = Vec::new();
    let mut ports = Vec::new();
    for n in first..first + count {
        let (name, uuid) = (format!("present-{n}"), format!("p{n}"));
        operations.push(insert(
            "Logical_Switch_Port",
            &uuid,
            &port_row(&name, PROVIDER, n, address(n)),
        ));
        ports.push(json!(["named-uuid", uuid]));
    }
    operations.push(mutate(
        "Logical_Switch",
        PROVIDER,
        "ports",
        "insert",
        &json!(["set", ports]),
    ));
    transaction(operations)
}

/// A VM's port, bound here and up, appears; then Neutron unbinds it (which, unlike a deletion, needs no
/// uuid of an earlier transaction).
pub(super) fn port_change(n: u32, present: bool) -> (Value, IpNet) {
    let (name, ip) = (format!("new-{n}"), address(20_000 + n));
    let prefix = IpNet::from(std::net::IpAddr::V4(ip));
    if !present {
        let unbound = json!({"up": false, "options": map(&[]), "addresses": ["set", []]});
        let port = json!([["name", "==", name]]);
        let update =
            json!({"op": "update", "table": "Logical_Switch_Port", "where": port, "row": unbound});
        return (transaction(vec![update]), prefix);
    }
    let port = port_row(&name, PROVIDER, 20_000 + n, ip);
    let named = json!(["named-uuid", "new"]);
    let operations = vec![
        insert("Logical_Switch_Port", "new", &port),
        mutate("Logical_Switch", PROVIDER, "ports", "insert", &named),
    ];
    (transaction(operations), prefix)
}

pub(super) fn fip_change(n: u32, present: bool) -> (Value, IpNet) {
    let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 25, 0, 10)) + n);
    let prefix = IpNet::from(std::net::IpAddr::V4(ip));
    if !present {
        let nothing = json!(["set", []]);
        let update = json!({"op": "update", "table": "Logical_Router", "where": [["name", "==", ROUTER]], "row": {"nat": nothing}});
        return (transaction(vec![update]), prefix);
    }
    let network = PROVIDER.trim_start_matches("neutron-");
    let nat = json!({
        "type": "dnat_and_snat",
        "external_ip": ip.to_string(),
        "logical_ip": Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 10)) + n).to_string(),
        "logical_port": format!("vm-{n}"),
        "external_mac": "fa:16:3e:ff:ff:01",
        "external_ids": map(&[("neutron:fip_network_id", network), ("neutron:router_name", ROUTER)]),
    });
    let fip = json!([[
        "external_ids",
        "insert",
        map(&[("neutron:port_fip", &ip.to_string())])
    ]]);
    let port = json!({"op": "mutate", "table": "Logical_Switch_Port", "where": [["name", "==", format!("vm-{n}")]], "mutations": fip});
    let operations = vec![
        insert("NAT", "nat", &nat),
        mutate(
            "Logical_Router",
            ROUTER,
            "nat",
            "insert",
            &json!(["named-uuid", "nat"]),
        ),
        port,
    ];
    (transaction(operations), prefix)
}
