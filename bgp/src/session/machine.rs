//! The state machine of one peer (RFC 4271 §8), sans-IO.
//!
//! ```text
//!            start                 dial                    opened                OPEN agrees        KEEPALIVE
//!   (stopped) ───► Active ◄──────────────► Connect ──────────────► OpenSent ──────────► OpenConfirm ─────────► Established
//!       ▲            ▲  └──────── the peer connects ────────────────►│                      │                     │
//!       │ stop       │ idle hold over                                │                      │                     │
//!       └─────     Idle ◄──────── we had to send a NOTIFICATION ─────┴──────────────────────┴─────────────────────┘
//!                    (TCP closed, or the peer sent one: Active, dialling after a back-off)
//! ```
//!
//! A peer may have two connections at once, one from either side, until §6.8 settles which stays. A
//! peer whose own mistake cost it the session is refused for the idle hold time (DampPeerOscillations);
//! one that merely went away is not, so that it can come back at once.

mod control;
mod ending;
mod opening;
mod refreshing;

use ending::Ending;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::backoff::{Backoff, Jitter};
use super::connection::{Connection, ConnectionId, Ends};
use super::counters::MessageCounters;
use super::idle::IdleReason;
use super::negotiation::Negotiated;
use super::offer::{LocalSpeaker, open_for};
use super::reset::Reset;
use super::state::{DownReason, State};
use crate::speaker::PeerConfig;
use crate::wire::frame::KEEPALIVE;
use crate::wire::{CodecOptions, DecodedUpdate, Family, Message, Notification};

/// First delay between attempts, and first idle hold.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// A session this long up ends the memory of earlier failures.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// What the machine wants done, in order.
#[derive(Debug)]
pub(crate) enum Action {
    Connect(ConnectionId, IpAddr),
    Send(ConnectionId, Bytes),
    Close(ConnectionId),
    StateChanged {
        from: State,
        to: State,
        reason: Option<DownReason>,
    },
    Up,
    Down {
        negotiated: Arc<Negotiated>,
        /// The peer's routes may be kept for a while (RFC 4724 §4.2, RFC 8538 §4).
        graceful: bool,
    },
    Update(Box<DecodedUpdate>),
    /// The peer asks for a family again.
    Refresh(Family),
    /// The peer begins to tell a family again (BoRR, RFC 7313 §4).
    RefreshBegins(Family),
    /// The peer has told a family again (EoRR).
    RefreshEnds(Family),
}

/// What the machine borrows from the speaker for one input.
pub(crate) struct Env<'a> {
    pub(crate) now: Instant,
    pub(crate) local: &'a LocalSpeaker,
    pub(crate) jitter: &'a mut Jitter,
    pub(crate) next_connection: &'a mut u64,
    pub(crate) actions: &'a mut Vec<Action>,
}

/// Where the peer stands when it has no connection.
#[derive(Debug)]
enum Phase {
    /// Neither dialled nor let in.
    Idle(IdleReason),
    /// Waiting to dial, or for ever when passive.
    Waiting(Option<Instant>),
    /// An attempt is under way, given up at the instant.
    Dialing(ConnectionId, Instant),
}

#[derive(Debug)]
pub(crate) struct Session {
    config: Arc<PeerConfig>,
    /// Whom to dial, once known.
    remote: Option<IpAddr>,
    phase: Phase,
    connections: Vec<Connection>,
    reported: State,
    retry: Backoff,
    idle_hold: Backoff,
    pub(crate) counters: MessageCounters,
    pub(crate) since: Instant,
    pub(crate) last_error: Option<(Instant, DownReason)>,
    pub(crate) flaps: u64,
}

impl Session {
    pub(crate) fn new(config: Arc<PeerConfig>, now: Instant) -> Self {
        let retry = Backoff::new(FIRST_DELAY, config.connect_retry);
        let idle_hold = Backoff::new(FIRST_DELAY, config.idle_hold);
        Self {
            remote: config.remote_address,
            config,
            phase: Phase::Idle(IdleReason::Stopped),
            connections: Vec::new(),
            reported: State::Idle,
            retry,
            idle_hold,
            counters: MessageCounters::default(),
            since: now,
            last_error: None,
            flaps: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        let connected = self.connections.iter().map(|c| c.state).max();
        connected.unwrap_or(match self.phase {
            Phase::Idle(_) => State::Idle,
            Phase::Waiting(_) => State::Active,
            Phase::Dialing(..) => State::Connect,
        })
    }

    /// The connection that carries UPDATEs, when there is one.
    pub(crate) fn established(&self) -> Option<&Connection> {
        self.connections
            .iter()
            .find(|c| c.state == State::Established)
    }

    pub(crate) fn negotiated(&self) -> Option<&Arc<Negotiated>> {
        self.established()?.negotiated.as_ref()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Idle(reason) => reason.until(),
            Phase::Dialing(_, until) => Some(until),
            Phase::Waiting(at) => at,
        };
        let timers = self.connections.iter().filter_map(Connection::deadline);
        timers.chain(phase).min()
    }

