//! The peer restarts, and we keep its routes for it (RFC 4724 §4.2, RFC 8538, RFC 9494).

use std::time::Duration;

use bgp::wire::notification::cease_subcode;
use bgp::wire::{
    Capability, Community, Family, GracefulRestart, LongLivedFamily, Message, Notification, Open,
    RestartFamily, Update,
};
use bgp::{Event, Input, PeerConfig, Stale, State};
use ipnet::IpNet;

use crate::pair::host;
use crate::raw_peer::{RawPeer, announcement, open};

const V4: Family = Family::IPV4_UNICAST;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The OPEN of a peer that asks for 60 s, then 600 s of last resort.
fn restarting(notification: bool) -> Open {
    let mut open = open();
    let family = RestartFamily {
        family: V4,
        forwarding: true,
    };
    let restart = Capability::GracefulRestart(GracefulRestart {
        restarting: false,
        notification,
        time: 60,
        families: vec![family],
    });
    let long_lived = Capability::LongLivedGracefulRestart(vec![LongLivedFamily {
        family: V4,
        forwarding: true,
        stale_time: 600,
    }]);
    open.capabilities.extend([restart, long_lived]);
    open
}

fn establish(raw: &mut RawPeer, open: Open) {
    raw.send(&Message::Open(open));
    raw.send(&Message::Keepalive);
    assert_eq!(raw.state(), State::Established);
}

fn established(notification: bool, configure: impl FnOnce(&mut PeerConfig)) -> RawPeer {
    let mut raw = RawPeer::connected(configure);
    establish(&mut raw, restarting(notification));
    raw.received();
    raw
}

fn lose(raw: &mut RawPeer) {
    let (connection, why) = (raw.connection, "reset".to_owned());
    raw.input(Input::ConnectionClosed { connection, why });
}

fn come_back(raw: &mut RawPeer, open: Open) {
    raw.connection = raw.speaker.new_connection();
    raw.opened(raw.connection);
    establish(raw, open);
}

fn announce(raw: &mut RawPeer, prefixes: impl IntoIterator<Item = IpNet>) {
    raw.send(&announcement(prefixes, &[]));
}

fn end_of_rib(raw: &mut RawPeer) {
    raw.send(&Message::Update(Update::default().into()));
}

fn learned(raw: &RawPeer) -> Vec<(IpNet, Option<Stale>)> {
    let mut learned: Vec<_> = raw
        .speaker
        .learned()
        .map(|(prefix, paths)| (*prefix, paths[0].stale))
        .collect();
    learned.sort();
    learned
}

#[test]
fn routes_outlive_a_lost_connection_until_the_peer_is_back() {
    let mut raw = established(false, |_| {});
    announce(&mut raw, [host(1), host(2)]);
    raw.events.clear();
    lose(&mut raw);
    let stale = Some(Stale::Restarting);
    assert_eq!(learned(&raw), [(host(1), stale), (host(2), stale)]);
    assert_eq!(raw.speaker.peers().next().unwrap().stale, 2);
    come_back(&mut raw, restarting(false));
    announce(&mut raw, [host(1)]);
    end_of_rib(&mut raw);
    assert_eq!(learned(&raw), [(host(1), None)]);
    let lost: Vec<_> = raw
        .events
        .iter()
        .filter(|event| matches!(event, Event::RouteLost { .. }))
        .collect();
    assert_eq!(lost, [&Event::RouteLost { prefix: host(2) }]);
}

#[test]
fn routes_go_when_the_restart_time_is_over() {
    let mut raw = established(false, |_| {});
    announce(&mut raw, [host(1)]);
    lose(&mut raw);
    raw.wait(seconds(59));
    assert_eq!(learned(&raw).len(), 1);
    raw.wait(seconds(2));
    assert!(learned(&raw).is_empty());
}

#[test]
fn nothing_is_kept_where_it_is_not_wanted_or_not_offered() {
    let mut raw = established(false, |config| config.graceful_restart_helper = false);
    announce(&mut raw, [host(1)]);
    lose(&mut raw);
    assert!(learned(&raw).is_empty());
    let mut raw = RawPeer::established(|_| {});
    announce(&mut raw, [host(1)]);
    lose(&mut raw);
    assert!(learned(&raw).is_empty());
}

/// RFC 4724 §4: a NOTIFICATION means what it always meant, unless both sides set N.
#[test]
fn a_notification_keeps_routes_only_with_the_n_bit() {
    for notification in [false, true] {
        let mut raw = established(notification, |_| {});
        announce(&mut raw, [host(1)]);
        let words = Notification::administrative(cease_subcode::ADMINISTRATIVE_RESET, "upgrade");
        raw.send(&Message::Notification(words));
        assert_eq!(!learned(&raw).is_empty(), notification);
    }
}

