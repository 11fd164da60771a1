//! Whatever the history, the standing exposures and tenants are those of a fresh decision, and the changes add up.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Arc, Delta, Node};
use crate::exposure::southbound::tests::histories::{self, apply, start};
use crate::exposure::{Exposure, Tenant};

const VNIS: [Option<&str>; 4] = [Some("77"), Some("78"), Some("many"), None];
const ASES: [Option<&str>; 3] = [Some("65000"), Some("65001"), None];
/// The switches' ends of gateways and interfaces, wherever the edits put them.
const PORTS: [&str; 9] = [
    "lrp-gw on provider",
    "lrp-gw on other",
    "lrp-gw on tenant",
    "lrp-gw-2 on provider",
    "lrp-gw-2 on other",
    "lrp-gw-2 on tenant",
    "lrp-1 on tenant",
    "lrp-1 on provider",
    "lrp-1 on other",
];

#[derive(Clone, Debug)]
enum Edit {
    Rows(histories::Edit),
    /// Of a port, VNI and AS.
    Join(usize, usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let join = (0..PORTS.len(), 0..VNIS.len() * 2, 0..ASES.len() * 2);
    prop_oneof![
        4 => histories::edit().prop_map(Edit::Rows),
        1 => join.prop_map(|(port, vni, asn)| Edit::Join(port, vni, asn)),
    ]
}

/// Everything is of VNI 77, until an edit says otherwise.
fn node() -> Node {
    let mut node = Node::of(start());
    for port in PORTS {
        node.join(port, "77", "65000");
    }
    node
}

/// Applies an edit. Answers whether the node or the options have changed.
fn take(node: &mut Node, edit: &Edit) -> bool {
    match edit {
        Edit::Rows(edit) => apply(&mut node.cloud, edit),
        // Half of what is said is VNI 77 and AS 65000.
        Edit::Join(port, vni, asn) => {
            let vni = VNIS.get(*vni).copied().unwrap_or(VNIS[0]);
            let asn = ASES.get(*asn).copied().unwrap_or(ASES[0]);
            node.cloud.join(PORTS[*port], vni, asn);
            false
        }
    }
}

/// What the changes told so far come to.
#[derive(Default)]
struct Sum {
    exposures: BTreeSet<Arc<Exposure>>,
    tenants: BTreeMap<u32, Arc<Tenant>>,
}

impl Sum {
    fn add(&mut self, delta: Delta) {
        for exposure in &delta.removed {
            assert!(
                self.exposures.remove(exposure),
                "{exposure:?} was not there"
            );
        }
        for exposure in delta.added {
            assert!(
                self.exposures.insert(exposure.clone()),
                "{exposure:?} was there"
            );
        }
        for (vni, tenant) in delta.tenants {
            let before = match tenant {
                Some(tenant) => self.tenants.insert(vni, tenant),
                None => Some(self.tenants.remove(&vni).expect("there was such a tenant")),
            };
            assert_ne!(before.as_ref(), self.tenants.get(&vni), "{vni} changed");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn standing_decisions_equal_fresh_ones_and_changes_add_up(
        edits in proptest::collection::vec(edit(), 1..60)
    ) {
        let mut node = node();
        let mut sum = Sum::default();
        for edit in &edits {
            let look = matches!(edit, Edit::Rows(histories::Edit::Look));
            if take(&mut node, edit) {
                sum.add(node.reconsider());
            } else if look {
                // Compares.
                sum.add(node.delta());
            }
        }
        sum.add(node.delta());
        prop_assert!(node.delta().is_empty());
        let decision = node.decide();
        prop_assert_eq!(sum.exposures.into_iter().collect::<Vec<_>>(), decision.exposures);
        prop_assert_eq!(sum.tenants, decision.tenants);
    }

    #[test]
    fn every_exposure_is_of_a_tenant_that_has_its_way_in(
        edits in proptest::collection::vec(edit(), 1..40)
    ) {
        let mut node = node();
        for edit in &edits {
            take(&mut node, edit);
        }
        let decision = node.decide();
        for exposure in &decision.exposures {
            let tenant = &decision.tenants[&exposure.vni.unwrap()];
            let network = &tenant.networks[&exposure.network];
            prop_assert_eq!(Some(&network.attachment), exposure.attachment.as_ref());
            let gateway = &network.gateways[exposure.reason.gateway().unwrap()];
            prop_assert_eq!(Some(gateway.mac), exposure.mac);
            let subnet = exposure.subnet.unwrap();
            prop_assert_eq!(gateway.subnets.get(&subnet), exposure.via.as_ref());
        }
    }
}
