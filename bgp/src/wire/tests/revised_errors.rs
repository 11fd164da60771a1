//! RFC 7606: what each malformed attribute costs, from an external and from an internal peer.

use super::*;
use Outcome::{Clean, Discarded, Reset, Withdrawn};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing wrong.
    Clean,
    /// The route is announced, an attribute was dropped.
    Discarded,
    /// The route is withdrawn.
    Withdrawn,
    /// The session ends with UPDATE Message Error and this subcode.
    Reset(u8),
}

fn outcome(attributes: &[u8], options: &CodecOptions) -> Outcome {
    match read_update(&update_body(&[], attributes, &HOST), options) {
        Err(error) => {
            assert_eq!(error.notification.code, notification::code::UPDATE);
            Reset(error.notification.subcode)
        }
        Ok(update) if update.treat_as_withdraw => {
            assert_eq!(prefixes(&update, true), ["10.1.1.1/32"]);
            assert!(prefixes(&update, false).is_empty());
            assert!(!update.errors.is_empty());
            Withdrawn
        }
        Ok(update) => {
            assert_eq!(prefixes(&update, false), ["10.1.1.1/32"]);
            if update.errors.is_empty() {
                Clean
            } else {
                Discarded
            }
        }
    }
}

/// The attributes of `given` beside the mandatory ones, of which those of the same type are left out.
pub(super) fn beside_mandatory(given: &str) -> Vec<u8> {
    let given = hex(given);
    let [origin, as_path, next_hop] =
        ["400101 00", "400206 0201 0000fde9", "400304 0a000001"].map(hex);
    let mut attributes = given.clone();
    for attribute in [origin, as_path, next_hop] {
        if attribute[1] != given[1] {
            attributes.extend(attribute);
        }
    }
    attributes
}

/// Section and case, attribute, what an external and what an internal peer gets for it.
type Row = (&'static str, &'static str, Outcome, Outcome);

fn table(rows: &[Row]) {
    for (what, given, external, internal) in rows {
        for (internal_peer, expected) in [(false, external), (true, internal)] {
            let options = CodecOptions {
                internal_peer,
                ..wide()
            };
            let found = outcome(&beside_mandatory(given), &options);
            assert_eq!(
                found,
                *expected,
                "{what}, {}",
                if internal_peer {
                    "internal"
                } else {
                    "external"
                }
            );
        }
    }
}

/// Attributes that every speaker knows.
#[rustfmt::skip]
const WELL_KNOWN: &[Row] = &[
    ("7.1 origin incomplete", "400101 02", Clean, Clean),
    ("7.1 origin undefined", "400101 03", Withdrawn, Withdrawn),
    ("7.1 origin without value", "400100", Withdrawn, Withdrawn),
    ("7.1 origin of two octets", "400102 0000", Withdrawn, Withdrawn),
    ("7.1 origin marked optional", "c00101 00", Withdrawn, Withdrawn),
    ("7.1 origin marked non-transitive", "000101 00", Withdrawn, Withdrawn),
    ("7.2 empty path", "400200", Clean, Clean),
    ("7.2 unknown segment type", "400206 0501 0000fde9", Withdrawn, Withdrawn),
    ("7.2 segment type zero", "400206 0001 0000fde9", Withdrawn, Withdrawn),
    ("7.2 segment overruns", "400206 0202 0000fde9", Withdrawn, Withdrawn),
    ("7.2 segment underruns", "400207 0201 0000fde9 02", Withdrawn, Withdrawn),
    ("7.2 segment without AS", "400202 0200", Withdrawn, Withdrawn),
    ("7.2 two-octet path on a four-octet session", "400204 0201 fde9", Withdrawn, Withdrawn),
    ("RFC 7607 AS 0", "400206 0201 00000000", Withdrawn, Withdrawn),
    ("RFC 5065 confederation", "400206 0301 0000fde9", Withdrawn, Clean),
    ("7.3 next hop of three octets", "400303 0a0000", Withdrawn, Withdrawn),
    ("7.3 next hop of five octets", "400305 0a00000101", Withdrawn, Withdrawn),
    ("7.3 next hop marked optional", "c00304 0a000001", Withdrawn, Withdrawn),
    ("4271 6.3 next hop zero", "400304 00000000", Withdrawn, Withdrawn),
    ("4271 6.3 next hop loopback", "400304 7f000001", Withdrawn, Withdrawn),
    ("4271 6.3 next hop multicast", "400304 e0000005", Withdrawn, Withdrawn),
    ("7.5 local preference", "400504 00000064", Discarded, Clean),
    ("7.5 local preference of three octets", "400503 000064", Discarded, Withdrawn),
    ("7.5 local preference marked optional", "c00504 00000064", Discarded, Withdrawn),
    ("7.6 atomic aggregate", "400600", Clean, Clean),
    ("7.6 atomic aggregate with a value", "400601 00", Discarded, Discarded),
    ("3 c atomic aggregate marked optional", "c00600", Withdrawn, Withdrawn),
];

#[test]
fn well_known_attributes() {
    table(WELL_KNOWN);
}

