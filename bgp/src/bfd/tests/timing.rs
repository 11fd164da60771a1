//! When packets leave, and when silence is a failure: RFC 5880 §6.8.2 to §6.8.4, §6.8.7.

use super::*;

#[test]
fn a_session_that_is_down_sends_once_a_second_and_says_so() {
    let mut bench = Bench::new(SessionConfig::every(millis(50), 3));
    bench.pass(Duration::from_secs(60));
    assert!(
        bench
            .gaps()
            .iter()
            .all(|gap| (millis(750)..=millis(1000)).contains(gap))
    );
    assert!(bench.sent.iter().all(|(_, packet)| {
        packet.desired_min_tx == Duration::from_secs(1).into() && packet.state == State::Down
    }));
    assert!(
        bench
            .sent
            .iter()
            .all(|(_, packet)| packet.your_discriminator == 0 && !packet.poll)
    );
}

#[test]
fn the_first_packet_does_not_wait() {
    let mut bench = Bench::new(SessionConfig::default());
    bench.pass(Duration::ZERO);
    assert_eq!(bench.sent.len(), 1);
    let packet = bench.last_sent();
    assert_eq!(packet.required_min_echo_rx, Interval(0));
    assert!(!packet.control_plane_independent && !packet.demand);
}

#[test]
fn coming_up_polls_for_the_fast_interval() {
    let mut bench = Bench::new(SessionConfig::every(millis(100), 3));
    bench.hear(State::Down);
    bench.hear(State::Init);
    bench.pass(millis(100));
    assert!(bench.last_sent().poll);
    assert_eq!(bench.last_sent().desired_min_tx, millis(100).into());
    let mut answer = bench.packet(State::Up);
    answer.finished = true;
    bench.receive(&answer).unwrap();
    bench.pass(millis(100));
    assert!(!bench.last_sent().poll);
}

#[test]
fn the_slower_of_both_sides_sets_the_pace_within_the_jitter() {
    for (ours, theirs, multiplier, least, most) in [
        (50, 200, 3, 150, 200),
        (200, 50, 3, 150, 200),
        (100, 100, 1, 75, 90),
    ] {
        let mut bench = Bench::up_with(SessionConfig::every(millis(ours), multiplier));
        let mut packet = bench.packet(State::Up);
        packet.required_min_rx = millis(theirs).into();
        bench.receive(&packet).unwrap();
        bench.sent.clear();
        bench.pass_hearing(Duration::from_secs(20), &packet);
        assert!(bench.sent.len() > 90);
        let gaps = bench.gaps();
        assert!(
            gaps.iter()
                .all(|gap| (millis(least)..=millis(most)).contains(gap)),
            "{gaps:?}"
        );
    }
}

