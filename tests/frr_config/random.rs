//! Whatever frr.conf says: it is taken or told, and what is taken is valid.

use proptest::prelude::*;

use super::*;

/// Words behind the ones that matter.
const WORDS: &[&str] = &[
    "in",
    "out",
    "permit",
    "deny",
    "10",
    "20",
    "external",
    "internal",
    "65001",
    "interface",
    "peer-group",
    "",
];

/// Lines that are whole as they are.
const OTHERS: &[&str] = &[
    "router bgp 65001",
    "router bgp 1 vrf x",
    "address-family ipv4 unicast",
    "address-family ipv6 unicast",
    "address-family l2vpn evpn",
    "exit",
    "exit-address-family",
    "end",
    "!",
    "no bgp default ipv4-unicast",
    "bfd",
    " profile fast",
    "  transmit-interval 5",
    " redistribute connected route-map P",
    " redistribute connected",
    "ip protocol bgp route-map P",
    "ip nht resolve-via-default",
    "interface eth0",
    " bgp listen range 192.0.2.0/24 peer-group G",
    " network 192.0.2.7/32",
    " timers bgp 0 0",
    "bgp community-list standard P permit 1:2",
    "frr defaults datacenter",
];

/// Lines of FRR's language and some that are none.
fn line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["192.0.2.1", "2001:db8::1", "eth0", "G", "H", "x y"]);
    let list = prop::sample::select(vec!["P", "Q", "any", "none", "a,b"]);
    let word = prop::sample::select(WORDS.to_vec());
    let neighbour = (name, "(remote-as|peer-group|interface|interface peer-group|password|timers|timers connect|activate|allowas-in|maximum-prefix|local-as|bfd|bfd profile|shutdown|shutdown message|ebgp-multihop|ttl-security hops|port|update-source|description|foo)", word.clone(), word.clone())
        .prop_map(|(name, what, a, b)| format!(" neighbor {name} {what} {a} {b}"));
    let filter = (
        prop::sample::select(vec!["192.0.2.1", "G", "eth0"]),
        prop::sample::select(vec!["prefix-list", "route-map"]),
        list.clone(),
        word.clone(),
    )
        .prop_map(|(name, what, list, word)| format!(" neighbor {name} {what} {list} {word}"));
    let lists = (
        prop::sample::select(vec!["ip", "ipv6"]),
        list.clone(),
        word.clone(),
        prop::sample::select(vec![
            "10.0.0.0/8 ge 9",
            "any",
            "::/0 le 64",
            "x",
            "0.0.0.0/0",
        ]),
    )
        .prop_map(|(ip, list, word, rule)| format!("{ip} prefix-list {list} {word} {rule}"));
    let maps = (list.clone(), word.clone(), word)
        .prop_map(|(list, action, seq)| format!("route-map {list} {action} {seq}"));
    let inside = (
        prop::sample::select(vec![
            "match ip address prefix-list",
            "match ipv6 address prefix-list",
            "match interface",
            "match community",
            "set metric",
            "set src",
            "set community",
            "on-match next",
            "set local-preference",
            "set as-path prepend",
        ]),
        list,
    )
        .prop_map(|(what, list)| format!(" {what} {list}"));
    let others = prop::sample::select(OTHERS.to_vec()).prop_map(str::to_owned);
    let no = prop::bool::weighted(0.1);
    (
        no,
        prop_oneof![4 => neighbour, 2 => filter, 2 => lists, 2 => maps, 2 => inside, 4 => others],
    )
        .prop_map(|(no, line)| {
            if no {
                format!("no {}", line.trim())
            } else {
                line
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_converted_or_noted(text in "(\\PC*\n){0,10}") {
        let _ = convert(&text);
    }

    #[test]
    fn convert_and_frr_config_mean_the_same(lines in prop::collection::vec(line(), 0..40)) {
        let frr = format!("router bgp 64999\n{}\n", lines.join("\n"));
        prop_assert_eq!(taken_config(&frr), converted(&frr), "{}", said(&frr));
    }
}
