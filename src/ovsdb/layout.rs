//! A monitor laid over the schema of a server: which columns exist, their types, their indexes.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::datum::Datum;
use super::event::Missing;
use super::row::{Monitor, ROW_ID, TableMonitor};
use super::schema::{ColumnType, Schema};

/// The monitored tables in the order of their names; indexes are the same for every server.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    tables: Vec<TableLayout>,
    by_name: FxHashMap<Arc<str>, usize>,
}

#[derive(Clone, Debug)]
pub(super) struct TableLayout {
    pub(super) name: Arc<str>,
    pub(super) exists: bool,
    by_id: bool,
    columns: Vec<(Arc<str>, Option<ColumnType>)>,
    by_name: FxHashMap<Arc<str>, usize>,
    defaults: Box<[Option<Datum>]>,
}

impl Layout {
    pub(super) fn new(monitor: &Monitor, schema: &Schema) -> Self {
        let tables: Vec<TableLayout> = monitor
            .tables
            .iter()
            .map(|(name, table)| TableLayout::new(name, table, schema))
            .collect();
        let by_name = index(tables.iter().map(|table| &table.name));
        Self { tables, by_name }
    }

    pub(super) fn tables(&self) -> &[TableLayout] {
        &self.tables
    }

    pub(super) fn find(&self, table: &str) -> Option<(usize, &TableLayout)> {
        let at = *self.by_name.get(table)?;
        Some((at, self.tables.get(at)?))
    }

    /// What the server lacks of what is monitored.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        for table in &self.tables {
            let mut report = |column: Option<&Arc<str>>| {
                let column = column.map(|column| column.to_string());
                missing.push(Missing {
                    table: table.name.to_string(),
                    column,
                });
            };
            if table.exists {
                let absent = table.columns.iter().filter(|(_, kind)| kind.is_none());
                absent.for_each(|(name, _)| report(Some(name)));
            } else {
                report(None);
            }
        }
        missing
    }

    /// True if rows of `other` mean the same here.
    pub(super) fn same_columns(&self, other: &Self) -> bool {
        self.tables.len() == other.tables.len()
            && self
                .tables
                .iter()
                .zip(&other.tables)
                .all(|(a, b)| a.name == b.name && a.exists == b.exists && a.columns == b.columns)
    }
}

impl TableLayout {
    fn new(name: &str, monitor: &TableMonitor, schema: &Schema) -> Self {
        let columns: Vec<(Arc<str>, Option<ColumnType>)> = monitor
            .columns
            .iter()
            .map(|column| (column.as_str().into(), schema.column(name, column)))
            .collect();
        Self {
            name: name.into(),
            exists: schema.has_table(name),
            by_id: monitor.by_id,
            by_name: index(columns.iter().map(|(name, _)| name)),
            defaults: columns
                .iter()
                .map(|(_, kind)| kind.map(ColumnType::default_datum))
                .collect(),
            columns,
        }
    }

    /// The columns that the server has.
    pub(super) fn present(&self) -> impl Iterator<Item = &str> {
        self.columns
            .iter()
            .filter(|(_, kind)| kind.is_some())
            .map(|(name, _)| &**name)
    }

    /// The columns that conditions may name at this server, which are those that it is asked for.
    pub(super) fn nameable(&self) -> impl Iterator<Item = &str> {
        self.present().chain(self.by_id.then_some(ROW_ID))
    }

    pub(super) fn column(&self, name: &str) -> Option<(usize, ColumnType)> {
        let at = *self.by_name.get(name)?;
        Some((at, self.columns.get(at)?.1?))
    }

    pub(super) fn column_type(&self, at: usize) -> Option<ColumnType> {
        self.columns.get(at)?.1
    }

    /// A row of default values.
    pub(super) fn defaults(&self) -> Box<[Option<Datum>]> {
        self.defaults.clone()
    }
}

fn index<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> FxHashMap<Arc<str>, usize> {
    names
        .enumerate()
        .map(|(at, name)| (name.clone(), at))
        .collect()
}
