//! Databases that a real Neutron wrote: each node exposes exactly what `expected.json` says, with every
//! combination of options. Pure: the database files are read here, no server runs.

mod snapshot;

use std::path::Path;

use ovn_bgp_agent::exposure::northbound::{Inputs, Standing, decide};
use ovn_bgp_agent::exposure::{Node, Options};
use ovn_bgp_agent::ovn::Northbound;
use ovn_bgp_agent::ovn::northbound::Affected;

use ovn_bgp_agent::ovn::southbound::Scope;
use snapshot::rows::{node, northbound, southbound};

/// Calls back with every snapshot, combination of options and node. Answers how many there were.
fn with_every_node(mut look: impl FnMut(&Case<'_>)) -> usize {
    let mut cases = 0;
    for dir in snapshot::all() {
        let nb = northbound(&dir);
        for combo in snapshot::combos(&dir, "nb") {
            for (host, expected) in &combo.advertised {
                look(&Case {
                    dir: &dir,
                    host,
                    nb: &nb,
                    node: &node(&dir, host),
                    combo: &combo,
                    expected,
                });
                cases += 1;
            }
        }
    }
    cases
}

struct Case<'a> {
    dir: &'a Path,
    host: &'a str,
    nb: &'a Northbound,
    node: &'a Node,
    combo: &'a snapshot::Combo,
    expected: &'a std::collections::BTreeSet<String>,
}

impl Case<'_> {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            northbound: self.nb,
            southbound: None,
            node: self.node,
            options: &self.combo.options,
        }
    }

    fn name(&self) -> String {
        let dir = self.dir.file_name().unwrap_or_default().to_string_lossy();
        format!("{dir} {} on {}", self.combo.name, self.host)
    }
}

#[test]
fn every_node_exposes_what_is_expected() {
    let mut wrong = Vec::new();
    let compared = with_every_node(|case| {
        let decision = decide(case.inputs());
        let exposed = snapshot::prefixes(&decision);
        for prefix in exposed.difference(case.expected) {
            let found = decision.exposures.iter();
            let why = found.filter(|e| e.prefix.to_string() == *prefix);
            let why: Vec<_> = why.map(|e| e.reason.to_string()).collect();
            wrong.push(format!("{}: {prefix} exposed: {why:?}", case.name()));
        }
        for prefix in case.expected.difference(&exposed) {
            let found = decision.withheld.iter();
            let why = found.filter(|w| w.prefix.to_string() == *prefix);
            let why: Vec<_> = why.map(|w| (w.code, &w.reason)).collect();
            wrong.push(format!("{}: {prefix} not exposed: {why:?}", case.name()));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 20 * 3 * 9, "{compared}");
}

#[test]
fn southbound_agrees_where_gateways_are() {
    for dir in snapshot::all() {
        let (nb, sb) = (northbound(&dir), southbound(&dir, Scope::Bindings));
        for combo in snapshot::combos(&dir, "nb") {
            for (host, expected) in &combo.advertised {
                let inputs = Inputs {
                    northbound: &nb,
                    southbound: Some(&sb),
                    node: &node(&dir, host),
                    options: &combo.options,
                };
                let exposed = snapshot::prefixes(&decide(inputs));
                assert_eq!(exposed, *expected, "{} {}", dir.display(), combo.name);
            }
        }
    }
}

#[test]
fn no_prefix_is_both_exposed_and_withheld_for_one_port() {
    with_every_node(|case| {
        let decision = decide(case.inputs());
        for withheld in &decision.withheld {
            let both = decision
                .exposures
                .iter()
                .find(|e| e.prefix == withheld.prefix && e.port == withheld.port);
            assert_eq!(both, None, "{}: {withheld:?}", case.name());
        }
    });
}

/// An exposure has no two rows behind it: withdrawn for one, it would be gone for both.
#[test]
fn every_exposure_is_there_once() {
    with_every_node(|case| {
        let decision = decide(case.inputs());
        for pair in decision.exposures.windows(2) {
            assert_ne!(pair[0], pair[1], "{}", case.name());
        }
    });
}

#[test]
fn standing_exposures_equal_a_fresh_decision() {
    with_every_node(|case| {
        let mut standing = Standing::default();
        let everything = Affected {
            everything: true,
            ..Affected::default()
        };
        standing.update(case.inputs(), everything);
        let mut kept: Vec<_> = standing.exposures().cloned().collect();
        kept.sort();
        assert_eq!(kept, decide(case.inputs()).exposures, "{}", case.name());
    });
}

/// Whatever reaches OVN behind a gateway has its way in.
#[test]
fn what_is_behind_a_gateway_has_a_next_hop_of_its_family_and_a_subnet() {
    let mut behind = 0;
    with_every_node(|case| {
        for exposure in decide(case.inputs()).exposures {
            let Some(via) = exposure.via else {
                assert_eq!(exposure.subnet, None);
                continue;
            };
            let subnet = exposure.subnet.unwrap();
            assert!(subnet.contains(&exposure.prefix), "{exposure:?}");
            assert_eq!(via.is_ipv4(), exposure.prefix.addr().is_ipv4());
            behind += 1;
        }
    });
    assert!(behind > 100, "{behind}");
}

/// Rows that come one by one end where they end together.
#[test]
fn rows_that_come_one_by_one_end_where_they_end_together() {
    for dir in snapshot::all() {
        let changes = snapshot::rows::northbound_rows(&dir);
        let combos = snapshot::combos(&dir, "nb");
        for combo in combos.iter().filter(|c| c.options != Options::default()) {
            let node = node(&dir, "compute-2");
            let (mut nb, mut standing) = (Northbound::default(), Standing::default());
            for change in &changes {
                assert_eq!(nb.apply([change]), []);
                let affected = nb.take_affected();
                let inputs = Inputs {
                    northbound: &nb,
                    southbound: None,
                    node: &node,
                    options: &combo.options,
                };
                standing.update(inputs, affected);
            }
            let mut kept: Vec<_> = standing.exposures().cloned().collect();
            kept.sort();
            let inputs = Inputs {
                northbound: &nb,
                southbound: None,
                node: &node,
                options: &combo.options,
            };
            assert_eq!(
                kept,
                decide(inputs).exposures,
                "{} {}",
                dir.display(),
                combo.name
            );
        }
    }
}
