//! A session, what arrives for it, and time: four octets of header for each datagram.
#![no_main]

use std::time::{Duration, Instant};

use bgp::bfd::{
    Arrival, Authentication, ControlPacket, Output, SessionConfig, SessionKey, Sessions,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut now = Instant::now();
    let key = SessionKey::single_hop([192, 0, 2, 2].into());
    let mut sessions = Sessions::new(7);
    let ours = sessions
        .add(key, SessionConfig::default(), now)
        .expect("a good session");
    let mut rest = input;
    while let [length, ttl, pause, flags, more @ ..] = rest {
        let (datagram, left) = more.split_at(usize::from(*length).min(more.len()));
        rest = left;
        let mut datagram = datagram.to_vec();
        if flags & 1 != 0
            && let Some(field) = datagram.get_mut(8..12)
        {
            // Ours, which the fuzzer would never guess.
            field.copy_from_slice(&ours.0.get().to_be_bytes());
        }
        if let Ok((packet, Authentication::Absent)) = ControlPacket::decode(&datagram) {
            let again = ControlPacket::decode(&packet.encode());
            assert_eq!(again, Ok((packet, Authentication::Absent)));
        }
        let arrival = Arrival {
            source: [192, 0, 2, 2].into(),
            destination: [192, 0, 2, 1].into(),
            ttl: if flags & 2 == 0 { 255 } else { *ttl },
            multihop: flags & 4 != 0,
        };
        let _ = sessions.receive(&arrival, &datagram, || None, now);
        let answers = drain(&mut sessions);
        assert!(answers <= 1, "one datagram, {answers} packets");
        now += Duration::from_millis(u64::from(*pause) * 10);
        sessions.handle_timeout(now);
        drain(&mut sessions);
    }
    assert_eq!(sessions.status().count(), 1);
});

/// How many packets the sessions want to send.
fn drain(sessions: &mut Sessions) -> usize {
    let mut packets = 0;
    loop {
        match sessions.poll_output() {
            Output::Send { packet, .. } => {
                assert!(!(packet.poll && packet.finished));
                packets += 1;
            }
            Output::Timeout(_) => return packets,
            Output::Changed(_) | Output::Ended { .. } => {}
        }
    }
}
