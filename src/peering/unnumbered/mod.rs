//! Neighbours by interface: [`bgp::discovery`] with its sockets, a task for each.
//!
//! ```text
//!   kernel ── links, addresses ──► LinkMonitor ──(watch)──┐
//!                                                           ▼
//!   link ◄── advertisements, solicitations ──► RouterSocket ◄──► Discovery ──► SocketEvent::Discovered ──► driver
//!                                                           ▲                                                 │
//!                                                           └──────────── session up, session down ◄──────────┘
//! ```
//!
//! A task that is busy with what somebody floods its link with costs the driver nothing: it hears of changes
//! of the peer, and of nothing else.

use std::collections::HashMap;
use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::PeerId;
use bgp::discovery::{
    Arrival, Discovery, DiscoveryConfig, DiscoveryCounters, DiscoveryOutput, Finding, Link,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::connection::words;
use super::driver::{SocketEvent, sleep_until};
use crate::router_advertisement::links::{LinkMonitor, Links};
use crate::router_advertisement::socket::RouterSocket;

/// A socket that could not be opened, or broke, is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// What `show` prints about the link of an unnumbered neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverySnapshot {
    /// The interface.
    pub interface: String,
    /// What is known of it, in words.
    pub finding: String,
    /// Advertisements sent.
    pub advertisements_sent: u64,
    /// Advertisements of others received.
    pub advertisements_received: u64,
    /// Solicitations sent.
    pub solicitations_sent: u64,
    /// Solicitations of others received.
    pub solicitations_received: u64,
    /// Messages dropped as invalid.
    pub invalid: u64,
    /// Why the last one was.
    pub last_invalid: Option<String>,
}

/// The discovery of every unnumbered neighbour.
#[derive(Debug, Default)]
pub struct Discoveries {
    /// Since the first of them.
    monitor: Option<LinkMonitor>,
    by_peer: HashMap<PeerId, Unnumbered>,
}

impl Discoveries {
    /// What is known of the link of an unnumbered neighbour; `None` for others.
    pub fn snapshot(&self, peer: PeerId) -> Option<DiscoverySnapshot> {
        self.by_peer.get(&peer).map(Unnumbered::snapshot)
    }

    /// Looks for `peer` on `interface` from now on.
    pub(super) fn start(
        &mut self,
        peer: PeerId,
        interface: Arc<str>,
        config: DiscoveryConfig,
        events: mpsc::Sender<SocketEvent>,
    ) {
        let monitor = self.monitor.get_or_insert_with(LinkMonitor::start);
        let discovery = Unnumbered::start(peer, interface, config, monitor, events);
        self.by_peer.insert(peer, discovery);
    }

    /// Looks for it no longer.
    pub(super) fn stop(&mut self, peer: PeerId) {
        self.by_peer.remove(&peer);
    }

    /// The session with `peer` came up or went down.
    pub(super) fn set_established(&self, peer: PeerId, established: bool) {
        if let Some(discovery) = self.by_peer.get(&peer) {
            discovery.established.send_replace(established);
        }
    }

    /// Somebody called from a link where we know of nobody, or of somebody else.
    pub(super) fn solicit(&self, interface: &str) {
        let all = self.by_peer.values();
        for discovery in all.filter(|discovery| &*discovery.interface == interface) {
            discovery.strangers.notify_one();
        }
    }
}

/// The discovery of one neighbour. Dropping it ends it.
#[derive(Debug)]
struct Unnumbered {
    interface: Arc<str>,
    /// The session is up.
    established: watch::Sender<bool>,
    /// Somebody of the link whom we do not know has called.
    strangers: Arc<Notify>,
    state: watch::Receiver<State>,
    _task: AbortOnDropHandle<()>,
}

/// What the task publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    finding: Finding,
    counters: DiscoveryCounters,
    last_invalid: Option<String>,
    /// Why there is no socket, though the link is ready.
    error: Option<String>,
}

impl Unnumbered {
    /// Starts looking for `peer` on `interface`, on the calling thread's runtime.
    fn start(
        peer: PeerId,
        interface: Arc<str>,
        config: DiscoveryConfig,
        monitor: &LinkMonitor,
        events: mpsc::Sender<SocketEvent>,
    ) -> Self {
        let (established, session) = watch::channel(false);
        let strangers = Arc::new(Notify::new());
        let discovery = Discovery::new(config);
        let (sender, state) = watch::channel(State {
            finding: discovery.finding(),
            counters: discovery.counters(),
            last_invalid: None,
            error: None,
        });
        let task = Task {
            peer,
            interface: Arc::clone(&interface),
            discovery,
            links: monitor.links(),
            link: Link::Missing,
            socket: None,
            retry: None,
            error: None,
            established: session,
            strangers: Arc::clone(&strangers),
            events,
            state: sender,
        };
        Self {
            interface,
            established,
            strangers,
            state,
            _task: AbortOnDropHandle::new(tokio::spawn(task.run())),
        }
    }

    fn snapshot(&self) -> DiscoverySnapshot {
        let state = self.state.borrow();
        let finding = match &state.error {
            Some(error) => format!("{}: {error}", self.interface),
            None => state.finding.on(&self.interface).to_string(),
        };
        let counters = state.counters;
        DiscoverySnapshot {
            interface: self.interface.to_string(),
            finding,
            advertisements_sent: counters.advertisements_sent,
            advertisements_received: counters.advertisements_received,
            solicitations_sent: counters.solicitations_sent,
            solicitations_received: counters.solicitations_received,
            invalid: counters.invalid,
            last_invalid: state.last_invalid.clone(),
        }
    }
}

