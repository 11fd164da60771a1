//! One session: the state machine of RFC 5880 §6.8.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Discriminator;
use super::config::{SessionConfig, SessionKey};
use super::packet::{Authentication, ControlPacket, Diagnostic, Discard, Interval, State};
use super::random::{Pace, Random};
use super::sessions::{Arrival, Output};
use super::status::{Change, Counters, RemoteStatus, SessionStatus};
use super::timing::{Standing, Timing};

/// A session that is not up does not ask for more than one packet a second (RFC 5880 §6.8.3).
const SLOW: Duration = Duration::from_secs(1);

/// What a session needs from around it.
pub(super) struct Env<'a> {
    pub(super) now: Instant,
    pub(super) random: &'a mut Random,
    pub(super) outputs: &'a mut VecDeque<Output>,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: SessionKey,
    pub(super) config: SessionConfig,
    discriminator: Discriminator,
    state: State,
    since: Instant,
    diagnostic: Diagnostic,
    timing: Timing,
    remote: RemoteStatus,
    local: Option<IpAddr>,
    last_sent: Option<Instant>,
    pace: Pace,
    last_received: Option<Instant>,
    /// Removed: ends at this instant, or as soon as the remote system is seen to know.
    ends: Option<Instant>,
    counters: Counters,
}

impl Session {
    pub(super) fn new(
        key: SessionKey,
        config: SessionConfig,
        discriminator: Discriminator,
        env: &mut Env<'_>,
    ) -> Self {
        let pace = env.random.pace(config.detect_multiplier);
        Self {
            timing: Timing::new(
                config.transmit_interval.max(SLOW).into(),
                config.receive_interval.into(),
            ),
            key,
            config,
            discriminator,
            state: State::Down,
            since: env.now,
            diagnostic: Diagnostic::NONE,
            remote: RemoteStatus::default(),
            local: None,
            last_sent: None,
            pace,
            last_received: None,
            ends: None,
            counters: Counters::default(),
        }
    }

