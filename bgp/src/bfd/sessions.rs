//! All sessions of a node: which one a datagram is for, whose time has come.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use rustc_hash::FxBuildHasher;
use thiserror::Error;

use super::config::{ConfigError, KeyError, SessionConfig, SessionKey};
use super::packet::{ControlPacket, Discard, State};
use super::random::Random;
use super::session::{Env, Session};
use super::status::{Change, SessionStatus};
use super::{Discriminator, TTL};

/// A node has a handful of uplinks; this many sessions are surely a mistake.
pub const MAX_SESSIONS: usize = 1024;

/// Where a datagram came from and how.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its source.
    pub source: IpAddr,
    /// The address of ours it was sent to.
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// It came to the port of multihop sessions.
    pub multihop: bool,
}

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this packet now, from the session's source port, with TTL 255.
    Send {
        /// For which session.
        session: Discriminator,
        /// The packet.
        packet: ControlPacket,
    },
    /// Tell who watches.
    Changed(Change),
    /// The session has ended: its socket can go.
    Ended {
        /// Which one.
        session: Discriminator,
    },
    /// Nothing more to do before that instant, or before the next call.
    Timeout(Option<Instant>),
}

/// Why a session was not added.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddError {
    /// Its ends do not fit.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It cannot run so.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are enough.
    #[error("BFD session with {remote}: there are {MAX_SESSIONS} sessions already")]
    TooMany {
        /// With whom.
        remote: IpAddr,
    },
}

/// The sessions of this node.
#[derive(Debug)]
pub struct Sessions {
    sessions: HashMap<Discriminator, Session, FxBuildHasher>,
    by_key: BTreeMap<SessionKey, Discriminator>,
    deadlines: BTreeSet<(Instant, Discriminator)>,
    /// The entry of each session in `deadlines`.
    scheduled: HashMap<Discriminator, Instant, FxBuildHasher>,
    outputs: VecDeque<Output>,
    random: Random,
    discards: BTreeMap<Discard, u64>,
}

impl Sessions {
    /// None yet. `seed` is drawn at random outside tests: discriminators must not be guessed.
    pub fn new(seed: u64) -> Self {
        Self {
            sessions: HashMap::default(),
            by_key: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            scheduled: HashMap::default(),
            outputs: VecDeque::new(),
            random: Random::new(seed),
            discards: BTreeMap::new(),
        }
    }

    /// Adds a session, or gives one that is there another configuration.
    ///
    /// # Errors
    /// It cannot be, or cannot run so; nothing has changed then.
    pub fn add(
        &mut self,
        key: SessionKey,
        config: SessionConfig,
        now: Instant,
    ) -> Result<Discriminator, AddError> {
        key.check()?;
        config.check()?;
        if let Some(id) = self.by_key.get(&key).copied() {
            self.with(id, now, |session, env| {
                session.reconfigure(config);
                session.keep(env);
                false
            });
            return Ok(id);
        }
        if self.sessions.len() >= MAX_SESSIONS {
            return Err(AddError::TooMany { remote: key.remote });
        }
        let id = self.free_discriminator();
        let mut env = Env {
            now,
            random: &mut self.random,
            outputs: &mut self.outputs,
        };
        let session = Session::new(key.clone(), config, id, &mut env);
        self.by_key.insert(key, id);
        self.sessions.insert(id, session);
        self.schedule(id, now);
        Ok(id)
    }

    /// Removes a session. If the remote system hears it, it is told first that this is no failure.
    pub fn remove(&mut self, key: &SessionKey, now: Instant) {
        if let Some(id) = self.by_key.get(key).copied() {
            self.with(id, now, Session::remove);
        }
    }

    /// [`Self::remove`], for all of them.
    pub fn remove_all(&mut self, now: Instant) {
        let ids: Vec<_> = self.by_key.values().copied().collect();
        for id in ids {
            self.with(id, now, Session::remove);
        }
    }

    /// Are there none, not even some that are being removed?
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Hold a session administratively down, or no longer.
    pub fn hold_down(&mut self, key: &SessionKey, held: bool, now: Instant) {
        if let Some(id) = self.by_key.get(key).copied() {
            self.with(id, now, |session, env| {
                session.hold_down(held, env);
                false
            });
        }
    }

    /// A datagram has come. `interface_name` is asked for the interface it came by only when that is needed
    /// to find its session.
    ///
    /// # Errors
    /// It was discarded, and counted.
    pub fn receive(
        &mut self,
        arrival: &Arrival,
        payload: &[u8],
        interface_name: impl FnOnce() -> Option<String>,
        now: Instant,
    ) -> Result<(), Discard> {
        let taken = self.take(arrival, payload, interface_name, now);
        if let Err(why) = taken {
            *self.discards.entry(why).or_default() += 1;
        }
        taken
    }

