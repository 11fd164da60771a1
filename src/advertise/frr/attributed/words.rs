//! What a policy says of a route, in the words of a route map.

use bgp::wire::{Community, ExtendedCommunity};

use crate::exposure::Attributes;

/// Communities by the names that FRR shows them under (bgp_community.c), besides those of ours.
const NAMES: [(&str, u32); 9] = [
    ("internet", 0),
    ("accept-own", 0xffff_0001),
    ("route-filter-translated-v4", 0xffff_0002),
    ("route-filter-v4", 0xffff_0003),
    ("route-filter-translated-v6", 0xffff_0004),
    ("route-filter-v6", 0xffff_0005),
    ("accept-own-nexthop", 0xffff_0008),
    ("local-AS", 0xffff_ff03),
    ("no-peer", 0xffff_ff04),
];

/// The `set` lines of one entry, in one order and one spelling: what is wished and what runs can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said(Vec<String>);

impl Said {
    /// What FRR can pass of these.
    pub(super) fn of(attributes: &Attributes) -> Self {
        let mut lines = Vec::new();
        if let Some(communities) = &attributes.communities {
            let standard = communities.standard.iter().copied().map(number);
            let large = communities.large.iter().map(ToString::to_string);
            let extended = communities.extended.iter().copied();
            lines.extend(line("set community", standard.collect()));
            lines.extend(line("set large-community", large.collect()));
            let soo = extended.filter_map(site_of_origin).collect();
            lines.extend(line("set extcommunity soo", soo));
        }
        let local_pref = attributes.local_pref;
        lines.extend(local_pref.map(|n| format!("set local-preference {n}")));
        lines.extend(attributes.med.map(|n| format!("set metric {n}")));
        lines.sort_unstable();
        Self(lines)
    }

    /// The lines of an entry as they run. One that we would not write is kept, and makes a difference.
    pub(super) fn running<'a>(lines: impl Iterator<Item = &'a String>) -> Self {
        let mut lines: Vec<String> = lines.map(|line| normal(line)).collect();
        lines.sort_unstable();
        Self(lines)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn lines(&self) -> &[String] {
        &self.0
    }
}

/// Why FRR does not pass all of this on, or not to everybody, if that is so.
pub fn lost_in_frr(attributes: &Attributes) -> Option<&'static str> {
    let communities = attributes.communities.as_deref()?;
    let has = |community| communities.standard.contains(&community);
    let mut extended = communities.extended.iter();
    if has(Community::NO_ADVERTISE) {
        Some("FRR obeys no-advertise itself (bgp_backend = frr): nobody is told of the route")
    } else if has(Community::NO_EXPORT) || has(Community::NO_EXPORT_SUBCONFED) {
        Some(
            "FRR obeys no-export itself (bgp_backend = frr): its external neighbours are not told of the route; let \
             them set it, by another community",
        )
    } else if extended.any(|community| site_of_origin(*community).is_none()) {
        Some(
            "of extended communities FRR passes sites of origin alone (soo:65000:1) with bgp_backend = frr; use \
             another bgp_backend, or large communities",
        )
    } else {
        None
    }
}

fn line(words: &str, mut values: Vec<String>) -> Option<String> {
    values.sort_unstable();
    let some = !values.is_empty();
    some.then(|| format!("{words} {}", values.join(" ")))
}

/// FRR takes every community as two numbers, also those to which it gives names, which differ between versions.
fn number(Community(value): Community) -> String {
    format!("{}:{}", value >> 16, value & 0xffff)
}

/// Route targets are left out: FRR takes those of a VRF's routes for its own, and strips them when it leaks.
fn site_of_origin(ExtendedCommunity(octets): ExtendedCommunity) -> Option<String> {
    const SUBTYPE: u8 = 0x03;
    let [kind, SUBTYPE, a, b, c, d, e, f] = octets else {
        return None;
    };
    let four = u32::from_be_bytes([a, b, c, d]);
    let last = u16::from_be_bytes([e, f]);
    match kind {
        0x00 => {
            let number = u32::from_be_bytes([c, d, e, f]);
            Some(format!("{}:{number}", u16::from_be_bytes([a, b])))
        }
        0x01 => Some(format!("{}:{last}", std::net::Ipv4Addr::from_bits(four))),
        // A smaller one FRR would make one of two octets.
        0x02 if four > 0xffff => Some(format!("{four}:{last}")),
        _ => None,
    }
}

/// A line in our spelling.
fn normal(text: &str) -> String {
    for words in [
        "set community",
        "set large-community",
        "set extcommunity soo",
    ] {
        let values = text
            .strip_prefix(words)
            .filter(|rest| rest.starts_with(' '));
        if let Some(values) = values {
            let values = values.split_whitespace().map(spelled).collect();
            return line(words, values).unwrap_or_default();
        }
    }
    text.to_owned()
}

fn spelled(word: &str) -> String {
    let named = NAMES.iter().find(|(name, _)| *name == word);
    let named = named.map(|(_, value)| Community(*value));
    match named.or_else(|| word.parse().ok()) {
        Some(community) => number(community),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route_settings::{RouteSettings, Setting};

    fn attributes(communities: &str) -> Attributes {
        let mut settings = RouteSettings::default();
        settings.set(Setting::Communities, communities).unwrap();
        Attributes {
            communities: settings.communities,
            ..Attributes::default()
        }
    }

    #[test]
    fn everything_that_frr_passes_has_its_line() {
        let said = Said::of(&Attributes {
            local_pref: Some(300),
            med: Some(0),
            ..attributes(
                "no-export 65000:100 65000:1:2 soo:65000:7 soo:192.0.2.1:5 soo:4200000000:9",
            )
        });
        let expected = [
            "set community 65000:100 65535:65281",
            "set extcommunity soo 192.0.2.1:5 4200000000:9 65000:7",
            "set large-community 65000:1:2",
            "set local-preference 300",
            "set metric 0",
        ];
        assert_eq!(said.lines(), expected);
    }

    #[test]
    fn an_empty_list_of_communities_says_nothing() {
        assert!(Said::of(&attributes("")).is_empty());
    }

    #[test]
    fn what_frr_shows_by_name_and_in_its_order_is_the_same() {
        // As FRR 8.4 and 10.3 show what they were told in numbers.
        let shown = [
            "set community 65000:100 graceful-shutdown accept-own route-filter-v4 llgr-stale no-llgr blackhole no-export local-AS no-peer",
            "set extcommunity soo 65000:7",
            "set metric 50",
        ]
        .map(str::to_owned);
        let wished = Said::of(&Attributes {
            med: Some(50),
            ..attributes(
                "65000:100 65535:0 65535:1 65535:3 65535:6 65535:7 65535:666 65535:65281 65535:65283 65535:65284 soo:65000:7",
            )
        });
        assert_eq!(Said::running(shown.iter()), wished);
        let additive = ["set community 65000:100 additive".to_owned()];
        assert_ne!(
            Said::running(additive.iter()),
            Said::of(&attributes("65000:100"))
        );
    }

    #[test]
    fn what_frr_does_not_pass_is_told() {
        let lost = |text| lost_in_frr(&attributes(text));
        assert_eq!(lost("65000:1 65000:1:2 soo:65000:7 blackhole"), None);
        assert_eq!(lost_in_frr(&Attributes::default()), None);
        for (text, words) in [
            ("rt:65000:7", "sites of origin"),
            ("0203000000070001", "sites of origin"),
            ("no-export", "external neighbours"),
            ("no-advertise rt:65000:7", "nobody"),
        ] {
            assert!(lost(text).unwrap().contains(words), "{text}");
        }
    }
}
