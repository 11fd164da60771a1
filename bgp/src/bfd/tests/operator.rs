//! What the operator wants: RFC 5880 §6.8.16, and the end of sessions.

use super::*;

#[test]
fn held_down_is_told_for_good_and_is_no_path_failure() {
    let mut bench = Bench::up();
    bench
        .sessions
        .hold_down(&bench.key.clone(), true, bench.now);
    bench.drain();
    assert_eq!(bench.last_sent().state, State::AdminDown);
    assert_eq!(
        bench.last_sent().diagnostic,
        Diagnostic::ADMINISTRATIVELY_DOWN
    );
    let change = bench.changes.pop().unwrap();
    assert_eq!((change.from, change.to), (State::Up, State::AdminDown));
    assert!(!change.is_path_failure());
    bench.sent.clear();
    bench.pass(Duration::from_secs(10));
    assert!(
        bench.sent.len() >= 10,
        "a remote system that starts must hear it"
    );
    assert_eq!(
        bench.receive(&bench.packet(State::Down)),
        Err(Discard::AdminDown)
    );
    assert_eq!(bench.state(), State::AdminDown);

    bench
        .sessions
        .hold_down(&bench.key.clone(), false, bench.now);
    bench.drain();
    assert_eq!(bench.last_sent().state, State::Down);
    bench.hear(State::Down);
    bench.hear(State::Init);
    assert_eq!(bench.state(), State::Up);
}

#[test]
fn a_remote_operator_is_no_path_failure_but_a_remote_failure_is() {
    for (heard, failure) in [(State::AdminDown, false), (State::Down, true)] {
        let mut bench = Bench::up();
        let mut packet = bench.packet(heard);
        packet.control_plane_independent = true;
        bench.receive(&packet).unwrap();
        let change = bench.changes.last().unwrap();
        assert_eq!((change.from, change.to), (State::Up, State::Down));
        assert_eq!(change.remote_state, heard);
        assert!(change.remote_control_plane_independent);
        assert_eq!(change.is_path_failure(), failure);
    }
}

#[test]
fn a_removed_session_goes_when_the_remote_system_knows() {
    let mut bench = Bench::up();
    bench.sessions.remove(&bench.key.clone(), bench.now);
    bench.drain();
    assert_eq!(bench.last_sent().state, State::AdminDown);
    assert_eq!(bench.sessions.status().count(), 0);
    bench.hear(State::Up);
    assert!(!bench.ended, "said before it heard");
    bench.hear(State::Down);
    assert!(bench.ended && bench.sessions.is_empty());
}

#[test]
fn a_removed_session_goes_after_the_detection_time_at_the_latest() {
    let mut bench = Bench::up();
    bench.sessions.remove(&bench.key.clone(), bench.now);
    bench.sent.clear();
    bench.pass(millis(2990));
    assert!(!bench.ended && bench.sent.len() >= 3);
    bench.pass(millis(10));
    assert!(bench.ended && bench.sessions.is_empty());
    assert_eq!(bench.drain(), None);
}

#[test]
fn a_removed_session_that_nobody_heard_goes_at_once() {
    let mut bench = Bench::new(SessionConfig::default());
    bench.sessions.remove(&bench.key.clone(), bench.now);
    bench.drain();
    assert!(bench.ended && bench.sessions.is_empty());
}

#[test]
fn a_session_added_again_while_it_goes_stays() {
    let mut bench = Bench::up();
    let key = bench.key.clone();
    bench.sessions.remove(&key, bench.now);
    let again = bench
        .sessions
        .add(key, SessionConfig::every(millis(100), 3), bench.now);
    assert_eq!(again, Ok(bench.ours));
    bench.drain();
    assert_eq!(bench.last_sent().state, State::Down);
    bench.hear(State::Down);
    bench.hear(State::Init);
    assert_eq!(bench.state(), State::Up);
    assert!(!bench.ended);
}

#[test]
fn sessions_are_bounded_and_their_discriminators_differ() {
    let now = Instant::now();
    let mut sessions = Sessions::new(3);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..MAX_SESSIONS {
        let remote = IpAddr::from(
            u32::try_from(number)
                .unwrap()
                .to_be_bytes()
                .map(|octet| octet | 1),
        );
        let local = IpAddr::from(u32::try_from(number + 1).unwrap().to_be_bytes());
        let key = SessionKey::single_hop(remote).from(local);
        seen.insert(sessions.add(key, SessionConfig::default(), now).unwrap());
    }
    assert_eq!(seen.len(), MAX_SESSIONS);
    let one_more = SessionKey::single_hop(ip(THEIRS));
    let refused = sessions.add(one_more, SessionConfig::default(), now);
    assert!(matches!(refused, Err(AddError::TooMany { .. })));
}

#[test]
fn an_unfit_session_is_refused_and_changes_nothing() {
    let mut bench = Bench::up();
    let before = bench.status().config;
    let zero = SessionConfig::every(millis(100), 0);
    assert!(matches!(
        bench.sessions.add(bench.key.clone(), zero, bench.now),
        Err(AddError::Config(ConfigError::Multiplier))
    ));
    assert_eq!(bench.status().config, before);
}
