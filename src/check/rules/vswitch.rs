//! What Open vSwitch says of this node, and its bridges.

use std::collections::BTreeMap;

use super::{Findings, is_wired};
use crate::check::Code;
use crate::check::facts::NodeFacts;
use crate::config::Config;

const MAPPINGS: &str = "Open_vSwitch external_ids:ovn-bridge-mappings";

pub(super) fn judge(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    if !facts.vswitch.answers() {
        return;
    }
    identity(facts, found);
    if !is_wired(config) {
        return;
    }
    mappings(facts, found);
    for bridge in facts.mapped() {
        self::bridge(facts, &bridge, found);
    }
    mtus(facts, found);
}

fn identity(facts: &NodeFacts, found: &mut Findings) {
    if !facts.external_ids.contains_key("system-id") {
        found.error(
            Code::SystemIdMissing,
            "Open_vSwitch external_ids:system-id",
            "is missing: the agent does not know its chassis",
            "ovs-vsctl set open . external_ids:system-id=<chassis>",
        );
    }
    if !facts.external_ids.contains_key("hostname") {
        let host = facts.machine.hostname.as_deref().unwrap_or("unknown");
        found.warning(
            Code::HostnameMissing,
            "Open_vSwitch external_ids:hostname",
            format!("is missing: the machine's name ({host}) is used"),
            "ovs-vsctl set open . external_ids:hostname=<name in Neutron>",
        );
    }
}

fn mappings(facts: &NodeFacts, found: &mut Findings) {
    if !facts.external_ids.contains_key("ovn-bridge-mappings") {
        return found.warning(
            Code::BridgeMappingsMissing,
            MAPPINGS,
            "is missing: no provider network is attached, so nothing is exposed",
            "ovs-vsctl set open . external_ids:ovn-bridge-mappings=<network>:<bridge>",
        );
    }
    let mappings = facts.mappings();
    for invalid in mappings.invalid() {
        found.warning(
            Code::BridgeMappingMalformed,
            MAPPINGS,
            format!(
                "'{}' is not <network>:<bridge>, ignored",
                invalid.entry.trim()
            ),
            "correct the entry",
        );
    }
    let mut seen = BTreeMap::new();
    for entry in mappings.entries() {
        let network = &entry.physical_network;
        if let Some(first) = seen.insert(network, &entry.bridge) {
            found.warning(
                Code::BridgeMappingTwice,
                MAPPINGS,
                format!("network '{network}' is mapped twice; {first} counts"),
                "remove one of the two",
            );
        }
        let known = &facts.cloud.physical_networks;
        if facts.cloud.is_read && !known.is_empty() && !known.contains_key(&**network) {
            let known: Vec<_> = known.keys().cloned().collect();
            found.info(
                Code::BridgeMappingUnused,
                MAPPINGS,
                format!(
                    "no network of OVN is on '{network}'; there are networks on {}",
                    known.join(", ")
                ),
                "correct its spelling, unless it is there for later",
            );
        }
    }
}

fn bridge(facts: &NodeFacts, bridge: &str, found: &mut Findings) {
    let place = format!("bridge {bridge}");
    if !facts.bridges.contains(bridge) {
        return found.error(
            Code::BridgeMissing,
            MAPPINGS,
            format!("bridge '{bridge}' does not exist"),
            format!("ovs-vsctl add-br {bridge}, or correct the mapping"),
        );
    }
    let Some(device) = facts.machine.devices.get(bridge) else {
        return found.error(
            Code::BridgeDeviceMissing,
            &place,
            "Open vSwitch has it, but there is no such device here",
            format!(
                "run in the host's network namespace; else see ovs-vsctl get interface {bridge} error, and whether \
                 ovs-vswitchd runs"
            ),
        );
    };
    if device.kind.as_deref() == Some("bridge") {
        return found.error(
            Code::BridgeIsLinux,
            &place,
            "a Linux bridge has the name of the OVS bridge (the Python agent makes one where it comes first)",
            format!("ip link delete {bridge}, then restart openvswitch"),
        );
    }
    if !device.is_up {
        found.warning(
            Code::BridgeDown,
            &place,
            "is down; the agent sets it up",
            format!("ip link set {bridge} up, at boot"),
        );
    }
}

fn mtus(facts: &NodeFacts, found: &mut Findings) {
    for entry in facts.mappings().entries() {
        let wanted = facts.cloud.physical_networks.get(&*entry.physical_network);
        let device = facts.machine.devices.get(&*entry.bridge);
        if let (Some(Some(wanted)), Some(device)) = (wanted, device)
            && device.mtu < *wanted
            && device.mtu > 0
        {
            found.warning(
                Code::BridgeMtu,
                &format!("bridge {}", entry.bridge),
                format!(
                    "its MTU is {}, and networks on {} have {wanted}: larger packets to them are dropped",
                    device.mtu, entry.physical_network
                ),
                format!("ovs-vsctl set interface {} mtu_request={wanted}", entry.bridge),
            );
        }
    }
}
