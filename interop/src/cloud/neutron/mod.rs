//! What Neutron 26 (ML2/OVN) and the OVN provider of Octavia write into the Northbound database, row by row and transaction by
//! transaction: the shapes are those of `tests/fixtures/snap` and `tests/fixtures/timeline`. northd and ovn-controller, which are
//! real, write the rest (`up`, `status`, patch ports).

mod balancers;
mod networks;
mod ports;
mod routers;
mod tenants;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::ovn::Central;

pub use balancers::Forwarding;
pub use ports::{Scopes, Way};

/// Neutron's hand on the databases.
#[derive(Debug)]
pub struct Neutron {
    /// The databases and northd.
    pub central: Central,
}

impl Neutron {
    /// With distributed floating IPs (`enable_distributed_floating_ip`).
    pub fn new(central: Central) -> Result<Self> {
        let this = Self { central };
        this.distribute_fips(true)?;
        Ok(this)
    }

    /// Switches between distributed and centralised floating IPs, as Neutron's maintenance task does at its start. Rows
    /// of floating IPs change when Neutron writes them again: see [`Self::associate`].
    pub fn distribute_fips(&self, distributed: bool) -> Result<()> {
        let word = if distributed { "True" } else { "False" };
        self.transact(vec![
            json!({"op": "mutate", "table": "NB_Global", "where": [], "mutations": [
            ["external_ids", "delete", ["set", ["neutron:fip-distributed"]]],
            ["external_ids", "insert", ["map", [["neutron:fip-distributed", word]]]]]}),
        ])
    }

    /// Sets keys of a row's map column; what else is in it stays.
    fn set_keys(
        &self,
        table: &str,
        name: &str,
        column: &str,
        pairs: &[(&str, &str)],
    ) -> Result<()> {
        self.transact(vec![set_keys(table, name, column, pairs)])
    }

    fn uuid(&self, table: &str, column: &str, value: &str) -> Result<Value> {
        let row = self.row(table, column, value)?;
        Ok(row["_uuid"].clone())
    }

    fn row(&self, table: &str, column: &str, value: &str) -> Result<Value> {
        let rows = self.select(table, &json!([[column, "==", value]]))?;
        let row = rows.as_array().and_then(|rows| rows.first().cloned());
        row.with_context(|| format!("no {table} with {column} {value}"))
    }

    fn select(&self, table: &str, condition: &Value) -> Result<Value> {
        let select =
            json!(["OVN_Northbound", {"op": "select", "table": table, "where": condition}]);
        Ok(self.central.northbound.transact(&select)?[0]["rows"].clone())
    }

    fn transact(&self, operations: Vec<Value>) -> Result<()> {
        let mut transaction = vec![json!("OVN_Northbound")];
        transaction.extend(operations);
        self.central
            .northbound
            .transact(&transaction.into())
            .map(drop)
    }
}

/// The row of a table that has this name.
fn named(name: &str) -> Value {
    json!([["name", "==", name]])
}

fn set_keys(table: &str, name: &str, column: &str, pairs: &[(&str, &str)]) -> Value {
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key).collect();
    json!({"op": "mutate", "table": table, "where": named(name), "mutations": [
        [column, "delete", ["set", keys]], [column, "insert", ["map", pairs]]]})
}

fn delete_keys(table: &str, name: &str, column: &str, keys: &[&str]) -> Value {
    json!({"op": "mutate", "table": table, "where": named(name), "mutations": [[column, "delete", ["set", keys]]]})
}

/// Puts a row into, or takes it out of, a column of references of the row with this name.
fn refer(table: &str, name: &str, column: &str, how: &str, row: &Value) -> Value {
    json!({"op": "mutate", "table": table, "where": named(name), "mutations": [[column, how, row]]})
}

/// A row of the same transaction.
fn new_row(name: &str) -> Value {
    json!(["named-uuid", name])
}
