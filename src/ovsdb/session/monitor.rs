//! The monitor of a session: its request, its answer, and the changes of its conditions.

use std::sync::Arc;

use serde_json::json;

use super::link::{Pending, Phase};
use super::{Accepted, Output, Session, malformed};
use crate::ovsdb::condition::Condition;
use crate::ovsdb::event::{ConnectionError, Method};
use crate::ovsdb::layout::{Layout, TableLayout};
use crate::ovsdb::row::ROW_ID;
use crate::ovsdb::schema::Schema;
use crate::ovsdb::update::decode_reply;

impl Session {
    pub(super) fn begin_monitor(&mut self, schema: Schema) {
        let layout = Layout::new(&self.monitor, &schema);
        if !layout.same_columns(&self.layout) {
            self.last_txn = None;
        }
        self.layout = layout;
        self.schema = Some(Arc::new(schema));
        self.link.phase = Phase::Dumping;
        self.send_monitor();
    }

    pub(super) fn retry_monitor(&mut self, method: Method) -> Result<(), ConnectionError> {
        self.link.method = method;
        self.last_txn = None;
        self.send_monitor();
        Ok(())
    }

    pub(super) fn send_monitor(&mut self) {
        let conditions = self.conditions.begin(self.last_txn.is_some());
        let mut tables = serde_json::Map::new();
        for table in self.layout.tables().iter().filter(|table| table.exists) {
            let request = if self.link.method == Method::Plain {
                json!({"columns": table.present().collect::<Vec<_>>()})
            } else {
                let condition = conditions.get(&*table.name).cloned().unwrap_or_default();
                let condition = fit(&condition, self.schema.as_deref(), table);
                json!({"columns": table.nameable().collect::<Vec<_>>(), "where": condition})
            };
            tables.insert(table.name.to_string(), json!([request]));
        }
        let database = &self.config.database;
        let params = if self.link.method == Method::CondSince {
            json!([
                database,
                database,
                tables,
                self.last_txn.unwrap_or_default()
            ])
        } else {
            json!([database, database, tables])
        };
        self.link
            .request(self.link.method.request(), &params, Pending::Monitor);
    }

    pub(super) fn finish_monitor(&mut self, result: &str) -> Result<(), ConnectionError> {
        let updates = decode_reply(result, self.link.method, &self.layout).map_err(malformed)?;
        let changes = if updates.found {
            self.replica.apply(&self.layout, updates.rows)?
        } else {
            self.replica.replace(&self.layout, updates.rows)
        };
        // A nil id means that the server keeps no history.
        self.last_txn = updates.txn.filter(|txn| !txn.is_nil());
        self.link.phase = Phase::Live;
        if let Some(schema) = &self.schema {
            self.outputs.push_back(Output::Connected(Accepted {
                model: self.server.model(),
                leader: self.server.is_leader(),
                method: self.link.method,
                schema: schema.clone(),
                missing: self.layout.missing(),
            }));
        }
        if !changes.is_empty() {
            self.outputs.push_back(Output::Changes(changes));
        }
        let conditions = self.conditions.number();
        self.outputs.push_back(Output::Synced {
            conditions,
            resumed: updates.found,
        });
        self.send_condition_change();
        Ok(())
    }

    pub(super) fn send_condition_change(&mut self) {
        if self.link.phase != Phase::Live {
            return;
        }
        let Some(tables) = self.conditions.next_change() else {
            return;
        };
        let mut request = serde_json::Map::new();
        for (table, condition) in tables {
            if let Some((_, found)) = self.layout.find(&table)
                && found.exists
            {
                let condition = fit(&condition, self.schema.as_deref(), found);
                request.insert(table, json!([{"where": condition}]));
            }
        }
        if request.is_empty() || self.link.method == Method::Plain {
            // Nothing that the server has to know.
            self.conditions.acknowledge();
            let conditions = self.conditions.number();
            self.outputs.push_back(Output::Synced {
                conditions,
                resumed: true,
            });
            return;
        }
        let database = &self.config.database;
        let params = json!([database, database, request]);
        self.link
            .request("monitor_cond_change", &params, Pending::ConditionChange);
    }
}

/// The condition in words that this server knows, and that do it no harm.
///
/// A clause may name only columns that the monitor has asked for from the first. ovsdb-server keeps the changes
/// for all clients that read the same columns in one list, and adds a column that only a condition names when the
/// condition comes. What the other clients have still to be told goes on without it, and the server looks for it
/// behind the end of the row: it dies, or sends wrong rows (OVS 3.1 and 3.5, ovsdb/monitor.c:
/// `ovsdb_monitor_track_new_change_set` takes over a change set of fewer columns). For a clause on another column
/// every row is read.
fn fit(condition: &Condition, schema: Option<&Schema>, table: &TableLayout) -> Condition {
    let fitting = condition.without_missing(|column| {
        column == ROW_ID
            || schema.is_some_and(|schema| schema.column(&table.name, column).is_some())
    });
    if fitting.names_only(|column| table.nameable().any(|asked| asked == column)) {
        fitting
    } else {
        Condition::All
    }
}
