//! Routes of type 5, by the collector's own reading of RFC 9136.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Route;
use super::wire::{Bytes, prefix, short};

/// IP Prefix route (RFC 9136 §3.1).
const IP_PREFIX: u8 = 5;
/// Octets of one with IPv4 and with IPv6 (RFC 9136 §3.1).
const IPV4: usize = 34;
const IPV6: usize = 58;

/// What tells a route of type 5 from others (RFC 9136 §3.1): neither gateway nor label is part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TenantPrefix {
    /// Route distinguisher, as it is on the wire.
    pub rd: [u8; 8],
    /// Ethernet tag.
    pub tag: u32,
    pub prefix: IpNet,
}

/// What a peer announced for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRoute {
    /// The gateway address: unspecified where there is none.
    pub gateway: IpAddr,
    /// All of the label's 24 bits (RFC 8365 §5.1.3).
    pub vni: u32,
    /// Next hop and attributes.
    pub route: Route,
}

/// The type-5 routes among these, with gateway and VNI; those of other types are passed over.
pub(super) fn prefixes(routes: &mut Bytes<'_>) -> io::Result<Vec<(TenantPrefix, (IpAddr, u32))>> {
    let mut found = Vec::new();
    while !routes.0.is_empty() {
        let (kind, length) = (routes.octet()?, usize::from(routes.octet()?));
        let mut route = Bytes(routes.take(length)?);
        if kind == IP_PREFIX {
            let six = match length {
                IPV4 => false,
                IPV6 => true,
                _ => return Err(short()),
            };
            found.push(ip_prefix(&mut route, six)?);
        }
    }
    Ok(found)
}

fn ip_prefix(route: &mut Bytes<'_>, six: bool) -> io::Result<(TenantPrefix, (IpAddr, u32))> {
    let rd = array(route)?;
    let _segment: [u8; 10] = array(route)?;
    let tag = u32::from_be_bytes(array(route)?);
    let length = route.octet()?;
    let octets = route.take(if six { 16 } else { 4 })?;
    let prefix = prefix(octets, length, six).ok_or_else(short)?;
    let gateway = if six {
        IpAddr::from(Ipv6Addr::from(array::<16>(route)?))
    } else {
        IpAddr::from(Ipv4Addr::from(array::<4>(route)?))
    };
    let [a, b, c] = array(route)?;
    let vni = u32::from_be_bytes([0, a, b, c]);
    Ok((TenantPrefix { rd, tag, prefix }, (gateway, vni)))
}

fn array<const N: usize>(route: &mut Bytes<'_>) -> io::Result<[u8; N]> {
    route.take(N)?.try_into().map_err(|_| short())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::wire::take;
    use super::super::{Event, Table};
    use super::*;

    const RD: [u8; 8] = [0, 1, 10, 255, 0, 2, 3, 0xe9];
    const TARGET: [u8; 8] = [0, 2, 0xfd, 0xe7, 0, 0, 3, 0xe9];

    /// Octet for octet by RFC 9136 §3.1; not by our codec.
    fn nlri(prefix: &str, vni: u32) -> Vec<u8> {
        let prefix: IpNet = prefix.parse().unwrap();
        let octets = match prefix.addr() {
            IpAddr::V4(four) => four.octets().to_vec(),
            IpAddr::V6(six) => six.octets().to_vec(),
        };
        let mut route = RD.to_vec();
        route.extend([0; 10 + 4]);
        route.push(prefix.prefix_len());
        route.extend(&octets);
        route.extend(vec![0; octets.len()]);
        route.extend(&vni.to_be_bytes()[1..]);
        let mut nlri = vec![5, u8::try_from(route.len()).unwrap()];
        nlri.extend(route);
        nlri
    }

    /// An UPDATE, its type octet first, of one attribute of L2VPN EVPN, and communities.
    fn update(code: u8, head: &[u8], nlri: &[u8]) -> Vec<u8> {
        let mut value = vec![0, 25, 70];
        value.extend(head);
        value.extend(nlri);
        let mut attributes = vec![0xc0, 16, 8];
        attributes.extend(TARGET);
        attributes.extend([0x90, code]);
        attributes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        attributes.extend(value);
        let mut message = vec![2, 0, 0];
        message.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        message.extend(attributes);
        message
    }

    fn key(prefix: &str) -> TenantPrefix {
        TenantPrefix {
            rd: RD,
            tag: 0,
            prefix: prefix.parse().unwrap(),
        }
    }

    #[test]
    fn routes_of_both_families_come_and_go_by_what_tells_them_apart() {
        let (four, six) = ("172.24.0.9/32", "2001:db8::9/128");
        let mut both = nlri(four, 1001);
        // a route of type 3 among them
        both.extend([3, 17]);
        both.extend([0; 17]);
        both.extend(nlri(six, 1001));
        let (mut table, at) = (Table::default(), Instant::now());
        let head = [4, 10, 255, 0, 2, 0];
        take(&update(14, &head, &both), at, &mut table).unwrap();
        let found = table.tenants.get(&key(four)).unwrap();
        assert_eq!((found.vni, found.gateway.is_unspecified()), (1001, true));
        assert_eq!(
            found.route.next_hop,
            "10.255.0.2".parse::<IpAddr>().unwrap()
        );
        assert_eq!(found.route.others.get(&16).unwrap(), &TARGET);
        assert!(table.tenants.contains_key(&key(six)));
        assert!(table.routes.is_empty(), "not of the default table");
        // another label is the same route (RFC 9136 §3.1)
        take(&update(15, &[], &nlri(four, 0)), at, &mut table).unwrap();
        assert_eq!(table.tenants.keys().collect::<Vec<_>>(), [&key(six)]);
        let last = &table.history.last().unwrap().1;
        assert_eq!(*last, Event::TenantWithdrawn(key(four)));
        take(&update(15, &[], &[]), at, &mut table).unwrap();
        let last = &table.history.last().unwrap().1;
        assert_eq!(*last, Event::EndOfRib(25));
    }

    #[test]
    fn a_truncated_route_is_refused() {
        let whole = nlri("172.24.0.9/32", 1001);
        let head = [4, 10, 255, 0, 2, 0];
        for length in 1..whole.len() {
            let cut = update(14, &head, &whole[..length]);
            let refused = take(&cut, Instant::now(), &mut Table::default());
            assert!(refused.is_err(), "{length}");
        }
    }
}