/// Attributes that we know.
#[rustfmt::skip]
const OPTIONAL: &[Row] = &[
    ("7.4 med", "800404 00000001", Clean, Clean),
    ("7.4 med of three octets", "800403 000001", Withdrawn, Withdrawn),
    ("7.4 med marked transitive", "c00404 00000001", Withdrawn, Withdrawn),
    ("7.7 aggregator", "c00708 0000fde9 0a000001", Clean, Clean),
    ("7.7 aggregator of six octets", "c00706 fde9 0a000001", Discarded, Discarded),
    ("RFC 7607 aggregator of AS 0", "c00708 00000000 0a000001", Discarded, Discarded),
    ("7.8 communities", "c00808 fde90001 fde90002", Clean, Clean),
    ("7.8 communities partial", "e00804 fde90001", Clean, Clean),
    ("7.8 communities empty", "c00800", Withdrawn, Withdrawn),
    ("7.8 communities of five octets", "c00805 fde9000100", Withdrawn, Withdrawn),
    ("7.9 originator", "800904 0a000001", Discarded, Clean),
    ("7.9 originator of five octets", "800905 0a00000100", Discarded, Withdrawn),
    ("7.10 cluster list", "800a04 0a000001", Discarded, Clean),
    ("7.10 cluster list empty", "800a00", Discarded, Withdrawn),
    ("7.10 cluster list of three octets", "800a03 0a0000", Discarded, Withdrawn),
    ("7.14 extended communities", "c01008 0002fde900000001", Clean, Clean),
    ("7.14 extended communities empty", "c01000", Withdrawn, Withdrawn),
    ("7.14 extended communities of seven octets", "c01007 0002fde9000000", Withdrawn, Withdrawn),
    ("7.15 IPv6 extended communities of 19 octets", "c01913 00000000000000000000000000000000000000", Withdrawn, Withdrawn),
    ("RFC 8092 large communities", "c0200c 00000001 00000002 00000003", Clean, Clean),
    ("RFC 8092 large communities empty", "c02000", Withdrawn, Withdrawn),
    ("RFC 8092 large communities of eleven octets", "c0200b 00000001 00000002 000003", Withdrawn, Withdrawn),
    ("RFC 6793 AS4_PATH on a four-octet session", "c01106 0201 00011170", Discarded, Discarded),
    ("RFC 8669 prefix SID", "c02807 01 0004 00000000", Discarded, Discarded),
];

#[test]
fn optional_attributes() {
    table(OPTIONAL);
}

/// Attributes that we do not know.
#[rustfmt::skip]
const UNKNOWN: &[Row] = &[
    ("transitive", "c0f003 010203", Clean, Clean),
    ("non-transitive", "80f003 010203", Clean, Clean),
    ("well-known", "40f003 010203", Reset(2), Reset(2)),
    ("extended length for a short value", "d0f00003 010203", Clean, Clean),
];

#[test]
fn unknown_attributes() {
    table(UNKNOWN);
}

#[test]
fn unknown_transitive_attributes_are_kept_and_marked_partial() {
    let mut attributes = mandatory();
    attributes.extend(hex("c0f003 010203 80f101 00"));
    let update = read_update(&update_body(&[], &attributes, &HOST), &wide())
        .unwrap()
        .update;
    let kept = UnknownAttribute {
        flags: 0xe0,
        code: 0xf0,
        value: vec![1, 2, 3].into(),
    };
    assert_eq!(update.attributes.unwrap().unknown, [kept]);
}

/// §3 d.
#[test]
fn each_mandatory_attribute_is_missed() {
    for missing in [1_u8, 2, 3] {
        let all = [
            hex("400101 00"),
            hex("400206 0201 0000fde9"),
            hex("400304 0a000001"),
        ];
        let attributes: Vec<u8> = all
            .into_iter()
            .filter(|attribute| attribute[1] != missing)
            .flatten()
            .collect();
        let update = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap();
        assert!(update.treat_as_withdraw);
        assert_eq!(
            (update.errors[0].subcode, &update.errors[0].data[..]),
            (3, &[missing][..])
        );
    }
}

/// §3 g.
#[test]
fn of_two_equal_attributes_the_first_one_holds() {
    let mut attributes = mandatory();
    attributes.extend(hex("800404 00000001 800404 00000002"));
    let update = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap();
    assert_eq!(update.errors[0].disposition, Disposition::Discard);
    assert_eq!(update.update.attributes.unwrap().med, Some(1));
    assert!(!update.treat_as_withdraw);
}

/// §3 g.
#[test]
fn multiprotocol_attributes_twice_end_the_session() {
    for twice in [
        "800f03 000201 800f03 000201",
        "800e05 0002010000 800e05 0002010000",
    ] {
        let error = read_update(&update_body(&[], &hex(twice), &[]), &wide());
        match error {
            Err(error) => assert_eq!(
                (error.notification.code, error.notification.subcode),
                (3, 1)
            ),
            Ok(update) => panic!("{update:?}"),
        }
    }
}

/// §3 h: the strongest of several.
#[test]
fn the_strongest_disposition_wins() {
    assert_eq!(
        outcome(&beside_mandatory("400601 00 400103 000000"), &wide()),
        Withdrawn
    );
    assert_eq!(
        outcome(&beside_mandatory("400103 000000 40f000"), &wide()),
        Reset(2)
    );
}

