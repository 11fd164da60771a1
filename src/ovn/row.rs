//! Reading the columns of one row, with errors that name the column.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use crate::ovsdb::{Atom, Datum, Row};

/// A row that was left out, wholly or in part, because it does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table} {uuid}: column {column}: {why}; {left_out}")]
pub struct RowProblem {
    pub table: &'static str,
    pub uuid: Uuid,
    pub column: &'static str,
    pub why: String,
    pub left_out: LeftOut,
}

/// What of a row does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// All of it.
    Row,
    /// This value alone.
    Value,
    /// The VPN of a network.
    Membership,
}

impl Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Row => "the row is left out",
            Self::Value => "that is ignored, the rest of the row counts",
            Self::Membership => "the network is in no VNI",
        })
    }
}

/// Why one column does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnError {
    column: &'static str,
    why: String,
}

impl ColumnError {
    fn new(column: &'static str, why: impl Into<String>) -> Self {
        Self {
            column,
            why: why.into(),
        }
    }

    /// Adds which row it was.
    pub(crate) fn of(self, table: &'static str, uuid: Uuid) -> RowProblem {
        RowProblem {
            table,
            uuid,
            column: self.column,
            why: self.why,
            left_out: LeftOut::Row,
        }
    }
}

/// A monitored row and the names of its columns. A column that the server lacks reads as empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    columns: &'static [&'static str],
    row: &'a Row,
}

