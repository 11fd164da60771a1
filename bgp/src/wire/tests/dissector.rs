//! A third party reads what we write: tshark, where it is installed.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use super::*;

/// A capture file with one TCP segment that carries `payload` from port 40000 to port 179 (pcap, raw IPv4).
fn capture(payload: &[u8]) -> Vec<u8> {
    let mut packet = hex("4500 0000 0001 0000 4006 0000 c0000201 c0000202");
    let total = u16::try_from(40 + payload.len()).unwrap();
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet.extend(hex("9c40 00b3 00000001 00000001 5018 ffff 0000 0000"));
    packet.extend_from_slice(payload);
    let mut file = hex("a1b2c3d4 0002 0004 00000000 00000000 00040000 00000065");
    file.extend([0; 8]);
    let length = u32::from(total);
    file.put_u32(length);
    file.put_u32(length);
    file.extend(packet);
    file
}

/// Counts the test as skipped, as `interop::requirement::skip` does, on which this crate does not depend.
fn skip(reason: &str) {
    let line = format!("SKIPPED tshark reads what we write: {reason}");
    let in_ci = std::env::var("CI").as_deref() == Ok("true");
    assert!(!in_ci, "in CI nothing is skipped: {line}");
    println!("{line}");
    if let Some(path) = std::env::var_os("LAB_SKIPPED")
        && let Ok(mut file) = std::fs::File::options().append(true).open(path)
    {
        let _ = writeln!(file, "{line}");
    }
}

/// What tshark prints for the fields; `None`, with the reason, when there is no tshark.
#[expect(clippy::disallowed_methods, reason = "a test may run a program")]
fn dissect(payload: &[u8], fields: &[&str]) -> Option<String> {
    let mut command = Command::new("tshark");
    command.args([
        "-r",
        "-",
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-E",
        "separator=;",
    ]);
    for field in fields {
        command.args(["-e", field]);
    }
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut tshark = match spawned {
        Ok(tshark) => tshark,
        Err(error) => {
            skip(&format!("tshark cannot be run: {error}"));
            return None;
        }
    };
    tshark
        .stdin
        .take()
        .unwrap()
        .write_all(&capture(payload))
        .unwrap();
    let output = tshark.wait_with_output().unwrap();
    assert!(output.status.success(), "tshark failed");
    Some(
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_string(),
    )
}

pub(super) fn assert_dissects(payload: &[u8], expected: &[(&str, &str)]) {
    let fields: Vec<&str> = [
        &["_ws.malformed"][..],
        &expected.iter().map(|(field, _)| *field).collect::<Vec<_>>(),
    ]
    .concat();
    if let Some(found) = dissect(payload, &fields) {
        let values: Vec<&str> = std::iter::once("")
            .chain(expected.iter().map(|(_, value)| *value))
            .collect();
        assert_eq!(found, values.join(";"), "fields {fields:?}");
    }
}

#[test]
fn tshark_reads_our_open() {
    let open = Open {
        asn: Asn(4_200_000_001),
        hold_time: 9,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV6_UNICAST),
            Capability::FourOctetAs(Asn(4_200_000_001)),
            Capability::ExtendedNextHop(vec![ExtendedNextHop {
                family: Family::IPV4_UNICAST,
                next_hop_afi: 2,
            }]),
        ],
    };
    let mut out = BytesMut::new();
    open.encode(&mut out).unwrap();
    assert_dissects(
        &out,
        &[
            ("bgp.open.myas", "23456"),
            ("bgp.open.holdtime", "9"),
            ("bgp.open.identifier", "192.0.2.1"),
            ("bgp.cap.type", "1,65,5"),
            ("bgp.cap.4as", "4200000001"),
        ],
    );
}

