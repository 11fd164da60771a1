//! Networks in VNIs: the same exposures and tenants with conditions.

use std::path::{Path, PathBuf};

use ovn_bgp_agent::exposure::{Decision, Method, Node, Options};

use crate::edits::Edits;
use crate::node::{Cloud, Filtered, decision_of_all};
use crate::{STEPS, assert_same, hosts, seed, snapshot};

/// All that is decided by networks' annotations.
fn methods(dir: &Path) -> Vec<(String, Options)> {
    let methods = [Method::Vrf, Method::L2Vni, Method::Dynamic];
    let combos = methods.map(|method| snapshot::combos_with(dir, method));
    let combos = combos.into_iter().flatten();
    combos.map(|combo| (combo.name, combo.options)).collect()
}

fn assert_same_decision(have: &Decision, want: &Decision, place: &str) {
    assert_same(&have.exposures, &want.exposures, place);
    assert_eq!(have.tenants, want.tenants, "{place}");
}

fn bgpvpn() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snap/14_bgpvpn")
}

#[test]
fn tenants_and_their_exposures_are_the_same_with_conditions() {
    let mut tenants = 0;
    for dir in snapshot::all() {
        let mut methods = methods(&dir);
        if !dir.ends_with("14_bgpvpn") {
            // No network of it is in a VNI.
            methods.retain(|(name, _)| name == "Vrf/tenant" || name == "Dynamic/tenant");
        }
        for host in hosts(&dir) {
            let node = snapshot::rows::node(&dir, &host);
            for cloud in [Cloud::northbound_only(&dir), Cloud::with_southbound(&dir)] {
                for (name, options) in &methods {
                    let mut filtered = Filtered::new(&cloud, &node, options);
                    filtered.settle(&cloud);
                    let all = decision_of_all(&cloud, &node, options);
                    let place = format!("{} on {host}, {name}", dir.display());
                    assert_same_decision(&filtered.decision(&node, options), &all, &place);
                    tenants += all.tenants.len();
                }
            }
        }
    }
    assert!(tenants > 100, "{tenants}");
}

#[test]
fn whatever_happens_tenants_follow_the_rows_alone() {
    let dir = bgpvpn();
    for host in hosts(&dir) {
        let node = snapshot::rows::node(&dir, &host);
        for (index, (name, options)) in methods(&dir).into_iter().enumerate() {
            for cloud in [Cloud::northbound_only(&dir), Cloud::with_southbound(&dir)] {
                let seed = seed(&host) + index as u64;
                history(
                    cloud,
                    &node,
                    &options,
                    seed,
                    &format!("{host}, {name}, seed {seed}"),
                );
            }
        }
    }
}

fn history(mut cloud: Cloud, node: &Node, options: &Options, seed: u64, place: &str) {
    let edits = || Edits::new(snapshot::rows::node(&bgpvpn(), "compute-2"), node, seed);
    let (mut edits, mut southbound_edits) = (edits(), edits());
    let mut filtered = Filtered::new(&cloud, node, options);
    filtered.settle(&cloud);
    for step in 0..STEPS {
        let mut said = edits.apply(&mut cloud.northbound);
        said.push(edits.annotate(&mut cloud.northbound));
        if let Some(southbound) = &mut cloud.southbound {
            said.extend(southbound_edits.apply(southbound));
        }
        filtered.settle(&cloud);
        let all = decision_of_all(&cloud, node, options);
        let place = format!("{place}, step {step}: {said:?}");
        assert_same_decision(&filtered.decision(node, options), &all, &place);
    }
    let mut fresh = Filtered::new(&cloud, node, options);
    fresh.settle(&cloud);
    assert_eq!(filtered.conditions(), fresh.conditions(), "{place}");
}

/// Who has no networks in VNIs reads nothing of them.
#[test]
fn the_underlay_does_not_ask_what_ports_are_told() {
    let dir = bgpvpn();
    let node = snapshot::rows::node(&dir, "gw-1");
    let cloud = Cloud::northbound_only(&dir);
    let columns = |method| {
        let options = Options {
            method,
            ..Options::default()
        };
        let monitor = Filtered::new(&cloud, &node, &options).monitor();
        let port = monitor.tables["Logical_Switch_Port"].columns.clone();
        let told = port.iter().any(|column| column == "dhcpv4_options");
        (told, monitor.tables.contains_key("DHCP_Options"))
    };
    assert_eq!(columns(Method::Underlay), (false, false));
    assert_eq!(columns(Method::Vrf), (true, true));
}
