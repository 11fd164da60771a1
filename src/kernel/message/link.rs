//! Pure: what a message says of an interface.

use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use netlink_packet_core::Nla;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVlan, InfoVrf, InfoVxlan, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, LinkProtoInfoBridge,
};

use super::mac;
use crate::mac::MacAddr;
use crate::reconcile::object::TableId;

/// if_link.h: `IFLA_BRPORT_LEARNING`.
const LEARNING: u16 = 8;
/// if_link.h: `IFLA_BRPORT_NEIGH_SUPPRESS`.
const NEIGH_SUPPRESS: u16 = 32;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    pub index: u32,
    pub name: Arc<str>,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Octets of the largest packet; 0 when it was not told.
    pub mtu: u32,
    pub mac: Option<MacAddr>,
    pub alias: Option<Arc<str>>,
    pub device: Device,
    /// Index of the device it is enslaved to.
    pub master: Option<u32>,
    /// As a port of a bridge of the kernel.
    pub port: Option<PortFacts>,
}

/// What sort of interface it is, as far as that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// An 802.1Q device on the interface with index `parent`.
    Vlan {
        parent: u32,
        id: u16,
    },
    Vrf {
        table: TableId,
    },
    Dummy,
    Bridge,
    Vxlan(VxlanFacts),
    /// One end of a pair, the other of which has index `peer` in this namespace.
    Veth {
        peer: u32,
    },
    /// Anything else.
    Other,
}

/// A VXLAN device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VxlanFacts {
    pub vni: Vni,
    /// UDP.
    pub port: u16,
    pub local: Option<IpAddr>,
    /// It learns from frames.
    pub learning: bool,
    /// It has no destination but those in its table.
    pub plain: bool,
    /// It has packets of all VNIs, and so its UDP port for itself (`external`), as Open vSwitch's.
    pub external: bool,
}

/// How a bridge treats one of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortFacts {
    pub learning: bool,
    pub neigh_suppress: bool,
}

impl LinkFacts {
    /// Index of the parent and id, of an 802.1Q device.
    pub fn vlan(&self) -> Option<(u32, u16)> {
        match self.device {
            Device::Vlan { parent, id } => Some((parent, id)),
            _ => None,
        }
    }

    /// Table of a VRF device.
    pub fn vrf(&self) -> Option<TableId> {
        match self.device {
            Device::Vrf { table } => Some(table),
            _ => None,
        }
    }

    /// A VXLAN device's parameters.
    pub fn vxlan(&self) -> Option<VxlanFacts> {
        match self.device {
            Device::Vxlan(vxlan) => Some(vxlan),
            _ => None,
        }
    }
}

pub(crate) fn link(message: &LinkMessage) -> Option<LinkFacts> {
    // AF_BRIDGE messages on the same group tell of bridge ports, not of interfaces.
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut facts = LinkFacts {
        index: message.header.index,
        name: Arc::from(""),
        up: message.header.flags.contains(LinkFlags::Up),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        mtu: 0,
        mac: None,
        alias: None,
        device: Device::Other,
        master: None,
        port: None,
    };
    let (mut lower, mut elsewhere) = (None, false);
    let mut infos: &[LinkInfo] = &[];
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => facts.name = Arc::from(name.as_str()),
            LinkAttribute::IfAlias(alias) => facts.alias = Some(Arc::from(alias.as_str())),
            LinkAttribute::Address(bytes) => facts.mac = mac(bytes),
            LinkAttribute::Mtu(mtu) => facts.mtu = *mtu,
            LinkAttribute::Link(index) => lower = Some(*index),
            // What IFLA_LINK names is in another namespace.
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::Controller(index) => facts.master = Some(*index).filter(|i| *i != 0),
            LinkAttribute::LinkInfo(told) => infos = told,
            _ => {}
        }
    }
    facts.device = device(infos, lower.filter(|_| !elsewhere));
    facts.port = infos.iter().find_map(port_of_bridge);
    (!facts.name.is_empty()).then_some(facts)
}

