use std::time::Duration;

use bgp::wire::{
    AsPath, AsPathSegment, Asn, DecodedUpdate, Message, NextHop, Nlri, Origin, PathAttributes,
    SegmentKind, pack,
};
use bgp::{Event, State};
use bytes::BytesMut;
use ipnet::IpNet;

use crate::pair::{A, B, Pair, Setup, host, net};
use crate::raw_peer::{RawPeer, codec};

fn announce(raw: &mut RawPeer, prefix: IpNet, asns: &[u32], next_hop: [u8; 4]) {
    let as_path = AsPath::sequence(asns.iter().copied().map(Asn));
    announce_path(raw, prefix, as_path, next_hop);
}

fn announce_path(raw: &mut RawPeer, prefix: IpNet, as_path: AsPath, next_hop: [u8; 4]) {
    let attributes = PathAttributes {
        origin: Origin::Igp,
        as_path,
        ..PathAttributes::default()
    };
    let mut out = BytesMut::new();
    let family = bgp::wire::Family::of(&prefix);
    let next_hop = NextHop::V4(next_hop.into());
    pack::announce(
        &mut out,
        &codec(),
        family,
        next_hop,
        &attributes,
        [Nlri::from(prefix)],
    )
    .unwrap();
    raw.send_octets(&out);
}

#[test]
fn routes_are_learned_changed_and_lost() {
    let mut raw = RawPeer::established(|_| {});
    let default = net("0.0.0.0/0");
    announce(&mut raw, default, &[65002], [10, 0, 0, 2]);
    announce(&mut raw, default, &[65002, 65009], [10, 0, 0, 2]);
    announce(&mut raw, default, &[65002, 65009], [10, 0, 0, 2]);
    let withdrawal = Message::Update(DecodedUpdate::from(bgp::wire::Update {
        withdrawn: vec![Nlri::from(default)],
        ..Default::default()
    }));
    raw.send(&withdrawal);
    let seen: Vec<_> = raw
        .events
        .iter()
        .filter_map(|event| match event {
            Event::RouteLearned { paths, .. } => Some(paths[0].attributes.as_path.len()),
            Event::RouteLost { prefix } if *prefix == default => Some(0),
            _ => None,
        })
        .collect();
    assert_eq!(seen, [1, 2, 0], "the repeated announcement changes nothing");
}

/// RFC 9774 §3.
#[test]
fn a_route_with_an_as_set_is_as_good_as_withdrawn_unless_sets_are_accepted() {
    let with_set = AsPath {
        segments: vec![
            AsPathSegment {
                kind: SegmentKind::Sequence,
                asns: vec![Asn(65002)].into(),
            },
            AsPathSegment {
                kind: SegmentKind::Set,
                asns: vec![Asn(65009), Asn(65010)].into(),
            },
        ]
        .into(),
    };
    for accept in [false, true] {
        let mut raw = RawPeer::established(|config| config.accept_as_sets = accept);
        announce(&mut raw, host(1), &[65002], [10, 0, 0, 2]);
        announce_path(&mut raw, host(1), with_set.clone(), [10, 0, 0, 2]);
        assert_eq!(raw.speaker.learned().count(), usize::from(accept));
        assert_eq!(raw.state(), State::Established);
        let told = raw.events.iter().find_map(|event| match event {
            Event::UpdateErrors { errors, .. } => Some(errors.join("; ")),
            _ => None,
        });
        let words = "AS_PATH 65002 {65009,65010} has an AS_SET, deprecated by RFC 9774: its routes are not used";
        assert_eq!(told.as_deref(), (!accept).then_some(words));
        // The operator changes his mind.
        let mut config = raw.config();
        config.accept_as_sets = !accept;
        raw.speaker.reconfigure(raw.peer, config, raw.now);
        assert_eq!(raw.speaker.learned().count(), usize::from(!accept));
        announce(&mut raw, host(1), &[65002], [10, 0, 0, 2]);
        assert_eq!(raw.speaker.learned().count(), 1);
    }
}

#[test]
fn a_route_through_our_own_as_or_to_ourselves_is_not_used() {
    let mut raw = RawPeer::established(|_| {});
    announce(&mut raw, host(1), &[65002], [10, 0, 0, 2]);
    announce(&mut raw, host(1), &[65002, 65001], [10, 0, 0, 2]);
    announce(&mut raw, host(2), &[65002], [10, 0, 0, 1]);
    assert_eq!(raw.speaker.learned().count(), 0);
    assert_eq!(raw.state(), State::Established);
}

#[test]
fn too_many_routes_end_the_session() {
    let mut raw = RawPeer::established(|config| config.max_prefixes.limit = 10);
    for number in 0..=10 {
        announce(&mut raw, host(number), &[65002], [10, 0, 0, 2]);
    }
    let last = raw.notification().unwrap();
    assert_eq!((last.code, last.subcode), (6, 1));
    assert_eq!(raw.speaker.learned().count(), 0);
}

#[test]
fn what_a_lost_peer_taught_is_lost() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(B, (0..5).map(host));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.learned(A).len(), 5);
    let now = pair.now;
    pair.speakers[B].stop("", now);
    pair.run(Duration::from_millis(5));
    let lost = pair.events[A]
        .iter()
        .filter(|(_, event)| matches!(event, Event::RouteLost { .. }))
        .count();
    assert_eq!((lost, pair.learned(A).len()), (5, 0));
}
