//! Reading routes: for each type only the lengths that its fields add up to.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    AutoDiscovery, Esi, EthernetSegment, EvpnRoute, EvpnRoutes, InclusiveMulticast, IpPrefix,
    Label, Mac, MacIp, RouteDistinguisher,
};
use crate::wire::input::{
    Malformed, Parsed, all, each, four_octets, ipv4, ipv6, malformed, octet, short_field, take,
};

/// Reads routes to the end of `input`.
pub(in crate::wire) fn decode_all(input: &[u8]) -> Result<EvpnRoutes, Malformed> {
    let mut all = EvpnRoutes::default();
    each(input, |input| {
        let (input, kind) = octet(input)?;
        let (input, value) = short_field(input)?;
        match decode(kind, value).map_err(nom::Err::Error)? {
            Some(route) => all.routes.push(route),
            None => all.skipped += 1,
        }
        Ok((input, ()))
    })?;
    Ok(all)
}

fn decode(kind: u8, value: &[u8]) -> Result<Option<EvpnRoute>, Malformed> {
    let route = match kind {
        1 => EvpnRoute::AutoDiscovery(all(value, auto_discovery)?),
        2 => EvpnRoute::MacIp(all(value, mac_ip)?),
        3 => EvpnRoute::InclusiveMulticast(all(value, inclusive_multicast)?),
        4 => EvpnRoute::EthernetSegment(all(value, ethernet_segment)?),
        5 => EvpnRoute::IpPrefix(all(value, ip_prefix)?),
        _ => return Ok(None),
    };
    Ok(Some(route))
}

fn auto_discovery(input: &[u8]) -> Parsed<'_, AutoDiscovery> {
    let (input, rd) = distinguisher(input)?;
    let (input, esi) = segment(input)?;
    let (input, tag) = four_octets(input)?;
    let (input, label) = label(input)?;
    Ok((
        input,
        AutoDiscovery {
            rd,
            esi,
            tag,
            label,
        },
    ))
}

fn mac_ip(input: &[u8]) -> Parsed<'_, MacIp> {
    let (input, rd) = distinguisher(input)?;
    let (input, esi) = segment(input)?;
    let (input, tag) = four_octets(input)?;
    let (input, bits) = octet(input)?;
    if bits != 48 {
        return malformed("has a MAC address that is not of 48 bits");
    }
    let (input, mac) = octets(input)?;
    let (input, ip) = counted(input)?;
    let (input, first) = label(input)?;
    let (input, routing_label) = match input {
        [] => (input, None),
        more => {
            let (rest, second) = label(more)?;
            (rest, Some(second))
        }
    };
    let route = MacIp {
        rd,
        esi,
        tag,
        mac: Mac(mac),
        ip,
        label: first,
        routing_label,
    };
    Ok((input, route))
}

fn inclusive_multicast(input: &[u8]) -> Parsed<'_, InclusiveMulticast> {
    let (input, rd) = distinguisher(input)?;
    let (input, tag) = four_octets(input)?;
    let (input, originator) = originator(input)?;
    Ok((
        input,
        InclusiveMulticast {
            rd,
            tag,
            originator,
        },
    ))
}

fn ethernet_segment(input: &[u8]) -> Parsed<'_, EthernetSegment> {
    let (input, rd) = distinguisher(input)?;
    let (input, esi) = segment(input)?;
    let (input, originator) = originator(input)?;
    Ok((
        input,
        EthernetSegment {
            rd,
            esi,
            originator,
        },
    ))
}

/// The length of the whole says of which family both addresses are (RFC 9136 §3.1).
fn ip_prefix(input: &[u8]) -> Parsed<'_, IpPrefix> {
    let v6 = match input.len() {
        34 => false,
        58 => true,
        _ => return malformed("has an IP prefix route of neither 34 nor 58 octets"),
    };
    let address = |input| -> Parsed<'_, IpAddr> {
        if v6 {
            ipv6(input).map(|(rest, address)| (rest, IpAddr::V6(address)))
        } else {
            ipv4(input).map(|(rest, address)| (rest, IpAddr::V4(address)))
        }
    };
    let (input, rd) = distinguisher(input)?;
    let (input, esi) = segment(input)?;
    let (input, tag) = four_octets(input)?;
    let (input, bits) = octet(input)?;
    let (input, network) = address(input)?;
    let (input, gateway) = address(input)?;
    let (input, label) = label(input)?;
    let Ok(prefix) = IpNet::new(network, bits) else {
        return malformed("has a prefix longer than an address");
    };
    let route = IpPrefix {
        rd,
        esi,
        tag,
        prefix: prefix.trunc(),
        gateway: (!gateway.is_unspecified()).then_some(gateway),
        label,
    };
    Ok((input, route))
}

fn distinguisher(input: &[u8]) -> Parsed<'_, RouteDistinguisher> {
    octets(input).map(|(rest, octets)| (rest, RouteDistinguisher(octets)))
}

fn segment(input: &[u8]) -> Parsed<'_, Esi> {
    octets(input).map(|(rest, octets)| (rest, Esi(octets)))
}

fn label(input: &[u8]) -> Parsed<'_, Label> {
    octets(input).map(|(rest, octets)| (rest, Label::from_octets(octets)))
}

fn originator(input: &[u8]) -> Parsed<'_, IpAddr> {
    match counted(input)? {
        (rest, Some(address)) => Ok((rest, address)),
        (_, None) => malformed("has no address of the router that speaks"),
    }
}

/// An address with its length in bits before it.
fn counted(input: &[u8]) -> Parsed<'_, Option<IpAddr>> {
    let (input, bits) = octet(input)?;
    match bits {
        0 => Ok((input, None)),
        32 => ipv4(input).map(|(rest, address)| (rest, Some(IpAddr::V4(address)))),
        128 => ipv6(input).map(|(rest, address)| (rest, Some(IpAddr::V6(address)))),
        _ => malformed("has an address of neither 32 nor 128 bits"),
    }
}

fn octets<const N: usize>(input: &[u8]) -> Parsed<'_, [u8; N]> {
    let (rest, taken) = take(input, N)?;
    match taken.try_into() {
        Ok(octets) => Ok((rest, octets)),
        Err(_) => malformed("ends too early"),
    }
}
