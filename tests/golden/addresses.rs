//! `bgp_backend = frr`: what FRR is given of a node's exposures is what the Python agent gave it. The lines of FRR's configuration are
//! compared where they are made (`src/advertise/frr/leaking.rs`), the devices as `ip -d link` tells them by `tests/frr_backend_vm.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ovn_bgp_agent::advertise::frr::Leak;
use ovn_bgp_agent::config::Backend;
use ovn_bgp_agent::exposure::Exposure;
use ovn_bgp_agent::reconcile::object::{LinkKind, Route};
use ovn_bgp_agent::reconcile::ownership::Leak as Names;
use ovn_bgp_agent::reconcile::{Key, Step, Value};

use crate::{left, ours};

/// The objects with which FRR is given these exposures, on a node where every step succeeds.
pub(crate) fn given(exposures: &[Arc<Exposure>]) -> BTreeMap<Key, Value> {
    let names = Names {
        vrf: "bgp-vrf".into(),
        table: 10,
        nic: "bgp-nic".into(),
        loopback: Arc::new([]),
    };
    let mut leak = Leak::new(names, Backend::Frr);
    for exposure in exposures {
        leak.announce(exposure.prefix, Some(exposure));
    }
    let mut objects = BTreeMap::new();
    loop {
        let plan = leak.next_steps();
        if plan.steps.is_empty() {
            return objects;
        }
        for step in plan.steps {
            leak.succeeded(&step);
            match step {
                Step::Add { key, value } => objects.insert(key, value),
                other => panic!("on an empty node: {other:?}"),
            };
        }
    }
}

/// The devices, which are the same whatever is exposed; taken out of `objects`.
pub(crate) fn assert_devices(objects: &mut BTreeMap<Key, Value>) {
    let mut kind = |name: &str| {
        let name = name.into();
        match objects.remove(&Key::Link { name }) {
            Some(Value::Link(link)) if link.up => Some(link.kind),
            _ => None,
        }
    };
    assert_eq!(kind("bgp-vrf"), Some(LinkKind::Vrf { table: 10 }));
    assert_eq!(kind("bgp-nic"), Some(LinkKind::Dummy));
    let dev = "bgp-nic".into();
    let master = objects.remove(&Key::Master { dev });
    let expected = Value::Master {
        master: "bgp-vrf".into(),
    };
    assert_eq!(master, Some(expected));
}

/// The routes among them, in the words of `ip route`.
pub(crate) fn routes(objects: BTreeMap<Key, Value>) -> BTreeSet<String> {
    let route = |(key, value)| match (key, value) {
        (Key::Route { prefix, table: 10 }, Value::Route(Route { dev, via })) => {
            let via = via
                .first()
                .map_or(String::new(), |via| format!("via {via} "));
            format!("{prefix} {via}dev {dev}")
        }
        other => panic!("{other:?} is no route of the VRF"),
    };
    objects.into_iter().map(route).collect()
}

#[test]
fn addresses_on_bgp_nic_are_those_the_python_agent_left_and_nothing_else_is_in_its_vrf() {
    for (left, ours) in [
        (left::NORTHBOUND, ours::northbound(&left::NORTHBOUND)),
        (left::SOUTHBOUND, ours::southbound(&left::SOUTHBOUND)),
    ] {
        let mut objects = given(&ours.exposures);
        assert_devices(&mut objects);
        let address = |key| match key {
            Key::Address { dev, address } => {
                assert_eq!(&*dev, "bgp-nic");
                address.to_string()
            }
            other => panic!("{other} is no address"),
        };
        let addresses: BTreeSet<_> = objects.into_keys().map(address).collect();
        let there = left.addresses("bgp-nic");
        assert_eq!(there.len(), 9);
        assert_eq!(addresses, there);
        assert_eq!(left.routes("10"), BTreeSet::new());
    }
}
