//! Pure: the shapes of flow that we make, `in_port, eth_type[, eth_src, ip_src, arp_tpa or nd_target] → set eth_dst, [set
//! ipv6_dst,] [pop_vlan,] output`, and what it takes to tell them from others. Solicitations that no target is named of go to
//! the group of their target (RFC 4291 §2.7.1), whose last 24 bits are the target's: those are moved. Sections as in
//! [`super::wire`].

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::{Buf, BufMut};
use ipnet::IpNet;

use super::wire::{FlowCommand, FlowEntry, FlowMod, PORT_NORMAL};
use crate::mac::MacAddr;
use crate::reconcile::Found;
use crate::reconcile::object::{EtherType, Flow, FlowOutput, FlowSource, Key, Value};
use crate::reconcile::ownership::{FLOW_COOKIE, TENANT_FLOW_COOKIE};

/// The table of our flows.
const TABLE: u8 = 0;

/// What our two cookies have in common: they differ in the last bit.
pub(super) const OUR_COOKIES: CookieMask = CookieMask {
    cookie: FLOW_COOKIE & TENANT_FLOW_COOKIE,
    mask: !(FLOW_COOKIE ^ TENANT_FLOW_COOKIE),
};

/// §7.2.3.2: class OFPXMC_OPENFLOW_BASIC, field, mask or not, length: the headers of our fields.
const OXM_IN_PORT: u32 = oxm_header(0, 4);
const OXM_ETH_DST: u32 = oxm_header(3, 6);
const OXM_ETH_DST_MASKED: u32 = oxm_masked(3, 6);
const OXM_ETH_SRC: u32 = oxm_header(4, 6);
const OXM_ETH_TYPE: u32 = oxm_header(5, 2);
const OXM_IPV4_SRC: u32 = oxm_header(11, 4);
const OXM_IPV4_SRC_MASKED: u32 = oxm_masked(11, 4);
const OXM_ARP_TPA: u32 = oxm_header(23, 4);
const OXM_ARP_TPA_MASKED: u32 = oxm_masked(23, 4);
const OXM_IPV6_SRC: u32 = oxm_header(26, 16);
const OXM_IPV6_SRC_MASKED: u32 = oxm_masked(26, 16);
const OXM_IP_PROTO: u32 = oxm_header(10, 1);
const OXM_IPV6_DST: u32 = oxm_header(27, 16);
const OXM_ICMPV6_TYPE: u32 = oxm_header(29, 1);
const OXM_IPV6_ND_TARGET: u32 = oxm_header(31, 16);
/// Solicited-node groups, as IPv6 addresses (RFC 4291 §2.7.1) and as hardware addresses (RFC 2464 §7); the mask of the latter.
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0);
const GROUP_MAC: [u8; 6] = [0x33, 0x33, 0xff, 0, 0, 0];
const GROUP_MAC_MASK: [u8; 6] = [0xff, 0xff, 0xff, 0, 0, 0];
/// IANA's ICMPv6, and its neighbour solicitation (RFC 4861 §4.3).
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
/// They, as a match.
const SOLICITATIONS: [u8; 10] = {
    let ([a, b, c, d], [e, f, g, h]) = (OXM_IP_PROTO.to_be_bytes(), OXM_ICMPV6_TYPE.to_be_bytes());
    [a, b, c, d, ICMPV6, e, f, g, h, SOLICITATION]
};
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

const fn oxm_header(field: u32, length: u32) -> u32 {
    0x8000 << 16 | field << 9 | length
}

/// With a mask as long as the value.
const fn oxm_masked(field: u32, length: u32) -> u32 {
    oxm_header(field, 2 * length) | 1 << 8
}

/// Which cookies: those that have `cookie` in the bits of `mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieMask {
    pub cookie: u64,
    pub mask: u64,
}

/// What the key of a flow says of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    in_port: u32,
    ether_type: EtherType,
    source: Option<FlowSource>,
}

/// What is done with the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Actions {
    mac: MacAddr,
    /// `ipv6_dst`
    to: Option<Ipv6Addr>,
    /// Both end in what `nd_target` ends in.
    grouped: bool,
    output: Option<FlowOutput>,
}

/// A flow with a cookie of ours, as an object.
pub fn object(bridge: &Arc<str>, entry: &FlowEntry) -> (Key, Found) {
    let key = match parse_match(&entry.oxm) {
        Some(Match {
            in_port,
            ether_type,
            source,
        }) if entry.table == TABLE => Key::Flow {
            bridge: Arc::clone(bridge),
            priority: entry.priority,
            in_port,
            ether_type,
            source,
        },
        _ => Key::StrayFlow {
            bridge: Arc::clone(bridge),
            table: entry.table,
            priority: entry.priority,
            oxm: entry.oxm.as_slice().into(),
        },
    };
    let timeless = entry.idle_timeout == 0 && entry.hard_timeout == 0;
    let actions = parse_instructions(&entry.instructions).filter(|_| timeless);
    let value = match (&key, actions) {
        (Key::Flow { .. }, Some(actions))
            if (actions.to, actions.grouped) == (asked(&key), is_grouped(&key)) =>
        {
            Value::Flow(Flow {
                cookie: entry.cookie,
                set_eth_dst: actions.mac,
                output: actions.output,
            })
        }
        _ => Value::Stray { text: text(entry) },
    };
    (key, Found::owned(value))
}

