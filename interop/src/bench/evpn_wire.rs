//! As much EVPN as the tester needs, written for it alone: route types 2 and 5 (RFC 7432 §7.2, RFC 9136 §3.1).

use std::io;
use std::net::Ipv4Addr;
use std::ops::Range;

use super::wire::{field, frames, message, short};

/// AFI 25, SAFI 70.
const EVPN: [u8; 3] = [0, 25, 70];
/// IPv4 prefixes of a table, numbered: 10.128.0.0 + i.
const BASE: u32 = 0x0a80_0000;
/// Octets of a type-5 route of IPv4, its header included.
const PREFIX_ROUTE: usize = 36;
/// Routes in one UPDATE, so that it stays below 4096 octets.
const PER_UPDATE: usize = 100;

/// A route distinguisher and a numbered prefix: what tells a route of type 5 apart.
pub(super) type Key = ([u8; 8], u32);

/// What a message said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Open,
    Keepalive,
    Announced(Key),
    Withdrawn(Key),
    EndOfRib,
    Notification(u8, u8),
}

/// Number `i` of every table's prefixes.
pub(super) fn address(i: u32) -> Ipv4Addr {
    Ipv4Addr::from(BASE + i)
}

/// OPEN with EVPN alone, route refresh, four-octet AS and graceful restart as a helper.
pub(super) fn open(asn: u32, id: Ipv4Addr) -> Vec<u8> {
    let mut capabilities = vec![1, 4, 0, 25, 0, 70, 2, 0, 65, 4];
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

fn distinguisher(vtep: Ipv4Addr, vni: u32) -> [u8; 8] {
    let [a, b, c, d] = vtep.octets();
    let [_, _, high, low] = vni.to_be_bytes();
    [0, 1, a, b, c, d, high, low]
}

/// ORIGIN, AS_PATH, and the communities: AS:VNI, VXLAN, and `more`.
fn attributes(asn: u32, vni: u32, more: [u8; 8]) -> Vec<u8> {
    let mut out = vec![0x40, 1, 1, 0, 0x40, 2, 6, 2, 1];
    out.extend(asn.to_be_bytes());
    out.extend([0xc0, 16, 24, 0, 2]);
    out.extend(u16::try_from(asn).unwrap_or(23456).to_be_bytes());
    out.extend(vni.to_be_bytes());
    out.extend([3, 0x0c, 0, 0, 0, 0, 0, 8]);
    out.extend(more);
    out
}

fn attribute(code: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![0x90, code];
    out.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(value);
    out
}

fn update(attributes: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(u16::try_from(attributes.len()).unwrap_or(0).to_be_bytes());
    body.extend(attributes);
    message(2, &body)
}

fn announce(vtep: Ipv4Addr, nlri: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut reach = EVPN.to_vec();
    reach.push(4);
    reach.extend(vtep.octets());
    reach.push(0);
    reach.extend(nlri);
    let mut all = attribute(14, &reach);
    all.extend(rest);
    update(&all)
}

/// The first `count` prefixes of a table, behind `vtep`, in messages of a hundred.
pub(super) fn prefixes(asn: u32, vtep: Ipv4Addr, vni: u32, count: u32) -> Vec<u8> {
    some_prefixes(asn, vtep, vni, 0..count)
}

/// These of them.
pub(super) fn some_prefixes(asn: u32, vtep: Ipv4Addr, vni: u32, which: Range<u32>) -> Vec<u8> {
    let [a, b, c, d] = vtep.octets();
    let told = attributes(asn, vni, [6, 3, 2, 0, a, b, c, d]);
    let [_, x, y, z] = vni.to_be_bytes();
    let mut out = Vec::new();
    let all: Vec<u32> = which.collect();
    for chunk in all.chunks(PER_UPDATE) {
        let mut nlri = Vec::with_capacity(chunk.len() * PREFIX_ROUTE);
        for i in chunk {
            nlri.extend([5, 34]);
            nlri.extend(distinguisher(vtep, vni));
            nlri.extend([0; 14]);
            nlri.push(32);
            nlri.extend((BASE + i).to_be_bytes());
            nlri.extend([0; 4]);
            nlri.extend([x, y, z]);
        }
        out.extend(announce(vtep, &nlri, &told));
    }
    out
}

/// Host number `host` has come to `to` from `from`, for the `sequence`th time: announced there, and withdrawn here.
pub(super) fn host_moves(
    asn: u32,
    (from, to): (Ipv4Addr, Ipv4Addr),
    vni: u32,
    host: u16,
    sequence: u32,
) -> Vec<u8> {
    let nlri = |vtep| {
        let [_, x, y, z] = vni.to_be_bytes();
        let [high, low] = host.to_be_bytes();
        let mut nlri = vec![2, 33];
        nlri.extend(distinguisher(vtep, vni));
        nlri.extend([0; 14]);
        nlri.extend([48, 2, 0, 0, 0, high, low, 0, x, y, z]);
        nlri
    };
    let [a, b, c, d] = sequence.to_be_bytes();
    let told = attributes(asn, vni, [6, 0, 0, 0, a, b, c, d]);
    let mut out = announce(to, &nlri(to), &told);
    let mut unreach = EVPN.to_vec();
    unreach.extend(nlri(from));
    out.extend(update(&attribute(15, &unreach)));
    out
}

/// Calls `hear` with everything that whole messages at the start of `buffer` say of type 5; returns their octets.
///
/// # Errors
/// The peer sent what is no BGP.
pub(super) fn read(buffer: &[u8], hear: &mut impl FnMut(Said)) -> io::Result<usize> {
    frames(buffer, &mut |kind, body| {
        match kind {
            1 => hear(Said::Open),
            2 => heard_update(body, hear)?,
            3 => {
                let octet = |at| body.get(at).copied().unwrap_or(0);
                hear(Said::Notification(octet(0), octet(1)));
            }
            4 => hear(Said::Keepalive),
            _ => {}
        }
        Ok(())
    })
}

fn heard_update(body: &[u8], hear: &mut impl FnMut(Said)) -> io::Result<()> {
    let (_, body) = field(body)?;
    let (mut attributes, _) = field(body)?;
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
            (14, [0, 25, 70, length, rest @ ..]) => {
                let nlri = rest.get(usize::from(*length) + 1..).ok_or_else(short)?;
                routes(nlri, &mut |key| hear(Said::Announced(key)))?;
            }
            (15, [0, 25, 70]) => hear(Said::EndOfRib),
            (15, [0, 25, 70, nlri @ ..]) => routes(nlri, &mut |key| hear(Said::Withdrawn(key)))?,
            _ => {}
        }
    }
    Ok(())
}

