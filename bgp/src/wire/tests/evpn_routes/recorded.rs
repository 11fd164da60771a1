//! Routes that others recorded, and what tshark makes of ours.

use std::net::{IpAddr, Ipv4Addr};

use super::super::super::evpn::{EvpnCommunity, Mobility, RouteTarget, tunnel};
use super::super::{captures, dissector};
use super::drawings::drawn;
use super::*;

/// What tshark says of os-ken's captures (see their NOTICE).
#[test]
fn recorded_evpn_routes_read_as_tshark_reads_them() {
    let rd = "4369:286331153".parse().unwrap();
    let esi = Esi([0, 17, 17, 17, 17, 17, 17, 17, 17, 17]);
    let address: IpAddr = "17.17.17.17".parse().unwrap();
    // Labels as MPLS writes them, with the traffic class and the bottom of the stack in the last four bits.
    let mpls = |label: u32| vni(label << 4 | 1);
    let expected = [
        (
            "evpn_nlri_eth_a-d",
            EvpnRoute::AutoDiscovery(AutoDiscovery {
                rd,
                esi,
                tag: 4369,
                label: mpls(101),
            }),
        ),
        (
            "evpn_nlri_mac_ip_ad",
            EvpnRoute::MacIp(MacIp {
                rd,
                esi,
                tag: 4369,
                mac: Mac([0x11; 6]),
                ip: Some(address),
                label: mpls(273),
                routing_label: None,
            }),
        ),
        (
            "evpn_nlri_inc_multi_eth_tag",
            EvpnRoute::InclusiveMulticast(InclusiveMulticast {
                rd,
                tag: 4369,
                originator: address,
            }),
        ),
        (
            "evpn_nlri_eth_seg",
            EvpnRoute::EthernetSegment(EthernetSegment {
                rd,
                esi,
                originator: address,
            }),
        ),
        (
            "evpn_nlri_ip_prefix",
            EvpnRoute::IpPrefix(IpPrefix {
                rd: "65000:10".parse().unwrap(),
                esi: Esi::SINGLE_HOMED,
                tag: 10,
                prefix: "10.10.10.0/24".parse().unwrap(),
                gateway: Some([20, 20, 20, 20].into()),
                label: Label::default(),
            }),
        ),
    ];
    for (name, route) in expected {
        let [Message::Update(update)] = &captures::recorded(name, &speaks_evpn())[..] else {
            panic!("{name}: not one UPDATE")
        };
        let reach = update.update.mp_reach.as_ref().unwrap();
        assert_eq!(reach.nlri.evpn(), [route], "{name}");
    }
}

/// Captures of every kind of segment identifier: they are ten octets to us.
#[test]
fn recorded_segments_of_every_kind_read() {
    for kind in [
        "arbitrary",
        "lacp",
        "l2_bridge",
        "mac_base",
        "router_id",
        "as_based",
    ] {
        let name = format!("evpn_esi_{kind}");
        let [Message::Update(update)] = &captures::recorded(&name, &speaks_evpn())[..] else {
            panic!("{name}: not one UPDATE")
        };
        let reach = update.update.mp_reach.as_ref().unwrap();
        assert_eq!(reach.nlri.evpn().len(), 1, "{name}");
        assert_eq!(update.disabled_families().count(), 0, "{name}");
    }
}

/// tshark reads the routes that FRR sends, and ours as it reads those.
#[test]
fn tshark_reads_our_evpn_routes() {
    let attributes = PathAttributes {
        extended_communities: [
            EvpnCommunity::RouteTarget(RouteTarget::As(65001, 77)),
            EvpnCommunity::Encapsulation(tunnel::VXLAN),
            EvpnCommunity::RouterMac(Mac([2, 0, 0, 0, 0, 9])),
            EvpnCommunity::Mobility(Mobility {
                sticky: false,
                sequence: 3,
            }),
        ]
        .map(Into::into)
        .to_vec(),
        ..PathAttributes::default()
    };
    let all: Vec<_> = drawn().into_iter().map(|(route, _)| route).collect();
    let mut out = BytesMut::new();
    pack::announce(
        &mut out,
        &speaks_evpn(),
        Family::L2VPN_EVPN,
        NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
        &attributes,
        all,
    )
    .unwrap();
    dissector::assert_dissects(
        &out,
        &[
            ("bgp.evpn.nlri.rt", "1,2,2,2,2,2,2,3,3,4,4,5,5,5"),
            (
                "bgp.evpn.nlri.len",
                "25,33,36,37,40,49,52,17,29,23,35,34,34,58",
            ),
            (
                "bgp.evpn.nlri.mac_addr",
                &["02:00:00:00:00:01"; 6].join(","),
            ),
            ("bgp.evpn.nlri.iplen", "0,0,32,32,128,128,32,128,32,128"),
            ("bgp.evpn.nlri.prefix_len", "32,24,128"),
            ("bgp.ext_com.tunnel_type", "8"),
            ("bgp.ext_com_evpn.mmac.seq", "3"),
        ],
    );
}