#[test]
fn silence_is_a_failure_after_the_remote_multiplier_of_the_slower_interval() {
    // Required Min RX of ours, Desired Min TX and Detect Mult of theirs, detection time.
    for (receive, transmit, multiplier, detection) in [
        (100, 50, 3, 300),
        (50, 100, 3, 300),
        (100, 100, 1, 100),
        (20, 500, 10, 5000),
    ] {
        let mut bench = Bench::up_with(SessionConfig::every(millis(receive), 7));
        let mut packet = bench.packet(State::Up);
        packet.desired_min_tx = millis(transmit).into();
        packet.detect_multiplier = multiplier;
        bench.receive(&packet).unwrap();
        let heard = bench.now;
        bench.pass(millis(detection - 1));
        assert_eq!(bench.state(), State::Up);
        bench.pass(millis(1));
        assert_eq!(bench.state(), State::Down);
        let change = bench.changes.last().unwrap();
        assert_eq!(change.at - heard, millis(detection));
        assert_eq!(change.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
        assert!(change.is_path_failure());
        // Who is not heard any more is not addressed either (§6.8.1, bfd.RemoteDiscr).
        assert_eq!(bench.last_sent().state, State::Down);
        assert_eq!(bench.last_sent().your_discriminator, 0);
    }
}

#[test]
fn what_arrived_in_time_counts_even_if_the_deadline_is_served_late() {
    let mut bench = Bench::up();
    bench.now += millis(290);
    bench.hear(State::Up);
    bench.now += millis(100);
    bench.sessions.handle_timeout(bench.now);
    bench.drain();
    assert_eq!(bench.state(), State::Up);
}

#[test]
fn a_longer_interval_is_kept_from_use_until_the_remote_system_knows() {
    let mut bench = Bench::up();
    let key = bench.key.clone();
    let slow = SessionConfig::every(millis(1000), 3);
    bench.sessions.add(key, slow, bench.now).unwrap();
    let packet = bench.packet(State::Up);
    bench.pass_hearing(millis(500), &packet);
    assert!(bench.last_sent().poll);
    assert_eq!(bench.last_sent().desired_min_tx, millis(1000).into());
    assert!(
        bench.gaps().iter().all(|gap| *gap <= millis(100)),
        "still at the old pace"
    );
    let answer = ControlPacket {
        finished: true,
        ..packet
    };
    bench.receive(&answer).unwrap();
    bench.sent.clear();
    bench.pass_hearing(Duration::from_secs(5), &packet);
    assert!(bench.gaps().iter().all(|gap| *gap >= millis(750)));
    assert_eq!(bench.state(), State::Up);
}

#[test]
fn a_shorter_receive_interval_is_kept_from_use_until_the_remote_system_knows() {
    let mut bench = Bench::up_with(SessionConfig::every(millis(1000), 3));
    let mut packet = bench.packet(State::Up);
    packet.desired_min_tx = Interval(0);
    bench.receive(&packet).unwrap();
    let key = bench.key.clone();
    let fast = SessionConfig::every(millis(50), 3);
    bench.sessions.add(key, fast, bench.now).unwrap();
    assert_eq!(bench.status().receive_interval, millis(50).into());
    assert_eq!(bench.status().detection_time, millis(3000));
    packet.finished = true;
    bench.receive(&packet).unwrap();
    assert_eq!(bench.status().detection_time, millis(150));
}

#[test]
fn a_remote_system_that_takes_nothing_is_sent_nothing() {
    let mut bench = Bench::up();
    let mut packet = bench.packet(State::Up);
    packet.required_min_rx = Interval(0);
    bench.receive(&packet).unwrap();
    bench.sent.clear();
    bench.pass_hearing(Duration::from_secs(5), &packet);
    assert!(bench.sent.is_empty());
    assert_eq!(bench.state(), State::Up);
}

#[test]
fn demand_mode_of_the_remote_system_is_obeyed() {
    let mut bench = Bench::up();
    let mut packet = bench.packet(State::Up);
    packet.demand = true;
    bench.receive(&packet).unwrap();
    bench.sent.clear();
    bench.pass_hearing(Duration::from_secs(2), &packet);
    assert!(bench.sent.is_empty(), "§6.6");
    // It polls us, and we it.
    packet.poll = true;
    bench.receive(&packet).unwrap();
    assert!(bench.last_sent().finished);
    packet.poll = false;
    let key = bench.key.clone();
    let other = SessionConfig::every(millis(200), 3);
    bench.sessions.add(key, other, bench.now).unwrap();
    bench.sent.clear();
    bench.pass_hearing(millis(900), &packet);
    assert!(bench.sent.len() > 2 && bench.sent.iter().all(|(_, packet)| packet.poll));
    packet.finished = true;
    bench.receive(&packet).unwrap();
    packet.finished = false;
    bench.sent.clear();
    bench.pass_hearing(Duration::from_secs(2), &packet);
    assert!(bench.sent.is_empty());
    assert_eq!(bench.state(), State::Up);
}

#[test]
fn a_passive_session_speaks_when_spoken_to() {
    let config = SessionConfig {
        passive: true,
        ..SessionConfig::every(millis(100), 3)
    };
    let mut bench = Bench::new(config);
    bench.pass(Duration::from_secs(10));
    assert!(bench.sent.is_empty());
    bench.hear(State::Down);
    assert_eq!(bench.last_sent().state, State::Init);
    bench.pass(Duration::from_secs(10));
    bench.sent.clear();
    bench.pass(Duration::from_secs(10));
    assert!(bench.sent.is_empty(), "the remote system is gone");
}