/// The numbered prefixes among these routes.
fn routes(mut nlri: &[u8], found: &mut impl FnMut(Key)) -> io::Result<()> {
    while let [kind, length, rest @ ..] = nlri {
        let (route, rest) = rest
            .split_at_checked(usize::from(*length))
            .ok_or_else(short)?;
        nlri = rest;
        if let (5, Some(rd), Some([32, octets @ ..])) = (kind, route.get(..8), route.get(22..27))
            && let (Ok(rd), Ok(octets)) = (rd.try_into(), octets.try_into())
            && let Some(i) = u32::from_be_bytes(octets).checked_sub(BASE)
        {
            found((rd, i));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VTEP: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 10);

    fn heard(bytes: &[u8]) -> Vec<Said> {
        let mut all = Vec::new();
        let used = read(bytes, &mut |said| all.push(said)).unwrap();
        assert_eq!(used, bytes.len());
        all
    }

    #[test]
    fn what_is_announced_is_heard() {
        let all = heard(&prefixes(65000, VTEP, 5001, 250));
        assert_eq!(all.len(), 250);
        let rd = [0, 1, 10, 9, 0, 10, 0x13, 0x89];
        assert_eq!(all[249], Said::Announced((rd, 249)));
    }

    #[test]
    fn hosts_are_no_prefixes_and_end_of_rib_is_heard() {
        let moved = host_moves(65000, (VTEP, VTEP), 1001, 7, 3);
        assert!(heard(&moved).is_empty());
        let end = message(2, &[0, 0, 0, 6, 0x80, 15, 3, 0, 25, 70]);
        assert_eq!(heard(&end), [Said::EndOfRib]);
    }
}
