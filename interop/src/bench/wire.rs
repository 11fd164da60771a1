//! As much BGP as the tester needs, written for it alone: no daemon's codec is judged by itself.
//!
//! The routes of a benchmark are numbered: number `i` is 10.128.0.0 + i as a /32, or 2001:db8:ffff::i as a /128.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Address family of a benchmark's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

const V4_BASE: u32 = 0x0a80_0000;
const V6_BASE: u128 = 0x2001_0db8_ffff_0000_0000_0000_0000_0000;
const HEADER: usize = 19;
/// Octets of the largest message without RFC 8654, which the tester does not offer.
const LARGEST: usize = 4096;

impl Family {
    /// Route number `i`.
    pub(super) fn prefix(self, i: u32) -> IpNet {
        match self {
            Self::V4 => {
                let address = Ipv4Addr::from(V4_BASE + i);
                IpNet::V4(Ipv4Net::new(address, 32).unwrap_or_default())
            }
            Self::V6 => {
                let address = Ipv6Addr::from(V6_BASE + u128::from(i));
                IpNet::V6(Ipv6Net::new(address, 128).unwrap_or_default())
            }
        }
    }

    fn nlri(self, i: u32, out: &mut Vec<u8>) {
        match self {
            Self::V4 => {
                out.push(32);
                out.extend((V4_BASE + i).to_be_bytes());
            }
            Self::V6 => {
                out.push(128);
                out.extend((V6_BASE + u128::from(i)).to_be_bytes());
            }
        }
    }

    /// The number of a route as it is on the wire, if it is one of ours.
    fn number(self, bits: u8, octets: &[u8]) -> Option<u32> {
        match (self, bits) {
            (Self::V4, 32) => {
                let address = u32::from_be_bytes(octets.try_into().ok()?);
                address.checked_sub(V4_BASE)
            }
            (Self::V6, 128) => {
                let address = u128::from_be_bytes(octets.try_into().ok()?);
                u32::try_from(address.checked_sub(V6_BASE)?).ok()
            }
            _ => None,
        }
    }
}

/// What a message said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Open,
    Keepalive,
    Announced(Family, u32),
    Withdrawn(Family, u32),
    EndOfRib(Family),
    Notification(u8, u8),
}

pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
    let mut message = vec![0xff; 16];
    message.extend(length.to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

/// OPEN with both unicast families, route refresh, four-octet AS and graceful restart as a helper.
pub(super) fn open(asn: u32, id: Ipv4Addr) -> Vec<u8> {
    let mut capabilities = vec![1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1, 2, 0, 65, 4];
    capabilities.extend(asn.to_be_bytes());
    capabilities.extend([64, 2, 0, 120]);
    let mut body = vec![4];
    body.extend(u16::try_from(asn).unwrap_or(23456).to_be_bytes());
    body.extend(180u16.to_be_bytes());
    body.extend(id.octets());
    let length = u8::try_from(capabilities.len()).unwrap_or(0);
    body.extend([length + 2, 2, length]);
    body.extend(capabilities);
    message(1, &body)
}

/// KEEPALIVE.
pub(super) fn keepalive() -> Vec<u8> {
    message(4, &[])
}

/// IPv4 routes `from..to` by way of `next_hop` and `asn`, at most `per_update` in one message.
pub(super) fn announce(
    from: u32,
    to: u32,
    per_update: usize,
    asn: u32,
    next_hop: Ipv4Addr,
) -> Vec<u8> {
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 6, 2, 1];
    attributes.extend(asn.to_be_bytes());
    attributes.extend([0x40, 3, 4]);
    attributes.extend(next_hop.octets());
    let fits = (LARGEST - HEADER - 4 - attributes.len()) / 5;
    let mut out = Vec::new();
    let all: Vec<u32> = (from..to).collect();
    for chunk in all.chunks(per_update.clamp(1, fits)) {
        let mut body = vec![0, 0];
        body.extend(u16::try_from(attributes.len()).unwrap_or(0).to_be_bytes());
        body.extend(&attributes);
        for i in chunk {
            Family::V4.nlri(*i, &mut body);
        }
        out.extend(message(2, &body));
    }
    out
}

/// Calls `hear` with everything that whole messages at the start of `buffer` say; returns their octets.
///
/// # Errors
/// The peer sent what is no BGP.
pub(super) fn read(buffer: &[u8], hear: &mut impl FnMut(Said)) -> io::Result<usize> {
    frames(buffer, &mut |kind, body| {
        match kind {
            1 => hear(Said::Open),
            2 => update(body, hear)?,
            3 => hear(Said::Notification(
                body.first().copied().unwrap_or(0),
                body.get(1).copied().unwrap_or(0),
            )),
            4 => hear(Said::Keepalive),
            _ => {}
        }
        Ok(())
    })
}

