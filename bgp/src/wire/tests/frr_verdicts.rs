//! RFC 7606 as FRR judges it: the cases of its conformance suite (`tests/topotests/bgp_rfc7606_*`, facts only),
//! and what we make of the same octets. Where we part from FRR the row says why.

use super::revised_errors::beside_mandatory;
use super::*;
use Effect::{Accepted, Disabled, Dropped, Ignored, PassedOn, Withdrawn};
use Frr::{Discard as D, Reset as R, Untold as N, Withdraw as W};
use Ours::{Agree, Instead};

/// What FRR does.
#[derive(Clone, Copy, Debug)]
enum Frr {
    Withdraw,
    Discard,
    /// The session ends with UPDATE Message Error and this subcode.
    Reset(u8),
    /// Its suite does not say for this kind of peer.
    Untold,
}

/// What comes of an UPDATE with one route and the attribute; from the mildest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// The route holds, with the attribute.
    Accepted,
    /// The route holds; the attribute goes on as it came, unread.
    PassedOn,
    /// The route holds; the attribute ends here, which is no error (RFC 4271 §5).
    Ignored,
    /// The route holds; the attribute is dropped and reported.
    Dropped,
    /// The route holds; nothing more is taken from the session for the attribute's family (§5.3, AFI/SAFI disable).
    Disabled,
    /// The route is withdrawn.
    Withdrawn,
    /// The session ends with UPDATE Message Error.
    SessionReset,
}

