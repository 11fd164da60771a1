//! Which rows: clauses of RFC 7047 §5.1 `<condition>`.

use std::cmp::Ordering;

use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::datum::{Atom, Datum};

/// How a column is compared (RFC 7047 §5.1 `<function>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Function {
    /// The column is less than the value.
    #[serde(rename = "<")]
    Less,
    /// The column is at most the value.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// The column equals the value.
    #[serde(rename = "==")]
    Equal,
    /// The column differs from the value.
    #[serde(rename = "!=")]
    NotEqual,
    /// The column is at least the value.
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// The column is greater than the value.
    #[serde(rename = ">")]
    Greater,
    /// The column holds every member, or pair, of the value.
    #[serde(rename = "includes")]
    Includes,
    /// The column holds no member, or pair, of the value.
    #[serde(rename = "excludes")]
    Excludes,
}

/// One comparison: `[column, function, value]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clause {
    /// Column of the table; `_uuid` is one too.
    pub column: String,
    /// How the column is compared.
    pub function: Function,
    /// What the column is compared with.
    pub value: Datum,
}

impl Clause {
    /// A clause in the order of the wire.
    pub fn new(column: &str, function: Function, value: impl Into<Datum>) -> Self {
        Self {
            column: column.to_owned(),
            function,
            value: value.into(),
        }
    }

    /// `column == value`
    pub fn equal(column: &str, value: impl Into<Datum>) -> Self {
        Self::new(column, Function::Equal, value)
    }

    /// `column includes value`
    pub fn includes(column: &str, value: impl Into<Datum>) -> Self {
        Self::new(column, Function::Includes, value)
    }

    /// Whether the server takes the clause to hold for a row with this value in the column (RFC 7047
    /// §5.1 `<condition>`). `None` is a column that the server lacks: no clause holds for it.
    pub fn matches(&self, held: Option<&Datum>) -> bool {
        let Some(held) = held else { return false };
        let ordering = || match (held.single(), self.value.single()) {
            (Some(held), Some(value)) => Some(held.cmp(value)),
            // An optional column without a value is neither more nor less than anything.
            _ => None,
        };
        match self.function {
            Function::Equal => *held == self.value,
            Function::NotEqual => *held != self.value,
            Function::Includes => count_held(held, &self.value) == len(&self.value),
            Function::Excludes => count_held(held, &self.value) == 0,
            Function::Less => ordering().is_some_and(Ordering::is_lt),
            Function::LessOrEqual => ordering().is_some_and(Ordering::is_le),
            Function::GreaterOrEqual => ordering().is_some_and(Ordering::is_ge),
            Function::Greater => ordering().is_some_and(Ordering::is_gt),
        }
    }
}

fn len(value: &Datum) -> usize {
    value.atoms().len() + value.pairs().len()
}

/// How many members, or pairs, of `value` the column holds.
fn count_held(held: &Datum, value: &Datum) -> usize {
    let atom = |atom: &&Atom| held.atoms().binary_search(atom).is_ok();
    let pair = |(key, value): &&(Atom, Atom)| held.value(key) == Some(value);
    value.atoms().iter().filter(atom).count() + value.pairs().iter().filter(pair).count()
}

impl Serialize for Clause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut triple = serializer.serialize_tuple(3)?;
        triple.serialize_element(&self.column)?;
        triple.serialize_element(&self.function)?;
        triple.serialize_element(&self.value)?;
        triple.end()
    }
}

/// The rows of a table that a monitor wants (ovsdb-server(7) §4.1.12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Every row.
    #[default]
    All,
    /// The rows for which at least one clause holds; without clauses no row at all.
    AnyOf(Vec<Clause>),
}

impl Condition {
    /// No row at all.
    pub fn none() -> Self {
        Self::AnyOf(Vec::new())
    }

    /// Whether the server sends a row; `column` gives its values, those of columns that are not
    /// monitored and `_uuid` included.
    pub fn matches<'a>(&self, column: impl Fn(&str) -> Option<&'a Datum>) -> bool {
        match self {
            Self::All => true,
            Self::AnyOf(clauses) => clauses
                .iter()
                .any(|clause| clause.matches(column(&clause.column))),
        }
    }

    /// Whether every column that a clause names is one of which `is` holds.
    pub fn names_only(&self, is: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::AnyOf(clauses) => clauses.iter().all(|clause| is(&clause.column)),
        }
    }

    /// The condition without the clauses on columns that `has` denies: such a clause can hold for
    /// no row of that server.
    #[must_use]
    pub fn without_missing(&self, has: impl Fn(&str) -> bool) -> Self {
        match self {
            Self::All => Self::All,
            Self::AnyOf(clauses) => Self::AnyOf(
                clauses
                    .iter()
                    .filter(|clause| has(&clause.column))
                    .cloned()
                    .collect(),
            ),
        }
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => [true].serialize(serializer),
            // An empty `where` means every row, so "none" must be said.
            Self::AnyOf(clauses) if clauses.is_empty() => [false].serialize(serializer),
            Self::AnyOf(clauses) => clauses.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(held: Datum, function: Function, value: impl Into<Datum>) -> bool {
        Clause::new("column", function, value).matches(Some(&held))
    }

    #[test]
    fn sets_and_maps_include_and_exclude_by_member_and_pair() {
        let set = || Datum::set(["a", "b"]);
        assert!(matches(set(), Function::Includes, "a"));
        assert!(matches(set(), Function::Includes, Datum::empty()));
        assert!(!matches(set(), Function::Includes, Datum::set(["a", "c"])));
        assert!(matches(set(), Function::Excludes, "c"));
        assert!(!matches(set(), Function::Excludes, Datum::set(["a", "c"])));
        let map = || Datum::map([("k", "1"), ("l", "2")]);
        assert!(matches(map(), Function::Includes, Datum::map([("k", "1")])));
        assert!(!matches(
            map(),
            Function::Includes,
            Datum::map([("k", "2")])
        ));
        assert!(!matches(
            map(),
            Function::Includes,
            Datum::map([("k", "1"), ("m", "1")])
        ));
    }

    #[test]
    fn an_optional_column_without_value_equals_nothing_that_is_one() {
        assert!(!matches(Datum::empty(), Function::Equal, "a"));
        assert!(matches(Datum::empty(), Function::NotEqual, "a"));
        assert!(!matches(Datum::empty(), Function::Includes, "a"));
        assert!(!matches(Datum::empty(), Function::GreaterOrEqual, 0));
        assert!(matches(Datum::from(5), Function::GreaterOrEqual, 5));
        assert!(matches(Datum::from(5), Function::Less, 6));
    }

    #[test]
    fn no_clause_holds_for_a_column_that_the_server_lacks() {
        let clause = Clause::new("column", Function::NotEqual, "a");
        assert!(!clause.matches(None));
        assert!(Condition::All.matches(|_| None));
        assert!(!Condition::none().matches(|_| None));
    }
}
