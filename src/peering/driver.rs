//! The speaker's thread: sockets, timers and the agent's wishes go in, what comes out is done.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bgp::{ConnectionId, Event, Input, Output, PeerId, Route, Speaker, State};
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{debug, info, warn};

use super::connection::{Connection, words};
use super::handle::{Call, View};
use super::learned::{self, LearnedRoutes, Teacher};
use super::listeners::Listeners;
use super::liveness::{self, Liveness};
use super::mailbox::{Mailbox, Taken};
use super::neighbours::NeighbourChange;
use super::ranges::Ranges;
use super::reload::Wanted;
use super::settings::{Neighbour, Settings};
use super::snapshot::Snapshot;
use super::socket;
use super::tenants::{LearnedTenants, TenantTeacher};
use super::unnumbered::Discoveries;
use super::{Notice, PathNotice};
use crate::metrics::Histogram;

/// Socket events that may wait; a reader that finds no room stops reading its socket.
const EVENTS: usize = 256;

/// What a socket's task tells the driver.
#[derive(Debug)]
pub(super) enum SocketEvent {
    Dialed(PeerId, ConnectionId, TcpStream),
    DialFailed(ConnectionId, String),
    Accepted(TcpStream, SocketAddr),
    /// Whom an unnumbered neighbour's link leads to now.
    Discovered(PeerId, Option<Ipv6Addr>),
    Received(ConnectionId, Bytes),
    Flushed(ConnectionId, usize),
    Closed(ConnectionId, String),
}

/// What the agent asks besides route changes.
#[derive(Debug)]
pub(super) enum Command {
    Status(oneshot::Sender<Snapshot>),
    /// The BFD sessions of neighbours.
    Bfd(oneshot::Sender<crate::bfd::Snapshot>),
    /// Answer when what the mailbox holds has been written.
    Flush(oneshot::Sender<()>),
    /// Look at the speaker, or act on it, for somebody on another thread.
    Call(Call),
    /// Other neighbours, or others' passwords.
    Change(NeighbourChange),
    /// Become what is wanted; answer when that is done.
    Reconfigure(Box<Wanted>, oneshot::Sender<()>),
    /// Say goodbye with these words, then end.
    Stop(String),
}

pub(super) struct Driver {
    pub(super) asn: u32,
    pub(super) speaker: Speaker,
    pub(super) neighbours: HashMap<PeerId, Neighbour>,
    pub(super) names: HashMap<PeerId, Arc<str>>,
    connections: HashMap<ConnectionId, Connection>,
    dials: HashMap<ConnectionId, AbortHandle>,
    closing: Vec<JoinHandle<()>>,
    pub(super) listeners: Listeners,
    pub(super) discoveries: Discoveries,
    pub(super) ranges: Ranges,
    pub(super) events: mpsc::Sender<SocketEvent>,
    inbox: mpsc::Receiver<SocketEvent>,
    notices: broadcast::Sender<Notice>,
    pub(super) path_notices: broadcast::Sender<PathNotice>,
    /// When the oldest change was made that nobody has been told of.
    changed_at: Option<Instant>,
    /// How long until somebody is.
    told_after: Arc<Histogram>,
    teacher: Option<Teacher>,
    tenant_teacher: Option<TenantTeacher>,
    /// Once a neighbour wants its path watched.
    pub(super) liveness: Option<Liveness>,
}

