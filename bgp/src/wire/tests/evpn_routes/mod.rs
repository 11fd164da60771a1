//! Routes of EVPN: drawings, exact lengths, captures, properties, and what tshark makes of ours.

mod drawings;
mod netgauze_capture;
mod properties;
mod recorded;
mod third_codec;

use std::net::Ipv4Addr;

use super::super::evpn::{
    AutoDiscovery, Esi, EthernetSegment, EvpnRoute, EvpnRoutes, InclusiveMulticast, IpPrefix,
    Label, Mac, MacIp, RouteDistinguisher,
};
use super::*;
use drawings::{NO_ESI, RD_HEX, drawn};

fn speaks_evpn() -> CodecOptions {
    CodecOptions {
        evpn: true,
        ..wide()
    }
}

fn vni(number: u32) -> Label {
    Label::of_vni(number).unwrap()
}

/// The routes of MP_REACH_NLRI around these octets.
fn reached(nlri: &[u8]) -> Result<DecodedUpdate, DecodeError> {
    let mut value = hex("001946 04 0a000001 00");
    value.extend_from_slice(nlri);
    let mut attributes = hex("900e");
    attributes.put_u16(u16::try_from(value.len()).unwrap());
    attributes.extend(value);
    attributes.extend(hex("400101 00 400206 0201 0000fde9"));
    read_update(&update_body(&[], &attributes, &[]), &speaks_evpn())
}

fn routes(update: &DecodedUpdate) -> Vec<EvpnRoute> {
    update
        .evpn_announcements()
        .map(|(route, ..)| route)
        .collect()
}

fn with_head(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, u8::try_from(value.len()).unwrap()], value].concat()
}

#[test]
fn routes_of_each_type_are_drawn_as_the_rfcs_draw_them() {
    for (route, octets) in drawn() {
        let mut out = BytesMut::new();
        route.encode(&mut out);
        assert_eq!(out, octets, "{route}");
        assert_eq!(route.octets(), octets.len(), "{route}");
        let update = reached(&octets).unwrap();
        assert_eq!((update.errors.len(), routes(&update)), (0, vec![route]));
    }
}

/// FRR CVE-2026-5107 and GoBGP 69da7bfa: of each type only the lengths that its fields add up to are believed. Any other
/// makes the family unbelievable (RFC 7606 §5.3), and nothing is read beyond the length that was granted.
#[test]
fn cve_2026_5107_only_exact_lengths_are_read() {
    let lengths: [(u8, &[u8]); 5] = [
        (1, &[25]),
        (2, &[33, 36, 37, 40, 49, 52]),
        (3, &[17, 29]),
        (4, &[23, 35]),
        (5, &[34, 58]),
    ];
    for (_, octets) in drawn() {
        let (kind, value) = (octets[0], &octets[2..]);
        for length in 0..=64_u8 {
            let mut cut = value.to_vec();
            cut.resize(length.into(), 0);
            let update = reached(&with_head(kind, &cut)).unwrap();
            let (_, sound) = lengths.iter().find(|(k, _)| *k == kind).unwrap();
            let reach = update.update.mp_reach.as_ref();
            let read = reach.is_some_and(|reach| !reach.nlri.evpn().is_empty());
            assert!(
                !read || sound.contains(&length),
                "type {kind} of {length} octets was read"
            );
            assert_eq!(
                read,
                update.errors.is_empty(),
                "type {kind}, {length} octets"
            );
        }
    }
}

/// Lengths inside the route that its own length does not bear out.
#[test]
fn cve_2026_5107_lengths_within_a_route_are_held_against_it() {
    let mac = format!("{RD_HEX} {NO_ESI} 00000000");
    for (kind, value, why) in [
        (2, format!("{mac} 2f 020000000001 00 0003e9"), "48 bits"),
        (
            2,
            format!("{mac} 30 020000000001 21 0a000001 0003e9"),
            "128 bits",
        ),
        (
            2,
            format!("{mac} 30 020000000001 80 0a000001 0003e9"),
            "too early",
        ),
        (
            3,
            format!("{RD_HEX} 00000000 00 0a000001"),
            "router that speaks",
        ),
        (3, format!("{RD_HEX} 00000000 80 0a000001"), "too early"),
        (4, format!("{RD_HEX} {NO_ESI} ff 0a000001"), "128 bits"),
        (
            5,
            format!("{RD_HEX} {NO_ESI} 00000000 21 0a000001 00000000 00004d"),
            "longer than an address",
        ),
        (
            5,
            format!("{RD_HEX} {NO_ESI} 00000000 81 {} 00004d", "00".repeat(32)),
            "longer than an address",
        ),
    ] {
        let update = reached(&with_head(kind, &hex(&value))).unwrap();
        assert!(routes(&update).is_empty());
        let (family, error) = update.disabled_families().next().unwrap();
        assert_eq!(family, Family::L2VPN_EVPN);
        assert!(error.reason.contains(why), "{value}: {}", error.reason);
    }
}

