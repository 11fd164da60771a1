//! The kernel's side of the speaker: learned routes into a routing table, the node's own addresses out.
//!
//! ```text
//!   speaker ── learned routes ──► ┌───────────────┐ ── steps ──► kernel
//!   settings ───────────────────► │ table (pure)  │ ◄─ answers ──
//!   kernel ── links, addresses, ► └───────┬───────┘
//!             routes of others            └── connected prefixes ──► origination
//! ```
//!
//! As everywhere, what is wanted is computed from all that is known and compared with what is there; an event only
//! says what to look at again. It runs on a thread of its own: fifty thousand routes must delay neither a KEEPALIVE
//! nor the agent, and `speaker` has no agent.
//!
//! **Ours** is a route of protocol `bgp` with our metric in our table. That is what zebra installs too, on purpose: what
//! a stopped FRR has left is taken over in place. What zebra installs while we run is told by its nexthop object and left
//! alone, as everything else is: `show fib` names the conflict. Beside an FRR that installs routes, give ours another
//! table or metric, or none at all ([`Settings::import`]).
//!
//! **OVN's routers** (`driver = ovn_native`) have a table each, in which ovn-controller looks for what they learn:
//! one more pure table for each, of the same mark (`router.rs`).
//!
//! **Fail static.** Routes stay when the process ends, however it ends. The next one takes them over and keeps those
//! that it is not taught again until the peers have told all they have, or [`Settings::stale_hold`] is over.

pub mod connected;
mod dirty;
mod message;
mod next_hops;
mod node;
mod noted;
mod notice;
mod observe;
mod resolve;
mod route;
mod router;
mod run;
mod settings;
mod shared;
mod snapshot;
mod table;
mod tables;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

pub use self::noted::TablesNote;
pub use self::notice::{Notice, RouteChange};
use self::run::{Command, Ends, Shell};
pub use self::settings::Settings;
pub use self::snapshot::{
    Counts, HopSnapshot, RouteSnapshot, RouteState, RouterSnapshot, Snapshot, UnusedPath,
};
pub use self::tables::Routers;
use crate::advertise::Origination;
use crate::peering::LearnedRoutes;

/// How long the start waits for the first look at the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

/// Notices a slow watcher may be behind before it misses some.
const NOTICES: usize = 4096;

/// The running thread. Dropping it ends the thread; routes stay.
#[derive(Debug)]
pub struct Fib {
    /// Taken only to end it.
    commands: Option<mpsc::Sender<Command>>,
    notices: broadcast::Sender<Notice>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is to follow.
#[derive(Debug)]
pub struct Start {
    /// What peers teach.
    pub learned: LearnedRoutes,
    /// Where the node's own addresses go.
    pub origination: Origination,
    /// What OVN's routers want to learn, once that is known; until then what an earlier process has left for them
    /// stays.
    pub routers: watch::Receiver<Option<Arc<Routers>>>,
    /// Where it is noted which tables of routers have routes.
    pub note: Option<TablesNote>,
}

/// The thread has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the thread that installs learned routes has ended: see the log for why, then restart the agent"
)]
pub struct Ended;

impl Fib {
    /// Starts the thread, in the network namespace of the calling thread, and waits until it has read the kernel
    /// and has the node's own addresses originated: they belong before the End-of-RIB of the first session.
    ///
    /// # Errors
    /// The thread or its runtime cannot be made. Trouble with the kernel is logged and shown, and tried again.
    pub fn spawn(settings: Settings, start: Start) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (commands, requests) = mpsc::channel(16);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (notices, _) = broadcast::channel(NOTICES);
        let ends = Ends {
            learned: start.learned,
            origination: start.origination,
            notices: notices.clone(),
            routers: start.routers,
            note: start.note,
        };
        let thread = std::thread::Builder::new()
            .name("fib".to_owned())
            .spawn(move || runtime.block_on(Shell::new(settings, ends).run(requests, ready)))?;
        if is_ready.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "the kernel's routes take long to read; the sessions start before that is done"
            );
        }
        Ok(Self {
            commands: Some(commands),
            notices,
            thread: Some(thread),
        })
    }

    /// Other settings from now on.
    ///
    /// # Errors
    /// The thread has ended.
    pub async fn reconfigure(&self, settings: Settings) -> Result<(), Ended> {
        self.send(Command::Reconfigure(Box::new(settings))).await
    }

    /// All routes and their state.
    ///
    /// # Errors
    /// The thread has ended.
    pub async fn status(&self) -> Result<Snapshot, Ended> {
        let (answer, snapshot) = oneshot::channel();
        self.send(Command::Status(answer)).await?;
        snapshot.await.map_err(|_| Ended)
    }

    /// A way to the thread for others than its owner.
    pub fn handle(&self) -> Option<Handle> {
        Some(Handle {
            commands: self.commands.as_ref()?.downgrade(),
            notices: self.notices.downgrade(),
        })
    }

    async fn send(&self, command: Command) -> Result<(), Ended> {
        let commands = self.commands.as_ref().ok_or(Ended)?;
        commands.send(command).await.map_err(|_| Ended)
    }
}

/// A way to the thread that does not keep it running.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::WeakSender<Command>,
    notices: broadcast::WeakSender<Notice>,
}

impl Handle {
    /// As [`Fib::status`].
    ///
    /// # Errors
    /// The thread has ended.
    pub async fn status(&self) -> Result<Snapshot, Ended> {
        let commands = self.commands.upgrade().ok_or(Ended)?;
        let (answer, snapshot) = oneshot::channel();
        let asked = commands.send(Command::Status(answer)).await;
        asked.map_err(|_| Ended)?;
        snapshot.await.map_err(|_| Ended)
    }

    /// What becomes of routes from now on.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn watch(&self) -> Result<broadcast::Receiver<Notice>, Ended> {
        Ok(self.notices.upgrade().ok_or(Ended)?.subscribe())
    }
}

impl Drop for Fib {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}
