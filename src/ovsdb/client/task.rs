//! The loop around a [`Session`]: connect, read, write, tell; and again after a pause.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};

use super::{ClientConfig, Shared, Transaction};
use crate::ovsdb::backoff::Backoff;
use crate::ovsdb::connection::{Reader, Writer, connect};
use crate::ovsdb::event::{ConnectionError, Event, ServerFacts};
use crate::ovsdb::remote::Remote;
use crate::ovsdb::row::Monitor;
use crate::ovsdb::session::{Accepted, Output, Session, SessionConfig};
use crate::ovsdb::transaction::{OperationResult, TransactError};

pub(super) struct Task {
    config: ClientConfig,
    shared: Arc<Shared>,
    session: Session,
    backoff: Backoff,
    inbox: mpsc::Receiver<Transaction>,
    events: mpsc::Sender<Event>,
    /// Events that did not fit into the channel.
    waiting: VecDeque<Event>,
    answers: FxHashMap<u64, oneshot::Sender<Result<Vec<OperationResult>, TransactError>>>,
    next_token: u64,
    /// When the present connection was synced.
    synced: Option<Instant>,
}

/// Why the loop of one connection ended.
enum End {
    /// The connection is no good.
    Failed(ConnectionError),
    /// Nobody wants the client any more.
    Unwanted,
}

impl From<ConnectionError> for End {
    fn from(error: ConnectionError) -> Self {
        Self::Failed(error)
    }
}

impl Task {
    pub(super) fn new(
        mut config: ClientConfig,
        monitor: Monitor,
        shared: Arc<Shared>,
        inbox: mpsc::Receiver<Transaction>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        fastrand::shuffle(&mut config.remotes);
        let session = SessionConfig {
            database: config.database.clone(),
            leader_only: config.leader_only,
            probe_interval: config.probe_interval,
            handshake_timeout: config.connect_timeout,
            transact_timeout: config.transact_timeout,
        };
        Self {
            session: Session::new(session, monitor, Instant::now()),
            backoff: Backoff::new(config.remotes.len(), config.min_backoff, config.max_backoff),
            config,
            shared,
            inbox,
            events,
            waiting: VecDeque::new(),
            answers: FxHashMap::default(),
            next_token: 0,
            synced: None,
        }
    }

    pub(super) async fn run(mut self) {
        while let Some(remote) = self.config.remotes.get(self.backoff.current()).cloned() {
            let error = match self.serve(&remote).await {
                End::Failed(error) => error,
                End::Unwanted => return,
            };
            let pause = self.fail(&remote, error);
            if self.pause(pause).await.is_err() {
                return;
            }
        }
    }

    async fn serve(&mut self, remote: &Remote) -> End {
        let tls = self.config.tls.clone();
        let connecting = connect(
            remote,
            tls.as_ref(),
            self.config.connect_timeout,
            self.config.max_message,
        );
        tokio::pin!(connecting);
        let connected = loop {
            tokio::select! {
                result = &mut connecting => break result,
                wanted = self.offline() => if !wanted { return End::Unwanted },
            }
        };
        match connected {
            Ok((reader, writer)) => match self.converse(remote, reader, writer).await {
                Ok(()) => End::Unwanted,
                Err(end) => end,
            },
            Err(error) => End::Failed(error),
        }
    }

    /// Returns `Ok` when the client is no longer wanted.
    async fn converse(
        &mut self,
        remote: &Remote,
        mut reader: Reader,
        mut writer: Writer,
    ) -> Result<(), End> {
        self.session.handle_connected(Instant::now());
        loop {
            self.tell(remote);
            let deadline = self
                .session
                .poll_timeout()
                .map(tokio::time::Instant::from_std);
            // In this order: what has arrived is read before a deadline is held against the server.
            tokio::select! {
                biased;
                written = writer.write(self.session.transmit()) => written?,
                transaction = self.inbox.recv() => match transaction {
                    Some(transaction) => self.transact(transaction),
                    None => return Ok(()),
                },
                () = self.shared.wake.notified() => self.change_conditions(),
                read = reader.read(), if self.waiting.is_empty() => {
                    read?;
                    self.session.handle_activity(Instant::now());
                    while reader.next_message(|message| self.session.handle_message(message))? {
                        self.shared.lock().status.messages += 1;
                        self.tell(remote);
                    }
                }
                room = has_room(&self.events), if !self.waiting.is_empty() => {
                    if !room { return Ok(()) }
                    self.drain();
                }
                () = self.events.closed(), if self.waiting.is_empty() => return Ok(()),
                () = at(deadline) => self.session.handle_timeout(Instant::now())?,
            }
        }
    }

