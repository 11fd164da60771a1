//! NetGauze's codec, as the second opinion on EVPN: what we write it reads the same, and the other way about. It knows route
//! distinguishers of the three defined types alone.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use netgauze_bgp_pkt as theirs;
use proptest::collection::vec;
use proptest::prelude::*;
use theirs::nlri::{self, L2EvpnAddress, L2EvpnIpPrefixRoute, L2EvpnRoute};
use theirs::path_attribute::{MpReach, MpUnreach, PathAttributeValue};
use theirs::wire::deserializer::BgpParsingContext;
use theirs::{BgpMessage, path_attribute};

use super::super::super::evpn::{EvpnCommunity, Mobility, RouteTarget};
use super::super::round_trip::any_next_hop;
use super::properties::any_route;
use super::*;

fn our_rd(rd: nlri::RouteDistinguisher) -> RouteDistinguisher {
    use nlri::RouteDistinguisher as Rd;
    match rd {
        Rd::As2Administrator { asn2, number } => {
            RouteDistinguisher::of_as(asn2.into(), number).unwrap()
        }
        Rd::Ipv4Administrator { ip, number } => RouteDistinguisher::of_address(ip, number),
        Rd::As4Administrator { asn4, number } => {
            let ([a, b, c, d], [e, f]) = (asn4.to_be_bytes(), number.to_be_bytes());
            RouteDistinguisher([0, 2, a, b, c, d, e, f])
        }
        Rd::LeafAdRoutes => panic!("not written by us"),
    }
}

fn their_rd(
    RouteDistinguisher([_, kind, a, b, c, d, e, f]): RouteDistinguisher,
) -> nlri::RouteDistinguisher {
    use nlri::RouteDistinguisher as Rd;
    match kind {
        0 => Rd::As2Administrator {
            asn2: u16::from_be_bytes([a, b]),
            number: u32::from_be_bytes([c, d, e, f]),
        },
        1 => Rd::Ipv4Administrator {
            ip: [a, b, c, d].into(),
            number: u16::from_be_bytes([e, f]),
        },
        _ => Rd::As4Administrator {
            asn4: u32::from_be_bytes([a, b, c, d]),
            number: u16::from_be_bytes([e, f]),
        },
    }
}

fn our_label(label: &nlri::MplsLabel) -> Label {
    let [a, b, c] = *label.value();
    vni(u32::from_be_bytes([0, a, b, c]))
}

fn their_label(label: Label) -> nlri::MplsLabel {
    let [_, a, b, c] = label.vni().to_be_bytes();
    nlri::MplsLabel::new([a, b, c])
}

fn of_theirs(address: &L2EvpnAddress) -> EvpnRoute {
    match address.route() {
        L2EvpnRoute::EthernetAutoDiscovery(route) => EvpnRoute::AutoDiscovery(AutoDiscovery {
            rd: our_rd(route.rd()),
            esi: Esi(*route.segment_id().value()),
            tag: route.tag().value(),
            label: our_label(route.mpls_label()),
        }),
        L2EvpnRoute::MacIpAdvertisement(route) => EvpnRoute::MacIp(MacIp {
            rd: our_rd(route.rd()),
            esi: Esi(*route.segment_id().value()),
            tag: route.tag().value(),
            mac: Mac(*route.mac().value()),
            ip: route.ip(),
            label: our_label(route.mpls_label1()),
            routing_label: route.mpls_label2().map(our_label),
        }),
        L2EvpnRoute::InclusiveMulticastEthernetTagRoute(route) => {
            EvpnRoute::InclusiveMulticast(InclusiveMulticast {
                rd: our_rd(route.rd()),
                tag: route.tag().value(),
                originator: route.ip(),
            })
        }
        L2EvpnRoute::EthernetSegmentRoute(route) => EvpnRoute::EthernetSegment(EthernetSegment {
            rd: our_rd(route.rd()),
            esi: Esi(*route.segment_id().value()),
            originator: route.ip(),
        }),
        L2EvpnRoute::IpPrefixRoute(L2EvpnIpPrefixRoute::V4(route)) => {
            EvpnRoute::IpPrefix(IpPrefix {
                rd: our_rd(route.rd()),
                esi: Esi(*route.segment_id().value()),
                tag: route.tag().value(),
                prefix: IpNet::V4(route.prefix()),
                gateway: Some(IpAddr::V4(route.gateway())).filter(|to| !to.is_unspecified()),
                label: our_label(route.label()),
            })
        }
        L2EvpnRoute::IpPrefixRoute(L2EvpnIpPrefixRoute::V6(route)) => {
            EvpnRoute::IpPrefix(IpPrefix {
                rd: our_rd(route.rd()),
                esi: Esi(*route.segment_id().value()),
                tag: route.tag().value(),
                prefix: IpNet::V6(route.prefix()),
                gateway: Some(IpAddr::V6(route.gateway())).filter(|to| !to.is_unspecified()),
                label: our_label(route.label()),
            })
        }
        L2EvpnRoute::Unknown { code, .. } => panic!("type {code} was not written by us"),
    }
}