    /// TCP is open, dialled by us or accepted from the peer.
    pub(crate) fn handle_opened(
        &mut self,
        id: ConnectionId,
        ends: Ends,
        passive: bool,
        env: &mut Env<'_>,
    ) {
        let expected = match self.phase {
            Phase::Idle(_) => false,
            Phase::Waiting(_) => passive,
            Phase::Dialing(dialed, _) => passive || dialed == id,
        };
        if !expected {
            env.actions.push(Action::Close(id));
            return;
        }
        if passive {
            self.drop_unfinished_passive(env);
        }
        // When the peer connects while our own attempt goes on, that one does go on: §6.8 decides.
        let still_dialing = passive && matches!(self.phase, Phase::Dialing(..));
        if !still_dialing {
            self.phase = Phase::Waiting(None);
        }
        let open = open_for(&self.config, env.local, &ends, env.now);
        let open = encoded(&Message::Open(open));
        let mut connection = Connection::new(id, passive, ends, env.now);
        connection.count_sent(open.len(), self.config.send_hold, env.now);
        self.counters.sent.opens += 1;
        env.actions.push(Action::Send(id, open));
        self.connections.push(connection);
        self.report(None, env);
    }

    /// The attempt we asked for did not succeed.
    pub(crate) fn handle_connect_failed(
        &mut self,
        id: ConnectionId,
        why: String,
        env: &mut Env<'_>,
    ) {
        if matches!(self.phase, Phase::Dialing(dialed, _) if dialed == id) {
            self.phase = Phase::Waiting(None);
            self.fail(DownReason::ConnectFailed(why), env);
        }
    }

    /// TCP ended, not by us.
    pub(crate) fn handle_closed(&mut self, id: ConnectionId, why: String, env: &mut Env<'_>) {
        if let Some(at) = self.position(id) {
            let connection = self.connections.swap_remove(at);
            self.bury(&connection, Ending::Lost, env);
            self.fail(DownReason::ConnectionClosed(why), env);
        }
    }

    /// Bytes from the peer; messages may be split or joined anywhere.
    pub(crate) fn handle_received(&mut self, id: ConnectionId, bytes: &[u8], env: &mut Env<'_>) {
        let Some(at) = self.position(id) else { return };
        self.connections[at].inbox.extend_from_slice(bytes);
        loop {
            let Some(at) = self.position(id) else { return };
            let connection = &mut self.connections[at];
            if connection.is_saturated() {
                self.reset(id, Reset::saturated(), env);
                return;
            }
            let outcome = match connection.next_message() {
                Ok(None) => return,
                Ok(Some(message)) => {
                    self.counters.count_received(&message);
                    self.handle_message(id, message, env)
                }
                Err(reset) => Err(reset),
            };
            if let Err(reset) = outcome {
                self.reset(id, reset, env);
                return;
            }
        }
    }

