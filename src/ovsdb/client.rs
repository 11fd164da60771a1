//! The client's task, its handle, and how to use it for one look.

mod task;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use self::task::Task;
use super::condition::Condition;
use super::event::{ConnectionError, Event, ServerFacts};
use super::remote::Remote;
use super::row::{Change, Monitor};
use super::schema::{Schema, Support};
use super::session::ByTable;
use super::tls::TlsFiles;
use super::transaction::{Operation, OperationResult, TransactError};

/// How to reach and to treat the servers of a database.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The servers that hold the database. They are tried in an order drawn by lot.
    pub remotes: Vec<Remote>,
    /// Name of the database, such as `Open_vSwitch`.
    pub database: String,
    /// Needed for `ssl:` remotes.
    pub tls: Option<TlsFiles>,
    /// Talk to nobody but the leader of a cluster. Default: no.
    pub leader_only: bool,
    /// Ask a silent server for a sign of life after this time, and give it up after as much again;
    /// `None` never does. Default: 5 s.
    pub probe_interval: Option<Duration>,
    /// Time for connecting, and again for the server's first answers. Default: 5 s.
    pub connect_timeout: Duration,
    /// Time for the answer to a transaction. Default: 10 s.
    pub transact_timeout: Duration,
    /// First pause after all servers have failed. Default: 100 ms.
    pub min_backoff: Duration,
    /// Longest such pause. Default: 8 s.
    pub max_backoff: Duration,
    /// Largest message accepted, in bytes. Default: 512 MiB.
    pub max_message: usize,
    /// Events that may wait for their reader before no more is read from the server. Default: 1024.
    pub max_events: usize,
}

impl ClientConfig {
    /// The defaults for one database.
    pub fn new(database: &str, remotes: Vec<Remote>) -> Self {
        Self {
            remotes,
            database: database.to_owned(),
            tls: None,
            leader_only: false,
            probe_interval: Some(Duration::from_secs(5)),
            connect_timeout: Duration::from_secs(5),
            transact_timeout: Duration::from_secs(10),
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(8),
            max_message: 512 * 1024 * 1024,
            max_events: 1024,
        }
    }
}

/// Starts clients; see the [module](super) for an example.
#[derive(Debug)]
pub struct Client;

impl Client {
    /// Follows `monitor` on a task of the current tokio runtime until the handle and its clones, or
    /// the receiver, are dropped.
    pub fn spawn(config: ClientConfig, monitor: Monitor) -> (Handle, mpsc::Receiver<Event>) {
        let (commands, inbox) = mpsc::channel(64);
        let (events, outbox) = mpsc::channel(config.max_events.max(1));
        let shared = Arc::new(Shared::default());
        let task = Task::new(config, monitor, shared.clone(), inbox, events);
        tokio::spawn(task.run());
        (Handle { commands, shared }, outbox)
    }
}

/// Talks to a running client.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Transaction>,
    shared: Arc<Shared>,
}

impl Handle {
    /// Runs the operations as one transaction. Whatever it changed in monitored rows has been sent
    /// as an event before this returns; so drain the events while waiting for many transactions.
    ///
    /// # Errors
    /// [`TransactError::Refused`] with the server's reason, or why there was no answer.
    pub async fn transact(
        &self,
        operations: Vec<Operation>,
    ) -> Result<Vec<OperationResult>, TransactError> {
        let (answer, result) = oneshot::channel();
        let sent = self.commands.send(Transaction { operations, answer }).await;
        sent.map_err(|_| TransactError::Closed)?;
        result.await.unwrap_or(Err(TransactError::Closed))
    }

    /// Asks for other rows of the tables named; the others keep their condition. Returns the number
    /// that [`Event::Synced`] carries once the rows are there. Changes not yet sent are merged.
    pub fn change_conditions(&self, tables: BTreeMap<String, Condition>) -> u64 {
        let mut state = self.shared.lock();
        state.conditions.extend(tables);
        state.conditions_number += 1;
        let number = state.conditions_number;
        drop(state);
        self.shared.wake.notify_one();
        number
    }

    /// Does the server that was last connected have this column?
    pub fn server_has(&self, table: &str, column: &str) -> Support {
        let state = self.shared.lock();
        state
            .schema
            .as_ref()
            .map_or(Support::Unknown, |schema| schema.support(table, column))
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        self.shared.lock().status.clone()
    }
}

/// How a client fares; the counters never go down.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The server whose rows are being followed; `None` while there is none.
    pub connected: Option<ServerFacts>,
    /// The last failure.
    pub last_error: Option<(Remote, ConnectionError)>,
    /// Connections that reached the point of being synced.
    pub syncs: u64,
    /// Those of them that resumed without a full dump.
    pub resumptions: u64,
    /// Connections lost or not made.
    pub failures: u64,
    /// Messages received.
    pub messages: u64,
}

/// The rows of a database at one moment, for a command that looks once: collects the changes until
/// the conditions of this number are in force (0 for the first).
///
/// # Errors
/// What failed last, and where, if that takes longer than `timeout`.
pub async fn until_synced(
    database: &str,
    events: &mut mpsc::Receiver<Event>,
    conditions: u64,
    timeout: Duration,
) -> Result<Vec<Change>, Unreachable> {
    let deadline = Instant::now() + timeout;
    let (mut collected, mut last) = (Vec::new(), None);
    loop {
        match tokio::time::timeout_at(deadline, events.recv()).await {
            Ok(Some(Event::Changes(changes))) => collected.extend(changes),
            Ok(Some(Event::Synced {
                conditions: number, ..
            })) if number >= conditions => {
                return Ok(collected);
            }
            Ok(Some(Event::Disconnected { remote, error, .. })) => last = Some((remote, error)),
            Ok(Some(Event::Connected(_) | Event::Synced { .. })) => {}
            Ok(None) | Err(_) => {
                return Err(Unreachable {
                    database: database.to_owned(),
                    timeout,
                    last,
                });
            }
        }
    }
}

/// A database that could not be read in time.
#[derive(Clone, Debug, thiserror::Error)]
#[error("database {database} not read within {timeout:?}: {}", cause(last.as_ref()))]
pub struct Unreachable {
    /// Name of the database.
    pub database: String,
    /// The time allowed.
    pub timeout: Duration,
    /// The last failure, and the server it happened with.
    pub last: Option<(Remote, ConnectionError)>,
}

fn cause(last: Option<&(Remote, ConnectionError)>) -> String {
    match last {
        Some((remote, error)) => format!("{remote}: {error}"),
        None => "no server has answered or failed yet".to_owned(),
    }
}

#[derive(Debug)]
struct Transaction {
    operations: Vec<Operation>,
    answer: oneshot::Sender<Result<Vec<OperationResult>, TransactError>>,
}

/// What handle and task both see.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    conditions: ByTable,
    conditions_number: u64,
    schema: Option<Arc<Schema>>,
    status: Status,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
