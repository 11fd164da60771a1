//! What took other speakers down: the octets of each published bug, and what happens here instead.

use super::*;

/// FRR CVE-2023-38802, OpenBGPD CVE-2023-38283: a corrupt Tunnel Encapsulation attribute on its way through.
#[test]
fn cve_2023_38802_corrupt_tunnel_encapsulation_is_passed_on_unread() {
    let mut attributes = mandatory();
    attributes.extend(hex("c01704 00080100"));
    let update = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap();
    assert!(update.errors.is_empty());
    assert_eq!(
        update.update.attributes.unwrap().unknown[0].value,
        hex("00080100")
    );
}

/// FRR CVE-2024-44070: the inner length of the same attribute underflows. It is never looked at.
#[test]
fn cve_2024_44070_tunnel_encapsulation_length_stays_inside() {
    let mut attributes = hex("c01702 0001");
    attributes.extend(mandatory());
    let update = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap();
    assert_eq!(prefixes(&update, false), ["10.1.1.1/32"]);
}

/// FRR CVE-2023-31490, CVE-2024-31948 and the incident of 2025-05-20: prefix SIDs of any content.
#[test]
fn cve_2023_31490_prefix_sid_is_dropped() {
    for sid in ["c02800", "c02803 010000", "c02808 0000000000000000"] {
        let mut attributes = mandatory();
        attributes.extend(hex(sid));
        let update = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap();
        assert_eq!(update.errors[0].disposition, Disposition::Discard);
        assert!(update.update.attributes.unwrap().unknown.is_empty());
    }
}

#[test]
fn cve_2023_41358_destinations_without_any_attribute() {
    let update = read_update(&update_body(&[], &[], &HOST), &wide()).unwrap();
    assert!(update.treat_as_withdraw);
    assert_eq!(update.end_of_rib(), None);
    assert_eq!(prefixes(&update, true), ["10.1.1.1/32"]);
}

#[test]
fn cve_2023_46752_mp_reach_with_lengths_that_lie() {
    for attribute in [
        "800e05 000101 ff 00",
        "800e0a 000101 04 0a000001 00 20",
        "800e06 000101 02 0a00",
    ] {
        let update = read_update(&update_body(&[], &hex(attribute), &[]), &wide()).unwrap();
        let families: Vec<_> = update
            .disabled_families()
            .map(|(family, _)| family)
            .collect();
        assert_eq!(families, [Family::IPV4_UNICAST], "{attribute}");
        assert!(update.update.attributes.is_none());
    }
}

/// FRR CVE-2023-46753: one unknown transitive attribute (type 31, 16 octets) and destinations.
#[test]
fn cve_2023_46753_only_an_unknown_attribute() {
    let mut attributes = hex("c01f10");
    attributes.extend([0; 16]);
    let update = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap();
    assert!(update.treat_as_withdraw);
}

#[test]
fn cve_2023_47234_mp_unreach_beside_destinations_without_mandatory_attributes() {
    let update = read_update(
        &update_body(&[], &hex("800f07 000201 18 20010d"), &HOST),
        &wide(),
    )
    .unwrap();
    assert!(update.treat_as_withdraw);
    assert_eq!(prefixes(&update, true), ["2001:d00::/24", "10.1.1.1/32"]);
}

/// FRR CVE-2023-47235: malformed attributes in what then looks like an End-of-RIB.
#[test]
fn cve_2023_47235_dropped_attributes_make_no_end_of_rib() {
    for attributes in [
        "400601 00",
        "800f03 000201 400601 00",
        "c0f000",
        "c00f03 000201",
    ] {
        let end_of_rib = read_update(&update_body(&[], &hex(attributes), &[]), &wide())
            .map(|update| update.end_of_rib());
        assert!(
            matches!(end_of_rib, Ok(None) | Err(_)),
            "{attributes}: {end_of_rib:?}"
        );
    }
}

#[test]
fn cve_2026_37458_martian_next_hops_in_mp_reach_withdraw() {
    for hop in [
        "00000000000000000000000000000000",
        "00000000000000000000000000000001",
        "ff020000000000000000000000000001",
    ] {
        let mut attributes = hex(&format!("800e1a 000201 10 {hop} 00 20 20010db8"));
        attributes.extend(mandatory());
        let update = read_update(&update_body(&[], &attributes, &[]), &wide()).unwrap();
        assert_eq!(prefixes(&update, true), ["2001:db8::/32"], "{hop}");
    }
}

