//! Whatever happens on a link, in whatever order.

use proptest::prelude::*;

use super::*;

/// What may happen to a device.
#[derive(Clone, Debug)]
enum Event {
    Link(bool, u32),
    Said(Vec<(u8, bool)>, Vec<u8>),
    Arrival(u8, Vec<u8>),
    Solicitation,
    Pass(u32),
    Cease,
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        (any::<bool>(), 1000..2000u32).prop_map(|(up, mtu)| Event::Link(up, mtu)),
        (
            proptest::collection::vec(any::<(u8, bool)>(), 0..60),
            proptest::collection::vec(any::<u8>(), 0..40)
        )
            .prop_map(|(prefixes, servers)| Event::Said(prefixes, servers)),
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(hops, octets)| Event::Arrival(hops, octets)),
        Just(Event::Solicitation),
        (0..20_000u32).prop_map(Event::Pass),
        Just(Event::Cease),
    ]
}

fn apply(segment: &mut Segment, event: Event) -> Sent {
    let now = segment.now;
    match event {
        Event::Link(up, mtu) => {
            let link = if up { READY } else { Link::Down };
            segment.advertiser.set_link(link, Some(mtu), now);
        }
        Event::Said(prefixes, servers) => {
            let prefix = |n: u8| format!("2001:db8:{n:x}::/64").parse().unwrap();
            let assignment = |auto| {
                if auto {
                    Assignment::Autonomous
                } else {
                    Assignment::Dhcp
                }
            };
            let said = Advertisement {
                source: None,
                prefixes: prefixes
                    .into_iter()
                    .map(|(n, auto)| (prefix(n), assignment(auto)))
                    .collect(),
                dns_servers: servers.into_iter().map(|n| u128::from(n).into()).collect(),
            };
            segment.advertiser.set_advertisement(said, now);
        }
        Event::Arrival(hops, octets) => drop(segment.arrive(HOST, hops, &octets)),
        Event::Solicitation => segment.solicit(),
        Event::Pass(milliseconds) => {
            return segment.pass(Duration::from_millis(milliseconds.into()));
        }
        Event::Cease => segment.advertiser.cease(now),
    }
    segment.pass(Duration::ZERO)
}

proptest! {
    /// Whatever happens: no two at once within 3 s, none above a link's least MTU (`read` asserts it), the last one
    /// is the last, and no more than 600 s of silence while the link is ready.
    #[test]
    fn the_rules_of_rfc_4861_hold_for_any_history(history in proptest::collection::vec(events(), 0..60)) {
        let mut segment = Segment::ready(network());
        let mut sent = segment.pass(Duration::ZERO);
        for event in history {
            let ceasing = matches!(event, Event::Cease);
            sent.extend(apply(&mut segment, event));
            if ceasing {
                sent.extend(segment.seconds(3));
                prop_assert!(segment.ceased);
                break;
            }
        }
        let last = sent.last().map(|(_, said)| said.router_lifetime);
        prop_assert!(sent.iter().rev().skip_while(|(_, said)| said.router_lifetime == 0)
            .all(|(_, said)| said.router_lifetime == 1800), "{:?}", last);
        let mut moments = times(&sent);
        moments.dedup();
        prop_assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= 2.999_999), "{moments:?}");
        if !segment.ceased && matches!(segment.advertiser.link(), Link::Ready { .. }) {
            prop_assert!(!segment.seconds(601).is_empty());
        }
    }
}
