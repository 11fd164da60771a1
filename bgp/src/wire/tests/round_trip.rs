//! What is written reads back, and reading never panics.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

pub(super) fn any_prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0..=32_u8).prop_map(|(bits, length)| {
        IpNet::V4(
            Ipv4Net::new(Ipv4Addr::from_bits(bits), length)
                .unwrap()
                .trunc(),
        )
    });
    let v6 = (any::<u128>(), 0..=128_u8).prop_map(|(bits, length)| {
        IpNet::V6(
            Ipv6Net::new(Ipv6Addr::from_bits(bits), length)
                .unwrap()
                .trunc(),
        )
    });
    prop_oneof![v4, v6]
}

fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

pub(super) fn any_next_hop() -> impl Strategy<Value = NextHop> {
    let global =
        any::<u64>().prop_map(|low| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(low)));
    let local = any::<u64>().prop_map(|low| Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(low)));
    prop_oneof![
        (1..=223_u8, any::<u16>()).prop_filter_map("loopback", |(first, rest)| {
            let [third, fourth] = rest.to_be_bytes();
            (first != 127).then(|| NextHop::V4(Ipv4Addr::new(first, 0, third, fourth)))
        }),
        local.clone().prop_map(NextHop::from),
        (global, option::of(local)).prop_map(|(address, link_local)| NextHop::V6 {
            address,
            link_local
        }),
    ]
}

fn any_as_path() -> impl Strategy<Value = AsPath> {
    let kind = prop_oneof![
        4 => Just(SegmentKind::Sequence),
        1 => Just(SegmentKind::Set),
        1 => Just(SegmentKind::ConfedSequence),
        1 => Just(SegmentKind::ConfedSet),
    ];
    let asn = prop_oneof![1..=65535_u32, 1..=u32::MAX].prop_map(Asn);
    let segment = (kind, vec(asn, 1..=20)).prop_map(|(kind, asns)| AsPathSegment {
        kind,
        asns: asns.into(),
    });
    vec(segment, 0..4).prop_map(|segments| AsPath {
        segments: segments.into(),
    })
}

fn any_unknown() -> impl Strategy<Value = Vec<UnknownAttribute>> {
    vec(
        (any::<bool>(), 128..=200_u8, vec(any::<u8>(), 0..300)),
        0..3,
    )
    .prop_map(|attributes| {
        let mut unknown: Vec<UnknownAttribute> = Vec::new();
        for (known_here, code, value) in attributes {
            // ATTR_SET and the like mean nothing to the codec; 0xe0 is optional, transitive and partial.
            if known_here && unknown.iter().all(|other| other.code != code) {
                unknown.push(UnknownAttribute {
                    flags: 0xe0,
                    code,
                    value: value.into(),
                });
            }
        }
        unknown
    })
}

pub(super) fn any_attributes() -> impl Strategy<Value = PathAttributes> {
    let origin = prop_oneof![
        Just(Origin::Igp),
        Just(Origin::Egp),
        Just(Origin::Incomplete)
    ];
    let aggregator = (1..=u32::MAX, any_v4()).prop_map(|(asn, address)| Aggregator {
        asn: Asn(asn),
        address,
    });
    let large = any::<(u32, u32, u32)>().prop_map(|(global, local1, local2)| LargeCommunity {
        global,
        local1,
        local2,
    });
    let numbers = (
        origin,
        any_as_path(),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        any::<bool>(),
    );
    let lists = (
        vec(any::<u32>().prop_map(Community), 0..80),
        vec(any::<[u8; 8]>().prop_map(ExtendedCommunity), 0..5),
        vec(large, 0..5),
        option::of(any_v4().prop_map(RouterId)),
        vec(any_v4(), 0..4),
    );
    (numbers, option::of(aggregator), lists, any_unknown()).prop_map(|(numbers, aggregator, lists, unknown)| {
        let (origin, as_path, med, local_pref, atomic_aggregate) = numbers;
        let (communities, extended_communities, large_communities, originator_id, cluster_list) = lists;
        PathAttributes {
            origin,
            as_path,
            next_hop: None,
            med,
            local_pref,
            atomic_aggregate,
            aggregator,
            communities,
            extended_communities,
            large_communities,
            originator_id,
            cluster_list,
            unknown,
        }
    })
}

fn any_nlri(v6: bool) -> impl Strategy<Value = Vec<Nlri>> {
    vec(any_prefix(), 1..40).prop_map(move |prefixes| {
        let wanted = prefixes
            .into_iter()
            .filter(|prefix| matches!(prefix, IpNet::V6(_)) == v6);
        wanted.map(Nlri::from).collect()
    })
}

