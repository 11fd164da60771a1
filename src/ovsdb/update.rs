//! Decodes `<table-updates>` (RFC 7047 §4.1.6) and `<table-updates2>` (ovsdb-server(7) §4.1.14)
//! straight from the text into typed columns.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use uuid::Uuid;

use super::datum::{Datum, Text};
use super::event::Method;
use super::layout::{Layout, TableLayout};
use super::row::ROW_ID;

/// One row of one message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RowUpdate {
    pub(super) table: usize,
    pub(super) uuid: Uuid,
    pub(super) kind: RowUpdateKind,
}

/// Columns by index.
pub(super) type Patch = Vec<(usize, Datum)>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum RowUpdateKind {
    /// The whole row; columns not named have their default.
    Whole(Patch),
    /// Differences.
    Modify(Patch),
    /// The row is gone, or no longer matches.
    Delete,
}

/// What a monitor request or a notification brings.
#[derive(Debug)]
pub(super) struct Updates {
    /// True if the rows are changes since the transaction asked for, false if they are everything.
    pub(super) found: bool,
    /// The last transaction included.
    pub(super) txn: Option<Uuid>,
    pub(super) rows: Vec<RowUpdate>,
}

/// Decodes the result of a monitor request.
pub(super) fn decode_reply(
    json: &str,
    method: Method,
    layout: &Layout,
) -> Result<Updates, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(json);
    let updates = match method {
        Method::CondSince => json.deserialize_seq(SinceReply { layout })?,
        Method::Cond | Method::Plain => {
            let rows = TableUpdates { layout, method }.deserialize(&mut json)?;
            Updates {
                found: false,
                txn: None,
                rows,
            }
        }
    };
    json.end()?;
    Ok(updates)
}

/// Decodes the params of `update` (`Plain`), `update2` (`Cond`) or `update3` (`CondSince`).
/// `layout_of` knows the monitors by their identifier; the answer names the one in question.
pub(super) fn decode_notification<'a>(
    json: &str,
    method: Method,
    layout_of: impl Fn(&str) -> Option<&'a Layout>,
) -> Result<(String, Updates), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(json);
    let answer = json.deserialize_seq(Notification { method, layout_of })?;
    json.end()?;
    Ok(answer)
}

struct SinceReply<'a> {
    layout: &'a Layout,
}

impl<'de> Visitor<'de> for SinceReply<'_> {
    type Value = Updates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[found, last transaction, updates]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Updates, A::Error> {
        let short = || A::Error::custom("monitor_cond_since answers three elements");
        let found = seq.next_element()?.ok_or_else(short)?;
        let txn = seq.next_element()?.ok_or_else(short)?;
        let rows = TableUpdates {
            layout: self.layout,
            method: Method::CondSince,
        };
        let rows = seq.next_element_seed(rows)?.ok_or_else(short)?;
        Ok(Updates {
            found,
            txn: Some(txn),
            rows,
        })
    }
}

struct Notification<F> {
    method: Method,
    layout_of: F,
}

impl<'de, 'a, F: Fn(&str) -> Option<&'a Layout>> Visitor<'de> for Notification<F> {
    type Value = (String, Updates);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the params of an update")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let short = || A::Error::custom("an update needs a monitor and its rows");
        let monitor: Text<'de> = seq.next_element()?.ok_or_else(short)?;
        let txn = match self.method {
            Method::CondSince => Some(seq.next_element()?.ok_or_else(short)?),
            Method::Cond | Method::Plain => None,
        };
        let layout = (self.layout_of)(&monitor.0)
            .ok_or_else(|| A::Error::custom(format_args!("unknown monitor {:?}", monitor.0)))?;
        let rows = TableUpdates {
            layout,
            method: self.method,
        };
        let rows = seq.next_element_seed(rows)?.ok_or_else(short)?;
        Ok((
            monitor.0.into_owned(),
            Updates {
                found: true,
                txn,
                rows,
            },
        ))
    }
}

struct TableUpdates<'a> {
    layout: &'a Layout,
    method: Method,
}

impl<'de> DeserializeSeed<'de> for TableUpdates<'_> {
    type Value = Vec<RowUpdate>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TableUpdates<'_> {
    type Value = Vec<RowUpdate>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("updates by table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let (index, table) = self.layout.find(&name.0).ok_or_else(|| {
                A::Error::custom(format_args!(
                    "rows of table {:?}, which is not monitored",
                    name.0
                ))
            })?;
            map.next_value_seed(Rows {
                index,
                table,
                method: self.method,
                out: &mut out,
            })?;
        }
        Ok(out)
    }
}

struct Rows<'a> {
    index: usize,
    table: &'a TableLayout,
    method: Method,
    out: &'a mut Vec<RowUpdate>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("updates by row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(uuid) = map.next_key::<Text<'de>>()? {
            let uuid = Uuid::try_parse(&uuid.0).map_err(|_| {
                let table = &self.table.name;
                A::Error::custom(format_args!("table {table}: {:?} is not a uuid", uuid.0))
            })?;
            let kind = map.next_value_seed(OneRow {
                table: self.table,
                method: self.method,
            })?;
            self.out.push(RowUpdate {
                table: self.index,
                uuid,
                kind,
            });
        }
        Ok(())
    }
}

struct OneRow<'a> {
    table: &'a TableLayout,
    method: Method,
}

impl<'de> DeserializeSeed<'de> for OneRow<'_> {
    type Value = RowUpdateKind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneRow<'_> {
    type Value = RowUpdateKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the update of a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut kind, columns) = (None, ColumnsSeed { table: self.table });
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match (&*key.0, self.method) {
                ("new", Method::Plain)
                | ("initial" | "insert", Method::Cond | Method::CondSince) => {
                    kind = Some(RowUpdateKind::Whole(map.next_value_seed(columns)?));
                }
                ("modify", Method::Cond | Method::CondSince) => {
                    kind = Some(RowUpdateKind::Modify(map.next_value_seed(columns)?));
                }
                // `old` comes with `new` when a row was modified, and alone when it was deleted.
                ("old", Method::Plain) | ("delete", Method::Cond | Method::CondSince) => {
                    map.next_value::<IgnoredAny>()?;
                    kind = kind.or(Some(RowUpdateKind::Delete));
                }
                (other, _) => {
                    let table = &self.table.name;
                    return Err(A::Error::custom(format_args!(
                        "table {table}: update {other:?}"
                    )));
                }
            }
        }
        kind.ok_or_else(|| {
            A::Error::custom(format_args!("table {}: empty update", self.table.name))
        })
    }
}

#[derive(Clone, Copy)]
struct ColumnsSeed<'a> {
    table: &'a TableLayout,
}

impl<'de> DeserializeSeed<'de> for ColumnsSeed<'_> {
    type Value = Patch;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Patch, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ColumnsSeed<'_> {
    type Value = Patch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("columns of a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Patch, A::Error> {
        let mut patch = Vec::with_capacity(map.size_hint().unwrap_or(4));
        let table = &self.table.name;
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let name = &name.0;
            if name == ROW_ID {
                // It is asked for so that conditions may name it; the row is known by it already.
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let (index, kind) = self.table.column(name).ok_or_else(|| {
                A::Error::custom(format_args!(
                    "table {table}: column {name:?} is not monitored"
                ))
            })?;
            let datum = map.next_value_seed(kind.seed()).map_err(|error| {
                A::Error::custom(format_args!("table {table}, column {name}: {error}"))
            })?;
            patch.push((index, datum));
        }
        Ok(patch)
    }
}
