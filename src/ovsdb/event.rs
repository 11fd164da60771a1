//! What a client tells its owner, and the errors it meets.

use std::time::Duration;

use super::remote::Remote;
use super::row::Change;

/// News from a `Client`, in the order in which it happened.
#[derive(Debug)]
pub enum Event {
    /// A server answers and the monitor was accepted; its rows follow.
    Connected(ServerFacts),
    /// What one message of the server changed: at least one whole transaction, never a part of one.
    /// After a reconnection, whatever changed in between.
    Changes(Vec<Change>),
    /// The rows delivered so far are what the server has, under the conditions of this number:
    /// 0 for those of the first [`Monitor`](super::Monitor), then what
    /// `Handle::change_conditions` returned.
    Synced {
        /// Number of the conditions in force.
        conditions: u64,
        /// True if the server sent only what had changed since the last connection.
        resumed: bool,
    },
    /// The connection was lost or could not be made. Rows stay as they were.
    Disconnected {
        /// The server in question.
        remote: Remote,
        /// Why.
        error: ConnectionError,
        /// When the next attempt is made.
        retry_in: Duration,
    },
}

/// What is known about the server that a client is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Where it listens.
    pub remote: Remote,
    /// How it holds the database; `None` before OVS 2.9.
    pub model: Option<Model>,
    /// True unless the server is a follower in a cluster.
    pub leader: bool,
    /// How it is monitored.
    pub method: Method,
    /// Version of the database schema; may be empty.
    pub schema_version: String,
    /// Monitored tables (`column` is `None`) and columns that this server does not have.
    pub missing: Vec<Missing>,
}

/// A monitored table or column that a server does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Name of the table.
    pub table: String,
    /// Name of the column; `None` if the whole table is missing.
    pub column: Option<String>,
}

/// How a server holds a database (column `model` of `Database` in `_Server`, ovsdb-server(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Alone, or as active and backup.
    Standalone,
    /// As a member of a RAFT cluster.
    Clustered,
    /// As a copy of another server.
    Relay,
}

/// The monitor request in use, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// `monitor_cond_since`, OVS 2.12: conditions and resumption.
    CondSince,
    /// `monitor_cond`, OVS 2.6: conditions, a full dump on every connection.
    Cond,
    /// `monitor`, RFC 7047 §4.1.5: every row of the tables, whatever the conditions.
    Plain,
}

/// Why a connection failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// Nobody listens, no route, name not found, refused…
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No connection within the time allowed.
    #[error("cannot connect within {0:?}")]
    ConnectTimeout(Duration),
    /// Certificates, keys or the TLS handshake.
    #[error("tls: {0}")]
    Tls(String),
    /// Reading or writing failed.
    #[error("connection broken: {0}")]
    Broken(String),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Neither data nor an answer to a probe arrived.
    #[error("no answer to the inactivity probe within {0:?}")]
    Inactive(Duration),
    /// The server does not answer the first requests.
    #[error("the server did not complete the start of the session within {0:?}")]
    HandshakeTimeout(Duration),
    /// The server holds no database of this name.
    #[error("the server has no database {0:?}")]
    NoDatabase(String),
    /// The server follows, and the leader is wanted.
    #[error("the server is not the leader of its cluster")]
    NotLeader,
    /// The server has lost its cluster, or its source if it is a relay.
    #[error("the server is cut off from the rest of its cluster")]
    CutOff,
    /// The server is behind what an earlier one has already shown.
    #[error("the server's data are stale: index {index}, but {seen} was seen before")]
    Stale {
        /// Log index of this server.
        index: i64,
        /// Highest log index seen.
        seen: i64,
    },
    /// The server ended the monitor.
    #[error("the server cancelled the monitor")]
    MonitorCanceled,
    /// The server refuses a request that it has to accept.
    #[error("the server refused {request}: {error}")]
    Refused {
        /// Method of the request.
        request: &'static str,
        /// The server's words.
        error: String,
    },
    /// What arrived is not JSON-RPC, or does not fit the schema.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// A message exceeds the configured size.
    #[error("message larger than the limit of {0} bytes")]
    TooLarge(usize),
    /// The server changes a row that it never sent; everything is read anew.
    #[error("inconsistent update: {0}")]
    Inconsistent(String),
}

impl ConnectionError {
    /// True if another server of the list may well do better, so that no pause is called for.
    pub fn suggests_another_server(&self) -> bool {
        matches!(self, Self::NotLeader | Self::CutOff | Self::Stale { .. })
    }
}
