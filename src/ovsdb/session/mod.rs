//! The protocol without its I/O: messages in, messages and events out, `now` as an argument.
//!
//! ```text
//!   connect ─► set_db_change_aware, monitor_cond _Server, get_schema      Greeting
//!           ─► monitor_cond_since (or monitor_cond, monitor)              Dumping
//!           ─► updates, transactions, condition changes, probes           Live
//! ```
//!
//! A session outlives its connections: it keeps the rows, the last transaction seen and the
//! conditions, and tells after a reconnection only what has changed.

mod conditions;
mod link;
mod monitor;
mod server;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use self::conditions::Conditions;
use self::link::{Link, Pending, Phase};
use self::server::Server;
use super::event::{ConnectionError, Method, Missing, Model};
use super::layout::Layout;
use super::replica::Replica;
use super::row::{Change, Monitor};
use super::schema::Schema;
use super::transaction::{Operation, OperationResult, TransactError, parse_results};
use super::update::decode_notification;

pub(super) use self::conditions::ByTable;

/// While the server prepares a dump it may answer nothing for long.
const DUMP_PATIENCE: Duration = Duration::from_secs(60);
/// Transactions that may wait for their answer.
const MAX_TRANSACTIONS: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct SessionConfig {
    pub(super) database: String,
    pub(super) leader_only: bool,
    pub(super) probe_interval: Option<Duration>,
    pub(super) handshake_timeout: Duration,
    pub(super) transact_timeout: Duration,
}

/// What a session has to say.
#[derive(Debug)]
pub(super) enum Output {
    Connected(Accepted),
    Changes(Vec<Change>),
    Synced {
        conditions: u64,
        resumed: bool,
    },
    Transacted {
        token: u64,
        result: Result<Vec<OperationResult>, TransactError>,
    },
}

/// Facts about a server whose monitor is in force.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) model: Option<Model>,
    pub(super) leader: bool,
    pub(super) method: Method,
    pub(super) schema: Arc<Schema>,
    pub(super) missing: Vec<Missing>,
}

#[derive(Debug)]
pub(super) struct Session {
    config: SessionConfig,
    monitor: Monitor,
    layout: Layout,
    replica: Replica,
    conditions: Conditions,
    last_txn: Option<Uuid>,
    server: Server,
    schema: Option<Arc<Schema>>,
    link: Link,
    outputs: VecDeque<Output>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Session {
    pub(super) fn new(config: SessionConfig, monitor: Monitor, now: Instant) -> Self {
        Self {
            server: Server::new(&config.database),
            config,
            layout: Layout::default(),
            replica: Replica::new(monitor.tables.len()),
            conditions: Conditions::new(&monitor),
            monitor,
            last_txn: None,
            schema: None,
            link: Link::new(Phase::Down, now),
            outputs: VecDeque::new(),
        }
    }

    /// A connection has come up.
    pub(super) fn handle_connected(&mut self, now: Instant) {
        self.link = Link::new(Phase::Greeting, now);
        self.server.reset();
        self.link
            .request("set_db_change_aware", &json!([true]), Pending::ChangeAware);
        self.link.request(
            "monitor_cond",
            &self.server.monitor_params(),
            Pending::ServerMonitor,
        );
        self.link.request(
            "get_schema",
            &json!([self.config.database]),
            Pending::Schema,
        );
    }

    /// The connection has gone; `error` tells how.
    pub(super) fn handle_disconnected(&mut self, error: &ConnectionError) {
        let in_doubt = self.conditions.disconnect();
        if in_doubt || matches!(error, ConnectionError::Inconsistent(_)) {
            self.last_txn = None;
        }
        let pending = std::mem::take(&mut self.link.pending);
        self.link.phase = Phase::Down;
        self.link.transmit = Vec::new();
        for pending in pending.into_values() {
            if let Pending::Transaction { token, .. } = pending {
                let result = Err(TransactError::Lost);
                self.outputs.push_back(Output::Transacted { token, result });
            }
        }
    }

    /// Bytes have arrived: the server lives, even if no message is whole yet.
    pub(super) fn handle_activity(&mut self, now: Instant) {
        self.link.received = now;
        self.link.probed = None;
    }

    /// One whole message has arrived.
    pub(super) fn handle_message(&mut self, message: &[u8]) -> Result<(), ConnectionError> {
        let envelope: Envelope<'_> = serde_json::from_slice(message).map_err(malformed)?;
        match (envelope.method, envelope.id) {
            (Some(method), id) => {
                let method: String = serde_json::from_str(method.get()).map_err(malformed)?;
                let params = envelope.params.map_or("[]", RawValue::get);
                self.handle_request(&method, params, id)
            }
            (None, Some(id)) => {
                let pending = id
                    .get()
                    .parse()
                    .ok()
                    .and_then(|id| self.link.pending.remove(&id));
                // An answer that comes after its deadline has nobody waiting for it.
                let Some(pending) = pending else {
                    return Ok(());
                };
                match envelope.error {
                    None => {
                        self.handle_result(pending, envelope.result.map_or("null", RawValue::get))
                    }
                    Some(error) => self.handle_error(pending, error.get()),
                }
            }
            (None, None) => Err(malformed("neither a method nor an id")),
        }
    }

    /// Time has passed: probes, and deadlines of answers.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnectionError> {
        if self.link.phase == Phase::Greeting
            && now >= self.link.began + self.config.handshake_timeout
        {
            return Err(ConnectionError::HandshakeTimeout(
                self.config.handshake_timeout,
            ));
        }
        self.expire_transactions(now);
        let Some(interval) = self.probe_interval() else {
            return Ok(());
        };
        match self.link.probed {
            // Counted from the probe: a client that was itself held up gives the server its time.
            Some(sent) if now >= sent + interval => {
                return Err(ConnectionError::Inactive(interval));
            }
            Some(_) => {}
            None if now >= self.link.received + interval => {
                self.link.probed = Some(now);
                self.link.request("echo", &json!([]), Pending::Probe);
            }
            None => {}
        }
        Ok(())
    }

