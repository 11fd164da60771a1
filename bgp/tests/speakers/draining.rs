//! Graceful shutdown of the node (RFC 8326).

use std::time::Duration;

use bgp::wire::Community;
use bgp::{RemoteAs, Route, RouteAttributes};
use ipnet::IpNet;

use crate::pair::{A, B, Pair, Setup, host};

const SOON: Duration = Duration::from_millis(100);

/// What B knows of a prefix of A's: its communities and preference.
fn seen(pair: &Pair, prefix: IpNet) -> (Vec<Community>, Option<u32>) {
    let (_, paths) = pair.speakers[B]
        .learned()
        .find(|(p, _)| **p == prefix)
        .unwrap();
    let attributes = &paths[0].attributes;
    (attributes.communities.clone(), attributes.local_pref)
}

fn drain(pair: &mut Pair) {
    pair.speakers[A].drain(pair.now);
    pair.drain(A);
    pair.run(SOON);
}

#[test]
fn everything_is_told_again_with_the_community_and_back() {
    let mut pair = Pair::established(Setup::default());
    let tagged = Route {
        prefix: host(2),
        attributes: RouteAttributes {
            communities: vec![Community(0xfde9_0001)],
            ..RouteAttributes::default()
        }
        .into(),
    };
    pair.speakers[A].originate([Route::new(host(1)), tagged], pair.now);
    pair.drain(A);
    pair.run(SOON);
    assert!(!pair.speakers[A].is_draining());
    drain(&mut pair);
    assert!(pair.speakers[A].is_draining());
    assert!(
        seen(&pair, host(1))
            .0
            .contains(&Community::GRACEFUL_SHUTDOWN)
    );
    let (communities, _) = seen(&pair, host(2));
    assert!(
        communities.contains(&Community(0xfde9_0001)),
        "its own stays"
    );
    assert!(communities.contains(&Community::GRACEFUL_SHUTDOWN));
    pair.originate(A, [host(3)]);
    pair.run(SOON);
    assert!(
        seen(&pair, host(3))
            .0
            .contains(&Community::GRACEFUL_SHUTDOWN)
    );
    pair.speakers[A].undrain(pair.now);
    pair.drain(A);
    pair.run(SOON);
    for number in [1, 3] {
        assert_eq!(seen(&pair, host(number)).0, []);
    }
    assert_eq!(pair.status(A).flaps, 0);
}

#[test]
fn internal_peers_get_the_least_preference() {
    let mut pair = Pair::established(Setup {
        asns: [65001, 65001],
        remote_as: [RemoteAs::Internal; 2],
        ..Setup::default()
    });
    pair.originate(A, [host(1)]);
    pair.run(SOON);
    drain(&mut pair);
    let (communities, preference) = seen(&pair, host(1));
    assert!(communities.contains(&Community::GRACEFUL_SHUTDOWN));
    assert_eq!(preference, Some(0));
}

#[test]
fn a_second_drain_says_nothing_new() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1)]);
    pair.run(SOON);
    drain(&mut pair);
    pair.sent[A].clear();
    drain(&mut pair);
    assert!(pair.sent[A].is_empty());
}