impl Driver {
    /// Listens, and starts every neighbour's session. Inside a runtime.
    pub(super) fn start(
        settings: &Settings,
        neighbours: Vec<Neighbour>,
        notices: broadcast::Sender<Notice>,
        path_notices: broadcast::Sender<PathNotice>,
    ) -> Self {
        let (events, inbox) = mpsc::channel(EVENTS);
        let now = Instant::now();
        let mut this = Self {
            asn: settings.asn,
            speaker: Speaker::new(settings.speaker(), now),
            neighbours: HashMap::new(),
            names: HashMap::new(),
            connections: HashMap::new(),
            dials: HashMap::new(),
            closing: Vec::new(),
            listeners: Listeners::new(&settings.listen, events.clone(), now),
            discoveries: Discoveries::default(),
            ranges: Ranges::new(&settings.ranges),
            events,
            inbox,
            notices,
            path_notices,
            teacher: None,
            tenant_teacher: None,
            liveness: None,
            changed_at: None,
            told_after: Arc::default(),
        };
        for neighbour in neighbours {
            this.add_neighbour(neighbour, now);
        }
        this.set_range_keys();
        this.listeners.retry(now);
        this
    }

    /// What peers teach goes there.
    pub(super) fn teaching(
        self,
        learned: Option<LearnedRoutes>,
        tenants: Option<LearnedTenants>,
    ) -> Self {
        Self {
            teacher: learned.map(Teacher::new),
            tenant_teacher: tenants.map(TenantTeacher::new),
            ..self
        }
    }