/// Calls `each` with type and body of every whole message at the start of `buffer`; returns their octets.
pub(super) fn frames(
    buffer: &[u8],
    each: &mut impl FnMut(u8, &[u8]) -> io::Result<()>,
) -> io::Result<usize> {
    let mut used = 0;
    loop {
        let rest = buffer.get(used..).unwrap_or_default();
        let Some((header, _)) = rest.split_at_checked(HEADER) else {
            return Ok(used);
        };
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        if header[..16] != [0xff; 16] || length < HEADER {
            return Err(io::Error::other("no BGP header"));
        }
        let Some(body) = rest.get(HEADER..length) else {
            return Ok(used);
        };
        used += length;
        each(header[18], body)?;
    }
}

fn update(body: &[u8], hear: &mut impl FnMut(Said)) -> io::Result<()> {
    let (withdrawn, body) = field(body)?;
    let (attributes, nlri) = field(body)?;
    if withdrawn.is_empty() && attributes.is_empty() && nlri.is_empty() {
        hear(Said::EndOfRib(Family::V4));
        return Ok(());
    }
    prefixes(Family::V4, withdrawn, &mut |i| {
        hear(Said::Withdrawn(Family::V4, i))
    })?;
    each_attribute(attributes, hear)?;
    prefixes(Family::V4, nlri, &mut |i| {
        hear(Said::Announced(Family::V4, i))
    })
}

/// Only MP_REACH_NLRI and MP_UNREACH_NLRI of IPv6 unicast are of interest.
fn each_attribute(mut attributes: &[u8], hear: &mut impl FnMut(Said)) -> io::Result<()> {
    while let [flags, code, rest @ ..] = attributes {
        let (value, rest) = if flags & 0x10 == 0 {
            let (length, rest) = rest.split_first().ok_or_else(short)?;
            rest.split_at_checked(usize::from(*length))
                .ok_or_else(short)?
        } else {
            field(rest)?
        };
        attributes = rest;
        match (code, value) {
            (14, [0, 2, 1, length, rest @ ..]) => {
                let nlri = rest.get(usize::from(*length) + 1..).ok_or_else(short)?;
                prefixes(Family::V6, nlri, &mut |i| {
                    hear(Said::Announced(Family::V6, i))
                })?;
            }
            (15, [0, 2, 1]) => hear(Said::EndOfRib(Family::V6)),
            (15, [0, 2, 1, nlri @ ..]) => {
                prefixes(Family::V6, nlri, &mut |i| {
                    hear(Said::Withdrawn(Family::V6, i))
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn prefixes(family: Family, mut nlri: &[u8], found: &mut impl FnMut(u32)) -> io::Result<()> {
    while let [bits, rest @ ..] = nlri {
        let octets = usize::from(*bits).div_ceil(8);
        let (address, rest) = rest.split_at_checked(octets).ok_or_else(short)?;
        nlri = rest;
        if let Some(i) = family.number(*bits, address) {
            found(i);
        }
    }
    Ok(())
}

/// A field with two octets of length before it, and what follows.
pub(super) fn field(input: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let (length, rest) = input.split_at_checked(2).ok_or_else(short)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    rest.split_at_checked(length).ok_or_else(short)
}

pub(super) fn short() -> io::Error {
    io::Error::other("truncated UPDATE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8]) -> Vec<Said> {
        let mut all = Vec::new();
        assert_eq!(
            read(bytes, &mut |said| all.push(said)).unwrap(),
            bytes.len()
        );
        all
    }

    #[test]
    fn what_is_announced_is_heard() {
        let sent = announce(5, 1505, 200, 65000, Ipv4Addr::new(10, 9, 0, 2));
        let all = heard(&sent);
        assert_eq!(all.len(), 1500);
        assert_eq!(all[0], Said::Announced(Family::V4, 5));
        assert_eq!(all[1499], Said::Announced(Family::V4, 1504));
    }

    #[test]
    fn ipv6_and_end_of_rib_are_heard() {
        let mut mp = vec![0, 2, 1, 16];
        mp.extend([0; 17]);
        Family::V6.nlri(7, &mut mp);
        let mut attributes = vec![0x90, 14];
        attributes.extend(u16::try_from(mp.len()).unwrap().to_be_bytes());
        attributes.extend(mp);
        let mut body = vec![0, 0];
        body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        body.extend(attributes);
        assert_eq!(heard(&message(2, &body)), [Said::Announced(Family::V6, 7)]);
        assert_eq!(
            heard(&message(2, &[0, 0, 0, 0])),
            [Said::EndOfRib(Family::V4)]
        );
        let v6 = message(2, &[0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]);
        assert_eq!(heard(&v6), [Said::EndOfRib(Family::V6)]);
    }

    #[test]
    fn half_a_message_waits_and_rubbish_is_an_error() {
        let whole = keepalive();
        assert_eq!(read(&whole[..18], &mut |_| {}).unwrap(), 0);
        assert!(read(&[0; 19], &mut |_| {}).is_err());
    }
}