/// §3 i, j.
#[test]
fn prefixes_that_cannot_be_read_end_the_session() {
    for (withdrawn, nlri) in [
        ("21 0a010101 01", ""),
        ("20 0a01", ""),
        ("", "21 0a010101 01"),
        ("", "20 0a01"),
        ("", "ff"),
    ] {
        let error = read_update(
            &update_body(&hex(withdrawn), &mandatory(), &hex(nlri)),
            &wide(),
        )
        .unwrap_err();
        assert_eq!(
            (error.notification.code, error.notification.subcode),
            (3, 10),
            "{withdrawn}/{nlri}"
        );
    }
}

/// §4: the attribute length leaves the field; the NLRI are found by the total length.
#[test]
fn an_attribute_that_overruns_withdraws() {
    for tail in ["800405 00000001", "8004", "80", "d0f0 00", "d0f0 ffff 00"] {
        let mut attributes = mandatory();
        attributes.extend(hex(tail));
        assert_eq!(outcome(&attributes, &wide()), Withdrawn, "{tail}");
    }
}

/// §3 a.
#[test]
fn lengths_beyond_the_message_end_the_session() {
    for body in ["0005 0000", "0000 0001", "ffff 0000", "0000 ffff 00"] {
        let error = read_update(&hex(body), &wide()).unwrap_err();
        assert_eq!(
            (error.notification.code, error.notification.subcode),
            (3, 1),
            "{body}"
        );
    }
}

/// §5.2: an error that costs routes, and no routes.
#[test]
fn an_error_without_destinations_ends_the_session() {
    let error = read_update(&update_body(&[], &hex("400101 07"), &[]), &wide()).unwrap_err();
    assert_eq!(
        (error.notification.code, error.notification.subcode),
        (3, 6)
    );
}

/// §5.3, 7.11, 7.12: nothing of the family can be located, the rest of the message can.
#[test]
fn multiprotocol_errors_disable_the_family() {
    let next_hop = "20010db8000000000000000000000001";
    for (attribute, reason) in [
        ("800e04 00020110".to_string(), "no next hop"),
        (
            format!("800e14 000201 0f {next_hop}"),
            "next hop of 15 octets",
        ),
        (format!("800e14 000201 11 {next_hop}"), "next hop overruns"),
        (
            format!("800e16 000201 10 {next_hop} 00 81"),
            "prefix of 129 bits",
        ),
        (
            format!("800e17 000201 10 {next_hop} 00 2020"),
            "prefix overruns",
        ),
        (
            "800f04 000201 81".to_string(),
            "withdrawn prefix of 129 bits",
        ),
        ("800f04 000201 20".to_string(), "withdrawn prefix overruns"),
    ] {
        let mut attributes = hex(&attribute);
        attributes.extend(mandatory());
        let update = read_update(&update_body(&[], &attributes, &HOST), &wide()).unwrap();
        let disabled: Vec<_> = update
            .disabled_families()
            .map(|(family, error)| (family, error.subcode))
            .collect();
        assert_eq!(disabled, [(Family::IPV6_UNICAST, 9)], "{reason}");
        assert_eq!(prefixes(&update, false), ["10.1.1.1/32"], "{reason}");
    }
}

/// RFC 8950 §4: the peer must not, but where its NLRI are is plain.
#[test]
fn an_ipv6_next_hop_for_ipv4_that_was_not_negotiated_withdraws() {
    let mut attributes = hex("800e19 000101 10 fd000009000000000000000000000002 00 18c00002");
    attributes.extend(mandatory());
    let body = update_body(&[], &attributes, &[]);
    let update = read_update(&body, &wide()).unwrap();
    assert!(update.treat_as_withdraw);
    assert_eq!(prefixes(&update, true), ["192.0.2.0/24"]);
    let negotiated = CodecOptions {
        extended_next_hop: [Family::IPV4_UNICAST].into(),
        ..wide()
    };
    let update = read_update(&body, &negotiated).unwrap();
    assert!(!update.treat_as_withdraw);
    assert_eq!(prefixes(&update, false), ["192.0.2.0/24"]);
}

#[test]
fn a_multiprotocol_attribute_without_a_family_ends_the_session() {
    for attribute in ["800e00", "800e02 0002", "800f02 0002"] {
        let error = read_update(&update_body(&[], &hex(attribute), &[]), &wide()).unwrap_err();
        assert_eq!(
            (error.notification.code, error.notification.subcode),
            (3, 9)
        );
    }
}

/// §3 c: the destinations are read all the same.
#[test]
fn multiprotocol_attributes_with_wrong_flags_withdraw() {
    let mut attributes = hex("c00e1a 000201 10 20010db8000000000000000000000001 00 20 20010db8");
    attributes.extend(hex("400101 00 400206 0201 0000fde9"));
    let update = read_update(&update_body(&[], &attributes, &[]), &wide()).unwrap();
    assert!(update.treat_as_withdraw);
    assert_eq!(prefixes(&update, true), ["2001:db8::/32"]);
}
