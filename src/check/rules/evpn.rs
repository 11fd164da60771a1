//! Tunnels: where they begin, who else has their port or a VNI, and what fits through them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Findings, uplinks};
use crate::check::Code;
use crate::check::facts::{Device, Machine, NodeFacts};
use crate::config::{self, Config, Driver, Endpoint, Neighbour};

/// What VXLAN puts before a tenant's IP packet: Ethernet, VXLAN, UDP (RFC 7348 §5) and IP.
const HEADERS_V4: u32 = 14 + 8 + 8 + 20;
const HEADERS_V6: u32 = 14 + 8 + 8 + 40;

pub(super) fn judge(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    if !config.agent.has_tenant_tables() {
        return;
    }
    let machine = &facts.machine;
    let vtep = vtep(facts, config, found);
    port(machine, config, found);
    vnis(machine, config, found);
    if let Some(vtep) = vtep {
        mtu(facts, config, vtep, found);
    }
}

/// Where tunnels begin. With OVN's own routing only routers with a VNI need one.
fn vtep(facts: &NodeFacts, config: &Config, found: &mut Findings) -> Option<IpAddr> {
    let machine = &facts.machine;
    let native = config.agent.driver == Driver::Native;
    let devices = machine.devices.iter();
    let addresses = devices.flat_map(|(name, device)| {
        // Which of `lo` is a host prefix is not told here; what is routable there is one.
        let nets = device.addresses.iter().map(|ip| IpNet::from(*ip));
        nets.map(move |net| (name.as_str(), net))
    });
    match config::vtep(&config.agent, addresses) {
        Ok(vtep) => {
            let here = |device: &Device| device.addresses.contains(&vtep);
            if !machine.devices.values().any(here) {
                found.error(
                    Code::VtepForeign,
                    "evpn_local_ip",
                    format!(
                        "no device of this node has {vtep}: nothing that is sent to it arrives"
                    ),
                    format!(
                        "ip address add {vtep}/32 dev lo, and at boot; or correct evpn_local_ip"
                    ),
                );
            }
            Some(vtep)
        }
        Err(error) => {
            let remedy =
                "the address that the other VTEPs reach this node by, as a rule that of lo";
            let (code, place) = (Code::VtepMissing, "evpn_local_ip");
            match facts.cloud.vnis.first() {
                _ if !native => found.error(code, place, error.to_string(), remedy),
                Some(vni) => {
                    let problem =
                        format!("{error}; VNI {vni}, which a router's port has, needs one");
                    found.error(code, place, problem, remedy);
                }
                None => {
                    let problem = format!("{error}; no router has a VNI, so none is needed yet");
                    found.info(code, place, problem, remedy);
                }
            }
            None
        }
    }
}

/// Devices of ours share their UDP port; what takes all VNIs of it, or is no VXLAN device, shares it with nobody.
fn port(machine: &Machine, config: &Config, found: &mut Findings) {
    let port = config.agent.evpn_udp_dstport;
    let remedy = "set evpn_udp_dstport to another port, the same on all nodes; or free this one (OVN: \
                  external_ids:ovn-encap-type=geneve)";
    let mut tunnels = machine
        .devices
        .iter()
        .filter_map(|(name, device)| Some((name, device.tunnel.filter(|t| t.port == port)?)));
    if let Some((name, _)) = tunnels.clone().find(|(_, tunnel)| tunnel.external) {
        found.error(
            Code::VxlanPortTaken,
            &format!("device {name}"),
            format!(
                "has UDP port {port} with all its VNIs: no other VXLAN device can be made on it"
            ),
            remedy,
        );
    } else if machine.udp.contains(&port) && tunnels.next().is_none() {
        found.error(
            Code::VxlanPortTaken,
            &format!("UDP port {port}"),
            "somebody has it who is no VXLAN device: none can be made on it",
            remedy,
        );
    }
}

fn vnis(machine: &Machine, config: &Config, found: &mut Findings) {
    for (name, device) in &machine.devices {
        let Some(tunnel) = device.tunnel else {
            continue;
        };
        let vni = tunnel.vni;
        let other_name = *name != format!("vxlan-{vni}");
        if other_name && !tunnel.external && tunnel.port == config.agent.evpn_udp_dstport {
            found.warning(
                Code::VniTaken,
                &format!("device {name}"),
                format!(
                    "has VNI {vni} on UDP port {}: a network with that VNI cannot be wired here",
                    tunnel.port
                ),
                format!("ip link delete {name}, if nobody needs it; else give networks other VNIs"),
            );
        }
    }
}

/// The kernel fragments no VXLAN packet that came with DF, and drops others late.
fn mtu(facts: &NodeFacts, config: &Config, vtep: IpAddr, found: &mut Findings) {
    let headers = if vtep.is_ipv4() {
        HEADERS_V4
    } else {
        HEADERS_V6
    };
    let networks = facts.cloud.vni_networks.iter();
    let largest = networks
        .filter_map(|(name, network)| Some((network.mtu?, name, network.vni)))
        .max();
    let Some((mtu, network, vni)) = largest else {
        return;
    };
    for name in underlay(facts, config, vtep) {
        let device = facts.machine.devices.get(name);
        let Some(device) = device.filter(|device| device.mtu > 0) else {
            continue;
        };
        let needed = mtu.saturating_add(headers);
        if device.mtu < needed {
            found.warning(
                Code::UnderlayMtu,
                &format!("device {name}"),
                format!(
                    "its MTU is {}, and network {network} of VNI {vni} has {mtu}: with {headers} octets of VXLAN around \
                     them its largest packets are dropped",
                    device.mtu
                ),
                format!(
                    "an MTU of {needed} there and in the fabric, or networks with one of {}",
                    device.mtu.saturating_sub(headers)
                ),
            );
        }
    }
}

/// The devices that tunnels' packets leave by: those to neighbours, by their names or by the networks on them, and the
/// one that has the VTEP's address. That of `lo` says nothing: what leaves with it leaves by another.
fn underlay<'a>(facts: &'a NodeFacts, config: &'a Config, vtep: IpAddr) -> BTreeSet<&'a str> {
    let addresses: Vec<IpAddr> = config.neighbours.iter().filter_map(address).collect();
    let leads = |device: &Device| {
        let has = |net: &IpNet| addresses.iter().any(|address| net.contains(address));
        device.addresses.contains(&vtep) || device.networks.iter().any(has)
    };
    let devices = facts.machine.devices.iter();
    let devices = devices.filter(|(name, device)| *name != "lo" && leads(device));
    let named = uplinks(config).into_iter();
    named
        .chain(devices.map(|(name, _)| name.as_str()))
        .collect()
}

fn address(neighbour: &Neighbour) -> Option<IpAddr> {
    match neighbour.endpoint {
        Endpoint::Address(address) => Some(address),
        Endpoint::Interface(_) | Endpoint::LinkLocal(..) => None,
    }
}
