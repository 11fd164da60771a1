//! Reading raw rows by column name. A column that is not monitored, or is not what it should be, reads as
//! empty: whoever decides by the row reports it.

use std::sync::Arc;

use uuid::Uuid;

use crate::ovsdb::{Atom, Datum, Monitor, Row};

/// The monitored columns of a table, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns(Vec<String>);

impl Columns {
    pub(super) fn of(monitor: &Monitor, table: &str) -> Self {
        let table = monitor.tables.get(table);
        Self(table.map(|t| t.columns.clone()).unwrap_or_default())
    }

    pub(super) fn cells<'a>(&'a self, row: &'a Row) -> Cells<'a> {
        Cells { columns: self, row }
    }

    pub(super) fn position(&self, column: &str) -> Option<usize> {
        self.0.iter().position(|name| name == column)
    }
}

/// A row and the names of its columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells<'a> {
    columns: &'a Columns,
    row: &'a Row,
}

impl<'a> Cells<'a> {
    fn datum(&self, column: &str) -> Option<&'a Datum> {
        self.row.get(self.columns.position(column)?)
    }

    /// The only string of a column, unless it is empty.
    pub(super) fn text(&self, column: &str) -> Option<&'a Arc<str>> {
        non_empty(self.datum(column)?.single()?)
    }

    /// The value of a key in a map of strings, unless it is empty.
    pub(super) fn entry(&self, column: &str, key: &str) -> Option<&'a Arc<str>> {
        let mut pairs = self.datum(column)?.pairs().iter();
        let (_, value) = pairs.find(|(name, _)| name.as_str() == Some(key))?;
        non_empty(value)
    }

    /// The strings of a set.
    pub(super) fn texts(&self, column: &str) -> impl Iterator<Item = &'a str> {
        self.datum(column).into_iter().flat_map(Datum::strings)
    }

    /// The keys of a map of strings.
    pub(super) fn keys(&self, column: &str) -> impl Iterator<Item = &'a str> {
        let pairs = self.datum(column).into_iter().flat_map(Datum::pairs);
        pairs.filter_map(|(key, _)| key.as_str())
    }

    /// The rows that a set refers to.
    pub(super) fn rows(&self, column: &str) -> Box<[Uuid]> {
        let uuids = self.datum(column).into_iter().flat_map(Datum::uuids);
        uuids.collect()
    }
}

fn non_empty(atom: &Atom) -> Option<&Arc<str>> {
    match atom {
        Atom::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}
