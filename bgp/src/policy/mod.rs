//! What may enter and leave: prefix lists, match/set policies, and which of them apply to whom.

mod evaluate;
mod prefix_list;
mod route_policy;

use std::sync::Arc;

use ipnet::IpNet;

pub(crate) use evaluate::{Candidate, Verdict};
pub use prefix_list::{PrefixList, PrefixRule};
pub use route_policy::{Match, Policy, Set, Term};

use crate::wire::Family;

/// True for an IPv4 /32 and an IPv6 /128, the only prefixes a host owns.
pub fn is_host_prefix(prefix: &IpNet) -> bool {
    prefix.prefix_len() == prefix.max_prefix_len()
}

/// What a route of one family has to pass, in one direction: both, where both are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Prefixes that pass; `None` lets all pass.
    pub prefixes: Option<Arc<PrefixList>>,
    /// What passes, and how it is changed; `None` lets all pass unchanged.
    pub policy: Option<Arc<Policy>>,
}

/// The filters of a neighbour in one direction, by family.
///
/// Only originated routes are ever offered to a neighbour: a host is no transit router, so what one peer
/// taught is not repeated to another, whatever these filters say.
///
/// Policies change neither the next hop of EVPN's routes, which is their VTEP, nor the communities that make them what
/// they are: route targets, encapsulation, Router's MAC, mobility.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// For IPv4 unicast.
    pub v4: Filter,
    /// For IPv6 unicast.
    pub v6: Filter,
    /// For EVPN: of a route of type 5 its prefix is judged, of type 2 the host's address. A route that is about no
    /// prefix passes every prefix list but one that permits nothing at all, and no term that matches prefixes.
    pub evpn: Filter,
}

impl Filter {
    /// Only what the list permits.
    pub fn prefixes(list: PrefixList) -> Self {
        Self {
            prefixes: Some(Arc::new(list)),
            policy: None,
        }
    }

    /// Whether the prefix list is [`PrefixList::host_prefixes`], whatever it is called.
    fn is_host_prefixes(&self) -> bool {
        let list = self.prefixes.as_ref();
        list.is_some_and(|list| list.rules == PrefixList::host_prefixes().rules)
    }

    /// Whether the prefix list lets pass what is about no prefix.
    fn permits_no_prefix(&self) -> bool {
        let list = self.prefixes.as_ref();
        list.is_none_or(|list| list.rules.iter().any(|rule| rule.permit))
    }

    /// Whether the prefix list lets it pass; the policy is not asked.
    pub fn permits(&self, prefix: &IpNet) -> bool {
        self.prefixes
            .as_ref()
            .is_none_or(|list| list.permits(prefix))
    }
}

impl Filters {
    /// The same filter for both families of unicast; of EVPN all passes.
    pub fn both(filter: Filter) -> Self {
        Self {
            v4: filter.clone(),
            v6: filter,
            evpn: Filter::default(),
        }
    }

    /// [`PrefixList::host_prefixes`] for both families.
    pub fn host_prefixes() -> Self {
        Self::both(Filter::prefixes(PrefixList::host_prefixes()))
    }

    /// [`PrefixList::default_routes`] for both families.
    pub fn default_routes() -> Self {
        Self::both(Filter::prefixes(PrefixList::default_routes()))
    }

    /// The filter of a family's routes.
    pub fn of(&self, family: Family) -> &Filter {
        match family {
            Family::IPV6_UNICAST => &self.v6,
            Family::L2VPN_EVPN => &self.evpn,
            _ => &self.v4,
        }
    }
}