#[test]
fn tshark_reads_our_updates() {
    let attributes = PathAttributes {
        as_path: AsPath::sequence([Asn(65001), Asn(70000)]),
        med: Some(20),
        communities: vec![Community(0xfde9_0064)],
        ..PathAttributes::default()
    };
    let nlri = |prefixes: &[&str]| -> Vec<Nlri> {
        prefixes
            .iter()
            .map(|prefix| Nlri::from(prefix.parse::<ipnet::IpNet>().unwrap()))
            .collect()
    };
    let hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));
    let mut out = BytesMut::new();
    let hosts = nlri(&["10.1.1.1/32", "10.1.1.2/32"]);
    pack::announce(
        &mut out,
        &wide(),
        Family::IPV4_UNICAST,
        hop,
        &attributes,
        hosts,
    )
    .unwrap();
    assert_dissects(
        &out,
        &[
            ("bgp.nlri_prefix", "10.1.1.1,10.1.1.2"),
            (
                "bgp.update.path_attribute.as_path_segment.as4",
                "65001,70000",
            ),
            ("bgp.update.path_attribute.next_hop", "192.0.2.1"),
            ("bgp.update.path_attribute.multi_exit_disc", "20"),
        ],
    );

    out.clear();
    let v6 = NextHop::from("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap());
    let hosts = nlri(&["2001:db8::99/128"]);
    pack::announce(
        &mut out,
        &wide(),
        Family::IPV6_UNICAST,
        v6,
        &attributes,
        hosts,
    )
    .unwrap();
    assert_dissects(
        &out,
        &[
            ("bgp.mp_reach_nlri_ipv6_prefix", "2001:db8::99"),
            (
                "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6",
                "2001:db8::1",
            ),
        ],
    );
}

