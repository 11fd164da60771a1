//! Which instances take a route, without asking each.

use std::collections::BTreeMap;

use super::instance::{Import, Instance, Vni};
use crate::hash::AddressMap;
use crate::wire::evpn::RouteTarget;

/// What RFC 8365 §5.1.2.1 adds to a VNI in a target derived of it: type 1 in the three bits after the first.
const RFC_8365: u32 = 0x1000_0000;

/// The instances by what they import: a route has a few targets, a node may have thousands of instances.
pub(super) struct Importers {
    targets: AddressMap<RouteTarget, Vec<Vni>>,
    derived: BTreeMap<Vni, Vec<Vni>>,
}

impl Importers {
    pub(super) fn of<'a>(instances: impl Iterator<Item = (Vni, &'a Instance)>) -> Self {
        let mut importers = Self {
            targets: AddressMap::default(),
            derived: BTreeMap::new(),
        };
        for (vni, instance) in instances {
            for import in &instance.import {
                let slot = match *import {
                    Import::Target(target) => importers.targets.entry(target).or_default(),
                    Import::Derived(of) => importers.derived.entry(of).or_default(),
                };
                slot.push(vni);
            }
        }
        importers
    }

    /// Those that take a route with these targets, each once, sorted: see [`Instance::takes`].
    pub(super) fn taking(&self, targets: &[RouteTarget]) -> Vec<Vni> {
        let mut taking = Vec::new();
        for target in targets {
            taking.extend(self.targets.get(target).into_iter().flatten());
            let RouteTarget::As(_, number) = *target else {
                continue;
            };
            for of in [Some(number), number.checked_sub(RFC_8365)] {
                let importing = of.and_then(|of| Some((of, self.derived.get(&of)?)));
                // Which numbers an AS leaves room for is the rule's to say.
                let importing = importing.filter(|(of, _)| Import::Derived(*of).takes(*target));
                taking.extend(importing.into_iter().flat_map(|(_, vnis)| vnis));
            }
        }
        taking.sort_unstable();
        taking.dedup();
        taking
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::evpn::Kind;
    use crate::wire::evpn::RouteDistinguisher;

    fn target() -> impl Strategy<Value = RouteTarget> {
        let number = prop_oneof![0..6_u32, (RFC_8365..RFC_8365 + 6), any::<u32>()];
        prop_oneof![
            (any::<u16>(), number).prop_map(|(asn, number)| RouteTarget::As(asn, number)),
            (0..3_u32, 0..3_u16).prop_map(|(asn, number)| RouteTarget::LongAs(asn, number)),
            (0..3_u16).prop_map(|n| RouteTarget::Address([192, 0, 2, 1].into(), n)),
        ]
    }

    fn instance() -> impl Strategy<Value = Instance> {
        let import = prop_oneof![
            target().prop_map(Import::Target),
            (0..6_u32).prop_map(Import::Derived)
        ];
        let import = proptest::collection::btree_set(import, 0..4);
        import.prop_map(|import| Instance {
            rd: RouteDistinguisher([0; 8]),
            vtep: [192, 0, 2, 1].into(),
            export: BTreeSet::new(),
            import,
            kind: Kind::Bridged,
        })
    }

    proptest! {
        #[test]
        fn who_takes_a_route_is_what_each_instance_says(
            instances in proptest::collection::btree_map(1..9_u32, instance(), 0..6),
            targets in proptest::collection::vec(target(), 0..4),
        ) {
            let all = || instances.iter().map(|(vni, instance)| (*vni, instance));
            let expected: Vec<Vni> = all()
                .filter(|(_, instance)| instance.takes(&targets))
                .map(|(vni, _)| vni)
                .collect();
            prop_assert_eq!(Importers::of(all()).taking(&targets), expected);
        }
    }
}
