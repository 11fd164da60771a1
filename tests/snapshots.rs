//! Databases that a real Neutron wrote: each node exposes exactly what `expected.json` says. Pure:
//! the database files are read here, no server runs.

mod snapshot;

use ovn_bgp_agent::exposure::northbound::{Inputs, Standing, decide};
use ovn_bgp_agent::exposure::{Node, Options};
use ovn_bgp_agent::ovn::Northbound;

use snapshot::rows::{node, northbound};

#[test]
fn every_node_exposes_what_is_expected() {
    let mut compared = 0;
    for dir in snapshot::without_balancers() {
        let nb = northbound(&dir);
        for (host, expected) in snapshot::expected(&dir) {
            let node = node(&dir, &host);
            let decision = decide(inputs(&nb, &node, &Options::default()));
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
    for dir in snapshot::without_balancers() {
        let nb = northbound(&dir);
        for host in snapshot::expected(&dir).into_keys() {
            let node = node(&dir, &host);
            let decision = decide(inputs(&nb, &node, &Options::default()));
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
    for dir in snapshot::without_balancers() {
        let mut nb = northbound(&dir);
        let affected = nb.take_affected();
        for host in snapshot::expected(&dir).into_keys() {
            let (node, options) = (node(&dir, &host), Options::default());
            let inputs = inputs(&nb, &node, &options);
            let mut standing = Standing::default();
            standing.update(inputs, affected.clone());
            let mut kept: Vec<_> = standing.exposures().cloned().collect();
            kept.sort();
            assert_eq!(kept, decide(inputs).exposures, "{}", dir.display());
        }
    }
}

fn inputs<'a>(northbound: &'a Northbound, node: &'a Node, options: &'a Options) -> Inputs<'a> {
    Inputs {
        northbound,
        southbound: None,
        node,
        options,
    }
}
