use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn net(last: u8) -> IpNet {
    format!("192.0.2.{last}/32").parse().unwrap()
}

fn with_med(med: u32) -> Arc<RouteAttributes> {
    Arc::new(RouteAttributes {
        med: Some(med),
        ..RouteAttributes::default()
    })
}

fn drain(rib: &mut AdjRibOut) -> Vec<Batch> {
    std::iter::from_fn(|| rib.next_batch(1000)).collect()
}

#[test]
fn routes_with_equal_attributes_leave_together() {
    let mut rib = AdjRibOut::default();
    for last in 1..=3 {
        rib.set(net(last), Some(&with_med(0)));
    }
    assert_eq!(
        drain(&mut rib),
        [Batch::Announce(with_med(0), vec![net(1), net(2), net(3)])]
    );
}

#[test]
fn a_flap_before_the_peer_reads_leaves_nothing_to_send() {
    let mut rib = AdjRibOut::default();
    rib.set(net(1), Some(&with_med(0)));
    rib.set(net(1), None);
    assert!(drain(&mut rib).is_empty());
}

#[test]
fn a_withdrawal_taken_back_sends_nothing() {
    let mut rib = AdjRibOut::default();
    rib.set(net(1), Some(&with_med(0)));
    drain(&mut rib);
    rib.set(net(1), None);
    rib.set(net(1), Some(&with_med(0)));
    assert!(drain(&mut rib).is_empty());
}

#[test]
fn a_route_withdrawn_during_a_refresh_is_withdrawn() {
    let mut rib = AdjRibOut::default();
    rib.set(net(1), Some(&with_med(0)));
    drain(&mut rib);
    rib.resend();
    rib.set(net(1), None);
    assert_eq!(drain(&mut rib), [Batch::Withdraw(vec![net(1)])]);
}

#[test]
fn a_route_that_flaps_during_a_refresh_is_still_refreshed() {
    let mut rib = AdjRibOut::default();
    rib.set(net(1), Some(&with_med(0)));
    drain(&mut rib);
    rib.resend();
    rib.set(net(1), None);
    rib.set(net(1), Some(&with_med(0)));
    assert_eq!(
        drain(&mut rib),
        [Batch::Announce(with_med(0), vec![net(1)])]
    );
}

#[test]
fn end_of_rib_follows_the_initial_routes() {
    let mut rib = AdjRibOut::default();
    rib.set(net(1), Some(&with_med(0)));
    rib.end_of_rib_after_pending();
    assert_eq!(
        drain(&mut rib),
        [Batch::Announce(with_med(0), vec![net(1)]), Batch::EndOfRib]
    );
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, Option<u32>),
    Resend,
    Send(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..8, proptest::option::of(0u32..3)).prop_map(|(p, a)| Step::Set(p, a)),
        1 => Just(Step::Resend),
        3 => (1usize..4).prop_map(Step::Send),
    ]
}

proptest! {
    /// Whatever the order of changes, refreshes and sends: what the peer holds after draining is
    /// what was last desired, and `sent` says so.
    #[test]
    fn the_peer_ends_with_what_was_desired(steps in proptest::collection::vec(step(), 0..200)) {
        let mut rib = AdjRibOut::default();
        let mut desired = BTreeMap::new();
        let mut peer = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(last, med) => {
                    let attributes = med.map(with_med);
                    rib.set(net(last), attributes.as_ref());
                    match attributes {
                        Some(attributes) => desired.insert(net(last), attributes),
                        None => desired.remove(&net(last)),
                    };
                    prop_assert!(rib.pending_count() <= 8);
                }
                Step::Resend => rib.resend(),
                Step::Send(limit) => {
                    if let Some(batch) = rib.next_batch(limit) {
                        apply(&mut peer, batch);
                    }
                }
            }
        }
        for batch in drain(&mut rib) {
            apply(&mut peer, batch);
        }
        prop_assert_eq!(&peer, &desired);
        let sent: BTreeMap<_, _> = rib.sent().map(|(p, a)| (*p, Arc::clone(a))).collect();
        prop_assert_eq!(sent, desired);
        prop_assert!(!rib.has_pending());
        prop_assert!(rib.buckets.is_empty());
    }
}

fn apply(peer: &mut BTreeMap<IpNet, Arc<RouteAttributes>>, batch: Batch) {
    match batch {
        Batch::Announce(attributes, prefixes) => {
            for prefix in prefixes {
                peer.insert(prefix, Arc::clone(&attributes));
            }
        }
        Batch::Withdraw(prefixes) => {
            for prefix in prefixes {
                assert!(peer.remove(&prefix).is_some(), "withdrew what was not sent");
            }
        }
        Batch::EndOfRib | Batch::EndOfRefresh => {}
    }
}
