use std::time::Duration;

use bgp::State;

use crate::pair::{A, B, Pair, Setup};
use crate::raw_peer::RawPeer;

fn one_sided() -> Setup {
    Setup {
        configure: |side, config| config.passive = side == B,
        ..Setup::default()
    }
}

#[test]
fn attempts_back_off_to_the_connect_retry_time() {
    let mut pair = Pair::new(one_sided());
    pair.listening[B] = false;
    pair.run(Duration::from_secs(120));
    let gaps: Vec<_> = pair.dials[A]
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    for (gap, nominal) in gaps.iter().zip([1.0, 2.0, 4.0, 8.0, 10.0, 10.0]) {
        assert!(
            (nominal * 0.74..nominal * 1.01).contains(gap),
            "{gap} for {nominal}"
        );
    }
    assert_eq!(
        pair.status(A).last_error.unwrap().1.to_string(),
        "connection failed: connection refused"
    );
}

#[test]
fn the_session_comes_up_once_the_peer_listens() {
    let mut pair = Pair::new(one_sided());
    pair.listening[B] = false;
    pair.run(Duration::from_secs(60));
    pair.listening[B] = true;
    pair.run(Duration::from_secs(11));
    assert_eq!(pair.states(), [State::Established; 2]);
}

#[test]
fn errors_of_the_peer_are_answered_by_a_growing_idle_hold() {
    let mut pair = Pair::new(Setup {
        remote_as: [bgp::RemoteAs::Internal, bgp::RemoteAs::Auto],
        ..one_sided()
    });
    pair.run(Duration::from_secs(300));
    let attempts = pair.dials[A].len();
    assert!(
        (5..=14).contains(&attempts),
        "{attempts} attempts in five minutes"
    );
}

#[test]
fn while_held_in_idle_the_peer_is_refused() {
    let mut raw = RawPeer::connected(|_| {});
    raw.send_octets(&[0; 19]);
    assert_eq!(raw.state(), State::Idle);
    raw.closed.clear();
    let connection = raw.speaker.new_connection();
    raw.opened(connection);
    assert_eq!(raw.closed, [connection]);
    raw.wait(Duration::from_secs(2));
    assert_eq!(raw.state(), State::Active);
}
