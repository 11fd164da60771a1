use bgp::wire::Message;
use bgp::{Event, State};

use crate::pair::host;
use crate::raw_peer::{RawPeer, open};

/// ORIGIN igp, AS_PATH 65002, NEXT_HOP 10.0.0.2.
const ATTRIBUTES: &[u8] = &[
    0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea, 0x40, 3, 4, 10, 0, 0, 2,
];

fn update(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    body.extend(attributes);
    body.extend(nlri);
    body
}

#[test]
fn a_malformed_attribute_withdraws_the_route_and_keeps_the_session() {
    let mut raw = RawPeer::established(|_| {});
    let nlri = [32, 203, 0, 0, 1];
    raw.send_raw(2, &update(ATTRIBUTES, &nlri));
    assert_eq!(
        raw.speaker
            .learned()
            .map(|(prefix, _)| *prefix)
            .collect::<Vec<_>>(),
        [host(1)]
    );
    let mut broken = ATTRIBUTES.to_vec();
    broken[3] = 9;
    raw.send_raw(2, &update(&broken, &nlri));
    assert_eq!(raw.speaker.learned().count(), 0);
    assert_eq!(raw.state(), State::Established);
    assert!(
        raw.events
            .iter()
            .any(|event| matches!(event, Event::UpdateErrors { .. }))
    );
}

#[test]
fn messages_out_of_turn_are_finite_state_machine_errors() {
    let mut raw = RawPeer::connected(|_| {});
    raw.send(&Message::Keepalive);
    let last = raw.notification().unwrap();
    assert_eq!((last.code, last.subcode), (5, 1));

    let mut raw = RawPeer::connected(|_| {});
    raw.send(&Message::Open(open()));
    raw.send_raw(2, &[0, 0, 0, 0]);
    let last = raw.notification().unwrap();
    assert_eq!((last.code, last.subcode), (5, 2));

    let mut raw = RawPeer::established(|_| {});
    raw.send(&Message::Open(open()));
    let last = raw.notification().unwrap();
    assert_eq!((last.code, last.subcode), (5, 3));
}

#[test]
fn what_is_not_bgp_is_answered_with_a_header_error() {
    let mut raw = RawPeer::connected(|_| {});
    raw.send_octets(b"GET / HTTP/1.1\r\nHost: leaf1\r\n\r\n");
    let last = raw.notification().unwrap();
    assert_eq!((last.code, last.subcode), (1, 1));
    assert_eq!(raw.closed.len(), 1);
}

#[test]
fn octets_after_the_end_are_not_looked_at() {
    let mut raw = RawPeer::established(|_| {});
    raw.send(&Message::Notification(bgp::wire::Notification::cease(4)));
    let closed = raw.closed.len();
    raw.send_octets(&[0; 4096]);
    assert_eq!(raw.closed.len(), closed);
}

/// RFC 7606 §7.11, §5.3: where the destinations of a family cannot be found the session ends.
#[test]
fn a_family_that_cannot_be_read_ends_the_session() {
    // IPv6 next hops of nine octets and beyond the attribute; a withdrawn /64 of four octets.
    for attribute in [
        &[0x80, 14, 6, 0, 2, 1, 9, 0x20, 1][..],
        &[0x80, 14, 6, 0, 2, 1, 64, 0x20, 1],
        &[0x80, 15, 8, 0, 2, 1, 64, 0x20, 1, 0x0d, 0xb8],
    ] {
        let mut raw = RawPeer::established(|_| {});
        raw.send_raw(2, &update(&[ATTRIBUTES, attribute].concat(), &[]));
        let last = raw.notification().unwrap();
        assert_eq!((last.code, last.subcode), (3, 9), "{attribute:?}");
        assert_eq!(raw.closed.len(), 1);
    }
}
