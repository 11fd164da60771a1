//! Two speakers, the network between them, and a clock that only the test moves.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use bgp::wire::{Asn, RouterId};
use bgp::{
    ConnectionId, Ends, Event, GracefulRestart, Input, Output, PeerConfig, PeerId, PeerStatus,
    RemoteAs, Route, Speaker, SpeakerConfig, State,
};
use ipnet::IpNet;

/// Which of the two.
pub(crate) type Side = usize;
pub(crate) const A: Side = 0;
pub(crate) const B: Side = 1;

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) speakers: [Speaker; 2],
    pub(crate) peers: [PeerId; 2],
    pub(crate) events: [Vec<(Instant, Event)>; 2],
    pub(crate) latency: Duration,
    /// Deliver at most this many bytes at a time.
    pub(crate) chunk: usize,
    /// Does the side accept connections?
    pub(crate) listening: [bool; 2],
    /// Bytes that the side sends vanish.
    pub(crate) mute: [bool; 2],
    /// The side's kernel takes no bytes; they wait in `unsent`.
    pub(crate) stalled: [bool; 2],
    unsent: [Vec<(ConnectionId, Vec<u8>)>; 2],
    timeouts: [Option<Instant>; 2],
    /// The other end of a connection.
    ends: HashMap<(Side, ConnectionId), (Side, ConnectionId)>,
    in_flight: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
    pub(crate) dials: [Vec<Instant>; 2],
    addresses: [IpAddr; 2],
    /// Every byte a side has sent, message boundaries kept.
    pub(crate) sent: [Vec<Vec<u8>>; 2],
}

enum Delivery {
    Dial(Side, ConnectionId),
    Bytes(Side, ConnectionId, Vec<u8>),
    Close(Side, ConnectionId),
}

/// How to configure both sides.
pub(crate) struct Setup {
    pub(crate) asns: [u32; 2],
    pub(crate) remote_as: [RemoteAs; 2],
    pub ipv6: bool,
    pub(crate) configure: fn(Side, &mut PeerConfig),
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            asns: [65001, 65002],
            remote_as: [RemoteAs::Auto; 2],
            ipv6: false,
            configure: |_, _| {},
        }
    }
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn host(number: u16) -> IpNet {
    let [high, low] = number.to_be_bytes();
    IpNet::from(IpAddr::V4(Ipv4Addr::new(203, 0, high, low)))
}

pub(crate) fn speaker(side: Side, asn: u32, now: Instant) -> Speaker {
    Speaker::new(speaker_config(side, asn), now)
}

pub(crate) fn speaker_config(side: Side, asn: u32) -> SpeakerConfig {
    SpeakerConfig {
        asn: Asn(asn),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, u8::try_from(side).unwrap() + 1)),
        graceful_restart: Some(GracefulRestart::new(Duration::from_secs(120))),
        multipath: bgp::Multipath::default(),
        graceful_shutdown: false,
        seed: side as u64 + 11,
    }
}