    /// Runs until told to stop, or until nobody is left to tell it anything: then it ends without a word,
    /// and the peers' graceful-restart helpers keep our routes.
    pub(super) async fn run(mut self, mailbox: &Mailbox, mut commands: mpsc::Receiver<Command>) {
        self.told_after = Arc::clone(&mailbox.told_after);
        // Before any session: see `Peering::spawn_with`.
        self.change_routes(mailbox);
        loop {
            let deadline = [self.drain(), self.listeners.deadline()]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                () = mailbox.filled() => self.change_routes(mailbox),
                Some(event) = self.inbox.recv() => self.handle_socket(event),
                command = commands.recv() => match command {
                    Some(Command::Status(answer)) => {
                        // Whoever asked may have given up.
                        let _ = answer.send(self.view(|view| Snapshot::of(view, Instant::now())));
                    }
                    Some(Command::Bfd(answer)) => self.show_paths(answer),
                    Some(Command::Call(call)) => self.serve(call),
                    Some(Command::Change(change)) => self.change_neighbours(change, Instant::now()),
                    Some(Command::Flush(answer)) => self.flush(mailbox, answer).await,
                    Some(Command::Reconfigure(wanted, answer)) => {
                        self.reconfigure(*wanted, Instant::now());
                        // Whoever asked may have given up.
                        let _ = answer.send(());
                    }
                    Some(Command::Stop(words)) => return self.stop(&words).await,
                    None => return,
                },
                failure = liveness::failure(&mut self.liveness) => self.lose_path(&failure),
                verdicts = learned::verdicts(&self.teacher) => self.heed(&verdicts),
                () = sleep_until(deadline) => self.handle_timeout(),
            }
        }
    }

    fn change_routes(&mut self, mailbox: &Mailbox) {
        let Taken {
            changes,
            tenants,
            since,
        } = mailbox.take();
        self.changed_at = since;
        let now = Instant::now();
        let gone = changes.iter().filter(|(_, wanted)| wanted.is_none());
        self.speaker.withdraw(gone.map(|(prefix, _)| *prefix), now);
        let routes = changes.into_iter().filter_map(|(prefix, wanted)| {
            let attributes = wanted?;
            Some(Route { prefix, attributes })
        });
        self.speaker.originate(routes, now);
        tenants.apply(&mut self.speaker, now);
    }

    async fn flush(&mut self, mailbox: &Mailbox, answer: oneshot::Sender<()>) {
        self.change_routes(mailbox);
        self.drain();
        // Every writer that has got something to write runs before this task does again.
        tokio::task::yield_now().await;
        // Whoever asked may have given up.
        let _ = answer.send(());
    }

    fn serve(&mut self, call: Call) {
        match call {
            Call::Look(look) => self.view(look),
            Call::Act(act) => act(&mut self.speaker, Instant::now()),
        }
    }

    fn view<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        look(&View {
            speaker: &self.speaker,
            listen_errors: &self.listeners.errors(),
            discoveries: &self.discoveries,
        })
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        self.listeners.retry(now);
        self.speaker.handle_input(Input::Timeout, now);
    }

    fn handle_socket(&mut self, event: SocketEvent) {
        let now = Instant::now();
        match event {
            SocketEvent::Dialed(peer, connection, stream) => {
                // Absent: given up meanwhile; dropping the stream closes it.
                if self.dials.remove(&connection).is_some() {
                    self.open(peer, connection, stream, false);
                }
            }
            SocketEvent::DialFailed(connection, why) => {
                if self.dials.remove(&connection).is_some() {
                    self.speaker
                        .handle_input(Input::ConnectionFailed { connection, why }, now);
                }
            }
            SocketEvent::Accepted(stream, remote) => self.accepted(stream, remote),
            SocketEvent::Discovered(peer, remote) => self.discovered(peer, remote, now),
            SocketEvent::Received(connection, bytes) => {
                self.speaker.handle_input(
                    Input::Received {
                        connection,
                        bytes: &bytes,
                    },
                    now,
                );
            }
            SocketEvent::Flushed(connection, bytes) => {
                self.speaker
                    .handle_input(Input::Flushed { connection, bytes }, now);
            }
            SocketEvent::Closed(connection, why) => {
                if self.connections.remove(&connection).is_some() {
                    self.speaker
                        .handle_input(Input::ConnectionClosed { connection, why }, now);
                }
            }
        }
    }

    fn accepted(&mut self, stream: TcpStream, remote: SocketAddr) {
        let link = socket::link_of(remote);
        let known = self.speaker.peer_at(remote.ip(), link.as_deref());
        let Some(peer) = known.or_else(|| self.join_range(remote, Instant::now())) else {
            debug!(%remote, "connection refused: no neighbour has this address");
            link.inspect(|link| self.discoveries.solicit(link));
            return;
        };
        let adopted = self
            .neighbours
            .get(&peer)
            .map(|neighbour| socket::adopt(&stream, neighbour, remote.ip(), self.asn));
        if let Some(Err(error)) = adopted {
            warn!(%remote, %error, "connection refused: its options cannot be set");
            return;
        }
        let connection = self.speaker.new_connection();
        self.open(peer, connection, stream, true);
    }

    fn open(&mut self, peer: PeerId, connection: ConnectionId, stream: TcpStream, passive: bool) {
        let now = Instant::now();
        match socket::ends(&stream) {
            Ok(ends) => {
                self.connections.insert(
                    connection,
                    Connection::start(connection, stream, &self.events),
                );
                let input = Input::ConnectionOpened {
                    peer,
                    connection,
                    ends,
                    passive,
                };
                self.speaker.handle_input(input, now);
            }
            // The peer reset it already.
            Err(error) => {
                let why = words(&error);
                self.speaker
                    .handle_input(Input::ConnectionFailed { connection, why }, now);
            }
        }
    }

    /// Do everything the speaker wants; returns when it wants to be called again.
    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.speaker.poll_output() {
                Output::Connect {
                    peer,
                    connection,
                    remote,
                    ..
                } => self.dial(peer, connection, remote),
                Output::Send { connection, bytes } => {
                    if let Some(connection) = self.connections.get(&connection) {
                        connection.send(bytes);
                    }
                }
                Output::Close { connection } => self.close(connection),
                Output::Event(event) => {
                    self.follow_paths(&event);
                    self.tell(event);
                }
                Output::Timeout(deadline) => {
                    // What is told later waits for a neighbour, not for us.
                    self.changed_at = None;
                    self.teacher.iter_mut().for_each(Teacher::put);
                    self.tenant_teacher.iter_mut().for_each(TenantTeacher::put);
                    return deadline;
                }
            }
        }
    }

    fn dial(&mut self, peer: PeerId, connection: ConnectionId, remote: IpAddr) {
        let Some(neighbour) = self.neighbours.get(&peer).cloned() else {
            return;
        };
        let (events, asn) = (self.events.clone(), self.asn);
        let task = tokio::spawn(async move {
            let event = match socket::dial(neighbour, remote, asn).await {
                Ok(stream) => SocketEvent::Dialed(peer, connection, stream),
                Err(error) => SocketEvent::DialFailed(connection, words(&error)),
            };
            // Fails only when the driver has ended.
            let _ = events.send(event).await;
        });
        self.dials.insert(connection, task.abort_handle());
    }

    fn close(&mut self, connection: ConnectionId) {
        if let Some(dial) = self.dials.remove(&connection) {
            dial.abort();
        }
        if let Some(connection) = self.connections.remove(&connection) {
            self.closing.retain(|task| !task.is_finished());
            self.closing.push(connection.finish());
        }
    }

    async fn stop(mut self, words: &str) {
        self.speaker.stop(words, Instant::now());
        self.drain();
        if let Some(liveness) = self.liveness {
            liveness.stop().await;
        }
        for task in self.closing {
            // Bounded by the linger time; a task that panicked is closed as well.
            let _ = task.await;
        }
    }

    fn tell(&mut self, event: Event) {
        self.log(&event);
        if let Event::PeerVanished { peer, .. } = &event {
            self.leave_range(*peer);
        }
        let told = matches!(
            event,
            Event::Advertised { .. }
                | Event::Withdrawn { .. }
                | Event::EvpnAdvertised { .. }
                | Event::EvpnWithdrawn { .. }
        );
        if told && let Some(at) = self.changed_at.take() {
            self.told_after.observe(at.elapsed());
        }
        if let Event::StateChanged { peer, from, to, .. } = &event
            && (*from == State::Established || *to == State::Established)
        {
            self.discoveries
                .set_established(*peer, *to == State::Established);
        }
        if let Some(teacher) = &mut self.teacher {
            teacher.follow(&event);
        }
        if let Some(teacher) = &mut self.tenant_teacher {
            teacher.follow(&event);
        }
        if self.notices.receiver_count() > 0 {
            let at = Instant::now();
            // Fails when the last of them has just gone.
            let _ = self.notices.send(Notice { at, event });
        }
    }

    fn log(&self, event: &Event) {
        let name = |peer: &PeerId| self.names.get(peer).map_or("?", AsRef::as_ref);
        match event {
            Event::StateChanged {
                name,
                from,
                to,
                reason: Some(reason),
                ..
            } => {
                if *from == State::Established {
                    warn!(peer = %name, state = %to, %reason, "BGP session lost");
                } else {
                    info!(peer = %name, state = %to, %reason, "BGP session not established");
                }
            }
            Event::StateChanged {
                name,
                to: State::Established,
                ..
            } => {
                info!(peer = %name, state = %State::Established, "BGP session up");
            }
            Event::StateChanged { name, to, .. } => {
                debug!(peer = %name, state = %to, "BGP session")
            }
            Event::FamilyWithheld { peer, family, why } => {
                warn!(peer = name(peer), %family, reason = %why, "routes of this family are not sent");
            }
            Event::UpdateErrors { peer, errors } => {
                let errors = errors.join("; ");
                warn!(peer = name(peer), %errors, "UPDATE with errors: its routes were withdrawn or attributes ignored");
            }
            Event::PrefixLimit {
                peer,
                count,
                limit,
                refused,
            } => {
                let peer = name(peer);
                if *refused {
                    warn!(
                        peer,
                        limit, "more routes than max_prefixes: those above it are not taken"
                    );
                } else {
                    warn!(peer, count, limit, "routes approach max_prefixes");
                }
            }
            Event::Converged { family } => info!(%family, "BGP has converged"),
            other => debug!(event = ?other, "BGP"),
        }
    }
}

pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