fn their_route(route: &EvpnRoute) -> L2EvpnAddress {
    let rd = their_rd(route.rd());
    let segment = |esi: Esi| nlri::EthernetSegmentIdentifier::new(esi.0);
    let tag = nlri::EthernetTag::new;
    let route = match route {
        EvpnRoute::AutoDiscovery(route) => {
            let (esi, label) = (segment(route.esi), their_label(route.label));
            let route = nlri::EthernetAutoDiscovery::new(rd, esi, tag(route.tag), label);
            L2EvpnRoute::EthernetAutoDiscovery(route)
        }
        EvpnRoute::MacIp(route) => L2EvpnRoute::MacIpAdvertisement(nlri::MacIpAdvertisement::new(
            rd,
            segment(route.esi),
            tag(route.tag),
            nlri::MacAddress::new(route.mac.0),
            route.ip,
            their_label(route.label),
            route.routing_label.map(their_label),
        )),
        EvpnRoute::InclusiveMulticast(route) => L2EvpnRoute::InclusiveMulticastEthernetTagRoute(
            nlri::InclusiveMulticastEthernetTagRoute::new(rd, tag(route.tag), route.originator),
        ),
        EvpnRoute::EthernetSegment(route) => {
            let route = nlri::EthernetSegmentRoute::new(rd, segment(route.esi), route.originator);
            L2EvpnRoute::EthernetSegmentRoute(route)
        }
        EvpnRoute::IpPrefix(route) => {
            let (esi, tag, label) = (segment(route.esi), tag(route.tag), their_label(route.label));
            L2EvpnRoute::IpPrefixRoute(match (route.prefix, route.gateway) {
                (IpNet::V4(prefix), gateway) => {
                    let IpAddr::V4(to) = gateway.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
                    else {
                        panic!("of another family than the prefix")
                    };
                    let route = nlri::L2EvpnIpv4PrefixRoute::new(rd, esi, tag, prefix, to, label);
                    L2EvpnIpPrefixRoute::V4(route)
                }
                (IpNet::V6(prefix), gateway) => {
                    let IpAddr::V6(to) = gateway.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
                    else {
                        panic!("of another family than the prefix")
                    };
                    let route = nlri::L2EvpnIpv6PrefixRoute::new(rd, esi, tag, prefix, to, label);
                    L2EvpnIpPrefixRoute::V6(route)
                }
            })
        }
    };
    L2EvpnAddress::new(None, route)
}

/// A route whose distinguisher is of a defined type.
fn shared_route() -> impl Strategy<Value = EvpnRoute> {
    let route = (any_route(), any::<[u8; 6]>(), 0..=2_u8);
    route.prop_map(|(mut route, [a, b, c, d, e, f], kind)| {
        let rd = RouteDistinguisher([0, kind, a, b, c, d, e, f]);
        match &mut route {
            EvpnRoute::AutoDiscovery(route) => route.rd = rd,
            EvpnRoute::MacIp(route) => route.rd = rd,
            EvpnRoute::InclusiveMulticast(route) => route.rd = rd,
            EvpnRoute::EthernetSegment(route) => route.rd = rd,
            EvpnRoute::IpPrefix(route) => route.rd = rd,
        }
        route
    })
}

fn any_community() -> impl Strategy<Value = EvpnCommunity> {
    let target = prop_oneof![
        any::<(u16, u32)>().prop_map(|(asn, number)| RouteTarget::As(asn, number)),
        any::<([u8; 4], u16)>().prop_map(|(ip, number)| RouteTarget::Address(ip.into(), number)),
        any::<(u32, u16)>().prop_map(|(asn, number)| RouteTarget::LongAs(asn, number)),
    ];
    prop_oneof![
        target.prop_map(EvpnCommunity::RouteTarget),
        any::<[u8; 6]>().prop_map(|mac| EvpnCommunity::RouterMac(Mac(mac))),
        any::<(bool, u32)>().prop_map(|(sticky, sequence)| {
            EvpnCommunity::Mobility(Mobility { sticky, sequence })
        }),
        Just(EvpnCommunity::Encapsulation(8)),
        Just(EvpnCommunity::DefaultGateway),
    ]
}

/// What of an UPDATE both codecs are asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) announced: Vec<EvpnRoute>,
    pub(super) withdrawn: Vec<EvpnRoute>,
    pub(super) next_hop: Option<IpAddr>,
}

impl Reading {
    pub(super) fn take(&mut self, message: &BgpMessage) {
        let BgpMessage::Update(update) = message else {
            panic!("not an UPDATE")
        };
        for attribute in update.path_attributes() {
            match attribute.value() {
                PathAttributeValue::MpReach(MpReach::L2Evpn { next_hop, nlri }) => {
                    self.next_hop = Some(*next_hop);
                    self.announced.extend(nlri.iter().map(of_theirs));
                }
                PathAttributeValue::MpUnreach(MpUnreach::L2Evpn { nlri }) => {
                    self.withdrawn
                        .extend(nlri.iter().map(|r| of_theirs(r).key()));
                }
                _ => {}
            }
        }
    }
}

