//! The speaker's shell: a thread of its own with listeners, sockets and timers around the sans-IO [`bgp`].
//!
//! ```text
//!   agent ── originate, withdraw ──► mailbox ──┐                    ┌──► dial / accept tasks
//!         ── status, shutdown ─────────────────┼──► driver ◄──► bgp::Speaker
//!         ◄─ notices (broadcast) ──────────────┘       ▲ └──► writer task per connection ──► socket
//!                                                      └───── reader task per connection ◄── socket
//! ```
//!
//! The speaker never waits for the agent or for a slow peer. The agent waits for the speaker only where a
//! withdrawal must be out before its wiring goes ([`Peering::flushed`]).

mod connection;
mod driver;
mod handle;
mod learned;
mod listeners;
mod liveness;
mod mailbox;
mod neighbours;
mod paths;
mod ranges;
mod reload;
mod settings;
mod snapshot;
mod socket;
pub(crate) mod sockopt;
mod tenants;
mod unnumbered;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use bgp::{Event, PeerId, Route};
use ipnet::IpNet;
use tokio::sync::{broadcast, mpsc, oneshot};

use driver::{Command, Driver};
pub use handle::{Handle, View};
pub use learned::{LearnedNews, LearnedRoutes};
use mailbox::Mailbox;
pub use ranges::Range;
pub use settings::{Neighbour, PORT, Password, Settings};
pub use snapshot::{LearnedSnapshot, MessageSnapshot, NeighborSnapshot, RouteSnapshot, Snapshot};
pub use tenants::{LearnedTenants, TenantChanges, TenantNews};
pub use unnumbered::{Discoveries, DiscoverySnapshot};

/// Notices a slow watcher may be behind before it misses some (`RecvError::Lagged`).
const NOTICES: usize = 4096;

/// Something the speaker tells, and when it happened.
#[derive(Debug, Clone)]
pub struct Notice {
    /// When. For [`Event::Advertised`]: when the UPDATE was handed to the connection's writer.
    pub at: Instant,
    /// What.
    pub event: Event,
}

/// The path to neighbours, as BFD sees it, has changed.
#[derive(Debug, Clone)]
pub struct PathNotice {
    /// The neighbours at its end.
    pub peers: Vec<PeerId>,
    /// From what to what, when and why.
    pub change: crate::bfd::Change,
}

/// The running speaker. Dropping it ends the speaker without a word to the peers, whose graceful-restart
/// helpers then keep our routes; [`Peering::shutdown`] says goodbye.
#[derive(Debug)]
pub struct Peering {
    mailbox: Arc<Mailbox>,
    /// Taken only when the speaker is told to end.
    commands: Option<mpsc::Sender<Command>>,
    notices: broadcast::Sender<Notice>,
    path_notices: broadcast::Sender<PathNotice>,
    thread: Option<JoinHandle<()>>,
}

/// What a speaker begins with: originated before the first session (see [`Peering::spawn_with`]), and where what peers
/// teach goes.
#[derive(Debug, Default)]
pub struct Start {
    /// Unicast routes.
    pub routes: Vec<Route>,
    /// Where learned unicast routes go.
    pub learned: Option<LearnedRoutes>,
    /// Tenants' tables and what is originated in them.
    pub tenants: TenantChanges,
    /// Where goes what is learned of tenants' tables.
    pub learned_tenants: Option<LearnedTenants>,
}

/// The speaker's thread has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the BGP speaker's thread has ended: see the log for why, then restart the agent")]
pub struct Ended;

impl Peering {
    /// Starts the speaker's thread, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The thread or its runtime cannot be made. Sockets that cannot be are reported in the
    /// [`Snapshot`] and the log.
    pub fn spawn(settings: Settings, neighbours: Vec<Neighbour>) -> io::Result<Self> {
        Self::spawn_with(settings, neighbours, [])
    }

