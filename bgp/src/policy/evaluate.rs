//! What filters make of a route: whether it passes, by which term, and how that term changes it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Filter, Match, Policy, PrefixList, Set, Term};
use crate::wire::{NextHop, PathAttributes};

/// A route as filters see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// Absent where the route is about none.
    pub(crate) prefix: Option<&'a IpNet>,
    /// Absent while the session has not given it one.
    pub(crate) next_hop: Option<NextHop>,
    pub(crate) attributes: &'a PathAttributes,
    /// See [`RouteAttributes::as_network`](crate::RouteAttributes); never true of a learned route.
    pub(crate) as_network: bool,
}

/// What a filter says of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Denied,
    /// It passes as it is.
    Permitted,
    /// It passes, changed by the term at this position: routes with equal attributes that pass by the same term
    /// are equal afterwards, so the change need be made only once.
    Changed(usize),
}

impl Filter {
    /// The prefix list first, it is the cheaper one.
    pub(crate) fn judge(&self, route: &Candidate<'_>) -> Verdict {
        let passes = match route.prefix {
            Some(prefix) => self.permits(prefix) || (route.as_network && self.is_host_prefixes()),
            None => self.permits_no_prefix(),
        };
        if !passes {
            return Verdict::Denied;
        }
        match &self.policy {
            None => Verdict::Permitted,
            Some(policy) => policy.judge(route),
        }
    }

    /// Change a route as a verdict of this filter says.
    pub(crate) fn apply(
        &self,
        verdict: Verdict,
        attributes: &mut PathAttributes,
        next_hop: &mut Option<NextHop>,
    ) {
        let term = match (verdict, &self.policy) {
            (Verdict::Changed(position), Some(policy)) => policy.terms.get(position),
            _ => None,
        };
        for set in term.into_iter().flat_map(|term| &term.sets) {
            set.apply(attributes, next_hop);
        }
    }
}

impl Policy {
    fn judge(&self, route: &Candidate<'_>) -> Verdict {
        let decisive = self.terms.iter().position(|term| term.matches(route));
        match decisive.and_then(|position| Some((position, self.terms.get(position)?))) {
            Some((_, term)) if term.permit && term.sets.is_empty() => Verdict::Permitted,
            Some((position, term)) if term.permit => Verdict::Changed(position),
            _ => Verdict::Denied,
        }
    }
}

impl Term {
    fn matches(&self, route: &Candidate<'_>) -> bool {
        self.matches.iter().all(|condition| condition.holds(route))
    }
}

impl Match {
    fn holds(&self, route: &Candidate<'_>) -> bool {
        let attributes = route.attributes;
        match self {
            Self::Prefix(list) => route.prefix.is_some_and(|prefix| list.permits(prefix)),
            Self::NextHop(list) => route
                .next_hop
                .is_some_and(|next_hop| permits_address(list, next_hop)),
            Self::Community(any) => any.iter().any(|c| attributes.communities.contains(c)),
            Self::ExtendedCommunity(any) => any
                .iter()
                .any(|c| attributes.extended_communities.contains(c)),
            Self::LargeCommunity(any) => {
                any.iter().any(|c| attributes.large_communities.contains(c))
            }
            Self::AsPath(asn) => attributes.as_path.count(*asn) > 0,
            Self::Med(med) => attributes.med.unwrap_or(0) == *med,
            Self::Origin(origin) => attributes.origin == *origin,
        }
    }
}

fn permits_address(list: &PrefixList, next_hop: NextHop) -> bool {
    let address: IpAddr = match next_hop {
        NextHop::V4(address) => address.into(),
        NextHop::V6 { address, .. } => address.into(),
    };
    list.permits(&IpNet::from(address))
}

impl Set {
    fn apply(&self, attributes: &mut PathAttributes, next_hop: &mut Option<NextHop>) {
        match self {
            Self::LocalPref(value) => attributes.local_pref = Some(*value),
            Self::Med(value) => attributes.med = Some(*value),
            Self::Origin(origin) => attributes.origin = *origin,
            Self::Communities {
                communities,
                additive,
            } => assign(&mut attributes.communities, communities, *additive),
            Self::ExtendedCommunities {
                communities,
                additive,
            } => assign(&mut attributes.extended_communities, communities, *additive),
            Self::LargeCommunities {
                communities,
                additive,
            } => assign(&mut attributes.large_communities, communities, *additive),
            Self::NoCommunities => {
                attributes.communities.clear();
                attributes.extended_communities.clear();
                attributes.large_communities.clear();
            }
            Self::Prepend(asns) => {
                for asn in asns.iter().rev() {
                    attributes.as_path.prepend(*asn);
                }
            }
            Self::NextHop(address) => {
                *next_hop = Some(match address {
                    IpAddr::V4(address) => NextHop::from(*address),
                    IpAddr::V6(address) => NextHop::from(*address),
                });
            }
        }
    }
}