    /// The instant of the last [`Output::Timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied()
            && at <= now
        {
            self.with(id, now, Session::expire);
        }
    }

    /// What to do next; to be called until it is [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let next = self.deadlines.first();
            Output::Timeout(next.map(|(at, _)| *at))
        })
    }

    /// What a session's packets are sent to and from.
    pub fn key(&self, session: Discriminator) -> Option<&SessionKey> {
        self.sessions.get(&session).map(|session| &session.key)
    }

    /// Every session as it is, by key. Those that are being removed are not there any more.
    pub fn status(&self) -> impl Iterator<Item = SessionStatus> + '_ {
        let ids = self.by_key.values();
        let sessions = ids.filter_map(|id| self.sessions.get(id));
        sessions
            .filter(|session| !session.is_ending())
            .map(Session::status)
    }

    /// What was discarded, and how often for each reason.
    pub fn discards(&self) -> &BTreeMap<Discard, u64> {
        &self.discards
    }

    fn take(
        &mut self,
        arrival: &Arrival,
        payload: &[u8],
        interface_name: impl FnOnce() -> Option<String>,
        now: Instant,
    ) -> Result<(), Discard> {
        if !arrival.multihop && arrival.ttl != TTL {
            return Err(Discard::Ttl);
        }
        let (packet, authentication) = ControlPacket::decode(payload)?;
        let id = if packet.your_discriminator != 0 {
            self.by_discriminator(packet.your_discriminator)
                .ok_or(Discard::UnknownDiscriminator)?
        } else if matches!(packet.state, State::Down | State::AdminDown) {
            self.by_sender(arrival, interface_name)
                .ok_or(Discard::UnknownSender)?
        } else {
            return Err(Discard::YourDiscriminator);
        };
        let mut taken = Ok(());
        self.with(id, now, |session, env| {
            let received = if session.accepts(arrival) {
                session.receive(&packet, authentication, arrival.destination, env)
            } else {
                session.count_discard();
                Err(Discard::Ttl)
            };
            taken = received.map(drop);
            received.unwrap_or(false)
        });
        taken
    }

    /// Once our discriminator is known, the addresses do not matter (RFC 5880 §6.3).
    fn by_discriminator(&self, number: u32) -> Option<Discriminator> {
        let id = Discriminator(std::num::NonZeroU32::new(number)?);
        self.sessions.contains_key(&id).then_some(id)
    }

    /// A first packet is told by its addresses and interface (RFC 5881 §3).
    fn by_sender(
        &self,
        arrival: &Arrival,
        interface_name: impl FnOnce() -> Option<String>,
    ) -> Option<Discriminator> {
        let least = SessionKey::single_hop(arrival.source);
        let mut candidates = self
            .by_key
            .range(least..)
            .take_while(|(key, _)| key.remote == arrival.source)
            .filter(|(key, _)| key.multihop == arrival.multihop)
            .filter(|(key, _)| key.local.is_none_or(|local| local == arrival.destination))
            .peekable();
        candidates.peek()?;
        let interface = interface_name();
        let fits = candidates.filter(|(key, _)| {
            key.interface.is_none() || key.interface.as_deref() == interface.as_deref()
        });
        // The one that says most about where it is.
        fits.max_by_key(|(key, _)| (key.interface.is_some(), key.local.is_some()))
            .map(|(_, id)| *id)
    }

    /// Lets a session act; one that has ended (`act` says so) is forgotten.
    fn with(
        &mut self,
        id: Discriminator,
        now: Instant,
        act: impl FnOnce(&mut Session, &mut Env<'_>) -> bool,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let mut env = Env {
            now,
            random: &mut self.random,
            outputs: &mut self.outputs,
        };
        if act(session, &mut env) {
            if let Some(session) = self.sessions.remove(&id) {
                self.by_key.remove(&session.key);
            }
            self.outputs.push_back(Output::Ended { session: id });
        }
        self.schedule(id, now);
    }

    fn schedule(&mut self, id: Discriminator, now: Instant) {
        let deadline = self
            .sessions
            .get(&id)
            .and_then(|session| session.deadline(now));
        let before = match deadline {
            Some(at) => self.scheduled.insert(id, at),
            None => self.scheduled.remove(&id),
        };
        if before == deadline {
            return;
        }
        if let Some(at) = before {
            self.deadlines.remove(&(at, id));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, id));
        }
    }

    fn free_discriminator(&mut self) -> Discriminator {
        loop {
            // At most MAX_SESSIONS of four billion are taken.
            let id = self.random.discriminator();
            if !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }
}
