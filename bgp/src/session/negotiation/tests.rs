use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use super::*;
use crate::speaker::GracefulRestart;
use crate::wire::AddPath;

fn local() -> LocalSpeaker {
    LocalSpeaker {
        asn: Asn(65001),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
        graceful_restart: Some(GracefulRestart::new(Duration::from_secs(120))),
        started: Instant::now(),
        converged: false,
    }
}

fn ends(local: &str) -> Ends {
    Ends {
        local: local.parse().unwrap(),
        remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
        local_v4: None,
        local_v6: None,
    }
}

fn agree(
    configure: fn(&mut PeerConfig),
    capabilities: impl IntoIterator<Item = Capability>,
) -> Negotiated {
    let mut config = config(RemoteAs::Auto);
    configure(&mut config);
    let mut open = open(65002);
    open.capabilities.extend(capabilities);
    negotiate(&config, &local(), &ends("10.0.0.1"), &open).unwrap()
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
    let reset = negotiate(&config(remote_as), &local(), &ends("10.0.0.1"), open).unwrap_err();
    (reset.notification.code, reset.notification.subcode)
}

#[test]
fn the_lower_hold_time_counts_and_keepalive_is_at_most_a_third() {
    let agreed = negotiate(
        &config(RemoteAs::Auto),
        &local(),
        &ends("10.0.0.1"),
        &open(65002),
    )
    .unwrap();
    assert_eq!(agreed.hold_time, Duration::from_secs(30));
    assert_eq!(agreed.keepalive, Some(Duration::from_secs(10)));
}

#[test]
fn a_hold_time_of_zero_means_no_keepalives() {
    let mut offer = open(65002);
    offer.hold_time = 0;
    let agreed = negotiate(&config(RemoteAs::Auto), &local(), &ends("10.0.0.1"), &offer).unwrap();
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
        let agreed =
            negotiate(&config(remote_as), &local(), &ends("10.0.0.1"), &open(asn)).unwrap();
        assert_eq!(agreed.is_internal(), asn == 65001);
    }
}

#[test]
fn our_own_identifier_is_refused_from_an_internal_peer_only() {
    let mut twin = open(65001);
    twin.router_id = local().router_id;
    assert_eq!(refusal(RemoteAs::Internal, &twin), (2, 3));
    twin.asn = Asn(65002);
    assert!(
        negotiate(
            &config(RemoteAs::External),
            &local(),
            &ends("10.0.0.1"),
            &twin
        )
        .is_ok()
    );
}

#[test]
fn no_family_in_common_is_an_unsupported_capability() {
    let mut offer = open(65002);
    offer.capabilities[0] = Capability::Multiprotocol(Family::L2VPN_EVPN);
    let reset =
        negotiate(&config(RemoteAs::Auto), &local(), &ends("10.0.0.1"), &offer).unwrap_err();
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
    let agreed = negotiate(&config(RemoteAs::Auto), &local(), &ends("10.0.0.1"), &offer).unwrap();
    assert_eq!(agreed.families, [Family::IPV4_UNICAST]);
    assert!(!agreed.codec.four_octet_as && !agreed.route_refresh);
}

#[test]
fn extended_messages_need_both_sides() {
    let offer = || [Capability::ExtendedMessage];
    assert!(agree(|_| {}, offer()).codec.extended_message);
    assert!(
        !agree(|config| config.extended_messages = false, offer())
            .codec
            .extended_message
    );
    assert!(!agree(|_| {}, []).codec.extended_message);
}

#[test]
fn several_paths_are_taken_of_families_the_peer_sends_several_of() {
    let line = |family, receive, send| AddPath {
        family,
        receive,
        send,
    };
    let offer = || {
        [Capability::AddPath(vec![
            line(Family::IPV4_UNICAST, true, true),
            line(Family::IPV6_UNICAST, true, true),
        ])]
    };
    let agreed = agree(|_| {}, offer());
    // IPv6 is not negotiated in this session.
    assert_eq!(
        agreed.codec.add_path_receive,
        BTreeSet::from([Family::IPV4_UNICAST])
    );
    assert!(agreed.codec.add_path_send.is_empty());
    let receive_only = [Capability::AddPath(vec![line(
        Family::IPV4_UNICAST,
        true,
        false,
    )])];
    assert!(
        agree(|_| {}, receive_only)
            .codec
            .add_path_receive
            .is_empty()
    );
    let unwanted = agree(|config| config.add_path_receive = false, offer());
    assert!(unwanted.codec.add_path_receive.is_empty());
}

#[test]
fn ipv6_next_hops_need_both_sides_and_the_right_pair() {
    let offer = |next_hop_afi| {
        [Capability::ExtendedNextHop(vec![ExtendedNextHop {
            family: Family::IPV4_UNICAST,
            next_hop_afi,
        }])]
    };
    let wanting = |config: &mut PeerConfig| config.extended_next_hop = true;
    let families = |agreed: Negotiated| agreed.codec.extended_next_hop.len();
    assert_eq!(families(agree(wanting, offer(2))), 1);
    assert_eq!(families(agree(wanting, offer(1))), 0);
    assert_eq!(families(agree(wanting, [])), 0);
    assert_eq!(families(agree(|_| {}, offer(2))), 0);
}

#[test]
fn the_last_graceful_restart_capability_counts() {
    let offer = |time| {
        Capability::GracefulRestart(GracefulRestartCapability {
            time,
            ..GracefulRestartCapability::default()
        })
    };
    let agreed = agree(|_| {}, [offer(10), offer(20)]);
    assert_eq!(agreed.graceful_restart.unwrap().time, 20);
    assert!(!agreed.graceful_notification);
}

#[test]
fn graceful_notifications_need_the_bit_of_the_peer() {
    let offer = || {
        [Capability::GracefulRestart(GracefulRestartCapability {
            notification: true,
            ..GracefulRestartCapability::default()
        })]
    };
    assert!(agree(|_| {}, offer()).graceful_notification);
}

#[test]
fn long_lived_means_nothing_without_graceful_restart() {
    let line = LongLivedFamily {
        family: Family::IPV4_UNICAST,
        forwarding: true,
        stale_time: 3600,
    };
    let long_lived = || Capability::LongLivedGracefulRestart(vec![line]);
    let restart = || Capability::GracefulRestart(GracefulRestartCapability::default());
    let helping = |config: &mut PeerConfig| config.long_lived_stale = Some(Duration::from_secs(9));
    assert_eq!(agree(helping, [restart(), long_lived()]).long_lived, [line]);
    assert_eq!(agree(helping, [long_lived()]).long_lived, []);
    assert_eq!(agree(|_| {}, [restart(), long_lived()]).long_lived, []);
}

#[test]
fn link_local_next_hops_need_a_link_local_session() {
    let mut open = open(65002);
    open.capabilities.push(Capability::LinkLocalNextHop);
    let agree = |local| {
        let agreed = negotiate(&config(RemoteAs::Auto), &self::local(), &ends(local), &open);
        agreed.unwrap().link_local_next_hop
    };
    assert!(agree("fe80::1"));
    assert!(!agree("2001:db8::1"));
}
