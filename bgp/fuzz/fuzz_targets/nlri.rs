//! Withdrawn routes of an UPDATE, packed again.
#![no_main]

use bgp::wire::{
    CodecOptions, Family, Message, MessageType, Nlri, RawMessage, decode, frame, pack,
};
use bytes::{BufMut, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fn withdrawn(body: Bytes, options: &CodecOptions) -> Option<Vec<Nlri>> {
    match decode(
        &RawMessage {
            kind: MessageType::Update,
            body,
        },
        options,
    ) {
        Ok(Message::Update(update)) => Some(
            update
                .withdrawals()
                .flat_map(|(_, nlri)| nlri)
                .copied()
                .collect(),
        ),
        _ => None,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&switches, octets)) = input.split_first() else {
        return;
    };
    let (Ok(length), Ok(total)) = (u16::try_from(octets.len()), u16::try_from(octets.len() + 7))
    else {
        return;
    };
    let family = if switches & 1 != 0 {
        Family::IPV6_UNICAST
    } else {
        Family::IPV4_UNICAST
    };
    let families = if switches & 2 != 0 {
        [family].into()
    } else {
        std::collections::BTreeSet::new()
    };
    let options = CodecOptions {
        extended_message: switches & 4 != 0,
        add_path_receive: families.clone(),
        add_path_send: families,
        ..CodecOptions::default()
    };
    let mut body = BytesMut::new();
    if family == Family::IPV4_UNICAST {
        body.put_u16(length);
        body.put_slice(octets);
        body.put_u16(0);
    } else {
        body.put_u16(0);
        body.put_u16(total);
        body.put_slice(&[0x90, 15]);
        body.put_u16(length.saturating_add(3));
        body.put_slice(&[0, 2, 1]);
        body.put_slice(octets);
    }
    let Some(first) = withdrawn(body.freeze(), &options) else {
        return;
    };
    let mut out = BytesMut::new();
    let messages =
        pack::withdraw(&mut out, &options, family, first.iter().copied()).expect("packs again");
    let mut second = Vec::new();
    let mut seen = 0;
    while let Some(raw) =
        frame::next_message(&mut out, options.max_message_len()).expect("our own header")
    {
        second.extend(withdrawn(raw.body, &options).expect("our own UPDATE"));
        seen += 1;
    }
    assert_eq!((first, messages), (second, seen));
});
