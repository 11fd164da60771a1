//! OPEN and its capabilities.

use std::net::Ipv4Addr;

use super::*;

fn open(capabilities: Vec<Capability>) -> Open {
    Open {
        asn: Asn(65001),
        hold_time: 90,
        router_id: RouterId(Ipv4Addr::new(10, 0, 0, 1)),
        capabilities,
    }
}

/// An OPEN whose optional parameters field, length included, is given.
fn read_open(parameters: &[u8]) -> Result<Open, DecodeError> {
    let mut body = hex("04 fde9 005a 0a000001");
    body.extend_from_slice(parameters);
    match read(&message(MessageType::Open, &body), &CodecOptions::default())? {
        Message::Open(open) => Ok(open),
        other => panic!("not an OPEN: {other:?}"),
    }
}

fn answer(error: &DecodeError) -> (u8, u8) {
    (error.notification.code, error.notification.subcode)
}

fn reads_back(open: &Open) -> BytesMut {
    let mut out = BytesMut::new();
    open.encode(&mut out).unwrap();
    assert_eq!(
        read(&out, &CodecOptions::default()),
        Ok(Message::Open(open.clone()))
    );
    out
}

#[test]
fn every_capability_reads_back() {
    let family = Family::IPV6_UNICAST;
    reads_back(&open(vec![
        Capability::Multiprotocol(Family::L2VPN_EVPN),
        Capability::RouteRefresh,
        Capability::ExtendedNextHop(vec![ExtendedNextHop {
            family: Family::IPV4_UNICAST,
            next_hop_afi: 2,
        }]),
        Capability::ExtendedMessage,
        Capability::GracefulRestart(GracefulRestart {
            restarting: true,
            notification: true,
            time: 4095,
            families: vec![RestartFamily {
                family,
                forwarding: true,
            }],
        }),
        Capability::FourOctetAs(Asn(65001)),
        Capability::AddPath(vec![AddPath {
            family,
            receive: true,
            send: false,
        }]),
        Capability::EnhancedRouteRefresh,
        Capability::LinkLocalNextHop,
        Capability::LongLivedGracefulRestart(vec![LongLivedFamily {
            family,
            forwarding: false,
            stale_time: 86400,
        }]),
        Capability::Fqdn {
            host: "node-1".into(),
            domain: "rack.example".into(),
        },
        Capability::Unknown {
            code: 99,
            value: vec![].into(),
        },
    ]));
}

#[test]
fn the_four_octet_number_wins_over_as_trans() {
    let open = Open {
        asn: Asn(4_200_000_000),
        ..open(vec![Capability::FourOctetAs(Asn(4_200_000_000))])
    };
    let octets = reads_back(&open);
    assert_eq!(octets[20..22], 23456_u16.to_be_bytes());
}

#[test]
fn capabilities_may_come_in_one_parameter_or_in_many() {
    let expected = vec![
        Capability::Multiprotocol(Family::IPV4_UNICAST),
        Capability::RouteRefresh,
    ];
    let one = read_open(&hex("0a 02 08 0104 00010001 0200")).unwrap();
    let many = read_open(&hex("0c 02 06 0104 00010001 02 02 0200")).unwrap();
    assert_eq!(
        (one.capabilities, many.capabilities),
        (expected.clone(), expected)
    );
}

#[test]
fn without_a_multiprotocol_capability_ipv4_is_meant() {
    assert_eq!(read_open(&[0]).unwrap().families(), [Family::IPV4_UNICAST]);
}

/// RFC 9072: both what we send above 255 octets, and the form on a short list.
#[test]
fn extended_optional_parameters_read_back() {
    let many = (0..40)
        .map(|code| Capability::Unknown {
            code: 200 + code,
            value: vec![code; 30].into(),
        })
        .collect();
    let octets = reads_back(&open(many));
    assert_eq!(octets[28..30], [255, 255]);
    let short = read_open(&hex("ff ff 0005 02 0002 0200")).unwrap();
    assert_eq!(short.capabilities, [Capability::RouteRefresh]);
    let odd_length = read_open(&hex("01 ff 0005 02 0002 0200")).unwrap();
    assert_eq!(odd_length.capabilities, [Capability::RouteRefresh]);
}

