//! Pure: netlink messages to routes and addresses, and routes to netlink messages.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
    RouteNextHopFlags, RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::node::Address;
use super::route::{Hop, KernelRoute, PROTOCOL, Place, Seen};
use crate::kernel::connection::Request;
use crate::kernel::message::{gateway_of, ip};
use crate::kernel::request::short_table;
use crate::reconcile::ownership::default_prefix;

/// Temporary address of an IPv6 interface (if_addr.h); the same bit says "secondary" of an IPv4 one.
const IFA_F_TEMPORARY: AddressFlags = AddressFlags::Secondary;

/// How a route is put into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// Refused when any route is in its place: one of somebody else's may have come there meanwhile.
    New,
    /// In one step in place of the one that is there, of which we know that it is ours.
    Over,
}

pub(super) fn put(prefix: &IpNet, place: Place, route: &KernelRoute, put: Put) -> Request {
    let mut message = route_message(prefix, place);
    message.header.scope = RouteScope::Universe;
    if let Some(source) = route.source {
        let source = RouteAttribute::PrefSource(address(source));
        message.attributes.push(source);
    }
    match route.hops.as_slice() {
        [hop] => {
            message.attributes.push(RouteAttribute::Oif(hop.link));
            message.attributes.extend(gateway(prefix, hop));
            if hop.onlink {
                message.header.flags = RouteFlags::Onlink;
            }
        }
        hops => {
            let hops = hops.iter().map(|hop| next_hop(prefix, hop)).collect();
            message.attributes.push(RouteAttribute::MultiPath(hops));
        }
    }
    let flags = match put {
        Put::New => NLM_F_CREATE | NLM_F_EXCL,
        Put::Over => NLM_F_CREATE | NLM_F_REPLACE,
    };
    Request {
        message: RouteNetlinkMessage::NewRoute(message),
        flags,
    }
}

/// Only of our protocol, whatever its next hops are.
pub(super) fn remove(prefix: &IpNet, place: Place) -> Request {
    let mut message = route_message(prefix, place);
    message.header.scope = RouteScope::NoWhere;
    Request {
        message: RouteNetlinkMessage::DelRoute(message),
        flags: 0,
    }
}

fn route_message(prefix: &IpNet, place: Place) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: match prefix {
            IpNet::V4(_) => AddressFamily::Inet,
            IpNet::V6(_) => AddressFamily::Inet6,
        },
        destination_prefix_length: prefix.prefix_len(),
        table: short_table(place.table),
        protocol: RouteProtocol::from(PROTOCOL),
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    message.attributes = vec![RouteAttribute::Table(place.table)];
    if prefix.prefix_len() > 0 {
        let to = RouteAttribute::Destination(address(prefix.network()));
        message.attributes.push(to);
    }
    if place.metric > 0 {
        let metric = RouteAttribute::Priority(place.metric);
        message.attributes.push(metric);
    }
    message
}

fn next_hop(prefix: &IpNet, hop: &Hop) -> RouteNextHop {
    let mut next = RouteNextHop::default();
    next.interface_index = hop.link;
    next.attributes = gateway(prefix, hop).into_iter().collect();
    if hop.onlink {
        next.flags = RouteNextHopFlags::Onlink;
    }
    next
}

/// RTA_VIA where the router is of another family than the route (RFC 8950).
fn gateway(prefix: &IpNet, hop: &Hop) -> Option<RouteAttribute> {
    let via = hop.via?;
    Some(if via.is_ipv4() == prefix.addr().is_ipv4() {
        RouteAttribute::Gateway(address(via))
    } else {
        RouteAttribute::Via(RouteVia::from(via))
    })
}

fn address(ip: IpAddr) -> RouteAddress {
    match ip {
        IpAddr::V4(v4) => RouteAddress::Inet(v4),
        IpAddr::V6(v6) => RouteAddress::Inet6(v6),
    }
}