    /// Between connections: refuses transactions, remembers conditions. False when unwanted.
    async fn offline(&mut self) -> bool {
        tokio::select! {
            transaction = self.inbox.recv() => match transaction {
                Some(transaction) => {
                    self.transact(transaction);
                    self.settle();
                    true
                }
                None => false,
            },
            () = self.shared.wake.notified() => {
                self.change_conditions();
                true
            }
            room = has_room(&self.events), if !self.waiting.is_empty() => {
                self.drain();
                room
            }
            () = self.events.closed(), if self.waiting.is_empty() => false,
        }
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), ()> {
        let until = tokio::time::Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                wanted = self.offline() => if !wanted { return Err(()) },
            }
        }
    }

    fn fail(&mut self, remote: &Remote, error: ConnectionError) -> Duration {
        self.session.handle_disconnected(&error);
        self.settle();
        // A server that takes us in only to drop us at once has not proved itself.
        let held = self.synced.take().map(|synced| synced.elapsed());
        if held.is_some_and(|held| held >= self.config.min_backoff) {
            self.backoff.succeeded();
        }
        let retry_in = self.backoff.failed(fastrand::f64());
        let mut state = self.shared.lock();
        state.status.connected = None;
        state.status.failures += 1;
        state.status.last_error = Some((remote.clone(), error.clone()));
        drop(state);
        self.send(Event::Disconnected {
            remote: remote.clone(),
            error,
            retry_in,
        });
        retry_in
    }

    fn transact(&mut self, transaction: Transaction) {
        let token = self.next_token;
        self.next_token += 1;
        self.answers.insert(token, transaction.answer);
        self.session
            .transact(token, &transaction.operations, Instant::now());
    }

    fn change_conditions(&mut self) {
        let mut state = self.shared.lock();
        let (tables, number) = (
            std::mem::take(&mut state.conditions),
            state.conditions_number,
        );
        drop(state);
        self.session.change_conditions(number, tables);
    }

    /// Passes on what the session says.
    fn tell(&mut self, remote: &Remote) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Connected(accepted) => self.connected(remote, accepted),
                Output::Changes(changes) => self.send(Event::Changes(changes)),
                Output::Synced {
                    conditions,
                    resumed,
                } => self.sync(conditions, resumed),
                Output::Transacted { token, result } => self.answer(token, result),
            }
        }
    }

    /// Passes on what is left when there is no connection: the fate of transactions.
    fn settle(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transacted { token, result } => self.answer(token, result),
                Output::Changes(changes) => self.send(Event::Changes(changes)),
                Output::Connected(_) | Output::Synced { .. } => {}
            }
        }
    }

    fn connected(&mut self, remote: &Remote, accepted: Accepted) {
        let facts = ServerFacts {
            remote: remote.clone(),
            model: accepted.model,
            leader: accepted.leader,
            method: accepted.method,
            schema_version: accepted.schema.version.clone(),
            missing: accepted.missing,
        };
        let mut state = self.shared.lock();
        state.schema = Some(accepted.schema);
        state.status.connected = Some(facts.clone());
        drop(state);
        self.send(Event::Connected(facts));
    }

    fn sync(&mut self, conditions: u64, resumed: bool) {
        if self.synced.is_none() {
            self.synced = Some(Instant::now());
            let mut state = self.shared.lock();
            state.status.syncs += 1;
            state.status.resumptions += u64::from(resumed);
        }
        self.send(Event::Synced {
            conditions,
            resumed,
        });
    }

    fn answer(&mut self, token: u64, result: Result<Vec<OperationResult>, TransactError>) {
        if let Some(answer) = self.answers.remove(&token) {
            // Whoever asked may have given up waiting.
            let _ = answer.send(result);
        }
    }

    /// Sends what has waited, as far as there is room.
    fn drain(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.waiting.push_front(event);
                return;
            }
        }
    }

    /// Sends at once if there is room; else the event waits, and nothing more is read meanwhile.
    fn send(&mut self, event: Event) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(event);
        } else if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            self.waiting.push_back(event);
        }
    }
}

/// Waits for room in the channel; false if its reader has gone.
async fn has_room(events: &mpsc::Sender<Event>) -> bool {
    events.reserve().await.is_ok()
}

async fn at(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
