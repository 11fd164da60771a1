//! Whatever the history, the standing exposures and tenants are those of a fresh decision.

use proptest::prelude::*;

use super::{ENABLED, Node};
use crate::exposure::southbound::tests::histories::{self, apply, start};

const ROUTERS: [&str; 3] = ["router", "router-2", "provider"];
const PORTS: [&str; 7] = [
    "lrp-gw",
    "lrp-gw-2",
    "lrp-1",
    "cr-lrp-gw",
    "cr-lrp-gw-2",
    "p0",
    "p1",
];
const PREFIXES: [&str; 4] = ["10.0.0.0/24", "10.0.0.5/32", "fd00::/64", "0.0.0.0/0"];
const OPTIONS: [&[(&str, &str)]; 3] = [
    &[ENABLED],
    &[],
    &[ENABLED, ("dynamic-routing-redistribute-local-only", "true")],
];
const VNIS: [Option<&str>; 4] = [Some("77"), Some("78"), Some("x"), None];

#[derive(Clone, Debug)]
enum Edit {
    Rows(histories::Edit),
    /// Of a router, by a port, a prefix, tracking a port.
    Advertise(usize, usize, usize, Option<usize>),
    Unadvertise(usize, usize, usize),
    Routing(usize, usize),
    Join(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let route = || (0..ROUTERS.len(), 0..3usize, 0..PREFIXES.len());
    prop_oneof![
        5 => histories::edit().prop_map(Edit::Rows),
        3 => (route(), proptest::option::of(0..PORTS.len()))
            .prop_map(|((r, p, n), t)| Edit::Advertise(r, p, n, t)),
        1 => route().prop_map(|(r, p, n)| Edit::Unadvertise(r, p, n)),
        1 => (0..PORTS.len(), 0..OPTIONS.len()).prop_map(|(p, o)| Edit::Routing(p, o)),
        1 => (0..PORTS.len(), 0..VNIS.len()).prop_map(|(p, v)| Edit::Join(p, v)),
    ]
}

/// Everything has dynamic routing, until an edit says otherwise.
fn node() -> Node {
    let mut node = Node::of(start());
    for port in PORTS {
        node.cloud.route_by(port, OPTIONS[0]);
    }
    for router in &ROUTERS[..2] {
        node.cloud.advertise(router, "lrp-gw", PREFIXES[0], None);
    }
    node
}

/// Applies an edit. Answers whether the node or the options have changed.
fn take(node: &mut Node, edit: &Edit) -> bool {
    let cloud = &mut node.cloud;
    match edit {
        Edit::Rows(edit) => return apply(cloud, edit),
        Edit::Advertise(router, port, prefix, tracked) => {
            let tracked = tracked.map(|at| PORTS[at]);
            cloud.advertise(ROUTERS[*router], PORTS[*port], PREFIXES[*prefix], tracked);
        }
        Edit::Unadvertise(router, port, prefix) => {
            cloud.unadvertise(ROUTERS[*router], PORTS[*port], PREFIXES[*prefix]);
        }
        Edit::Routing(port, options) => cloud.route_by(PORTS[*port], OPTIONS[*options]),
        Edit::Join(port, vni) => cloud.join(PORTS[*port], VNIS[*vni], None),
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn standing_decisions_equal_fresh_ones(edits in proptest::collection::vec(edit(), 1..60)) {
        let mut node = node();
        for edit in &edits {
            let look = matches!(edit, Edit::Rows(histories::Edit::Look));
            if take(&mut node, edit) {
                node.reconsider();
            } else if look {
                // Compares.
                node.delta();
            }
        }
        node.delta();
        prop_assert!(node.delta().is_empty());
    }

    #[test]
    fn a_prefix_of_a_router_is_exposed_once_and_always_has_a_way(
        edits in proptest::collection::vec(edit(), 1..40)
    ) {
        let mut node = node();
        for edit in &edits {
            take(&mut node, edit);
        }
        let decision = node.decide();
        let mut seen = std::collections::BTreeSet::new();
        for exposure in &decision.exposures {
            let router = match &exposure.reason {
                crate::exposure::Reason::AdvertisedByOvn { router, .. } => router.clone(),
                other => panic!("{other:?}"),
            };
            prop_assert!(seen.insert((router, exposure.prefix)), "{exposure:?}");
            prop_assert!(exposure.attributes.med.is_some());
            match exposure.vni {
                None => prop_assert!(exposure.next_hop.is_some() && exposure.attachment.is_none()),
                Some(vni) => {
                    let network = &decision.tenants[&vni].networks[&exposure.network];
                    prop_assert_eq!(Some(&network.attachment), exposure.attachment.as_ref());
                    prop_assert!(network.gateways.contains_key(&exposure.port));
                }
            }
        }
    }
}
