//! Router Solicitations and Advertisements (RFC 4861 §4.1, §4.2) and the checks on receipt (§6.1).

use std::net::Ipv6Addr;

use bytes::{BufMut, Bytes, BytesMut};
use nom::IResult;
use nom::number::complete::{be_u8, be_u16, be_u32};

mod options;

use options::Options;
pub use options::{PrefixInformation, RecursiveServers};

const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;

/// Routers do not forward what has this hop limit, so who sent it is on the link (RFC 4861 §3.1).
const ON_LINK_HOP_LIMIT: u8 = 255;

/// An ICMPv6 message as the link delivered it. The kernel has verified its checksum (RFC 3542 §3.1).
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Source address.
    pub source: Ipv6Addr,
    /// Hop limit of the IPv6 header.
    pub hop_limit: u8,
    /// The message, from its type on.
    pub octets: &'a [u8],
}

/// A message that discovery takes part in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// "Which routers are there?" (RFC 4861 §4.1).
    Solicitation(RouterSolicitation),
    /// "I am one." (RFC 4861 §4.2).
    Advertisement(RouterAdvertisement),
}

/// RFC 4861 §4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterSolicitation {
    /// Source link-layer address option.
    pub link_address: Option<[u8; 6]>,
}

/// RFC 4861 §4.2, with the options that a router sends about itself and about the link. Others are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// Cur Hop Limit for hosts; zero: unspecified.
    pub hop_limit: u8,
    /// The flags octet: M, O, preference (RFC 4191), and what came later.
    pub flags: u8,
    /// Seconds that hosts may use the sender as default router; zero: they may not.
    pub router_lifetime: u16,
    /// Reachable Time in milliseconds; zero: unspecified.
    pub reachable_time: u32,
    /// Retrans Timer in milliseconds; zero: unspecified.
    pub retransmit_time: u32,
    /// Source link-layer address option.
    pub link_address: Option<[u8; 6]>,
    /// MTU option.
    pub mtu: Option<u32>,
    /// Prefix information options.
    pub prefixes: Vec<PrefixInformation>,
    /// Recursive DNS server options (RFC 8106 §5.1).
    pub dns: Vec<RecursiveServers>,
}

impl RouterAdvertisement {
    /// In `flags`: addresses are to be had by DHCPv6.
    pub const MANAGED: u8 = 0x80;
    /// In `flags`: all else is to be had by DHCPv6.
    pub const OTHER: u8 = 0x40;
}

/// Why a message has to be dropped silently (RFC 4861 §6.1.1, §6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It came from beyond the link.
    #[error("its hop limit is {0}, not 255: it was sent from beyond the link")]
    HopLimit(u8),
    /// An advertisement of somebody who does not say which interface of the link is meant.
    #[error("its source {0} is not link-local")]
    Source(Ipv6Addr),
    /// It is not of the two types.
    #[error("its ICMPv6 type is {0}, not 133 or 134")]
    Type(u8),
    /// The code must be zero.
    #[error("its ICMPv6 code is {0}, not 0")]
    Code(u8),
    /// It ends within its fixed part or within an option.
    #[error("it ends too early")]
    Short,
    /// Following options could not be found.
    #[error("it has an option of length 0")]
    EmptyOption,
    /// A solicitation without source address cannot say where an answer would go.
    #[error("it has a link-layer address but no source address")]
    LinkAddressOfNobody,
}

impl Packet {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// The message must be dropped, and why.
    pub fn decode(arrival: &Arrival<'_>) -> Result<Self, Invalid> {
        if arrival.hop_limit != ON_LINK_HOP_LIMIT {
            return Err(Invalid::HopLimit(arrival.hop_limit));
        }
        let (body, (kind, code)) = header(arrival.octets).map_err(|_| Invalid::Short)?;
        if kind != SOLICITATION && kind != ADVERTISEMENT {
            return Err(Invalid::Type(kind));
        }
        if code != 0 {
            return Err(Invalid::Code(code));
        }
        if kind == ADVERTISEMENT {
            advertisement(arrival.source, body).map(Self::Advertisement)
        } else {
            solicitation(arrival.source, body).map(Self::Solicitation)
        }
    }

    /// The message with its checksum left zero: the kernel computes it (RFC 3542 §3.1).
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(32);
        match self {
            Self::Solicitation(solicitation) => {
                out.put_slice(&[SOLICITATION, 0, 0, 0]);
                out.put_u32(0);
                options::encode_link_address(&mut out, solicitation.link_address);
            }
            Self::Advertisement(advert) => {
                out.put_slice(&[ADVERTISEMENT, 0, 0, 0, advert.hop_limit, advert.flags]);
                out.put_u16(advert.router_lifetime);
                out.put_u32(advert.reachable_time);
                out.put_u32(advert.retransmit_time);
                options::encode(&mut out, advert);
            }
        }
        out.freeze()
    }
}

fn header(input: &[u8]) -> IResult<&[u8], (u8, u8)> {
    let (input, kind) = be_u8(input)?;
    let (input, code) = be_u8(input)?;
    let (input, _checksum) = be_u16(input)?;
    Ok((input, (kind, code)))
}

fn advertisement(source: Ipv6Addr, body: &[u8]) -> Result<RouterAdvertisement, Invalid> {
    if !source.is_unicast_link_local() {
        return Err(Invalid::Source(source));
    }
    let (rest, fixed) = fixed_part(body).map_err(|_| Invalid::Short)?;
    let options = Options::decode(rest)?;
    Ok(RouterAdvertisement {
        link_address: options.link_address,
        mtu: options.mtu,
        prefixes: options.prefixes,
        dns: options.dns,
        ..fixed
    })
}

fn solicitation(source: Ipv6Addr, body: &[u8]) -> Result<RouterSolicitation, Invalid> {
    let (rest, _reserved) = reserved(body).map_err(|_| Invalid::Short)?;
    let options = Options::decode(rest)?;
    if source.is_unspecified() && options.has_link_address {
        return Err(Invalid::LinkAddressOfNobody);
    }
    Ok(RouterSolicitation {
        link_address: options.link_address,
    })
}

fn fixed_part(input: &[u8]) -> IResult<&[u8], RouterAdvertisement> {
    let (input, hop_limit) = be_u8(input)?;
    let (input, flags) = be_u8(input)?;
    let (input, router_lifetime) = be_u16(input)?;
    let (input, reachable_time) = be_u32(input)?;
    let (input, retransmit_time) = be_u32(input)?;
    let advertisement = RouterAdvertisement {
        hop_limit,
        flags,
        router_lifetime,
        reachable_time,
        retransmit_time,
        ..RouterAdvertisement::default()
    };
    Ok((input, advertisement))
}

fn reserved(input: &[u8]) -> IResult<&[u8], u32> {
    be_u32(input)
}

#[cfg(test)]
#[path = "packet/tests.rs"]
mod tests;
