//! Pure: requests about interfaces.

use std::net::IpAddr;

use bgp::evpn::Vni;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridgePort, InfoPortData, InfoPortKind, LinkAttribute, LinkMessage,
};
use rtnetlink::{
    LinkBridge, LinkDummy, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVlan, LinkVrf, LinkVxlan,
};

use super::Request;
use crate::mac::MacAddr;
use crate::reconcile::object::TableId;
use crate::reconcile::ownership::LINK_ALIAS;

/// An 802.1Q device, down, as all that are made here; [`mark`] and [`set_up_by_name`] follow.
pub(in crate::kernel) fn vlan(name: &str, parent: u32, id: u16) -> LinkMessage {
    LinkVlan::new(name, parent, id).build()
}

pub(in crate::kernel) fn vrf(name: &str, table: TableId) -> LinkMessage {
    LinkVrf::new(name, table).build()
}

pub(in crate::kernel) fn dummy(name: &str) -> LinkMessage {
    LinkDummy::new(name).build()
}

/// Without spanning tree and without VLANs, as the kernel makes them.
pub(in crate::kernel) fn bridge(name: &str) -> LinkMessage {
    LinkBridge::new(name).build()
}

/// A VXLAN device that learns nothing from frames: its table says where what is.
pub(in crate::kernel) fn vxlan(name: &str, vni: Vni, port: u16, local: IpAddr) -> LinkMessage {
    with_local(LinkVxlan::new(name, vni).port(port), local).build()
}

/// What of an existing VXLAN device can be changed of what we set.
pub(in crate::kernel) fn change_vxlan(index: u32, vni: Vni, local: IpAddr) -> Request {
    let device = LinkMessageBuilder::<LinkVxlan>::new_with_info_kind(
        netlink_packet_route::link::InfoKind::Vxlan,
    );
    let device = with_local(device.index(index).id(vni), local);
    Request {
        message: RouteNetlinkMessage::NewLink(device.build()),
        flags: 0,
    }
}

fn with_local(
    device: LinkMessageBuilder<LinkVxlan>,
    local: IpAddr,
) -> LinkMessageBuilder<LinkVxlan> {
    let device = device.learning(false);
    match local {
        IpAddr::V4(v4) => device.local(v4),
        IpAddr::V6(v6) => device.local6(v6),
    }
}

pub(in crate::kernel) fn veth(name: &str, peer: &str) -> LinkMessage {
    LinkVeth::new(name, peer).build()
}

/// Refused when there is one of that name.
pub(in crate::kernel) fn add_link(mut device: LinkMessage, mac: Option<MacAddr>) -> Request {
    let address = mac.map(|mac| LinkAttribute::Address(mac.0.to_vec()));
    device.attributes.extend(address);
    Request {
        message: RouteNetlinkMessage::NewLink(device),
        flags: NLM_F_CREATE | NLM_F_EXCL,
    }
}

pub(in crate::kernel) fn remove_link(index: u32) -> Request {
    remove(LinkUnspec::new_with_index(index))
}

pub(in crate::kernel) fn remove_link_by_name(name: &str) -> Request {
    remove(LinkUnspec::new_with_name(name))
}

fn remove(link: LinkMessageBuilder<LinkUnspec>) -> Request {
    Request {
        message: RouteNetlinkMessage::DelLink(link.build()),
        flags: 0,
    }
}

/// Our alias on a new device. The kernel takes no alias while it makes a device (rtnetlink.c, `rtnl_create_link`, ignores
/// `IFLA_IFALIAS`).
pub(in crate::kernel) fn mark(name: &str) -> Request {
    set(LinkUnspec::new_with_name(name).alias(LINK_ALIAS))
}

pub(in crate::kernel) fn set_up(index: u32) -> Request {
    set(LinkUnspec::new_with_index(index).up())
}

pub(in crate::kernel) fn set_up_by_name(name: &str) -> Request {
    set(LinkUnspec::new_with_name(name).up())
}

pub(in crate::kernel) fn set_mac(index: u32, mac: MacAddr) -> Request {
    set(LinkUnspec::new_with_index(index).address(mac.0.to_vec()))
}

/// Of a bridge, this also ends that it follows the smallest of its ports (net/bridge/br_device.c, `br_change_mtu`), which
/// an MTU given while it is made does not.
pub(in crate::kernel) fn set_mtu(index: u32, mtu: u32) -> Request {
    set(LinkUnspec::new_with_index(index).mtu(mtu))
}

pub(in crate::kernel) fn set_mtu_by_name(name: &str, mtu: u32) -> Request {
    set(LinkUnspec::new_with_name(name).mtu(mtu))
}

/// Enslaves a device; to nothing when `master` is `None`.
pub(in crate::kernel) fn set_master(index: u32, master: Option<u32>) -> Request {
    let link = LinkUnspec::new_with_index(index);
    set(match master {
        Some(master) => link.controller(master),
        None => link.nocontroller(),
    })
}

/// How the bridge that a device is a port of treats it. A port learns from the moment that it joins its bridge: what it
/// has learned until it was told otherwise is forgotten in the same request (the kernel applies the flags first).
pub(in crate::kernel) fn set_port(index: u32, learning: bool, neigh_suppress: bool) -> Request {
    let mut flags = vec![
        InfoBridgePort::Learning(learning),
        InfoBridgePort::NeighSupress(neigh_suppress),
    ];
    if !learning {
        flags.push(InfoBridgePort::Flush);
    }
    let port = LinkUnspec::new_with_index(index)
        .set_port_kind(InfoPortKind::Bridge)
        .set_port_data(InfoPortData::BridgePort(flags));
    Request {
        message: RouteNetlinkMessage::NewLink(port.build()),
        flags: 0,
    }
}

fn set(link: LinkMessageBuilder<LinkUnspec>) -> Request {
    Request {
        message: RouteNetlinkMessage::SetLink(link.build()),
        flags: 0,
    }
}
