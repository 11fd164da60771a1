//! The speaker: peers, what is originated, what is learned.

mod config;
mod peer;
mod port;
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
use peer::{Originated, Peer};
pub use port::{Event, Input, Output, PeerId, Route, Withheld};
pub use status::PeerStatus;

use crate::rib::{
    AdjRibIn, AttributeStore, Batch, ImportContext, LearnedPath, RouteAttributes, best, import,
};
use crate::session::{Action, ConnectionId, Env, Jitter, LocalSpeaker, Reset, Session};
use crate::wire::notification::cease_subcode;
use crate::wire::{DecodedUpdate, Notification};

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
    attributes: AttributeStore,
    learned: BTreeMap<IpNet, LearnedPath>,
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
            originated: BTreeMap::new(),
            attributes: AttributeStore::default(),
            learned: BTreeMap::new(),
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
            out: Vec::new(),
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
            let attributes = self.attributes.intern(&route.attributes);
            for peer in self.peers.values_mut() {
                peer.offer(prefix, Some(&attributes));
            }
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
                for peer in self.peers.values_mut() {
                    peer.offer(prefix, None);
                }
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

    /// The configured peer of that address.
    pub fn peer_at(&self, remote: IpAddr) -> Option<PeerId> {
        let mut peers = self.peers.values();
        peers
            .find(|peer| peer.config.remote_address == remote)
            .map(|peer| peer.id)
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
            let deadlines = self
                .peers
                .values()
                .filter_map(|peer| peer.session.deadline());
            Output::Timeout(deadlines.min())
        })
    }

    /// Every neighbour.
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        self.peers.values().map(PeerStatus::of)
    }

    /// What this node originates, by prefix.
    pub fn routes(&self) -> impl Iterator<Item = (&IpNet, &RouteAttributes)> {
        self.originated
            .iter()
            .map(|(prefix, attributes)| (prefix, attributes.as_ref()))
    }

    /// Names of the peers that have been sent `prefix`.
    pub fn advertised_to<'a>(&'a self, prefix: &'a IpNet) -> impl Iterator<Item = &'a Arc<str>> {
        let peers = self.peers.values();
        peers.filter(|peer| peer.has(prefix)).map(|peer| &peer.name)
    }

    /// What one peer has been sent, in no particular order.
    pub fn adj_rib_out(&self, peer: PeerId) -> impl Iterator<Item = (&IpNet, &RouteAttributes)> {
        let families = self.peers.get(&peer).into_iter().flat_map(|peer| &peer.out);
        families
            .flat_map(|out| out.rib.sent())
            .map(|(prefix, attributes)| (prefix, attributes.as_ref()))
    }

    /// What one peer has taught, in no particular order.
    pub fn adj_rib_in(&self, peer: PeerId) -> impl Iterator<Item = (&IpNet, &LearnedPath)> {
        self.peers
            .get(&peer)
            .into_iter()
            .flat_map(|peer| peer.adj_in.iter())
    }

    /// The best path to every prefix that peers teach.
    pub fn learned(&self) -> impl Iterator<Item = (&IpNet, &LearnedPath)> {
        self.learned.iter()
    }

    fn handle_timeout(&mut self) {
        let now = self.core.now;
        let due = |peer: &Peer| peer.session.deadline().is_some_and(|at| at <= now);
        let ids: Vec<_> = self
            .peers
            .values()
            .filter(|peer| due(peer))
            .map(|peer| peer.id)
            .collect();
        for id in ids {
            self.with_session(id, |session, env| session.handle_timeout(env));
        }
    }

    fn stop_peer(&mut self, peer: PeerId, farewell: &Notification, now: Instant) {
        self.core.now = now;
        let established = self
            .peers
            .get(&peer)
            .is_some_and(|peer| peer.session.established().is_some());
        self.with_session(peer, |session, env| {
            session.stop(established.then_some(farewell), env)
        });
    }

    fn with_session(&mut self, id: PeerId, act: impl FnOnce(&mut Session, &mut Env<'_>)) {
        if let Some(peer) = self.peers.get_mut(&id) {
            act(&mut peer.session, &mut self.core.env());
            self.perform(id);
        }
    }

    /// Carry out what the session of a peer wants.
    fn perform(&mut self, id: PeerId) {
        // An action may bring on others, say a reset for too many routes.
        while !self.core.actions.is_empty() {
            for action in std::mem::take(&mut self.core.actions) {
                self.perform_one(id, action);
            }
        }
    }

    fn perform_one(&mut self, id: PeerId, action: Action) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        match action {
            Action::Connect(connection) => {
                self.connections.insert(connection, id);
                self.outputs.push_back(Output::Connect {
                    peer: id,
                    connection,
                });
            }
            Action::Send(connection, bytes) => {
                self.outputs.push_back(Output::Send { connection, bytes })
            }
            Action::Close(connection) => {
                self.connections.remove(&connection);
                self.outputs.push_back(Output::Close { connection });
            }
            Action::StateChanged { from, to, reason } => {
                let name = Arc::clone(&peer.name);
                self.outputs.push_back(Output::Event(Event::StateChanged {
                    peer: id,
                    name,
                    from,
                    to,
                    reason,
                }));
            }
            Action::Up => {
                peer.open_families(&self.originated);
                for (family, why) in peer.withheld.clone() {
                    self.outputs.push_back(Output::Event(Event::FamilyWithheld {
                        peer: id,
                        family,
                        why,
                    }));
                }
                self.unflushed = true;
            }
            Action::Down => {
                let gone = peer.close_families();
                self.decide(gone);
            }
            Action::Update(update) => self.handle_update(id, &update),
            Action::Refresh(family) => {
                peer.resend(family);
                self.unflushed = true;
            }
        }
    }

    fn handle_update(&mut self, id: PeerId, update: &DecodedUpdate) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if !update.errors.is_empty() {
            let errors = update.errors.iter().map(ToString::to_string).collect();
            self.outputs
                .push_back(Output::Event(Event::UpdateErrors { peer: id, errors }));
        }
        if let Some((family, error)) = update.disabled_families().next() {
            // RFC 7606 §5.3 allows either; a reset is what an operator notices.
            let notification = error.notification();
            let reset = Reset {
                notification,
                why: format!("{error} ({family} cannot be read)"),
            };
            peer.session.reset_established(reset, &mut self.core.env());
            return;
        }
        if let Some(family) = update.end_of_rib() {
            self.outputs
                .push_back(Output::Event(Event::EndOfRib { peer: id, family }));
            return;
        }
        let changed = Self::learn(peer, update, &mut self.core);
        self.decide(changed);
    }

    /// Apply an UPDATE to the peer's Adj-RIB-In; returns the prefixes it changed.
    fn learn(peer: &mut Peer, update: &DecodedUpdate, core: &mut Core) -> Vec<IpNet> {
        let Some(connection) = peer.session.established() else {
            return Vec::new();
        };
        let (Some(negotiated), Some(source)) = (&connection.negotiated, &peer.source) else {
            return Vec::new();
        };
        let context = ImportContext {
            negotiated,
            source,
            ends: &connection.ends,
            router_id: core.local.router_id,
        };
        let imported = import(update, &context);
        let mut changed = Vec::new();
        changed.extend(
            imported
                .withdrawn
                .into_iter()
                .filter(|prefix| peer.adj_in.remove(prefix)),
        );
        for (prefix, path) in imported.announced {
            if peer.adj_in.insert(prefix, path) {
                changed.push(prefix);
            }
        }
        if peer.adj_in.len() > peer.config.max_prefixes.limit {
            let reset = Reset::too_many_prefixes(peer.config.max_prefixes.limit);
            peer.session.reset_established(reset, &mut core.env());
        }
        changed
    }

    /// Choose again among the peers' paths to these prefixes.
    fn decide(&mut self, prefixes: Vec<IpNet>) {
        for prefix in prefixes {
            let paths = self
                .peers
                .values()
                .filter_map(|peer| peer.adj_in.get(&prefix));
            let event = match best(paths) {
                Some(path) if self.learned.get(&prefix) == Some(path) => continue,
                Some(path) => {
                    let path = path.clone();
                    self.learned.insert(prefix, path.clone());
                    Event::RouteLearned { prefix, path }
                }
                None if self.learned.remove(&prefix).is_some() => Event::RouteLost { prefix },
                None => continue,
            };
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Hand every peer what it is due, as far as its window allows.
    fn flush(&mut self) {
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            while let Some(peer) = self.peers.get_mut(&id)
                && let Some((batch, bytes, messages)) = peer.next_update()
            {
                peer.session
                    .send_update(bytes, messages, &mut self.core.env());
                self.perform(id);
                let event = match batch {
                    Batch::Announce(_, prefixes) => Event::Advertised { peer: id, prefixes },
                    Batch::Withdraw(prefixes) => Event::Withdrawn { peer: id, prefixes },
                    Batch::EndOfRib => continue,
                };
                self.outputs.push_back(Output::Event(event));
            }
        }
    }
}
