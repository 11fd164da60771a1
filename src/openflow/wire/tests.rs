use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A flow as a switch would send it.
fn as_stats(flow: &FlowEntry) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u16(0);
    body.put_u8(flow.table);
    body.put_bytes(0, 9);
    body.put_u16(flow.priority);
    body.put_u16(flow.idle_timeout);
    body.put_u16(flow.hard_timeout);
    body.put_bytes(0, 6);
    body.put_u64(flow.cookie);
    body.put_bytes(0, 16);
    put_match(&mut body, &flow.oxm);
    body.put_slice(&flow.instructions);
    let length = body.len() as u16;
    body[..2].copy_from_slice(&length.to_be_bytes());
    body
}

fn entry() -> impl Strategy<Value = FlowEntry> {
    let fields = (any::<u8>(), any::<u16>(), any::<u64>(), any::<(u16, u16)>());
    (fields, vec(any::<u8>(), 0..40), vec(any::<u64>(), 0..5)).prop_map(
        |((table, priority, cookie, timeouts), oxm, instructions)| FlowEntry {
            table,
            priority,
            cookie,
            idle_timeout: timeouts.0,
            hard_timeout: timeouts.1,
            oxm,
            instructions: instructions.iter().flat_map(|w| w.to_be_bytes()).collect(),
        },
    )
}

proptest! {
    #[test]
    fn messages_survive_the_wire_in_any_pieces(
        bodies in vec((any::<u8>(), any::<u32>(), vec(any::<u8>(), 0..64)), 0..6),
        piece in 1usize..40,
    ) {
        let messages: Vec<Message> = bodies
            .into_iter()
            .map(|(kind, xid, body)| Message { version: VERSION_14, kind, xid, body })
            .collect();
        let mut bytes = Vec::new();
        messages.iter().for_each(|m| put(&mut bytes, m));
        let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
        for part in bytes.chunks(piece) {
            buffer.extend_from_slice(part);
            while let Some(message) = split(&mut buffer).unwrap() {
                read.push(message);
            }
        }
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn flow_stats_read_what_a_switch_writes(flows in vec(entry(), 0..5), more: bool) {
        let mut body = multipart(MULTIPART_FLOW);
        body[3] = u8::from(more);
        flows.iter().for_each(|f| body.put_slice(&as_stats(f)));
        prop_assert_eq!(flow_stats_reply(&body).unwrap(), Some((flows, more)));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = split(&mut BytesMut::from(bytes.as_slice()));
        let _ = flow_stats_reply(&bytes);
        let _ = flow_updates(&bytes);
        let _ = error(&bytes);
        let message = Message { version: 1, kind: 0, xid: 0, body: bytes };
        let _ = negotiate(&message);
    }

    #[test]
    fn broken_flow_lists_end_in_an_error_or_an_answer(tail in vec(any::<u8>(), 0..120), kind in 0u8..20) {
        let mut body = vec![0, kind, 0, 0, 0, 0, 0, 0];
        body.extend(tail);
        let _ = flow_stats_reply(&body);
        let _ = flow_updates(&body);
    }
}

fn hello_with(version: u8, body: Vec<u8>) -> Message {
    Message {
        version,
        kind: kind::HELLO,
        xid: 0,
        body,
    }
}

#[test]
fn the_highest_common_version_is_spoken() {
    let bitmap = |bits: u32| {
        let mut body = vec![0, 1, 0, 8];
        body.extend(bits.to_be_bytes());
        body
    };
    for (version, body, agreed) in [
        (0x06, bitmap(0b111_0010), Ok(VERSION_14)),
        (0x06, bitmap(0b001_0010), Ok(VERSION_13)),
        (0x01, bitmap(0b000_0010), Err(DecodeError::Version(1))),
        (0x06, vec![], Ok(VERSION_14)),
        (0x04, vec![], Ok(VERSION_13)),
        (0x01, vec![], Err(DecodeError::Version(1))),
    ] {
        assert_eq!(negotiate(&hello_with(version, body)), agreed);
    }
    assert_eq!(
        negotiate(&hello_with(VERSION_14, hello())),
        Ok(VERSION_14),
        "our own"
    );
}

#[test]
fn a_length_of_zero_does_not_loop() {
    let mut body = multipart(MULTIPART_FLOW);
    body.extend([0; 64]);
    assert_eq!(flow_stats_reply(&body), Err(DecodeError::Length("flow")));
    let mut body = multipart(MULTIPART_FLOW_MONITOR);
    body.extend([0; 64]);
    assert_eq!(flow_updates(&body), Err(DecodeError::Length("flow update")));
}