#[test]
fn capabilities_that_exceed_the_message_are_refused_whole() {
    let many = (0..200)
        .map(|_| Capability::Unknown {
            code: 200,
            value: vec![0; 200].into(),
        })
        .collect();
    let mut out = BytesMut::new();
    assert!(matches!(
        open(many).encode(&mut out),
        Err(EncodeError::TooLong { limit: 4096, .. })
    ));
    assert!(out.is_empty());
}

#[test]
fn each_bad_field_has_its_subcode() {
    for (body, subcode, data) in [
        ("03 fde9 005a 0a000001 00", 1, vec![0, 4]),
        ("04 0000 005a 0a000001 00", 2, vec![]),
        ("04 fde9 0001 0a000001 00", 6, vec![]),
        ("04 fde9 0002 0a000001 00", 6, vec![]),
        ("04 fde9 005a 00000000 00", 3, vec![]),
        ("04 fde9 005a 0a000001 02 0100", 4, vec![]),
        ("04 fde9 005a 0a000001 08 02 06 4104 00000000", 2, vec![]),
        ("04 fde9 005a 0a000001 06 02 04 4102 fde9", 0, vec![]),
        ("04 fde9 005a 0a000001 03 0200", 0, vec![]),
    ] {
        let error = read(
            &message(MessageType::Open, &hex(body)),
            &CodecOptions::default(),
        )
        .unwrap_err();
        assert_eq!(
            (answer(&error), error.notification.data.to_vec()),
            ((2, subcode), data),
            "{body}"
        );
    }
}

#[test]
fn a_known_capability_of_a_wrong_length_is_not_negotiated() {
    let open = read_open(&hex("07 02 05 0103 000100")).unwrap();
    assert_eq!(
        open.capabilities,
        [Capability::Unknown {
            code: 1,
            value: vec![0, 1, 0].into()
        }]
    );
}

#[test]
fn cve_2022_40302_extended_form_without_its_length() {
    assert_eq!(answer(&read_open(&hex("01 ff")).unwrap_err()), (2, 0));
    assert_eq!(answer(&read_open(&hex("02 ff 00")).unwrap_err()), (2, 0));
}

#[test]
fn cve_2022_40318_extended_form_with_a_length_beyond_the_message() {
    assert_eq!(
        answer(&read_open(&hex("ff ff 0006 02 0002 0200")).unwrap_err()),
        (2, 0)
    );
    assert_eq!(
        answer(&read_open(&hex("ff ff 0005 02 0003 0200")).unwrap_err()),
        (2, 0)
    );
    assert_eq!(
        answer(&read_open(&hex("ff ff ffff 02")).unwrap_err()),
        (2, 0)
    );
}

#[test]
fn cve_2022_43681_parameter_cut_after_its_type() {
    assert_eq!(answer(&read_open(&hex("01 02")).unwrap_err()), (2, 0));
    assert_eq!(
        answer(&read_open(&hex("ff ff 0001 02")).unwrap_err()),
        (2, 0)
    );
}

#[test]
fn cve_2022_36440_four_octet_as_cut_anywhere() {
    for keep in 0..6 {
        let mut parameter = vec![2, keep];
        parameter.extend_from_slice(&hex("4104 0000fde9")[..usize::from(keep)]);
        parameter.insert(0, u8::try_from(parameter.len()).unwrap());
        match read_open(&parameter) {
            Ok(open) => assert!(keep == 0 && open.capabilities.is_empty()),
            Err(error) => assert_eq!(answer(&error), (2, 0)),
        }
    }
}

#[test]
fn cve_2023_31489_long_lived_restart_of_a_bad_length() {
    for length in [1, 6, 8, 13] {
        let mut parameters = vec![length + 4, 2, length + 2, 71, length];
        parameters.resize(5 + usize::from(length), 0);
        let open = read_open(&parameters).unwrap();
        assert!(
            matches!(
                open.capabilities[..],
                [Capability::Unknown { code: 71, .. }]
            ),
            "{length}"
        );
    }
}

/// GoBGP CVE-2025-43971.
#[test]
fn cve_2025_43971_software_version_without_a_value() {
    let open = read_open(&hex("04 02 02 4b00")).unwrap();
    assert_eq!(
        open.capabilities,
        [Capability::Unknown {
            code: 75,
            value: vec![].into()
        }]
    );
}

#[test]
fn cve_2018_5381_capability_without_length_ends() {
    assert_eq!(answer(&read_open(&hex("03 02 01 41")).unwrap_err()), (2, 0));
}
