//! What is monitored, and the rows that come of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::condition::Condition;
use super::datum::Datum;

/// The column that every table has, and that names the row.
pub(super) const ROW_ID: &str = "_uuid";

/// The tables, columns and rows a client wants to follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitor {
    /// By table name.
    pub tables: BTreeMap<String, TableMonitor>,
}

impl Monitor {
    /// The monitor with one table more.
    #[must_use]
    pub fn with_table(mut self, table: &str, columns: &[&str], condition: Condition) -> Self {
        let monitor = TableMonitor {
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            condition,
            by_id: false,
        };
        self.tables.insert(table.to_owned(), monitor);
        self
    }

    /// The monitor whose conditions on these tables may name rows by `_uuid`, now or later.
    #[must_use]
    pub fn with_rows_by_id(mut self, tables: &[&str]) -> Self {
        for table in tables {
            if let Some(table) = self.tables.get_mut(*table) {
                table.by_id = true;
            }
        }
        self
    }
}

/// The part of a [`Monitor`] about one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableMonitor {
    /// The columns, in the order in which [`Row::get`] counts them.
    pub columns: Vec<String>,
    /// The rows. It names only `columns`, and `_uuid` if [`by_id`](Self::by_id): for a clause on another
    /// column the client asks for every row, because ovsdb-server could die of it.
    pub condition: Condition,
    /// Whether the condition may name `_uuid`. The server sends it then with each row, some 60 bytes; it is no
    /// column of a [`Row`].
    pub by_id: bool,
}

impl TableMonitor {
    /// Whether the condition may have a clause on that column.
    pub fn may_name(&self, column: &str) -> bool {
        if column == ROW_ID {
            self.by_id
        } else {
            self.columns.iter().any(|monitored| monitored == column)
        }
    }
}

/// The monitored columns of one row, in the order of [`TableMonitor::columns`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(super) columns: Box<[Option<Datum>]>,
}

impl Row {
    /// A row of the given columns; for tests and replays.
    pub fn new(columns: impl IntoIterator<Item = Option<Datum>>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
        }
    }

    /// The value of the `index`th monitored column; `None` if the server has no such column.
    pub fn get(&self, index: usize) -> Option<&Datum> {
        self.columns.get(index)?.as_ref()
    }

    /// How many columns are monitored, those the server lacks included.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// True if no column is monitored.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}

/// One row that appeared (`old` is `None`), changed or disappeared (`new` is `None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Table name, as in [`Monitor::tables`].
    pub table: Arc<str>,
    /// `_uuid` of the row.
    pub uuid: Uuid,
    /// The row before.
    pub old: Option<Arc<Row>>,
    /// The row now.
    pub new: Option<Arc<Row>>,
}
