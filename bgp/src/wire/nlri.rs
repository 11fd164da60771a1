//! Network Layer Reachability Information: the destinations (RFC 4271 §4.3, RFC 4760 §5, RFC 7911 §3).

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, Bytes, BytesMut};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::evpn::{self, EvpnRoute, EvpnRoutes};
use super::input::{Malformed, Parsed, each, four_octets, malformed, octet, take};
use super::{CodecOptions, Family};

/// One unicast destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// The prefix; host bits are zero.
    pub prefix: IpNet,
    /// Path identifier, present exactly when add-path is in use for the family (RFC 7911 §3).
    pub path_id: Option<u32>,
}

impl From<IpNet> for Nlri {
    fn from(prefix: IpNet) -> Self {
        Self {
            prefix: prefix.trunc(),
            path_id: None,
        }
    }
}

/// The destinations inside MP_REACH_NLRI or MP_UNREACH_NLRI, by what their family makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FamilyNlri {
    /// Prefixes: IPv4 and IPv6 unicast.
    Unicast(Vec<Nlri>),
    /// Routes of EVPN, where both sides speak it ([`super::CodecOptions::evpn`]).
    Evpn(EvpnRoutes),
    /// The octets of a family this codec does not look into.
    Opaque(Bytes),
}

impl FamilyNlri {
    /// The prefixes, when the family consists of prefixes; otherwise nothing.
    #[must_use]
    pub fn unicast(&self) -> &[Nlri] {
        match self {
            Self::Unicast(nlri) => nlri,
            Self::Evpn(_) | Self::Opaque(_) => &[],
        }
    }

    /// The routes of EVPN, when the family consists of them; otherwise nothing.
    #[must_use]
    pub fn evpn(&self) -> &[EvpnRoute] {
        match self {
            Self::Evpn(all) => &all.routes,
            Self::Unicast(_) | Self::Opaque(_) => &[],
        }
    }

    /// True without a single destination.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Unicast(nlri) => nlri.is_empty(),
            Self::Evpn(routes) => routes.is_empty(),
            Self::Opaque(octets) => octets.is_empty(),
        }
    }
}

impl Nlri {
    pub(super) fn encode(&self, out: &mut BytesMut, with_path_id: bool) {
        if with_path_id {
            out.put_u32(self.path_id.unwrap_or_default());
        }
        match self.prefix {
            IpNet::V4(net) => {
                let [first, second, third, fourth] = net.network().octets();
                let length = net.prefix_len();
                let octets = [length, first, second, third, fourth];
                match octets.get(..=significant(length)) {
                    // A length known beforehand makes the copy one store: host routes are the usual case.
                    Some(shorter) if length <= 24 => out.put_slice(shorter),
                    _ => out.put_slice(&octets),
                }
            }
            IpNet::V6(net) => {
                let octets = net.network().octets();
                let length = net.prefix_len();
                out.put_u8(length);
                out.put_slice(octets.get(..significant(length)).unwrap_or(&octets));
            }
        }
    }
}

/// Octets that hold a prefix of so many bits.
fn significant(bits: u8) -> usize {
    usize::from(bits.div_ceil(8))
}

/// Octets that [`Nlri::encode`] writes.
pub(super) fn encoded_len(nlri: &Nlri, with_path_id: bool) -> usize {
    let path_id = if with_path_id { 4 } else { 0 };
    path_id + 1 + significant(nlri.prefix.prefix_len())
}

/// Reads prefixes to the end of `input`. Host bits that the sender left set are cleared, they are
/// irrelevant (RFC 4271 §4.3).
pub(super) fn decode_all(
    input: &[u8],
    family: Family,
    options: &CodecOptions,
) -> Result<FamilyNlri, Malformed> {
    let with_path_id = options.add_path_receive.contains(&family);
    match family.prefix_bits() {
        Some(_) => decode_prefixes(input, family, with_path_id).map(FamilyNlri::Unicast),
        None if family == Family::L2VPN_EVPN && options.evpn => {
            evpn::decode_all(input).map(FamilyNlri::Evpn)
        }
        None => Ok(FamilyNlri::Opaque(Bytes::copy_from_slice(input))),
    }
}

/// As [`decode_all`], for a family of prefixes.
pub(super) fn decode_prefixes(
    mut input: &[u8],
    family: Family,
    with_path_id: bool,
) -> Result<Vec<Nlri>, Malformed> {
    // A host prefix is the usual case; a shorter one only makes the vector grow once or twice.
    let octets_each = if with_path_id { 9 } else { 5 };
    let mut nlri = Vec::with_capacity(input.len() / octets_each);
    let v6 = family == Family::IPV6_UNICAST;
    if !v6 && !with_path_id {
        decode_hosts(&mut input, &mut nlri);
    }
    each(input, |input| {
        let (input, path_id) = if with_path_id {
            let (input, id) = four_octets(input)?;
            (input, Some(id))
        } else {
            (input, None)
        };
        let (input, prefix) = if v6 {
            v6_prefix(input)?
        } else {
            v4_prefix(input)?
        };
        nlri.push(Nlri { prefix, path_id });
        Ok((input, ()))
    })?;
    Ok(nlri)
}

/// Host routes are what this speaker lives on: the IPv4 ones at the beginning, in one go.
fn decode_hosts(input: &mut &[u8], nlri: &mut Vec<Nlri>) {
    const HOST: u8 = 32;
    while let [HOST, first, second, third, fourth, rest @ ..] = *input {
        let address = Ipv4Addr::new(*first, *second, *third, *fourth);
        let prefix = IpNet::V4(address.into());
        let path_id = None;
        nlri.push(Nlri { prefix, path_id });
        *input = rest;
    }
}

fn v4_prefix(input: &[u8]) -> Parsed<'_, IpNet> {
    let (input, length) = octet(input)?;
    let (input, given) = take(input, significant(length))?;
    // Octets that were not sent are zero; of more than four the length is refused below.
    let given = given.iter().copied().chain(std::iter::repeat(0)).take(4);
    let bits = given.fold(0, |bits, octet| bits << 8 | u32::from(octet));
    match Ipv4Net::new(Ipv4Addr::from_bits(bits), length) {
        Ok(net) => Ok((input, IpNet::V4(net.trunc()))),
        Err(_) => malformed(TOO_LONG),
    }
}

fn v6_prefix(input: &[u8]) -> Parsed<'_, IpNet> {
    let (input, length) = octet(input)?;
    let (input, given) = take(input, significant(length))?;
    let given = given.iter().copied().chain(std::iter::repeat(0)).take(16);
    let bits = given.fold(0, |bits, octet| bits << 8 | u128::from(octet));
    match Ipv6Net::new(Ipv6Addr::from_bits(bits), length) {
        Ok(net) => Ok((input, IpNet::V6(net.trunc()))),
        Err(_) => malformed(TOO_LONG),
    }
}

const TOO_LONG: &str = "has a prefix longer than an address";
