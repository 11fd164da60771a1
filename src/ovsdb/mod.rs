//! RFC 7047 client.

mod backoff;
pub mod condition;
pub mod datum;
pub mod event;
mod framing;
pub mod remote;
pub mod row;
pub mod schema;
pub mod transaction;

pub use condition::{Clause, Condition, Function};
pub use datum::{Atom, Datum};
pub use event::{ConnectionError, Event, Method, Missing, Model, ServerFacts};
pub use remote::{ParseRemoteError, Remote};
pub use row::{Change, Monitor, Row, TableMonitor};
pub use schema::{Schema, Support};
pub use transaction::{
    Columns, Mutator, Operation, OperationResult, Refusal, TransactError, Until,
};
