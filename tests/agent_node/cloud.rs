//! What Neutron and OVN write to OVN_Northbound, as transactions. Every row has a UUID of its number,
//! so that a later transaction, also one on the file of a stopped server, finds it.

use serde_json::{Value, json};

/// The localnet port of the provider network, as Neutron names it.
pub const LOCALNET: &str = "provnet-4d6c8a34-0001-4f6c-9c69-8ac55c1a5c1e";
const NETWORK: &str = "neutron-56c5d71b-4df8-41c4-a89b-b7bad3fec987";
const NETWORK_ROW: &str = "00000000-0000-4000-8000-00000000aaaa";
const ROUTER_ROW: &str = "00000000-0000-4000-8000-00000000bbbb";

/// A VM of the provider network: `.0` is its number (1–250), which makes its name, MAC and row.
#[derive(Clone, Copy)]
pub struct Vm(pub u8);

impl Vm {
    pub fn name(self) -> String {
        format!("5c7a1d9e-6f5b-4b8e-9d53-0d4a3c1f2b{:02x}", self.0)
    }

    pub fn mac(self) -> String {
        format!("fa:16:3e:4d:00:{:02x}", self.0)
    }

    pub fn address(self) -> String {
        format!("172.24.4.{}", self.0)
    }

    fn row(self) -> String {
        format!("00000000-0000-4000-8000-0000000000{:02x}", self.0)
    }
}

/// A flat provider network on physnet1, IPv4 and IPv6, and a router on it.
pub fn provider_network() -> Value {
    json!([
        "OVN_Northbound",
        {"op": "insert", "table": "Logical_Switch_Port", "uuid-name": "localnet", "row": {
            "name": LOCALNET, "type": "localnet", "addresses": "unknown",
            "options": ["map", [["network_name", "physnet1"], ["mcast_flood", "false"]]]}},
        {"op": "insert", "table": "Logical_Switch", "uuid": NETWORK_ROW, "row": {
            "name": NETWORK, "ports": ["named-uuid", "localnet"],
            "external_ids": ["map", [
                ["neutron:network_name", "public"], ["neutron:provnet-network-type", "flat"],
                ["neutron:mtu", "1500"], ["neutron:revision_number", "1"]]]}},
        {"op": "insert", "table": "Logical_Router", "uuid": ROUTER_ROW, "row": {
            "name": "neutron-7d874f86-cb55-46d7-b8e9-2c55117597fd", "enabled": true}},
    ])
}

/// A VM on the provider network, up on this node, with its own address.
pub fn boot(vm: Vm) -> Value {
    boot_with(vm, &[&vm.address()])
}

/// A VM on the provider network, up on this node.
pub fn boot_with(vm: Vm, addresses: &[&str]) -> Value {
    let cidrs: Vec<String> = addresses.iter().map(|address| cidr(address)).collect();
    json!([
        "OVN_Northbound",
        {"op": "insert", "table": "Logical_Switch_Port", "uuid": vm.row(), "row": {
            "name": vm.name(), "addresses": format!("{} {}", vm.mac(), addresses.join(" ")),
            "enabled": true, "up": true,
            "options": ["map", [["requested-chassis", "host-1"]]],
            "external_ids": ["map", [
                ["neutron:cidrs", cidrs.join(" ")],
                ["neutron:device_owner", "compute:nova"],
                ["neutron:host_id", "host-1"],
                ["neutron:network_name", NETWORK],
                ["neutron:port_name", "vm"],
            ]]}},
        {"op": "mutate", "table": "Logical_Switch", "where": at(NETWORK_ROW),
         "mutations": [["ports", "insert", ["uuid", vm.row()]]]},
    ])
}

fn cidr(address: &str) -> String {
    let length = if address.contains(':') { 64 } else { 24 };
    format!("{address}/{length}")
}

/// Nova deletes the VM.
pub fn delete(vm: Vm) -> Value {
    json!([
        "OVN_Northbound",
        {"op": "mutate", "table": "Logical_Switch", "where": at(NETWORK_ROW),
         "mutations": [["ports", "delete", ["uuid", vm.row()]]]},
    ])
}

/// OVN says whether the VM's port is plugged.
pub fn up(vm: Vm, up: bool) -> Value {
    json!([
        "OVN_Northbound",
        {"op": "update", "table": "Logical_Switch_Port", "where": at(&vm.row()), "row": {"up": up}},
    ])
}

/// A floating IP of a VM, distributed: its MAC is the VM's number after `fa:16:3e:f1:00`.
pub fn associate(vm: Vm, floating: &str) -> Value {
    let mac = format!("fa:16:3e:f1:00:{:02x}", vm.0);
    json!([
        "OVN_Northbound",
        {"op": "insert", "table": "NAT", "uuid-name": "fip", "row": {
            "type": "dnat_and_snat", "external_ip": floating, "external_mac": mac,
            "logical_ip": vm.address(), "logical_port": vm.name(),
            "external_ids": ["map", [
                ["neutron:fip_id", "0e1c2f5a-6f3d-4a6b-8a53-7c1d3f0a9b11"],
                ["neutron:fip_external_mac", mac],
                ["neutron:fip_network_id", NETWORK.trim_start_matches("neutron-")],
                ["neutron:fip_port_id", vm.name()],
                ["neutron:revision_number", "1"],
            ]]}},
        {"op": "mutate", "table": "Logical_Router", "where": at(ROUTER_ROW),
         "mutations": [["nat", "insert", ["named-uuid", "fip"]]]},
    ])
}

/// The floating IP goes.
pub fn disassociate() -> Value {
    json!([
        "OVN_Northbound",
        {"op": "update", "table": "Logical_Router", "where": at(ROUTER_ROW),
         "row": {"nat": ["set", []]}},
    ])
}

/// A gateway port of the router with this address, hosted by this chassis.
pub fn gateway(address: &str) -> Value {
    json!([
        "OVN_Northbound",
        {"op": "insert", "table": "Logical_Router_Port", "uuid-name": "lrp", "row": {
            "name": "lrp-b330b730-36d3-40da-997e-5bcd09fb18c8", "mac": "fa:16:3e:c8:0b:b8",
            "networks": format!("{address}/24"),
            "status": ["map", [["hosting-chassis", "chassis-1"]]],
            "external_ids": ["map", [
                ["neutron:is_ext_gw", "True"], ["neutron:network_name", NETWORK],
                ["neutron:revision_number", "5"]]]}},
        {"op": "mutate", "table": "Logical_Router", "where": at(ROUTER_ROW),
         "mutations": [["ports", "insert", ["named-uuid", "lrp"]]]},
    ])
}

fn at(row: &str) -> Value {
    json!([["_uuid", "==", ["uuid", row]]])
}