    /// When [`Session::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let link = &self.link;
        let greeting =
            (link.phase == Phase::Greeting).then(|| link.began + self.config.handshake_timeout);
        let probe = self
            .probe_interval()
            .map(|interval| link.probed.unwrap_or(link.received) + interval);
        let deadlines = link.pending.values().filter_map(|pending| match pending {
            Pending::Transaction { deadline, .. } => Some(*deadline),
            _ => None,
        });
        greeting.into_iter().chain(probe).chain(deadlines).min()
    }

    /// Bytes to send; the caller takes them away.
    pub(super) fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.link.transmit
    }

    /// The next thing to tell.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Sends a transaction; its result carries `token`.
    pub(super) fn transact(&mut self, token: u64, operations: &[Operation], now: Instant) {
        let result = if self.link.phase != Phase::Live {
            Err(TransactError::NotConnected)
        } else if self.link.pending.len() >= MAX_TRANSACTIONS {
            Err(TransactError::Busy)
        } else {
            let deadline = now + self.config.transact_timeout;
            let pending = Pending::Transaction {
                token,
                operations: operations.len(),
                deadline,
            };
            let params = Params {
                database: &self.config.database,
                operations,
            };
            self.link.request("transact", &params, pending);
            return;
        };
        self.outputs.push_back(Output::Transacted { token, result });
    }

    /// Other rows are wanted.
    pub(super) fn change_conditions(&mut self, number: u64, tables: ByTable) {
        self.conditions.change(number, tables);
        self.send_condition_change();
    }

    fn probe_interval(&self) -> Option<Duration> {
        let interval = self.config.probe_interval?;
        match self.link.phase {
            Phase::Down => None,
            Phase::Greeting | Phase::Live => Some(interval),
            Phase::Dumping => Some(interval.max(DUMP_PATIENCE)),
        }
    }

    fn expire_transactions(&mut self, now: Instant) {
        let late = self.link.pending.extract_if(|_, pending| {
            matches!(pending, Pending::Transaction { deadline, .. } if *deadline <= now)
        });
        for (_, pending) in late {
            if let Pending::Transaction { token, .. } = pending {
                let result = Err(TransactError::TimedOut);
                self.outputs.push_back(Output::Transacted { token, result });
            }
        }
    }

    fn handle_request(
        &mut self,
        method: &str,
        params: &str,
        id: Option<&RawValue>,
    ) -> Result<(), ConnectionError> {
        match method {
            "echo" => {
                // RFC 7047 §4.1.11: the answer carries the params of the request.
                let id = id.map_or("null", RawValue::get);
                let answer = format!(r#"{{"id":{id},"result":{params},"error":null}}"#);
                self.link.transmit.extend_from_slice(answer.as_bytes());
                Ok(())
            }
            "update" => self.handle_update(Method::Plain, params),
            "update2" => self.handle_update(Method::Cond, params),
            "update3" => self.handle_update(Method::CondSince, params),
            "monitor_canceled" => Err(ConnectionError::MonitorCanceled),
            // Notifications of locks and extensions not asked for.
            _ => Ok(()),
        }
    }

    fn handle_update(&mut self, method: Method, params: &str) -> Result<(), ConnectionError> {
        let (monitor, updates) = decode_notification(params, method, |monitor| match monitor {
            server::MONITOR => Some(self.server.layout()),
            _ if monitor == self.config.database => Some(&self.layout),
            _ => None,
        })
        .map_err(malformed)?;
        if monitor == server::MONITOR {
            self.server.update(updates.rows)?;
            return self.server.check(self.config.leader_only);
        }
        if self.link.phase != Phase::Live {
            return Err(malformed(
                "an update before the answer to the monitor request",
            ));
        }
        let changes = self.replica.apply(&self.layout, updates.rows)?;
        self.last_txn = updates.txn.or(self.last_txn);
        if !changes.is_empty() {
            self.outputs.push_back(Output::Changes(changes));
        }
        Ok(())
    }

    fn handle_result(&mut self, pending: Pending, result: &str) -> Result<(), ConnectionError> {
        match pending {
            Pending::ChangeAware | Pending::Probe => Ok(()),
            Pending::ServerMonitor => {
                self.server.begin(result)?;
                self.server.check(self.config.leader_only)
            }
            Pending::Schema => {
                let schema: Schema = serde_json::from_str(result).map_err(malformed)?;
                self.begin_monitor(schema);
                Ok(())
            }
            Pending::Monitor => self.finish_monitor(result),
            Pending::ConditionChange => {
                self.conditions.acknowledge();
                let conditions = self.conditions.number();
                self.outputs.push_back(Output::Synced {
                    conditions,
                    resumed: true,
                });
                self.send_condition_change();
                Ok(())
            }
            Pending::Transaction {
                token, operations, ..
            } => {
                let result = parse_results(result, operations);
                self.outputs.push_back(Output::Transacted { token, result });
                Ok(())
            }
        }
    }

    fn handle_error(&mut self, pending: Pending, error: &str) -> Result<(), ConnectionError> {
        let refused = |request| ConnectionError::Refused {
            request,
            error: error.to_owned(),
        };
        match pending {
            // Servers before OVS 2.9 have no `_Server` database.
            Pending::ChangeAware | Pending::ServerMonitor | Pending::Probe => Ok(()),
            Pending::Schema if error.contains("unknown database") => {
                Err(ConnectionError::NoDatabase(self.config.database.clone()))
            }
            Pending::Schema => Err(refused("get_schema")),
            Pending::Monitor if error.contains("unknown method") => match self.link.method {
                Method::CondSince => self.retry_monitor(Method::Cond),
                Method::Cond => self.retry_monitor(Method::Plain),
                Method::Plain => Err(refused("monitor")),
            },
            Pending::Monitor => Err(refused(self.link.method.request())),
            Pending::ConditionChange => Err(refused("monitor_cond_change")),
            Pending::Transaction { token, .. } => {
                let result = Err(whole_refusal(error));
                self.outputs.push_back(Output::Transacted { token, result });
                Ok(())
            }
        }
    }
}

