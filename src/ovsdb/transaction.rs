//! `transact`: operations, their results and their errors (RFC 7047 §4.1.3 and §5.2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::condition::Clause;
use super::datum::Datum;

/// Columns and their values, as `insert` and `update` take them.
pub type Columns = BTreeMap<String, Datum>;

/// One `<operation>` of RFC 7047 §5.2. The clauses of a `where` must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Inserts a row (§5.2.1).
    Insert {
        /// Table name.
        table: String,
        /// Columns that differ from their default.
        row: Columns,
        /// Name for [`Datum::named_uuid`] in the same transaction: letters, digits and `_`.
        #[serde(rename = "uuid-name", skip_serializing_if = "Option::is_none")]
        uuid_name: Option<String>,
    },
    /// Reads rows (§5.2.2).
    Select {
        /// Table name.
        table: String,
        /// Which rows.
        #[serde(rename = "where")]
        clauses: Vec<Clause>,
        /// Which columns.
        columns: Vec<String>,
    },
    /// Sets columns of the rows (§5.2.3).
    Update {
        /// Table name.
        table: String,
        /// Which rows.
        #[serde(rename = "where")]
        clauses: Vec<Clause>,
        /// The columns and their new values.
        row: Columns,
    },
    /// Changes columns of the rows in place (§5.2.4).
    Mutate {
        /// Table name.
        table: String,
        /// Which rows.
        #[serde(rename = "where")]
        clauses: Vec<Clause>,
        /// Column, what to do, argument.
        mutations: Vec<(String, Mutator, Datum)>,
    },
    /// Deletes the rows (§5.2.5).
    Delete {
        /// Table name.
        table: String,
        /// Which rows.
        #[serde(rename = "where")]
        clauses: Vec<Clause>,
    },
    /// Waits until the rows are, or are not, as given (§5.2.6).
    Wait {
        /// Table name.
        table: String,
        /// Which rows.
        #[serde(rename = "where")]
        clauses: Vec<Clause>,
        /// Columns that are compared.
        columns: Vec<String>,
        /// `==` or `!=`.
        until: Until,
        /// The rows compared with.
        rows: Vec<Columns>,
        /// Milliseconds to wait at most; 0 to only check.
        timeout: u64,
    },
    /// Undoes the whole transaction (§5.2.8).
    Abort,
    /// A text for the server's log (§5.2.9).
    Comment {
        /// The text.
        comment: String,
    },
    /// Fails unless this client owns the lock (§5.2.10).
    Assert {
        /// Name of the lock.
        lock: String,
    },
}

/// How `mutate` changes a column (RFC 7047 §5.1 `<mutator>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Mutator {
    /// Adds.
    #[serde(rename = "+=")]
    Add,
    /// Subtracts.
    #[serde(rename = "-=")]
    Subtract,
    /// Multiplies.
    #[serde(rename = "*=")]
    Multiply,
    /// Divides.
    #[serde(rename = "/=")]
    Divide,
    /// Remainder.
    #[serde(rename = "%=")]
    Remainder,
    /// Puts members or pairs in; pairs whose key is held are left alone.
    #[serde(rename = "insert")]
    Insert,
    /// Takes members, pairs or (given a set) keys out.
    #[serde(rename = "delete")]
    Delete,
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Until {
    /// The rows are as given.
    #[serde(rename = "==")]
    Equal,
    /// The rows are not as given.
    #[serde(rename = "!=")]
    NotEqual,
}

/// What one operation of a committed transaction answered; empty for those that answer nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct OperationResult {
    /// Rows that `update`, `mutate` or `delete` matched.
    #[serde(default)]
    pub count: Option<u64>,
    /// The row that `insert` made.
    #[serde(default, deserialize_with = "inserted_uuid")]
    pub uuid: Option<Uuid>,
    /// The rows that `select` found, by column.
    #[serde(default)]
    pub rows: Vec<Columns>,
}

