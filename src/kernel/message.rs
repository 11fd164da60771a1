//! Pure: netlink messages to facts and back. What a message does not have to say is `None`.

mod fdb;
mod link;
mod route;

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};

pub(super) use self::fdb::{BridgeEntry, FdbEntry, FdbFacts, Stays, VxlanEntry, fdb};
pub(super) use self::link::bridge_port;
pub(crate) use self::link::link;
pub use self::link::{Device, LinkFacts, PortFacts, VxlanFacts};
pub(super) use self::route::{RouteFacts, RouteId, route};
pub(crate) use self::route::{gateway_of, ip};
use crate::mac::MacAddr;
use crate::reconcile::object::TableId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressFacts {
    pub(super) index: u32,
    pub(super) address: IpNet,
    /// `IFA_PROTO`, 0 for none.
    pub(super) protocol: u8,
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