/// The message that adds or overwrites a flow; `None` for what is not one.
pub fn add(key: &Key, value: &Value) -> Option<FlowMod> {
    let Value::Flow(flow) = value else {
        return None;
    };
    let (priority, matched) = parts(key)?;
    Some(FlowMod {
        command: FlowCommand::Add,
        table: TABLE,
        priority,
        cookie: flow.cookie,
        cookie_mask: 0,
        oxm: put_match(&matched)?,
        instructions: put_instructions(&Actions {
            mac: flow.set_eth_dst,
            to: asked(key),
            grouped: is_grouped(key),
            output: flow.output,
        }),
    })
}

/// The message that removes a flow with a cookie of ours; `None` for what is not one.
pub fn remove(key: &Key) -> Option<FlowMod> {
    let (table, priority, oxm) = match key {
        Key::StrayFlow {
            table,
            priority,
            oxm,
            ..
        } => (*table, *priority, oxm.to_vec()),
        key => {
            let (priority, matched) = parts(key)?;
            (TABLE, priority, put_match(&matched)?)
        }
    };
    Some(FlowMod {
        command: FlowCommand::DeleteStrict,
        table,
        priority,
        // The cookie must match: whatever else is there by now is not ours.
        cookie: OUR_COOKIES.cookie,
        cookie_mask: OUR_COOKIES.mask,
        oxm,
        instructions: Vec::new(),
    })
}

/// Whether a flow is of solicitations to groups, for any address.
fn is_grouped(key: &Key) -> bool {
    matches!(
        key,
        Key::Flow {
            ether_type: EtherType::Nd,
            source: None,
            ..
        }
    )
}

/// The one address that solicitations of a flow are for, or what all groups begin with.
fn asked(key: &Key) -> Option<Ipv6Addr> {
    match key {
        key if is_grouped(key) => Some(GROUP),
        Key::Flow {
            ether_type: EtherType::Nd,
            source: Some(source),
            ..
        } => match source.network.addr() {
            IpAddr::V6(target) => Some(target),
            IpAddr::V4(_) => None,
        },
        _ => None,
    }
}

fn parts(key: &Key) -> Option<(u16, Match)> {
    let Key::Flow {
        priority,
        in_port,
        ether_type,
        source,
        ..
    } = key
    else {
        return None;
    };
    let matched = Match {
        in_port: *in_port,
        ether_type: *ether_type,
        source: *source,
    };
    Some((*priority, matched))
}

/// `None` for a source network of the other family, which no packet has, and solicitations of more than one address.
fn put_match(matched: &Match) -> Option<Vec<u8>> {
    let mut oxm = Vec::with_capacity(60);
    oxm.put_u32(OXM_IN_PORT);
    oxm.put_u32(matched.in_port);
    if let Some(source) = &matched.source {
        oxm.put_u32(OXM_ETH_SRC);
        oxm.put_slice(&source.mac.0);
    }
    if (matched.ether_type, matched.source) == (EtherType::Nd, None) {
        oxm.put_u32(OXM_ETH_DST_MASKED);
        oxm.put_slice(&GROUP_MAC);
        oxm.put_slice(&GROUP_MAC_MASK);
    }
    oxm.put_u32(OXM_ETH_TYPE);
    oxm.put_u16(match matched.ether_type {
        EtherType::Ipv4 => 0x0800,
        EtherType::Ipv6 | EtherType::Nd => 0x86dd,
        EtherType::Arp => 0x0806,
    });
    match (
        matched.ether_type,
        matched.source.map(|s| s.network.trunc()),
    ) {
        (EtherType::Nd, None) => oxm.put_slice(&SOLICITATIONS),
        (EtherType::Nd, Some(IpNet::V6(net))) if net.prefix_len() == 128 => {
            oxm.put_slice(&SOLICITATIONS);
            oxm.put_u32(OXM_IPV6_ND_TARGET);
            oxm.put_slice(&net.addr().octets());
        }
        (EtherType::Nd, Some(_)) => return None,
        (_, None) => {}
        (EtherType::Ipv4, Some(IpNet::V4(net))) => put_masked(
            &mut oxm,
            (OXM_IPV4_SRC, OXM_IPV4_SRC_MASKED),
            &net.network().octets(),
            &net.netmask().octets(),
        ),
        (EtherType::Arp, Some(IpNet::V4(net))) => put_masked(
            &mut oxm,
            (OXM_ARP_TPA, OXM_ARP_TPA_MASKED),
            &net.network().octets(),
            &net.netmask().octets(),
        ),
        (EtherType::Ipv6, Some(IpNet::V6(net))) => put_masked(
            &mut oxm,
            (OXM_IPV6_SRC, OXM_IPV6_SRC_MASKED),
            &net.network().octets(),
            &net.netmask().octets(),
        ),
        _ => return None,
    }
    Some(oxm)
}