/// Why a transaction did not commit, or is not known to have committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactError {
    /// The server refused it; nothing of it was done.
    #[error("{}{kind}{}", at(*operation), detail(details.as_deref()))]
    Refused {
        /// Which operation failed, from 0; `None` if it failed as a whole, at commit.
        operation: Option<usize>,
        /// What the server says is wrong.
        kind: Refusal,
        /// The server's explanation.
        details: Option<String>,
    },
    /// There is no synchronised connection; it was not sent.
    #[error("not connected to the database; nothing was sent, try again once it is synced")]
    NotConnected,
    /// The connection broke before the answer came: it may or may not have been done.
    #[error("the connection was lost before the server answered; the outcome is unknown")]
    Lost,
    /// No answer came in time: it may or may not have been done.
    #[error("the server did not answer in time; the outcome is unknown")]
    TimedOut,
    /// Too many transactions are waiting for their answer; it was not sent.
    #[error("too many transactions are waiting for an answer; nothing was sent")]
    Busy,
    /// The server's answer does not fit the transaction: it may or may not have been done.
    #[error("the server's answer to a transaction makes no sense: {0}")]
    Malformed(String),
    /// The client has ended.
    #[error("the database client has ended")]
    Closed,
}

/// The `<error>` strings of RFC 7047 §3.1, §4.1.3 and §5.2, and of ovsdb-server(7) §3.1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The texts are the documentation.
pub enum Refusal {
    #[error("aborted")]
    Aborted,
    #[error("constraint violation")]
    ConstraintViolation,
    #[error("domain error")]
    DomainError,
    #[error("duplicate uuid-name")]
    DuplicateUuidName,
    #[error("I/O error")]
    Io,
    #[error("not owner")]
    NotOwner,
    #[error("permission error")]
    Permission,
    #[error("range error")]
    RangeError,
    #[error("referential integrity violation")]
    ReferentialIntegrity,
    #[error("resources exhausted")]
    ResourcesExhausted,
    #[error("syntax error")]
    Syntax,
    #[error("timed out")]
    TimedOut,
    #[error("unknown column")]
    UnknownColumn,
    #[error("{0}")]
    Other(String),
}

impl From<&str> for Refusal {
    fn from(error: &str) -> Self {
        match error {
            "aborted" => Self::Aborted,
            "constraint violation" => Self::ConstraintViolation,
            "domain error" => Self::DomainError,
            "duplicate uuid-name" => Self::DuplicateUuidName,
            "I/O error" => Self::Io,
            "not owner" => Self::NotOwner,
            "permission error" => Self::Permission,
            "range error" => Self::RangeError,
            "referential integrity violation" => Self::ReferentialIntegrity,
            "resources exhausted" => Self::ResourcesExhausted,
            "syntax error" | "unknown table" => Self::Syntax,
            "timed out" => Self::TimedOut,
            "unknown column" => Self::UnknownColumn,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Reads the `result` array that answers `operations` operations (RFC 7047 §4.1.3): an object each,
/// `null` behind a failed one, and an extra object if the commit itself failed.
pub(super) fn parse_results(
    json: &str,
    operations: usize,
) -> Result<Vec<OperationResult>, TransactError> {
    #[derive(Deserialize)]
    struct Answer {
        error: Option<String>,
        details: Option<String>,
        #[serde(flatten)]
        result: OperationResult,
    }
    let malformed = |text: String| TransactError::Malformed(text);
    let answers: Vec<Option<Answer>> =
        serde_json::from_str(json).map_err(|error| malformed(error.to_string()))?;
    let mut results = Vec::with_capacity(operations);
    for (index, answer) in answers.into_iter().enumerate() {
        let Some(answer) = answer else { continue };
        if let Some(error) = answer.error {
            return Err(TransactError::Refused {
                operation: (index < operations).then_some(index),
                kind: error.as_str().into(),
                details: answer.details,
            });
        }
        results.push(answer.result);
    }
    if results.len() == operations {
        Ok(results)
    } else {
        Err(malformed(format!(
            "{} results for {operations} operations",
            results.len()
        )))
    }
}

fn inserted_uuid<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Uuid>, D::Error> {
    Ok(Option::<Datum>::deserialize(from)?.and_then(|datum| datum.as_uuid()))
}

fn at(operation: Option<usize>) -> String {
    operation.map_or_else(String::new, |index| format!("operation {index}: "))
}

fn detail(details: Option<&str>) -> String {
    details.map_or_else(String::new, |details| format!(" ({details})"))
}
