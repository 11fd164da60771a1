use super::*;
use bgp::wire::{Community, ExtendedCommunity, LargeCommunity};

struct OnlyHosts;

impl Lists for OnlyHosts {
    fn list(&self, name: &str) -> Option<Arc<PrefixList>> {
        (name == "hosts").then(|| Arc::new(PrefixList::host_prefixes()))
    }

    fn names(&self) -> String {
        "known: hosts".into()
    }
}

#[test]
fn a_rule_is_read_with_its_bounds() {
    let [rule] = rules("permit 172.24.0.1/16 ge 32").unwrap()[..] else {
        panic!("one rule")
    };
    assert_eq!(rule.prefix, "172.24.0.0/16".parse().unwrap());
    assert_eq!((rule.permit, rule.ge, rule.le), (true, Some(32), None));
    assert_eq!(rules("deny any").unwrap().len(), 2);
}

#[test]
fn a_rule_that_is_none_says_why() {
    for (line, why) in [
        ("allow 10.0.0.0/8", "'allow' is neither permit nor deny"),
        ("permit", "no prefix behind the first word"),
        ("permit 10.0.0/8", "'10.0.0/8' is not a prefix"),
        ("permit 10.0.0.0/8 eq 9", "'eq' is neither ge nor le"),
        ("permit 10.0.0.0/8 ge", "no prefix length behind ge"),
        ("permit 10.0.0.0/8 ge 7", "these lengths match nothing"),
        ("permit 10.0.0.0/8 le 33", "these lengths match nothing"),
        ("permit any le 8", "any has every length"),
    ] {
        assert_eq!(rules(line).unwrap_err().what, why, "{line}");
    }
}

#[test]
fn a_term_is_read_with_conditions_and_changes() {
    let term = term(
        "permit if prefix hosts and community 65000:1 graceful-shutdown set local-preference 200,community add 65000:2, large-community 1:2:3, prepend 65000 65000, extended-community rt:65000:77",
        &OnlyHosts,
    )
    .unwrap();
    assert!(term.permit);
    assert_eq!(
        term.matches,
        [
            Match::Prefix(Arc::new(PrefixList::host_prefixes())),
            Match::Community(vec![Community(0xfde8_0001), Community::GRACEFUL_SHUTDOWN]),
        ]
    );
    let large = LargeCommunity {
        global: 1,
        local1: 2,
        local2: 3,
    };
    assert_eq!(
        term.sets,
        [
            Set::LocalPref(200),
            Set::Communities {
                communities: vec![Community(0xfde8_0002)],
                additive: true
            },
            Set::LargeCommunities {
                communities: vec![large],
                additive: false
            },
            Set::Prepend(vec![Asn(65000), Asn(65000)]),
            Set::ExtendedCommunities {
                communities: vec![ExtendedCommunity([0, 2, 0xfd, 0xe8, 0, 0, 0, 77])],
                additive: false
            },
        ]
    );
}

#[test]
fn a_term_that_is_none_says_why() {
    for (line, why) in [
        ("permit prefix hosts", "'prefix' is neither 'if' nor 'set'"),
        ("permit if prefix others", "no prefix list 'others'"),
        ("permit if", "a condition is missing"),
        ("permit if weight 3", "'weight' is no condition"),
        ("permit if community 1:2:3", "'1:2:3' is no community"),
        ("permit set", "a change is missing"),
        ("permit set med", "med takes one value"),
        ("permit set med x", "'x' is no med"),
        ("permit set community add", "no value behind community"),
        ("deny set med 3", "a term that denies changes nothing"),
    ] {
        assert_eq!(term(line, &OnlyHosts).unwrap_err().what, why, "{line}");
    }
}
