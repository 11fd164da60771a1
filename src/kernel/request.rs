//! Pure: steps to the netlink requests that take them.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::message::RouteId;
use super::socket::Request;
use crate::mac::MacAddr;
use crate::reconcile::object::TableId;
use crate::reconcile::ownership::{LINK_ALIAS, PROTOCOL};

/// rtnetlink.h: the table is in an attribute, because it does not fit the header.
const RT_TABLE_COMPAT: u8 = libc::RT_TABLE_COMPAT;

/// Without duplicate address detection (RFC 4862 §5.4): the helper addresses are the same on every
/// node, and nodes may share the provider network's segment. They make the interface answer for
/// others, and are never used themselves.
pub(super) fn add_address(index: u32, address: &IpNet) -> Request {
    let mut message = address_message(index, address);
    if address.addr().is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    Request {
        message: RouteNetlinkMessage::NewAddress(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
    }
}

pub(super) fn remove_address(index: u32, address: &IpNet) -> Request {
    Request {
        message: RouteNetlinkMessage::DelAddress(address_message(index, address)),
        flags: 0,
    }
}

fn address_message(index: u32, address: &IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(&address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(address.addr()),
        AddressAttribute::Address(address.addr()),
    ];
    message
}

/// A route by way of an interface. The next hop need not be reachable by another route: the Python
/// agent's tables always had a default route that made it so, and ours may not yet.
pub(super) fn add_route(id: &RouteId, index: u32, via: Option<IpAddr>) -> Request {
    let mut message = route_message(id);
    message.header.protocol = RouteProtocol::from(PROTOCOL);
    let v4 = matches!(id.prefix, IpNet::V4(_));
    message.header.scope = match via {
        None if v4 => RouteScope::Link,
        _ => RouteScope::Universe,
    };
    message.attributes.push(RouteAttribute::Oif(index));
    if let Some(via) = via {
        message.header.flags |= RouteFlags::Onlink;
        let gateway = RouteAttribute::Gateway(RouteAddress::from(via));
        message.attributes.push(gateway);
    }
    Request {
        message: RouteNetlinkMessage::NewRoute(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
    }
}

/// Removes a route whatever its scope is (the Python agent's had 253 or 0), narrowed by what is known of it.
pub(super) fn remove_route(
    id: &RouteId,
    hop: Option<(u32, Option<IpAddr>)>,
    protocol: Option<u8>,
) -> Request {
    let mut message = route_message(id);
    message.header.scope = RouteScope::NoWhere;
    message.header.protocol = RouteProtocol::from(protocol.unwrap_or_default());
    if let Some((index, via)) = hop {
        message.attributes.push(RouteAttribute::Oif(index));
        let gateway = via.map(|ip| RouteAttribute::Gateway(RouteAddress::from(ip)));
        message.attributes.extend(gateway);
    }
    Request {
        message: RouteNetlinkMessage::DelRoute(message),
        flags: 0,
    }
}

fn route_message(id: &RouteId) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(&id.prefix.addr());
    message.header.destination_prefix_length = id.prefix.prefix_len();
    message.header.tos = id.tos;
    message.header.table = short_table(id.table);
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Table(id.table)];
    if id.prefix.prefix_len() > 0 {
        let to = RouteAddress::from(id.prefix.network());
        message.attributes.push(RouteAttribute::Destination(to));
    }
    if id.metric > 0 {
        message.attributes.push(RouteAttribute::Priority(id.metric));
    }
    message
}

/// Refused when it exists: without that, the kernel would make a twin.
pub(super) fn add_rule(priority: u32, to: &IpNet, table: TableId) -> Request {
    let mut message = rule_message(priority, to, table);
    let mark = RuleAttribute::Protocol(RouteProtocol::from(PROTOCOL));
    message.attributes.push(mark);
    Request {
        message: RouteNetlinkMessage::NewRule(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
    }
}

pub(super) fn remove_rule(priority: u32, to: &IpNet, table: TableId) -> Request {
    Request {
        message: RouteNetlinkMessage::DelRule(rule_message(priority, to, table)),
        flags: 0,
    }
}

fn rule_message(priority: u32, to: &IpNet, table: TableId) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(&to.addr());
    message.header.dst_len = to.prefix_len();
    message.header.table = short_table(table);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        // The kernel compares the address as given, so its host bits are part of the identity.
        RuleAttribute::Destination(to.addr()),
        RuleAttribute::Priority(priority),
        RuleAttribute::Table(table),
    ];
    message
}

pub(super) fn add_neighbour(index: u32, address: IpAddr, mac: MacAddr) -> Request {
    let mut message = neighbour_message(index, address);
    message.header.state = NeighbourState::Permanent;
    let lladdr = NeighbourAttribute::LinkLayerAddress(mac.0.to_vec());
    message.attributes.extend([lladdr, neighbour_mark()]);
    Request {
        message: RouteNetlinkMessage::NewNeighbour(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
    }
}

pub(super) fn remove_neighbour(index: u32, address: IpAddr) -> Request {
    Request {
        message: RouteNetlinkMessage::DelNeighbour(neighbour_message(index, address)),
        flags: 0,
    }
}

pub(super) fn add_proxy(index: u32, address: IpAddr) -> Request {
    let mut message = neighbour_message(index, address);
    message.header.flags = NeighbourFlags::Proxy;
    message.header.state = NeighbourState::Permanent;
    message.attributes.push(neighbour_mark());
    Request {
        message: RouteNetlinkMessage::NewNeighbour(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
    }
}

pub(super) fn remove_proxy(index: u32, address: IpAddr) -> Request {
    let mut message = neighbour_message(index, address);
    message.header.flags = NeighbourFlags::Proxy;
    Request {
        message: RouteNetlinkMessage::DelNeighbour(message),
        flags: 0,
    }
}

fn neighbour_message(index: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(&address);
    message.header.ifindex = index;
    message.attributes = vec![NeighbourAttribute::Destination(match address {
        IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
        IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
    })];
    message
}

fn neighbour_mark() -> NeighbourAttribute {
    NeighbourAttribute::Protocol(RouteProtocol::from(PROTOCOL))
}

/// An 802.1Q device, up, with our alias.
pub(super) fn add_vlan(name: &str, parent: u32, id: u16) -> Request {
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Link(parent),
        LinkAttribute::IfAlias(LINK_ALIAS.to_owned()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Vlan),
            LinkInfo::Data(InfoData::Vlan(vec![InfoVlan::Id(id)])),
        ]),
    ];
    Request {
        message: RouteNetlinkMessage::NewLink(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
    }
}

pub(super) fn remove_link(index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    Request {
        message: RouteNetlinkMessage::DelLink(message),
        flags: 0,
    }
}

pub(super) fn set_up(index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    Request {
        message: RouteNetlinkMessage::SetLink(message),
        flags: 0,
    }
}

/// The interface with this name.
pub(super) fn link_by_name(name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    RouteNetlinkMessage::GetLink(message)
}

pub(super) fn family(address: &IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

pub(super) fn short_table(table: TableId) -> u8 {
    u8::try_from(table).unwrap_or(RT_TABLE_COMPAT)
}
