//! Pure: steps to the netlink requests that take them.

mod fdb;
mod link;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{AddressMessageBuilder, RouteMessageBuilder, RouteNextHopBuilder};

pub(super) use self::fdb::*;
pub(super) use self::link::*;
use super::connection::Request;
use super::message::RouteId;
use crate::mac::MacAddr;
use crate::reconcile::object::TableId;
use crate::reconcile::ownership::PROTOCOL;

/// rtnetlink.h: the table is in an attribute, because it does not fit the header.
const RT_TABLE_COMPAT: u8 = libc::RT_TABLE_COMPAT;

/// Without duplicate address detection (RFC 4862 §5.4): the helper addresses are the same on every
/// node, and nodes may share the provider network's segment. They make the interface answer for
/// others, and are never used themselves.
pub(super) fn add_address(index: u32, address: &IpNet) -> Request {
    let mut message = address_message(index, address);
    let mark = AddressProtocol::from(PROTOCOL);
    message.attributes.push(AddressAttribute::Protocol(mark));
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
    match address {
        IpNet::V4(v4) => AddressMessageBuilder::<Ipv4Addr>::new()
            .index(index)
            .address(v4.addr(), v4.prefix_len())
            .build(),
        IpNet::V6(v6) => AddressMessageBuilder::<Ipv6Addr>::new()
            .index(index)
            .address(v6.addr(), v6.prefix_len())
            .build(),
    }
}

/// A route by way of an interface. The next hops need not be reachable by another route: the Python
/// agent's tables always had a default route that made them so, and ours may not yet. An IPv4 route may have an IPv6
/// next hop (RTA_VIA, Linux 5.2): that of a VTEP on an IPv6 underlay. `None` for an IPv6 route with an IPv4 next hop,
/// which there cannot be.
pub(super) fn add_route(id: &RouteId, index: u32, via: &[IpAddr]) -> Option<Request> {
    put_route(id, index, via, true)
}

/// The same by a next hop that a route of its own table reaches. IPv6 needs that where the main table has
/// the next hop on another interface, which the kernel holds against one that is said to be on this link.
pub(super) fn add_route_by_its_table(id: &RouteId, index: u32, via: &[IpAddr]) -> Option<Request> {
    put_route(id, index, via, false)
}

fn put_route(id: &RouteId, index: u32, via: &[IpAddr], onlink: bool) -> Option<Request> {
    let v4 = matches!(id.prefix, IpNet::V4(_));
    let scope = if v4 && via.is_empty() {
        RouteScope::Link
    } else {
        RouteScope::Universe
    };
    let mut route = route_builder(id)?
        .protocol(RouteProtocol::from(PROTOCOL))
        .scope(scope);
    route = match via {
        [] => route.output_interface(index),
        [via] => {
            let route = route.output_interface(index).gateway(*via).ok()?;
            if onlink { route.onlink() } else { route }
        }
        several => {
            let hop = |via: &IpAddr| {
                let hop = RouteNextHopBuilder::new(family(&id.prefix.addr())).interface(index);
                let hop = if onlink { hop.onlink() } else { hop };
                Some(hop.via(*via).ok()?.build())
            };
            route.multipath(several.iter().map(hop).collect::<Option<_>>()?)
        }
    };
    Some(Request {
        message: RouteNetlinkMessage::NewRoute(route.build()),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
    })
}

/// A route to nowhere.
pub(super) fn add_unreachable(id: &RouteId) -> Option<Request> {
    let route = route_builder(id)?.protocol(RouteProtocol::from(PROTOCOL));
    Some(Request {
        message: RouteNetlinkMessage::NewRoute(route.build()),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
    })
}

/// Removes a route whatever its scope is (the Python agent's had 253 or 0), narrowed by what is known of it.
pub(super) fn remove_route(
    id: &RouteId,
    hop: Option<(u32, &[IpAddr])>,
    protocol: Option<u8>,
) -> Option<Request> {
    let mut route = route_builder(id)?
        .protocol(RouteProtocol::from(protocol.unwrap_or_default()))
        .scope(RouteScope::NoWhere);
    route = match hop {
        Some((index, [])) => route.output_interface(index),
        Some((index, [via])) => route.output_interface(index).gateway(*via).ok()?,
        // With one of several next hops named, IPv6 would remove that one only.
        Some(_) | None => route,
    };
    Some(Request {
        message: RouteNetlinkMessage::DelRoute(route.build()),
        flags: 0,
    })
}

fn route_builder(id: &RouteId) -> Option<RouteMessageBuilder<IpAddr>> {
    let route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(id.prefix.network(), id.prefix.prefix_len())
        .ok()?
        .table_id(id.table)
        .tos(id.tos)
        .kind(if id.unreachable {
            RouteType::Unreachable
        } else {
            RouteType::Unicast
        });
    Some(match id.metric {
        0 => route,
        metric => route.priority(metric),
    })
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

pub(super) fn family(address: &IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

pub(crate) fn short_table(table: TableId) -> u8 {
    u8::try_from(table).unwrap_or(RT_TABLE_COMPAT)
}
