//! A tenant's table on this node, and which routes belong into it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::wire::evpn::{Mac, RouteDistinguisher, RouteTarget};

/// A VXLAN Network Identifier, up to 2²⁴ − 1.
pub type Vni = u32;

/// What a tenant's table is made of on this node: an EVPN instance (RFC 7432 §3), told apart by its VNI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Makes its routes its own; each VTEP has another.
    pub rd: RouteDistinguisher,
    /// Where this node takes its traffic: the next hop of its routes.
    pub vtep: IpAddr,
    /// Put on its routes.
    pub export: BTreeSet<RouteTarget>,
    /// Which routes are taken.
    pub import: BTreeSet<Import>,
    /// Addresses that are routed, or a network that is bridged.
    pub kind: Kind,
}

/// What an instance holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IP-VRF: prefixes (type 5) and hosts that others bridge and route (type 2 with two labels, RFC 9135 §5.1).
    Routed {
        /// The inner destination of what others route to this node (RFC 9135 §8.1).
        router_mac: Mac,
    },
    /// A MAC-VRF: hosts (type 2) and who floods (type 3).
    Bridged,
}

/// A rule of what is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Import {
    /// This target.
    Target(RouteTarget),
    /// What routers of any AS derive of this VNI: where each node has its own AS, their derived targets differ in it.
    Derived(Vni),
}

impl Import {
    /// Whether it takes routes with this target.
    #[must_use]
    pub fn takes(&self, target: RouteTarget) -> bool {
        match (*self, target) {
            (Self::Target(wanted), target) => wanted == target,
            (Self::Derived(vni), RouteTarget::As(asn, _)) => {
                let asn = asn.into();
                target == RouteTarget::derived(asn, vni)
                    || target == RouteTarget::derived_by_rfc_8365(asn, vni)
            }
            (Self::Derived(_), _) => false,
        }
    }
}

impl Instance {
    /// Whether routes with these targets belong here.
    #[must_use]
    pub fn takes(&self, targets: &[RouteTarget]) -> bool {
        let mut rules = self.import.iter();
        rules.any(|rule| targets.iter().any(|target| rule.takes(*target)))
    }

    /// The inner destination of what others route here; none where frames are bridged.
    #[must_use]
    pub const fn router_mac(&self) -> Option<Mac> {
        match self.kind {
            Kind::Routed { router_mac } => Some(router_mac),
            Kind::Bridged => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_import_takes_the_vni_of_any_as_in_both_spellings() {
        let rule = Import::Derived(1001);
        for asn in [1, 65001, 4_200_000_000] {
            assert!(rule.takes(RouteTarget::derived(asn, 1001)));
            assert!(rule.takes(RouteTarget::derived_by_rfc_8365(asn, 1001)));
            assert!(!rule.takes(RouteTarget::derived(asn, 1002)));
        }
        assert!(!rule.takes(RouteTarget::LongAs(65001, 1001)));
        assert!(!rule.takes(RouteTarget::Address([192, 0, 2, 1].into(), 1001)));
    }

    #[test]
    fn a_target_is_taken_as_it_is_spelt() {
        let rule = Import::Target(RouteTarget::As(65001, 7));
        assert!(rule.takes(RouteTarget::As(65001, 7)));
        assert!(!rule.takes(RouteTarget::As(65002, 7)));
        assert!(!rule.takes(RouteTarget::LongAs(65001, 7)));
    }
}
