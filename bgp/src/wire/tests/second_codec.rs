//! A codec that others wrote, rustbgpd-wire, as the second opinion: what we write it reads the same, and the other
//! way about. Confederation segments are left out, which it does not know.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rustbgpd_wire as theirs;
use theirs::attribute::PathAttribute;

use super::other_messages::{any_open, usual_family};
use super::round_trip::{any_attributes, any_next_hop, any_prefix};
use super::*;

/// What both codecs are asked for, in our words.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    attributes: PathAttributes,
    withdrawn: Vec<IpNet>,
    announced: Vec<IpNet>,
    mp_withdrawn: Vec<IpNet>,
    mp_announced: Vec<IpNet>,
    mp_next_hop: Option<NextHop>,
}

fn unicast(nlri: &[Nlri]) -> Vec<IpNet> {
    nlri.iter().map(|nlri| nlri.prefix).collect()
}

impl From<Update> for Reading {
    fn from(update: Update) -> Self {
        let reach = update.mp_reach.as_ref();
        Self {
            withdrawn: unicast(&update.withdrawn),
            announced: unicast(&update.nlri),
            mp_withdrawn: update
                .mp_unreach
                .map_or_else(Vec::new, |unreach| unicast(unreach.nlri.unicast())),
            mp_announced: reach.map_or_else(Vec::new, |reach| unicast(reach.nlri.unicast())),
            mp_next_hop: reach.and_then(|reach| reach.next_hop),
            attributes: update.attributes.unwrap_or_default(),
        }
    }
}

fn prefix(prefix: &theirs::Prefix) -> IpNet {
    match prefix {
        theirs::Prefix::V4(net) => IpNet::new(net.addr.into(), net.len).unwrap(),
        theirs::Prefix::V6(net) => IpNet::new(net.addr.into(), net.len).unwrap(),
    }
}

fn segment(segment: &theirs::AsPathSegment) -> AsPathSegment {
    let (kind, asns) = match segment {
        theirs::AsPathSegment::AsSet(asns) => (SegmentKind::Set, asns),
        theirs::AsPathSegment::AsSequence(asns) => (SegmentKind::Sequence, asns),
    };
    AsPathSegment {
        kind,
        asns: asns.iter().copied().map(Asn).collect(),
    }
}

impl Reading {
    fn of_theirs(parsed: &theirs::ParsedUpdate) -> Self {
        let mut reading = Self {
            withdrawn: parsed
                .withdrawn
                .iter()
                .map(|entry| prefix(&theirs::Prefix::V4(entry.prefix)))
                .collect(),
            announced: parsed
                .announced
                .iter()
                .map(|entry| prefix(&theirs::Prefix::V4(entry.prefix)))
                .collect(),
            ..Self::default()
        };
        for attribute in &parsed.attributes {
            reading.take(attribute);
        }
        reading
    }

