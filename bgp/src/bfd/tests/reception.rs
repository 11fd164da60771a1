//! RFC 5880 §6.8.6 in its order, and RFC 5881 §5, RFC 5883 §5.

use super::*;

/// A good packet of a session that is up, as octets, to be spoilt.
fn good(bench: &Bench) -> Vec<u8> {
    bench.packet(State::Up).encode().to_vec()
}

/// The packet is discarded for `why`, counted, and has no effect: the session goes down as if it had not come.
fn assert_discarded(mut bench: Bench, octets: &[u8], why: Discard) {
    bench.pass(millis(250));
    assert_eq!(bench.receive_octets(octets), Err(why));
    assert_eq!(bench.sessions.discards()[&why], 1);
    bench.pass(millis(60));
    assert_eq!(bench.state(), State::Down, "{why}");
}

#[test]
fn the_good_packet_is_taken() {
    let mut bench = Bench::up();
    let octets = good(&bench);
    bench.pass(millis(250));
    bench.receive_octets(&octets).unwrap();
    bench.pass(millis(60));
    assert_eq!(bench.state(), State::Up);
}

#[test]
fn spoilt_packets_are_discarded() {
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(Spoil, Discard); 9] = [
        (|octets| octets[0] = 0x40, Discard::Version),
        (|octets| octets[3] = 23, Discard::TooShort),
        (|octets| octets.truncate(3), Discard::TooShort),
        (|octets| octets[3] = 25, Discard::TooLong),
        (|octets| octets.truncate(23), Discard::TooLong),
        (|octets| octets[2] = 0, Discard::Multiplier),
        (|octets| octets[1] |= 0x01, Discard::Multipoint),
        (|octets| octets[4..8].fill(0), Discard::MyDiscriminator),
        (
            |octets| octets[8..12].fill(0xff),
            Discard::UnknownDiscriminator,
        ),
    ];
    for (spoil, why) in cases {
        let bench = Bench::up();
        let mut octets = good(&bench);
        spoil(&mut octets);
        assert_discarded(bench, &octets, why);
    }
}

#[test]
fn the_first_fault_counts() {
    let bench = Bench::up();
    let mut octets = good(&bench);
    octets[0] = 0x40;
    octets[2] = 0;
    octets[4..8].fill(0);
    assert_discarded(bench, &octets, Discard::Version);
}

#[test]
fn an_authenticated_packet_needs_its_section_and_is_discarded_for_its_session() {
    let bench = Bench::up();
    let mut octets = good(&bench);
    octets[1] |= 0x04;
    assert_discarded(bench, &octets, Discard::TooShort);

    let mut bench = Bench::up();
    octets = good(&bench);
    octets[1] |= 0x04;
    octets[3] = 28;
    octets.extend([1, 4, 1, b'x']);
    assert_eq!(bench.receive_octets(&octets), Err(Discard::Authenticated));
    assert_eq!(bench.status().counters.discarded, 1);
}

#[test]
fn without_our_discriminator_only_a_session_that_is_down_may_speak() {
    for state in [State::Init, State::Up] {
        let mut bench = Bench::new(SessionConfig::default());
        let mut packet = bench.packet(state);
        packet.your_discriminator = 0;
        assert_eq!(bench.receive(&packet), Err(Discard::YourDiscriminator));
    }
    let mut bench = Bench::new(SessionConfig::default());
    let mut packet = bench.packet(State::Down);
    packet.your_discriminator = 0;
    bench.receive(&packet).unwrap();
    assert_eq!(bench.state(), State::Init);
}

#[test]
fn a_stranger_is_not_answered() {
    let mut bench = Bench::new(SessionConfig::default());
    let mut packet = bench.packet(State::Down);
    packet.your_discriminator = 0;
    let stranger = Arrival {
        source: ip("192.0.2.9"),
        ..bench.arrival()
    };
    let taken = bench.arrive(stranger, &packet.encode(), Some("eth0"));
    assert_eq!(taken, Err(Discard::UnknownSender));
    assert!(bench.sent.is_empty());
}

#[test]
fn what_has_crossed_a_router_is_discarded() {
    let mut bench = Bench::up();
    let octets = good(&bench);
    for ttl in [254, 64, 0] {
        let arrival = Arrival {
            ttl,
            ..bench.arrival()
        };
        assert_eq!(bench.arrive(arrival, &octets, None), Err(Discard::Ttl));
    }
}

#[test]
fn a_multihop_session_takes_what_has_crossed_no_more_than_its_minimum_allows() {
    let key = SessionKey::multihop(ip(THEIRS));
    let config = SessionConfig {
        minimum_ttl: 250,
        ..SessionConfig::default()
    };
    let mut bench = Bench::with_key(key, config);
    let octets = bench.packet(State::Down).encode();
    for (ttl, taken) in [(249, Err(Discard::Ttl)), (250, Ok(()))] {
        let arrival = Arrival {
            ttl,
            ..bench.arrival()
        };
        assert_eq!(bench.arrive(arrival, &octets, None), taken);
    }
    assert_eq!(bench.status().counters.discarded, 1);
    // The other port is no way around the minimum.
    let single_hop = Arrival {
        multihop: false,
        ..bench.arrival()
    };
    assert!(bench.arrive(single_hop, &octets, None).is_err());
}

