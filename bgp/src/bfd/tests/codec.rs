use proptest::prelude::*;

use super::*;

fn packet() -> impl Strategy<Value = ControlPacket> {
    let flags = any::<(bool, bool, bool, bool)>();
    let state = prop_oneof![
        Just(State::AdminDown),
        Just(State::Down),
        Just(State::Init),
        Just(State::Up)
    ];
    let numbers = (1..=u8::MAX, 1..=u32::MAX, any::<(u32, u32, u32, u32)>());
    (0_u8..32, state, flags, numbers).prop_map(|(diagnostic, state, flags, numbers)| {
        let (poll, finished, control_plane_independent, demand) = flags;
        let (detect_multiplier, my_discriminator, (your_discriminator, tx, rx, echo)) = numbers;
        ControlPacket {
            diagnostic: Diagnostic::new(diagnostic),
            state,
            poll,
            finished,
            control_plane_independent,
            demand,
            detect_multiplier,
            my_discriminator,
            your_discriminator,
            desired_min_tx: Interval(tx),
            required_min_rx: Interval(rx),
            required_min_echo_rx: Interval(echo),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(packet in packet(), trailer in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut octets = packet.encode().to_vec();
        octets.extend(trailer);
        prop_assert_eq!(ControlPacket::decode(&octets), Ok((packet, Authentication::Absent)));
    }

    #[test]
    fn what_is_read_is_written_back(octets in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok((packet, Authentication::Absent)) = ControlPacket::decode(&octets) {
            let mut written = packet.encode();
            // We write no more than the fixed part, whatever the packet said of its length.
            written[3] = octets[3];
            prop_assert_eq!(&written[..], &octets[..24]);
        }
    }

    /// Whatever comes, in whatever order: no panic, and no more than one answer to each packet.
    #[test]
    fn nothing_received_upsets_a_session(
        packets in prop::collection::vec((packet(), any::<bool>(), 0_u64..2000), 0..60),
    ) {
        let mut bench = Bench::new(SessionConfig::default());
        for (mut packet, for_us, pause) in packets {
            if for_us {
                packet.your_discriminator = bench.ours.0.get();
            }
            let before = bench.sent.len();
            let _ = bench.receive(&packet);
            prop_assert!(bench.sent.len() <= before + 1);
            bench.pass(millis(pause));
        }
    }
}

/// The octets of RFC 5880 §4.1, by hand.
#[test]
fn the_fields_are_where_the_rfc_has_them() {
    let octets = [
        0x21, 0xe8, 5, 24, // version 1, diagnostic 1; up, poll, C; multiplier 5
        0, 0, 0, 1, 0, 0, 0, 2, // discriminators
        0, 0x0f, 0x42, 0x40, // 1 s
        0, 0x04, 0x93, 0xe0, // 300 ms
        0, 0, 0, 0,
    ];
    let (packet, authentication) = ControlPacket::decode(&octets).unwrap();
    assert_eq!(authentication, Authentication::Absent);
    assert_eq!(packet.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    assert_eq!(packet.state, State::Up);
    assert!(packet.poll && packet.control_plane_independent);
    assert!(!packet.finished && !packet.demand);
    assert_eq!(packet.detect_multiplier, 5);
    assert_eq!((packet.my_discriminator, packet.your_discriminator), (1, 2));
    assert_eq!(packet.desired_min_tx, Duration::from_secs(1).into());
    assert_eq!(packet.required_min_rx, millis(300).into());
    assert_eq!(packet.encode(), octets);
}
