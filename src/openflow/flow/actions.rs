//! What is done with them: the actions of our flows, in OpenFlow's form (§7.2.4, §7.2.5).

use std::net::Ipv6Addr;

use bytes::{Buf, BufMut};

use super::{oxm_header, take};
use crate::mac::MacAddr;
use crate::openflow::wire::PORT_NORMAL;
use crate::reconcile::object::FlowOutput;

const OXM_ETH_DST: u32 = oxm_header(3, 6);
const OXM_IPV6_DST: u32 = oxm_header(27, 16);
/// Open vSwitch's NXM_OF_VLAN_TCI (ovs-fields(7)): class 0, field 4, two octets.
const NXM_VLAN_TCI: u32 = 4 << 9 | 2;
/// §7.2.4.
const INSTRUCTION_APPLY_ACTIONS: u16 = 4;
/// §7.2.5.
const ACTION_OUTPUT: u16 = 0;
const ACTION_POP_VLAN: u16 = 18;
const ACTION_SET_FIELD: u16 = 25;
/// Open vSwitch shows the fields of moves as its own (ovs-fields(7)), OpenFlow's or not: NXM_OF_ETH_DST, NXM_NX_IPV6_DST,
/// NXM_NX_ND_TARGET.
const MOVED: [u32; 3] = [1 << 9 | 6, 1 << 16 | 20 << 9 | 16, 1 << 16 | 23 << 9 | 16];
/// `move:NXM_NX_ND_TARGET[0..23]->DESTINATION[0..23]` of ovs-actions(7), NXAST_REG_MOVE, up to the destination: vendor, subtype,
/// number of bits, first bit here and there, source.
const MOVE_GROUP: [u8; 20] = {
    let [_, _, target] = MOVED;
    let [a, b, c, d] = target.to_be_bytes();
    [
        0xff, 0xff, 0, 24, 0, 0, 0x23, 0x20, 0, 6, 0, 24, 0, 0, 0, 0, a, b, c, d,
    ]
};

/// What is done with the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Actions {
    pub(super) mac: MacAddr,
    /// `ipv6_dst`
    pub(super) to: Option<Ipv6Addr>,
    /// Both end in what `nd_target` ends in.
    pub(super) grouped: bool,
    pub(super) output: Option<FlowOutput>,
}

/// Apply: set eth_dst, then output. ovs-ofctl's `mod_dl_dst` reads the same. A tag is stripped by setting it to 0: POP_VLAN is
/// refused for packets that the match does not say are tagged (§7.2.5), and its match is that of the Python agent.
pub(super) fn put_instructions(actions: &Actions) -> Vec<u8> {
    let Actions {
        mac,
        to,
        grouped,
        output,
    } = *actions;
    let strips = output.is_some_and(|output| output.strip_vlan);
    let more = |octets: u16, there: bool| if there { octets } else { 0 };
    let mut out = Vec::with_capacity(120);
    out.put_u16(INSTRUCTION_APPLY_ACTIONS);
    out.put_u16(40 + more(24, to.is_some()) + more(48, grouped) + more(16, strips));
    out.put_bytes(0, 4);
    out.put_u16(ACTION_SET_FIELD);
    out.put_u16(16);
    out.put_u32(OXM_ETH_DST);
    out.put_slice(&mac.0);
    out.put_bytes(0, 2);
    if let Some(to) = to {
        out.put_u16(ACTION_SET_FIELD);
        out.put_u16(24);
        out.put_u32(OXM_IPV6_DST);
        out.put_slice(&to.octets());
    }
    if grouped {
        out.put_slice(&moves());
    }
    if strips {
        out.put_u16(ACTION_SET_FIELD);
        out.put_u16(16);
        out.put_u32(NXM_VLAN_TCI);
        out.put_bytes(0, 8);
    }
    out.put_u16(ACTION_OUTPUT);
    out.put_u16(16);
    out.put_u32(output.map_or(PORT_NORMAL, |output| output.port));
    out.put_u16(0);
    out.put_bytes(0, 6);
    out
}

/// The target's last bits become those of both groups.
fn moves() -> Vec<u8> {
    let [mac, address, _] = MOVED.map(u32::to_be_bytes);
    [&MOVE_GROUP[..], &address, &MOVE_GROUP, &mac].concat()
}

/// What instructions do that do what ours do. `max_len` of OUTPUT has a meaning for the controller port only.
pub(super) fn parse_instructions(mut bytes: &[u8]) -> Option<Actions> {
    let length = bytes.len();
    let mut number = || bytes.try_get_u16().ok();
    (number()? == INSTRUCTION_APPLY_ACTIONS && usize::from(number()?) == length).then_some(())?;
    bytes = bytes.get(4..)?;
    let (kind, length) = (bytes.try_get_u16().ok()?, bytes.try_get_u16().ok()?);
    let field = bytes.try_get_u32().ok()?;
    ((kind, length, field) == (ACTION_SET_FIELD, 16, OXM_ETH_DST)).then_some(())?;
    let mac = MacAddr(take(&mut bytes)?);
    bytes = bytes.get(2..)?;
    let readdressing = [ACTION_SET_FIELD.to_be_bytes(), 24u16.to_be_bytes()].concat();
    let readdressing = [readdressing, OXM_IPV6_DST.to_be_bytes().to_vec()].concat();
    let to = match bytes.strip_prefix(readdressing.as_slice()) {
        Some(rest) => {
            bytes = rest;
            Some(Ipv6Addr::from(take::<16>(&mut bytes)?))
        }
        None => None,
    };
    let moved = bytes.strip_prefix(moves().as_slice());
    let grouped = moved.is_some();
    bytes = moved.unwrap_or(bytes);
    let (mut kind, mut length) = (bytes.try_get_u16().ok()?, bytes.try_get_u16().ok()?);
    // As ovs-ofctl's `strip_vlan` reads, and as ours.
    let stripped = match (kind, length) {
        (ACTION_POP_VLAN, 8) => Some(bytes.get(4..)?),
        (ACTION_SET_FIELD, 16) => {
            let untagged = [NXM_VLAN_TCI.to_be_bytes(), [0; 4]].concat();
            bytes.strip_prefix(untagged.as_slice())?.get(4..)
        }
        _ => None,
    };
    let strip_vlan = stripped.is_some();
    if let Some(rest) = stripped {
        bytes = rest;
        (kind, length) = (bytes.try_get_u16().ok()?, bytes.try_get_u16().ok()?);
    }
    let port = bytes.try_get_u32().ok()?;
    ((kind, length) == (ACTION_OUTPUT, 16) && bytes.len() == 8).then_some(())?;
    let output = match port {
        PORT_NORMAL if strip_vlan => return None,
        PORT_NORMAL => None,
        port => Some(FlowOutput { port, strip_vlan }),
    };
    Some(Actions {
        mac,
        to,
        grouped,
        output,
    })
}
