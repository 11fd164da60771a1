//! The path attributes of an UPDATE with one IPv4 destination.
#![no_main]

use bgp::wire::{CodecOptions, DecodedUpdate, Message, MessageType, RawMessage, decode, frame};
use bytes::{BufMut, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fn read(body: Bytes, options: &CodecOptions) -> Option<DecodedUpdate> {
    match decode(
        &RawMessage {
            kind: MessageType::Update,
            body,
        },
        options,
    ) {
        Ok(Message::Update(update)) => Some(update),
        _ => None,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&switches, attributes)) = input.split_first() else {
        return;
    };
    let Ok(length) = u16::try_from(attributes.len()) else {
        return;
    };
    let options = CodecOptions {
        four_octet_as: switches & 1 != 0,
        internal_peer: switches & 2 != 0,
        extended_message: true,
        ..CodecOptions::default()
    };
    let mut body = BytesMut::new();
    body.put_u16(0);
    body.put_u16(length);
    body.put_slice(attributes);
    body.put_slice(&[32, 10, 0, 0, 1]);
    let Some(first) = read(body.freeze(), &options) else {
        return;
    };
    if first.treat_as_withdraw {
        assert_eq!(first.announcements().count(), 0);
        assert!(first.withdrawals().count() > 0);
        return;
    }
    let mut out = BytesMut::new();
    if first.update.encode(&mut out, &options).is_err() {
        return;
    }
    let raw = frame::next_message(&mut out, options.max_message_len()).expect("our own header");
    let Some(second) = read(raw.expect("a whole message").body, &options) else {
        panic!("our own UPDATE was refused")
    };
    assert_eq!(second.errors, []);
    let (mut first, mut second) = (first.update, second.update);
    if !options.four_octet_as {
        // Numbers within confederations do not survive a two-octet peer (RFC 6793 §3).
        first
            .attributes
            .iter_mut()
            .for_each(|attributes| attributes.as_path = Default::default());
        second
            .attributes
            .iter_mut()
            .for_each(|attributes| attributes.as_path = Default::default());
    }
    assert_eq!(first, second);
});