/// FRR 5fd5e495: more than 4096 octets to complain about.
#[test]
fn notification_data_never_exceeds_the_message() {
    let notification = Notification::new(2, 7, &[0; 60_000]);
    let mut out = BytesMut::new();
    notification.encode(&mut out).unwrap();
    assert_eq!(out.len(), 4096);
}

/// The same through the decoder: a long attribute that ends the session is sent back cut.
#[test]
fn a_long_unrecognized_attribute_is_sent_back_cut() {
    let mut attributes = hex("50f0 c000");
    attributes.resize(4 + 0xc000, 0);
    let options = CodecOptions {
        extended_message: true,
        ..wide()
    };
    let error = read_update(&update_body(&[], &attributes, &[]), &options).unwrap_err();
    assert_eq!(
        (error.notification.subcode, error.notification.data.len()),
        (2, 4096 - 21)
    );
}

/// FRR 7a110595, CVE-2010-2948: ROUTE-REFRESH with an outbound route filter of any length.
#[test]
fn cve_2010_2948_route_refresh_with_an_oversized_filter() {
    let body = hex("0001 00 01 01 80 ffff ff ff ff");
    let refresh = RouteRefresh::request(Family::IPV4_UNICAST);
    assert_eq!(
        read(&message(MessageType::RouteRefresh, &body), &wide()),
        Ok(Message::RouteRefresh(refresh))
    );
}

/// FRR CVE-2022-37032: the dynamic CAPABILITY message is not spoken.
#[test]
fn cve_2022_37032_capability_message_is_an_unknown_type() {
    let mut octets = message(MessageType::Keepalive, &[]);
    octets[18] = 6;
    assert_eq!(read(&octets, &wide()).unwrap_err().notification.subcode, 3);
}

#[test]
fn cve_2026_30405_next_hop_shorter_than_an_address() {
    for length in 0..4_u8 {
        let mut attributes = hex("400101 00 400206 0201 0000fde9 4003");
        attributes.push(length);
        attributes.extend(vec![10; length.into()]);
        assert!(
            read_update(&update_body(&[], &attributes, &HOST), &wide())
                .unwrap()
                .treat_as_withdraw
        );
    }
}

/// GoBGP CVE-2026-41643: AS4_PATH before AS_PATH, malformed and sound.
#[test]
fn cve_2026_41643_as4_path_comes_first() {
    let narrow = CodecOptions::default();
    let rest = "400101 00 400206 0202 5ba0 5ba0 400304 0a000001";
    for (as4_path, path) in [
        ("c0110a 0202 00011170 00011171", "70000 70001"),
        ("c01103 020200", "23456 23456"),
    ] {
        for attributes in [format!("{as4_path} {rest}"), format!("{rest} {as4_path}")] {
            let update = read_update(&update_body(&[], &hex(&attributes), &HOST), &narrow).unwrap();
            assert!(!update.treat_as_withdraw);
            assert_eq!(
                update.update.attributes.unwrap().as_path.to_string(),
                path,
                "{attributes}"
            );
        }
    }
}

/// GoBGP CVE-2026-41642.
#[test]
fn cve_2026_41642_unknown_attribute_that_claims_to_be_well_known() {
    let mut attributes = mandatory();
    attributes.extend(hex("00ff00"));
    let error = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap_err();
    assert_eq!(
        (error.notification.code, error.notification.subcode),
        (3, 2)
    );
    assert_eq!(error.notification.data, hex("00ff00"));
}