/// A message about a bridge's port: the port's index, and how the bridge treats it where that is told.
pub(in crate::kernel) fn bridge_port(message: &LinkMessage) -> Option<(u32, Option<PortFacts>)> {
    if message.header.interface_family != AddressFamily::Bridge {
        return None;
    }
    let told = message.attributes.iter().find_map(|a| match a {
        LinkAttribute::ProtoInfoBridge(told) => Some(told),
        _ => None,
    });
    let flag = |kind| told?.iter().find_map(|nla| flag_of(nla, kind));
    let facts = flag(LEARNING).map(|learning| PortFacts {
        learning,
        // Linux 4.15; before, nothing was suppressed.
        neigh_suppress: flag(NEIGH_SUPPRESS).unwrap_or(false),
    });
    Some((message.header.index, facts))
}

/// The flag with this number, if that is what the attribute is.
fn flag_of(nla: &LinkProtoInfoBridge, kind: u16) -> Option<bool> {
    if nla.kind() != kind || nla.value_len() != 1 {
        return None;
    }
    let mut value = [0];
    nla.emit_value(&mut value);
    Some(value != [0])
}

fn device(infos: &[LinkInfo], lower: Option<u32>) -> Device {
    let kind = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    let device = match kind {
        Some(InfoKind::Dummy) => Some(Device::Dummy),
        Some(InfoKind::Bridge) => Some(Device::Bridge),
        Some(InfoKind::Veth) => lower.map(|peer| Device::Veth { peer }),
        Some(InfoKind::Vlan) => {
            let id = infos.iter().find_map(vlan_id);
            lower
                .zip(id)
                .map(|(parent, id)| Device::Vlan { parent, id })
        }
        Some(InfoKind::Vrf) => infos
            .iter()
            .find_map(vrf_table)
            .map(|table| Device::Vrf { table }),
        Some(InfoKind::Vxlan) => infos.iter().find_map(vxlan).map(Device::Vxlan),
        _ => None,
    };
    device.unwrap_or(Device::Other)
}

fn vlan_id(info: &LinkInfo) -> Option<u16> {
    let LinkInfo::Data(InfoData::Vlan(attributes)) = info else {
        return None;
    };
    attributes.iter().find_map(|attribute| match attribute {
        InfoVlan::Id(id) => Some(*id),
        _ => None,
    })
}

fn vrf_table(info: &LinkInfo) -> Option<TableId> {
    let LinkInfo::Data(InfoData::Vrf(attributes)) = info else {
        return None;
    };
    attributes.iter().find_map(|attribute| match attribute {
        InfoVrf::TableId(table) => Some(*table),
        _ => None,
    })
}

fn vxlan(info: &LinkInfo) -> Option<VxlanFacts> {
    let LinkInfo::Data(InfoData::Vxlan(attributes)) = info else {
        return None;
    };
    let mut facts = VxlanFacts {
        vni: 0,
        port: 0,
        local: None,
        learning: false,
        plain: true,
        external: false,
    };
    for attribute in attributes {
        match attribute {
            InfoVxlan::Id(vni) => facts.vni = *vni,
            InfoVxlan::Port(port) => facts.port = *port,
            InfoVxlan::Local(local) => facts.local = Some(IpAddr::V4(*local)),
            InfoVxlan::Local6(local) => facts.local = Some(IpAddr::V6(*local)),
            InfoVxlan::Learning(learning) => facts.learning = *learning,
            InfoVxlan::CollectMetadata(true) | InfoVxlan::Vnifilter(true) => {
                facts.external = true;
                facts.plain = false;
            }
            InfoVxlan::Group(_) | InfoVxlan::Group6(_) => facts.plain = false,
            _ => {}
        }
    }
    Some(facts)
}

fn port_of_bridge(info: &LinkInfo) -> Option<PortFacts> {
    let LinkInfo::PortData(InfoPortData::BridgePort(attributes)) = info else {
        return None;
    };
    let mut facts = PortFacts {
        learning: true,
        neigh_suppress: false,
    };
    for attribute in attributes {
        match attribute {
            InfoBridgePort::Learning(on) => facts.learning = *on,
            InfoBridgePort::NeighSupress(on) => facts.neigh_suppress = *on,
            _ => {}
        }
    }
    Some(facts)
}
