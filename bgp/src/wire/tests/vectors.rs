//! Messages put together by hand from the drawings in the RFCs, read and written.

use std::net::Ipv4Addr;

use super::*;

/// The OPEN of a speaker with AS 65001, 90 seconds, 192.0.2.1, two families, refresh and four-octet AS.
#[test]
fn open() {
    let octets = hex(
        "ffffffffffffffffffffffffffffffff 0033 01  04 fde9 005a c0000201 16
         02 14  0104 00010001  0104 00020001  0200  4104 0000fde9",
    );
    let expected = Open {
        asn: Asn(65001),
        hold_time: 90,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::Multiprotocol(Family::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::FourOctetAs(Asn(65001)),
        ],
    };
    let mut out = BytesMut::new();
    expected.encode(&mut out).unwrap();
    assert_eq!(out.to_vec(), octets);
    assert_eq!(read(&octets, &wide()), Ok(Message::Open(expected)));
}

/// RFC 4724 §3, RFC 8538 §2: restarting, N bit, 120 s, IPv4 with forwarding kept.
#[test]
fn graceful_restart_capability() {
    let octets = hex(
        "ffffffffffffffffffffffffffffffff 0027 01  04 fde9 005a c0000201 0a 02 08 4006 c078 0001 01 80",
    );
    match read(&octets, &wide()).unwrap() {
        Message::Open(open) => assert_eq!(
            open.capabilities,
            [Capability::GracefulRestart(GracefulRestart {
                restarting: true,
                notification: true,
                time: 120,
                families: vec![RestartFamily {
                    family: Family::IPV4_UNICAST,
                    forwarding: true
                }],
            })]
        ),
        other => panic!("{other:?}"),
    }
}

/// RFC 4271 §4.3: withdraws 10.2.0.0/16, announces 10.1.0.0/16 and 10.1.1.1/32.
#[test]
fn ipv4_update() {
    let octets = hex("ffffffffffffffffffffffffffffffff 003a 02  0003 10 0a02
         0018  400101 00  40020a 0202 0000fde9 00011170  400304 c0000201
         10 0a01  20 0a010101");
    let prefix = |text: &str| Nlri::from(text.parse::<ipnet::IpNet>().unwrap());
    let expected = Update {
        withdrawn: vec![prefix("10.2.0.0/16")],
        attributes: Some(PathAttributes {
            as_path: AsPath::sequence([Asn(65001), Asn(70000)]),
            next_hop: Some(Ipv4Addr::new(192, 0, 2, 1)),
            ..PathAttributes::default()
        }),
        nlri: vec![prefix("10.1.0.0/16"), prefix("10.1.1.1/32")],
        ..Update::default()
    };
    let mut out = BytesMut::new();
    expected.encode(&mut out, &wide()).unwrap();
    assert_eq!(out.to_vec(), octets);
    match read(&octets, &wide()).unwrap() {
        Message::Update(decoded) => assert_eq!(decoded.update, expected),
        other => panic!("{other:?}"),
    }
}

/// RFC 2545 §3: a global and a link-local next hop. RFC 7606 §5.1: MP_REACH_NLRI first.
#[test]
fn ipv6_update() {
    let octets = hex("ffffffffffffffffffffffffffffffff 005e 02  0000  0047
         900e 0036 0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00
         80 20010db8000000000000000000000099
         400101 00  400206 0201 0000fde9");
    let mut out = BytesMut::new();
    let next_hop = NextHop::V6 {
        address: "2001:db8::1".parse().unwrap(),
        link_local: Some("fe80::1".parse().unwrap()),
    };
    let attributes = PathAttributes {
        as_path: AsPath::sequence([Asn(65001)]),
        ..PathAttributes::default()
    };
    let host = Nlri::from("2001:db8::99/128".parse::<ipnet::IpNet>().unwrap());
    pack::announce(
        &mut out,
        &wide(),
        Family::IPV6_UNICAST,
        next_hop,
        &attributes,
        [host],
    )
    .unwrap();
    assert_eq!(out.to_vec(), octets);
    let updates = read_updates(&octets, &wide());
    let announced: Vec<_> = updates[0].announcements().collect();
    assert_eq!(
        (announced[0].next_hop, announced[0].nlri),
        (next_hop, &[host][..])
    );
}

/// RFC 7911 §3: the path identifier before each prefix.
#[test]
fn add_path_withdraw() {
    let options = CodecOptions {
        add_path_receive: [Family::IPV4_UNICAST].into(),
        add_path_send: [Family::IPV4_UNICAST].into(),
        ..wide()
    };
    let octets = hex("ffffffffffffffffffffffffffffffff 0020 02  0009 00000007 20 0a010101  0000");
    let nlri = Nlri {
        prefix: "10.1.1.1/32".parse().unwrap(),
        path_id: Some(7),
    };
    let mut out = BytesMut::new();
    pack::withdraw(&mut out, &options, Family::IPV4_UNICAST, [nlri]).unwrap();
    assert_eq!(out.to_vec(), octets);
    assert_eq!(read_updates(&octets, &options)[0].update.withdrawn, [nlri]);
}

/// RFC 6793 §4.2.2: to a two-octet peer the number is AS_TRANS, and AS4_PATH says the rest.
#[test]
fn four_octet_path_to_a_two_octet_peer() {
    let narrow = CodecOptions::default();
    let attributes = PathAttributes {
        as_path: AsPath::sequence([Asn(65001), Asn(70000)]),
        aggregator: Some(Aggregator {
            asn: Asn(70000),
            address: Ipv4Addr::new(192, 0, 2, 9),
        }),
        ..PathAttributes::default()
    };
    let mut out = BytesMut::new();
    let hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));
    let host = Nlri::from("10.1.1.1/32".parse::<ipnet::IpNet>().unwrap());
    pack::announce(
        &mut out,
        &narrow,
        Family::IPV4_UNICAST,
        hop,
        &attributes,
        [host],
    )
    .unwrap();
    let expected = hex(
        "0000 0035  400101 00  400206 0202 fde9 5ba0  400304 c0000201  c00706 5ba0 c0000209
         c0110a 0202 0000fde9 00011170  c01208 00011170 c0000209  20 0a010101",
    );
    assert_eq!(out[19..23], expected[..4]);
    assert_eq!(out[23..], expected[4..]);
    let update = read_updates(&out, &narrow).remove(0).update;
    assert_eq!(
        update.attributes.unwrap(),
        PathAttributes {
            next_hop: Some(Ipv4Addr::new(192, 0, 2, 1)),
            ..attributes
        }
    );
}

/// Host bits that the sender left set do not matter (RFC 4271 §4.3).
#[test]
fn host_bits_are_cleared() {
    let update = read_update(&update_body(&hex("14 0a01ff"), &[], &[]), &wide()).unwrap();
    assert_eq!(prefixes(&update, true), ["10.1.240.0/20"]);
}
