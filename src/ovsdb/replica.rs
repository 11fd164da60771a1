//! The in-memory copy of the monitored rows.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::datum::Datum;
use super::event::ConnectionError;
use super::layout::Layout;
use super::row::{Change, Row};
use super::update::{Patch, RowUpdate, RowUpdateKind};

type Rows = FxHashMap<Uuid, Arc<Row>>;

/// Rows by table, in the order of the [`Layout`].
#[derive(Debug, Default)]
pub(super) struct Replica {
    tables: Vec<Rows>,
}

impl Replica {
    pub(super) fn new(tables: usize) -> Self {
        Self {
            tables: vec![Rows::default(); tables],
        }
    }

    /// The rows of a table.
    pub(super) fn rows(&self, table: usize) -> impl Iterator<Item = &Arc<Row>> {
        self.tables
            .get(table)
            .into_iter()
            .flat_map(|rows| rows.values())
    }

    /// Takes in the updates of one message: all of them, or on an error none.
    pub(super) fn apply(
        &mut self,
        layout: &Layout,
        updates: Vec<RowUpdate>,
    ) -> Result<Vec<Change>, ConnectionError> {
        self.check(layout, &updates)?;
        let mut changes = Vec::with_capacity(updates.len());
        for update in updates {
            let (Some(table), Some(rows)) = (
                layout.tables().get(update.table),
                self.tables.get_mut(update.table),
            ) else {
                continue;
            };
            let old = rows.get(&update.uuid).cloned();
            let new = match (update.kind, &old) {
                (RowUpdateKind::Whole(patch), _) => Some(set(table.defaults(), patch)),
                (RowUpdateKind::Modify(patch), Some(old)) => Some(modify(old, patch, |at| {
                    table.column_type(at).is_some_and(|t| t.is_composite())
                })),
                (RowUpdateKind::Modify(_), None) | (RowUpdateKind::Delete, _) => None,
            };
            let new = new.map(Arc::new);
            if old == new {
                continue;
            }
            match &new {
                Some(row) => rows.insert(update.uuid, row.clone()),
                None => rows.remove(&update.uuid),
            };
            changes.push(Change {
                table: table.name.clone(),
                uuid: update.uuid,
                old,
                new,
            });
        }
        Ok(changes)
    }

    /// Takes in a full dump: whatever it does not hold is gone. Returns only what differs.
    pub(super) fn replace(&mut self, layout: &Layout, updates: Vec<RowUpdate>) -> Vec<Change> {
        let before = std::mem::replace(self, Self::new(layout.tables().len()));
        let mut before = before.tables;
        before.resize_with(layout.tables().len(), Rows::default);
        let mut changes = Vec::new();
        for update in updates {
            let RowUpdateKind::Whole(patch) = update.kind else {
                continue;
            };
            let (Some(table), Some(rows), Some(before)) = (
                layout.tables().get(update.table),
                self.tables.get_mut(update.table),
                before.get_mut(update.table),
            ) else {
                continue;
            };
            let new = set(table.defaults(), patch);
            match before.remove(&update.uuid) {
                Some(old) if *old == new => {
                    rows.insert(update.uuid, old);
                }
                old => {
                    let new = Arc::new(new);
                    rows.insert(update.uuid, new.clone());
                    let (table, uuid) = (table.name.clone(), update.uuid);
                    changes.push(Change {
                        table,
                        uuid,
                        old,
                        new: Some(new),
                    });
                }
            }
        }
        for (table, rows) in layout.tables().iter().zip(before) {
            changes.extend(rows.into_iter().map(|(uuid, old)| Change {
                table: table.name.clone(),
                uuid,
                old: Some(old),
                new: None,
            }));
        }
        changes
    }

    fn check(&self, layout: &Layout, updates: &[RowUpdate]) -> Result<(), ConnectionError> {
        for update in updates {
            let rows = self.tables.get(update.table);
            let known = rows.is_some_and(|rows| rows.contains_key(&update.uuid));
            if matches!(update.kind, RowUpdateKind::Modify(_)) && !known {
                let table = layout
                    .tables()
                    .get(update.table)
                    .map_or("?", |table| &table.name);
                let text = format!(
                    "table {table}: row {} changes, but was never sent",
                    update.uuid
                );
                return Err(ConnectionError::Inconsistent(text));
            }
        }
        Ok(())
    }
}

fn set(mut columns: Box<[Option<Datum>]>, patch: Patch) -> Row {
    for (at, datum) in patch {
        if let Some(column) = columns.get_mut(at) {
            *column = Some(datum);
        }
    }
    Row { columns }
}

/// Sets and maps of more than one value travel as differences, everything else as the new value.
fn modify(old: &Row, patch: Patch, is_composite: impl Fn(usize) -> bool) -> Row {
    let mut columns = old.columns.clone();
    for (at, datum) in patch {
        if let Some(column) = columns.get_mut(at) {
            *column = Some(match column {
                Some(held) if is_composite(at) => held.apply(&datum),
                _ => datum,
            });
        }
    }
    Row { columns }
}