    /// The kernel took `bytes` of what was sent.
    pub(crate) fn handle_flushed(&mut self, id: ConnectionId, bytes: usize, env: &Env<'_>) {
        if let Some(at) = self.position(id) {
            self.connections[at].count_flushed(bytes, self.config.send_hold, env.now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, env: &mut Env<'_>) {
        let due = |at: Instant| at <= env.now;
        match self.phase {
            Phase::Idle(reason) if reason.until().is_some_and(due) => {
                self.dial_or_wait(env);
                self.report(None, env);
            }
            Phase::Waiting(Some(at)) if due(at) => {
                self.dial_or_wait(env);
                self.report(None, env);
            }
            Phase::Dialing(id, until) if due(until) => {
                env.actions.push(Action::Close(id));
                self.phase = Phase::Waiting(None);
                let patience = self.config.connect_retry.as_secs();
                let why = format!("no answer within {patience} s");
                self.fail(DownReason::ConnectFailed(why), env);
            }
            _ => {}
        }
        let ids: Vec<_> = self.connections.iter().map(|c| c.id).collect();
        for id in ids {
            self.expire(id, env);
        }
    }

    /// Hand `messages` UPDATEs to the established connection.
    pub(crate) fn send_update(&mut self, bytes: Bytes, messages: usize, env: &mut Env<'_>) {
        let send_hold = self.config.send_hold;
        let established = self
            .connections
            .iter_mut()
            .find(|c| c.state == State::Established);
        if let Some(connection) = established {
            connection.count_sent(bytes.len(), send_hold, env.now);
            self.counters.sent.updates += messages as u64;
            env.actions.push(Action::Send(connection.id, bytes));
        }
    }

    /// End the session with a NOTIFICATION, as after the peer's own error.
    pub(crate) fn reset_established(&mut self, reset: Reset, env: &mut Env<'_>) {
        if let Some(id) = self.established().map(|c| c.id) {
            self.reset(id, reset, env);
        }
    }

    fn handle_message(
        &mut self,
        id: ConnectionId,
        message: Message,
        env: &mut Env<'_>,
    ) -> Result<(), Reset> {
        let Some(at) = self.position(id) else {
            return Ok(());
        };
        let connection = &mut self.connections[at];
        match (connection.state, message) {
            (_, Message::Notification(notification)) => {
                let reason = DownReason::NotificationReceived(notification.clone());
                self.close(id, reason, Ending::Notified(&notification), env);
                Ok(())
            }
            (State::OpenSent, Message::Open(open)) => self.handle_open(id, &open, env),
            // Event 19 in OpenConfirm decides collisions, which the first OPEN did (RFC 4271 §8.2.2). OpenBGPD 8.8 sends on a
            // new connection what it had left over for the one before: its OPEN, twice.
            (State::OpenConfirm, Message::Open(_)) => Ok(()),
            (State::OpenConfirm, Message::Keepalive) => {
                self.establish(id, env);
                Ok(())
            }
            (State::Established, Message::Keepalive) => {
                connection.restart_hold(env.now);
                Ok(())
            }
            (State::Established, Message::Update(update)) => {
                connection.restart_hold(env.now);
                env.actions.push(Action::Update(Box::new(update)));
                Ok(())
            }
            (State::Established, Message::RouteRefresh(refresh)) => {
                connection.restart_hold(env.now);
                self.handle_refresh(refresh, env);
                Ok(())
            }
            (state, message) => Err(Reset::unexpected(state, &message)),
        }
    }

    /// Begin anew: dial, or wait for the peer, unless something keeps it idle.
    fn dial_or_wait(&mut self, env: &mut Env<'_>) {
        let remote = match (self.kept_idle(), self.remote) {
            (Some(reason), _) => {
                self.phase = Phase::Idle(reason);
                return;
            }
            (None, Some(remote)) if !self.config.passive && self.connections.is_empty() => remote,
            (None, _) => {
                self.phase = Phase::Waiting(None);
                return;
            }
        };
        let id = ConnectionId(*env.next_connection);
        *env.next_connection += 1;
        self.phase = Phase::Dialing(id, env.now + self.config.connect_retry);
        env.actions.push(Action::Connect(id, remote));
    }

    fn abandon_dial(&mut self, env: &mut Env<'_>) {
        if let Phase::Dialing(id, _) = self.phase {
            env.actions.push(Action::Close(id));
            self.phase = Phase::Waiting(None);
        }
    }

    /// A peer that connects again before its last attempt got anywhere has given that one up.
    fn drop_unfinished_passive(&mut self, env: &mut Env<'_>) {
        let unfinished = |c: &&Connection| c.passive && c.state < State::Established;
        if let Some(id) = self.connections.iter().find(unfinished).map(|c| c.id) {
            self.close_silently(id, DownReason::Collision, env);
        }
    }

    fn send_keepalive(&mut self, id: ConnectionId, env: &mut Env<'_>) {
        let Some(at) = self.position(id) else { return };
        let connection = &mut self.connections[at];
        let interval = connection.negotiated.as_ref().and_then(|n| n.keepalive);
        let after = interval.map(|interval| env.jitter.apply(interval));
        connection.restart_keepalive(after, env.now);
        let bytes = Bytes::from_static(&KEEPALIVE);
        connection.count_sent(bytes.len(), self.config.send_hold, env.now);
        self.counters.sent.keepalives += 1;
        env.actions.push(Action::Send(id, bytes));
    }

    fn send_notification(&mut self, id: ConnectionId, what: &Notification, env: &mut Env<'_>) {
        self.counters.sent.notifications += 1;
        let bytes = encoded(&Message::Notification(what.clone()));
        env.actions.push(Action::Send(id, bytes));
    }

    fn report(&mut self, reason: Option<DownReason>, env: &mut Env<'_>) {
        let (from, to) = (self.reported, self.state());
        if from == to {
            return;
        }
        let contender = reason.as_ref().is_some_and(DownReason::is_collision);
        if from == State::Established && !contender {
            self.flaps += 1;
        }
        self.reported = to;
        self.since = env.now;
        env.actions.push(Action::StateChanged { from, to, reason });
    }

    fn position(&self, id: ConnectionId) -> Option<usize> {
        self.connections.iter().position(|c| c.id == id)
    }
}

/// A message of ours outside UPDATE; these fit by construction (an OPEN of ours is under 200 octets, the
/// data of a NOTIFICATION is cut), so the empty answer of an error is never seen.
fn encoded(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    if let Err(error) = message.encode(&mut out, &CodecOptions::default()) {
        tracing::error!(%error, "a message of our own does not fit");
    }
    out.freeze()
}
