//! `exposing_method = underlay`: the kernel routes what arrives for an exposure into the provider
//! bridge, and takes what OVN sends out of it.
//!
//! Inwards: a rule per prefix (`to P lookup <bridge's table>`), an on-link route in that table, and
//! a neighbour that pins the MAC behind it; for a tenant subnet one rule, and a route by way of its
//! router's gateway, whose MAC is pinned. Outwards: a flow per patch port rewrites the destination
//! MAC to the bridge's own, so that the kernel takes the frame and routes it; proxy ARP and NDP, and
//! addresses that make the kernel do so, answer for the ports' gateways.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::subnet::Gateway;
use super::{BridgeFacts, BridgeRole, Facts, Pending};
use crate::exposure::{Attachment, Exposure};
use crate::mac::MacAddr;
use crate::ovn::BridgeMapping;
use crate::ovn::vswitch::PatchPort;
use crate::reconcile::object::{EtherType, Flow, Link, LinkKind, Route, TableId};
use crate::reconcile::ownership::{FLOW_COOKIE, RULE_PRIORITY, vlan_device_name};
use crate::reconcile::{Key, Value};

/// Priority of the flows, the Python agent's and ours.
pub const FLOW_PRIORITY: u16 = 900;

/// OpenFlow numbers ports from 1. A flow on port 0 never exists: an advert that requires one waits.
const NO_PORT: u32 = 0;

/// The objects of the node itself; `claimed` are the attachments in which it has no part.
pub(super) fn base(facts: &Facts, claimed: &BTreeSet<&Attachment>) -> Vec<(Key, Value)> {
    let mut objects = Vec::new();
    for mapping in facts.mappings.entries() {
        if facts.routers_learn
            && let Some(bridge) = facts.bridges.get(&mapping.bridge)
        {
            objects.extend(bridge.patch_ports.iter().map(|p| solicitations(mapping, p)));
        }
        if facts.role == BridgeRole::Nothing {
            continue;
        }
        let claimed = claimed.iter().filter(|a| a.bridge == mapping.bridge);
        let claimed: Vec<&Attachment> = claimed.copied().collect();
        let is_claimed = claimed.iter().any(|a| a.vlan.is_none());
        bridge_itself(mapping, is_claimed, &mut objects);
        if facts.role == BridgeRole::Routes
            && let Some(bridge) = facts.bridges.get(&mapping.bridge)
        {
            routing_bridge(mapping, bridge, &claimed, &mut objects);
        }
        // The bridge's own interface hears nothing of a VLAN: what answers there for the gateway of routers is a device of it.
        for localnet in &facts.localnets {
            if localnet.physical_network == mapping.physical_network
                && let Some(vlan) = localnet.vlan
                && !claimed.iter().any(|a| a.vlan == Some(vlan))
            {
                vlan_device(mapping, vlan, &mut objects);
            }
        }
    }
    // Two physical networks may share a bridge.
    objects.sort_by(|(a, _), (b, _)| a.cmp(b));
    objects.dedup_by(|(a, _), (b, _)| a == b);
    objects
}

/// What steers an exposure's traffic into OVN: everything but [`proxies`].
pub(super) fn steering(exposure: &Exposure, facts: &Facts) -> Vec<(Key, Value)> {
    let Some(attachment) = &exposure.attachment else {
        return Vec::new();
    };
    let Some(table) = table(attachment, facts) else {
        return Vec::new();
    };
    let mut objects = vec![(rule(exposure.prefix, table), Value::Rule {})];
    let hop = Hop::of(exposure, attachment);
    objects.extend(hop.objects(exposure.prefix, table));
    objects
}

/// What steers a tenant subnet's traffic to its gateway.
pub(super) fn through(subnet: IpNet, gateway: &Gateway, facts: &Facts) -> Vec<(Key, Value)> {
    let Some(table) = table(&gateway.attachment, facts) else {
        return Vec::new();
    };
    let mut objects = vec![(rule(subnet, table), Value::Rule {})];
    objects.extend(Hop::to(gateway).objects(subnet, table));
    objects
}

/// What steers an exposure to its own gateway, where the rule is that of its subnet.
pub(super) fn beside(exposure: &Exposure, facts: &Facts) -> Vec<(Key, Value)> {
    let Some(attachment) = &exposure.attachment else {
        return Vec::new();
    };
    let Some(table) = table(attachment, facts) else {
        return Vec::new();
    };
    let hop = Hop::of(exposure, attachment);
    hop.objects(exposure.prefix, table).collect()
}

/// The way from a bridge's table into OVN.
struct Hop {
    dev: Arc<str>,
    via: Option<IpAddr>,
    /// Whose MAC is pinned: the next hop, or else the destination itself.
    neighbour: Option<(IpAddr, MacAddr)>,
}

