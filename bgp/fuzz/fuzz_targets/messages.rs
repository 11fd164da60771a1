//! A receive buffer of any content: framing, then every message.
#![no_main]

use bgp::wire::{CodecOptions, Family, Message, decode, frame};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&switches, stream)) = input.split_first() else {
        return;
    };
    let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    let add_path = if switches & 8 != 0 {
        families.into()
    } else {
        Default::default()
    };
    let options = CodecOptions {
        four_octet_as: switches & 1 != 0,
        extended_message: switches & 2 != 0,
        internal_peer: switches & 4 != 0,
        add_path_receive: add_path,
        extended_next_hop: if switches & 16 != 0 {
            families.into()
        } else {
            Default::default()
        },
        evpn: switches & 32 != 0,
        ..CodecOptions::default()
    };
    let mut buffer = BytesMut::from(stream);
    while let Ok(Some(raw)) = frame::next_message(&mut buffer, options.max_message_len()) {
        match decode(&raw, &options) {
            Err(error) => {
                let mut answer = BytesMut::new();
                error
                    .notification
                    .encode(&mut answer)
                    .expect("an answer that fits");
                assert!(answer.len() <= 4096);
                let _ = error.to_string();
            }
            Ok(Message::Notification(notification)) => {
                let _ = (
                    notification.to_string(),
                    notification.shutdown_communication(),
                );
            }
            Ok(Message::Update(update)) => {
                let announced =
                    update.announcements().count() + update.evpn_announcements().count();
                assert!(announced == 0 || !update.treat_as_withdraw);
                assert!(announced == 0 || update.end_of_rib().is_none());
                update
                    .errors
                    .iter()
                    .for_each(|error| drop(error.to_string()));
            }
            Ok(_) => {}
        }
    }
});