    /// [`Peering::spawn`], with these routes originated before the first session: they come before its
    /// End-of-RIB, at which a graceful-restart helper drops what it was not told again (RFC 4724 §4.2).
    ///
    /// # Errors
    /// As [`Peering::spawn`].
    pub fn spawn_with(
        settings: Settings,
        neighbours: Vec<Neighbour>,
        routes: impl IntoIterator<Item = Route>,
    ) -> io::Result<Self> {
        let start = Start {
            routes: routes.into_iter().collect(),
            ..Start::default()
        };
        Self::spawn_from(settings, neighbours, start)
    }

    /// [`Peering::spawn_with`], with all that may be there at the start.
    ///
    /// # Errors
    /// As [`Peering::spawn`].
    pub fn spawn_from(
        settings: Settings,
        neighbours: Vec<Neighbour>,
        start: Start,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mailbox = Arc::new(Mailbox::default());
        mailbox.originate(start.routes);
        mailbox.change_tenants(start.tenants);
        let (commands, requests) = mpsc::channel(16);
        let (notices, _) = broadcast::channel(NOTICES);
        let (path_notices, _) = broadcast::channel(NOTICES);
        let (shared, told) = (Arc::clone(&mailbox), notices.clone());
        let told_paths = path_notices.clone();
        let thread = std::thread::Builder::new()
            .name("bgp".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    Driver::start(&settings, neighbours, told, told_paths)
                        .teaching(start.learned, start.learned_tenants)
                        .run(&shared, requests)
                        .await;
                });
            })?;
        Ok(Self {
            mailbox,
            commands: Some(commands),
            notices,
            path_notices,
            thread: Some(thread),
        })
    }

    /// Originate these routes, replacing those for the same prefixes. Returns at once.
    pub fn originate(&self, routes: impl IntoIterator<Item = Route>) {
        self.mailbox.originate(routes);
    }

    /// Stop originating these prefixes. Returns at once.
    pub fn withdraw(&self, prefixes: impl IntoIterator<Item = IpNet>) {
        self.mailbox.withdraw(prefixes);
    }

    /// Changes tenants' tables, and what is originated in them. Returns at once.
    pub fn change_tenants(&self, changes: TenantChanges) {
        self.mailbox.change_tenants(changes);
    }

    /// Returns once the UPDATEs of every change so far are with the kernel, as far as each peer's socket
    /// takes them: the speaker does not wait for a slow peer, and neither does this.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn flushed(&self) -> Result<(), Ended> {
        let (answer, flushed) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(Ended)?;
        let asked = commands.send(Command::Flush(answer)).await;
        asked.map_err(|_| Ended)?;
        flushed.await.map_err(|_| Ended)
    }

    /// A way to the speaker for others than its owner; `None` once it was told to end.
    pub fn handle(&self) -> Option<Handle> {
        Some(Handle {
            mailbox: Arc::clone(&self.mailbox),
            commands: self.commands.as_ref()?.downgrade(),
            notices: self.notices.downgrade(),
            path_notices: self.path_notices.downgrade(),
        })
    }

    /// Everything the speaker tells from now on.
    pub fn watch(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// The speaker as it is now.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn status(&self) -> Result<Snapshot, Ended> {
        let (answer, snapshot) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(Ended)?;
        commands
            .send(Command::Status(answer))
            .await
            .map_err(|_| Ended)?;
        snapshot.await.map_err(|_| Ended)
    }

    /// Waits until the speaker's thread has ended, which it does not do by itself.
    pub async fn ended(&self) -> Ended {
        if let Some(commands) = &self.commands {
            commands.closed().await;
        }
        Ended
    }

    /// Tell every peer the operator's words (Cease, administrative shutdown, RFC 9003) so that they drop our
    /// routes at once; returns when that is sent.
    ///
    /// # Errors
    /// The speaker's thread had ended before.
    pub async fn shutdown(mut self, words: &str) -> Result<(), Ended> {
        let commands = self.commands.take().ok_or(Ended)?;
        commands
            .send(Command::Stop(words.to_owned()))
            .await
            .map_err(|_| Ended)?;
        // The driver drops its end when it is through.
        commands.closed().await;
        Ok(())
    }
}

impl Drop for Peering {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}