#[test]
fn first_packets_find_their_session_by_address_and_interface() {
    let now = Instant::now();
    let mut sessions = Sessions::new(7);
    let link_local = SessionKey::single_hop(ip("fe80::1"));
    let plain = SessionKey::single_hop(ip(THEIRS));
    let keys = [
        link_local.clone().on("eth0"),
        link_local.on("eth1"),
        plain.clone(),
        plain.clone().from(ip(OURS)),
        SessionKey::multihop(ip(THEIRS)),
    ];
    let ids = keys.map(|key| sessions.add(key, SessionConfig::default(), now).unwrap());
    let mut found = |source: &str, destination: &str, interface: &str, multihop| {
        let mut packet = Bench::new(SessionConfig::default()).packet(State::Down);
        packet.your_discriminator = 0;
        packet.my_discriminator = 99;
        let arrival = Arrival {
            source: ip(source),
            destination: ip(destination),
            ttl: 255,
            multihop,
        };
        let name = || Some(interface.to_owned());
        let taken = sessions.receive(&arrival, &packet.encode(), name, now);
        while !matches!(sessions.poll_output(), Output::Timeout(_)) {}
        let heard: Vec<_> = sessions
            .status()
            .filter(|status| status.remote.discriminator == 99)
            .map(|status| status.discriminator)
            .collect();
        sessions = Sessions::new(7);
        for key in [
            SessionKey::single_hop(ip("fe80::1")).on("eth0"),
            SessionKey::single_hop(ip("fe80::1")).on("eth1"),
            SessionKey::single_hop(ip(THEIRS)),
            SessionKey::single_hop(ip(THEIRS)).from(ip(OURS)),
            SessionKey::multihop(ip(THEIRS)),
        ] {
            sessions.add(key, SessionConfig::default(), now).unwrap();
        }
        taken.map(|()| heard)
    };
    assert_eq!(found("fe80::1", "fe80::2", "eth0", false), Ok(vec![ids[0]]));
    assert_eq!(found("fe80::1", "fe80::2", "eth1", false), Ok(vec![ids[1]]));
    assert_eq!(
        found("fe80::1", "fe80::2", "eth2", false),
        Err(Discard::UnknownSender)
    );
    assert_eq!(found(THEIRS, "192.0.2.77", "eth0", false), Ok(vec![ids[2]]));
    assert_eq!(found(THEIRS, OURS, "eth0", false), Ok(vec![ids[3]]));
    assert_eq!(found(THEIRS, OURS, "eth0", true), Ok(vec![ids[4]]));
}

/// The whole table of §6.2 and §6.8.6.
#[test]
fn the_remote_state_moves_ours_as_the_rfc_says() {
    use State::{AdminDown, Down, Init, Up};
    let cases = [
        (Down, AdminDown, Down),
        (Down, Down, Init),
        (Down, Init, Up),
        (Down, Up, Down),
        (Init, AdminDown, Down),
        (Init, Down, Init),
        (Init, Init, Up),
        (Init, Up, Up),
        (Up, AdminDown, Down),
        (Up, Down, Down),
        (Up, Init, Up),
        (Up, Up, Up),
    ];
    for (from, heard, to) in cases {
        let mut bench = Bench::new(SessionConfig::default());
        if from != Down {
            bench.hear(Down);
        }
        if from == Up {
            bench.hear(Init);
        }
        assert_eq!(bench.state(), from);
        bench.hear(heard);
        assert_eq!(bench.state(), to, "{from} hears {heard}");
        let told = bench.status().diagnostic == Diagnostic::NEIGHBOR_SIGNALED_DOWN;
        assert_eq!(told, from != Down && to == Down, "{from} hears {heard}");
    }
}

#[test]
fn a_change_of_state_is_told_at_once() {
    let mut bench = Bench::up();
    bench.pass(millis(10));
    let before = bench.sent.len();
    bench.hear(State::Down);
    assert_eq!(bench.sent.len(), before + 1);
    assert_eq!(bench.last_sent().state, State::Down);
    assert_eq!(
        bench.last_sent().diagnostic,
        Diagnostic::NEIGHBOR_SIGNALED_DOWN
    );
}

#[test]
fn a_poll_is_answered_at_once_with_a_final_alone() {
    let mut bench = Bench::up();
    let mut poll = bench.packet(State::Up);
    poll.poll = true;
    let before = bench.sent.len();
    bench.receive(&poll).unwrap();
    assert_eq!(bench.sent.len(), before + 1);
    assert!(bench.last_sent().finished && !bench.last_sent().poll);
    assert_eq!(bench.last_sent().your_discriminator, 4711);
}

#[test]
fn a_remote_discriminator_may_change_without_a_flap() {
    let mut bench = Bench::up();
    let mut packet = bench.packet(State::Up);
    packet.my_discriminator = 5000;
    bench.receive(&packet).unwrap();
    bench.pass_hearing(millis(300), &packet);
    assert_eq!(bench.last_sent().your_discriminator, 5000);
    assert_eq!(bench.state(), State::Up);
}
