//! A server that filters rows by conditions, and a client that keeps what it sends: what
//! `monitor_cond_change` does (ovsdb-server(7)), without the protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovn_bgp_agent::ovsdb::{Change, Condition, Datum, Monitor, Row};
use uuid::Uuid;

pub(crate) type Rows = BTreeMap<(Arc<str>, Uuid), Arc<Row>>;

/// All rows of a database, with the columns of a monitor without conditions.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) monitor: Monitor,
    pub(crate) rows: Rows,
}

impl Server {
    pub(crate) fn new(monitor: Monitor, insertions: Vec<Change>) -> Self {
        let rows = insertions
            .into_iter()
            .map(|change| ((change.table, change.uuid), change.new.unwrap()));
        Self {
            monitor,
            rows: rows.collect(),
        }
    }

    fn position(&self, table: &str, column: &str) -> Option<usize> {
        let columns = &self.monitor.tables.get(table)?.columns;
        columns.iter().position(|name| name == column)
    }

    pub(crate) fn value<'a>(&self, table: &str, row: &'a Row, column: &str) -> Option<&'a Datum> {
        row.get(self.position(table, column)?)
    }

    fn sends(&self, table: &str, uuid: Uuid, row: &Row, condition: &Condition) -> bool {
        let this = Datum::from(uuid);
        condition.matches(|column| match column {
            "_uuid" => Some(&this),
            column => self.value(table, row, column),
        })
    }

    /// The rows that a monitor gets, with its columns.
    fn visible(&self, monitor: &Monitor) -> Rows {
        let mut visible = Rows::new();
        for ((table, uuid), row) in &self.rows {
            let Some(asked) = monitor.tables.get(&**table) else {
                continue;
            };
            let condition = &asked.condition;
            assert!(
                condition.names_only(|column| asked.may_name(column)),
                "{table}: a clause on a column that was not asked for reads the whole table: {condition:?}"
            );
            if self.sends(table, *uuid, row, &asked.condition) {
                let cells = asked.columns.iter();
                let cells = cells.map(|column| self.value(table, row, column).cloned());
                visible.insert((table.clone(), *uuid), Arc::new(Row::new(cells)));
            }
        }
        visible
    }

    /// The name of the switch that lists a port.
    pub(crate) fn switch_of(&self, port: Uuid) -> Option<Arc<str>> {
        let table = "Logical_Switch";
        self.rows
            .iter()
            .filter(|((name, _), _)| **name == *table)
            .find_map(|(_, row)| {
                let ports = self.value(table, row, "ports")?;
                let name = self.value(table, row, "name")?.as_str()?;
                ports.uuids().any(|uuid| uuid == port).then(|| name.into())
            })
    }
}

/// The rows that one client holds.
#[derive(Default)]
pub(crate) struct Replica {
    rows: Rows,
}

impl Replica {
    /// What the server sends now.
    pub(crate) fn follow(&mut self, server: &Server, monitor: &Monitor) -> Vec<Change> {
        let visible = server.visible(monitor);
        let before = std::mem::replace(&mut self.rows, visible);
        let mut changes = Vec::new();
        for (key, row) in &self.rows {
            let old = before.get(key);
            if old != Some(row) {
                changes.push(change(key, old.cloned(), Some(row.clone())));
            }
        }
        for (key, row) in before {
            if !self.rows.contains_key(&key) {
                changes.push(change(&key, Some(row), None));
            }
        }
        changes
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

fn change(key: &(Arc<str>, Uuid), old: Option<Arc<Row>>, new: Option<Arc<Row>>) -> Change {
    Change {
        table: key.0.clone(),
        uuid: key.1,
        old,
        new,
    }
}
