//! Conditional monitoring: a node that asks only for the rows it needs exposes what it would with all rows.

#[path = "interest/edits.rs"]
mod edits;
#[path = "interest/node.rs"]
mod node;
#[path = "interest/server.rs"]
mod server;
mod snapshot;

use std::path::Path;

use edits::Edits;
use node::{Filtered, Whole};
use ovn_bgp_agent::exposure::{Node, Options};
use server::Server;

/// With every combination of options that some snapshot has.
fn scenes() -> Vec<(std::path::PathBuf, Vec<(String, Options)>)> {
    let scene = |dir: std::path::PathBuf| {
        let combos = snapshot::combos(&dir, "nb").into_iter();
        let options = combos.map(|combo| (combo.name, combo.options));
        (dir, options.collect())
    };
    snapshot::all().into_iter().map(scene).collect()
}

fn hosts(dir: &Path) -> Vec<String> {
    snapshot::expected(dir).into_keys().collect()
}

#[test]
fn every_node_of_every_snapshot_exposes_the_same_with_conditions() {
    let mut compared = 0;
    for (dir, combos) in scenes() {
        let server = node::northbound(&dir);
        for host in hosts(&dir) {
            let node = snapshot::rows::node(&dir, &host);
            for (name, options) in &combos {
                let mut filtered = Filtered::new(&server, &node, options);
                filtered.settle(&server);
                let whole = Whole::new(&server).exposures(&node, options);
                assert_eq!(
                    filtered.exposures(&node, options),
                    whole,
                    "{} on {host}, {name}",
                    dir.display()
                );
                compared += 1;
            }
        }
    }
    assert!(compared >= 20 * 3 * 3, "{compared} compared");
}

#[test]
fn whatever_happens_exposures_and_conditions_follow_the_rows_alone() {
    for (index, (dir, combos)) in scenes().into_iter().enumerate() {
        let hosts = hosts(&dir);
        for (number, host) in hosts.iter().enumerate() {
            let seed = (index * hosts.len() + number) as u64;
            let node = snapshot::rows::node(&dir, host);
            let (name, options) = &combos[seed as usize % combos.len()];
            let place = format!("{} on {host}, {name}, seed {seed}", dir.display());
            history(&dir, &node, options, seed, &place);
        }
    }
}

fn history(dir: &Path, node: &Node, options: &Options, seed: u64, place: &str) {
    let mut server = node::northbound(dir);
    let mut edits = Edits::new(&server, snapshot::rows::node(dir, "compute-2"), node, seed);
    let mut filtered = Filtered::new(&server, node, options);
    filtered.settle(&server);
    for step in 0..25 {
        let said = edits.apply(&mut server);
        filtered.settle(&server);
        let (have, want) = (
            filtered.exposures(node, options),
            Whole::new(&server).exposures(node, options),
        );
        let missing: Vec<_> = want.iter().filter(|e| !have.contains(e)).collect();
        let extra: Vec<_> = have.iter().filter(|e| !want.contains(e)).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{place}, step {step}: {said:?}\nmissing {missing:#?}\nextra {extra:#?}"
        );
    }
    let mut fresh = Filtered::new(&server, node, options);
    fresh.settle(&server);
    assert_eq!(filtered.conditions(), fresh.conditions(), "{place}");
}

#[test]
fn a_node_holds_few_of_the_rows() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/snap/19_kitchen_sink_centralized");
    let server = node::northbound(&dir);
    let node = snapshot::rows::node(&dir, "compute-1");
    let mut filtered = Filtered::new(&server, &node, &Options::default());
    let steps = filtered.settle(&server);
    assert!(
        filtered.rows() < server.rows.len() / 2,
        "{} of {}",
        filtered.rows(),
        server.rows.len()
    );
    assert!(steps <= 6, "{steps} steps to the fixpoint");
    assert_eq!(
        filtered.settle(&server),
        0,
        "nothing changed, so nothing is asked"
    );
}
