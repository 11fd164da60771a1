//! The body of an OPEN.
#![no_main]

use bgp::wire::{Capability, CodecOptions, Message, MessageType, RawMessage, decode, frame};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let options = CodecOptions::default();
    let raw = RawMessage {
        kind: MessageType::Open,
        body: Bytes::copy_from_slice(body),
    };
    let Ok(Message::Open(open)) = decode(&raw, &options) else {
        return;
    };
    let lossy = |capability: &Capability| matches!(capability, Capability::Fqdn { .. });
    if open.capabilities.iter().any(lossy) {
        // Names that are no UTF-8 grow when they are written again.
        return;
    }
    let mut out = BytesMut::new();
    if open.encode(&mut out).is_err() {
        // Only possible where a long list of parameters was folded into one.
        assert!(body.len() > 4000);
        return;
    }
    let raw = frame::next_message(&mut out, 4096)
        .expect("our own header")
        .expect("a whole message");
    assert_eq!(decode(&raw, &options), Ok(Message::Open(open)));
});