    fn take(&mut self, attribute: &PathAttribute) {
        let ours = &mut self.attributes;
        match attribute {
            PathAttribute::Origin(origin) => {
                ours.origin = match origin {
                    theirs::Origin::Igp => Origin::Igp,
                    theirs::Origin::Egp => Origin::Egp,
                    theirs::Origin::Incomplete => Origin::Incomplete,
                }
            }
            PathAttribute::AsPath(path) => {
                ours.as_path.segments = path.segments.iter().map(segment).collect();
            }
            PathAttribute::NextHop(next_hop) => ours.next_hop = Some(*next_hop),
            PathAttribute::Med(med) => ours.med = Some(*med),
            PathAttribute::LocalPref(preference) => ours.local_pref = Some(*preference),
            PathAttribute::AtomicAggregate => ours.atomic_aggregate = true,
            PathAttribute::Aggregator(aggregator) => {
                ours.aggregator = Some(Aggregator {
                    asn: Asn(aggregator.asn),
                    address: aggregator.router_id,
                });
            }
            PathAttribute::Communities(list) => {
                ours.communities = list.iter().copied().map(Community).collect();
            }
            PathAttribute::ExtendedCommunities(list) => {
                ours.extended_communities = list
                    .iter()
                    .map(|community| ExtendedCommunity(community.as_u64().to_be_bytes()))
                    .collect();
            }
            PathAttribute::LargeCommunities(list) => {
                ours.large_communities = list
                    .iter()
                    .map(|community| LargeCommunity {
                        global: community.global_admin,
                        local1: community.local_data1,
                        local2: community.local_data2,
                    })
                    .collect();
            }
            PathAttribute::OriginatorId(id) => ours.originator_id = Some(RouterId(*id)),
            PathAttribute::ClusterList(list) => ours.cluster_list.clone_from(list),
            PathAttribute::MpReachNlri(reach) => {
                self.mp_announced = reach.announced.iter().map(|e| prefix(&e.prefix)).collect();
                self.mp_next_hop = Some(match reach.next_hop {
                    IpAddr::V4(address) => NextHop::V4(address),
                    IpAddr::V6(address) => NextHop::V6 {
                        address,
                        link_local: reach.link_local_next_hop,
                    },
                });
            }
            PathAttribute::MpUnreachNlri(unreach) => {
                self.mp_withdrawn = unreach
                    .withdrawn
                    .iter()
                    .map(|e| prefix(&e.prefix))
                    .collect();
            }
            PathAttribute::Unknown(raw) => ours.unknown.push(UnknownAttribute {
                flags: raw.flags & 0xe0,
                code: raw.type_code,
                value: raw.data.clone(),
            }),
            other => panic!("not written by us: {other:?}"),
        }
    }
}

/// Attributes that both codecs hold to be sound and keep as they are: rustbgpd refuses sets (RFC 9774 §3), does not know
/// confederations, and drops large communities that come twice (RFC 8092 §5).
fn shared_attributes() -> impl Strategy<Value = PathAttributes> {
    any_attributes().prop_map(|mut attributes| {
        attributes
            .as_path
            .segments
            .retain(|segment| segment.kind == SegmentKind::Sequence);
        // ATTR_SET (RFC 6368), into which it looks.
        attributes.unknown.retain(|attribute| attribute.code != 128);
        let mut seen = std::collections::HashSet::new();
        attributes
            .large_communities
            .retain(|community| seen.insert(*community));
        attributes
    })
}

fn session(four_octet_as: bool) -> CodecOptions {
    CodecOptions {
        four_octet_as,
        internal_peer: true,
        extended_message: true,
        extended_next_hop: [Family::IPV4_UNICAST].into(),
        ..CodecOptions::default()
    }
}

/// Every UPDATE of `octets`, as rustbgpd reads it.
fn read_by_them(octets: BytesMut, four_octet_as: bool) -> Vec<Reading> {
    let mut octets = octets.freeze();
    let mut readings = Vec::new();
    while !octets.is_empty() {
        let theirs::Message::Update(update) = theirs::decode_message(&mut octets, 65535).unwrap()
        else {
            panic!("not an UPDATE")
        };
        let parsed = update
            .parse_revised(four_octet_as, true, false, &[])
            .unwrap();
        assert_eq!(parsed.malformed, [], "nothing to complain about");
        readings.push(Reading::of_theirs(&parsed.update));
    }
    readings
}

