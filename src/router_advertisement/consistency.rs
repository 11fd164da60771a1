//! Pure: what another router of the link says otherwise than we do (RFC 4861 §6.2.7). One of the two is set wrongly, and
//! hosts believe whom they heard last.

use std::fmt::Display;

use bgp::discovery::RouterAdvertisement;

/// Where `theirs` contradicts `ours`, for operators; `theirs` comes first in each text. Other prefixes and servers, and what
/// either leaves unspecified, are no contradiction.
pub(super) fn contradictions(
    ours: &[RouterAdvertisement],
    theirs: &RouterAdvertisement,
) -> Vec<String> {
    let Some(first) = ours.first() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let flag = |of: &RouterAdvertisement, bit: u8| u8::from(of.flags & bit != 0);
    for (name, bit) in [
        ("the managed flag (M)", RouterAdvertisement::MANAGED),
        (
            "the other-configuration flag (O)",
            RouterAdvertisement::OTHER,
        ),
    ] {
        found.extend(differ(name, flag(theirs, bit), flag(first, bit)));
    }
    // Zero is unspecified.
    let numbers = [
        (
            "Cur Hop Limit",
            theirs.hop_limit.into(),
            first.hop_limit.into(),
        ),
        (
            "Reachable Time",
            theirs.reachable_time,
            first.reachable_time,
        ),
        (
            "Retrans Timer",
            theirs.retransmit_time,
            first.retransmit_time,
        ),
        ("the MTU", theirs.mtu.unwrap_or(0), first.mtu.unwrap_or(0)),
    ];
    let specified = numbers.into_iter().filter(|(_, a, b)| *a != 0 && *b != 0);
    found.extend(specified.filter_map(|(name, a, b)| differ(name, a, b)));
    for own in ours.iter().flat_map(|packet| &packet.prefixes) {
        let same = theirs
            .prefixes
            .iter()
            .find(|other| other.prefix == own.prefix);
        let Some(other) = same else { continue };
        let name = |what: &str| format!("the {what} lifetime of {}", own.prefix);
        let valid = (name("valid"), other.valid_lifetime, own.valid_lifetime);
        let preferred = (
            name("preferred"),
            other.preferred_lifetime,
            own.preferred_lifetime,
        );
        for (name, a, b) in [valid, preferred] {
            found.extend(differ(&name, a, b));
        }
    }
    found
}

fn differ<T: PartialEq + Display>(name: &str, theirs: T, ours: T) -> Option<String> {
    (theirs != ours).then(|| format!("{name} is {theirs}, and {ours} here"))
}

#[cfg(test)]
mod tests {
    use bgp::discovery::PrefixInformation;

    use super::*;

    fn ours() -> RouterAdvertisement {
        RouterAdvertisement {
            hop_limit: 64,
            flags: RouterAdvertisement::MANAGED,
            router_lifetime: 1800,
            mtu: Some(1400),
            prefixes: vec![prefix("2001:db8:5::/64", 2_592_000)],
            ..RouterAdvertisement::default()
        }
    }

    fn prefix(prefix: &str, valid_lifetime: u32) -> PrefixInformation {
        PrefixInformation {
            prefix: prefix.parse().unwrap(),
            on_link: true,
            autonomous: false,
            valid_lifetime,
            preferred_lifetime: 604_800,
        }
    }

    #[test]
    fn what_is_the_same_or_unspecified_or_about_something_else_is_no_contradiction() {
        assert_eq!(contradictions(&[ours()], &ours()), [""; 0]);
        let vague = RouterAdvertisement {
            hop_limit: 0,
            router_lifetime: 0,
            reachable_time: 30_000,
            mtu: None,
            prefixes: vec![prefix("2001:db8:6::/64", 1)],
            ..ours()
        };
        assert_eq!(contradictions(&[ours()], &vague), [""; 0]);
    }

    #[test]
    fn every_field_that_hosts_would_get_two_answers_for_is_named() {
        let other = RouterAdvertisement {
            hop_limit: 255,
            flags: RouterAdvertisement::OTHER,
            mtu: Some(1500),
            prefixes: vec![prefix("2001:db8:5::/64", 60)],
            ..ours()
        };
        let expected = [
            "the managed flag (M) is 0, and 1 here",
            "the other-configuration flag (O) is 1, and 0 here",
            "Cur Hop Limit is 255, and 64 here",
            "the MTU is 1500, and 1400 here",
            "the valid lifetime of 2001:db8:5::/64 is 60, and 2592000 here",
        ];
        assert_eq!(contradictions(&[ours()], &other), expected);
    }
}
