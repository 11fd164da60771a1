use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bgp::wire::{Asn, ExtendedCommunity, Family, LargeCommunity, Message, Origin};
use bgp::{Event, Filter, Filters, Policy, Set, Term};

use crate::pair::{A, B, Pair, Setup, host, net};
use crate::raw_peer::RawPeer;

const SOON: Duration = Duration::from_secs(1);

#[test]
fn only_host_prefixes_leave() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(
        A,
        [
            host(1),
            net("10.1.0.0/16"),
            net("0.0.0.0/0"),
            net("198.51.100.0/31"),
        ],
    );
    pair.run(SOON);
    assert_eq!(pair.learned(B), [host(1)]);
}

#[test]
fn wider_prefixes_leave_when_the_policy_says_so() {
    let setup = Setup {
        configure: |_, config| config.export = Filters::default(),
        ..Setup::default()
    };
    let mut pair = Pair::established(setup);
    pair.originate(A, [net("10.1.0.0/16")]);
    pair.run(SOON);
    assert_eq!(pair.learned(B), [net("10.1.0.0/16")]);
}

#[test]
fn an_external_peer_sees_our_as_and_our_address() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1)]);
    pair.run(SOON);
    let (_, paths) = pair.speakers[B].learned().next().unwrap();
    let path = &paths[0];
    assert_eq!(path.attributes.as_path.to_string(), "65001");
    assert_eq!(
        (path.origin(), path.med(), path.local_pref()),
        (Origin::Incomplete, 0, 100)
    );
    assert_eq!(path.next_hop.to_string(), "10.0.0.1");
    assert!(path.source.external);
}

#[test]
fn an_internal_peer_sees_an_empty_path_and_local_pref() {
    let mut pair = Pair::established(Setup {
        asns: [65001, 65001],
        ..Setup::default()
    });
    pair.originate(A, [host(1)]);
    pair.run(SOON);
    let (_, paths) = pair.speakers[B].learned().next().unwrap();
    let path = &paths[0];
    assert!(path.attributes.as_path.is_empty() && !path.source.external);
    assert_eq!(
        (path.next_hop.to_string().as_str(), path.local_pref()),
        ("10.0.0.1", 100)
    );
}

#[test]
fn what_one_peer_taught_is_not_repeated_to_another() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1)]);
    pair.run(SOON);
    // B now knows the route; a third peer of B's must not hear of it.
    assert_eq!(pair.speakers[B].routes().count(), 0);
    assert_eq!(pair.speakers[B].adj_rib_out(pair.peers[B]).count(), 0);
    assert!(pair.learned(A).is_empty());
}

#[test]
fn a_thousand_routes_leave_in_few_messages() {
    let mut pair = Pair::new(Setup {
        configure: |_, config| config.extended_messages = false,
        ..Setup::default()
    });
    pair.originate(A, (0..1000).map(host));
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.learned(B).len(), 1000);
    // 1000 prefixes of 5 octets need two messages of 4096; two End-of-RIBs follow.
    assert_eq!(pair.updates_sent(A), 4);
    pair.withdraw(A, (0..1000).map(host));
    pair.run(SOON);
    assert!(pair.learned(B).is_empty());
    assert_eq!(pair.updates_sent(A), 6);
}

/// RFC 8654.
#[test]
fn extended_messages_carry_more_at_once() {
    let mut pair = Pair::new(Setup::default());
    pair.originate(A, (0..1000).map(host));
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.learned(B).len(), 1000);
    assert!(pair.status(A).negotiated.unwrap().codec.extended_message);
    assert_eq!(pair.updates_sent(A), 3);
}

#[test]
fn end_of_rib_follows_the_initial_routes_of_each_family() {
    let mut pair = Pair::new(Setup::default());
    pair.originate(A, [host(1)]);
    pair.run(Duration::from_secs(5));
    let seen = pair.events[B].iter().filter_map(|(_, event)| match event {
        Event::RouteLearned { prefix, .. } => Some(prefix.to_string()),
        Event::EndOfRib { family, .. } => Some(family.to_string()),
        _ => None,
    });
    assert_eq!(
        seen.collect::<Vec<_>>(),
        ["203.0.0.1/32", "ipv4-unicast", "ipv6-unicast"]
    );
}

