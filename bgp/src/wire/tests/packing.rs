//! Routes into UPDATEs: every prefix once, no message over the limit.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::round_trip::{any_attributes, any_next_hop, any_prefix};
use super::*;

fn hosts(count: u32) -> Vec<Nlri> {
    (0..count)
        .map(|n| Nlri::from(IpNet::new(Ipv4Addr::from_bits(0x0a00_0000 + n).into(), 32).unwrap()))
        .collect()
}

fn attributes() -> PathAttributes {
    PathAttributes {
        as_path: AsPath::sequence([Asn(65001)]),
        ..PathAttributes::default()
    }
}

const NEXT_HOP: NextHop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));

/// 4096 less 23 fixed octets, 20 of attributes: 810 host prefixes of five octets.
#[test]
fn ten_thousand_hosts_take_thirteen_messages() {
    let mut out = BytesMut::new();
    let family = Family::IPV4_UNICAST;
    let messages = pack::announce(
        &mut out,
        &wide(),
        family,
        NEXT_HOP,
        &attributes(),
        hosts(10_000),
    )
    .unwrap();
    assert_eq!(messages, 13);
    let updates = read_updates(&out, &wide());
    assert_eq!(updates[0].update.nlri.len(), 810);
    let received: Vec<Nlri> = updates
        .into_iter()
        .flat_map(|update| update.update.nlri)
        .collect();
    assert_eq!(received, hosts(10_000));
}

#[test]
fn extended_messages_take_more() {
    let options = CodecOptions {
        extended_message: true,
        ..wide()
    };
    let mut out = BytesMut::new();
    let family = Family::IPV4_UNICAST;
    assert_eq!(
        pack::announce(
            &mut out,
            &options,
            family,
            NEXT_HOP,
            &attributes(),
            hosts(13_000)
        ),
        Ok(1)
    );
    assert_eq!(
        pack::withdraw(&mut out, &options, family, hosts(13_200)),
        Ok(2)
    );
    assert_eq!(read_updates(&out, &options).len(), 3);
}

#[test]
fn nothing_to_say_is_no_message() {
    let mut out = BytesMut::new();
    let family = Family::IPV4_UNICAST;
    assert_eq!(
        pack::announce(
            &mut out,
            &wide(),
            family,
            NEXT_HOP,
            &attributes(),
            [] as [Nlri; 0]
        ),
        Ok(0)
    );
    assert_eq!(
        pack::withdraw(&mut out, &wide(), family, [] as [Nlri; 0]),
        Ok(0)
    );
    assert!(out.is_empty());
}

#[test]
fn attributes_that_leave_no_room_are_refused() {
    let communities = vec![Community(1); 1100];
    let attributes = PathAttributes {
        communities,
        ..attributes()
    };
    let mut out = BytesMut::from(&b"before"[..]);
    for (family, next_hop, nlri) in [
        (Family::IPV4_UNICAST, NEXT_HOP, hosts(2)),
        (
            Family::IPV6_UNICAST,
            Ipv6Addr::LOCALHOST.into(),
            vec![Nlri::from("2001:db8::/32".parse::<IpNet>().unwrap())],
        ),
    ] {
        let refused = pack::announce(&mut out, &wide(), family, next_hop, &attributes, nlri);
        assert!(
            matches!(refused, Err(EncodeError::TooLong { limit: 4096, .. })),
            "{refused:?}"
        );
    }
    assert_eq!(out, &b"before"[..]);
}

#[test]
fn a_next_hop_of_the_other_family_needs_rfc_8950() {
    let next_hop = NextHop::from("fe80::1".parse::<Ipv6Addr>().unwrap());
    let family = Family::IPV4_UNICAST;
    let mut out = BytesMut::new();
    let refused = pack::announce(&mut out, &wide(), family, next_hop, &attributes(), hosts(1));
    assert_eq!(refused, Err(EncodeError::NextHop { family }));
    let options = CodecOptions {
        extended_next_hop: [family].into(),
        ..wide()
    };
    assert_eq!(
        pack::announce(
            &mut out,
            &options,
            family,
            next_hop,
            &attributes(),
            hosts(1)
        ),
        Ok(1)
    );
    let [update] = &read_updates(&out, &options)[..] else {
        panic!("one message")
    };
    let announced: Vec<_> = update.announcements().collect();
    assert_eq!(
        (announced[0].family, announced[0].next_hop),
        (family, next_hop)
    );
    assert_eq!(announced[0].nlri, hosts(1));
}

#[test]
fn end_of_rib_has_the_exact_shape() {
    let mut out = BytesMut::new();
    pack::end_of_rib(&mut out, &wide(), Family::IPV4_UNICAST).unwrap();
    pack::end_of_rib(&mut out, &wide(), Family::IPV6_UNICAST).unwrap();
    let marker = "ff".repeat(16);
    assert_eq!(
        out.to_vec(),
        hex(&format!(
            "{marker} 0017 02 0000 0000 {marker} 001d 02 0000 0006 800f03 0002 01"
        ))
    );
    let families: Vec<_> = read_updates(&out, &wide())
        .iter()
        .map(DecodedUpdate::end_of_rib)
        .collect();
    assert_eq!(
        families,
        [Some(Family::IPV4_UNICAST), Some(Family::IPV6_UNICAST)]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_prefix_is_packed_once_and_no_message_is_too_long(
        v6 in any::<bool>(),
        extended in any::<bool>(),
        add_path in any::<bool>(),
        seed in any_attributes(),
        hop in any_next_hop(),
        prefixes in proptest::collection::vec((any_prefix(), any::<u32>()), 0..3000),
    ) {
        let family = if v6 { Family::IPV6_UNICAST } else { Family::IPV4_UNICAST };
        let families = if add_path { [family].into() } else { std::collections::BTreeSet::new() };
        let options = CodecOptions {
            extended_message: extended,
            internal_peer: true,
            add_path_receive: families.clone(),
            add_path_send: families,
            extended_next_hop: [Family::IPV4_UNICAST].into(),
            ..wide()
        };
        let next_hop = if v6 && matches!(hop, NextHop::V4(_)) { NextHop::from("2001:db8::1".parse::<Ipv6Addr>().unwrap()) } else { hop };
        let nlri: Vec<Nlri> = prefixes
            .into_iter()
            .filter(|(prefix, _)| Family::of(prefix) == family)
            .map(|(prefix, id)| Nlri { prefix, path_id: add_path.then_some(id) })
            .collect();
        let mut out = BytesMut::new();
        let messages = pack::announce(&mut out, &options, family, next_hop, &seed, nlri.iter().copied()).unwrap();
        let updates = read_updates(&out, &options);
        prop_assert_eq!(updates.len(), messages);
        let mut received = Vec::new();
        for announcement in updates.iter().flat_map(DecodedUpdate::announcements) {
            prop_assert_eq!(announcement.next_hop, next_hop);
            prop_assert_eq!(&announcement.attributes.as_path, &seed.as_path);
            received.extend_from_slice(announcement.nlri);
        }
        prop_assert_eq!(&received, &nlri);

        out.clear();
        let messages = pack::withdraw(&mut out, &options, family, nlri.iter().copied()).unwrap();
        let updates = read_updates(&out, &options);
        prop_assert_eq!(updates.len(), messages);
        let received: Vec<Nlri> = updates.iter().flat_map(DecodedUpdate::withdrawals).flat_map(|(_, nlri)| nlri).copied().collect();
        prop_assert_eq!(&received, &nlri);
    }
}
