//! What the collector reads and writes: its own few lines of RFC 4271, so that a mistake in our codec cannot hide
//! behind itself.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::tenants::{self, TenantPrefix, TenantRoute};
use super::{Event, Families, Route, Table};

const HEADER: usize = 19;
/// AFI of L2VPN; its only SAFI here is EVPN, 70 (RFC 7432 §7).
const EVPN: u16 = 25;

pub(super) fn message_of(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
    let mut message = vec![0xff; 16];
    message.extend(length.to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

/// OPEN with IPv4 and IPv6 unicast, and EVPN where it is wanted, 4-octet AS, route refresh and graceful restart (helper only).
pub(super) fn open(asn: u32, id: Ipv4Addr, families: Families) -> Vec<u8> {
    let mut capabilities = vec![1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1, 2, 0, 65, 4];
    if families == Families::UnicastAndEvpn {
        capabilities.splice(..0, [1, 4, 0, 25, 0, 70]);
    }
    capabilities.extend(asn.to_be_bytes());
    capabilities.extend([64, 2, 0, 120]);
    let short = u16::try_from(asn).unwrap_or(23456);
    let mut body = vec![4];
    body.extend(short.to_be_bytes());
    body.extend(90u16.to_be_bytes());
    body.extend(id.octets());
    let length = u8::try_from(capabilities.len()).unwrap_or(0);
    body.extend([length + 2, 2, length]);
    body.extend(capabilities);
    message_of(1, &body)
}

/// The next whole message: its type octet, then its body.
pub(super) fn next_message(buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some(header) = buffer.get(..HEADER) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    if !(HEADER..=65535).contains(&length) || header[..16] != [0xff; 16] {
        return Err(io::Error::other("bad BGP header"));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let message: Vec<u8> = buffer.drain(..length).skip(HEADER - 1).collect();
    Ok(Some(message))
}

pub(super) fn short() -> io::Error {
    io::Error::other("truncated BGP message")
}

pub(super) fn take(message: &[u8], at: Instant, table: &mut Table) -> io::Result<()> {
    match message.split_first() {
        Some((2, body)) => update(body, at, table),
        Some((3, body)) => {
            table.note(
                at,
                Event::Notified(
                    body.first().copied().unwrap_or(0),
                    body.get(1).copied().unwrap_or(0),
                ),
            );
            Ok(())
        }
        Some((4, _)) => {
            if !table.up {
                table.up = true;
                table.note(at, Event::Up);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, n: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn octet(&mut self) -> io::Result<u8> {
        self.take(1)?.first().copied().ok_or_else(short)
    }

    fn short(&mut self) -> io::Result<u16> {
        Ok(u16::from_be_bytes(
            self.take(2)?.try_into().map_err(|_| short())?,
        ))
    }

    fn prefixes(&mut self, six: bool) -> io::Result<Vec<IpNet>> {
        let mut prefixes = Vec::new();
        while !self.0.is_empty() {
            let length = self.octet()?;
            let octets = self.take(usize::from(length).div_ceil(8))?;
            prefixes.push(prefix(octets, length, six).ok_or_else(short)?);
        }
        Ok(prefixes)
    }
}

pub(super) fn prefix(octets: &[u8], length: u8, six: bool) -> Option<IpNet> {
    let mut full = [0; 16];
    full.get_mut(..octets.len())?.copy_from_slice(octets);
    if six {
        return Ipv6Net::new(Ipv6Addr::from(full), length)
            .ok()
            .map(IpNet::V6);
    }
    let four: [u8; 4] = full.get(..4)?.try_into().ok()?;
    Ipv4Net::new(Ipv4Addr::from(four), length)
        .ok()
        .map(IpNet::V4)
}

fn update(body: &[u8], at: Instant, table: &mut Table) -> io::Result<()> {
    let mut bytes = Bytes(body);
    let length = bytes.short()?;
    let withdrawn = Bytes(bytes.take(usize::from(length))?).prefixes(false)?;
    let length = bytes.short()?;
    let mut attributes = Bytes(bytes.take(usize::from(length))?);
    let announced = bytes.prefixes(false)?;
    if withdrawn.is_empty() && attributes.0.is_empty() && announced.is_empty() {
        table.note(at, Event::EndOfRib(1));
    }
    withdraw(withdrawn, at, table);
    let (mut next_hop, mut as_path) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), Vec::new());
    let mut reach: Option<(IpAddr, Reached)> = None;
    let mut others = BTreeMap::new();
    while !attributes.0.is_empty() {
        let (flags, code) = (attributes.octet()?, attributes.octet()?);
        let length = if flags & 0x10 == 0 {
            u16::from(attributes.octet()?)
        } else {
            attributes.short()?
        };
        let mut value = Bytes(attributes.take(usize::from(length))?);
        match code {
            2 => as_path = path(&mut value)?,
            3 => next_hop = IpAddr::V4(<[u8; 4]>::try_from(value.0).map_err(|_| short())?.into()),
            14 => reach = Some(mp_reach(&mut value)?),
            15 => {
                let afi = value.short()?;
                value.octet()?;
                if value.0.is_empty() {
                    table.note(at, Event::EndOfRib(afi));
                }
                if afi == EVPN {
                    for (prefix, _) in tenants::prefixes(&mut value)? {
                        table.tenants.remove(&prefix);
                        table.note(at, Event::TenantWithdrawn(prefix));
                    }
                } else {
                    withdraw(value.prefixes(afi == 2)?, at, table);
                }
            }
            4 | 5 | 8 | 16 | 32 => drop(others.insert(code, value.0.to_vec())),
            _ => {}
        }
    }
    let route = |next_hop| Route {
        next_hop,
        as_path: as_path.clone(),
        others: others.clone(),
        at,
    };
    announce(announced, &route(next_hop), table);
    match reach {
        Some((next_hop, Reached::Prefixes(prefixes))) => {
            announce(prefixes, &route(next_hop), table);
        }
        Some((next_hop, Reached::Tenants(prefixes))) => {
            for (prefix, (gateway, vni)) in prefixes {
                let route = route(next_hop);
                let route = TenantRoute {
                    gateway,
                    vni,
                    route,
                };
                table.tenants.insert(prefix.clone(), route);
                table.note(at, Event::TenantAnnounced(prefix));
            }
        }
        None => {}
    }
    Ok(())
}

/// What MP_REACH_NLRI lists.
enum Reached {
    Prefixes(Vec<IpNet>),
    /// With gateway and VNI.
    Tenants(Vec<(TenantPrefix, (IpAddr, u32))>),
}

fn mp_reach(value: &mut Bytes<'_>) -> io::Result<(IpAddr, Reached)> {
    let afi = value.short()?;
    value.octet()?;
    let length = value.octet()?;
    let next_hop = value.take(usize::from(length))?;
    value.octet()?;
    let next_hop = match (
        <[u8; 4]>::try_from(next_hop),
        next_hop.get(..16).map(<[u8; 16]>::try_from),
    ) {
        (Ok(four), _) => IpAddr::V4(four.into()),
        (_, Some(Ok(six))) => IpAddr::V6(six.into()),
        _ => return Err(short()),
    };
    let reached = if afi == EVPN {
        Reached::Tenants(tenants::prefixes(value)?)
    } else {
        Reached::Prefixes(value.prefixes(afi == 2)?)
    };
    Ok((next_hop, reached))
}

fn path(value: &mut Bytes<'_>) -> io::Result<Vec<u32>> {
    let mut path = Vec::new();
    while !value.0.is_empty() {
        value.octet()?;
        for _ in 0..value.octet()? {
            path.push(u32::from_be_bytes(
                value.take(4)?.try_into().map_err(|_| short())?,
            ));
        }
    }
    Ok(path)
}

fn announce(prefixes: Vec<IpNet>, route: &Route, table: &mut Table) {
    for prefix in prefixes {
        table.routes.insert(prefix, route.clone());
        table.note(route.at, Event::Announced(prefix));
    }
}

fn withdraw(prefixes: Vec<IpNet>, at: Instant, table: &mut Table) {
    for prefix in prefixes {
        table.routes.remove(&prefix);
        table.note(at, Event::Withdrawn(prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_update_with_both_families() {
        let mut table = Table::default();
        // ORIGIN, AS_PATH (65001), NEXT_HOP 192.0.2.1, MP_REACH 2001:db8::1/128 via 2001:db8::fe
        let mut attributes = vec![
            0x40, 1, 1, 2, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1,
        ];
        attributes.extend([0x80, 14, 38, 0, 2, 1, 16]);
        attributes.extend("2001:db8::fe".parse::<Ipv6Addr>().unwrap().octets());
        attributes.extend([0, 128]);
        attributes.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        let mut body = vec![0, 0];
        body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        body.extend(&attributes);
        body.extend([32, 198, 51, 100, 7]);
        let at = Instant::now();
        update(&body, at, &mut table).unwrap();
        let four = table
            .routes
            .get(&"198.51.100.7/32".parse::<IpNet>().unwrap())
            .unwrap();
        assert_eq!(
            (four.next_hop, four.as_path.as_slice()),
            ("192.0.2.1".parse().unwrap(), [65001].as_slice())
        );
        assert!(
            table
                .routes
                .contains_key(&"2001:db8::1/128".parse().unwrap())
        );
        update(&[0, 5, 32, 198, 51, 100, 7, 0, 0], at, &mut table).unwrap();
        assert_eq!(table.routes.len(), 1);
        update(&[0, 0, 0, 0], at, &mut table).unwrap();
        assert_eq!(table.history.last().unwrap().1, Event::EndOfRib(1));
    }

    #[test]
    fn refuses_truncated_updates() {
        for body in [&[][..], &[0], &[0, 9, 32], &[0, 0, 0, 4, 0x40, 3, 4, 1]] {
            assert!(
                update(body, Instant::now(), &mut Table::default()).is_err(),
                "{body:?}"
            );
        }
    }
}
