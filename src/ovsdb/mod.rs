//! A client for OVSDB: RFC 7047 and the extensions of ovsdb-server(7). It knows no particular schema.
//!
//! A [`Client`] keeps a copy of the rows that a [`Monitor`] asks for and tells every change of them,
//! across lost connections, restarts, fail-overs and conversions of the database:
//!
//! ```no_run
//! use ovn_bgp_agent::ovsdb::{Client, ClientConfig, Condition, Event, Monitor, Remote};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let remotes = Remote::parse_list("unix:/run/openvswitch/db.sock")?;
//! let monitor = Monitor::default().with_table("Port", &["name", "tag"], Condition::All);
//! let (handle, mut events) = Client::spawn(ClientConfig::new("Open_vSwitch", remotes), monitor);
//! while let Some(event) = events.recv().await {
//!     match event {
//!         Event::Changes(changes) => {
//!             for change in changes {
//!                 // Columns are counted in the order of the monitor.
//!                 let name = change.new.as_ref().and_then(|row| row.get(0)?.as_str());
//!                 println!("{} {}: {name:?}", change.table, change.uuid);
//!             }
//!         }
//!         Event::Synced { .. } => println!("complete, {:?}", handle.status().connected),
//!         Event::Connected(facts) => println!("the server lacks {:?}", facts.missing),
//!         Event::Disconnected { remote, error, retry_in } => {
//!             println!("{remote}: {error}; next attempt in {retry_in:?}");
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What a user can rely on:
//!
//! * A transaction of the server arrives in one [`Event::Changes`], never in parts.
//! * Losing the server deletes nothing. After a reconnection one event holds the difference.
//! * A column or table that the server lacks is left out: [`Row::get`] gives `None`, and
//!   [`Handle::server_has`] tells which of the two it is.
//! * A server that sends nonsense is left and tried again after a pause; no row is half applied.
//!
//! Pure are `datum`, `schema`, `condition`, `transaction`, `layout`, `update`, `replica`, `framing`,
//! `backoff`, `remote` and `session`; `tls`, `connection` and `client` do the I/O.

mod backoff;
mod client;
mod condition;
mod connection;
mod datum;
mod event;
mod framing;
mod layout;
mod remote;
mod replica;
mod row;
mod schema;
mod session;
mod tls;
mod transaction;
mod update;

pub use client::{Client, ClientConfig, Handle, Status, Unreachable, until_synced};
pub use condition::{Clause, Condition, Function};
pub use datum::{Atom, AtomKind, Datum, DatumSeed};
pub use event::{ConnectionError, Event, Method, Missing, Model, ServerFacts};
pub use remote::{DEFAULT_PORT, Endpoint, ParseRemoteError, Remote};
pub use row::{Change, Monitor, Row, TableMonitor};
pub use schema::{ColumnType, Schema, Support};
pub use tls::TlsFiles;
pub use transaction::{
    Columns, Mutator, Operation, OperationResult, Refusal, TransactError, Until,
};