/// RFC 7606 §5.4; and nothing but such routes is not an End-of-RIB.
#[test]
fn routes_of_unknown_types_are_skipped_and_make_no_end_of_rib() {
    let (known, octets) = drawn().remove(3);
    let both = [with_head(9, &[1, 2, 3]), octets, with_head(200, &[])].concat();
    let update = reached(&both).unwrap();
    assert_eq!(routes(&update), [known]);
    let mut unreach = hex("800f08 001946");
    unreach.extend(with_head(9, &[1, 2, 3]));
    let update = read_update(&update_body(&[], &unreach, &[]), &speaks_evpn()).unwrap();
    assert_eq!((update.errors.len(), update.end_of_rib()), (0, None));
    let empty = update_body(&[], &hex("800f03 001946"), &[]);
    let update = read_update(&empty, &speaks_evpn()).unwrap();
    assert_eq!(update.end_of_rib(), Some(Family::L2VPN_EVPN));
}

/// RFC 9136 §3.1: two overlay indexes, or no way at all.
#[test]
fn an_ip_prefix_without_one_way_to_it_is_as_good_as_withdrawn() {
    let sound = drawn().remove(11).0;
    let EvpnRoute::IpPrefix(route) = sound else {
        panic!("type 5")
    };
    let gateway = Some(Ipv4Addr::new(10, 0, 0, 9).into());
    let label = Label::default();
    let esi = Esi([1; 10]);
    for bad in [
        IpPrefix {
            esi,
            gateway,
            ..route
        },
        IpPrefix { label, ..route },
    ] {
        let mut out = BytesMut::new();
        EvpnRoute::IpPrefix(bad).encode(&mut out);
        let update = reached(&out).unwrap();
        assert!(routes(&update).is_empty());
        assert_eq!(update.evpn_withdrawals().collect::<Vec<_>>(), [sound.key()]);
    }
}

/// A session without the family: whatever is in it, it costs nobody anything.
#[test]
fn evpn_that_was_not_negotiated_stays_octets() {
    let mut attributes = hex("800e0d 001946 04 0a000001 00 02ff0000");
    attributes.extend(hex("400101 00 400206 0201 0000fde9"));
    let update = read_update(&update_body(&[], &attributes, &[]), &wide()).unwrap();
    let reach = update.update.mp_reach.as_ref().unwrap();
    assert_eq!(reach.nlri, FamilyNlri::Opaque(hex("02ff0000").into()));
    assert_eq!(update.evpn_announcements().count(), 0);
}

/// The encoder of the message as a whole, which the tests of sessions use.
#[test]
fn an_update_of_evpn_reads_back() {
    let all: Vec<_> = drawn().into_iter().map(|(route, _)| route).collect();
    let update = Update {
        attributes: Some(PathAttributes::default()),
        mp_reach: Some(MpReach {
            family: Family::L2VPN_EVPN,
            next_hop: Some(NextHop::V4(Ipv4Addr::new(192, 0, 2, 1))),
            nlri: FamilyNlri::Evpn(EvpnRoutes::from(all.clone())),
        }),
        mp_unreach: Some(MpUnreach {
            family: Family::L2VPN_EVPN,
            nlri: FamilyNlri::Evpn(all.into()),
        }),
        ..Update::default()
    };
    let mut out = BytesMut::new();
    update.encode(&mut out, &speaks_evpn()).unwrap();
    let read = read_updates(&out, &speaks_evpn());
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].update, update);
}

#[test]
fn the_octets_of_a_route_decide_what_it_is_about() {
    let (with_label, without) = (drawn().remove(4).0, drawn().remove(3).0);
    assert_ne!(with_label, without);
    assert_eq!(
        with_label.key(),
        without.key(),
        "labels are no part of the key (RFC 7432 §7.2)"
    );
    let names: Vec<_> = drawn().iter().map(|(route, _)| route.to_string()).collect();
    assert_eq!(
        names[3],
        "192.0.2.1:77 [2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.0.0.1]"
    );
    assert_eq!(names[7], "192.0.2.1:77 [3]:[0]:[32]:[10.0.0.1]");
    assert_eq!(names[11], "192.0.2.1:77 [5]:[0]:[32]:[10.0.0.1]");
}
