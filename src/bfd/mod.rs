//! BFD's shell: a thread of its own with the sockets and the clock around the sans-IO [`bgp::bfd`].
//!
//! ```text
//!   add, remove, … ──► mailbox ──┐                          ┌──► socket per session, its own source port
//!                                ▼                          │
//!                              driver ◄──► bgp::bfd::Sessions
//!                                ▲ │
//!   socket per family and port ──┘ └──► mailbox ──► Events (changes, troubles)
//! ```
//!
//! A packet that is late is a failure to the other side. So the thread runs with a real-time priority where
//! the system grants it, waits for nothing but the kernel (its mailboxes are only ever tried, never waited
//! for, and it does not even log: who reads [`Events`] does), and reads what has arrived before it believes
//! that nothing has.
//!
//! Dropping [`Bfd`] ends the sessions without a word: to a peer that is the end of a process, whose BGP
//! session ends with it, and its graceful-restart helper may take over (our C bit is clear, RFC 5882 §4.3).
//! [`Bfd::shutdown`] tells the peers first that this is no failure of the path.

mod driver;
mod lateness;
mod mailbox;
mod receiver;
mod snapshot;
mod transmitter;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

pub use bgp::bfd::{AddError, Change, Diagnostic, SessionConfig, SessionKey, State};
use tokio::net::UnixStream;

use driver::{Command, Driver};
use mailbox::Mailbox;
pub use snapshot::{SessionSnapshot, Snapshot};

/// Orders that may wait for the thread.
const COMMANDS: usize = 4096;

/// Events that may wait for whoever reads them.
const EVENTS: usize = 4096;

/// What the thread tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A session changed state.
    Changed(Change),
    /// Something does not work, and is tried again.
    Trouble {
        /// Whose; `None`: it concerns many.
        key: Option<SessionKey>,
        /// What, and what to do.
        what: String,
    },
    /// So many events were lost because nobody read them: look at the [`Snapshot`].
    Missed(u64),
}

/// The thread of BFD has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the BFD thread has ended: see the log for why, then restart the agent")]
pub struct Ended;

/// Why an order was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There cannot be such a session.
    #[error(transparent)]
    Unfit(#[from] AddError),
    /// Nobody is there to do it.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Thousands of orders wait already.
    #[error("the BFD thread does not keep up with {COMMANDS} orders: try again later")]
    Busy,
}

/// The running sessions.
#[derive(Debug)]
pub struct Bfd {
    commands: Arc<Mailbox<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Bfd {
    /// Starts the thread, in the network namespace of the calling thread. No socket is opened before there
    /// is a session that needs it.
    ///
    /// # Errors
    /// The thread or its mailboxes cannot be made.
    pub fn spawn() -> io::Result<(Self, Events)> {
        let commands = Arc::new(Mailbox::new(COMMANDS)?);
        let events = Arc::new(Mailbox::new(EVENTS)?);
        let driver = Driver::new(Arc::clone(&commands), Arc::clone(&events));
        let thread = std::thread::Builder::new()
            .name("bfd".to_owned())
            .spawn(move || driver.run())?;
        let this = Self {
            commands,
            thread: Some(thread),
        };
        Ok((this, Events::of(events)))
    }

    /// Adds a session, or gives one that is there another configuration without taking it down. Returns at
    /// once.
    ///
    /// # Errors
    /// There cannot be such a session, or nobody takes the order.
    pub fn add(&self, key: SessionKey, config: SessionConfig) -> Result<(), OrderError> {
        key.check().map_err(AddError::from)?;
        config.check().map_err(AddError::from)?;
        self.order(Command::Add(key, config))
    }

    /// [`Bfd::add`], for a session that is there: intervals change by a Poll Sequence.
    ///
    /// # Errors
    /// As [`Bfd::add`].
    pub fn update(&self, key: SessionKey, config: SessionConfig) -> Result<(), OrderError> {
        self.add(key, config)
    }

    /// Removes a session; the peer is told that this is no failure.
    ///
    /// # Errors
    /// Nobody takes the order.
    pub fn remove(&self, key: SessionKey) -> Result<(), OrderError> {
        self.order(Command::Remove(key))
    }

    /// Hold a session administratively down, or no longer.
    ///
    /// # Errors
    /// Nobody takes the order.
    pub fn admin_down(&self, key: SessionKey, held: bool) -> Result<(), OrderError> {
        self.order(Command::HoldDown(key, held))
    }

    /// The sessions as they are: asked for now, answered when awaited. Inside a runtime.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn snapshot(&self) -> impl Future<Output = Result<Snapshot, OrderError>> + Send + use<> {
        let asked = Mailbox::new(1)
            .map_err(|_| OrderError::Busy)
            .and_then(|answer| {
                let answer = Arc::new(answer);
                self.order(Command::Status(Arc::clone(&answer)))?;
                Ok(answer)
            });
        async { Ok(Events::of(asked?).recv().await.ok_or(Ended)?) }
    }

    /// Takes every session administratively down, tells the peers, and ends when they know or have had a
    /// second to.
    ///
    /// # Errors
    /// Nobody is there to do it.
    pub async fn shutdown(self) -> Result<(), OrderError> {
        let gone = Arc::new(Mailbox::<()>::new(1).map_err(|_| OrderError::Busy)?);
        self.order(Command::Stop(Arc::clone(&gone)))?;
        // Nothing ever comes: the thread closes it at its end.
        Events::of(gone).recv().await;
        Ok(())
    }

    fn order(&self, command: Command) -> Result<(), OrderError> {
        if self.commands.is_closed() {
            return Err(Ended.into());
        }
        self.commands.put(command).map_err(|_| OrderError::Busy)
    }
}

impl Drop for Bfd {
    fn drop(&mut self) {
        self.commands.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// What the thread tells, in order.
#[derive(Debug)]
pub struct Events<T = Event> {
    mailbox: Arc<Mailbox<T>>,
    /// The mailbox's bell in the runtime's reactor, from the first wait on.
    bell: Option<UnixStream>,
}

impl<T> Events<T> {
    fn of(mailbox: Arc<Mailbox<T>>) -> Self {
        Self {
            mailbox,
            bell: None,
        }
    }

    /// The next one; `None` once the thread has ended. Inside a runtime; may be cancelled.
    pub async fn recv(&mut self) -> Option<T> {
        loop {
            // In this order: what was put before the last word is not missed.
            let closed = self.mailbox.is_closed();
            if let Some(event) = self.mailbox.take_one() {
                return Some(event);
            }
            if closed {
                return None;
            }
            let bell = match &self.bell {
                Some(bell) => bell,
                None => self.bell.insert(self.mailbox.listen().ok()?),
            };
            bell.readable().await.ok()?;
            // Until nothing is left, by which the reactor knows as well.
            while bell.try_read(&mut [0; 256]).is_ok_and(|count| count > 0) {}
        }
    }

    /// The next one if there is one.
    pub fn try_recv(&mut self) -> Option<T> {
        self.mailbox.take_one()
    }
}