    /// When [`Self::expire`] has something to do; `now` if at once.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let send = self.sends_periodically().then(|| self.next_send(now));
        [send, self.detection_deadline(), self.ends]
            .into_iter()
            .flatten()
            .min()
    }

    /// Do what is due. Returns whether the session, being removed, has ended.
    pub(super) fn expire(&mut self, env: &mut Env<'_>) -> bool {
        if self.ends.is_some_and(|at| at <= env.now) {
            return true;
        }
        if self.detection_deadline().is_some_and(|at| at <= env.now) {
            self.lose_remote(env);
        }
        if self.sends_periodically() && self.next_send(env.now) <= env.now {
            self.send_periodic(env);
        }
        false
    }

    /// A packet that was found to be for this session (RFC 5880 §6.8.6, from the authentication on).
    /// Returns whether the session, being removed, has ended.
    pub(super) fn receive(
        &mut self,
        packet: &ControlPacket,
        authentication: Authentication,
        local: IpAddr,
        env: &mut Env<'_>,
    ) -> Result<bool, Discard> {
        if authentication == Authentication::Present {
            self.count_discard();
            return Err(Discard::Authenticated);
        }
        self.remote = remote_status(packet);
        self.local = Some(local);
        self.last_received = Some(env.now);
        self.counters.received += 1;
        if packet.finished {
            self.timing.finish_poll();
        }
        if self.state == State::AdminDown {
            return if self.ends.is_some() && self.remote_knows() {
                Ok(true)
            } else {
                Err(Discard::AdminDown)
            };
        }
        let before = self.state;
        self.follow(packet.state, env);
        if packet.poll {
            // Says the new state as well.
            self.send(false, true, env);
        } else if self.state != before {
            self.announce_state(env);
        }
        Ok(false)
    }

    /// Was the datagram sent to the kind of session this is, and has it come no further than that may?
    pub(super) fn accepts(&self, arrival: &Arrival) -> bool {
        arrival.multihop == self.key.multihop
            && (!arrival.multihop || arrival.ttl >= self.config.minimum_ttl)
    }

    /// Its end has been asked for.
    pub(super) fn is_ending(&self) -> bool {
        self.ends.is_some()
    }

    pub(super) fn count_discard(&mut self) {
        self.counters.discarded += 1;
    }

    /// Other intervals, multiplier or role; the session stays up.
    pub(super) fn reconfigure(&mut self, config: SessionConfig) {
        self.config = config;
        self.offer_intervals();
    }

    /// Its end is not wanted any more.
    pub(super) fn keep(&mut self, env: &mut Env<'_>) {
        if self.ends.is_some() {
            self.hold_down(false, env);
        }
    }

    /// The operator holds the session down, or does no longer (RFC 5880 §6.8.16).
    pub(super) fn hold_down(&mut self, held: bool, env: &mut Env<'_>) {
        self.ends = None;
        if held && self.state != State::AdminDown {
            self.enter(State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN, env);
            self.announce_state(env);
        } else if !held && self.state == State::AdminDown {
            self.enter(State::Down, Diagnostic::NONE, env);
            self.announce_state(env);
        }
    }

    /// End, but first let the remote system know that this is no failure: silence would be one to it.
    /// Returns whether the session has ended, because nobody hears it.
    pub(super) fn remove(&mut self, env: &mut Env<'_>) -> bool {
        if self.state == State::AdminDown && self.remote_knows() {
            return true;
        }
        self.hold_down(true, env);
        if self.remote.discriminator == 0 {
            return true;
        }
        self.ends = Some(env.now + self.remote_detection_time());
        false
    }

    pub(super) fn status(&self) -> SessionStatus {
        SessionStatus {
            key: self.key.clone(),
            discriminator: self.discriminator,
            config: self.config,
            state: self.state,
            since: self.since,
            diagnostic: self.diagnostic,
            local: self.local,
            remote: self.remote,
            transmit_interval: self.timing.transmit.advertised,
            receive_interval: self.timing.receive.advertised,
            negotiated_transmit_interval: self.transmit_interval(),
            detection_time: self.detection_time(),
            polling: self.timing.is_polling(),
            counters: self.counters,
        }
    }

    /// The heart of RFC 5880 §6.8.6: what the remote system's state does to ours.
    fn follow(&mut self, remote: State, env: &mut Env<'_>) {
        match (self.state, remote) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                self.enter(State::Down, Diagnostic::NEIGHBOR_SIGNALED_DOWN, env);
            }
            // Why it went down stays told until the session is up again.
            (State::Down, State::Down) => self.enter(State::Init, self.diagnostic, env),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(State::Up, Diagnostic::NONE, env);
            }
            _ => {}
        }
    }

    /// Nothing valid was heard for the detection time (RFC 5880 §6.8.4, §6.8.1 for bfd.RemoteDiscr).
    fn lose_remote(&mut self, env: &mut Env<'_>) {
        self.last_received = None;
        self.remote.discriminator = 0;
        self.timing.abandon_poll();
        let failed = matches!(self.state, State::Init | State::Up);
        if failed {
            self.enter(State::Down, Diagnostic::DETECTION_TIME_EXPIRED, env);
        }
        // Only now: the change tells what was last heard.
        self.remote = RemoteStatus {
            diagnostic: self.remote.diagnostic,
            ..RemoteStatus::default()
        };
        if failed {
            self.announce_state(env);
        }
    }

    fn enter(&mut self, state: State, diagnostic: Diagnostic, env: &mut Env<'_>) {
        let from = std::mem::replace(&mut self.state, state);
        self.diagnostic = diagnostic;
        self.since = env.now;
        match (from, state) {
            (_, State::Up) => self.counters.ups += 1,
            (State::Up, _) => self.counters.downs += 1,
            _ => {}
        }
        if from == State::Up {
            self.timing.settle();
        }
        self.offer_intervals();
        env.outputs.push_back(Output::Changed(Change {
            key: self.key.clone(),
            from,
            to: state,
            diagnostic,
            remote_state: self.remote.state,
            remote_control_plane_independent: self.remote.control_plane_independent,
            at: env.now,
        }));
    }

    fn offer_intervals(&mut self) {
        let standing = Standing {
            up: self.state == State::Up,
            heard: self.remote.discriminator != 0,
        };
        let transmit = if standing.up {
            self.config.transmit_interval
        } else {
            self.config.transmit_interval.max(SLOW)
        };
        let receive = self.config.receive_interval;
        self.timing.offer(transmit.into(), receive.into(), standing);
    }

    /// A change of state is told without waiting for the next periodic packet (RFC 5880 §6.8.7).
    fn announce_state(&mut self, env: &mut Env<'_>) {
        if self.sends_periodically() {
            self.send_periodic(env);
        }
    }

    fn send_periodic(&mut self, env: &mut Env<'_>) {
        self.last_sent = Some(env.now);
        self.pace = env.random.pace(self.config.detect_multiplier);
        self.send(self.timing.is_polling(), false, env);
    }

    fn send(&mut self, poll: bool, finished: bool, env: &mut Env<'_>) {
        self.counters.sent += 1;
        env.outputs.push_back(Output::Send {
            session: self.discriminator,
            packet: ControlPacket {
                diagnostic: self.diagnostic,
                state: self.state,
                poll,
                finished,
                control_plane_independent: false,
                demand: false,
                detect_multiplier: self.config.detect_multiplier,
                my_discriminator: self.discriminator.0.get(),
                your_discriminator: self.remote.discriminator,
                desired_min_tx: self.timing.transmit.advertised,
                required_min_rx: self.timing.receive.advertised,
                required_min_echo_rx: Interval(0),
            },
        });
    }

    /// May periodic packets be sent (RFC 5880 §6.8.7)?
    fn sends_periodically(&self) -> bool {
        let spoken_to = self.remote.discriminator != 0;
        let obeys_demand = self.remote.demand
            && self.state == State::Up
            && self.remote.state == State::Up
            && !self.timing.is_polling();
        (spoken_to || !self.config.passive)
            && self.remote.receive_interval != Interval(0)
            && !obeys_demand
    }

    fn next_send(&self, now: Instant) -> Instant {
        self.last_sent
            .map_or(now, |last| last + self.pace.of(self.transmit_interval()))
    }

    fn transmit_interval(&self) -> Duration {
        let ours = self.timing.transmit.in_use;
        ours.max(self.remote.receive_interval).into()
    }

    /// RFC 5880 §6.8.4; zero while the remote system is not heard.
    fn detection_time(&self) -> Duration {
        let interval = self
            .timing
            .receive
            .in_use
            .max(self.remote.transmit_interval);
        Duration::from(interval) * u32::from(self.remote.detect_multiplier)
    }

    fn detection_deadline(&self) -> Option<Instant> {
        self.last_received.map(|last| last + self.detection_time())
    }

    /// The remote system does not take our silence for a failure any more.
    fn remote_knows(&self) -> bool {
        matches!(self.remote.state, State::Down | State::AdminDown)
    }

    /// After this long the remote system misses us.
    fn remote_detection_time(&self) -> Duration {
        self.transmit_interval() * u32::from(self.config.detect_multiplier)
    }
}

fn remote_status(packet: &ControlPacket) -> RemoteStatus {
    RemoteStatus {
        discriminator: packet.my_discriminator,
        state: packet.state,
        diagnostic: packet.diagnostic,
        transmit_interval: packet.desired_min_tx,
        receive_interval: packet.required_min_rx,
        echo_receive_interval: packet.required_min_echo_rx,
        detect_multiplier: packet.detect_multiplier,
        control_plane_independent: packet.control_plane_independent,
        demand: packet.demand,
    }
}
