//! The databases in `tests/fixtures/snap`, and what is expected of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ovn_bgp_agent::exposure::Decision;
use serde_json::Value;

/// The directory of each.
pub(crate) fn all() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snap");
    let mut dirs: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    dirs.sort();
    dirs
}

/// What each node exposes with the NB driver and no options.
pub(crate) fn expected(dir: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(dir.join("expected.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(json["nb/default"].clone()).unwrap()
}

/// The exposed prefixes as `expected.json` writes them.
pub(crate) fn prefixes(decision: &Decision) -> BTreeSet<String> {
    decision
        .exposures
        .iter()
        .map(|e| e.prefix.to_string())
        .collect()
}
