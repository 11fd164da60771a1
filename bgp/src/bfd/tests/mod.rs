//! The rules of RFC 5880, one by one; two systems on virtual time; the codec.

mod codec;
mod operator;
mod pair;
mod reception;
mod timing;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::*;

const OURS: &str = "192.0.2.1";
const THEIRS: &str = "192.0.2.2";

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One session of ours, and a remote system played by the test, packet by packet.
struct Bench {
    sessions: Sessions,
    key: SessionKey,
    now: Instant,
    ours: Discriminator,
    sent: Vec<(Instant, ControlPacket)>,
    changes: Vec<Change>,
    ended: bool,
}

impl Bench {
    fn new(config: SessionConfig) -> Self {
        Self::with_key(SessionKey::single_hop(ip(THEIRS)), config)
    }

    fn with_key(key: SessionKey, config: SessionConfig) -> Self {
        let now = Instant::now();
        let mut sessions = Sessions::new(7);
        let ours = sessions.add(key.clone(), config, now).unwrap();
        let mut this = Self {
            sessions,
            key,
            now,
            ours,
            sent: Vec::new(),
            changes: Vec::new(),
            ended: false,
        };
        this.drain();
        this
    }

    /// A session that is up, 100 ms × 3 both ways, the Poll Sequence behind it.
    fn up() -> Self {
        Self::up_with(SessionConfig::every(millis(100), 3))
    }

    fn up_with(config: SessionConfig) -> Self {
        let mut this = Self::new(config);
        this.hear(State::Down);
        this.hear(State::Init);
        let mut last = this.packet(State::Up);
        last.finished = true;
        this.receive(&last).unwrap();
        assert_eq!(this.state(), State::Up);
        this.sent.clear();
        this.changes.clear();
        this
    }

    /// What the remote system says in that state, with 100 ms × 3.
    fn packet(&self, state: State) -> ControlPacket {
        ControlPacket {
            diagnostic: Diagnostic::NONE,
            state,
            poll: false,
            finished: false,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: 3,
            my_discriminator: 4711,
            your_discriminator: self.ours.0.get(),
            desired_min_tx: millis(100).into(),
            required_min_rx: millis(100).into(),
            required_min_echo_rx: Interval(0),
        }
    }

    fn hear(&mut self, state: State) {
        // A system that is administratively down on our side discards.
        let _ = self.receive(&self.packet(state));
    }

    fn receive(&mut self, packet: &ControlPacket) -> Result<(), Discard> {
        self.receive_octets(&packet.encode())
    }

    fn receive_octets(&mut self, octets: &[u8]) -> Result<(), Discard> {
        self.arrive(self.arrival(), octets, None)
    }

    fn arrival(&self) -> Arrival {
        Arrival {
            source: self.key.remote,
            destination: ip(OURS),
            ttl: 255,
            multihop: self.key.multihop,
        }
    }

    fn arrive(
        &mut self,
        arrival: Arrival,
        octets: &[u8],
        interface: Option<&str>,
    ) -> Result<(), Discard> {
        let name = || interface.map(str::to_owned);
        let taken = self.sessions.receive(&arrival, octets, name, self.now);
        self.drain();
        taken
    }

    /// Time goes by; what is due on the way happens when it is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.drain().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.sessions.handle_timeout(self.now);
        }
        self.now = end;
    }

    /// Like [`Self::pass`], while the remote system sends `packet` every 90 ms.
    fn pass_hearing(&mut self, time: Duration, packet: &ControlPacket) {
        let end = self.now + time;
        while self.now < end {
            self.pass(millis(90));
            let _ = self.receive(packet);
        }
    }

    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.sessions.poll_output() {
                Output::Send { session, packet } => {
                    assert_eq!(session, self.ours);
                    assert!(!packet.poll || !packet.finished, "RFC 5880 §6.5");
                    self.sent.push((self.now, packet));
                }
                Output::Changed(change) => self.changes.push(change),
                Output::Ended { .. } => self.ended = true,
                Output::Timeout(at) => return at,
            }
        }
    }

    fn status(&self) -> SessionStatus {
        self.sessions.status().next().unwrap()
    }

    fn state(&self) -> State {
        self.status().state
    }

    fn last_sent(&self) -> ControlPacket {
        self.sent.last().unwrap().1
    }

    /// The time between packets that were sent.
    fn gaps(&self) -> Vec<Duration> {
        let pairs = self.sent.windows(2);
        pairs.map(|pair| pair[1].0 - pair[0].0).collect()
    }
}
