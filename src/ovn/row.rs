//! Reading the columns of one row, with errors that name the column.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;
use uuid::Uuid;

/// A row that was left out because it does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table} {uuid}: column {column}: {why}; the row is left out")]
pub struct RowProblem {
    pub table: &'static str,
    pub uuid: Uuid,
    pub column: &'static str,
    pub why: String,
}

/// Why one column does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnError {
    pub(crate) column: &'static str,
    pub(crate) why: String,
}

impl ColumnError {
    fn new(column: &'static str, why: impl Into<String>) -> Self {
        Self {
            column,
            why: why.into(),
        }
    }

    /// Adds which row it was.
    pub fn of(self, table: &'static str, uuid: Uuid) -> RowProblem {
        RowProblem {
            table,
            uuid,
            column: self.column,
            why: self.why,
        }
    }
}

/// The columns of a row in RFC 7047 notation. A column that the server lacks reads as empty.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    row: &'a serde_json::Map<String, Value>,
}

impl<'a> Reader<'a> {
    /// Reads from a `<row>` of RFC 7047 section 5.1.
    pub fn new(row: &'a serde_json::Map<String, Value>) -> Self {
        Self { row }
    }

    pub(crate) fn string(&self, column: &'static str) -> Result<&'a str, ColumnError> {
        self.optional_string(column)?
            .ok_or_else(|| ColumnError::new(column, "is empty or missing"))
    }

    pub(crate) fn optional_string(
        &self,
        column: &'static str,
    ) -> Result<Option<&'a str>, ColumnError> {
        self.single(column, Value::as_str, "a string")
    }

    pub(crate) fn optional_bool(&self, column: &'static str) -> Result<Option<bool>, ColumnError> {
        self.single(column, Value::as_bool, "a boolean")
    }

    pub(crate) fn optional_u16(&self, column: &'static str) -> Result<Option<u16>, ColumnError> {
        let number = |v: &Value| v.as_i64().and_then(|n| u16::try_from(n).ok());
        self.single(column, number, "an integer in 0–65535")
    }

    pub(crate) fn optional_u32(&self, column: &'static str) -> Result<Option<u32>, ColumnError> {
        let number = |v: &Value| v.as_i64().and_then(|n| u32::try_from(n).ok());
        self.single(column, number, "an integer in 0–4294967295")
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
        let text = self
            .optional_string(column)?
            .filter(|text| !text.is_empty());
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
        let mut uuids = Vec::new();
        for atom in self.atoms(column) {
            let text = atom
                .as_array()
                .filter(|pair| pair.first().and_then(Value::as_str) == Some("uuid"))
                .and_then(|pair| pair.get(1)?.as_str())
                .ok_or_else(|| ColumnError::new(column, format!("{atom} is not a uuid")))?;
            uuids.push(parse(column, text)?);
        }
        uuids.sort_unstable();
        Ok(uuids)
    }

    /// The value of a key in a map of strings.
    pub(crate) fn entry(
        &self,
        column: &'static str,
        key: &str,
    ) -> Result<Option<&'a str>, ColumnError> {
        for pair in self.pairs(column)? {
            let (Some(name), Some(value)) = (pair.get(0), pair.get(1)) else {
                return Err(ColumnError::new(column, "is not a map"));
            };
            if name.as_str() == Some(key) {
                let text = value.as_str();
                return text.map(Some).ok_or_else(|| {
                    ColumnError::new(column, format!("key {key}: {value} is not a string"))
                });
            }
        }
        Ok(None)
    }

    /// The words of a map's value, each of which must parse.
    pub(crate) fn words<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
        key: &str,
    ) -> Result<Vec<T>, ColumnError> {
        let words = self
            .entry(column, key)?
            .unwrap_or_default()
            .split_whitespace();
        words
            .map(|word| {
                word.parse()
                    .map_err(|e| ColumnError::new(column, format!("key {key}: '{word}': {e}")))
            })
            .collect()
    }

    fn single<T>(
        &self,
        column: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
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

    /// The atoms of a set; a lone atom is a set of one.
    fn atoms(&self, column: &'static str) -> &'a [Value] {
        let Some(value) = self.row.get(column) else {
            return &[];
        };
        match value.as_array().map(Vec::as_slice) {
            Some([Value::String(kind), Value::Array(atoms)]) if kind == "set" => atoms,
            _ => std::slice::from_ref(value),
        }
    }

    fn pairs(&self, column: &'static str) -> Result<&'a [Value], ColumnError> {
        let Some(value) = self.row.get(column) else {
            return Ok(&[]);
        };
        match value.as_array().map(Vec::as_slice) {
            Some([Value::String(kind), Value::Array(pairs)]) if kind == "map" => Ok(pairs),
            _ => Err(ColumnError::new(column, "is not a map")),
        }
    }
}

fn parse<T: FromStr<Err: Display>>(column: &'static str, text: &str) -> Result<T, ColumnError> {
    text.parse()
        .map_err(|e| ColumnError::new(column, format!("'{text}': {e}")))
}