/// §7.2.3.5: a mask of all ones is none, and a field of which nothing counts is left out.
fn put_masked(oxm: &mut Vec<u8>, (exact, masked): (u32, u32), value: &[u8], mask: &[u8]) {
    if mask.iter().all(|byte| *byte == 0) {
        return;
    }
    let whole = mask.iter().all(|byte| *byte == 0xff);
    oxm.put_u32(if whole { exact } else { masked });
    oxm.put_slice(value);
    if !whole {
        oxm.put_slice(mask);
    }
}

/// Exactly our fields, in any order.
fn parse_match(mut oxm: &[u8]) -> Option<Match> {
    let (mut in_port, mut ether_type, mut mac, mut named) = (None, None, None, None);
    let (mut protocol, mut icmp, mut group) = (None, None, None);
    while !oxm.is_empty() {
        match oxm.try_get_u32().ok()? {
            OXM_IN_PORT if in_port.is_none() => in_port = Some(oxm.try_get_u32().ok()?),
            OXM_ETH_DST_MASKED if group.is_none() => {
                let group = group.insert((take(&mut oxm)?, take(&mut oxm)?));
                (*group == (GROUP_MAC, GROUP_MAC_MASK)).then_some(())?;
            }
            OXM_ETH_SRC if mac.is_none() => mac = Some(MacAddr(take(&mut oxm)?)),
            OXM_ETH_TYPE if ether_type.is_none() => {
                ether_type = Some(match oxm.try_get_u16().ok()? {
                    0x0800 => EtherType::Ipv4,
                    0x86dd => EtherType::Ipv6,
                    0x0806 => EtherType::Arp,
                    _ => return None,
                });
            }
            OXM_IP_PROTO if protocol.is_none() => protocol = Some(oxm.try_get_u8().ok()?),
            OXM_ICMPV6_TYPE if icmp.is_none() => icmp = Some(oxm.try_get_u8().ok()?),
            field if named.is_none() => named = Some(take_network(field, &mut oxm)?),
            _ => return None,
        }
    }
    let ether_type = match (ether_type?, protocol, icmp) {
        (EtherType::Ipv6, Some(ICMPV6), Some(SOLICITATION)) => EtherType::Nd,
        (ether_type, None, None) => ether_type,
        _ => return None,
    };
    let network = match (named, group) {
        (Some((of, network)), None) if of == ether_type => Some(network),
        (None, None) if ether_type != EtherType::Nd => None,
        (None, Some(_)) if ether_type == EtherType::Nd && mac.is_none() => None,
        _ => return None,
    };
    let everything = match ether_type {
        EtherType::Ipv4 | EtherType::Arp => IpNet::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        EtherType::Ipv6 | EtherType::Nd => IpNet::new(Ipv6Addr::UNSPECIFIED.into(), 0),
    };
    let source = match (mac, network) {
        (None, None) => None,
        (Some(mac), network) => Some(FlowSource {
            mac,
            network: network.map_or_else(|| everything.ok(), Some)?,
        }),
        (None, Some(_)) => return None,
    };
    Some(Match {
        in_port: in_port?,
        ether_type,
        source,
    })
}

/// `nw_src`, `ipv6_src`, `arp_tpa` or `nd_target`, and the packets that have it.
fn take_network(field: u32, oxm: &mut &[u8]) -> Option<(EtherType, IpNet)> {
    let of = match field {
        OXM_IPV4_SRC | OXM_IPV4_SRC_MASKED => EtherType::Ipv4,
        OXM_IPV6_SRC | OXM_IPV6_SRC_MASKED => EtherType::Ipv6,
        OXM_ARP_TPA | OXM_ARP_TPA_MASKED => EtherType::Arp,
        OXM_IPV6_ND_TARGET => EtherType::Nd,
        _ => return None,
    };
    let mut address = || -> Option<IpAddr> {
        Some(match of {
            EtherType::Ipv4 | EtherType::Arp => take::<4>(oxm)?.into(),
            EtherType::Ipv6 | EtherType::Nd => take::<16>(oxm)?.into(),
        })
    };
    let value = address()?;
    let network = match field {
        OXM_IPV4_SRC | OXM_IPV6_SRC | OXM_ARP_TPA | OXM_IPV6_ND_TARGET => IpNet::from(value),
        // A mask with holes is no network.
        _ => IpNet::with_netmask(value, address()?).ok()?,
    };
    Some((of, network))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (value, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*value)
}

/// Apply: set eth_dst, then output. ovs-ofctl's `mod_dl_dst` reads the same. A tag is stripped by setting it to 0: POP_VLAN is
/// refused for packets that the match does not say are tagged (§7.2.5), and its match is that of the Python agent.
fn put_instructions(actions: &Actions) -> Vec<u8> {
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
fn parse_instructions(mut bytes: &[u8]) -> Option<Actions> {
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

/// For people: what a flow is that is not like ours.
fn text(entry: &FlowEntry) -> Arc<str> {
    let mut text = format!(
        "cookie={:#x},table={},priority={},oxm=",
        entry.cookie, entry.table, entry.priority
    );
    for byte in &entry.oxm {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

#[cfg(test)]
mod tests;