impl Hop {
    fn of(exposure: &Exposure, attachment: &Attachment) -> Self {
        let answering = exposure.via.unwrap_or_else(|| exposure.prefix.addr());
        Self {
            dev: device(attachment),
            via: exposure.via,
            neighbour: exposure.mac.map(|mac| (answering, mac)),
        }
    }

    fn to(gateway: &Gateway) -> Self {
        Self {
            dev: device(&gateway.attachment),
            via: Some(gateway.via),
            neighbour: gateway.mac.map(|mac| (gateway.via, mac)),
        }
    }

    fn objects(self, prefix: IpNet, table: TableId) -> impl Iterator<Item = (Key, Value)> {
        let dev = self.dev.clone();
        let neighbour = self.neighbour.map(|(address, mac)| {
            let value = Value::Neighbour { mac };
            (Key::Neighbour { dev, address }, value)
        });
        let value = Value::Route(Route::new(self.dev, self.via));
        let key = Key::Route {
            table,
            prefix: prefix.trunc(),
        };
        std::iter::once((key, value)).chain(neighbour)
    }
}

/// What answers neighbour solicitations for the gateways of an exposure's port.
pub(super) fn proxies(exposure: &Exposure) -> impl Iterator<Item = (Key, Value)> {
    let attachment = exposure.attachment.as_ref();
    let dev = attachment
        .filter(|_| !exposure.proxied.is_empty())
        .map(device);
    let addresses = exposure.proxied.iter();
    addresses.filter_map(move |address| {
        let key = Key::Proxy {
            dev: dev.clone()?,
            address: *address,
        };
        Some((key, Value::Proxy {}))
    })
}

/// What must be in place before an exposure is advertised.
pub(super) fn requires(exposure: &Exposure, facts: &Facts) -> Vec<Key> {
    let Some(attachment) = &exposure.attachment else {
        return Vec::new();
    };
    let steering = steering(exposure, facts);
    entered(attachment, exposure.prefix, steering, facts)
}

/// What must be in place before anything in a tenant subnet is advertised.
pub(super) fn requires_through(subnet: IpNet, gateway: &Gateway, facts: &Facts) -> Vec<Key> {
    let through = through(subnet, gateway, facts);
    entered(&gateway.attachment, subnet, through, facts)
}

/// The keys of what steers traffic inwards, and of the flow that brings the answers out.
fn entered(
    attachment: &Attachment,
    prefix: IpNet,
    steering: Vec<(Key, Value)>,
    facts: &Facts,
) -> Vec<Key> {
    let bridge = &attachment.bridge;
    if steering.is_empty() {
        return vec![Key::TableName {
            name: bridge.clone(),
        }];
    }
    let mut keys: Vec<Key> = steering.into_iter().map(|(key, _)| key).collect();
    keys.push(Key::Flow {
        bridge: bridge.clone(),
        priority: FLOW_PRIORITY,
        in_port: ofport(attachment, facts).unwrap_or(NO_PORT),
        ether_type: match prefix {
            IpNet::V4(_) => EtherType::Ipv4,
            IpNet::V6(_) => EtherType::Ipv6,
        },
        source: None,
    });
    keys
}

/// What an attachment's exposures wait for, beyond what can be wished already.
pub(super) fn waits_for(attachment: &Attachment, facts: &Facts) -> Option<Pending> {
    let bridge = attachment.bridge.clone();
    let known = facts.bridges.get(&bridge);
    if known.is_none_or(|known| known.table.is_none()) {
        return Some(Pending::NoTable { bridge });
    }
    if known.is_none_or(|known| known.mac.is_none()) {
        return Some(Pending::NoBridgeMac { bridge });
    }
    let localnet = &attachment.localnet;
    ofport(attachment, facts)
        .is_none()
        .then(|| Pending::NoPatchPort {
            bridge,
            localnet: localnet.clone(),
        })
}

/// The interface that an attachment's traffic passes: the bridge's own, or its VLAN device.
pub(super) fn device(attachment: &Attachment) -> Arc<str> {
    match attachment.vlan {
        None => attachment.bridge.clone(),
        Some(vlan) => vlan_device_name(&attachment.bridge, vlan).into(),
    }
}

fn table(attachment: &Attachment, facts: &Facts) -> Option<TableId> {
    facts.bridges.get(&attachment.bridge)?.table
}

fn ofport(attachment: &Attachment, facts: &Facts) -> Option<u32> {
    let bridge = facts.bridges.get(&attachment.bridge)?;
    bridge.ofport(&attachment.localnet)
}

