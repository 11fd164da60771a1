//! Options of neighbour discovery messages (RFC 4861 §4.6, RFC 8106 §5.1).

use std::net::Ipv6Addr;

use bytes::{BufMut, BytesMut};
use ipnet::Ipv6Net;
use nom::IResult;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u128};

use super::{Invalid, RouterAdvertisement};

const SOURCE_LINK_ADDRESS: u8 = 1;
const PREFIX_INFORMATION: u8 = 3;
const MTU: u8 = 5;
const RECURSIVE_SERVERS: u8 = 25;

/// In a prefix information option: to be taken for on-link.
const ON_LINK: u8 = 0x80;
/// In a prefix information option: hosts may make addresses of it (RFC 4862 §5.5.3).
const AUTONOMOUS: u8 = 0x40;

/// Addresses that one RDNSS option has room for: its length octet counts units of eight, and one is its head.
const SERVERS_PER_OPTION: usize = 127;

/// A prefix of the link (RFC 4861 §4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInformation {
    /// Without host bits.
    pub prefix: Ipv6Net,
    /// Its addresses are reached without a router.
    pub on_link: bool,
    /// Hosts may make addresses of it (RFC 4862).
    pub autonomous: bool,
    /// Seconds that the above holds; all ones: for ever.
    pub valid_lifetime: u32,
    /// Seconds that addresses made of it are preferred; all ones: for ever.
    pub preferred_lifetime: u32,
}

/// Recursive DNS servers (RFC 8106 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecursiveServers {
    /// Seconds that hosts may use them; zero: no longer; all ones: for ever.
    pub lifetime: u32,
    /// At least one, the best first.
    pub addresses: Vec<Ipv6Addr>,
}

/// Puts the options of an advertisement after its fixed part.
pub(super) fn encode(out: &mut BytesMut, advert: &RouterAdvertisement) {
    encode_link_address(out, advert.link_address);
    if let Some(mtu) = advert.mtu {
        out.put_slice(&[MTU, 1, 0, 0]);
        out.put_u32(mtu);
    }
    advert.prefixes.iter().for_each(|prefix| prefix.encode(out));
    advert.dns.iter().for_each(|servers| servers.encode(out));
}

pub(super) fn encode_link_address(out: &mut BytesMut, address: Option<[u8; 6]>) {
    if let Some(address) = address {
        out.put_slice(&[SOURCE_LINK_ADDRESS, 1]);
        out.put_slice(&address);
    }
}

impl PrefixInformation {
    fn encode(&self, out: &mut BytesMut) {
        let flags = (u8::from(self.on_link) * ON_LINK) | (u8::from(self.autonomous) * AUTONOMOUS);
        out.put_slice(&[PREFIX_INFORMATION, 4, self.prefix.prefix_len(), flags]);
        out.put_u32(self.valid_lifetime);
        out.put_u32(self.preferred_lifetime);
        out.put_u32(0);
        out.put_slice(&self.prefix.network().octets());
    }

    /// `None` for a length that no prefix has, and for an option that is too short or too long.
    fn decode(value: &[u8]) -> Option<Self> {
        let (rest, found) = prefix_information(value).ok()?;
        rest.is_empty().then_some(found).flatten()
    }
}

impl RecursiveServers {
    fn encode(&self, out: &mut BytesMut) {
        for addresses in self.addresses.chunks(SERVERS_PER_OPTION) {
            // At most 127 addresses.
            let units = u8::try_from(1 + 2 * addresses.len()).unwrap_or(u8::MAX);
            out.put_slice(&[RECURSIVE_SERVERS, units, 0, 0]);
            out.put_u32(self.lifetime);
            for address in addresses {
                out.put_slice(&address.octets());
            }
        }
    }

    /// `None` for an option without address, or with a part of one (RFC 8106 §5.3.1).
    fn decode(value: &[u8]) -> Option<Self> {
        let (rest, lifetime) = servers_head(value).ok()?;
        let (addresses, rest) = rest.as_chunks::<16>();
        let whole = rest.is_empty() && !addresses.is_empty();
        whole.then(|| Self {
            lifetime,
            addresses: addresses.iter().copied().map(Ipv6Addr::from).collect(),
        })
    }
}

fn prefix_information(input: &[u8]) -> IResult<&[u8], Option<PrefixInformation>> {
    let (input, length) = be_u8(input)?;
    let (input, flags) = be_u8(input)?;
    let (input, valid_lifetime) = be_u32(input)?;
    let (input, preferred_lifetime) = be_u32(input)?;
    let (input, _reserved) = be_u32(input)?;
    let (input, address) = be_u128(input)?;
    let prefix = Ipv6Net::new(Ipv6Addr::from(address), length).ok();
    let information = prefix.map(|prefix| PrefixInformation {
        prefix: prefix.trunc(),
        on_link: flags & ON_LINK != 0,
        autonomous: flags & AUTONOMOUS != 0,
        valid_lifetime,
        preferred_lifetime,
    });
    Ok((input, information))
}

fn servers_head(input: &[u8]) -> IResult<&[u8], u32> {
    let (input, _reserved) = be_u16(input)?;
    be_u32(input)
}

/// The options of one message that mean something here. Of those that a message has once, the first counts.
#[derive(Default)]
pub(super) struct Options {
    pub(super) has_link_address: bool,
    pub(super) link_address: Option<[u8; 6]>,
    pub(super) mtu: Option<u32>,
    pub(super) prefixes: Vec<PrefixInformation>,
    pub(super) dns: Vec<RecursiveServers>,
}

impl Options {
    /// Every option takes at least eight octets, so this ends (RFC 4861 §4.6).
    pub(super) fn decode(mut input: &[u8]) -> Result<Self, Invalid> {
        let mut options = Self::default();
        while !input.is_empty() {
            let (rest, option) = RawOption::decode(input)?;
            options.take_in(&option);
            input = rest;
        }
        Ok(options)
    }

    /// An option that cannot be read is skipped, as an unknown one is (RFC 4861 §6.1.2).
    fn take_in(&mut self, option: &RawOption<'_>) {
        match option.kind {
            SOURCE_LINK_ADDRESS => {
                self.has_link_address = true;
                // Links other than Ethernet have longer ones, which are of no use to us.
                let address = option.value.try_into().ok();
                self.link_address = self.link_address.or(address);
            }
            PREFIX_INFORMATION => self
                .prefixes
                .extend(PrefixInformation::decode(option.value)),
            MTU => {
                let mtu = option
                    .value
                    .get(2..)
                    .and_then(|octets| octets.try_into().ok());
                self.mtu = self.mtu.or_else(|| mtu.map(u32::from_be_bytes));
            }
            RECURSIVE_SERVERS => self.dns.extend(RecursiveServers::decode(option.value)),
            _ => {}
        }
    }
}

/// RFC 4861 §4.6: a kind, a length in units of eight octets that counts both, a value.
struct RawOption<'a> {
    kind: u8,
    value: &'a [u8],
}

impl<'a> RawOption<'a> {
    /// The first option, and what follows it.
    fn decode(input: &'a [u8]) -> Result<(&'a [u8], Self), Invalid> {
        let short = |_: nom::Err<nom::error::Error<&[u8]>>| Invalid::Short;
        let (input, kind) = be_u8(input).map_err(short)?;
        let (input, units) = be_u8(input).map_err(short)?;
        let length = usize::from(units) * 8;
        let length = length.checked_sub(2).ok_or(Invalid::EmptyOption)?;
        let (input, value) = take(length)(input).map_err(short)?;
        Ok((input, Self { kind, value }))
    }
}

#[cfg(test)]
mod tests;
