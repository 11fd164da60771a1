//! The rows of a database file, read without a server.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ovn_bgp_agent::exposure::Node;
use ovn_bgp_agent::ovn::southbound::{self, Scope};
use ovn_bgp_agent::ovn::{Northbound, Southbound, Vswitch, northbound, vswitch};
use ovn_bgp_agent::ovsdb::{Change, Datum, Row};
use serde_json::Value;
use uuid::Uuid;

#[path = "../notation/mod.rs"]
pub(crate) mod notation;

/// `nb.db.gz` of a snapshot.
pub(crate) fn northbound(dir: &Path) -> Northbound {
    let mut nb = Northbound::default();
    let problems = nb.apply(&northbound_rows(dir));
    assert_eq!(problems, [], "{}", dir.display());
    nb
}

/// The rows of `nb.db.gz` that a driver reads.
pub(crate) fn northbound_rows(dir: &Path) -> Vec<Change> {
    insertions(&dir.join("nb.db.gz"), |table| {
        Some(northbound::Table::named(table)?.columns())
    })
}

/// Puts every provider network into a VNI of its own.
pub(crate) fn annotate(changes: &mut [Change], kind: &str) {
    let columns = northbound::Table::Switch.columns();
    let at = columns.iter().position(|name| *name == "external_ids");
    let switches = changes.iter_mut();
    let switches = switches.filter(|c| *c.table == *northbound::Table::Switch.name());
    for change in switches {
        let Some(row) = change.new.clone() else {
            continue;
        };
        let ids = row.get(at.unwrap()).unwrap();
        let network = ids.value_str("neutron:provnet-network-type");
        // A network of several segments has no type of its own.
        if network == Some("geneve") {
            continue;
        }
        let said = ids.pairs().iter();
        let said = said.filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?)));
        let said = said.filter(|(key, _)| !key.starts_with("neutron_bgpvpn:"));
        let vni = (change.uuid.as_u128() as u32 % 0x00ff_ffff + 1).to_string();
        let ours = [("neutron_bgpvpn:type", kind), ("neutron_bgpvpn:vni", &vni)];
        let ids = Datum::map(said.chain(ours));
        let cells = (0..row.len()).map(|index| match Some(index) == at {
            true => Some(ids.clone()),
            false => row.get(index).cloned(),
        });
        change.new = Some(Arc::new(Row::new(cells)));
    }
}

/// `sb.db.gz` of a snapshot, as far as `scope` goes.
pub(crate) fn southbound(dir: &Path, scope: Scope) -> Southbound {
    let mut sb = Southbound::new(scope);
    let problems = sb.apply(&insertions(&dir.join("sb.db.gz"), |table| {
        southbound::Table::named(table)?.columns(scope)
    }));
    assert_eq!(problems, [], "{}", dir.display());
    sb
}

/// The node whose Open_vSwitch is `ovs-<host>.db.gz` of a snapshot.
pub(crate) fn node(dir: &Path, host: &str) -> Node {
    let mut vswitch = Vswitch::default();
    let path = dir.join(format!("ovs-{host}.db.gz"));
    let problems = vswitch.apply(&insertions(&path, |table| {
        Some(vswitch::Table::named(table)?.columns())
    }));
    assert_eq!(problems, [], "{}", path.display());
    Node::new(vswitch.node_ids().unwrap(), host).unwrap()
}

/// The rows of a standalone database file.
pub(crate) fn insertions(
    path: &Path,
    columns: impl Fn(&str) -> Option<&'static [&'static str]>,
) -> Vec<Change> {
    let [_schema, transaction] = records(path);
    let json: Value = serde_json::from_str(&transaction).unwrap();
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

/// The records of a standalone database file, `OVSDB JSON <length> <sha1>` and a line of JSON each: the
/// first is the schema, the others are transactions, of which a backup has one.
pub(super) fn records(path: &Path) -> [String; 2] {
    let text = unpacked(path);
    let records = text.lines().filter(|line| line.starts_with('{'));
    let records: Vec<_> = records.map(str::to_owned).collect();
    records
        .try_into()
        .unwrap_or_else(|_| panic!("{}: a schema and one transaction", path.display()))
}

pub(super) fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}
