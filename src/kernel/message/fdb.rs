//! Pure: what a message says of an entry of a forwarding table: a bridge's, or a VXLAN device's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::AddressFamily;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourHeader, NeighbourMessage,
    NeighbourState,
};

use super::mac;
use crate::mac::MacAddr;

/// neighbour.h: `NDA_NH_ID`.
const NEXT_HOP_OBJECT: u16 = 13;

/// An entry of a forwarding table, on the device with this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernel) struct FdbFacts {
    pub(in crate::kernel) index: u32,
    pub(in crate::kernel) mac: MacAddr,
    pub(in crate::kernel) entry: FdbEntry,
}

/// In which table, and what it says there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernel) enum FdbEntry {
    /// In the table of the bridge that the device is a port of.
    Bridge(BridgeEntry),
    /// In a VXLAN device's own.
    Vxlan(VxlanEntry),
}

/// What an entry of a bridge's table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernel) enum BridgeEntry {
    /// Of somebody who speaks EVPN (`extern_learn`).
    Taught,
    /// Made by hand (`static`).
    Static,
    /// Of the bridge itself (`permanent`), which takes the frames; as a rule the port's own address.
    Local { taught: bool },
    /// Learned from frames: it ages.
    Learned,
}

/// An entry of a VXLAN device's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernel) struct VxlanEntry {
    /// `None` is no single VTEP with the device's own port and VNI.
    pub(in crate::kernel) vtep: Option<IpAddr>,
    pub(in crate::kernel) stays: Stays,
}

/// How long an entry of a VXLAN device stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernel) enum Stays {
    /// As long as the device is up: of who speaks EVPN. Zebra's of addresses that do not move are not `extern_learn`,
    /// and do not age for being `static`.
    Taught,
    /// Also when the device goes down (`permanent`).
    Always,
    /// Until it has not been used for a while.
    Ageing,
}

/// `None` for what is not one, or has no place in ours: of one VLAN, the VXLAN device's own address.
pub(in crate::kernel) fn fdb(message: &NeighbourMessage) -> Option<FdbFacts> {
    let header = &message.header;
    if header.family != AddressFamily::Bridge {
        return None;
    }
    let (mut lladdr, mut vtep, mut of_bridge, mut plain) = (None, None, false, true);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => lladdr = mac(bytes),
            NeighbourAttribute::Destination(to) => vtep = address(to),
            NeighbourAttribute::Controller(_) => of_bridge = true,
            // A bridge that knows VLANs has one more entry for each.
            NeighbourAttribute::Vlan(_) => return None,
            NeighbourAttribute::Port(_)
            | NeighbourAttribute::Vni(_)
            | NeighbourAttribute::IfIndex(_) => plain = false,
            NeighbourAttribute::Other(nla)
                if netlink_packet_core::Nla::kind(nla) == NEXT_HOP_OBJECT =>
            {
                plain = false;
            }
            _ => {}
        }
    }
    let entry = if of_bridge {
        FdbEntry::Bridge(bridge_entry(header))
    } else if header.flags.contains(NeighbourFlags::Own) && (vtep.is_some() || !plain) {
        FdbEntry::Vxlan(VxlanEntry {
            vtep: vtep.filter(|_| plain),
            stays: stays(header),
        })
    } else {
        return None;
    };
    Some(FdbFacts {
        index: header.ifindex,
        mac: lladdr?,
        entry,
    })
}

/// The kernel tells one of these states of an entry of a bridge.
fn bridge_entry(header: &NeighbourHeader) -> BridgeEntry {
    let taught = header.flags.contains(NeighbourFlags::ExtLearned);
    match header.state {
        NeighbourState::Permanent => BridgeEntry::Local { taught },
        _ if taught => BridgeEntry::Taught,
        NeighbourState::Noarp => BridgeEntry::Static,
        _ => BridgeEntry::Learned,
    }
}

/// Of an entry of a VXLAN device the kernel tells the states that it was made with.
fn stays(header: &NeighbourHeader) -> Stays {
    let state = u16::from(header.state);
    let is = |one: NeighbourState| state & u16::from(one) != 0;
    let taught = header.flags.contains(NeighbourFlags::ExtLearned);
    if is(NeighbourState::Permanent) {
        Stays::Always
    } else if taught || is(NeighbourState::Noarp) {
        Stays::Taught
    } else {
        Stays::Ageing
    }
}

/// The family of the message says nothing of that of the VTEP; the length does.
fn address(to: &NeighbourAddress) -> Option<IpAddr> {
    match to {
        NeighbourAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        NeighbourAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        NeighbourAddress::Other(bytes) => match bytes.len() {
            4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.as_slice()).ok()?).into()),
            16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?).into()),
            _ => None,
        },
        _ => None,
    }
}
