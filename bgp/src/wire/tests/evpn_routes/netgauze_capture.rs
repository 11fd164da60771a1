//! NetGauze's capture of EVPN (`tests/fixtures/netgauze`, see its NOTICE): two routers with sessions of EVPN and both
//! VPN families over IPv6, as a monitoring station was told of them (BMP, RFC 7854).

use netgauze_bgp_pkt as theirs;
use theirs::BgpMessage;
use theirs::capabilities::BgpCapability;
use theirs::open::BgpOpenMessage;
use theirs::path_attribute::{AsPath as TheirAsPath, AsPathSegmentType, PathAttributeValue};
use theirs::update::BgpUpdateMessage;

use super::super::super::attribute::attribute_code as code;
use super::super::super::evpn::{EvpnCommunity, RouteTarget};
use super::super::dissector;
use super::third_codec::{Reading, one_address, read_by_them, written_by_them};
use super::*;

/// What NetGauze says of the capture, one message a line.
const SAID: &str = include_str!("../../../../tests/fixtures/netgauze/evpn-bmp.json");

/// The same messages in octets, in the same order.
const OCTETS: &str = include_str!("../../../../tests/fixtures/netgauze/evpn-bmp.hex");

/// Each message of the capture: its octets, what NetGauze's reader and what ours makes of them.
fn capture() -> Vec<(Vec<u8>, BgpMessage, Message)> {
    let each = OCTETS.lines().map(|line| {
        let octets = hex(line);
        let [said] = <[BgpMessage; 1]>::try_from(read_by_them(&octets)).unwrap();
        let ours = read(&octets, &speaks_evpn()).unwrap();
        (octets, said, ours)
    });
    each.collect()
}

/// The UPDATEs of the capture, of EVPN or else of the VPN families.
fn updates(of_evpn: bool) -> Vec<(Vec<u8>, BgpMessage, DecodedUpdate)> {
    let updates = capture().into_iter().filter_map(|(octets, said, ours)| {
        let Message::Update(ours) = ours else {
            return None;
        };
        let update = &ours.update;
        let reach = update.mp_reach.as_ref().map(|mp| mp.family);
        let unreach = update.mp_unreach.as_ref().map(|mp| mp.family);
        let family = reach.or(unreach).unwrap();
        ((family == Family::L2VPN_EVPN) == of_evpn).then_some((octets, said, ours))
    });
    updates.collect()
}

/// What NetGauze says of the attributes, in our words. Prefix-SIDs are left out: we do not route by segments.
fn attributes_of_theirs(update: &BgpUpdateMessage) -> PathAttributes {
    let mut ours = PathAttributes::default();
    for attribute in update.path_attributes() {
        match attribute.value() {
            PathAttributeValue::Origin(theirs::path_attribute::Origin::IGP) => {
                ours.origin = Origin::Igp;
            }
            PathAttributeValue::AsPath(TheirAsPath::As4PathSegments(segments)) => {
                for segment in segments {
                    assert_eq!(segment.segment_type(), AsPathSegmentType::AsSequence);
                    ours.as_path.segments.push(AsPathSegment {
                        kind: SegmentKind::Sequence,
                        asns: segment.as_numbers().iter().copied().map(Asn).collect(),
                    });
                }
            }
            PathAttributeValue::MultiExitDiscriminator(med) => ours.med = Some(med.metric()),
            PathAttributeValue::Communities(list) => {
                let list = list.communities().iter();
                ours.communities = list.map(|each| Community(each.value())).collect();
            }
            PathAttributeValue::ExtendedCommunities(list) => {
                ours.extended_communities = list.communities().iter().map(octets_of).collect();
            }
            PathAttributeValue::PrefixSegmentIdentifier(_)
            | PathAttributeValue::MpReach(_)
            | PathAttributeValue::MpUnreach(_) => {}
            other => panic!("not in the capture: {other:?}"),
        }
    }
    ours
}

fn octets_of(community: &theirs::community::ExtendedCommunity) -> ExtendedCommunity {
    use netgauze_parse_utils::WritablePdu;
    let mut octets = Vec::new();
    community.write(&mut octets).unwrap();
    ExtendedCommunity(octets.try_into().unwrap())
}

