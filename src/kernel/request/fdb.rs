//! Pure: requests about forwarding tables. What is written is what FRR's zebra writes, so that each
//! takes over the other's entries as they are.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Request;
use crate::mac::MacAddr;

/// neighbour.h: `NUD_PERMANENT | NUD_NOARP`.
const PERMANENT: NeighbourState = NeighbourState::Other(0x80 | 0x40);

/// The address of what is flooded.
const ALL_ZEROS: MacAddr = MacAddr([0; 6]);

/// With a VTEP, in the table of the VXLAN device and in that of the bridge that it is a port of: RFC 8365 §5.
/// Without, in the bridge's.
pub(in crate::kernel) fn add_fdb(index: u32, mac: MacAddr, vtep: Option<IpAddr>) -> Request {
    let mut message = entry(index, mac, vtep);
    message.header.flags = match vtep {
        Some(_) => NeighbourFlags::Own | NeighbourFlags::Controller | NeighbourFlags::ExtLearned,
        None => NeighbourFlags::Controller,
    };
    // A VXLAN device takes no NOARP; what is EXT_LEARNED does not age.
    message.header.state = match vtep {
        Some(_) => NeighbourState::Reachable,
        None => NeighbourState::Noarp,
    };
    add(message, NLM_F_REPLACE)
}

/// From the bridge's table.
pub(in crate::kernel) fn remove_from_bridge(index: u32, mac: MacAddr) -> Request {
    remove(entry(index, mac, None), NeighbourFlags::Controller)
}

/// From the VXLAN device's own table, whatever its VTEPs.
pub(in crate::kernel) fn remove_from_vxlan(index: u32, mac: MacAddr) -> Request {
    remove(entry(index, mac, None), NeighbourFlags::Own)
}

pub(in crate::kernel) fn add_flood(index: u32, vtep: IpAddr) -> Request {
    let mut message = entry(index, ALL_ZEROS, Some(vtep));
    message.header.flags = NeighbourFlags::Own;
    message.header.state = PERMANENT;
    add(message, NLM_F_APPEND)
}

pub(in crate::kernel) fn remove_flood(index: u32, vtep: IpAddr) -> Request {
    remove(entry(index, ALL_ZEROS, Some(vtep)), NeighbourFlags::Own)
}

fn entry(index: u32, mac: MacAddr, vtep: Option<IpAddr>) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = index;
    let lladdr = NeighbourAttribute::LinkLayerAddress(mac.0.to_vec());
    let vtep = vtep.map(|vtep| NeighbourAttribute::Destination(vtep.into()));
    message.attributes = [Some(lladdr), vtep].into_iter().flatten().collect();
    message
}

fn add(message: NeighbourMessage, flag: u16) -> Request {
    Request {
        message: RouteNetlinkMessage::NewNeighbour(message),
        flags: NLM_F_CREATE | flag,
    }
}

fn remove(mut message: NeighbourMessage, flags: NeighbourFlags) -> Request {
    message.header.flags = flags;
    Request {
        message: RouteNetlinkMessage::DelNeighbour(message),
        flags: 0,
    }
}
