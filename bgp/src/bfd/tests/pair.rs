//! Two systems of ours on virtual time, with a path between them that loses packets.

use proptest::prelude::*;

use super::*;

const DELAY: Duration = Duration::from_millis(2);

struct End {
    sessions: Sessions,
    key: SessionKey,
    changes: Vec<Change>,
}

impl End {
    fn new(seed: u64, remote: &str, config: SessionConfig, now: Instant) -> Self {
        let mut sessions = Sessions::new(seed);
        let key = SessionKey::single_hop(ip(remote));
        sessions.add(key.clone(), config, now).unwrap();
        Self {
            sessions,
            key,
            changes: Vec::new(),
        }
    }

    fn status(&self) -> SessionStatus {
        self.sessions.status().next().unwrap()
    }
}

/// Packets on their way: when they arrive, to which end.
struct Pair {
    now: Instant,
    ends: [End; 2],
    wire: Vec<(Instant, usize, [u8; ControlPacket::LEN])>,
    /// Of a hundred packets to each end, so many are lost.
    loss: [u32; 2],
    dice: u32,
}

impl Pair {
    fn new(left: SessionConfig, right: SessionConfig) -> Self {
        let now = Instant::now();
        Self {
            now,
            ends: [
                End::new(1, THEIRS, left, now),
                End::new(2, OURS, right, now),
            ],
            wire: Vec::new(),
            loss: [0; 2],
            dice: 1,
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timeouts = [self.drain(0), self.drain(1)];
            let arrivals = self.wire.iter().map(|(at, ..)| *at);
            let next = timeouts.into_iter().flatten().chain(arrivals).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.deliver();
            for side in &mut self.ends {
                side.sessions.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        let due: Vec<_> = self
            .wire
            .extract_if(.., |(at, ..)| *at <= self.now)
            .collect();
        for (_, to, octets) in due {
            let [source, destination] = if to == 0 {
                [THEIRS, OURS]
            } else {
                [OURS, THEIRS]
            };
            let arrival = Arrival {
                source: ip(source),
                destination: ip(destination),
                ttl: 255,
                multihop: false,
            };
            let _ = self.ends[to]
                .sessions
                .receive(&arrival, &octets, || None, self.now);
        }
    }

    fn drain(&mut self, side: usize) -> Option<Instant> {
        loop {
            match self.ends[side].sessions.poll_output() {
                Output::Send { packet, .. } => {
                    let to = 1 - side;
                    self.dice = self
                        .dice
                        .wrapping_mul(1_664_525)
                        .wrapping_add(1_013_904_223);
                    if (self.dice >> 16) % 100 >= self.loss[to] {
                        self.wire.push((self.now + DELAY, to, packet.encode()));
                    }
                }
                Output::Changed(change) => self.ends[side].changes.push(change),
                Output::Ended { .. } => {}
                Output::Timeout(at) => return at,
            }
        }
    }

    fn both_are(&self, state: State) -> bool {
        self.ends.iter().all(|end| end.status().state == state)
    }
}

fn fast() -> SessionConfig {
    SessionConfig::every(millis(50), 3)
}

#[test]
fn both_come_up_and_agree_on_the_fast_intervals() {
    let slower = SessionConfig {
        transmit_interval: millis(30),
        receive_interval: millis(200),
        detect_multiplier: 5,
        ..SessionConfig::default()
    };
    let mut pair = Pair::new(fast(), slower);
    pair.run(Duration::from_secs(3));
    assert!(pair.both_are(State::Up));
    let [left, right] = [pair.ends[0].status(), pair.ends[1].status()];
    assert_eq!(left.negotiated_transmit_interval, millis(200));
    assert_eq!(right.negotiated_transmit_interval, millis(50));
    assert_eq!(left.detection_time, millis(250));
    assert_eq!(right.detection_time, millis(600));
    assert!(!left.polling && !right.polling);
    assert_eq!(left.remote.discriminator, right.discriminator.0.get());
}

#[test]
fn a_path_cut_one_way_is_found_by_both() {
    for deaf in [0, 1] {
        let mut pair = Pair::new(fast(), fast());
        pair.run(Duration::from_secs(3));
        assert!(pair.both_are(State::Up));
        pair.loss[deaf] = 100;
        let cut = pair.now;
        pair.run(millis(160));
        let failed = |end: &End| {
            end.changes
                .iter()
                .rfind(|change| change.is_path_failure())
                .cloned()
        };
        let first = failed(&pair.ends[deaf]).unwrap();
        assert_eq!(first.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
        assert!(first.at - cut <= millis(150) + DELAY);
        let other = failed(&pair.ends[1 - deaf]).unwrap();
        assert_eq!(other.diagnostic, Diagnostic::NEIGHBOR_SIGNALED_DOWN);
        assert_eq!(other.at - first.at, DELAY, "told, not timed out");
        pair.loss[deaf] = 0;
        pair.run(Duration::from_secs(5));
        assert!(pair.both_are(State::Up));
    }
}

#[test]
fn intervals_change_both_ways_without_a_flap() {
    let mut pair = Pair::new(fast(), fast());
    pair.run(Duration::from_secs(3));
    for (side, millis_wanted) in [(0, 1000), (1, 300), (0, 20), (1, 20), (0, 5000)] {
        let now = pair.now;
        let end = &mut pair.ends[side];
        let config = SessionConfig::every(millis(millis_wanted), 3);
        end.sessions.add(end.key.clone(), config, now).unwrap();
        pair.run(Duration::from_secs(12));
        assert!(!pair.ends[side].status().polling);
    }
    assert!(pair.both_are(State::Up));
    for end in &pair.ends {
        assert_eq!(end.status().counters.downs, 0);
        assert_eq!(end.status().negotiated_transmit_interval, millis(5000));
    }
}

#[test]
fn two_passive_sides_never_speak() {
    let passive = SessionConfig {
        passive: true,
        ..fast()
    };
    let mut pair = Pair::new(passive, passive);
    pair.run(Duration::from_secs(60));
    assert!(pair.both_are(State::Down));
    assert_eq!(pair.ends[0].status().counters.sent, 0);
    let mut pair = Pair::new(passive, fast());
    pair.run(Duration::from_secs(5));
    assert!(pair.both_are(State::Up));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was lost: once nothing is lost any more, both come up, agree, and stay up.
    #[test]
    fn after_any_loss_both_come_up_and_stay(
        storms in prop::collection::vec((0_u32..=100, 0_u32..=100, 1_u64..4000), 0..8),
        intervals in (10_u64..500, 10_u64..500),
        multipliers in (1_u8..6, 1_u8..6),
    ) {
        let mut pair = Pair::new(
            SessionConfig::every(millis(intervals.0), multipliers.0),
            SessionConfig::every(millis(intervals.1), multipliers.1),
        );
        for (left, right, time) in storms {
            pair.loss = [left, right];
            pair.run(millis(time));
        }
        pair.loss = [0; 2];
        pair.run(Duration::from_secs(10));
        prop_assert!(pair.both_are(State::Up));
        let downs = pair.ends.each_ref().map(|end| end.status().counters.downs);
        pair.run(Duration::from_secs(30));
        prop_assert!(pair.both_are(State::Up));
        prop_assert_eq!(downs, pair.ends.each_ref().map(|end| end.status().counters.downs));
        let slower = millis(intervals.0.max(intervals.1));
        for end in &pair.ends {
            prop_assert_eq!(end.status().negotiated_transmit_interval, slower);
            prop_assert!(!end.status().polling);
        }
    }
}