fn family_of_theirs(afi: u16, safi: u8) -> Family {
    Family { afi, safi }
}

fn open_of_theirs(open: &BgpOpenMessage) -> Open {
    let capability = |capability: &BgpCapability| match capability {
        BgpCapability::MultiProtocolExtensions(family) => {
            let family = family.address_type();
            Capability::Multiprotocol(family_of_theirs(
                family.address_family() as u16,
                family.subsequent_address_family() as u8,
            ))
        }
        BgpCapability::RouteRefresh => Capability::RouteRefresh,
        // From before RFC 2918; the IANA calls it deprecated (RFC 8810).
        BgpCapability::CiscoRouteRefresh => Capability::Unknown {
            code: 128,
            value: vec![].into(),
        },
        BgpCapability::FourOctetAs(asn) => Capability::FourOctetAs(Asn(asn.asn4())),
        BgpCapability::ExtendedNextHopEncoding(lines) => {
            let lines = lines.encodings().iter().map(|line| ExtendedNextHop {
                family: family_of_theirs(
                    line.address_type().address_family() as u16,
                    line.address_type().subsequent_address_family() as u8,
                ),
                next_hop_afi: line.next_hop_afi() as u16,
            });
            Capability::ExtendedNextHop(lines.collect())
        }
        other => panic!("not in the capture: {other:?}"),
    };
    Open {
        asn: Asn(open.my_asn4()),
        hold_time: open.hold_time(),
        router_id: RouterId(open.bgp_id()),
        capabilities: open.capabilities().into_iter().map(capability).collect(),
    }
}

/// The value of an attribute as it lies in the octets of an UPDATE that withdraws nothing of IPv4.
fn value_of(octets: &[u8], wanted: u8) -> &[u8] {
    const ATTRIBUTES: usize = 19 + 2 + 2;
    let mut rest = &octets[ATTRIBUTES..];
    while let &[flags, code, high, low, ..] = rest {
        let (head, length) = if flags & 0x10 == 0 {
            (3, usize::from(high))
        } else {
            (4, usize::from(u16::from_be_bytes([high, low])))
        };
        let (attribute, behind) = rest.split_at(head + length);
        if code == wanted {
            return &attribute[head..];
        }
        rest = behind;
    }
    panic!("no attribute {wanted}")
}

/// The octets were made of the JSON once, by NetGauze's writer. Neither has drifted from the other since.
#[test]
fn the_octets_of_the_capture_are_what_netgauze_says_of_it() {
    let said: Vec<BgpMessage> = SAID
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let digits = |message: &BgpMessage| {
        let octets = written_by_them(std::slice::from_ref(message));
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    };
    let written: Vec<String> = said.iter().map(digits).collect();
    assert_eq!(written.join("\n"), OCTETS.trim_end());
    let read: Vec<BgpMessage> = capture().into_iter().map(|(_, read, _)| read).collect();
    assert_eq!(read, said);
}

#[test]
fn recorded_opens_offer_evpn_as_netgauze_reads_them() {
    let mut speakers = Vec::new();
    for (_, said, ours) in capture() {
        let (BgpMessage::Open(said), Message::Open(open)) = (said, ours) else {
            continue;
        };
        assert_eq!(open, open_of_theirs(&said));
        assert!(open.families().contains(&Family::L2VPN_EVPN));
        speakers.push((open.asn, open.router_id.0.to_string()));

        let mut out = BytesMut::new();
        let ours = Message::Open(open);
        ours.encode(&mut out, &CodecOptions::default()).unwrap();
        let [BgpMessage::Open(again)] = &read_by_them(&out)[..] else {
            panic!("one OPEN")
        };
        assert_eq!(open_of_theirs(again), open_of_theirs(&said));
    }
    // AS 65543 does not fit two octets: it stands in the capability, AS_TRANS (23456) in the fixed field.
    let (long, short) = ("198.51.100.44".to_owned(), "198.51.100.154".to_owned());
    assert_eq!(speakers, [(Asn(65543), long), (Asn(65000), short)]);
}