/// A route that carries or refuses traffic; `None` for the kernel's own bookkeeping (local, broadcast,
/// multicast, cached).
pub(super) fn route(message: &RouteMessage) -> Option<Seen> {
    let header = &message.header;
    let refuses = match header.kind {
        RouteType::Unicast => false,
        RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => true,
        _ => return None,
    };
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let v6 = match header.address_family {
        AddressFamily::Inet => false,
        AddressFamily::Inet6 => true,
        _ => return None,
    };
    let mut seen = Seen {
        table: header.table.into(),
        prefix: default_prefix(v6),
        metric: 0,
        tos: header.tos,
        protocol: header.protocol.into(),
        route: KernelRoute::new(Vec::new(), None),
        plain: header.source_prefix_length == 0 && !refuses,
        by_object: false,
    };
    let mut single = Hop {
        via: None,
        link: 0,
        onlink: header.flags.contains(RouteFlags::Onlink),
    };
    let mut hops = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => seen.table = *table,
            RouteAttribute::Priority(metric) => seen.metric = *metric,
            RouteAttribute::Destination(to) => {
                seen.prefix = IpNet::new(ip(to)?, header.destination_prefix_length).ok()?;
            }
            RouteAttribute::Oif(index) => single.link = *index,
            RouteAttribute::PrefSource(source) => seen.route.source = ip(source),
            RouteAttribute::MultiPath(next_hops) => hops.extend(next_hops.iter().map(seen_hop)),
            RouteAttribute::NhId(_) => seen.by_object = true,
            RouteAttribute::Encap(_) | RouteAttribute::Metrics(_) => seen.plain = false,
            other => single.via = gateway_of(other).or(single.via),
        }
    }
    if hops.is_empty() && single.link != 0 {
        hops.push(single);
    }
    if refuses {
        hops.clear();
    }
    seen.plain &= !seen.by_object;
    seen.route = KernelRoute::new(hops, seen.route.source);
    Some(seen)
}

fn seen_hop(next: &RouteNextHop) -> Hop {
    Hop {
        via: next.attributes.iter().find_map(gateway_of),
        link: next.interface_index,
        onlink: next.flags.contains(RouteNextHopFlags::Onlink),
    }
}

pub(super) fn address_of(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut peer) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => peer = Some(*ip),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    // IPv6 has only IFA_ADDRESS where there is no peer.
    let own = local.or(peer)?;
    let unconfirmed = AddressFlags::Tentative | AddressFlags::Dadfailed;
    // Optimistic addresses are tentative and may be used (RFC 4429).
    let usable = !flags.intersects(unconfirmed) || flags.contains(AddressFlags::Optimistic);
    Some(Address {
        index: message.header.index,
        net: IpNet::new(own, message.header.prefix_len).ok()?,
        usable,
        temporary: own.is_ipv6() && flags.contains(IFA_F_TEMPORARY),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place {
        table: 254,
        metric: 20,
    };

    fn hops() -> impl Strategy<Value = Vec<Hop>> {
        let via = prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        ];
        let hop = (via, 1..9u32, any::<bool>()).prop_map(|(via, link, onlink)| Hop {
            via: Some(via),
            link,
            onlink,
        });
        proptest::collection::vec(hop, 1..5)
    }

    fn seen(request: &Request) -> Seen {
        let RouteNetlinkMessage::NewRoute(message) = &request.message else {
            panic!("{:?}", request.message);
        };
        route(message).unwrap()
    }

    proptest! {
        #[test]
        fn a_route_is_read_as_it_is_written(
            hops in hops(),
            source in proptest::option::of(any::<u32>()),
            bits in any::<u32>(),
            length in 0..=32u8,
            table in prop_oneof![Just(254), 1..70_000u32],
        ) {
            let prefix = IpNet::new(IpAddr::V4(bits.into()), length).unwrap().trunc();
            let wanted = KernelRoute::new(hops, source.map(|bits| IpAddr::V4(bits.into())));
            let place = Place { table, ..PLACE };
            let seen = seen(&put(&prefix, place, &wanted, Put::New));
            prop_assert!(place.is_taken_by(&seen) && seen.plain && !seen.by_object);
            prop_assert_eq!((seen.prefix, seen.protocol, seen.route), (prefix, PROTOCOL, wanted));
        }
    }

    #[test]
    fn what_refuses_traffic_has_no_next_hop_and_local_routes_are_none() {
        let prefix = "::/0".parse().unwrap();
        let mut message = route_message(&prefix, PLACE);
        message.header.kind = RouteType::Unreachable;
        message.attributes.push(RouteAttribute::Oif(1));
        let seen = route(&message).unwrap();
        assert!(seen.route.hops.is_empty() && !seen.plain);
        message.header.kind = RouteType::Local;
        assert_eq!(route(&message), None);
    }

    #[test]
    fn a_zebra_route_is_told_by_its_nexthop_object() {
        let mut message = route_message(&"0.0.0.0/0".parse().unwrap(), PLACE);
        message.attributes.push(RouteAttribute::NhId(17));
        let seen = route(&message).unwrap();
        assert!(seen.by_object && !seen.plain && seen.protocol == PROTOCOL);
    }
}
