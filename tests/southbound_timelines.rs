//! Changes that a real Neutron, northd and ovn-controllers made, for the drivers that read
//! OVN_Southbound: replayed in any batching, they end in what the last snapshot gives.

mod snapshot;

use std::path::Path;
use std::sync::Arc;

use ovn_bgp_agent::exposure::{Delta, Exposure, Node, Options, southbound, stretched_l2};
use ovn_bgp_agent::ovn::Southbound;
use ovn_bgp_agent::ovn::southbound::{Scope, Table};
use ovn_bgp_agent::ovsdb::Change;

use snapshot::{recording, rows};

#[test]
fn a_replay_in_any_batching_ends_in_what_the_last_snapshot_gives() {
    let mut compared = 0;
    for dir in snapshot::timelines() {
        let messages = messages(&dir);
        assert!(messages.len() > 10, "{}", dir.display());
        let end = dir.join("end");
        for combo in snapshot::combos(&end, "sb") {
            for (host, expected) in &combo.advertised {
                // One message at a time, everything at once, and something between.
                for batch in [1, messages.len(), 3 + compared % 17] {
                    let node = rows::node(&end, host);
                    let exposed = replay(&messages, batch, &node, &combo.options);
                    let exposed: std::collections::BTreeSet<_> =
                        exposed.iter().map(|e| e.prefix.to_string()).collect();
                    let place = format!("{} {} on {host} by {batch}", dir.display(), combo.name);
                    assert_eq!(&exposed, expected, "{place}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 60, "{compared}");
}

/// The exposures at the end. At each step they are those of a fresh decision, and the changes add up.
fn replay(
    messages: &[Vec<Change>],
    batch: usize,
    node: &Node,
    options: &Options,
) -> Vec<Arc<Exposure>> {
    let mut sb = Southbound::default();
    let mut standing = southbound::Standing::default();
    let mut stretched = stretched_l2::Standing::default();
    let (mut sum, mut stretched_sum) = (Vec::new(), Vec::new());
    for messages in messages.chunks(batch) {
        assert_eq!(sb.apply(messages.iter().flatten()), []);
        let affected = sb.take_affected();
        let inputs = southbound::Inputs {
            southbound: &sb,
            node,
            options,
        };
        add_up(&mut sum, standing.update(inputs, affected.clone()));
        assert_eq!(sum, southbound::decide(inputs).exposures);
        let inputs = stretched_l2::Inputs {
            southbound: &sb,
            options,
        };
        add_up(&mut stretched_sum, stretched.update(inputs, affected));
        assert_eq!(stretched_sum, stretched_l2::decide(inputs).exposures);
    }
    sum
}

fn add_up(sum: &mut Vec<Arc<Exposure>>, delta: Delta) {
    for gone in delta.removed {
        let place = sum.binary_search(&gone).expect("it was there");
        sum.remove(place);
    }
    sum.extend(delta.added);
    sum.sort();
}

fn messages(dir: &Path) -> Vec<Vec<Change>> {
    let messages = recording::messages(dir, "sb", |table| {
        Table::named(table)?.columns(Scope::Everything)
    });
    let changes = messages.into_iter().map(|(_, changes)| changes);
    changes.filter(|changes| !changes.is_empty()).collect()
}