/// A community is on a route once, however often it is added.
fn assign<T: Copy + PartialEq>(there: &mut Vec<T>, given: &[T], additive: bool) {
    if !additive {
        there.clear();
    }
    for value in given {
        if !there.contains(value) {
            there.push(*value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wire::{AsPath, Asn, Community, LargeCommunity, Origin};

    const RED: Community = Community(0xfde9_0001);
    const BLUE: Community = Community(0xfde9_0002);

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn policy(terms: Vec<Term>) -> Filter {
        let name = "test".into();
        Filter {
            prefixes: None,
            policy: Some(Arc::new(Policy { name, terms })),
        }
    }

    fn permit(matches: Vec<Match>, sets: Vec<Set>) -> Term {
        Term {
            permit: true,
            matches,
            sets,
        }
    }

    fn red() -> PathAttributes {
        PathAttributes {
            communities: vec![RED],
            as_path: AsPath::sequence([Asn(65002), Asn(65003)]),
            med: Some(7),
            ..PathAttributes::default()
        }
    }

    fn judge(filter: &Filter, prefix: &str, attributes: &PathAttributes) -> Verdict {
        filter.judge(&Candidate {
            prefix: Some(&net(prefix)),
            next_hop: Some(NextHop::from(std::net::Ipv4Addr::new(10, 0, 0, 9))),
            attributes,
            as_network: false,
        })
    }

    fn changed(set: Set) -> (PathAttributes, Option<NextHop>) {
        let filter = policy(vec![permit(Vec::new(), vec![set])]);
        let (mut attributes, mut next_hop) = (red(), None);
        filter.apply(Verdict::Changed(0), &mut attributes, &mut next_hop);
        (attributes, next_hop)
    }

    #[test]
    fn the_first_term_whose_matches_all_hold_decides_and_no_match_denies() {
        let deny_blue = Term {
            permit: false,
            matches: vec![Match::Community(vec![BLUE])],
            sets: Vec::new(),
        };
        let hosts = Match::Prefix(Arc::new(PrefixList::host_prefixes()));
        let set = vec![Set::LocalPref(200)];
        let red_hosts = permit(vec![hosts, Match::Community(vec![BLUE, RED])], set);
        let filter = policy(vec![deny_blue, red_hosts]);
        assert_eq!(judge(&filter, "10.0.0.1/32", &red()), Verdict::Changed(1));
        assert_eq!(judge(&filter, "10.0.0.0/24", &red()), Verdict::Denied);
        let mut both = red();
        both.communities.push(BLUE);
        assert_eq!(judge(&filter, "10.0.0.1/32", &both), Verdict::Denied);
    }

    #[test]
    fn the_prefix_list_and_the_policy_both_have_to_let_it_pass() {
        let mut filter = policy(vec![permit(Vec::new(), Vec::new())]);
        filter.prefixes = Some(Arc::new(PrefixList::default_routes()));
        assert_eq!(judge(&filter, "0.0.0.0/0", &red()), Verdict::Permitted);
        assert_eq!(judge(&filter, "10.0.0.1/32", &red()), Verdict::Denied);
        filter.policy = Some(Arc::default());
        assert_eq!(judge(&filter, "0.0.0.0/0", &red()), Verdict::Denied);
    }

    #[test]
    fn every_condition_looks_at_its_own_attribute() {
        let large = LargeCommunity {
            global: 1,
            local1: 2,
            local2: 3,
        };
        let leaf = PrefixList {
            name: "leaf".into(),
            rules: vec![super::super::PrefixRule {
                permit: true,
                prefix: net("10.0.0.0/8"),
                ge: Some(32),
                le: None,
            }],
        };
        for (condition, expected) in [
            (Match::AsPath(Asn(65003)), true),
            (Match::AsPath(Asn(65009)), false),
            (Match::Med(7), true),
            (Match::Med(0), false),
            (Match::Origin(Origin::Igp), true),
            (Match::Origin(Origin::Incomplete), false),
            (Match::LargeCommunity(vec![large]), false),
            (Match::ExtendedCommunity(Vec::new()), false),
            (Match::NextHop(Arc::new(leaf)), true),
            (
                Match::NextHop(Arc::new(PrefixList::default_routes())),
                false,
            ),
        ] {
            let words = format!("{condition:?}");
            let filter = policy(vec![permit(vec![condition], Vec::new())]);
            let verdict = judge(&filter, "10.0.0.1/32", &red());
            assert_eq!(verdict == Verdict::Permitted, expected, "{words}");
        }
    }

    #[test]
    fn communities_are_added_replaced_and_dropped() {
        let set = |additive| Set::Communities {
            communities: vec![BLUE, RED],
            additive,
        };
        assert_eq!(changed(set(true)).0.communities, [RED, BLUE]);
        assert_eq!(changed(set(false)).0.communities, [BLUE, RED]);
        assert!(changed(Set::NoCommunities).0.communities.is_empty());
    }

    #[test]
    fn prepended_ases_stand_in_the_order_given() {
        let (attributes, _) = changed(Set::Prepend(vec![Asn(1), Asn(2)]));
        assert_eq!(attributes.as_path.to_string(), "1 2 65002 65003");
    }

    /// Who floods, and hosts without an address.
    #[test]
    fn what_is_about_no_prefix_passes_lists_that_permit_something_and_terms_about_something_else() {
        let attributes = red();
        let judge = |filter: &Filter| {
            filter.judge(&Candidate {
                prefix: None,
                next_hop: None,
                attributes: &attributes,
                as_network: false,
            })
        };
        let nothing = PrefixList::default();
        assert_eq!(
            judge(&Filter::prefixes(PrefixList::default_routes())),
            Verdict::Permitted
        );
        assert_eq!(judge(&Filter::prefixes(nothing)), Verdict::Denied);
        let hosts = Arc::new(PrefixList::host_prefixes());
        assert_eq!(
            judge(&policy(vec![permit(vec![Match::Prefix(hosts)], vec![])])),
            Verdict::Denied
        );
        let red = Match::Community(vec![RED]);
        assert_eq!(
            judge(&policy(vec![permit(vec![red], vec![])])),
            Verdict::Permitted
        );
    }

    #[test]
    fn a_next_hop_may_be_of_either_family() {
        let address: IpAddr = "2001:db8::7".parse().unwrap();
        let next_hop = changed(Set::NextHop(address)).1.unwrap();
        assert_eq!(next_hop.to_string(), "2001:db8::7");
    }
}
