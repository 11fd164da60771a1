//! The message header (RFC 4271 §4.1, §6.1).

use super::*;

fn frame_error(octets: &[u8], max_len: usize) -> (u8, u8, Vec<u8>) {
    let error = frame::next_message(&mut BytesMut::from(octets), max_len).unwrap_err();
    let Notification {
        code,
        subcode,
        data,
    } = error.notification;
    (code, subcode, data.to_vec())
}

#[test]
fn a_keepalive_has_nineteen_octets() {
    let mut out = BytesMut::new();
    Message::Keepalive.encode(&mut out, &wide()).unwrap();
    assert_eq!(
        out.to_vec(),
        hex("ffffffffffffffffffffffffffffffff 0013 04")
    );
    assert_eq!(read(&out, &wide()), Ok(Message::Keepalive));
    assert_eq!(out[..], frame::KEEPALIVE[..]);
}

#[test]
fn a_stream_is_cut_wherever_it_was_torn() {
    let mut stream = message(MessageType::Keepalive, &[]);
    stream.extend(message(MessageType::Update, &[0, 0, 0, 0]));
    let mut buffer = BytesMut::new();
    let mut kinds = Vec::new();
    for octet in stream {
        buffer.put_u8(octet);
        while let Some(raw) = frame::next_message(&mut buffer, 4096).unwrap() {
            kinds.push(raw.kind);
        }
    }
    assert_eq!(kinds, [MessageType::Keepalive, MessageType::Update]);
}

#[test]
fn a_broken_marker_is_not_synchronized() {
    let mut octets = message(MessageType::Keepalive, &[]);
    octets[3] = 0;
    assert_eq!(frame_error(&octets, 4096), (1, 1, vec![]));
}

#[test]
fn an_unknown_type_is_sent_back() {
    let mut octets = message(MessageType::Keepalive, &[]);
    octets[18] = 6;
    assert_eq!(frame_error(&octets, 4096), (1, 3, vec![6]));
}

#[test]
fn every_type_has_its_shortest_and_longest_message() {
    for (kind, shortest, longest) in [
        (1, 29, 4096),
        (2, 23, 4096),
        (3, 21, 4096),
        (4, 19, 19),
        (5, 23, 4096),
    ] {
        for length in [0, 18, shortest - 1, longest + 1, 65535_u16] {
            let mut octets = vec![0xff; 16];
            octets.put_u16(length);
            octets.put_u8(kind);
            assert_eq!(
                frame_error(&octets, 4096),
                (1, 2, length.to_be_bytes().to_vec()),
                "type {kind}"
            );
        }
    }
}

#[test]
fn extended_messages_are_for_update_but_not_for_open() {
    let mut octets = vec![0xff; 16];
    octets.put_u16(5000);
    octets.put_u8(2);
    assert_eq!(
        frame::next_message(&mut BytesMut::from(&octets[..]), 65535),
        Ok(None)
    );
    octets[18] = 1;
    assert_eq!(frame_error(&octets, 65535), (1, 2, vec![0x13, 0x88]));
}

#[test]
fn route_refresh_reads_back_and_ignores_outbound_filters() {
    for subtype in [
        RefreshSubtype::Request,
        RefreshSubtype::Begin,
        RefreshSubtype::End,
        RefreshSubtype::Unknown(9),
    ] {
        let refresh = Message::RouteRefresh(RouteRefresh {
            family: Family::IPV6_UNICAST,
            subtype,
        });
        let mut out = BytesMut::new();
        refresh.encode(&mut out, &wide()).unwrap();
        assert_eq!(read(&out, &wide()), Ok(refresh));
    }
}

/// RFC 7313 §5.
#[test]
fn a_long_begin_of_refresh_is_sent_back_whole() {
    let octets = message(MessageType::RouteRefresh, &hex("0001 01 01 00"));
    let error = read(&octets, &wide()).unwrap_err();
    assert_eq!(
        (error.notification.code, error.notification.subcode),
        (7, 1)
    );
    assert_eq!(error.notification.data, octets);
}

#[test]
fn shutdown_communication_reads_back() {
    let notification = Notification::administrative(
        notification::cease_subcode::ADMINISTRATIVE_SHUTDOWN,
        "maintenance, Jürgen",
    );
    let mut out = BytesMut::new();
    notification.encode(&mut out).unwrap();
    assert_eq!(
        read(&out, &wide()),
        Ok(Message::Notification(notification.clone()))
    );
    assert_eq!(
        notification.shutdown_communication().as_deref(),
        Some("maintenance, Jürgen")
    );
    assert_eq!(
        notification.to_string(),
        "cease, administrative shutdown (6/2)"
    );
}

#[test]
fn shutdown_communication_is_cut_at_a_character() {
    let notification = Notification::administrative(2, &"ü".repeat(200));
    assert_eq!(notification.data.len(), 255);
    assert_eq!(notification.shutdown_communication(), Some("ü".repeat(127)));
}
