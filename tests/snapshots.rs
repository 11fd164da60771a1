//! Databases that a real Neutron wrote: each node exposes exactly what `expected.json` says. Pure:
//! the database files are read here, no server runs.

mod notation;
mod snapshot;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ovn_bgp_agent::exposure::northbound::{Inputs, Standing, decide};
use ovn_bgp_agent::exposure::{Decision, Node};
use ovn_bgp_agent::ovn::{Northbound, Vswitch, northbound, vswitch};
use ovn_bgp_agent::ovsdb::Change;
use serde_json::Value;
use uuid::Uuid;

#[test]
fn every_node_exposes_what_is_expected() {
    let mut compared = 0;
    for dir in snapshot::all() {
        let nb = northbound(&dir);
        for (host, expected) in snapshot::expected(&dir) {
            let node = node(&dir, &host);
            let decision = decide_for(&nb, &node);
            let exposed = snapshot::prefixes(&decision);
            let difference: Vec<_> = exposed.symmetric_difference(&expected).collect();
            assert!(
                difference.is_empty(),
                "{} on {host}: {difference:?}\nexpected {expected:?}\nwithheld {:#?}",
                dir.display(),
                decision.withheld,
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 15 * 3, "snapshots and nodes compared");
}

#[test]
fn no_prefix_is_both_exposed_and_withheld_for_one_port() {
    for dir in snapshot::all() {
        let nb = northbound(&dir);
        for host in snapshot::expected(&dir).into_keys() {
            let decision = decide_for(&nb, &node(&dir, &host));
            for withheld in &decision.withheld {
                let both = decision
                    .exposures
                    .iter()
                    .find(|e| e.prefix == withheld.prefix && e.port == withheld.port);
                assert_eq!(both, None, "{} on {host}: {withheld:?}", dir.display());
            }
        }
    }
}

#[test]
fn standing_exposures_equal_a_fresh_decision() {
    for dir in snapshot::all() {
        let mut nb = northbound(&dir);
        let affected = nb.take_affected();
        for host in snapshot::expected(&dir).into_keys() {
            let node = node(&dir, &host);
            let mut standing = Standing::default();
            standing.update(inputs(&nb, &node), affected.clone());
            let mut kept: Vec<_> = standing.exposures().cloned().collect();
            kept.sort();
            assert_eq!(kept, decide_for(&nb, &node).exposures, "{}", dir.display());
        }
    }
}

fn decide_for(nb: &Northbound, node: &Node) -> Decision {
    decide(inputs(nb, node))
}

fn inputs<'a>(northbound: &'a Northbound, node: &'a Node) -> Inputs<'a> {
    Inputs {
        northbound,
        southbound: None,
        node,
    }
}

fn northbound(dir: &Path) -> Northbound {
    let mut nb = Northbound::default();
    let problems = nb.apply(&insertions(&dir.join("nb.db.gz"), |table| {
        Some(northbound::Table::named(table)?.columns())
    }));
    assert_eq!(problems, [], "{}", dir.display());
    nb
}

fn node(dir: &Path, host: &str) -> Node {
    let mut vswitch = Vswitch::default();
    let path = dir.join(format!("ovs-{host}.db.gz"));
    let problems = vswitch.apply(&insertions(&path, |table| {
        Some(vswitch::Table::named(table)?.columns())
    }));
    assert_eq!(problems, [], "{}", path.display());
    let ids = vswitch.node_ids().unwrap();
    Node {
        hostname: ids.hostname.clone().unwrap_or_else(|| Arc::from(host)),
        chassis: ids.system_id.clone().unwrap(),
        mappings: ids.mappings.clone(),
    }
}

/// Rows of a standalone database file: records `OVSDB JSON <length> <sha1>` and a line of JSON; the
/// first is the schema, the others are transactions, of which a backup has one.
fn insertions(
    path: &Path,
    columns: impl Fn(&str) -> Option<&'static [&'static str]>,
) -> Vec<Change> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let records: Vec<_> = text.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(
        records.len(),
        2,
        "{}: a schema and one transaction",
        path.display()
    );
    let json: Value = serde_json::from_str(records[1]).unwrap();
    let mut changes = Vec::new();
    for (table, rows) in json.as_object().unwrap() {
        let Some(columns) = columns(table) else {
            continue;
        };
        for (uuid, row) in rows.as_object().unwrap() {
            let (uuid, row) = (uuid.parse::<Uuid>().unwrap(), row.as_object().unwrap());
            changes.push(notation::insertion(table, columns, uuid, row));
        }
    }
    changes
}
