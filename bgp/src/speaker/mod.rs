//! The speaker: peers, what is originated, what is learned.

mod actions;
mod change;
mod config;
mod convergence;
mod drain;
mod duplicates;
mod limits;
mod peer;
mod peers;
mod port;
mod retention;
mod routes;
mod status;
mod tenants;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

pub use change::Change;
pub use config::{
    AllowAsIn, GracefulRestart, LocalAs, MaxPrefixes, Multipath, PeerConfig, RemoteAs,
    SpeakerConfig,
};
use convergence::Convergence;
pub use duplicates::OtherOrigin;
use peer::Peer;
pub use port::{Event, Input, Output, PeerId, Route, Withheld};
pub use status::PeerStatus;
use tenants::Tenants;
use timers::Timers;

use crate::rib::{Interner, LocRib, Originated, Received, RouteAttributes, UpdateGroups};
use crate::session::{Action, ConnectionId, Env, Jitter, LocalSpeaker};

/// A BGP speaker. See the [crate] for how to drive it.
///
/// Dropping it says nothing to anybody: the peers' graceful-restart helpers keep our routes, which is what a
/// process that restarts wants. [`Speaker::stop`] says goodbye.
#[derive(Debug)]
pub struct Speaker {
    core: Core,
    peers: BTreeMap<PeerId, Peer>,
    connections: FxHashMap<ConnectionId, PeerId>,
    next_peer: u32,
    originated: Originated,
    attributes: Interner<RouteAttributes>,
    groups: UpdateGroups,
    tenants: Tenants,
    /// Everything is told with the community that announces its withdrawal (RFC 8326): see [`drain`].
    graceful_shutdown: bool,
    drained: bool,
    drained_by_configuration: bool,
    received: Interner<Received>,
    loc_rib: LocRib,
    outputs: VecDeque<Output>,
    /// Routes may be due to a peer: look before saying that there is nothing to do.
    unflushed: bool,
    timers: Timers,
    convergence: Convergence,
}

/// What every session borrows.
#[derive(Debug)]
struct Core {
    local: LocalSpeaker,
    jitter: Jitter,
    next_connection: u64,
    actions: Vec<Action>,
    /// Time of the last input.
    now: Instant,
}

impl Core {
    fn env(&mut self) -> Env<'_> {
        Env {
            now: self.now,
            local: &self.local,
            jitter: &mut self.jitter,
            next_connection: &mut self.next_connection,
            actions: &mut self.actions,
        }
    }
}

impl Speaker {
    /// A speaker without peers or routes, started at `now`.
    pub fn new(config: SpeakerConfig, now: Instant) -> Self {
        let local = LocalSpeaker {
            asn: config.asn,
            router_id: config.router_id,
            graceful_restart: config.graceful_restart,
            started: now,
            converged: false,
        };
        Self {
            core: Core {
                local,
                jitter: Jitter::new(config.seed),
                next_connection: 0,
                actions: Vec::new(),
                now,
            },
            peers: BTreeMap::new(),
            connections: FxHashMap::default(),
            next_peer: 0,
            originated: Originated::default(),
            attributes: Interner::default(),
            groups: UpdateGroups::default(),
            tenants: Tenants::new(config.multipath),
            graceful_shutdown: config.graceful_shutdown,
            drained: false,
            drained_by_configuration: config.graceful_shutdown,
            received: Interner::default(),
            loc_rib: LocRib::new(config.multipath),
            outputs: VecDeque::new(),
            unflushed: false,
            timers: Timers::default(),
            convergence: Convergence::new(
                config.graceful_restart.map(|restart| restart.restart_time),
                now,
            ),
        }
    }

    /// Originate these routes, replacing what was originated for the same prefixes.
    pub fn originate(&mut self, routes: impl IntoIterator<Item = Route>, now: Instant) {
        self.core.now = now;
        for route in routes {
            let prefix = route.prefix.trunc();
            let attributes = self.attributes.intern_shared(&route.attributes);
            self.groups.offer(prefix, Some(&attributes));
            self.originated.insert(prefix, attributes);
        }
        self.unflushed = true;
    }

    /// Stop originating these prefixes.
    pub fn withdraw(&mut self, prefixes: impl IntoIterator<Item = IpNet>, now: Instant) {
        self.core.now = now;
        for prefix in prefixes {
            let prefix = prefix.trunc();
            if self.originated.remove(&prefix).is_some() {
                self.groups.offer(prefix, None);
            }
        }
        self.unflushed = true;
    }

    /// An identifier for a connection that a peer opened.
    pub fn new_connection(&mut self) -> ConnectionId {
        let id = ConnectionId(self.core.next_connection);
        self.core.next_connection += 1;
        id
    }

    /// Take in what happened at `now`; drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        self.core.now = now;
        match input {
            Input::Timeout => self.handle_timeout(),
            Input::ConnectionOpened {
                peer,
                connection,
                ends,
                passive,
            } => {
                if !self.peers.contains_key(&peer) {
                    self.outputs.push_back(Output::Close { connection });
                    return;
                }
                self.connections.insert(connection, peer);
                self.with_session(peer, |session, env| {
                    session.handle_opened(connection, ends, passive, env);
                });
            }
            Input::ConnectionFailed { connection, why } => {
                if let Some(peer) = self.connections.remove(&connection) {
                    self.with_session(peer, |session, env| {
                        session.handle_connect_failed(connection, why, env)
                    });
                }
            }
            Input::ConnectionClosed { connection, why } => {
                if let Some(peer) = self.connections.remove(&connection) {
                    self.with_session(peer, |session, env| {
                        session.handle_closed(connection, why, env)
                    });
                }
            }
            Input::Received { connection, bytes } => {
                if let Some(&peer) = self.connections.get(&connection) {
                    self.with_session(peer, |session, env| {
                        session.handle_received(connection, bytes, env)
                    });
                }
            }
            Input::Flushed { connection, bytes } => {
                if let Some(&peer) = self.connections.get(&connection) {
                    self.with_session(peer, |session, env| {
                        session.handle_flushed(connection, bytes, env)
                    });
                    self.unflushed = true;
                }
            }
        }
    }

    /// The next thing to do; [`Output::Timeout`] when there is nothing more.
    pub fn poll_output(&mut self) -> Output {
        if self.outputs.is_empty() && std::mem::take(&mut self.unflushed) {
            self.flush();
        }
        self.outputs.pop_front().unwrap_or_else(|| {
            debug_assert_eq!(
                self.timers.next(),
                self.peers.values().filter_map(Peer::deadline).min(),
                "a peer's timer was not noted"
            );
            let deadlines = [self.timers.next(), self.convergence.deadline()];
            Output::Timeout(deadlines.into_iter().flatten().min())
        })
    }

    fn handle_timeout(&mut self) {
        let now = self.core.now;
        for id in self.timers.due(now) {
            self.with_session(id, |session, env| session.handle_timeout(env));
            if let Some(peer) = self.peers.get_mut(&id) {
                let steps = peer.retention.expire(now);
                self.retain(id, steps);
            }
            self.settle(id);
        }
        self.report_convergence();
    }
}
