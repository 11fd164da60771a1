use std::time::Duration;

use bgp::wire::{Asn, Capability, Family, Message, Open, RouterId};
use bgp::{Event, Route, State, Withheld};

use crate::pair::{A, B, Pair, Setup, host};
use crate::raw_peer::{RawPeer, open};

#[test]
fn our_open_says_what_we_can_do() {
    let mut raw = RawPeer::connected(|_| {});
    let Some(Message::Open(ours)) = raw.received().into_iter().next() else {
        panic!("the first message is OPEN");
    };
    assert_eq!(
        ours.families(),
        [Family::IPV4_UNICAST, Family::IPV6_UNICAST]
    );
    assert!(ours.capabilities.contains(&Capability::RouteRefresh));
    assert!(
        ours.capabilities
            .contains(&Capability::FourOctetAs(Asn(65001)))
    );
    let restart = ours
        .capabilities
        .iter()
        .find_map(|capability| match capability {
            Capability::GracefulRestart(restart) => Some(restart),
            _ => None,
        });
    let restart = restart.unwrap();
    assert!(
        restart.restarting,
        "a fresh speaker may be back from a restart"
    );
    assert_eq!(restart.time, 120);
    assert!(restart.families.iter().all(|family| family.forwarding));
}

#[test]
fn no_family_in_common_ends_with_unsupported_capability() {
    let setup = Setup {
        configure: |side, config| {
            config.families = vec![[Family::IPV4_UNICAST, Family::IPV6_UNICAST][side]]
        },
        ..Setup::default()
    };
    let mut pair = Pair::new(setup);
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.states(), [State::Idle; 2].map(|idle| idle));
    let reasons = [pair.reasons(A), pair.reasons(B)].concat();
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("unsupported capability (2/7)")),
        "{reasons:?}"
    );
}

#[test]
fn a_peer_that_only_speaks_2006_gets_ipv4_and_as_trans_is_not_needed() {
    let mut raw = RawPeer::connected(|_| {});
    raw.send(&Message::Open(Open {
        capabilities: Vec::new(),
        ..open()
    }));
    raw.send(&Message::Keepalive);
    assert_eq!(raw.state(), State::Established);
    let status = raw.speaker.peers().next().unwrap();
    assert_eq!(
        status.withheld,
        [(Family::IPV6_UNICAST, Withheld::NotNegotiated)]
    );
}

#[test]
fn ipv4_routes_without_a_next_hop_are_withheld_with_the_reason() {
    let setup = Setup {
        ipv6: true,
        ..Setup::default()
    };
    let mut pair = Pair::established(setup);
    pair.originate(A, [host(1), "2001:db8:7::1/128".parse().unwrap()]);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.learned(B), ["2001:db8:7::1/128".parse().unwrap()]);
    let told = pair.events[A].iter().any(|(_, event)| {
        matches!(
            event,
            Event::FamilyWithheld {
                family: Family::IPV4_UNICAST,
                why: Withheld::NoNextHop,
                ..
            }
        )
    });
    assert!(told);
}

#[test]
fn our_own_identifier_from_an_internal_peer_is_refused() {
    let mut raw = RawPeer::connected(|_| {});
    let capabilities = vec![Capability::FourOctetAs(Asn(65001))];
    let router_id = RouterId([192, 0, 2, 1].into());
    raw.send(&Message::Open(Open {
        asn: Asn(65001),
        router_id,
        capabilities,
        ..open()
    }));
    let last = raw.notification().unwrap();
    assert_eq!((last.code, last.subcode), (2, 3));
}

#[test]
fn a_configured_next_hop_serves_the_other_family() {
    let setup = Setup {
        ipv6: true,
        configure: |_, config| config.next_hop_v4 = Some([192, 0, 2, 77].into()),
        ..Setup::default()
    };
    let mut pair = Pair::established(setup);
    pair.speakers[A].originate([Route::new(host(1))], pair.now);
    pair.drain(A);
    pair.run(Duration::from_secs(1));
    let (_, paths) = pair.speakers[B].learned().next().unwrap();
    assert_eq!(paths[0].next_hop.to_string(), "192.0.2.77");
}
