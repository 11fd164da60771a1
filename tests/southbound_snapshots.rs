//! Databases that a real Neutron and northd wrote, for the drivers that read OVN_Southbound: with every
//! set of options each node exposes exactly what `expected.json` says. Pure: no server runs.

mod snapshot;

use std::collections::BTreeSet;
use std::path::Path;

use ovn_bgp_agent::exposure::{Decision, southbound, stretched_l2};

use ovn_bgp_agent::ovn::southbound::Scope;
use snapshot::rows;

#[test]
fn every_node_exposes_what_is_expected_with_every_option() {
    let mut compared = 0;
    for dir in snapshot::all() {
        let sb = rows::southbound(&dir, Scope::Everything);
        for combo in snapshot::combos(&dir, "sb") {
            for (host, expected) in &combo.advertised {
                let decision = southbound::decide(southbound::Inputs {
                    southbound: &sb,
                    node: &rows::node(&dir, host),
                    options: &combo.options,
                });
                compare(&dir, &combo.name, host, &decision, expected);
                compared += 1;
            }
        }
    }
    assert_eq!(
        compared,
        (19 * 7 + 12) * 3,
        "snapshots, options and nodes compared"
    );
}

#[test]
fn every_node_stretches_what_is_expected_with_every_option() {
    let mut compared = 0;
    for dir in snapshot::all() {
        let sb = rows::southbound(&dir, Scope::Everything);
        for combo in snapshot::combos(&dir, "stretched") {
            for (host, expected) in &combo.advertised {
                let decision = stretched_l2::decide(stretched_l2::Inputs {
                    southbound: &sb,
                    options: &combo.options,
                });
                compare(&dir, &combo.name, host, &decision, expected);
                compared += 1;
            }
        }
    }
    assert_eq!(
        compared,
        (19 + 3) * 3,
        "snapshots, options and nodes compared"
    );
}

fn compare(dir: &Path, combo: &str, host: &str, decision: &Decision, expected: &BTreeSet<String>) {
    let exposed = snapshot::prefixes(decision);
    let difference: Vec<_> = exposed.symmetric_difference(expected).collect();
    assert!(
        difference.is_empty(),
        "{} {combo} on {host}: {difference:?}\nexposed {:#?}\nwithheld {:#?}",
        dir.display(),
        decision.exposures,
        decision.withheld,
    );
    for withheld in &decision.withheld {
        let both = decision.exposures.iter().find(|e| {
            (e.prefix, &e.port, e.kind) == (withheld.prefix, &withheld.port, withheld.kind)
        });
        // Behind several gateways an address may be exposed through one and withheld for another.
        assert!(
            both.is_none_or(|e| e.via.is_some() || e.next_hop.is_some()),
            "{} {combo} on {host}: {withheld:?} and {both:?}",
            dir.display()
        );
    }
}
