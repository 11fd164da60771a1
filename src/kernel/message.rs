//! Pure: netlink messages to facts and back. What a message does not have to say is `None`.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, InfoVrf, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};

use super::state::IPV6_METRIC;
use crate::mac::MacAddr;
use crate::reconcile::object::{Key, TableId};
use crate::reconcile::ownership::default_prefix;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    pub index: u32,
    pub name: Arc<str>,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    pub mac: Option<MacAddr>,
    pub alias: Option<Arc<str>>,
    /// Index of the parent and id, of an 802.1Q device.
    pub vlan: Option<(u32, u16)>,
    /// Table of a VRF device.
    pub vrf: Option<TableId>,
    pub is_dummy: bool,
    /// Index of the device it is enslaved to.
    pub master: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressFacts {
    pub(super) index: u32,
    pub(super) address: IpNet,
    /// `IFA_PROTO`, 0 for none.
    pub(super) protocol: u8,
}

/// Identity of a route in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RouteId {
    pub(super) table: TableId,
    pub(super) prefix: IpNet,
    pub(super) metric: u32,
    pub(super) tos: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RouteFacts {
    pub(super) protocol: u8,
    pub(super) index: u32,
    pub(super) via: Option<IpAddr>,
    /// One next hop, and nothing that we would not set.
    pub(super) plain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RuleSeen {
    pub(super) priority: u32,
    pub(super) to: IpNet,
    pub(super) table: TableId,
    pub(super) destination_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeighbourFacts {
    pub(super) mac: MacAddr,
    /// `NDA_PROTOCOL`, 0 for none.
    pub(super) protocol: u8,
}

impl RouteId {
    /// The route that we would make for this prefix.
    pub(super) fn plain(table: TableId, prefix: IpNet) -> Self {
        Self {
            table,
            prefix,
            metric: plain_metric(&prefix),
            tos: 0,
        }
    }

    /// The identity that an object has in the kernel.
    pub(super) fn of(key: &Key) -> Option<Self> {
        match *key {
            Key::Route { table, prefix } => Some(Self::plain(table, prefix)),
            Key::StrayRoute {
                table,
                prefix,
                metric,
                tos,
            } => Some(Self {
                table,
                prefix,
                metric,
                tos,
            }),
            _ => None,
        }
    }

    pub(super) fn key(&self) -> Key {
        let Self {
            table,
            prefix,
            metric,
            tos,
        } = *self;
        if *self == Self::plain(table, prefix) {
            return Key::Route { table, prefix };
        }
        Key::StrayRoute {
            table,
            prefix,
            metric,
            tos,
        }
    }
}

fn plain_metric(prefix: &IpNet) -> u32 {
    match prefix {
        IpNet::V4(_) => 0,
        IpNet::V6(_) => IPV6_METRIC,
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
        mac: None,
        alias: None,
        vlan: None,
        vrf: None,
        is_dummy: false,
        master: None,
    };
    let (mut parent, mut id) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => facts.name = Arc::from(name.as_str()),
            LinkAttribute::IfAlias(alias) => facts.alias = Some(Arc::from(alias.as_str())),
            LinkAttribute::Address(bytes) => facts.mac = mac(bytes),
            LinkAttribute::Link(index) => parent = Some(*index),
            LinkAttribute::Controller(index) => facts.master = Some(*index).filter(|i| *i != 0),
            LinkAttribute::LinkInfo(infos) => {
                id = infos.iter().find_map(vlan_id);
                facts.vrf = infos.iter().find_map(vrf_table);
                facts.is_dummy = infos.contains(&LinkInfo::Kind(InfoKind::Dummy));
            }
            _ => {}
        }
    }
    facts.vlan = parent.zip(id);
    (!facts.name.is_empty()).then_some(facts)
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

fn mac(bytes: &[u8]) -> Option<MacAddr> {
    bytes.try_into().ok().map(MacAddr)
}

pub(super) fn address(message: &AddressMessage) -> Option<AddressFacts> {
    let (mut local, mut peer, mut protocol) = (None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Protocol(mark) => protocol = u8::from(*mark),
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => peer = Some(*ip),
            _ => {}
        }
    }
    // IPv6 has only IFA_ADDRESS where there is no peer; an address with a peer is not like ours.
    let own = local.or(peer)?;
    if peer.is_some_and(|peer| peer != own) {
        return None;
    }
    Some(AddressFacts {
        index: message.header.index,
        address: IpNet::new(own, message.header.prefix_len).ok()?,
        protocol,
    })
}

