//! Several paths to one prefix.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bgp::wire::{
    AddPath, AsPath, Asn, Capability, CodecOptions, Community, Family, Message, NextHop, Nlri,
    PathAttributes, pack,
};
use bgp::{Event, LearnedPath, Multipath, Via};
use bytes::BytesMut;
use ipnet::IpNet;

use crate::pair::net;
use crate::raw_peer::{self, RawPeer};
use crate::several::Several;

fn by(asns: &[u32]) -> PathAttributes {
    PathAttributes {
        as_path: AsPath::sequence(asns.iter().copied().map(Asn)),
        ..PathAttributes::default()
    }
}

fn next_hops(paths: &Arc<[LearnedPath]>) -> Vec<String> {
    paths.iter().map(|path| path.next_hop.to_string()).collect()
}

/// The next hops of the default after each change of it.
fn changes(several: &mut Several) -> Vec<Vec<String>> {
    let events = several.events().into_iter();
    let changes = events.filter_map(|event| match event {
        Event::RouteLearned { paths, .. } => Some(next_hops(&paths)),
        Event::RouteLost { .. } => Some(Vec::new()),
        _ => None,
    });
    changes.collect()
}

fn default() -> IpNet {
    net("0.0.0.0/0")
}

#[test]
fn equally_good_paths_are_used_together_and_told_when_the_set_changes() {
    let mut several = Several::new(&[65002, 65003, 65004]);
    several.events();
    several.announce(1, default(), &by(&[65003]));
    several.announce(0, default(), &by(&[65002]));
    several.announce(2, default(), &by(&[65004, 65005]));
    several.announce(0, default(), &by(&[65002]));
    let (first, second) = ("10.0.1.0".to_owned(), "10.0.1.1".to_owned());
    assert_eq!(
        changes(&mut several),
        [vec![second.clone()], vec![first.clone(), second.clone()]],
        "a longer path and a repetition change nothing"
    );
    several.down(0);
    several.down(1);
    assert_eq!(
        changes(&mut several),
        [vec![second], vec!["10.0.1.2".to_owned()]]
    );
    several.down(2);
    assert_eq!(changes(&mut several), [Vec::<String>::new()]);
}

#[test]
fn fewer_paths_are_used_when_that_is_configured() {
    let mut several = Several::new(&[65002, 65003]);
    several.announce(0, default(), &by(&[65002]));
    several.announce(1, default(), &by(&[65003]));
    several.events();
    let now = several.now;
    let one = Multipath {
        max_paths: 1,
        ..Multipath::default()
    };
    several.speaker.set_multipath(one, now);
    several.drain();
    assert_eq!(changes(&mut several), [["10.0.1.0"]]);
    several.speaker.set_multipath(one, now);
    several.drain();
    assert!(changes(&mut several).is_empty());
}

#[test]
fn a_next_hop_without_a_way_takes_its_paths_along() {
    let mut several = Several::new(&[65002, 65003]);
    several.announce(0, default(), &by(&[65002]));
    several.announce(1, default(), &by(&[65003]));
    several.events();
    let now = several.now;
    let [first, other] = [0, 1].map(|last| Via {
        next_hop: NextHop::V4(Ipv4Addr::new(10, 0, 1, last)),
        link: None,
        external: true,
    });
    for (via, reachable, expected) in [
        (&first, false, vec!["10.0.1.1"]),
        (&first, false, vec![]),
        // Neither: what there is is shown, for whoever installs it to say why it cannot be used.
        (&other, false, vec!["10.0.1.0", "10.0.1.1"]),
        (&first, true, vec!["10.0.1.0"]),
        (&other, true, vec!["10.0.1.0", "10.0.1.1"]),
    ] {
        several.speaker.set_reachable(via, reachable, now);
        several.drain();
        let last = changes(&mut several).pop().unwrap_or_default();
        assert_eq!(last, expected, "{via:?} {reachable}");
    }
}

/// RFC 9494 §4.3: some router before us keeps it for a peer that is away.
#[test]
fn a_path_marked_llgr_stale_is_used_only_where_there_is_no_other() {
    let mut several = Several::new(&[65002, 65003]);
    let stale = PathAttributes {
        communities: vec![Community::LLGR_STALE],
        ..by(&[65002])
    };
    several.events();
    several.announce(0, default(), &stale);
    several.announce(1, default(), &by(&[65003, 65009, 65010]));
    several.down(1);
    assert_eq!(
        changes(&mut several),
        [["10.0.1.0"], ["10.0.1.1"], ["10.0.1.0"]]
    );
}

/// RFC 7911: a peer that sends several paths.
fn with_add_path() -> (RawPeer, CodecOptions) {
    let mut raw = RawPeer::connected(|_| {});
    let mut open = raw_peer::open();
    open.capabilities.push(Capability::AddPath(vec![AddPath {
        family: Family::IPV4_UNICAST,
        receive: false,
        send: true,
    }]));
    raw.send(&Message::Open(open));
    raw.send(&Message::Keepalive);
    let options = CodecOptions {
        add_path_send: [Family::IPV4_UNICAST].into(),
        ..raw_peer::codec()
    };
    (raw, options)
}

fn nlri(path_id: u32) -> Nlri {
    Nlri {
        prefix: default(),
        path_id: Some(path_id),
    }
}

#[test]
fn all_paths_of_a_peer_compete_and_go_one_by_one() {
    let (mut raw, options) = with_add_path();
    for (path_id, last) in [(1, 21), (2, 22), (3, 22)] {
        let mut out = BytesMut::new();
        let next_hop = NextHop::V4([10, 0, 0, last].into());
        let family = Family::IPV4_UNICAST;
        pack::announce(
            &mut out,
            &options,
            family,
            next_hop,
            &by(&[65002]),
            [nlri(path_id)],
        )
        .unwrap();
        raw.send_octets(&out);
    }
    let used = |raw: &RawPeer| {
        raw.speaker
            .learned_to(&default())
            .map(next_hops)
            .unwrap_or_default()
    };
    assert_eq!(
        used(&raw),
        ["10.0.0.21", "10.0.0.22"],
        "one next hop is used once"
    );
    assert_eq!(raw.speaker.peers().next().unwrap().received, 3);
    for (path_id, left) in [(1, vec!["10.0.0.22"]), (2, vec!["10.0.0.22"]), (3, vec![])] {
        let mut out = BytesMut::new();
        pack::withdraw(&mut out, &options, Family::IPV4_UNICAST, [nlri(path_id)]).unwrap();
        raw.send_octets(&out);
        assert_eq!(used(&raw), left);
    }
    assert_eq!(raw.speaker.peers().next().unwrap().received, 0);
}
