//! Prefix lists: which prefixes pass.

use std::sync::Arc;

use ipnet::IpNet;

/// An ordered list of rules; the first that matches decides, and no match denies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixList {
    /// What the operator calls it.
    pub name: Arc<str>,
    /// In the order of their sequence numbers.
    pub rules: Vec<PrefixRule>,
}

/// One line of a prefix list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixRule {
    /// Whether a match passes.
    pub permit: bool,
    /// What must contain the candidate.
    pub prefix: IpNet,
    /// Shortest length that matches; `None` is the prefix's own, unless `le` is given.
    pub ge: Option<u8>,
    /// Longest length that matches; `None` is the prefix's own, or with `ge` the longest there is.
    pub le: Option<u8>,
}

impl PrefixRule {
    /// Whether `candidate` is one of those the rule is about.
    pub fn matches(&self, candidate: &IpNet) -> bool {
        let own = self.prefix.prefix_len();
        let (shortest, longest) = match (self.ge, self.le) {
            (None, None) => (own, own),
            (Some(ge), None) => (ge, candidate.max_prefix_len()),
            (None, Some(le)) => (own, le),
            (Some(ge), Some(le)) => (ge, le),
        };
        (shortest..=longest).contains(&candidate.prefix_len()) && self.prefix.contains(candidate)
    }
}

impl PrefixList {
    /// Only /32 and /128: a node that leaked a default or a tenant's subnet would attract the traffic of others.
    pub fn host_prefixes() -> Self {
        Self::of_both_families("host-prefixes", |longest| (Some(longest), None))
    }

    /// Only 0.0.0.0/0 and ::/0: all that a host needs to know of the fabric.
    pub fn default_routes() -> Self {
        Self::of_both_families("default-routes", |_| (None, None))
    }

    /// Every prefix of both families.
    pub fn everything() -> Self {
        Self::of_both_families("any", |longest| (None, Some(longest)))
    }

    /// Permits what is under 0.0.0.0/0 and ::/0 with such lengths: `ge` and `le`, by the longest of the family.
    fn of_both_families(name: &str, lengths: impl Fn(u8) -> (Option<u8>, Option<u8>)) -> Self {
        let any = [
            IpNet::from(ipnet::Ipv4Net::default()),
            IpNet::from(ipnet::Ipv6Net::default()),
        ];
        let rules = any.map(|prefix| {
            let (ge, le) = lengths(prefix.max_prefix_len());
            PrefixRule {
                permit: true,
                prefix,
                ge,
                le,
            }
        });
        Self {
            name: name.into(),
            rules: rules.into(),
        }
    }

    /// No prefix.
    pub fn nothing() -> Self {
        Self {
            name: "none".into(),
            rules: Vec::new(),
        }
    }

    /// Whether `candidate` passes.
    pub fn permits(&self, candidate: &IpNet) -> bool {
        let decisive = self.rules.iter().find(|rule| rule.matches(candidate));
        decisive.is_some_and(|rule| rule.permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::is_host_prefix;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn rule(permit: bool, prefix: &str, ge: Option<u8>, le: Option<u8>) -> PrefixRule {
        PrefixRule {
            permit,
            prefix: net(prefix),
            ge,
            le,
        }
    }

    #[test]
    fn the_first_match_decides_and_no_match_denies() {
        let list = PrefixList {
            name: "hosts".into(),
            rules: vec![
                rule(false, "172.24.9.0/24", Some(32), None),
                rule(true, "172.24.0.0/16", Some(32), None),
            ],
        };
        assert!(list.permits(&net("172.24.4.1/32")));
        assert!(!list.permits(&net("172.24.9.1/32")));
        assert!(!list.permits(&net("172.24.4.0/24")));
        assert!(!list.permits(&net("10.0.0.1/32")));
    }

    #[test]
    fn lengths_are_the_rules_own_unless_ge_or_le_say_otherwise() {
        let exact = rule(true, "10.0.0.0/8", None, None);
        assert!(exact.matches(&net("10.0.0.0/8")) && !exact.matches(&net("10.0.0.0/9")));
        let up_to = rule(true, "10.0.0.0/8", None, Some(24));
        assert!(up_to.matches(&net("10.0.0.0/8")) && up_to.matches(&net("10.1.1.0/24")));
        assert!(!up_to.matches(&net("10.1.1.1/32")));
        let between = rule(true, "10.0.0.0/8", Some(16), Some(24));
        assert!(!between.matches(&net("10.0.0.0/8")) && between.matches(&net("10.1.0.0/16")));
    }

    #[test]
    fn families_do_not_mix() {
        let any4 = rule(true, "0.0.0.0/0", None, Some(32));
        assert!(!any4.matches(&net("::/0")) && !any4.matches(&net("2001:db8::/32")));
    }

    #[test]
    fn the_two_lists_of_a_host() {
        let hosts = PrefixList::host_prefixes();
        assert!(hosts.permits(&net("192.0.2.1/32")) && hosts.permits(&net("2001:db8::1/128")));
        assert!(!hosts.permits(&net("2001:db8::/32")) && !hosts.permits(&net("0.0.0.0/0")));
        let defaults = PrefixList::default_routes();
        assert!(defaults.permits(&net("0.0.0.0/0")) && defaults.permits(&net("::/0")));
        assert!(!defaults.permits(&net("10.0.0.0/8")));
        assert!(is_host_prefix(&net("192.0.2.1/32")));
    }
}
