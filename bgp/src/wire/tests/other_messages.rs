//! OPEN, NOTIFICATION and ROUTE-REFRESH of any content read back, and no message exceeds its limit.

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The families that every codec knows.
pub(super) fn usual_family() -> BoxedStrategy<Family> {
    prop_oneof![
        Just(Family::IPV4_UNICAST),
        Just(Family::IPV6_UNICAST),
        Just(Family::L2VPN_EVPN),
    ]
    .boxed()
}

fn any_family() -> BoxedStrategy<Family> {
    prop_oneof![
        usual_family(),
        any::<(u16, u8)>().prop_map(|(afi, safi)| Family { afi, safi }),
    ]
    .boxed()
}

fn any_graceful_restart(families: BoxedStrategy<Family>) -> impl Strategy<Value = GracefulRestart> {
    let family = (families, any::<bool>())
        .prop_map(|(family, forwarding)| RestartFamily { family, forwarding });
    (any::<(bool, bool)>(), 0..4096_u16, vec(family, 0..8)).prop_map(
        |((restarting, notification), time, families)| GracefulRestart {
            restarting,
            notification,
            time,
            families,
        },
    )
}

fn any_capability(families: BoxedStrategy<Family>) -> impl Strategy<Value = Capability> {
    let next_hop =
        (families.clone(), any::<u16>()).prop_map(|(family, next_hop_afi)| ExtendedNextHop {
            family,
            next_hop_afi,
        });
    let add_path = (families.clone(), 1..=3_u8).prop_map(|(family, mode)| AddPath {
        family,
        receive: mode & 1 != 0,
        send: mode & 2 != 0,
    });
    let long_lived = (families.clone(), any::<bool>(), 0..1_u32 << 24).prop_map(
        |(family, forwarding, stale_time)| LongLivedFamily {
            family,
            forwarding,
            stale_time,
        },
    );
    prop_oneof![
        families.clone().prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        Just(Capability::EnhancedRouteRefresh),
        Just(Capability::ExtendedMessage),
        Just(Capability::LinkLocalNextHop),
        vec(next_hop, 1..8).prop_map(Capability::ExtendedNextHop),
        any_graceful_restart(families).prop_map(Capability::GracefulRestart),
        vec(add_path, 1..8).prop_map(Capability::AddPath),
        vec(long_lived, 1..8).prop_map(Capability::LongLivedGracefulRestart),
        ("[a-z0-9-]{1,64}", "[a-z.]{0,64}")
            .prop_map(|(host, domain)| Capability::Fqdn { host, domain }),
        (200..=255_u8, vec(any::<u8>(), 0..=253)).prop_map(|(code, value)| Capability::Unknown {
            code,
            value: value.into(),
        }),
    ]
}

pub(super) fn any_open(families: BoxedStrategy<Family>) -> impl Strategy<Value = Open> {
    let hold_time = prop_oneof![Just(0), 3..=u16::MAX];
    let capabilities = vec(any_capability(families), 0..24);
    (1..=u32::MAX, hold_time, 1..=u32::MAX, capabilities).prop_map(
        |(asn, hold_time, router_id, mut capabilities)| {
            capabilities.push(Capability::FourOctetAs(Asn(asn)));
            Open {
                asn: Asn(asn),
                hold_time,
                router_id: RouterId(Ipv4Addr::from_bits(router_id)),
                capabilities,
            }
        },
    )
}

proptest! {
    /// Up to 255 octets of parameters and beyond (RFC 9072); what does not fit in 4096 octets is refused whole.
    #[test]
    fn an_open_reads_back_or_is_refused(open in any_open(any_family())) {
        let mut out = BytesMut::new();
        match open.encode(&mut out) {
            Ok(()) => {
                prop_assert!(out.len() <= MAX_MESSAGE_LEN);
                prop_assert_eq!(read(&out, &CodecOptions::default()), Ok(Message::Open(open)));
            }
            Err(error) => {
                prop_assert!(matches!(error, EncodeError::TooLong { limit: MAX_MESSAGE_LEN, .. }), "{}", error);
                prop_assert!(out.is_empty());
            }
        }
    }

    /// Data of any length is cut where the message ends.
    #[test]
    fn a_notification_reads_back(code: u8, subcode: u8, data in vec(any::<u8>(), 0..5000)) {
        let notification = Notification::new(code, subcode, &data);
        for notification in [notification.hard_reset(), notification] {
            let mut out = BytesMut::new();
            notification.encode(&mut out).unwrap();
            prop_assert!(out.len() <= MAX_MESSAGE_LEN);
            prop_assert_eq!(read(&out, &CodecOptions::default()), Ok(Message::Notification(notification)));
        }
    }

    /// RFC 9003: at most 255 octets of words, whole characters, and the peer reads them.
    #[test]
    fn the_operators_words_read_back(words in "\\PC{0,300}") {
        let notification = Notification::administrative(2, &words);
        let read = notification.shutdown_communication().unwrap_or_default();
        prop_assert!(read.len() <= 255 && words.starts_with(&read));
        prop_assert!(read.len() == words.len() || read.len() > 251);
    }

    #[test]
    fn a_route_refresh_reads_back(family in any_family(), subtype: u8) {
        let subtype = match subtype {
            0 => RefreshSubtype::Request,
            1 => RefreshSubtype::Begin,
            2 => RefreshSubtype::End,
            other => RefreshSubtype::Unknown(other),
        };
        let refresh = RouteRefresh { family, subtype };
        let mut out = BytesMut::new();
        refresh.encode(&mut out).unwrap();
        prop_assert_eq!(out.len(), 23);
        prop_assert_eq!(read(&out, &CodecOptions::default()), Ok(Message::RouteRefresh(refresh)));
    }
}
