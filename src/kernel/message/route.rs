//! Pure: what a message says of a route.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteType, RouteVia,
};

use crate::kernel::state::IPV6_METRIC;
use crate::reconcile::object::{Key, TableId, UNREACHABLE_METRIC};
use crate::reconcile::ownership::default_prefix;

/// Identity of a route in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::kernel) struct RouteId {
    pub(in crate::kernel) table: TableId,
    pub(in crate::kernel) prefix: IpNet,
    pub(in crate::kernel) metric: u32,
    pub(in crate::kernel) tos: u8,
    /// It leads nowhere: a [`Key::Unreachable`].
    pub(in crate::kernel) unreachable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kernel) struct RouteFacts {
    pub(in crate::kernel) protocol: u8,
    /// The interface of its first next hop.
    pub(in crate::kernel) index: u32,
    /// Its next hops, sorted.
    pub(in crate::kernel) via: Arc<[IpAddr]>,
    /// All next hops are on one interface and alike, and there is nothing that we would not set.
    pub(in crate::kernel) plain: bool,
}

impl RouteId {
    /// The route that we would make for this prefix.
    pub(in crate::kernel) fn plain(table: TableId, prefix: IpNet) -> Self {
        Self {
            table,
            prefix,
            metric: plain_metric(&prefix),
            tos: 0,
            unreachable: false,
        }
    }

    fn unreachable(table: TableId, prefix: IpNet) -> Self {
        Self {
            table,
            prefix,
            metric: UNREACHABLE_METRIC,
            tos: 0,
            unreachable: true,
        }
    }

    /// The identity that an object has in the kernel.
    pub(in crate::kernel) fn of(key: &Key) -> Option<Self> {
        match *key {
            Key::Route { table, prefix } => Some(Self::plain(table, prefix)),
            Key::Unreachable { table, prefix } => Some(Self::unreachable(table, prefix)),
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
                unreachable: false,
            }),
            _ => None,
        }
    }

    pub(in crate::kernel) fn key(&self) -> Key {
        let Self {
            table,
            prefix,
            metric,
            tos,
            unreachable,
        } = *self;
        if unreachable {
            return Key::Unreachable { table, prefix };
        }
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

/// `None` for what can be no object: local routes and their like, and routes to nowhere that are not as ours.
pub(in crate::kernel) fn route(message: &RouteMessage) -> Option<(RouteId, RouteFacts)> {
    let header = &message.header;
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let unreachable = match header.kind {
        RouteType::Unicast => false,
        RouteType::Unreachable => true,
        _ => return None,
    };
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
        unreachable,
    };
    let (mut index, mut gateway) = (0, None);
    let mut plain = header.source_prefix_length == 0;
    let mut hops: &[RouteNextHop] = &[];
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => id.table = *table,
            RouteAttribute::Priority(metric) => id.metric = *metric,
            RouteAttribute::Destination(to) => {
                id.prefix = IpNet::new(ip(to)?, header.destination_prefix_length).ok()?;
            }
            RouteAttribute::Oif(oif) => index = *oif,
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => {
                gateway = gateway_of(attribute);
                plain &= gateway.is_some();
            }
            RouteAttribute::MultiPath(several) => hops = several,
            RouteAttribute::Encap(_) | RouteAttribute::PrefSource(_) | RouteAttribute::NhId(_) => {
                plain = false
            }
            _ => {}
        }
    }
    if unreachable && id != RouteId::unreachable(id.table, id.prefix) {
        return None;
    }
    let via: Arc<[IpAddr]> = match hops.first() {
        None => gateway.into_iter().collect(),
        Some(first) => {
            index = first.interface_index;
            let several = next_hops(hops);
            plain &= several.is_some();
            several.unwrap_or_default().into()
        }
    };
    let facts = RouteFacts {
        protocol: header.protocol.into(),
        index,
        via,
        plain,
    };
    Some((id, facts))
}

/// Sorted, where they share the traffic equally, and all have a gateway on the same interface.
fn next_hops(hops: &[RouteNextHop]) -> Option<Vec<IpAddr>> {
    let index = hops.first()?.interface_index;
    let gateway = |hop: &RouteNextHop| {
        (hop.interface_index == index && hop.hops == 0).then_some(())?;
        match hop.attributes.as_slice() {
            [gateway] => gateway_of(gateway),
            _ => None,
        }
    };
    let mut via: Vec<IpAddr> = hops.iter().map(gateway).collect::<Option<_>>()?;
    via.sort_unstable();
    Some(via)
}

/// A next hop, of either family (RTA_VIA where it is not the route's).
pub(crate) fn gateway_of(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(gateway) => ip(gateway),
        RouteAttribute::Via(RouteVia::Inet(v4)) => Some(IpAddr::V4(*v4)),
        RouteAttribute::Via(RouteVia::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

pub(crate) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}