fn rule(to: IpNet, table: TableId) -> Key {
    Key::Rule {
        priority: RULE_PRIORITY,
        to: to.trunc(),
        table,
    }
}

/// The bridge's own interface answers for gateways, unless the flat network on it is a tenant's own: there it would answer
/// for whatever the main table leads to, the tenant's hosts at other nodes included. As it may have answered before, it is
/// told not to.
fn bridge_itself(mapping: &BridgeMapping, is_claimed: bool, objects: &mut Vec<(Key, Value)>) {
    let name = &mapping.bridge;
    let up = Link::up(LinkKind::Foreign);
    objects.push((Key::Link { name: name.clone() }, Value::Link(up)));
    if is_claimed {
        objects.extend(proxying(name, false));
    } else {
        answering(name, mapping.position, mapping.position, objects);
    }
}

fn routing_bridge(
    mapping: &BridgeMapping,
    facts: &BridgeFacts,
    claimed: &[&Attachment],
    objects: &mut Vec<(Key, Value)>,
) {
    let name = &mapping.bridge;
    if let Some(id) = facts.table {
        objects.push((
            Key::TableName { name: name.clone() },
            Value::TableName { id },
        ));
        for prefix in [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())] {
            let route = Route::new(name.clone(), None);
            objects.push((Key::Route { table: id, prefix }, Value::Route(route)));
        }
    }
    let Some(mac) = facts.mac else {
        return;
    };
    // What a tenant's own network sends out is for the tenant's table.
    let own = |port: &&PatchPort| !claimed.iter().any(|a| a.localnet == port.localnet);
    for port in facts.patch_ports.iter().filter(own) {
        for ether_type in [EtherType::Ipv4, EtherType::Ipv6] {
            let key = Key::Flow {
                bridge: name.clone(),
                priority: FLOW_PRIORITY,
                in_port: port.ofport,
                ether_type,
                source: None,
            };
            let flow = Flow {
                cookie: FLOW_COOKIE,
                set_eth_dst: mac,
                output: None,
            };
            objects.push((key, Value::Flow(flow)));
        }
    }
}

/// ovn-controller (25.03) asks for the next router of what it has learned at the group of the packet's destination (its
/// `nd_ns` of an address known at run time alone), where that router does not listen. What is right already stays as it is.
fn solicitations(mapping: &BridgeMapping, port: &PatchPort) -> (Key, Value) {
    let key = Key::Flow {
        bridge: Arc::clone(&mapping.bridge),
        priority: FLOW_PRIORITY,
        in_port: port.ofport,
        ether_type: EtherType::Nd,
        source: None,
    };
    let flow = Flow {
        cookie: FLOW_COOKIE,
        set_eth_dst: MacAddr([0x33, 0x33, 0xff, 0, 0, 0]),
        output: None,
    };
    (key, Value::Flow(flow))
}

fn vlan_device(mapping: &BridgeMapping, vlan: u16, objects: &mut Vec<(Key, Value)>) {
    let name: Arc<str> = vlan_device_name(&mapping.bridge, vlan).into();
    let link = Link::up(LinkKind::Vlan {
        parent: mapping.bridge.clone(),
        id: vlan,
    });
    objects.push((Key::Link { name: name.clone() }, Value::Link(link)));
    answering(&name, mapping.position, vlan % 256, objects);
}

/// Makes a device answer ARP and NDP for gateways: the kernel only does on a device with an address.
/// These never leave the node.
pub(super) fn answering(
    dev: &Arc<str>,
    position: u16,
    index: u16,
    objects: &mut Vec<(Key, Value)>,
) {
    let [_, low_position] = position.to_be_bytes();
    let [_, low_index] = index.to_be_bytes();
    let v4 = Ipv4Addr::new(169, 254, low_position, low_index);
    let v6 = Ipv6Addr::new(0xfd53, 0xd91e, 0x400, 0x7f17, 0, 0, position, index);
    for address in [IpAddr::V4(v4), IpAddr::V6(v6)] {
        let key = Key::Address {
            dev: dev.clone(),
            address: IpNet::from(address),
        };
        objects.push((key, Value::Address {}));
    }
    objects.extend(proxying(dev, true));
}

fn proxying(dev: &Arc<str>, answers: bool) -> [(Key, Value); 2] {
    let value: Arc<str> = if answers { "1" } else { "0" }.into();
    [("ipv4", "proxy_arp"), ("ipv6", "proxy_ndp")].map(|(family, name)| {
        let path = format!("net/{family}/conf/{dev}/{name}").into();
        let value = Arc::clone(&value);
        (Key::Sysctl { path }, Value::Sysctl { value })
    })
}