impl Pair {
    pub(crate) fn new(setup: Setup) -> Self {
        let now = Instant::now();
        let addresses: [IpAddr; 2] = if setup.ipv6 {
            [
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).into(),
            ]
        } else {
            [
                Ipv4Addr::new(10, 0, 0, 1).into(),
                Ipv4Addr::new(10, 0, 0, 2).into(),
            ]
        };
        let mut speakers = [A, B].map(|side| speaker(side, setup.asns[side], now));
        let peers = [A, B].map(|side| {
            let mut config =
                PeerConfig::new(["b", "a"][side], addresses[1 - side], setup.remote_as[side]);
            (setup.configure)(side, &mut config);
            speakers[side].add_peer(config, now)
        });
        Self {
            now,
            speakers,
            peers,
            events: [Vec::new(), Vec::new()],
            latency: Duration::from_millis(1),
            chunk: usize::MAX,
            listening: [true; 2],
            mute: [false; 2],
            stalled: [false; 2],
            unsent: [Vec::new(), Vec::new()],
            timeouts: [None; 2],
            ends: HashMap::new(),
            in_flight: BTreeMap::new(),
            sequence: 0,
            dials: [Vec::new(), Vec::new()],
            addresses,
            sent: [Vec::new(), Vec::new()],
        }
    }

    pub(crate) fn established(setup: Setup) -> Self {
        let mut pair = Self::new(setup);
        pair.run(Duration::from_secs(5));
        assert_eq!(pair.states(), [State::Established; 2]);
        pair
    }

    pub(crate) fn status(&self, side: Side) -> PeerStatus {
        self.speakers[side].peers().next().unwrap()
    }

    pub(crate) fn states(&self) -> [State; 2] {
        [A, B].map(|side| self.status(side).state)
    }

    pub(crate) fn originate(&mut self, side: Side, prefixes: impl IntoIterator<Item = IpNet>) {
        self.speakers[side].originate(prefixes.into_iter().map(Route::new), self.now);
        self.drain(side);
    }

    pub(crate) fn withdraw(&mut self, side: Side, prefixes: impl IntoIterator<Item = IpNet>) {
        self.speakers[side].withdraw(prefixes, self.now);
        self.drain(side);
    }

    /// Prefixes that `side` has learned, sorted.
    pub(crate) fn learned(&self, side: Side) -> Vec<IpNet> {
        let learned = self.speakers[side].learned();
        let mut prefixes: Vec<_> = learned.map(|(prefix, _)| *prefix).collect();
        prefixes.sort_unstable();
        prefixes
    }

    /// Every reason for which `side` lost its session or attempt, in words.
    pub(crate) fn reasons(&self, side: Side) -> Vec<String> {
        let reasons = self.events[side]
            .iter()
            .filter_map(|(_, event)| match event {
                Event::StateChanged {
                    reason: Some(reason),
                    ..
                } => Some(reason.to_string()),
                _ => None,
            });
        reasons.collect()
    }

    /// How often `side` sent an UPDATE.
    pub(crate) fn updates_sent(&self, side: Side) -> u64 {
        self.status(side).counters.sent.updates
    }

    /// Let `span` pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.drain(A);
        self.drain(B);
        while let Some(at) = self.next_instant().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// Let the side's kernel take what waited.
    pub(crate) fn unstall(&mut self, side: Side) {
        self.stalled[side] = false;
        for (connection, bytes) in std::mem::take(&mut self.unsent[side]) {
            self.transmit(side, connection, bytes);
        }
        self.drain(side);
    }

    /// The process of `side` dies and a new one takes its place, with the same configuration.
    pub(crate) fn replace(&mut self, side: Side, asn: u32, config: PeerConfig) {
        self.replace_with(side, &speaker_config(side, asn), config);
    }

    pub(crate) fn replace_with(&mut self, side: Side, speaker: &SpeakerConfig, config: PeerConfig) {
        let connections: Vec<_> = self
            .ends
            .keys()
            .filter(|(s, _)| *s == side)
            .copied()
            .collect();
        for key in connections {
            self.hang_up(key);
        }
        self.speakers[side] = Speaker::new(speaker.clone(), self.now);
        self.peers[side] = self.speakers[side].add_peer(config, self.now);
        self.drain(side);
    }

    /// Every TCP connection breaks; both ends hear of it.
    pub(crate) fn cut(&mut self) {
        let all: Vec<_> = self.ends.drain().map(|(end, _)| end).collect();
        for (side, connection) in all {
            let why = "connection reset".to_owned();
            self.input(side, Input::ConnectionClosed { connection, why });
        }
    }

    /// When `side` wants to be called again.
    pub(crate) fn timeout(&self, side: Side) -> Option<Instant> {
        self.timeouts[side]
    }

    /// Octets that wait for the side's kernel to take them.
    pub(crate) fn unsent_octets(&self, side: Side) -> usize {
        self.unsent[side].iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// TCP connections that both ends believe in.
    pub(crate) fn connections(&self) -> usize {
        self.ends.len() / 2
    }

    pub(crate) fn peer_config(&self, side: Side) -> PeerConfig {
        PeerConfig::new(["b", "a"][side], self.addresses[1 - side], RemoteAs::Auto)
    }

    /// Do what the speaker of `side` wants.
    pub(crate) fn drain(&mut self, side: Side) {
        loop {
            match self.speakers[side].poll_output() {
                Output::Connect { connection, .. } => {
                    self.dials[side].push(self.now);
                    self.schedule(Delivery::Dial(side, connection));
                }
                Output::Send { connection, bytes } => {
                    self.sent[side].push(bytes.to_vec());
                    if self.stalled[side] {
                        self.unsent[side].push((connection, bytes.to_vec()));
                    } else {
                        self.transmit(side, connection, bytes.to_vec());
                    }
                }
                Output::Close { connection } => self.hang_up((side, connection)),
                Output::Event(event) => self.events[side].push((self.now, event)),
                Output::Timeout(at) => {
                    self.timeouts[side] = at;
                    return;
                }
            }
        }
    }

    fn next_instant(&self) -> Option<Instant> {
        let delivery = self.in_flight.keys().next().map(|(at, _)| *at);
        delivery
            .into_iter()
            .chain(self.timeouts.into_iter().flatten())
            .min()
    }

    fn step(&mut self) {
        let due = self
            .in_flight
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now);
        if let Some(entry) = due {
            let delivery = entry.remove();
            self.deliver(delivery);
            return;
        }
        for side in [A, B] {
            if self.timeouts[side].is_some_and(|at| at <= self.now) {
                self.input(side, Input::Timeout);
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Dial(side, connection) if self.listening[1 - side] => {
                self.connect(side, connection)
            }
            Delivery::Dial(side, connection) => {
                let why = "connection refused".to_owned();
                self.input(side, Input::ConnectionFailed { connection, why });
            }
            Delivery::Bytes(side, connection, bytes) => {
                if self.ends.contains_key(&(side, connection)) {
                    self.input(
                        side,
                        Input::Received {
                            connection,
                            bytes: &bytes,
                        },
                    );
                }
            }
            Delivery::Close(side, connection) => {
                self.ends.remove(&(side, connection));
                let why = "closed by the peer".to_owned();
                self.input(side, Input::ConnectionClosed { connection, why });
            }
        }
    }

    fn connect(&mut self, side: Side, connection: ConnectionId) {
        let other = self.speakers[1 - side].new_connection();
        self.ends.insert((side, connection), (1 - side, other));
        self.ends.insert((1 - side, other), (side, connection));
        for (side, connection, passive) in [(1 - side, other, true), (side, connection, false)] {
            let ends = Ends {
                local: self.addresses[side],
                remote: self.addresses[1 - side],
                local_v4: None,
                local_v6: None,
            };
            let peer = self.peers[side];
            self.input(
                side,
                Input::ConnectionOpened {
                    peer,
                    connection,
                    ends,
                    passive,
                },
            );
        }
    }

    fn transmit(&mut self, side: Side, connection: ConnectionId, bytes: Vec<u8>) {
        let other = self
            .ends
            .get(&(side, connection))
            .filter(|_| !self.mute[side]);
        if let Some(&(other, theirs)) = other {
            for chunk in bytes.chunks(self.chunk) {
                self.schedule(Delivery::Bytes(other, theirs, chunk.to_vec()));
            }
        }
        let bytes = bytes.len();
        self.speakers[side].handle_input(Input::Flushed { connection, bytes }, self.now);
    }

    fn hang_up(&mut self, key: (Side, ConnectionId)) {
        if let Some((other, theirs)) = self.ends.remove(&key) {
            self.schedule(Delivery::Close(other, theirs));
        }
        self.in_flight
            .retain(|_, delivery| !matches!(delivery, Delivery::Dial(s, c) if (*s, *c) == key));
    }

    fn input(&mut self, side: Side, input: Input<'_>) {
        self.speakers[side].handle_input(input, self.now);
        self.drain(side);
    }

    fn schedule(&mut self, delivery: Delivery) {
        self.sequence += 1;
        self.in_flight
            .insert((self.now + self.latency, self.sequence), delivery);
    }
}
