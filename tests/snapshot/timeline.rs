//! Everything that an ovsdb-server told a monitor, message by message: `<database>.jsonl.gz` of a
//! timeline.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ovn_bgp_agent::ovsdb::{Change, Datum, Row};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::rows::notation;

/// The rows at the start, and then the changes of each message that has any.
pub(crate) fn messages(
    dir: &Path,
    database: &str,
    columns: impl Fn(&str) -> Option<&'static [&'static str]>,
) -> Vec<Vec<Change>> {
    let schema = schema(&dir.join("start").join(format!("{database}.db.gz")));
    let mut replica = Replica {
        schema,
        rows: BTreeMap::new(),
    };
    let text = gunzip(&dir.join(format!("{database}.jsonl.gz")));
    let lines = text.lines().map(serde_json::from_str::<Value>);
    let received = lines.filter_map(|line| line.unwrap().get("recv").cloned());
    let updates = received.filter_map(|message| {
        // The reply's third element, then those of `update3` (ovsdb-server(7) 4.1.15).
        let update = message["result"].get(2);
        update.or_else(|| message["params"].get(2)).cloned()
    });
    let messages = updates.map(|update| replica.apply(&update, &columns));
    messages.filter(|changes| !changes.is_empty()).collect()
}

struct Replica {
    schema: Value,
    rows: BTreeMap<Uuid, Arc<Row>>,
}

impl Replica {
    fn apply(
        &mut self,
        update: &Value,
        columns: impl Fn(&str) -> Option<&'static [&'static str]>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (table, rows) in update.as_object().unwrap() {
            let Some(columns) = columns(table) else {
                continue;
            };
            for (uuid, row) in rows.as_object().unwrap() {
                changes.push(self.row(table, columns, uuid.parse().unwrap(), row));
            }
        }
        changes
    }

    fn row(&mut self, table: &str, columns: &[&str], uuid: Uuid, update: &Value) -> Change {
        let (how, row) = update.as_object().unwrap().iter().next().unwrap();
        let new = match &**how {
            "initial" | "insert" => {
                notation::insertion(table, columns, uuid, row.as_object().unwrap()).new
            }
            "modify" => Some(self.modified(table, columns, uuid, row.as_object().unwrap())),
            "delete" => None,
            other => panic!("{other}"),
        };
        let old = match &new {
            Some(new) => self.rows.insert(uuid, new.clone()),
            None => self.rows.remove(&uuid),
        };
        Change {
            table: table.into(),
            uuid,
            old,
            new,
        }
    }

    /// Sets and maps change by the difference, everything else by the new value.
    fn modified(
        &self,
        table: &str,
        columns: &[&str],
        uuid: Uuid,
        difference: &Map<String, Value>,
    ) -> Arc<Row> {
        let old = &self.rows[&uuid];
        let column = |(at, name): (usize, &&str)| {
            let before = old.get(at).cloned();
            let Some(value) = difference.get(*name) else {
                return before;
            };
            let value = notation::datum(value);
            let column = &self.schema["tables"][table]["columns"][*name]["type"];
            let max = &column["max"];
            Some(
                if max == "unlimited" || max.as_i64().is_some_and(|max| max > 1) {
                    before.unwrap_or_else(|| empty_like(column)).apply(&value)
                } else {
                    value
                },
            )
        };
        Arc::new(Row::new(columns.iter().enumerate().map(column)))
    }
}

fn empty_like(column: &Value) -> Datum {
    match column.get("value") {
        Some(_) => Datum::empty_map(),
        None => Datum::empty(),
    }
}

fn schema(path: &Path) -> Value {
    let text = gunzip(path);
    let record = text.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(record.unwrap()).unwrap()
}

fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}