#[test]
fn hold_timer_expiry_keeps_routes_only_with_the_n_bit() {
    for notification in [false, true] {
        let mut raw = established(notification, |_| {});
        announce(&mut raw, [host(1)]);
        raw.wait(seconds(91));
        assert_eq!(!learned(&raw).is_empty(), notification);
        assert_eq!(raw.notification().unwrap().code, 4);
    }
}

/// RFC 8538 §3.
#[test]
fn a_hard_reset_drops_routes_whatever_was_agreed() {
    let mut raw = established(true, |_| {});
    announce(&mut raw, [host(1)]);
    let inner = Notification::administrative(cease_subcode::ADMINISTRATIVE_SHUTDOWN, "for good");
    raw.send(&Message::Notification(inner.hard_reset()));
    assert!(learned(&raw).is_empty());
    let (_, reason) = raw.speaker.peers().next().unwrap().last_error.unwrap();
    assert_eq!(
        reason.to_string(),
        "peer sent NOTIFICATION cease, hard reset (6/9): cease, administrative shutdown (6/2): \"for good\""
    );
}

#[test]
fn our_own_shutdown_is_a_hard_reset_where_a_plain_one_would_be_a_restart() {
    for notification in [false, true] {
        let mut raw = established(notification, |_| {});
        announce(&mut raw, [host(1)]);
        raw.speaker.stop("maintenance", raw.now);
        raw.drain();
        let sent = raw.notification().unwrap();
        assert_eq!(sent.is_hard_reset(), notification);
        let meant = if notification {
            sent.inner().unwrap()
        } else {
            sent
        };
        assert_eq!(meant.shutdown_communication().unwrap(), "maintenance");
        assert!(learned(&raw).is_empty());
    }
}

/// Memory per peer is bounded, whatever it calls a restart.
#[test]
fn too_many_routes_are_not_kept() {
    let mut raw = established(true, |config| config.max_prefixes.limit = 2);
    announce(&mut raw, (0..3).map(host));
    let sent = raw.notification().unwrap();
    assert_eq!(
        sent.inner().unwrap().subcode,
        cease_subcode::MAXIMUM_PREFIXES
    );
    assert!(learned(&raw).is_empty());
}

#[test]
fn a_family_whose_forwarding_did_not_survive_is_dropped_at_once() {
    let mut raw = established(false, |_| {});
    announce(&mut raw, [host(1)]);
    lose(&mut raw);
    come_back(&mut raw, open());
    assert!(learned(&raw).is_empty());
}

/// RFC 4724 §5: the new connection comes before the old one is seen to be dead.
#[test]
fn a_peer_that_restarts_faster_than_tcp_notices_keeps_its_routes() {
    let mut raw = established(false, |_| {});
    announce(&mut raw, [host(1), host(2)]);
    come_back(&mut raw, restarting(false));
    assert_eq!(learned(&raw).len(), 2);
    announce(&mut raw, [host(2)]);
    end_of_rib(&mut raw);
    assert_eq!(learned(&raw), [(host(2), None)]);
}

#[test]
fn a_second_loss_keeps_only_what_was_told_since_the_first() {
    let mut raw = established(false, |_| {});
    announce(&mut raw, [host(1), host(2)]);
    lose(&mut raw);
    come_back(&mut raw, restarting(false));
    announce(&mut raw, [host(1)]);
    lose(&mut raw);
    assert_eq!(learned(&raw), [(host(1), Some(Stale::Restarting))]);
}

/// RFC 9494 §4.3.
#[test]
fn long_lived_routes_are_the_last_resort_unless_they_say_no() {
    let mut raw = established(false, |config| config.long_lived_stale = Some(seconds(300)));
    raw.send(&announcement([host(1)], &[]));
    raw.send(&announcement([host(2)], &[Community::NO_LLGR]));
    lose(&mut raw);
    raw.wait(seconds(61));
    assert_eq!(learned(&raw), [(host(1), Some(Stale::LongLived))]);
    raw.wait(seconds(298));
    assert_eq!(learned(&raw).len(), 1, "300 s are configured");
    raw.wait(seconds(3));
    assert!(learned(&raw).is_empty());
}

#[test]
fn a_removed_peers_stale_routes_go_with_it() {
    let mut raw = established(false, |_| {});
    announce(&mut raw, [host(1)]);
    lose(&mut raw);
    raw.speaker.remove_peer(raw.peer, raw.now);
    assert!(learned(&raw).is_empty());
}
