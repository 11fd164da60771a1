//! Recorded sessions with an OVSDB server: `nb.jsonl.gz`, `sb.jsonl.gz` of a timeline.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ovn_bgp_agent::ovsdb::{Change, Row, Schema};
use serde_json::Value;
use uuid::Uuid;

use super::rows::notation::datum;
use super::rows::records;

/// The changes of each message with its time in seconds, in their order. The first is the whole database.
/// `columns` says which of a table are monitored.
pub(crate) fn messages(
    timeline: &Path,
    database: &str,
    columns: impl Fn(&str) -> Option<&'static [&'static str]>,
) -> Vec<(f64, Vec<Change>)> {
    let start = timeline.join(format!("start/{database}.db.gz"));
    let schema: Schema = serde_json::from_str(&records(&start)[0]).unwrap();
    let mut rows = BTreeMap::new();
    let mut take = |updates: &Value| {
        let mut changes = Vec::new();
        for (table, updates) in updates.as_object().unwrap() {
            let Some(columns) = columns(table) else {
                continue;
            };
            for (uuid, update) in updates.as_object().unwrap() {
                let uuid: Uuid = uuid.parse().unwrap();
                let old: Option<Arc<Row>> = rows.remove(&uuid);
                let new = updated(&schema, table, columns, old.as_deref(), update).map(Arc::new);
                rows.extend(new.clone().map(|row| (uuid, row)));
                let table = table.as_str().into();
                changes.push(Change {
                    table,
                    uuid,
                    old,
                    new,
                });
            }
        }
        changes
    };
    let text = super::rows::unpacked(&timeline.join(format!("{database}.jsonl.gz")));
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter_map(|line: Value| {
            let message = line.get("recv")?;
            // The reply to monitor_cond_since, then update3 notifications.
            let result = message.get("result").or_else(|| message.get("params"))?;
            Some((line["t"].as_f64().unwrap(), take(result.get(2)?)))
        })
        .collect()
}

/// A row after an update, ovsdb-server(7) 4.1.14: `modify` gives sets and maps as differences.
fn updated(
    schema: &Schema,
    table: &str,
    columns: &[&str],
    old: Option<&Row>,
    update: &Value,
) -> Option<Row> {
    let (kind, cells) = update.as_object().unwrap().iter().next().unwrap();
    if kind == "delete" {
        return None;
    }
    let cell = |(at, name): (usize, &&str)| {
        let column = schema.column(table, name)?;
        let given = cells.get(*name).map(datum);
        let held = old.and_then(|row| row.get(at)).cloned();
        Some(match (given, held) {
            (Some(given), Some(held)) if kind == "modify" && column.is_composite() => {
                held.apply(&given)
            }
            (Some(given), _) => given,
            (None, Some(held)) => held,
            (None, None) => column.default_datum(),
        })
    };
    Some(Row::new(columns.iter().enumerate().map(cell)))
}