/// How we compare.
#[derive(Clone, Copy, Debug)]
enum Ours {
    Agree,
    /// From an external peer, from an internal peer, and why.
    Instead(Effect, Effect, &'static str),
}

/// What is sent, the attribute, what FRR does with an external and an internal peer, what we do.
type Case = (&'static str, &'static str, [Frr; 2], Ours);

const UNKNOWN: &str =
    "RFC 4271 §5: not recognized here, and RFC 7606 judges only what is recognized";
const AS4: &str = "RFC 6793 §4.1: between four-octet speakers it is discarded, unread";
const EXTERNAL: &str = "§7.9, §7.10: from an external peer it is discarded, whatever its flags";
const PARTIAL: &str = "§3 c speaks of the Optional and Transitive bits, not of Partial";
const FAMILY: &str = "§7.11, §5.3: the codec leaves it to the speaker whether family or session ends; it ends the \
    session, with the subcode of RFC 4271 §6.3 for optional attributes (9), see tests/speakers/bad_input";

/// 58 rows: the route is treated as withdrawn.
#[rustfmt::skip]
const WITHDRAW: &[Case] = &[
    ("ORIGIN optional", "c00101 00", [W, W], Agree),
    ("ORIGIN partial", "600101 00", [W, W], Instead(Accepted, Accepted, PARTIAL)),
    ("ORIGIN empty", "400100", [W, W], Agree),
    ("ORIGIN of two octets", "400102 0000", [W, W], Agree),
    ("ORIGIN 3", "400101 03", [W, W], Agree),
    ("ORIGIN 4", "400101 04", [W, W], Agree),
    ("ORIGIN 255", "400101 ff", [W, W], Agree),
    ("AS_PATH optional", "c00206 02010000fde9", [W, W], Agree),
    ("AS_PATH partial", "600206 02010000fde9", [W, W], Instead(Accepted, Accepted, PARTIAL)),
    ("AS_PATH segment type 0", "400206 00010000fde9", [W, W], Agree),
    ("AS_PATH segment type 5", "400206 05010000fde9", [W, W], Agree),
    ("AS_PATH segment without AS", "400202 0200", [W, W], Agree),
    ("AS_PATH segment that overruns", "400206 02ff0000fde9", [W, W], Agree),
    ("AS_PATH with AS 0", "400206 020100000000", [W, W], Agree),
    ("NEXT_HOP zero", "400304 00000000", [W, W], Agree),
    ("NEXT_HOP loopback", "400304 7f000001", [W, W], Agree),
    ("NEXT_HOP multicast", "400304 e0000001", [W, W], Agree),
    ("MULTI_EXIT_DISC transitive", "c00404 0000000a", [W, W], Agree),
    ("MULTI_EXIT_DISC of three octets", "800403 000000", [W, W], Agree),
    ("MULTI_EXIT_DISC of five octets", "800405 000000000a", [W, W], Agree),
    ("MULTI_EXIT_DISC empty", "800400", [W, W], Agree),
    ("LOCAL_PREF of three octets", "400503 000000", [N, W], Agree),
    ("LOCAL_PREF of five octets", "400505 0000000064", [N, W], Agree),
    ("LOCAL_PREF empty", "400500", [N, W], Agree),
    ("LOCAL_PREF optional", "c00504 00000064", [N, W], Agree),
    ("COMMUNITIES non-transitive", "800804 ffff0001", [W, W], Agree),
    ("COMMUNITIES empty", "c00800", [W, W], Agree),
    ("COMMUNITIES of five octets", "c00805 ffff000100", [W, W], Agree),
    ("ORIGINATOR_ID of three octets, internal", "800903 0a0000", [N, W], Agree),
    ("ORIGINATOR_ID of five octets, internal", "800905 0a00000200", [N, W], Agree),
    ("ORIGINATOR_ID transitive", "c00904 0a000002", [W, W], Instead(Dropped, Withdrawn, EXTERNAL)),
    ("CLUSTER_LIST empty, internal", "800a00", [N, W], Agree),
    ("CLUSTER_LIST of five octets, internal", "800a05 0a00000200", [N, W], Agree),
    ("CLUSTER_LIST transitive", "c00a04 0a000002", [W, W], Instead(Dropped, Withdrawn, EXTERNAL)),
    ("EXTENDED COMMUNITIES non-transitive", "801008 0002fde900000001", [W, W], Agree),
    ("EXTENDED COMMUNITIES empty", "c01000", [W, W], Agree),
    ("EXTENDED COMMUNITIES of nine octets", "c01009 0002fde90000000100", [W, W], Agree),
    ("AS4_PATH non-transitive", "801106 020100010001", [W, W], Instead(Dropped, Dropped, AS4)),
    ("AS4_PATH segment type 0", "c01106 000100010001", [W, W], Instead(Dropped, Dropped, AS4)),
    ("PMSI_TUNNEL non-transitive", "801609 00060000000a000002", [W, W], Instead(Ignored, Ignored, UNKNOWN)),
    ("PMSI_TUNNEL of four octets", "c01604 00060000", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("PMSI_TUNNEL type 8", "c01609 00080000000a000002", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("PMSI_TUNNEL type 255", "c01609 00ff0000000a000002", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("PMSI_TUNNEL endpoint of five octets", "c0160a 00060000000a00000200", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("tunnel encapsulation non-transitive", "801704 00070000", [W, W], Instead(Ignored, Ignored, UNKNOWN)),
    ("tunnel encapsulation of three octets", "c01703 000700", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("tunnel encapsulation that overruns", "c01705 0007000401", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("tunnel encapsulation sub-TLV that overruns", "c01706 0007000401ff", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("IPv6 EXTENDED COMMUNITIES non-transitive", "801914 000220010db80000000000000000000000010001", [W, W], Agree),
    ("IPv6 EXTENDED COMMUNITIES empty", "c01900", [W, W], Agree),
    ("IPv6 EXTENDED COMMUNITIES of 21 octets", "c01915 000220010db8000000000000000000000001000100", [W, W], Agree),
    ("LARGE_COMMUNITY non-transitive", "80200c 0000fde90000000100000002", [W, W], Agree),
    ("LARGE_COMMUNITY empty", "c02000", [W, W], Agree),
    ("LARGE_COMMUNITY of 13 octets", "c0200d 0000fde9000000010000000200", [W, W], Agree),
    ("ONLY_TO_CUSTOMER non-transitive", "802304 0000fde9", [W, W], Instead(Ignored, Ignored, UNKNOWN)),
    ("ONLY_TO_CUSTOMER of three octets", "c02303 0000fd", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("ONLY_TO_CUSTOMER of five octets", "c02305 0000fde900", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("ONLY_TO_CUSTOMER 0", "c02304 00000000", [W, W], Instead(PassedOn, PassedOn, UNKNOWN)),
];

/// 26 rows: the attribute is discarded.
#[rustfmt::skip]
const DISCARD: &[Case] = &[
    ("ATOMIC_AGGREGATE with a value", "400601 00", [D, D], Agree),
    ("AGGREGATOR of five octets", "c00705 0000fde90a", [D, D], Agree),
    ("AGGREGATOR of seven octets", "c00707 0000fde90a0000", [D, D], Agree),
    ("AGGREGATOR of nine octets", "c00709 0000fde90a00000200", [D, D], Agree),
    ("AGGREGATOR with AS 0", "c00708 000000000a000002", [D, D], Agree),
    ("AS4_AGGREGATOR of seven octets", "c01207 0000fde90a0000", [D, D], Agree),
    ("AS4_AGGREGATOR of nine octets", "c01209 0000fde90a00000200", [D, D], Agree),
    ("ORIGINATOR_ID of three octets, external", "800903 0a0000", [D, N], Agree),
    ("ORIGINATOR_ID of five octets, external", "800905 0a00000200", [D, N], Agree),
    ("CLUSTER_LIST empty, external", "800a00", [D, N], Agree),
    ("CLUSTER_LIST of five octets, external", "800a05 0a00000200", [D, N], Agree),
    ("AIGP transitive", "c01a0d 01000b0000000000000000000a", [D, D], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("AIGP of an unknown type", "801a0d 09000b0000000000000000000a", [N, D], Instead(Ignored, Ignored, UNKNOWN)),
    ("AIGP TLV of a wrong length", "801a0d 0100050000000000000000000a", [N, D], Instead(Ignored, Ignored, UNKNOWN)),
    ("AIGP empty", "801a00", [N, D], Instead(Ignored, Ignored, UNKNOWN)),
    ("PREFIX_SID non-transitive", "802809 010007000000000001", [D, D], Agree),
    ("PREFIX_SID that overruns", "c02806 0100ff000000", [D, D], Agree),
    ("PREFIX_SID cut in its head", "c02802 0100", [D, D], Agree),
    ("PREFIX_SID label index empty", "c02803 010000", [D, D], Agree),
    ("BGP-LS transitive", "c01d05 0400000100", [D, D], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("BGP-LS that overruns", "801d05 040000ff00", [D, D], Instead(Ignored, Ignored, UNKNOWN)),
    ("BGP-LS cut in its head", "801d02 0400", [D, D], Instead(Ignored, Ignored, UNKNOWN)),
    ("next hop characteristics of no family", "c02708 00ff010001000100", [D, D], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("next hop characteristics that overrun", "c02707 0001010001ff00", [D, D], Instead(PassedOn, PassedOn, UNKNOWN)),
    ("type 253 non-transitive", "80fd04 deadbeef", [D, D], Instead(Ignored, Ignored, "the same: it goes no further")),
    ("type 254 transitive", "c0fe04 deadbeef", [D, D], Instead(PassedOn, PassedOn, "the same: its table notes that it must be passed on")),
];

/// Four rows: FRR resets the session, with this subcode of UPDATE Message Error.
#[rustfmt::skip]
const RESET: &[Case] = &[
    ("IPv6 next hop of nine octets", "800e17 0002010920010db80000000000004020010db800000001", [R(1), R(1)], Instead(Disabled, Disabled, FAMILY)),
    ("IPv6 next hop that overruns", "800e15 0002014020010db800000000000000000000000100", [R(1), R(1)], Instead(Disabled, Disabled, FAMILY)),
    ("MP_REACH_NLRI cut in its next hop", "800e0c 0002011020010db800000000", [R(1), R(1)], Instead(Disabled, Disabled, FAMILY)),
    ("MP_UNREACH_NLRI cut in its prefix", "800f08 0002014020010db8", [R(9), R(9)], Instead(Disabled, Disabled, FAMILY)),
];

fn options(internal_peer: bool) -> CodecOptions {
    CodecOptions {
        internal_peer,
        ..wide()
    }
}

fn effect(attributes: &[u8], code: u8, options: &CodecOptions) -> Effect {
    let Ok(decoded) = read_update(&update_body(&[], attributes, &HOST), options) else {
        return Effect::SessionReset;
    };
    if decoded.treat_as_withdraw {
        assert_eq!(prefixes(&decoded, true), ["10.1.1.1/32"]);
        assert!(prefixes(&decoded, false).is_empty());
        return Withdrawn;
    }
    assert_eq!(prefixes(&decoded, false), ["10.1.1.1/32"]);
    if decoded.disabled_families().next().is_some() {
        return Disabled;
    }
    if decoded.errors.iter().any(|error| error.code == code) {
        return Dropped;
    }
    let mut attributes = decoded.update.attributes.unwrap();
    let unknown = std::mem::take(&mut attributes.unknown);
    if unknown.iter().any(|kept| kept.code == code) {
        PassedOn
    } else if code > 3 && attributes == read_plain(options) {
        Ignored
    } else {
        Accepted
    }
}

/// What the mandatory attributes alone read as.
fn read_plain(options: &CodecOptions) -> PathAttributes {
    let update = read_update(&update_body(&[], &mandatory(), &HOST), options).unwrap();
    update.update.attributes.unwrap()
}

/// What we are to do with a case; `None` where FRR's suite says nothing and we do as it does.
fn expected(frr: Frr, ours: Ours, internal: bool) -> Option<Effect> {
    match (ours, frr) {
        (Instead(external, internal_effect, _), _) => {
            Some(if internal { internal_effect } else { external })
        }
        (Agree, W) => Some(Withdrawn),
        (Agree, D) => Some(Dropped),
        (Agree, R(_)) => Some(Effect::SessionReset),
        (Agree, N) => None,
    }
}

fn table(cases: &[Case]) {
    for (what, attribute, frr, ours) in cases {
        for (internal, frr) in [false, true].into_iter().zip(*frr) {
            let code = hex(attribute)[1];
            let found = effect(&beside_mandatory(attribute), code, &options(internal));
            if let Some(expected) = expected(frr, *ours, internal) {
                let peer = if internal { "internal" } else { "external" };
                let why = if let Instead(.., why) = ours {
                    why
                } else {
                    "as FRR"
                };
                assert_eq!(
                    found, expected,
                    "{what}, {peer} peer, FRR: {frr:?}, we: {why}"
                );
            }
        }
    }
}

#[test]
fn treated_as_withdraw_as_frr_does() {
    assert_eq!(WITHDRAW.len(), 58);
    table(WITHDRAW);
}

#[test]
fn discarded_as_frr_does() {
    assert_eq!(DISCARD.len(), 26);
    table(DISCARD);
}

#[test]
fn disabled_where_frr_resets() {
    assert_eq!(RESET.len(), 4);
    table(RESET);
    for (what, attribute, [frr, _], _) in RESET {
        let R(theirs) = frr else { panic!("{what}") };
        let body = update_body(&[], &beside_mandatory(attribute), &HOST);
        let decoded = read_update(&body, &wide()).unwrap();
        let ours: Vec<_> = decoded
            .disabled_families()
            .map(|(_, error)| error.subcode)
            .collect();
        let optional = notification::update_subcode::OPTIONAL_ATTRIBUTE;
        assert_eq!(ours, [optional], "{what}, FRR: {theirs}");
    }
}

/// A difference is a difference: where a row explains one, FRR and we do not do the same to the route.
#[test]
fn rows_that_explain_a_difference_differ() {
    for (what, _, frr, ours) in [WITHDRAW, RESET].concat() {
        if let Instead(external, internal, _) = ours {
            let same = |frr, effect| matches!((frr, effect), (W, Withdrawn) | (D, Dropped));
            assert!(
                !(same(frr[0], external) && same(frr[1], internal)),
                "{what}"
            );
        }
    }
}

/// §3 h: of two attributes in one UPDATE, in either order, the stronger verdict holds.
#[test]
fn of_any_two_the_strongest_verdict_holds() {
    let cases = [WITHDRAW, DISCARD, RESET].concat();
    for internal in [false, true] {
        let options = options(internal);
        let alone: Vec<(Vec<u8>, Effect)> = cases
            .iter()
            .map(|(_, attribute, ..)| {
                let octets = hex(attribute);
                let effect = effect(&beside_mandatory(attribute), octets[1], &options);
                (octets, effect)
            })
            .collect();
        for (one, first) in &alone {
            for (other, second) in alone.iter().filter(|(other, _)| other[1] != one[1]) {
                let mut attributes = [&one[..], other].concat();
                for mandatory in ["400101 00", "400206 0201 0000fde9", "400304 0a000001"].map(hex) {
                    if mandatory[1] != one[1] && mandatory[1] != other[1] {
                        attributes.extend(mandatory);
                    }
                }
                let code = if first >= second { one[1] } else { other[1] };
                let both = effect(&attributes, code, &options);
                assert_eq!(both, *first.max(second), "{one:02x?} and {other:02x?}");
            }
        }
    }
}
