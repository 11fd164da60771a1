//! Whatever is written reads back, and no octets make reading panic.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::round_trip::{any_attributes, any_next_hop, any_prefix};
use super::*;

pub(super) fn any_route() -> impl Strategy<Value = EvpnRoute> {
    let rd = any::<[u8; 8]>().prop_map(RouteDistinguisher);
    let esi = any::<[u8; 10]>().prop_map(Esi);
    let label = (0..=Label::MAX).prop_map(vni);
    let ip = any::<IpAddr>();
    let head = (rd, esi, any::<u32>(), label.clone());
    let rest = (
        any::<[u8; 6]>().prop_map(Mac),
        option::of(ip.clone()),
        option::of(label),
        ip,
        any_prefix(),
        any::<bool>(),
    );
    (1..=5_u8, head, rest).prop_map(|(kind, head, rest)| {
        let (rd, esi, tag, label) = head;
        let (mac, ip, routing_label, originator, prefix, routed) = rest;
        match kind {
            1 => EvpnRoute::AutoDiscovery(AutoDiscovery {
                rd,
                esi,
                tag,
                label,
            }),
            2 => EvpnRoute::MacIp(MacIp {
                rd,
                esi,
                tag,
                mac,
                ip,
                label,
                routing_label,
            }),
            3 => EvpnRoute::InclusiveMulticast(InclusiveMulticast {
                rd,
                tag,
                originator,
            }),
            4 => EvpnRoute::EthernetSegment(EthernetSegment {
                rd,
                esi,
                originator,
            }),
            _ => EvpnRoute::IpPrefix(IpPrefix {
                rd,
                esi: Esi::SINGLE_HOMED,
                tag,
                prefix,
                gateway: Some(originator).filter(|gateway| {
                    routed
                        && !gateway.is_unspecified()
                        && gateway.is_ipv4() == prefix.addr().is_ipv4()
                }),
                label: vni(label.vni().max(1)),
            }),
        }
    })
}

proptest! {
    #[test]
    fn evpn_routes_read_back(
        all in vec(any_route(), 1..200),
        attributes in any_attributes(),
        next_hop in any_next_hop(),
    ) {
        let options = CodecOptions { internal_peer: true, ..speaks_evpn() };
        let next_hop = match next_hop {
            NextHop::V6 { address, .. } => address.into(),
            four => four,
        };
        let mut out = BytesMut::new();
        let family = Family::L2VPN_EVPN;
        pack::announce(&mut out, &options, family, next_hop, &attributes, all.iter().copied()).unwrap();
        let updates = read_updates(&out, &options);
        let read: Vec<_> = updates.iter().flat_map(DecodedUpdate::evpn_announcements).collect();
        prop_assert_eq!(read.iter().map(|(route, ..)| *route).collect::<Vec<_>>(), &all[..]);
        prop_assert!(read.iter().all(|(_, hop, shared)| *hop == next_hop && **shared == attributes));

        out.clear();
        pack::withdraw(&mut out, &options, family, all.iter().copied()).unwrap();
        let updates = read_updates(&out, &options);
        let read: Vec<_> = updates.iter().flat_map(DecodedUpdate::evpn_withdrawals).collect();
        let keys: Vec<_> = all.iter().map(|route| route.key()).collect();
        prop_assert_eq!(read, keys);
    }

    #[test]
    fn corrupt_evpn_octets_never_panic(
        all in vec(any_route(), 1..5),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut octets = BytesMut::new();
        for route in &all {
            route.encode(&mut octets);
        }
        let mut octets = octets.to_vec();
        for (position, value) in changes {
            let position = position.index(octets.len());
            octets[position] = value;
        }
        // Announced or not, what was read can be written.
        if let Ok(update) = reached(&octets) {
            for route in routes(&update) {
                let mut out = BytesMut::new();
                route.encode(&mut out);
                prop_assert_eq!(out.len(), route.octets());
            }
        }
    }
}
