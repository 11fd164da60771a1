//! What the server says of itself: table `Database` of database `_Server` (ovsdb-server(5)).

use serde_json::{Value, json};
use uuid::Uuid;

use super::malformed;
use crate::ovsdb::condition::Condition;
use crate::ovsdb::event::{ConnectionError, Method, Model};
use crate::ovsdb::layout::Layout;
use crate::ovsdb::replica::Replica;
use crate::ovsdb::row::{Monitor, Row};
use crate::ovsdb::schema::Schema;
use crate::ovsdb::update::{RowUpdate, decode_reply};

/// Identifier of the monitor, and name of the database.
pub(super) const MONITOR: &str = "_Server";

/// Without `schema`: it is long, `get_schema` is asked for it, and a server that converts a database cancels the
/// monitors of it (`monitor_canceled`, ovsdb-server(7)). The name is among them because the condition names it (see
/// `fit` in `monitor.rs`).
const COLUMNS: [&str; 6] = ["model", "connected", "leader", "cid", "index", "name"];
/// Types of those columns; OVS has not changed them since 2.9 made them.
const SCHEMA: &str = r#"{"name": "_Server", "version": "1.2.0", "tables": {"Database": {"columns": {
    "model": {"type": "string"}, "connected": {"type": "boolean"}, "leader": {"type": "boolean"},
    "cid": {"type": {"key": "uuid", "min": 0, "max": 1}},
    "index": {"type": {"key": "integer", "min": 0, "max": 1}}, "name": {"type": "string"}}}}}"#;

/// The row of our database, and what has to be remembered across servers.
#[derive(Debug)]
pub(super) struct Server {
    database: String,
    layout: Layout,
    replica: Replica,
    /// False before the answer, and on servers that have no `_Server`.
    known: bool,
    cluster: Option<Uuid>,
    seen: i64,
}

impl Server {
    pub(super) fn new(database: &str) -> Self {
        let monitor = Monitor::default().with_table("Database", &COLUMNS, Condition::All);
        let schema = serde_json::from_str::<Schema>(SCHEMA);
        Self {
            database: database.to_owned(),
            // A test makes sure that the schema above is read.
            layout: schema
                .map(|schema| Layout::new(&monitor, &schema))
                .unwrap_or_default(),
            replica: Replica::new(1),
            known: false,
            cluster: None,
            seen: 0,
        }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn reset(&mut self) {
        self.replica = Replica::new(1);
        self.known = false;
    }

    pub(super) fn monitor_params(&self) -> Value {
        let table = json!({"columns": COLUMNS, "where": [["name", "==", self.database]]});
        json!([MONITOR, MONITOR, {"Database": [table]}])
    }

    /// The answer to the monitor request.
    pub(super) fn begin(&mut self, result: &str) -> Result<(), ConnectionError> {
        let updates = decode_reply(result, Method::Cond, &self.layout).map_err(malformed)?;
        self.replica.replace(&self.layout, updates.rows);
        self.known = true;
        Ok(())
    }

    pub(super) fn update(&mut self, rows: Vec<RowUpdate>) -> Result<(), ConnectionError> {
        self.replica.apply(&self.layout, rows).map(drop)
    }

    /// Is this server one to stay with?
    pub(super) fn check(&mut self, leader_only: bool) -> Result<(), ConnectionError> {
        if !self.known {
            return Ok(());
        }
        if self.row().is_none() {
            return Err(ConnectionError::NoDatabase(self.database.clone()));
        }
        if self.column(1, |datum| datum.as_bool()) == Some(false) {
            return Err(ConnectionError::CutOff);
        }
        if self.model() != Some(Model::Clustered) {
            return Ok(());
        }
        if leader_only && !self.is_leader() {
            return Err(ConnectionError::NotLeader);
        }
        self.check_index()
    }

    pub(super) fn model(&self) -> Option<Model> {
        match self.row()?.get(0)?.as_str()? {
            "clustered" => Some(Model::Clustered),
            "relay" => Some(Model::Relay),
            _ => Some(Model::Standalone),
        }
    }

    pub(super) fn is_leader(&self) -> bool {
        self.column(2, |datum| datum.as_bool()).unwrap_or(true)
    }

    /// A member that has fallen behind would take us back in time.
    fn check_index(&mut self) -> Result<(), ConnectionError> {
        let cluster = self.column(3, |datum| datum.as_uuid());
        if cluster != self.cluster {
            self.cluster = cluster;
            self.seen = 0;
        }
        let index = self.column(4, |datum| datum.as_integer()).unwrap_or(0);
        if index < self.seen {
            return Err(ConnectionError::Stale {
                index,
                seen: self.seen,
            });
        }
        self.seen = index;
        Ok(())
    }

    fn row(&self) -> Option<&Row> {
        self.replica.rows(0).next().map(|row| &**row)
    }

    fn column<T>(
        &self,
        at: usize,
        read: impl FnOnce(&crate::ovsdb::Datum) -> Option<T>,
    ) -> Option<T> {
        read(self.row()?.get(at)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_of_the_server_database_is_read_and_complete() {
        assert!(Server::new("OVN_Northbound").layout().missing().is_empty());
        assert_eq!(Server::new("OVN_Northbound").layout().tables().len(), 1);
    }
}
