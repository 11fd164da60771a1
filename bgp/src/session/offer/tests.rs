use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;

use super::*;
use crate::speaker::RemoteAs;
use crate::wire::{CodecOptions, Message};

fn local() -> LocalSpeaker {
    LocalSpeaker {
        asn: Asn(65001),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
        graceful_restart: Some(GracefulRestart::new(Duration::from_secs(120))),
        started: Instant::now(),
        converged: false,
    }
}

fn config() -> PeerConfig {
    PeerConfig::new("leaf", IpAddr::V4(Ipv4Addr::LOCALHOST), RemoteAs::Auto)
}

fn ends(local: &str) -> Ends {
    Ends {
        local: local.parse().unwrap(),
        remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
        local_v4: None,
        local_v6: None,
    }
}

fn offered(config: &PeerConfig, local: &LocalSpeaker, now: Instant) -> Vec<Capability> {
    open_for(config, local, &ends("10.0.0.1"), now).capabilities
}

fn restart_of(capabilities: &[Capability]) -> Option<&GracefulRestartCapability> {
    capabilities.iter().find_map(|capability| match capability {
        Capability::GracefulRestart(restart) => Some(restart),
        _ => None,
    })
}

#[test]
fn the_restart_bit_is_set_until_the_restart_time_or_convergence() {
    let mut local = local();
    let bit = |local: &LocalSpeaker, now| {
        let capabilities = offered(&config(), local, now);
        restart_of(&capabilities).map(|restart| restart.restarting)
    };
    assert_eq!(bit(&local, local.started), Some(true));
    assert_eq!(
        bit(&local, local.started + Duration::from_secs(121)),
        Some(false)
    );
    local.converged = true;
    assert_eq!(bit(&local, local.started), Some(false));
}

/// After a reboot nothing is forwarded any more, whatever the peers keep.
#[test]
fn the_forwarding_bit_tells_whether_anything_survived() {
    let mut local = local();
    let preserved = |local: &LocalSpeaker| {
        let capabilities = offered(&config(), local, local.started);
        let families = &restart_of(&capabilities).unwrap().families;
        assert_eq!(families.len(), 2);
        let restarting = restart_of(&capabilities).unwrap().restarting;
        (restarting, families.iter().all(|line| line.forwarding))
    };
    assert_eq!(preserved(&local), (true, true));
    local.graceful_restart = Some(GracefulRestart {
        forwarding_preserved: false,
        ..GracefulRestart::new(Duration::from_secs(120))
    });
    assert_eq!(preserved(&local), (false, false), "a first start");
}

#[test]
fn a_speaker_that_only_helps_lists_no_family() {
    let mut local = local();
    local.graceful_restart = None;
    let capabilities = offered(&config(), &local, local.started);
    let restart = restart_of(&capabilities).unwrap();
    assert!(restart.families.is_empty() && !restart.restarting && restart.notification);
    let mut config = config();
    config.graceful_restart_helper = false;
    assert_eq!(restart_of(&offered(&config, &local, local.started)), None);
}

#[test]
fn what_is_not_wanted_is_not_offered() {
    let local = local();
    let all = offered(&config(), &local, local.started);
    assert!(all.contains(&Capability::ExtendedMessage));
    assert!(all.contains(&Capability::EnhancedRouteRefresh));
    assert!(
        all.iter()
            .any(|one| matches!(one, Capability::AddPath(lines)
        if lines.iter().all(|line| line.receive && !line.send)))
    );
    assert!(!all.iter().any(|one| matches!(
        one,
        Capability::ExtendedNextHop(_) | Capability::LongLivedGracefulRestart(_)
    )));
    let mut config = config();
    config.extended_messages = false;
    config.add_path_receive = false;
    config.extended_next_hop = true;
    config.long_lived_stale = Some(Duration::from_secs(60));
    let some = offered(&config, &local, local.started);
    assert!(!some.contains(&Capability::ExtendedMessage));
    assert!(!some.iter().any(|one| matches!(one, Capability::AddPath(_))));
    assert!(some.contains(&Capability::LongLivedGracefulRestart(Vec::new())));
    assert!(
        some.contains(&Capability::ExtendedNextHop(vec![ExtendedNextHop {
            family: Family::IPV4_UNICAST,
            next_hop_afi: 2,
        }]))
    );
}

#[test]
fn link_local_next_hops_are_offered_on_link_local_sessions_only() {
    let local = local();
    let offers = |address| {
        let open = open_for(&config(), &local, &ends(address), local.started);
        open.capabilities.contains(&Capability::LinkLocalNextHop)
    };
    assert!(offers("fe80::1"));
    assert!(!offers("2001:db8::1"));
    assert!(!offers("10.0.0.1"));
}

/// RFC 9072: the optional parameters of an OPEN may exceed 255 octets.
#[test]
fn an_open_with_many_families_still_arrives() {
    let mut config = config();
    config.families = (1..40).map(|safi| Family::new(2, safi)).collect();
    let open = open_for(&config, &local(), &ends("10.0.0.1"), Instant::now());
    let mut octets = BytesMut::new();
    let codec = CodecOptions::default();
    Message::Open(open.clone())
        .encode(&mut octets, &codec)
        .unwrap();
    assert!(octets.len() > 19 + 10 + 255);
    let raw = crate::wire::frame::next_message(&mut octets, 4096)
        .unwrap()
        .unwrap();
    assert_eq!(
        crate::wire::decode(&raw, &codec).unwrap(),
        Message::Open(open)
    );
}