/// Why both routers reset their session.
#[test]
fn the_recorded_notification_is_an_administrative_reset() {
    use notification::{cease_subcode, code};
    let ours = capture().into_iter().map(|(_, _, ours)| ours);
    let notifications: Vec<Message> = ours
        .filter(|message| matches!(message, Message::Notification(_)))
        .collect();
    let reset = Notification::new(code::CEASE, cease_subcode::ADMINISTRATIVE_RESET, &[]);
    assert_eq!(notifications, [Message::Notification(reset)]);
}

#[test]
fn evpn_routes_of_the_capture_read_as_netgauze_reads_them() {
    let mut ends = 0;
    let mut routes = Vec::new();
    for (_, said, ours) in updates(true) {
        let mut reading = Reading::default();
        reading.take(&said);
        let announced: Vec<_> = ours.evpn_announcements().collect();
        let read: Vec<_> = announced.iter().map(|(route, ..)| *route).collect();
        assert_eq!(read, reading.announced);
        assert_eq!(
            ours.evpn_withdrawals().collect::<Vec<_>>(),
            reading.withdrawn
        );
        if ours.end_of_rib() == Some(Family::L2VPN_EVPN) {
            assert_eq!((announced.len(), ours.errors.len()), (0, 0));
            ends += 1;
            continue;
        }
        let BgpMessage::Update(said) = said else {
            panic!("an UPDATE")
        };
        for (route, next_hop, attributes) in announced {
            let (_, next_hop) = one_address(next_hop);
            assert_eq!(Some(next_hop), reading.next_hop);
            assert_eq!(*attributes, attributes_of_theirs(&said));
            routes.push((route, next_hop.to_string(), attributes.clone()));
        }
    }
    assert_eq!((routes.len(), ends), (2, 1));
}

/// By hand, whatever NetGauze says: routes of type 1 of a virtual private wire (RFC 8214 §3.1), whose label is the part
/// of an SRv6 SID that was moved into it (RFC 9252 §4).
#[test]
fn evpn_routes_of_the_capture_are_those_of_a_virtual_wire() {
    let layer_2 = ExtendedCommunity([6, 4, 0, 2, 0, 0, 0, 0]);
    let target = EvpnCommunity::RouteTarget(RouteTarget::As(64497, 41));
    let mut routes = Vec::new();
    for (octets, _, ours) in updates(true) {
        for (route, next_hop, attributes) in ours.evpn_announcements() {
            let (_, next_hop) = one_address(next_hop);
            let path = attributes.as_path.to_string();
            routes.push((route, next_hop.to_string(), path));
            assert_eq!(attributes.extended_communities, [layer_2, target.into()]);
            // RFC 8669 §4: segments end where the segment routing domain ends; nothing of them stays with the route.
            assert!(!value_of(&octets, code::PREFIX_SID).is_empty());
            let errors = ours.errors.iter();
            let dropped = errors.map(|error| (error.code, error.disposition));
            assert!(dropped.eq([(code::PREFIX_SID, Disposition::Discard)]));
            assert!(attributes.unknown.is_empty());
        }
    }
    let wire = |router: [u8; 4]| {
        EvpnRoute::AutoDiscovery(AutoDiscovery {
            rd: RouteDistinguisher::of_address(router.into(), 513),
            esi: Esi::SINGLE_HOMED,
            tag: 513,
            label: vni(0xe0_0000),
        })
    };
    let expected = [
        (wire([198, 51, 100, 154]), "fcba:be00:3002::2", "65000"),
        (wire([198, 51, 100, 44]), "fcba:be00:3001::1", "65543"),
    ];
    let expected = expected.map(|(route, to, path)| (route, to.to_owned(), path.to_owned()));
    assert_eq!(routes, expected);
}

