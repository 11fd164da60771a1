//! Each type as its RFC draws it.

use std::net::IpAddr;

use super::*;

const RD: RouteDistinguisher = RouteDistinguisher([0, 1, 192, 0, 2, 1, 0, 77]);
pub(super) const RD_HEX: &str = "0001 c0000201 004d";
pub(super) const NO_ESI: &str = "00000000000000000000";
const ESI: Esi = Esi([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
const ESI_HEX: &str = "00010203040506070809";
const V6_HEX: &str = "20010db8000000000000000000000001";

fn v4() -> IpAddr {
    "10.0.0.1".parse().unwrap()
}

fn v6() -> IpAddr {
    "2001:db8::1".parse().unwrap()
}

/// A route of each type and length, and its octets.
pub(super) fn drawn() -> Vec<(EvpnRoute, Vec<u8>)> {
    let all = [
        drawn_segments(),
        drawn_hosts(),
        drawn_originators(),
        drawn_prefixes(),
    ]
    .concat();
    let octets = |(route, value): (EvpnRoute, String)| {
        let octets = with_head(route.kind(), &hex(&value));
        (route, octets)
    };
    all.into_iter().map(octets).collect()
}

type Drawing = Vec<(EvpnRoute, String)>;

/// RFC 7432 §7.1.
fn drawn_segments() -> Drawing {
    let route = AutoDiscovery {
        rd: RD,
        esi: ESI,
        tag: 7,
        label: vni(5),
    };
    let octets = format!("{RD_HEX} {ESI_HEX} 00000007 000005");
    vec![(EvpnRoute::AutoDiscovery(route), octets)]
}

/// RFC 7432 §7.2: with no address, one of IPv4, one of IPv6; with one label and with two.
fn drawn_hosts() -> Drawing {
    let mac = format!("{RD_HEX} {NO_ESI} 00000000 30 020000000001");
    let addresses = [
        (None, "00".to_owned()),
        (Some(v4()), "20 0a000001".to_owned()),
        (Some(v6()), format!("80 {V6_HEX}")),
    ];
    let labels = [(None, ""), (Some(vni(77)), "00004d")];
    let mut all = Vec::new();
    for (ip, ip_hex) in addresses {
        for (routing_label, label_hex) in labels {
            let route = MacIp {
                rd: RD,
                esi: Esi::SINGLE_HOMED,
                tag: 0,
                mac: Mac([2, 0, 0, 0, 0, 1]),
                ip,
                label: vni(1001),
                routing_label,
            };
            let octets = format!("{mac} {ip_hex} 0003e9 {label_hex}");
            all.push((EvpnRoute::MacIp(route), octets));
        }
    }
    all
}

/// RFC 7432 §7.3 and §7.4.
fn drawn_originators() -> Drawing {
    let addresses = [
        (v4(), "20 0a000001".to_owned()),
        (v6(), format!("80 {V6_HEX}")),
    ];
    let multicast = |(originator, octets): &(IpAddr, String)| {
        let route = InclusiveMulticast {
            rd: RD,
            tag: 0,
            originator: *originator,
        };
        let octets = format!("{RD_HEX} 00000000 {octets}");
        (EvpnRoute::InclusiveMulticast(route), octets)
    };
    let segment = |(originator, octets): &(IpAddr, String)| {
        let route = EthernetSegment {
            rd: RD,
            esi: ESI,
            originator: *originator,
        };
        let octets = format!("{RD_HEX} {ESI_HEX} {octets}");
        (EvpnRoute::EthernetSegment(route), octets)
    };
    let multicasts = addresses.iter().map(multicast);
    multicasts.chain(addresses.iter().map(segment)).collect()
}

/// RFC 9136 §3.1: a host, a network behind a gateway, and IPv6.
fn drawn_prefixes() -> Drawing {
    let none = "00".repeat(16);
    let prefixes = [
        ("10.0.0.1/32", None, "20 0a000001 00000000".to_owned()),
        (
            "10.0.0.0/24",
            Some("10.0.0.9"),
            "18 0a000000 0a000009".to_owned(),
        ),
        ("2001:db8::1/128", None, format!("80 {V6_HEX} {none}")),
    ];
    let route = |(prefix, gateway, octets): (&str, Option<&str>, String)| {
        let route = IpPrefix {
            rd: RD,
            esi: Esi::SINGLE_HOMED,
            tag: 0,
            prefix: prefix.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            label: vni(77),
        };
        let octets = format!("{RD_HEX} {NO_ESI} 00000000 {octets} 00004d");
        (EvpnRoute::IpPrefix(route), octets)
    };
    prefixes.into_iter().map(route).collect()
}
