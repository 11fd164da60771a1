//! A set of rows that are wanted, and the condition that asks for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use uuid::Uuid;

use crate::ovsdb::{Atom, Clause, Condition, Datum, Function, Monitor};

/// Conditions by table name.
pub type ByTable = BTreeMap<String, Condition>;

/// With more clauses than this that the server cannot look up by hash, a table is read whole: held against
/// 20,000 rows they would cost the server more than a second at every change.
const MOST_CLAUSES: usize = 1000;

/// One clause, cheap to make and to compare.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Want {
    /// `column == text`
    Text(&'static str, Arc<str>),
    /// `column == row`; the column may be `_uuid`.
    Row(&'static str, Uuid),
    /// `column includes row`
    Member(&'static str, Uuid),
    /// `column includes {key: value}`
    Pair(&'static str, &'static str, Arc<str>),
    /// `column != []`
    Some(&'static str),
}

impl Want {
    /// The row itself.
    pub(super) fn this(row: Uuid) -> Self {
        Self::Row("_uuid", row)
    }

    fn clause(&self) -> Clause {
        match self {
            Self::Text(column, text) => Clause::equal(column, text_of(text)),
            Self::Row(column, row) => Clause::equal(column, *row),
            Self::Member(column, row) => Clause::includes(column, *row),
            Self::Pair(column, key, value) => {
                Clause::includes(column, Datum::map([(*key, text_of(value))]))
            }
            Self::Some(column) => Clause::new(column, Function::NotEqual, Datum::empty()),
        }
    }

    fn is_hashed(&self) -> bool {
        matches!(self, Self::Text(..) | Self::Row(..))
    }
}

fn text_of(text: &Arc<str>) -> Atom {
    Atom::String(Arc::clone(text))
}

/// The rows wanted of some tables of a database. Tables not named are none of its business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(BTreeMap<&'static str, FxHashSet<Want>>);

impl Wanted {
    /// Nothing of these tables.
    pub(super) fn none_of(tables: &[&'static str]) -> Self {
        Self(tables.iter().map(|t| (*t, FxHashSet::default())).collect())
    }

    pub(super) fn want(&mut self, table: &'static str, want: Want) {
        self.0.entry(table).or_default().insert(want);
    }

    /// Puts `hashed`, which brings the same rows and others, in place of `want` where the table has more than
    /// `most` clauses: the server then holds no row against each of them.
    pub(super) fn hash(&mut self, table: &str, want: &Want, hashed: Want, most: usize) {
        if let Some(wants) = self.0.get_mut(table)
            && wants.len() > most
            && wants.remove(want)
        {
            wants.insert(hashed);
        }
    }

    /// Whether this is among what is wanted.
    pub(super) fn has(&self, table: &str, want: &Want) -> bool {
        self.0.get(table).is_some_and(|wants| wants.contains(want))
    }

    /// The conditions, clauses sorted.
    pub fn conditions(&self) -> ByTable {
        let tables = self.0.iter();
        tables
            .map(|(table, wants)| ((*table).to_owned(), condition(wants)))
            .collect()
    }

    /// The conditions that are not those of `other`.
    pub fn beyond(&self, other: &Self) -> ByTable {
        let differing = self
            .0
            .iter()
            .filter(|(table, wants)| other.0.get(*table) != Some(wants));
        differing
            .map(|(table, wants)| ((*table).to_owned(), condition(wants)))
            .collect()
    }

    /// Whether a row may be wanted here that is not in `other`.
    pub fn widens(&self, other: &Self) -> bool {
        self.0.iter().any(|(table, wants)| {
            let known = other.0.get(table);
            known.is_none_or(|known| !wants.is_subset(known) && !too_many(known))
        })
    }

    /// Puts the conditions into a monitor, for the tables that it has.
    #[must_use]
    pub fn restrict(&self, mut monitor: Monitor) -> Monitor {
        for (table, wants) in &self.0 {
            if let Some(table) = monitor.tables.get_mut(*table) {
                table.condition = condition(wants);
            }
        }
        monitor
    }
}

fn too_many(wants: &FxHashSet<Want>) -> bool {
    wants.len() > MOST_CLAUSES && !wants.iter().all(Want::is_hashed)
}

fn condition(wants: &FxHashSet<Want>) -> Condition {
    if too_many(wants) {
        return Condition::All;
    }
    let mut clauses: Vec<_> = wants.iter().map(Want::clause).collect();
    clauses.sort();
    Condition::AnyOf(clauses)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Logical_Router_Port";

    fn wanted(rows: impl IntoIterator<Item = u128>) -> Wanted {
        let mut wanted = Wanted::none_of(&[TABLE]);
        for row in rows {
            wanted.want(TABLE, Want::this(Uuid::from_u128(row)));
        }
        wanted
    }

    #[test]
    fn nothing_wanted_is_said_so() {
        assert_eq!(wanted([]).conditions()[TABLE], Condition::none());
    }

    #[test]
    fn clauses_are_sorted_so_that_the_same_rows_are_the_same_condition() {
        assert_eq!(
            wanted([3, 1, 2]).conditions(),
            wanted([2, 3, 1]).conditions()
        );
        assert_eq!(wanted([3, 1]).beyond(&wanted([1, 3])), ByTable::new());
    }

    #[test]
    fn more_rows_widen_and_fewer_do_not() {
        assert!(wanted([1, 2]).widens(&wanted([1])));
        assert!(wanted([1, 2]).widens(&wanted([2, 3])));
        assert!(!wanted([1]).widens(&wanted([1, 2])));
        assert!(wanted([]).widens(&Wanted::default()));
        assert!(!wanted([1]).beyond(&wanted([1, 2])).is_empty());
    }

    #[test]
    fn too_many_clauses_without_hash_read_the_table_whole() {
        let many = || 0..=MOST_CLAUSES as u128;
        let mut hashed = wanted(many());
        assert!(matches!(hashed.conditions()[TABLE], Condition::AnyOf(_)));
        hashed.want(TABLE, Want::Pair("status", "hosting-chassis", "c".into()));
        assert_eq!(hashed.conditions()[TABLE], Condition::All);
        assert!(!wanted([9999]).widens(&hashed));
    }
}