/// Octet by octet, what says which routes, whither and whose.
#[test]
fn evpn_routes_of_the_capture_are_written_again_in_the_same_octets() {
    let mut packed_routes = 0;
    for (octets, _, ours) in updates(true) {
        let mut out = BytesMut::new();
        ours.update.encode(&mut out, &speaks_evpn()).unwrap();
        if ours.end_of_rib().is_some() {
            assert_eq!(out, octets);
            continue;
        }
        for code in [
            code::MP_REACH_NLRI,
            code::ORIGIN,
            code::AS_PATH,
            code::EXTENDED_COMMUNITIES,
        ] {
            assert_eq!(value_of(&out, code), value_of(&octets, code), "{code}");
        }
        // And packed with others of its kind, as the speaker sends.
        let family = Family::L2VPN_EVPN;
        for (route, hop, attributes) in ours.evpn_announcements() {
            let mut packed = BytesMut::new();
            pack::announce(
                &mut packed,
                &speaks_evpn(),
                family,
                hop,
                attributes,
                [route],
            )
            .unwrap();
            let reach = code::MP_REACH_NLRI;
            assert_eq!(value_of(&packed, reach), value_of(&octets, reach));
            packed_routes += 1;
        }
    }
    assert_eq!(packed_routes, 2);
}

/// The same session carries VPNv4 and VPNv6, which we do not speak. Among them is VPNv4 whose next hop, 252.186.190.0,
/// is the first four octets of the neighbour's IPv6 address: some router's fault, it seems. It costs nobody anything.
#[test]
fn routes_of_the_other_families_of_the_capture_stay_octets() {
    let vpn = |afi| Family { afi, safi: 128 };
    let mut ends = Vec::new();
    let (mut announcing, mut withdrawing) = (0, 0);
    for (octets, said, ours) in updates(false) {
        let BgpMessage::Update(said) = said else {
            panic!("an UPDATE")
        };
        assert_eq!(
            (ours.announcements().count(), ours.withdrawals().count()),
            (0, 0)
        );
        assert_eq!(ours.disabled_families().count(), 0);
        let sids = ours
            .errors
            .iter()
            .filter(|error| error.code == code::PREFIX_SID);
        assert_eq!(sids.count(), ours.errors.len(), "{:?}", ours.errors);
        assert!(!ours.treat_as_withdraw);
        if let Some(attributes) = &ours.update.attributes {
            assert_eq!(*attributes, attributes_of_theirs(&said));
        }
        let opaque = |nlri: &FamilyNlri, tail: &[u8]| {
            let FamilyNlri::Opaque(kept) = nlri else {
                panic!("read: {nlri:?}")
            };
            assert!(tail.ends_with(kept));
            !kept.is_empty()
        };
        if let Some(reach) = &ours.update.mp_reach {
            announcing += 1;
            assert!(opaque(&reach.nlri, value_of(&octets, code::MP_REACH_NLRI)));
        } else if let Some(unreach) = &ours.update.mp_unreach
            && opaque(&unreach.nlri, value_of(&octets, code::MP_UNREACH_NLRI))
        {
            withdrawing += 1;
        }
        ends.extend(ours.end_of_rib());
    }
    assert_eq!((announcing, withdrawing), (5, 1));
    assert_eq!(ends, [vpn(1), vpn(2)]);
}

/// A third opinion on the octets: NetGauze wrote them, tshark finds in them what NetGauze had read.
#[test]
fn tshark_reads_the_capture_of_netgauze() {
    let octets: Vec<u8> = capture()
        .into_iter()
        .flat_map(|(octets, ..)| octets)
        .collect();
    dissector::assert_dissects(
        &octets,
        &[
            ("bgp.cap.4as", "65543,65000"),
            ("bgp.evpn.nlri.rt", "1,1"),
            ("bgp.evpn.nlri.len", "25,25"),
            ("bgp.evpn.nlri.rd", "0001c633649a0201,0001c633642c0201"),
            ("bgp.evpn.nlri.etag", "513,513"),
            // The upper 20 of the 24 bits.
            ("bgp.evpn.nlri.mpls_ls1", "917504,917504"),
            ("bgp.ext_com_evpn.l2attr.l2_mtu", "0,0"),
            // Of VPNv4, EVPN, VPNv4, VPNv6, EVPN: SRv6 services of layer 3 (5) and 2 (6).
            ("bgp.prefix_sid.type", "5,6,5,5,6"),
        ],
    );
}
