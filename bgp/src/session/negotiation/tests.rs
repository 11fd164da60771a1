use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn local() -> LocalSpeaker {
    LocalSpeaker {
        asn: Asn(65001),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
        graceful_restart: Some(GracefulRestart {
            restart_time: Duration::from_secs(120),
        }),
        started: Instant::now(),
    }
}

fn config(remote_as: RemoteAs) -> PeerConfig {
    PeerConfig::new("leaf", IpAddr::V4(Ipv4Addr::LOCALHOST), remote_as)
}

fn open(asn: u32) -> Open {
    Open {
        asn: Asn(asn),
        hold_time: 30,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 2)),
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::FourOctetAs(Asn(asn)),
        ],
    }
}

fn refusal(remote_as: RemoteAs, open: &Open) -> (u8, u8) {
    let reset = negotiate(&config(remote_as), &local(), open).unwrap_err();
    (reset.notification.code, reset.notification.subcode)
}

#[test]
fn the_lower_hold_time_counts_and_keepalive_is_at_most_a_third() {
    let agreed = negotiate(&config(RemoteAs::Auto), &local(), &open(65002)).unwrap();
    assert_eq!(agreed.hold_time, Duration::from_secs(30));
    assert_eq!(agreed.keepalive, Some(Duration::from_secs(10)));
}

#[test]
fn a_hold_time_of_zero_means_no_keepalives() {
    let mut offer = open(65002);
    offer.hold_time = 0;
    let agreed = negotiate(&config(RemoteAs::Auto), &local(), &offer).unwrap();
    assert_eq!((agreed.hold_time, agreed.keepalive), (Duration::ZERO, None));
}

#[test]
fn remote_as_decides_who_is_accepted() {
    let bad_peer_as = (2, 2);
    assert_eq!(
        refusal(RemoteAs::Number(Asn(65003)), &open(65002)),
        bad_peer_as
    );
    assert_eq!(refusal(RemoteAs::Internal, &open(65002)), bad_peer_as);
    assert_eq!(refusal(RemoteAs::External, &open(65001)), bad_peer_as);
    for (remote_as, asn) in [
        (RemoteAs::Number(Asn(65002)), 65002),
        (RemoteAs::Internal, 65001),
        (RemoteAs::External, 65002),
        (RemoteAs::Auto, 65001),
    ] {
        let agreed = negotiate(&config(remote_as), &local(), &open(asn)).unwrap();
        assert_eq!(agreed.is_internal(), asn == 65001);
    }
}

#[test]
fn our_own_identifier_is_refused_from_an_internal_peer_only() {
    let mut twin = open(65001);
    twin.router_id = local().router_id;
    assert_eq!(refusal(RemoteAs::Internal, &twin), (2, 3));
    twin.asn = Asn(65002);
    assert!(negotiate(&config(RemoteAs::External), &local(), &twin).is_ok());
}

#[test]
fn no_family_in_common_is_an_unsupported_capability() {
    let mut offer = open(65002);
    offer.capabilities[0] = Capability::Multiprotocol(Family::L2VPN_EVPN);
    let reset = negotiate(&config(RemoteAs::Auto), &local(), &offer).unwrap_err();
    assert_eq!(
        (reset.notification.code, reset.notification.subcode),
        (2, 7)
    );
    assert_eq!(&reset.notification.data[..6], [1, 4, 0, 1, 0, 1]);
}

#[test]
fn a_peer_without_capabilities_gets_ipv4_and_two_octet_as_numbers() {
    let mut offer = open(65002);
    offer.capabilities.clear();
    let agreed = negotiate(&config(RemoteAs::Auto), &local(), &offer).unwrap();
    assert_eq!(agreed.families, [Family::IPV4_UNICAST]);
    assert!(!agreed.codec.four_octet_as && !agreed.route_refresh);
}

#[test]
fn the_restart_bit_is_set_only_for_the_restart_time() {
    let local = local();
    let bit = |now| {
        let open = open_for(&config(RemoteAs::Auto), &local, now);
        open.capabilities
            .iter()
            .find_map(|capability| match capability {
                Capability::GracefulRestart(restart) => Some(restart.restarting),
                _ => None,
            })
    };
    assert_eq!(bit(local.started), Some(true));
    assert_eq!(bit(local.started + Duration::from_secs(121)), Some(false));
}