#[test]
fn one_change_is_one_message_at_once() {
    let mut raw = RawPeer::established(|_| {});
    raw.drain();
    raw.received();
    raw.speaker.originate(
        [
            bgp::Route::new(host(7)),
            bgp::Route::new(net("2001:db8:7::1/128")),
        ],
        raw.now,
    );
    raw.drain();
    let updates = raw.received();
    let families = updates.iter().map(|message| match message {
        Message::Update(update) => update
            .announcements()
            .map(|a| (a.family, a.next_hop.to_string()))
            .collect(),
        _ => Vec::new(),
    });
    let expected = [
        vec![(Family::IPV4_UNICAST, "10.0.0.1".to_owned())],
        vec![(Family::IPV6_UNICAST, "2001:db8::1".to_owned())],
    ];
    assert_eq!(families.collect::<Vec<_>>(), expected);
}

#[test]
fn each_prefix_handed_over_is_reported() {
    let mut pair = Pair::established(Setup::default());
    pair.originate(A, [host(1), host(2)]);
    let reported = pair.events[A].iter().any(|(at, event)| {
        *at == pair.now && matches!(event, Event::Advertised { prefixes, .. } if **prefixes == [host(1), host(2)])
    });
    assert!(reported);
    let told: Vec<_> = pair.speakers[A]
        .advertised_to(&host(1))
        .map(ToString::to_string)
        .collect();
    assert_eq!(told, ["b"]);
}

/// An export policy that changes every route.
fn changing(sets: Vec<Set>) -> Filters {
    let term = Term {
        permit: true,
        matches: Vec::new(),
        sets,
    };
    Filters::both(Filter {
        prefixes: None,
        policy: Some(Arc::new(Policy {
            name: "changing".into(),
            terms: vec![term],
        })),
    })
}

#[test]
fn an_export_policy_prepends_behind_our_as_and_sets_what_it_names() {
    let setup = Setup {
        configure: |side, config| {
            if side == A {
                config.export = changing(vec![
                    Set::Prepend(vec![Asn(65001), Asn(65099)]),
                    Set::NextHop(Ipv4Addr::new(192, 0, 2, 77).into()),
                    Set::Origin(Origin::Igp),
                    Set::Med(5),
                ]);
            }
        },
        ..Setup::default()
    };
    let mut pair = Pair::established(setup);
    let own = bgp::RouteAttributes {
        med: Some(1),
        large_communities: vec![LARGE],
        extended_communities: vec![ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, 1])],
        ..bgp::RouteAttributes::default()
    };
    let route = bgp::Route {
        prefix: host(1),
        attributes: own.into(),
    };
    pair.speakers[A].originate([route], pair.now);
    pair.drain(A);
    pair.run(SOON);
    let path = &pair.speakers[B].learned_to(&host(1)).unwrap()[0];
    assert_eq!(path.attributes.as_path.to_string(), "65001 65001 65099");
    assert_eq!(path.next_hop.to_string(), "192.0.2.77");
    assert_eq!((path.origin(), path.med()), (Origin::Igp, 5));
    assert_eq!(path.attributes.large_communities, [LARGE]);
    assert_eq!(path.attributes.extended_communities.len(), 1);
}

#[test]
fn a_next_hop_that_the_family_cannot_have_is_not_set() {
    let setup = Setup {
        configure: |_, config| {
            let address: Ipv6Addr = "2001:db8::7".parse().unwrap();
            config.export = changing(vec![Set::NextHop(address.into())]);
        },
        ..Setup::default()
    };
    let mut pair = Pair::established(setup);
    pair.originate(A, [host(1)]);
    pair.run(SOON);
    let path = &pair.speakers[B].learned_to(&host(1)).unwrap()[0];
    assert_eq!(path.next_hop.to_string(), "10.0.0.1");
}

const LARGE: LargeCommunity = LargeCommunity {
    global: 65001,
    local1: 1,
    local2: 2,
};