struct Task {
    peer: PeerId,
    interface: Arc<str>,
    discovery: Discovery,
    links: watch::Receiver<Links>,
    link: Link,
    /// While the link is ready and the kernel lets us.
    socket: Option<RouterSocket>,
    retry: Option<Instant>,
    error: Option<String>,
    established: watch::Receiver<bool>,
    strangers: Arc<Notify>,
    events: mpsc::Sender<SocketEvent>,
    state: watch::Sender<State>,
}

/// What the task wakes up for.
enum Wake {
    Links,
    Received(io::Result<()>),
    Session,
    Stranger,
    Timeout,
    /// The driver is gone.
    End,
}

impl Task {
    async fn run(mut self) {
        self.follow_link();
        loop {
            let Some(deadline) = self.drain().await else {
                return;
            };
            self.publish();
            match self.wait(deadline).await {
                Wake::Links => self.follow_link(),
                Wake::Received(Ok(())) => {}
                Wake::Received(Err(error)) => self.lose_socket(&error),
                Wake::Session => {
                    let established = *self.established.borrow_and_update();
                    self.discovery.set_established(established, Instant::now());
                }
                Wake::Stranger => self.discovery.solicit(Instant::now()),
                Wake::Timeout => {
                    if self.retry.is_some_and(|at| at <= Instant::now()) {
                        self.open_socket();
                    }
                    self.discovery.handle_timeout(Instant::now());
                }
                Wake::End => return,
            }
        }
    }

    async fn wait(&mut self, deadline: Option<Instant>) -> Wake {
        let (interface, discovery) = (&self.interface, &mut self.discovery);
        let take_in = |arrival: &Arrival<'_>| {
            if let Err(invalid) = discovery.handle_arrival(arrival, Instant::now()) {
                debug!(%interface, source = %arrival.source, reason = %invalid, "neighbour discovery message dropped");
            }
        };
        let deadline = [deadline, self.retry].into_iter().flatten().min();
        tokio::select! {
            changed = self.links.changed() => match changed {
                Ok(()) => Wake::Links,
                Err(_) => Wake::End,
            },
            changed = self.established.changed() => match changed {
                Ok(()) => Wake::Session,
                Err(_) => Wake::End,
            },
            () = self.strangers.notified() => Wake::Stranger,
            received = receive(self.socket.as_mut(), take_in) => Wake::Received(received),
            () = sleep_until(deadline) => Wake::Timeout,
        }
    }

    fn follow_link(&mut self) {
        let link = self.links.borrow_and_update().link(&self.interface);
        if link != self.link {
            self.link = link;
            self.open_socket();
        }
    }

    /// The socket belongs to the interface's number and our address: other ones need another.
    fn open_socket(&mut self) {
        (self.socket, self.retry, self.error) = (None, None, None);
        let now = Instant::now();
        if let Link::Ready { index, local, .. } = self.link {
            match RouterSocket::open(&self.interface, index, local) {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => {
                    self.discovery.set_link(Link::Down, now);
                    return self.lose_socket(&error);
                }
            }
        }
        self.discovery.set_link(self.link, now);
    }

    fn lose_socket(&mut self, error: &io::Error) {
        self.socket = None;
        self.retry = Some(Instant::now() + RETRY);
        let need = match error.kind() {
            io::ErrorKind::PermissionDenied => ": it needs CAP_NET_RAW",
            _ => "",
        };
        let error = format!(
            "no socket for router advertisements: {}{need}",
            words(error)
        );
        warn!(interface = %self.interface, %error, "unnumbered neighbour cannot be discovered");
        self.error = Some(error);
    }

    /// Does what discovery wants; `None` when nobody is there for it any more.
    async fn drain(&mut self) -> Option<Option<Instant>> {
        loop {
            match self.discovery.poll_output() {
                DiscoveryOutput::Send { to, octets } => self.send(to, &octets),
                DiscoveryOutput::Peer(peer) => {
                    let event = SocketEvent::Discovered(self.peer, peer);
                    self.events.send(event).await.ok()?;
                }
                DiscoveryOutput::Timeout(deadline) => return Some(deadline),
            }
        }
    }

    fn send(&mut self, to: Ipv6Addr, octets: &[u8]) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(to, octets)
        {
            // The interface may be going; the next interval tries again.
            debug!(interface = %self.interface, %error, "neighbour discovery message not sent");
        }
    }

    fn publish(&self) {
        let state = State {
            finding: self.discovery.finding(),
            counters: self.discovery.counters(),
            last_invalid: self.discovery.last_invalid().map(|why| why.to_string()),
            error: self.error.clone(),
        };
        self.state.send_if_modified(|published| {
            let changed = *published != state;
            *published = state;
            changed
        });
    }
}

/// Waits for ever without a socket.
async fn receive(
    socket: Option<&mut RouterSocket>,
    take_in: impl FnOnce(&Arrival<'_>),
) -> io::Result<()> {
    match socket {
        Some(socket) => socket.receive(take_in).await,
        None => std::future::pending().await,
    }
}
