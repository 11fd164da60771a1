//! Which packets: the match of our flows, in OpenFlow's form (§7.2.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Buf, BufMut};
use ipnet::IpNet;

use super::{oxm_header, oxm_masked, take};
use crate::mac::MacAddr;
use crate::reconcile::object::{EtherType, FlowSource};

const OXM_IN_PORT: u32 = oxm_header(0, 4);
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
const OXM_ICMPV6_TYPE: u32 = oxm_header(29, 1);
const OXM_IPV6_ND_TARGET: u32 = oxm_header(31, 16);
/// The hardware addresses of solicited-node groups (RFC 2464 §7), and their mask.
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

/// What the key of a flow says of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) in_port: u32,
    pub(super) ether_type: EtherType,
    pub(super) source: Option<FlowSource>,
}

/// `None` for a source network of the other family, which no packet has, and solicitations of more than one address.
pub(super) fn put_match(matched: &Match) -> Option<Vec<u8>> {
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
pub(super) fn parse_match(mut oxm: &[u8]) -> Option<Match> {
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
