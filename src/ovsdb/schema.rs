//! Database schemas (RFC 7047 §3.2), as far as a client needs them: names and types.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use uuid::Uuid;

use super::datum::{Atom, AtomKind, Datum, DatumSeed};

/// A database as the server describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Schema {
    /// Name of the database.
    pub name: String,
    /// `x.y.z`; empty if the server gives none.
    #[serde(default)]
    pub version: String,
    tables: BTreeMap<String, Table>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Table {
    columns: BTreeMap<String, Column>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Column {
    #[serde(rename = "type")]
    column_type: ColumnType,
}

impl Schema {
    /// True if the database has the table.
    pub fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// The type of a column; `None` without such a table or column.
    pub fn column(&self, table: &str, column: &str) -> Option<ColumnType> {
        Some(self.tables.get(table)?.columns.get(column)?.column_type)
    }

    /// The typed answer to "does this server know the column?".
    pub fn support(&self, table: &str, column: &str) -> Support {
        match self.tables.get(table) {
            None => Support::NoSuchTable,
            Some(table) if table.columns.contains_key(column) => Support::Yes,
            Some(_) => Support::NoSuchColumn,
        }
    }
}

/// Whether a server knows a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Yes,
    /// This server has no such table.
    NoSuchTable,
    /// This server has the table, but no such column in it.
    NoSuchColumn,
    /// No server has been asked yet.
    Unknown,
}

/// The type of a column (RFC 7047 §3.2 `<type>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// Type of the members, or of the keys of a map.
    pub key: AtomKind,
    /// Type of the values of a map; `None` for sets.
    pub value: Option<AtomKind>,
    /// Members at least: 0 or 1.
    pub min: u32,
    /// Members at most; `u32::MAX` for "unlimited".
    pub max: u32,
}

impl ColumnType {
    /// How to decode a value.
    pub fn seed(self) -> DatumSeed {
        DatumSeed {
            key: self.key,
            value: self.value,
        }
    }

    /// True if `update2` sends differences of this column, and not its new value
    /// (ovsdb-server(7) §4.1.14: "for columns with single value, … the new column").
    pub fn is_composite(self) -> bool {
        self.max > 1
    }

    /// The value of a column that an `insert` of `update2` leaves out (RFC 7047 §5.2.1).
    pub fn default_datum(self) -> Datum {
        match (self.value, self.min) {
            (None, 0) => Datum::empty(),
            (None, _) => Datum::Atom(default_atom(self.key)),
            (Some(_), 0) => Datum::empty_map(),
            (Some(value), _) => Datum::map([(default_atom(self.key), default_atom(value))]),
        }
    }
}

fn default_atom(kind: AtomKind) -> Atom {
    match kind {
        AtomKind::Integer => Atom::Integer(0),
        AtomKind::Real => Atom::Real(0.0),
        AtomKind::Boolean => Atom::Boolean(false),
        AtomKind::String => Atom::String("".into()),
        AtomKind::Uuid => Atom::Uuid(Uuid::nil()),
    }
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Base {
            Name(String),
            Full {
                #[serde(rename = "type")]
                name: String,
            },
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Max {
            Number(u32),
            Word(String),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Type {
            Name(String),
            Full {
                key: Base,
                value: Option<Base>,
                min: Option<u32>,
                max: Option<Max>,
            },
        }
        let kind = |base: Base| {
            let (Base::Name(name) | Base::Full { name }) = base;
            atom_kind(&name)
                .ok_or_else(|| D::Error::custom(format!("unknown atomic type {name:?}")))
        };
        match Type::deserialize(deserializer)? {
            Type::Name(name) => Ok(Self {
                key: kind(Base::Name(name))?,
                value: None,
                min: 1,
                max: 1,
            }),
            Type::Full {
                key,
                value,
                min,
                max,
            } => Ok(Self {
                key: kind(key)?,
                value: value.map(kind).transpose()?,
                min: min.unwrap_or(1),
                max: match max {
                    None => 1,
                    Some(Max::Number(number)) => number,
                    Some(Max::Word(word)) if word == "unlimited" => u32::MAX,
                    Some(Max::Word(word)) => {
                        return Err(D::Error::custom(format!("max {word:?} of a column type")));
                    }
                },
            }),
        }
    }
}

fn atom_kind(name: &str) -> Option<AtomKind> {
    Some(match name {
        "integer" => AtomKind::Integer,
        "real" => AtomKind::Real,
        "boolean" => AtomKind::Boolean,
        "string" => AtomKind::String,
        "uuid" => AtomKind::Uuid,
        _ => return None,
    })
}
