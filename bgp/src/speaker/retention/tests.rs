use std::net::Ipv4Addr;

use super::*;
use crate::wire::{Asn, CodecOptions, GracefulRestart, LongLivedFamily, RestartFamily, RouterId};

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A peer with both families; restarts preserve forwarding of IPv4 only.
fn negotiated(time: u16, stale_time: u32) -> Negotiated {
    Negotiated {
        local_as: Asn(65001),
        remote_as: Asn(65002),
        remote_id: RouterId(Ipv4Addr::new(192, 0, 2, 9)),
        hold_time: seconds(90),
        keepalive: Some(seconds(30)),
        families: vec![V4, V6],
        route_refresh: true,
        enhanced_refresh: true,
        graceful_restart: Some(GracefulRestart {
            restarting: false,
            notification: true,
            time,
            families: vec![RestartFamily {
                family: V4,
                forwarding: true,
            }],
        }),
        graceful_notification: true,
        long_lived: vec![LongLivedFamily {
            family: V4,
            forwarding: true,
            stale_time,
        }],
        link_local_next_hop: false,
        codec: CodecOptions::default(),
    }
}

fn lost(negotiated: &Negotiated) -> Lost<'_> {
    Lost {
        negotiated,
        graceful: true,
        long_lived: Some(seconds(3600)),
    }
}

#[test]
fn only_listed_families_are_kept() {
    let mut retention = Retention::default();
    let (peer, now) = (negotiated(120, 0), Instant::now());
    let steps = retention.lost(lost(&peer), now);
    assert_eq!(steps, [Step::MarkStale(V4), Step::Forget(V6)]);
    assert_eq!(retention.deadline(), Some(now + seconds(120)));
}

#[test]
fn an_ending_that_is_not_graceful_keeps_nothing() {
    let mut retention = Retention::default();
    let peer = negotiated(120, 3600);
    let lost = Lost {
        graceful: false,
        ..lost(&peer)
    };
    let steps = retention.lost(lost, Instant::now());
    assert_eq!(steps, [Step::Forget(V4), Step::Forget(V6)]);
    assert_eq!(retention.deadline(), None);
}

#[test]
fn the_restart_time_ends_the_wait() {
    let mut retention = Retention::default();
    let (peer, now) = (negotiated(120, 0), Instant::now());
    retention.lost(lost(&peer), now);
    assert_eq!(retention.expire(now + seconds(119)), []);
    assert_eq!(retention.expire(now + seconds(120)), [Step::Purge(V4)]);
    assert_eq!(retention.deadline(), None);
}

#[test]
fn long_lived_routes_stay_as_last_resort_no_longer_than_configured() {
    let mut retention = Retention::default();
    let (peer, now) = (negotiated(120, 86400), Instant::now());
    retention.lost(lost(&peer), now);
    assert_eq!(
        retention.expire(now + seconds(120)),
        [Step::MarkLongLived(V4)]
    );
    assert_eq!(retention.deadline(), Some(now + seconds(120 + 3600)));
    assert_eq!(retention.expire(now + seconds(3720)), [Step::Purge(V4)]);
}

/// RFC 9494 §4.2: a restart time of zero goes to the long-lived phase at once.
#[test]
fn without_restart_time_the_last_resort_begins_at_once() {
    let mut retention = Retention::default();
    let (peer, now) = (negotiated(0, 60), Instant::now());
    let steps = retention.lost(lost(&peer), now);
    let expected = [
        Step::MarkStale(V4),
        Step::Forget(V6),
        Step::MarkLongLived(V4),
    ];
    assert_eq!(steps, expected);
    let neither = negotiated(0, 0);
    let steps = Retention::default().lost(lost(&neither), now);
    assert_eq!(steps, [Step::Forget(V4), Step::Forget(V6)]);
}

#[test]
fn end_of_rib_ends_what_was_not_confirmed() {
    let mut retention = Retention::default();
    let (peer, now) = (negotiated(120, 0), Instant::now());
    retention.lost(lost(&peer), now);
    assert_eq!(retention.end_of_rib(V4), None, "it is still away");
    assert_eq!(retention.returned(&peer, now + seconds(5)), []);
    assert_eq!(retention.end_of_rib(V6), None);
    assert_eq!(retention.end_of_rib(V4), Some(Step::Purge(V4)));
    assert_eq!(retention.deadline(), None);
}

#[test]
fn a_return_without_end_of_rib_is_not_waited_for_for_ever() {
    let mut retention = Retention::default();
    let (peer, now) = (negotiated(120, 0), Instant::now());
    retention.lost(lost(&peer), now);
    retention.returned(&peer, now);
    assert_eq!(retention.expire(now + CONFIRM_WITHIN), [Step::Purge(V4)]);
}

/// RFC 4724 §4.2: F clear, the family missing, or no capability at all.
#[test]
fn a_return_that_does_not_vouch_for_forwarding_ends_it_at_once() {
    let now = Instant::now();
    let peer = negotiated(120, 0);
    let mut cleared = peer.clone();
    if let Some(restart) = &mut cleared.graceful_restart {
        restart.families[0].forwarding = false;
    }
    let mut unlisted = peer.clone();
    if let Some(restart) = &mut unlisted.graceful_restart {
        restart.families.clear();
    }
    let mut without = peer.clone();
    without.graceful_restart = None;
    let mut narrower = peer.clone();
    narrower.families = vec![V6];
    for back in [cleared, unlisted, without, narrower] {
        let mut retention = Retention::default();
        retention.lost(lost(&peer), now);
        assert_eq!(retention.returned(&back, now), [Step::Purge(V4)]);
        assert_eq!(retention.deadline(), None);
    }
}

#[test]
fn a_second_loss_drops_what_the_first_left_stale() {
    let mut retention = Retention::default();
    let (peer, now) = (negotiated(120, 0), Instant::now());
    retention.lost(lost(&peer), now);
    retention.returned(&peer, now + seconds(10));
    let steps = retention.lost(lost(&peer), now + seconds(20));
    assert_eq!(
        steps,
        [Step::Purge(V4), Step::MarkStale(V4), Step::Forget(V6)]
    );
    assert_eq!(retention.deadline(), Some(now + seconds(140)));
}

/// RFC 9494 §4.2: routes kept for long survive it, but not for longer than the first time.
#[test]
fn a_second_loss_does_not_prolong_the_last_resort() {
    let mut retention = Retention::default();
    let (peer, now) = (negotiated(120, 3600), Instant::now());
    retention.lost(lost(&peer), now);
    retention.expire(now + seconds(120));
    retention.returned(&peer, now + seconds(600));
    let steps = retention.lost(lost(&peer), now + seconds(700));
    assert_eq!(steps, [Step::MarkStale(V4), Step::Forget(V6)]);
    assert_eq!(
        retention.expire(now + seconds(820)),
        [Step::MarkLongLived(V4)]
    );
    assert_eq!(retention.deadline(), Some(now + seconds(3720)));
}

#[test]
fn a_refresh_is_confirmed_by_its_end_or_by_time() {
    let now = Instant::now();
    let mut retention = Retention::default();
    assert_eq!(retention.refresh_ends(V4), None, "it never began");
    assert_eq!(retention.refresh_begins(V4, now), Step::ExpectAgain(V4));
    assert_eq!(retention.refresh_ends(V4), Some(Step::Purge(V4)));
    retention.refresh_begins(V4, now);
    retention.refresh_begins(V4, now + seconds(10));
    let due = now + seconds(10) + CONFIRM_WITHIN;
    assert_eq!(retention.deadline(), Some(due));
    assert_eq!(retention.expire(due), [Step::Purge(V4)]);
}