impl<'a> Reader<'a> {
    /// `columns` are those that are monitored, in their order.
    pub(crate) fn new(columns: &'static [&'static str], row: &'a Row) -> Self {
        Self { columns, row }
    }

    /// Whether the server has no such column.
    pub(crate) fn lacks(&self, column: &str) -> bool {
        self.datum(column).is_none()
    }

    /// Whether a set has members.
    pub(crate) fn has_members(&self, column: &str) -> bool {
        self.datum(column).is_some_and(|datum| !datum.is_empty())
    }

    /// A string that must be there.
    pub(crate) fn string(&self, column: &'static str) -> Result<&'a Arc<str>, ColumnError> {
        self.optional_string(column)?
            .ok_or_else(|| ColumnError::new(column, "is empty or missing"))
    }

    pub(crate) fn optional_string(
        &self,
        column: &'static str,
    ) -> Result<Option<&'a Arc<str>>, ColumnError> {
        self.single(column, text, "a string")
    }

    pub(crate) fn optional_bool(&self, column: &'static str) -> Result<Option<bool>, ColumnError> {
        self.single(column, Atom::as_bool, "a boolean")
    }

    pub(crate) fn optional_integer<T: TryFrom<i64>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, ColumnError> {
        let number = |atom: &Atom| T::try_from(atom.as_integer()?).ok();
        self.single(column, number, "an integer in range")
    }

    /// A string that must parse.
    pub(crate) fn parse<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
    ) -> Result<T, ColumnError> {
        parse(column, self.string(column)?)
    }

    /// A string that must parse if it is there.
    pub(crate) fn optional_parse<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, ColumnError> {
        let text = self.optional_string(column)?;
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| parse(column, text)).transpose()
    }

    /// Every string of a set, read by `read`; what that answers `None` for is left out.
    pub(crate) fn parsed<T>(
        &self,
        column: &'static str,
        read: impl Fn(&str) -> Result<Option<T>, String>,
    ) -> Result<Vec<T>, ColumnError> {
        let mut values = Vec::new();
        for atom in self.atoms(column) {
            let text = atom
                .as_str()
                .ok_or_else(|| ColumnError::new(column, format!("{atom} is not a string")))?;
            values.extend(read(text).map_err(|why| ColumnError::new(column, why))?);
        }
        Ok(values)
    }

    /// A set of row ids, sorted.
    pub(crate) fn uuids(&self, column: &'static str) -> Result<Vec<Uuid>, ColumnError> {
        let atoms = self.atoms(column).iter();
        atoms
            .map(|atom| {
                atom.as_uuid()
                    .ok_or_else(|| ColumnError::new(column, format!("{atom} is not a uuid")))
            })
            .collect()
    }

    /// A row id that must be there.
    pub(crate) fn uuid(&self, column: &'static str) -> Result<Uuid, ColumnError> {
        let uuids = self.uuids(column)?;
        let first = uuids.first().copied();
        first.ok_or_else(|| ColumnError::new(column, "is empty or missing"))
    }

    /// The value of a key in a map of strings.
    pub(crate) fn entry(
        &self,
        column: &'static str,
        key: &str,
    ) -> Result<Option<&'a Arc<str>>, ColumnError> {
        let Some(datum) = self.datum(column) else {
            return Ok(None);
        };
        if !datum.atoms().is_empty() {
            return Err(ColumnError::new(column, "is not a map"));
        }
        let pairs = datum.pairs().iter();
        let mut values = pairs.filter(|(name, _)| name.as_str() == Some(key));
        let Some((_, value)) = values.next() else {
            return Ok(None);
        };
        text(value)
            .map(Some)
            .ok_or_else(|| ColumnError::new(column, format!("key {key}: {value} is not a string")))
    }

    /// The pairs of a map of strings.
    pub(crate) fn pairs(
        &self,
        column: &'static str,
    ) -> Result<impl Iterator<Item = (&'a str, &'a str)>, ColumnError> {
        let datum = self.datum(column);
        if datum.is_some_and(|datum| !datum.atoms().is_empty()) {
            return Err(ColumnError::new(column, "is not a map"));
        }
        let pairs = datum.map_or(&[][..], Datum::pairs).iter();
        Ok(pairs.filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?))))
    }

    /// A map's value, which must parse if it is there.
    pub(crate) fn word<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
        key: &str,
    ) -> Result<Option<T>, ColumnError> {
        Ok(self.words(column, key)?.into_iter().next())
    }

    /// The addresses of a DHCP option (ovn-nb(5)): one, or several as `{a, b}`.
    pub(crate) fn addresses<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
        key: &str,
    ) -> Result<Vec<T>, ColumnError> {
        let text = self.entry(column, key)?.map_or("", |text| text).trim();
        let inner = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'));
        let words = inner.unwrap_or(text).split([',', ' ']);
        words
            .filter(|word| !word.is_empty())
            .map(|word| {
                word.parse()
                    .map_err(|e| ColumnError::new(column, format!("key {key}: '{word}': {e}")))
            })
            .collect()
    }

    /// A subnet, or an address that stands for itself alone.
    pub(crate) fn address_or_subnet(&self, column: &'static str) -> Result<IpNet, ColumnError> {
        let text = self.string(column)?;
        match text.parse::<IpAddr>() {
            Ok(ip) => Ok(ip.into()),
            Err(_) => parse(column, text),
        }
    }

    /// The words of a map's value, each of which must parse.
    pub(crate) fn words<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
        key: &str,
    ) -> Result<Vec<T>, ColumnError> {
        let words = self.entry(column, key)?.map_or("", |text| text);
        words
            .split_whitespace()
            .map(|word| {
                word.parse()
                    .map_err(|e| ColumnError::new(column, format!("key {key}: '{word}': {e}")))
            })
            .collect()
    }

    fn single<T>(
        &self,
        column: &'static str,
        read: impl Fn(&'a Atom) -> Option<T>,
        what: &str,
    ) -> Result<Option<T>, ColumnError> {
        match self.atoms(column) {
            [] => Ok(None),
            [atom] => read(atom)
                .map(Some)
                .ok_or_else(|| ColumnError::new(column, format!("{atom} is not {what}"))),
            _ => Err(ColumnError::new(column, "has more than one value")),
        }
    }

    fn atoms(&self, column: &str) -> &'a [Atom] {
        self.datum(column).map_or(&[], Datum::atoms)
    }

    fn datum(&self, column: &str) -> Option<&'a Datum> {
        let index = self.columns.iter().position(|name| *name == column)?;
        self.row.get(index)
    }
}

/// The text of an atom, shared.
fn text(atom: &Atom) -> Option<&Arc<str>> {
    match atom {
        Atom::String(text) => Some(text),
        _ => None,
    }
}

fn parse<T: FromStr<Err: Display>>(column: &'static str, text: &str) -> Result<T, ColumnError> {
    text.parse()
        .map_err(|e| ColumnError::new(column, format!("'{text}': {e}")))
}
