//! Routes of EVPN, announced and withdrawn, written again.
#![no_main]

use bgp::wire::evpn::EvpnRoute;
use bgp::wire::{
    CodecOptions, DecodedUpdate, Family, Message, MessageType, RawMessage, decode, frame, pack,
};
use bytes::{BufMut, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fn read(body: Bytes, options: &CodecOptions) -> Option<DecodedUpdate> {
    let kind = MessageType::Update;
    match decode(&RawMessage { kind, body }, options) {
        Ok(Message::Update(update)) => Some(update),
        _ => None,
    }
}

fn withdrawn(mut octets: BytesMut, options: &CodecOptions) -> Vec<EvpnRoute> {
    let mut all = Vec::new();
    while let Some(raw) =
        frame::next_message(&mut octets, options.max_message_len()).expect("our own header")
    {
        let update = read(raw.body, options).expect("our own UPDATE");
        all.extend(update.evpn_withdrawals());
    }
    all
}

fuzz_target!(|octets: &[u8]| {
    let (Ok(length), Ok(total)) = (
        u16::try_from(octets.len() + 3),
        u16::try_from(octets.len() + 7),
    ) else {
        return;
    };
    let options = CodecOptions {
        extended_message: true,
        evpn: true,
        ..CodecOptions::default()
    };
    let mut body = BytesMut::new();
    body.put_u16(0);
    body.put_u16(total);
    body.put_slice(&[0x90, 15]);
    body.put_u16(length);
    body.put_slice(&[0, 25, 70]);
    body.put_slice(octets);
    let Some(first) = read(body.freeze(), &options) else {
        return;
    };
    let keys: Vec<_> = first.evpn_withdrawals().collect();
    for route in &keys {
        let _ = (route.to_string(), route.fault(), route.rd().to_string());
    }
    let mut out = BytesMut::new();
    let family = Family::L2VPN_EVPN;
    pack::withdraw(&mut out, &options, family, keys.iter().copied()).expect("packs again");
    assert_eq!(withdrawn(out, &options), keys);
});