fn any_update() -> impl Strategy<Value = Update> {
    let parts = (
        any_nlri(false),
        any_nlri(false),
        any_nlri(true),
        any_nlri(true),
    );
    (parts, any_attributes(), any_next_hop(), any_next_hop()).prop_map(
        |(parts, mut attributes, one, other)| {
            let (withdrawn, nlri, unreach, reach) = parts;
            let v6 = |hop| {
                if matches!(hop, NextHop::V6 { .. }) {
                    Some(hop)
                } else {
                    None
                }
            };
            let mp_reach = v6(one)
                .or_else(|| v6(other))
                .filter(|_| !reach.is_empty())
                .map(|next_hop| MpReach {
                    family: Family::IPV6_UNICAST,
                    next_hop: Some(next_hop),
                    nlri: FamilyNlri::Unicast(reach),
                });
            attributes.next_hop = (!nlri.is_empty()).then_some(Ipv4Addr::new(192, 0, 2, 1));
            Update {
                withdrawn,
                mp_unreach: (!unreach.is_empty()).then_some(MpUnreach {
                    family: Family::IPV6_UNICAST,
                    nlri: FamilyNlri::Unicast(unreach),
                }),
                attributes: (mp_reach.is_some() || !nlri.is_empty()).then_some(attributes),
                mp_reach,
                nlri,
            }
        },
    )
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let update = any_update().prop_map(|update| {
        let mut out = BytesMut::new();
        update
            .encode(
                &mut out,
                &CodecOptions {
                    extended_message: true,
                    ..wide()
                },
            )
            .unwrap();
        out.to_vec()
    });
    let noise = (1..=5_u8, vec(any::<u8>(), 0..400)).prop_map(|(kind, body)| {
        let mut out = vec![0xff; 16];
        out.put_u16(u16::try_from(body.len() + 19).unwrap());
        out.put_u8(kind);
        out.extend(body);
        out
    });
    prop_oneof![update, noise]
}

proptest! {
    #[test]
    fn an_update_reads_back(update in any_update(), four_octet_as in any::<bool>()) {
        let options = CodecOptions { four_octet_as, internal_peer: true, extended_message: true, ..CodecOptions::default() };
        let mut out = BytesMut::new();
        update.encode(&mut out, &options).unwrap();
        let Message::Update(mut decoded) = read(&out, &options).unwrap() else { panic!("not an UPDATE") };
        prop_assert_eq!(&decoded.errors, &vec![]);
        let mut update = update;
        if !four_octet_as {
            // A path cut and joined again keeps its ASes, not its segments; the inside of a confederation may be
            // lost (RFC 6793 §3).
            let flat = |update: &mut Update| {
                let path = update.attributes.as_mut().map(|attributes| std::mem::take(&mut attributes.as_path));
                path.map(|mut path| {
                    path.segments.retain(|s| matches!(s.kind, SegmentKind::Sequence | SegmentKind::Set));
                    path.asns().collect::<Vec<_>>()
                })
            };
            prop_assert_eq!(flat(&mut update), flat(&mut decoded.update));
        }
        prop_assert_eq!(&decoded.update, &update);
        prop_assert_eq!(decoded.end_of_rib(), update.end_of_rib());
    }

    #[test]
    fn corrupt_octets_never_panic(
        octets in any_message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        four_octet_as in any::<bool>(),
        internal_peer in any::<bool>(),
    ) {
        let options = CodecOptions { four_octet_as, internal_peer, extended_message: true, ..CodecOptions::default() };
        let mut octets = octets;
        for (position, value) in changes {
            let position = 18 + position.index(octets.len() - 18);
            octets[position] = value;
        }
        let mut buffer = BytesMut::from(&octets[..]);
        if let Ok(Some(raw)) = frame::next_message(&mut buffer, 65535)
            && let Err(error) = decode(&raw, &options)
        {
            let mut out = BytesMut::new();
            error.notification.encode(&mut out).unwrap();
            prop_assert!(out.len() <= 4096);
        }
    }
}

#[test]
fn a_path_of_more_than_255_is_cut_into_segments() {
    let as_path = AsPath::sequence((1..=600).map(Asn));
    let attributes = PathAttributes {
        as_path,
        ..PathAttributes::default()
    };
    let mut out = BytesMut::new();
    let host = Nlri::from("10.0.0.1/32".parse::<IpNet>().unwrap());
    let hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));
    pack::announce(
        &mut out,
        &wide(),
        Family::IPV4_UNICAST,
        hop,
        &attributes,
        [host],
    )
    .unwrap();
    let updates = read_updates(&out, &wide());
    let path = &updates[0].update.attributes.as_ref().unwrap().as_path;
    assert_eq!(
        path.segments
            .iter()
            .map(|segment| segment.asns.len())
            .collect::<Vec<_>>(),
        [255, 255, 90]
    );
    assert!(path.asns().eq(attributes.as_path.asns()));
}