/// What a speaker with everything switched on offers.
#[test]
fn tshark_reads_every_capability_we_offer() {
    let family = Family::IPV4_UNICAST;
    let open = Open {
        asn: Asn(65001),
        hold_time: 9,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
        capabilities: vec![
            Capability::Multiprotocol(family),
            Capability::Multiprotocol(Family::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::ExtendedNextHop(vec![ExtendedNextHop {
                family,
                next_hop_afi: 2,
            }]),
            Capability::ExtendedMessage,
            Capability::GracefulRestart(GracefulRestart {
                restarting: true,
                notification: true,
                time: 120,
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
            Capability::Fqdn {
                host: "node-1".into(),
                domain: "rack.example".into(),
            },
        ],
    };
    let mut out = BytesMut::new();
    open.encode(&mut out).unwrap();
    assert_dissects(
        &out,
        &[
            ("bgp.cap.type", "1,1,2,5,6,64,65,69,70,73"),
            ("bgp.cap.mp.afi", "1,2"),
            ("bgp.cap.enh.afi", "1"),
            ("bgp.cap.enh.nhafi", "2"),
            ("bgp.cap.gr.timers.restart_time", "120"),
            ("bgp.cap.ap.sendreceive", "1"),
            ("bgp.cap.orf.fqdn.hostname", "node-1"),
            ("bgp.cap.orf.fqdn.domain_name", "rack.example"),
        ],
    );
}

fn announced(family: Family, next_hop: NextHop, prefix: &str, options: &CodecOptions) -> BytesMut {
    let attributes = PathAttributes {
        as_path: AsPath::sequence([Asn(65001)]),
        communities: vec![Community(0xfde9_0064), Community(0xfde9_00c8)],
        extended_communities: vec![ExtendedCommunity([0, 2, 0xfd, 0xe9, 0, 0, 0, 100])],
        large_communities: vec![LargeCommunity {
            global: 4_200_000_001,
            local1: 1,
            local2: 2,
        }],
        ..PathAttributes::default()
    };
    let nlri = Nlri::from(prefix.parse::<ipnet::IpNet>().unwrap());
    let mut out = BytesMut::new();
    pack::announce(&mut out, options, family, next_hop, &attributes, [nlri]).unwrap();
    out
}

#[test]
fn tshark_reads_our_communities_of_three_kinds() {
    let hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_dissects(
        &announced(Family::IPV4_UNICAST, hop, "10.1.1.1/32", &wide()),
        &[
            ("bgp.update.path_attribute.community_as", "65001,65001"),
            ("bgp.update.path_attribute.community_value", "100,200"),
            ("bgp.ext_com.value_as2", "65001"),
            ("bgp.ext_com.value_an4", "100"),
            ("bgp.large_communities.ga", "4200000001"),
            ("bgp.large_communities.ldp1", "1"),
            ("bgp.large_communities.ldp2", "2"),
        ],
    );
}

/// RFC 2545 and RFC 8950: 16 and 32 octets, for destinations of both families.
#[test]
fn tshark_reads_our_ipv6_next_hops() {
    let options = CodecOptions {
        extended_next_hop: [Family::IPV4_UNICAST].into(),
        ..wide()
    };
    for (family, prefix) in [
        (Family::IPV4_UNICAST, "10.1.1.1/32"),
        (Family::IPV6_UNICAST, "2001:db8::99/128"),
    ] {
        for (address, link_local) in [("fe80::1", None), ("2001:db8::1", Some("fe80::1"))] {
            let next_hop = NextHop::V6 {
                address: address.parse().unwrap(),
                link_local: link_local.map(|address| address.parse().unwrap()),
            };
            let name = "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6";
            assert_dissects(
                &announced(family, next_hop, prefix, &options),
                &[
                    (name, address),
                    (
                        &format!("{name}.link_local"),
                        link_local.unwrap_or_default(),
                    ),
                ],
            );
        }
    }
}

/// RFC 7911: with the identifier that the peer is told to expect.
#[test]
fn tshark_reads_our_path_identifiers() {
    let family = Family::IPV4_UNICAST;
    let options = CodecOptions {
        add_path_send: [family].into(),
        ..wide()
    };
    let nlri = Nlri {
        path_id: Some(7),
        ..Nlri::from("10.1.1.1/32".parse::<ipnet::IpNet>().unwrap())
    };
    let mut out = BytesMut::new();
    let hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));
    let attributes = PathAttributes::default();
    pack::announce(&mut out, &options, family, hop, &attributes, [nlri]).unwrap();
    assert_dissects(
        &out,
        &[("bgp.nlri_path_id", "7"), ("bgp.nlri_prefix", "10.1.1.1")],
    );
}

#[test]
fn tshark_reads_our_end_of_rib_and_withdrawals() {
    let mut out = BytesMut::new();
    let host = Nlri::from("10.1.1.1/32".parse::<ipnet::IpNet>().unwrap());
    pack::withdraw(&mut out, &wide(), Family::IPV4_UNICAST, [host]).unwrap();
    let host = Nlri::from("2001:db8::99/128".parse::<ipnet::IpNet>().unwrap());
    pack::withdraw(&mut out, &wide(), Family::IPV6_UNICAST, [host]).unwrap();
    pack::end_of_rib(&mut out, &wide(), Family::IPV6_UNICAST).unwrap();
    assert_dissects(
        &out,
        &[
            ("bgp.type", "2,2,2"),
            ("bgp.withdrawn_prefix", "10.1.1.1"),
            ("bgp.mp_unreach_nlri_ipv6_prefix", "2001:db8::99"),
            ("bgp.update.path_attribute.type_code", "15,15"),
        ],
    );
}

#[test]
fn tshark_reads_our_refreshes() {
    let mut out = BytesMut::new();
    for subtype in [
        RefreshSubtype::Request,
        RefreshSubtype::Begin,
        RefreshSubtype::End,
    ] {
        let family = Family::IPV6_UNICAST;
        RouteRefresh { family, subtype }.encode(&mut out).unwrap();
    }
    assert_dissects(
        &out,
        &[
            ("bgp.type", "5,5,5"),
            ("bgp.route_refresh.afi", "2,2,2"),
            ("bgp.route_refresh.safi", "1,1,1"),
            ("bgp.route_refresh.subtype", "0,1,2"),
        ],
    );
}

#[test]
fn tshark_reads_our_notifications() {
    let mut out = BytesMut::new();
    let words = Notification::administrative(2, "kernel update, back at 10:15");
    words.encode(&mut out).unwrap();
    words.hard_reset().encode(&mut out).unwrap();
    Notification::new(4, 0, &[]).encode(&mut out).unwrap();
    assert_dissects(
        &out,
        &[
            ("bgp.notify.major_error", "6,6,4"),
            ("bgp.notify.minor_error_cease", "2,9"),
            ("bgp.notify.communication", "kernel update, back at 10:15"),
        ],
    );
}