pub(super) fn route(message: &RouteMessage) -> Option<(RouteId, RouteFacts)> {
    let header = &message.header;
    if header.kind != RouteType::Unicast || header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let v6 = match header.address_family {
        AddressFamily::Inet => false,
        AddressFamily::Inet6 => true,
        _ => return None,
    };
    let mut id = RouteId {
        table: header.table.into(),
        prefix: default_prefix(v6),
        metric: 0,
        tos: header.tos,
    };
    let mut facts = RouteFacts {
        protocol: header.protocol.into(),
        index: 0,
        via: None,
        plain: header.source_prefix_length == 0,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => id.table = *table,
            RouteAttribute::Priority(metric) => id.metric = *metric,
            RouteAttribute::Destination(to) => {
                id.prefix = IpNet::new(ip(to)?, header.destination_prefix_length).ok()?;
            }
            RouteAttribute::Oif(index) => facts.index = *index,
            RouteAttribute::Gateway(gateway) => facts.via = ip(gateway),
            RouteAttribute::MultiPath(_)
            | RouteAttribute::Via(_)
            | RouteAttribute::Encap(_)
            | RouteAttribute::PrefSource(_)
            | RouteAttribute::NhId(_) => facts.plain = false,
            _ => {}
        }
    }
    Some((id, facts))
}

pub(crate) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

pub(super) fn rule(message: &RuleMessage) -> Option<RuleSeen> {
    let header = &message.header;
    if header.action != RuleAction::ToTable {
        return None;
    }
    let (mut to, mut priority) = (None, 0);
    let mut table = TableId::from(header.table);
    let mut destination_only =
        !header.flags.contains(RuleFlags::Invert) && header.src_len == 0 && header.tos == 0;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Destination(address) => {
                to = IpNet::new(*address, header.dst_len).ok();
            }
            RuleAttribute::Priority(value) => priority = *value,
            RuleAttribute::Table(value) => table = *value,
            RuleAttribute::Protocol(_) => {}
            // The kernel always says these; these values mean "not set".
            RuleAttribute::SuppressPrefixLen(u32::MAX)
            | RuleAttribute::SuppressIfGroup(u32::MAX)
            | RuleAttribute::L3MDev(false) => {}
            RuleAttribute::Other(_) => {}
            _ => destination_only = false,
        }
    }
    Some(RuleSeen {
        priority,
        to: to?,
        table,
        destination_only,
    })
}

/// A neighbour's address, and its facts if it is permanent.
pub(super) fn neighbour(message: &NeighbourMessage) -> Option<(IpAddr, Option<NeighbourFacts>)> {
    let address = neighbour_address(message)?;
    let permanent = message.header.state == NeighbourState::Permanent;
    let lladdr = message.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::LinkLayerAddress(bytes) => mac(bytes),
        _ => None,
    });
    let facts = lladdr.filter(|_| permanent).map(|mac| NeighbourFacts {
        mac,
        protocol: neighbour_protocol(message),
    });
    Some((address, facts))
}

/// The address and the mark of an NDP proxy.
pub(super) fn proxy(message: &NeighbourMessage) -> Option<(Ipv6Addr, u8)> {
    if !message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    match neighbour_address(message)? {
        IpAddr::V6(address) => Some((address, neighbour_protocol(message))),
        IpAddr::V4(_) => None,
    }
}

fn neighbour_address(message: &NeighbourMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })
}

fn neighbour_protocol(message: &NeighbourMessage) -> u8 {
    let protocol = message.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::Protocol(protocol) => Some(u8::from(*protocol)),
        _ => None,
    });
    protocol.unwrap_or_default()
}
