//! The speaker: peers, what is originated, what is learned.

mod actions;
mod config;
mod peer;
mod port;
mod retention;
mod routes;
mod status;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

pub use config::{
    AllowAsIn, GracefulRestart, LocalAs, MaxPrefixes, Multipath, PeerConfig, RemoteAs,
    SpeakerConfig,
};
use peer::Peer;
pub use port::{Event, Input, Output, PeerId, Route, Withheld};
use retention::Retention;
pub use status::PeerStatus;

use crate::rib::{
    AdjRibIn, ImportMemo, Interner, LocRib, Originated, Received, RouteAttributes, UpdateGroups,
};
use crate::session::{Action, ConnectionId, Env, Jitter, LocalSpeaker, Session};
use crate::wire::Notification;
use crate::wire::notification::cease_subcode;

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
    /// Everything is told with the community that announces its withdrawal (RFC 8326).
    graceful_shutdown: bool,
    received: Interner<Received>,
    loc_rib: LocRib,
    outputs: VecDeque<Output>,
    /// Routes may be due to a peer: look before saying that there is nothing to do.
    unflushed: bool,
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
            graceful_shutdown: false,
            received: Interner::default(),
            loc_rib: LocRib::new(config.multipath),
            outputs: VecDeque::new(),
            unflushed: false,
        }
    }

    /// Configure a neighbour and start its session.
    pub fn add_peer(&mut self, config: PeerConfig, now: Instant) -> PeerId {
        self.core.now = now;
        let id = PeerId(self.next_peer);
        self.next_peer += 1;
        let config = Arc::new(config);
        let mut peer = Peer {
            id,
            name: config.name.as_str().into(),
            session: Session::new(Arc::clone(&config), now),
            config,
            adj_in: AdjRibIn::default(),
            retention: Retention::default(),
            import_memo: ImportMemo::default(),
            withheld: Vec::new(),
            source: None,
        };
        peer.session.start(&mut self.core.env());
        self.peers.insert(id, peer);
        self.perform(id);
        id
    }

    /// Remove a neighbour, telling it so (Cease, peer de-configured).
    pub fn remove_peer(&mut self, peer: PeerId, now: Instant) {
        let farewell = Notification::cease(cease_subcode::PEER_DECONFIGURED);
        self.stop_peer(peer, &farewell, now);
        self.forget(peer);
        self.peers.remove(&peer);
    }

    /// Close every session for good with the operator's words (RFC 9003): peers drop our routes at once.
    pub fn stop(&mut self, words: &str, now: Instant) {
        let farewell = Notification::administrative(cease_subcode::ADMINISTRATIVE_SHUTDOWN, words);
        for peer in self.peers.keys().copied().collect::<Vec<_>>() {
            self.stop_peer(peer, &farewell, now);
        }
    }

    /// Originate these routes, replacing what was originated for the same prefixes.
    pub fn originate(&mut self, routes: impl IntoIterator<Item = Route>, now: Instant) {
        self.core.now = now;
        for route in routes {
            let prefix = route.prefix.trunc();
            let attributes = self.attributes.intern(route.attributes);
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

    /// The peer at that address. `link` is the interface the address was seen on, when it is link-local: a peer
    /// that is configured for a link is found only there.
    pub fn peer_at(&self, remote: IpAddr, link: Option<&str>) -> Option<PeerId> {
        let mut peers = self.peers.values();
        let on_link = |peer: &Peer| peer.config.link.as_deref().is_none_or(|l| Some(l) == link);
        peers
            .find(|peer| peer.session.remote() == Some(remote) && on_link(peer))
            .map(|peer| peer.id)
    }

    /// Where a peer whose address is discovered is now; `None`: nobody is on its link, it is left in Idle. A
    /// session with another address than `remote` ends: the peer has restarted elsewhere.
    pub fn set_remote(&mut self, peer: PeerId, remote: Option<IpAddr>, now: Instant) {
        self.core.now = now;
        self.with_session(peer, |session, env| session.set_remote(remote, env));
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
            let deadlines = self.peers.values().filter_map(Peer::deadline);
            Output::Timeout(deadlines.min())
        })
    }

    fn handle_timeout(&mut self) {
        let now = self.core.now;
        let due = |peer: &Peer| peer.deadline().is_some_and(|at| at <= now);
        let ids: Vec<_> = self
            .peers
            .values()
            .filter(|peer| due(peer))
            .map(|peer| peer.id)
            .collect();
        for id in ids {
            self.with_session(id, |session, env| session.handle_timeout(env));
            if let Some(peer) = self.peers.get_mut(&id) {
                let steps = peer.retention.expire(now);
                self.retain(id, steps);
            }
        }
    }

    /// Nothing that the peer taught is left.
    fn forget(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.retention.clear();
            let gone = peer.adj_in.clear();
            self.decide(gone);
        }
    }

    fn stop_peer(&mut self, peer: PeerId, farewell: &Notification, now: Instant) {
        self.core.now = now;
        self.with_session(peer, |session, env| session.stop(farewell, env));
    }
}