impl Method {
    fn request(self) -> &'static str {
        match self {
            Self::CondSince => "monitor_cond_since",
            Self::Cond => "monitor_cond",
            Self::Plain => "monitor",
        }
    }
}

/// `[database, operation, …]` (RFC 7047 §4.1.3)
struct Params<'a> {
    database: &'a str,
    operations: &'a [Operation],
}

impl Serialize for Params<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = serializer.serialize_seq(Some(self.operations.len() + 1))?;
        seq.serialize_element(self.database)?;
        for operation in self.operations {
            seq.serialize_element(operation)?;
        }
        seq.end()
    }
}

/// The error member of an answer to `transact`: a string, or an object with `error` and `details`.
fn whole_refusal(error: &str) -> TransactError {
    #[derive(Deserialize)]
    struct Object {
        error: String,
        details: Option<String>,
    }
    let (kind, details) = match serde_json::from_str::<Object>(error) {
        Ok(object) => (object.error, object.details),
        Err(_) => (
            serde_json::from_str(error).unwrap_or_else(|_| error.to_owned()),
            None,
        ),
    };
    TransactError::Refused {
        operation: None,
        kind: kind.as_str().into(),
        details,
    }
}

fn malformed(error: impl ToString) -> ConnectionError {
    ConnectionError::Malformed(error.to_string())
}
