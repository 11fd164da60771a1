//! Whatever the history, what is held prefix by prefix adds up to the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use proptest::prelude::*;

use super::super::{BridgeFacts, Facts, Wiring, Wish};
use super::{BRIDGE_MAC, desired, exposure, facts, localnet, patch_port, proxying};
use crate::exposure::{Attachment, Delta, Exposure, Kind};
use crate::ovn::BridgeMappings;
use crate::reconcile::{Desired, Holder};

const PREFIXES: [&str; 6] = [
    "172.24.4.10/32",
    "172.24.4.11/32",
    "2001:db8::10/128",
    "10.0.0.5/32",
    "10.0.0.6/32",
    "10.0.0.0/24",
];

#[derive(Clone, Debug)]
enum Edit {
    Toggle(Exposure),
    Facts(Facts),
}

fn an_exposure() -> impl Strategy<Value = Exposure> {
    let choices = (0..6usize, any::<bool>(), any::<bool>(), any::<bool>());
    (choices, proptest::option::of(100..102u16)).prop_map(
        |((prefix, fip, other_bridge, pinned), vlan)| {
            let base = exposure(PREFIXES[prefix]);
            let bridge = if other_bridge { "br-vlan" } else { "br-ex" };
            let exposed = Exposure {
                kind: if fip { Kind::Fip } else { Kind::Provider },
                attachment: Some(Attachment {
                    bridge: bridge.into(),
                    vlan,
                    localnet: if fip { "provnet" } else { "provnet-2" }.into(),
                }),
                mac: base.mac.filter(|_| pinned),
                ..base
            };
            match exposed.prefix {
                // One of two gateways; where `pinned`, with its MAC.
                IpNet::V4(host) if host.addr().octets()[0] == 10 => Exposure {
                    via: Some(
                        if fip { "172.24.4.76" } else { "172.24.4.77" }
                            .parse()
                            .unwrap(),
                    ),
                    subnet: Some("10.0.0.0/24".parse().unwrap()),
                    ..exposed
                },
                IpNet::V4(_) => exposed,
                IpNet::V6(_) => proxying(exposed, &["2001:db8::"]),
            }
        },
    )
}

fn some_facts() -> impl Strategy<Value = Facts> {
    let bridge = || {
        (proptest::option::of(200..202u32), any::<(bool, bool)>()).prop_map(
            |(table, (mac, patched))| BridgeFacts {
                table,
                mac: mac.then_some(BRIDGE_MAC),
                patch_ports: patched
                    .then(|| patch_port("provnet", 5))
                    .into_iter()
                    .collect(),
            },
        )
    };
    (bridge(), bridge(), any::<bool>()).prop_map(|(ex, vlan, tagged)| Facts {
        mappings: BridgeMappings::parse("physnet1:br-ex,physnet2:br-vlan"),
        localnets: vec![localnet("physnet1", tagged.then_some(100))],
        bridges: BTreeMap::from([(Arc::from("br-ex"), ex), (Arc::from("br-vlan"), vlan)]),
        ..Facts::default()
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => an_exposure().prop_map(Edit::Toggle),
        1 => some_facts().prop_map(Edit::Facts),
    ]
}

proptest! {
    #[test]
    fn wishes_add_up_to_the_whole(edits in proptest::collection::vec(edit(), 1..40)) {
        let mut wiring = Wiring::default();
        wiring.set_facts(facts());
        let mut exposures = BTreeSet::new();
        let mut held: BTreeMap<Holder, Wish> = BTreeMap::new();
        for edit in edits {
            let wishes = match edit {
                Edit::Facts(facts) => wiring.set_facts(facts),
                Edit::Toggle(exposure) => wiring.update(&toggle(&mut exposures, exposure)),
            };
            held.extend(wishes.into_iter().map(|wish| (wish.holder, wish)));
        }
        let whole = desired(&exposures, wiring.facts());
        prop_assert_eq!(sum(&wiring, held), whole);
    }
}

fn toggle(exposures: &mut BTreeSet<Arc<Exposure>>, exposure: Exposure) -> Delta {
    let exposure = Arc::new(exposure);
    if exposures.remove(&exposure) {
        Delta {
            added: Vec::new(),
            removed: vec![exposure],
            ..Delta::default()
        }
    } else {
        exposures.insert(exposure.clone());
        Delta {
            added: vec![exposure],
            removed: Vec::new(),
            ..Delta::default()
        }
    }
}

/// What a reconciler has that was told the base and every wish.
fn sum(wiring: &Wiring, held: BTreeMap<Holder, Wish>) -> Desired {
    let mut sum = Desired {
        objects: wiring.base().into_iter().collect(),
        adverts: BTreeMap::new(),
    };
    for (holder, wish) in held {
        for (key, value) in wish.objects {
            sum.objects.entry(key).or_insert(value);
        }
        if let (Holder::Exposed(prefix), Some(advert)) = (holder, wish.advert) {
            sum.adverts.insert(prefix, advert);
        }
    }
    sum
}
