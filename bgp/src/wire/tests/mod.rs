//! Tests of the codec as a whole, one file per kind of evidence.

mod captures;
mod dissector;
mod evidence;
mod evpn_routes;
mod framing;
mod frr_verdicts;
mod opening;
mod other_messages;
mod packing;
mod revised_errors;
mod round_trip;
mod second_codec;
mod survived;
mod vectors;

use bytes::{BufMut, BytesMut};

use super::*;

/// Octets from hexadecimal digits; anything else separates.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| d as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// A whole message of a type around a body.
fn message(kind: MessageType, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff; 16];
    out.put_u16(u16::try_from(frame::HEADER_LEN + body.len()).unwrap());
    out.put_u8(kind as u8);
    out.extend_from_slice(body);
    out
}

/// Reads exactly one message.
fn read(octets: &[u8], options: &CodecOptions) -> Result<Message, DecodeError> {
    let mut buffer = BytesMut::from(octets);
    let raw =
        frame::next_message(&mut buffer, options.max_message_len())?.expect("a whole message");
    assert!(buffer.is_empty(), "octets left over");
    decode(&raw, options)
}

/// Reads all messages that a packer wrote.
fn read_updates(octets: &[u8], options: &CodecOptions) -> Vec<DecodedUpdate> {
    let mut buffer = BytesMut::from(octets);
    let mut updates = Vec::new();
    while let Some(raw) = frame::next_message(&mut buffer, options.max_message_len()).unwrap() {
        match decode(&raw, options).unwrap() {
            Message::Update(update) => updates.push(update),
            other => panic!("not an UPDATE: {other:?}"),
        }
    }
    assert!(buffer.is_empty(), "octets left over");
    updates
}

/// The body of an UPDATE from its three parts.
fn update_body(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u16(u16::try_from(withdrawn.len()).unwrap());
    body.extend_from_slice(withdrawn);
    body.put_u16(u16::try_from(attributes.len()).unwrap());
    body.extend_from_slice(attributes);
    body.extend_from_slice(nlri);
    body
}

fn read_update(body: &[u8], options: &CodecOptions) -> Result<DecodedUpdate, DecodeError> {
    match read(&message(MessageType::Update, body), options)? {
        Message::Update(update) => Ok(update),
        other => panic!("not an UPDATE: {other:?}"),
    }
}

/// ORIGIN IGP, AS_PATH 65001, NEXT_HOP 10.0.0.1.
fn mandatory() -> Vec<u8> {
    hex("400101 00  400206 0201 0000fde9  400304 0a000001")
}

/// 10.1.1.1/32.
const HOST: [u8; 5] = [32, 10, 1, 1, 1];

fn wide() -> CodecOptions {
    CodecOptions {
        four_octet_as: true,
        ..CodecOptions::default()
    }
}

fn prefixes(update: &DecodedUpdate, withdrawn: bool) -> Vec<String> {
    if withdrawn {
        update
            .withdrawals()
            .flat_map(|(_, nlri)| nlri)
            .map(|nlri| nlri.prefix.to_string())
            .collect()
    } else {
        update
            .announcements()
            .flat_map(|a| a.nlri)
            .map(|nlri| nlri.prefix.to_string())
            .collect()
    }
}