/// BIRD CVE-2019-16159: a shutdown communication that is longer than it may be, and one that is no UTF-8.
#[test]
fn cve_2019_16159_shutdown_communication_of_any_length() {
    let mut data = vec![255];
    data.resize(300, b'x');
    assert_eq!(
        Notification::new(6, 2, &data).shutdown_communication(),
        Some("x".repeat(255))
    );
    assert_eq!(
        Notification::new(6, 4, &[200, b'h', b'i'])
            .shutdown_communication()
            .as_deref(),
        Some("hi")
    );
    assert_eq!(
        Notification::new(6, 2, &[2, 0xff, b'!'])
            .shutdown_communication()
            .as_deref(),
        Some("\u{fffd}!")
    );
    assert_eq!(Notification::new(6, 2, &[]).shutdown_communication(), None);
    assert_eq!(
        Notification::new(6, 7, &[1, b'x']).shutdown_communication(),
        None
    );
}

/// BIRD and the incident of 2025-10-24: an attribute sent on is what came, whatever its length says about it.
#[test]
fn an_unknown_attribute_is_never_rebuilt() {
    let mut attributes = mandatory();
    attributes.extend(hex("f0230400"));
    attributes.resize(attributes.len() + 1024, 0xab);
    let options = wide();
    let update = read_update(&update_body(&[], &attributes, &HOST), &options)
        .unwrap()
        .update;
    let mut out = BytesMut::new();
    update.encode(&mut out, &options).unwrap();
    let tail = &attributes[attributes.len() - 1028..];
    assert!(out.windows(tail.len()).any(|window| window == tail));
}

/// IOS-XR CVE-2025-20115: prepending to a sequence that is full.
#[test]
fn cve_2025_20115_prepending_to_a_full_segment() {
    let mut as_path = AsPath::sequence((1..=255).map(Asn));
    as_path.prepend(Asn(65001));
    let attributes = PathAttributes {
        as_path,
        ..PathAttributes::default()
    };
    let hop = NextHop::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    let mut out = BytesMut::new();
    let host = Nlri::from("10.0.0.1/32".parse::<ipnet::IpNet>().unwrap());
    pack::announce(
        &mut out,
        &wide(),
        Family::IPV4_UNICAST,
        hop,
        &attributes,
        [host],
    )
    .unwrap();
    let path = read_updates(&out, &wide())
        .remove(0)
        .update
        .attributes
        .unwrap()
        .as_path;
    assert_eq!(
        (path.len(), path.first(), path.segments.len()),
        (256, Some(Asn(65001)), 2)
    );
}

/// GoBGP CVE-2026-37461: an IPv6 extended community that ends early.
#[test]
fn cve_2026_37461_short_ipv6_extended_community() {
    let mut attributes = mandatory();
    attributes.extend(hex("c01902 000c"));
    let update = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap();
    assert_eq!(prefixes(&update, true), ["10.1.1.1/32"]);
}

/// GoBGP CVE-2026-37462: withdrawn and attribute lengths whose sum passes 65535.
#[test]
fn cve_2026_37462_update_lengths_that_wrap() {
    for body in [
        "fffe 0000",
        "0001 ffff",
        "0002 ffff ffff 00",
        "0000 fffc 00000000",
    ] {
        let error = read_update(&hex(body), &wide()).unwrap_err();
        assert_eq!(
            (error.notification.code, error.notification.subcode),
            (3, 1),
            "{body}"
        );
    }
}

/// Quagga CVE-2017-16227: a long AS_PATH is counted once, so the message stays within the limit, or is refused.
#[test]
fn cve_2017_16227_long_as_path_builds_no_invalid_message() {
    let host = Nlri::from("10.0.0.1/32".parse::<ipnet::IpNet>().unwrap());
    let hop = NextHop::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    for (ases, options, fits) in [
        (1000, wide(), true),
        (1020, wide(), false),
        (670, CodecOptions::default(), true),
        (700, CodecOptions::default(), false),
    ] {
        let as_path = AsPath::sequence((1..=ases).map(|n| Asn(100_000 + n)));
        let attributes = PathAttributes {
            as_path,
            ..PathAttributes::default()
        };
        let mut out = BytesMut::new();
        let packed = pack::announce(
            &mut out,
            &options,
            Family::IPV4_UNICAST,
            hop,
            &attributes,
            [host],
        );
        assert_eq!(packed.is_ok(), fits, "{ases}: {packed:?}");
        if fits {
            let path = read_updates(&out, &options)
                .remove(0)
                .update
                .attributes
                .unwrap()
                .as_path;
            assert!(path.asns().eq(attributes.as_path.asns()));
        }
    }
}