/// EVPN has no link-local address beside the next hop.
pub(super) fn one_address(next_hop: NextHop) -> (NextHop, IpAddr) {
    match next_hop {
        NextHop::V4(address) => (next_hop, address.into()),
        NextHop::V6 { address, .. } => (address.into(), address.into()),
    }
}

pub(super) fn read_by_them(octets: &[u8]) -> Vec<BgpMessage> {
    use netgauze_parse_utils::reader::SliceReader;
    use netgauze_parse_utils::traits::ParseFromWithOneInput;
    let none = HashMap::new;
    let strict = true;
    let mut context =
        BgpParsingContext::new(true, none(), HashMap::new(), strict, strict, strict, strict);
    let (mut reader, mut messages) = (SliceReader::new(octets), Vec::new());
    while !reader.is_empty() {
        messages.push(BgpMessage::parse(&mut reader, &mut context).unwrap());
    }
    messages
}

pub(super) fn written_by_them(messages: &[BgpMessage]) -> Vec<u8> {
    use netgauze_parse_utils::WritablePdu;
    let mut octets = Vec::new();
    for message in messages {
        message.write(&mut octets).unwrap();
    }
    octets
}

fn attribute(
    optional: bool,
    transitive: bool,
    value: PathAttributeValue,
) -> path_attribute::PathAttribute {
    path_attribute::PathAttribute::from(optional, transitive, false, true, value)
        .ok()
        .unwrap()
}

proptest! {
    /// Fields, and through their reader and their writer unchanged.
    #[test]
    fn what_we_say_of_evpn_netgauze_reads_and_writes_as_we_do(
        all in vec(shared_route(), 1..60),
        communities in vec(any_community(), 1..8),
        next_hop in any_next_hop(),
    ) {
        let options = CodecOptions { internal_peer: true, ..speaks_evpn() };
        let attributes = PathAttributes {
            extended_communities: communities.into_iter().map(Into::into).collect(),
            local_pref: Some(100),
            ..PathAttributes::default()
        };
        let (hop, next_hop) = one_address(next_hop);
        let mut out = BytesMut::new();
        let family = Family::L2VPN_EVPN;
        pack::announce(&mut out, &options, family, hop, &attributes, all.iter().copied()).unwrap();
        pack::withdraw(&mut out, &options, family, all.iter().copied()).unwrap();

        let messages = read_by_them(&out);
        let mut reading = Reading::default();
        messages.iter().for_each(|message| reading.take(message));
        prop_assert_eq!(reading.next_hop, Some(next_hop));
        prop_assert_eq!(&reading.announced, &all);
        let keys: Vec<_> = all.iter().map(|route| route.key()).collect();
        prop_assert_eq!(&reading.withdrawn, &keys);

        let again = read_updates(&written_by_them(&messages), &options);
        let announced: Vec<_> = again.iter().flat_map(DecodedUpdate::evpn_announcements).collect();
        prop_assert_eq!(announced.iter().map(|(route, ..)| *route).collect::<Vec<_>>(), all);
        prop_assert!(announced.iter().all(|(_, to, shared)| *to == hop && **shared == attributes));
    }

    #[test]
    fn what_netgauze_says_of_evpn_we_read_as_it_meant(
        all in vec(shared_route(), 1..40),
        next_hop in any_next_hop(),
    ) {
        let (_, next_hop) = one_address(next_hop);
        let nlri: Box<[L2EvpnAddress]> = all.iter().map(their_route).collect();
        let path = path_attribute::AsPath::as4_path_segments([]);
        let update = |attributes: Vec<_>| {
            BgpMessage::Update(theirs::update::BgpUpdateMessage::new(vec![], attributes, vec![]))
        };
        let announce = update(vec![
            attribute(false, true, PathAttributeValue::Origin(path_attribute::Origin::IGP)),
            attribute(false, true, PathAttributeValue::AsPath(path)),
            attribute(true, false, PathAttributeValue::MpReach(MpReach::L2Evpn {
                next_hop,
                nlri: nlri.clone(),
            })),
        ]);
        let withdraw = update(vec![
            attribute(true, false, PathAttributeValue::MpUnreach(MpUnreach::L2Evpn { nlri })),
        ]);
        let octets = written_by_them(&[announce, withdraw]);
        let options = CodecOptions { internal_peer: true, extended_message: true, ..speaks_evpn() };
        let updates = read_updates(&octets, &options);
        prop_assert!(updates.iter().all(|update| update.errors.is_empty()));
        let announced: Vec<_> = updates.iter().flat_map(DecodedUpdate::evpn_announcements).collect();
        prop_assert_eq!(announced.iter().map(|(route, ..)| *route).collect::<Vec<_>>(), &all[..]);
        let withdrawn: Vec<_> = updates.iter().flat_map(DecodedUpdate::evpn_withdrawals).collect();
        prop_assert_eq!(withdrawn, all.iter().map(|route| route.key()).collect::<Vec<_>>());
    }
}
