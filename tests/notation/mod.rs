//! Rows in the notation of RFC 7047 section 5.1, as database files and people write them.

use std::sync::Arc;

use ovn_bgp_agent::ovsdb::{Atom, Change, Datum, Row};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A row that appears. Of a column that it does not name, the server is taken to have none.
pub(crate) fn insertion(
    table: &str,
    columns: &[&str],
    uuid: Uuid,
    row: &Map<String, Value>,
) -> Change {
    let columns = columns.iter().map(|name| row.get(*name).map(datum));
    Change {
        table: table.into(),
        uuid,
        old: None,
        new: Some(Arc::new(Row::new(columns))),
    }
}

pub(crate) fn datum(value: &Value) -> Datum {
    match tagged(value) {
        Some(("set", Value::Array(atoms))) => Datum::set(atoms.iter().map(atom)),
        Some(("map", Value::Array(pairs))) => {
            Datum::map(pairs.iter().map(|pair| (atom(&pair[0]), atom(&pair[1]))))
        }
        _ => Datum::from(atom(value)),
    }
}

fn atom(value: &Value) -> Atom {
    match (tagged(value), value) {
        (Some(("uuid", Value::String(text))), _) => Atom::Uuid(text.parse().unwrap()),
        (None, Value::String(text)) => Atom::from(text.as_str()),
        (None, Value::Bool(truth)) => Atom::from(*truth),
        (None, Value::Number(number)) => match number.as_i64() {
            Some(integer) => Atom::from(integer),
            None => Atom::Real(number.as_f64().unwrap()),
        },
        _ => panic!("{value} is no atom"),
    }
}

fn tagged(value: &Value) -> Option<(&str, &Value)> {
    let pair = value.as_array()?;
    Some((pair.first()?.as_str()?, pair.get(1)?))
}