proptest! {
    #[test]
    fn what_we_announce_and_withdraw_they_read_as_we_do(
        attributes in shared_attributes(),
        next_hop in any_next_hop(),
        destinations in vec(any_prefix(), 1..60),
    ) {
        let options = session(true);
        for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
            if family == Family::IPV6_UNICAST && matches!(next_hop, NextHop::V4(_)) {
                continue;
            }
            let v6 = family == Family::IPV6_UNICAST;
            let nlri: Vec<Nlri> =
                destinations.iter().filter(|net| net.addr().is_ipv6() == v6).copied().map(Nlri::from).collect();
            let mut out = BytesMut::new();
            pack::announce(&mut out, &options, family, next_hop, &attributes, nlri.clone()).unwrap();
            pack::withdraw(&mut out, &options, family, nlri).unwrap();
            let ours: Vec<Reading> =
                read_updates(&out, &options).into_iter().map(|decoded| decoded.update.into()).collect();
            prop_assert_eq!(read_by_them(out, true), ours);
        }
    }

    /// Through their reader and their writer, and unchanged: every capability that both know, and those that are kept.
    #[test]
    fn our_open_survives_them(open in any_open(usual_family())) {
        let mut octets = BytesMut::new();
        prop_assume!(open.encode(&mut octets).is_ok());
        let read_by_them = theirs::decode_message(&mut octets.freeze(), 4096).unwrap();
        let written_by_them = theirs::encode_message(&read_by_them).unwrap();
        prop_assert_eq!(read(&written_by_them, &CodecOptions::default()), Ok(Message::Open(open)));
    }

    #[test]
    fn what_they_write_we_read_as_they_do(
        attributes in shared_attributes(),
        next_hop in (1..=223_u8, any::<u16>()).prop_filter("loopback", |(first, _)| *first != 127),
        announced in vec((any::<u32>(), 0..=32_u8), 1..40),
        withdrawn in vec((any::<u32>(), 0..=32_u8), 0..40),
        med in option::of(any::<u32>()),
    ) {
        let entry = |(bits, length): (u32, u8)| theirs::Ipv4NlriEntry {
            path_id: 0,
            prefix: theirs::Ipv4Prefix::new(Ipv4Addr::from_bits(bits), length),
        };
        let announced: Vec<_> = announced.into_iter().map(entry).collect();
        let withdrawn: Vec<_> = withdrawn.into_iter().map(entry).collect();
        let [high, low] = next_hop.1.to_be_bytes();
        let mut written = their_attributes(&attributes, Ipv4Addr::new(next_hop.0, 0, high, low));
        written.extend(med.map(PathAttribute::Med));
        let update = theirs::UpdateMessage::try_build(
            &announced, &withdrawn, &written, true, false, theirs::Ipv4UnicastMode::Body,
        ).unwrap();
        let octets = theirs::encode_message_with_limit(&theirs::Message::Update(update), 65535).unwrap();
        let ours: Vec<Reading> = read_updates(&octets, &session(true))
            .into_iter()
            .map(|decoded| {
                assert_eq!(decoded.errors, []);
                decoded.update.into()
            })
            .collect();
        prop_assert_eq!(ours, read_by_them(octets, true));
    }
}

/// Our attributes in their words, as far as the words differ little.
fn their_attributes(ours: &PathAttributes, next_hop: Ipv4Addr) -> Vec<PathAttribute> {
    let segments = ours.as_path.segments.iter().map(|segment| {
        let asns = segment.asns.iter().map(|asn| asn.0).collect();
        match segment.kind {
            SegmentKind::Set => theirs::AsPathSegment::AsSet(asns),
            _ => theirs::AsPathSegment::AsSequence(asns),
        }
    });
    let mut theirs = vec![
        PathAttribute::Origin(theirs::Origin::Egp),
        PathAttribute::AsPath(theirs::AsPath {
            segments: segments.collect(),
        }),
        PathAttribute::NextHop(next_hop),
    ];
    theirs.extend(ours.local_pref.map(PathAttribute::LocalPref));
    if !ours.communities.is_empty() {
        let values = ours.communities.iter().map(|community| community.0);
        theirs.push(PathAttribute::Communities(values.collect()));
    }
    if !ours.extended_communities.is_empty() {
        let values = ours.extended_communities.iter();
        let values = values.map(|c| theirs::ExtendedCommunity::new(u64::from_be_bytes(c.0)));
        theirs.push(PathAttribute::ExtendedCommunities(values.collect()));
    }
    if !ours.large_communities.is_empty() {
        let values = ours.large_communities.iter();
        let values = values.map(|c| theirs::LargeCommunity::new(c.global, c.local1, c.local2));
        theirs.push(PathAttribute::LargeCommunities(values.collect()));
    }
    theirs.extend(
        ours.originator_id
            .map(|id| PathAttribute::OriginatorId(id.0)),
    );
    if !ours.cluster_list.is_empty() {
        theirs.push(PathAttribute::ClusterList(ours.cluster_list.clone()));
    }
    theirs
}
