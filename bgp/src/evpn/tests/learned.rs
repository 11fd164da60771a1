//! What peers teach, and what is kept of those that are away.

use super::super::tests::{LEAF, OTHER_LEAF, Said};
use super::*;
use crate::wire::evpn::{Esi, EthernetSegment, EvpnCommunity};

fn taught() -> (Learned, Said) {
    let mut learned = Learned::default();
    let said = Said::by(1, 77);
    for prefix in ["10.0.0.1/32", "10.0.0.2/32"] {
        let path = Some(said.learned(LEAF));
        assert!(learned.insert(LEAF, said.prefix(prefix, 77), &said.received(), path));
    }
    (learned, said)
}

#[test]
fn the_same_again_is_no_change_and_a_loop_is_not_used() {
    let (mut learned, said) = taught();
    let route = said.prefix("10.0.0.1/32", 77);
    assert!(!learned.insert(LEAF, route, &said.received(), Some(said.learned(LEAF))));
    assert!(
        learned.insert(LEAF, route, &said.received(), None),
        "it cannot be used any more"
    );
    assert_eq!((learned.best(&route.key()), learned.len(LEAF)), (None, 2));
    assert_eq!(learned.of_peer(LEAF).filter(|(_, used)| !used).count(), 1);
    assert!(!learned.remove(LEAF, &route.key()));
    assert_eq!(learned.len(LEAF), 1);
}

#[test]
fn of_two_reflectors_the_one_with_the_lower_address_is_used() {
    let (mut learned, said) = taught();
    let route = said.prefix("10.0.0.1/32", 77);
    learned.insert(
        OTHER_LEAF,
        route,
        &said.received(),
        Some(said.learned(OTHER_LEAF)),
    );
    let best = |learned: &Learned| {
        learned
            .best(&route.key())
            .unwrap()
            .learned
            .source
            .peer
            .clone()
    };
    assert_eq!(&*best(&learned), "leaf1");
    assert!(learned.remove(LEAF, &route.key()));
    assert_eq!(&*best(&learned), "leaf2");
}

/// RFC 4724 §4.2.
#[test]
fn a_peer_that_restarts_keeps_what_it_confirms() {
    let (mut learned, said) = taught();
    let [first, second] = ["10.0.0.1/32", "10.0.0.2/32"].map(|p| said.prefix(p, 77));
    assert_eq!(learned.mark(LEAF, Stale::Restarting).len(), 2);
    assert_eq!(learned.unconfirmed_count(LEAF), 2);
    assert!(learned.best(&first.key()).unwrap().learned.stale.is_some());
    learned.insert(LEAF, first, &said.received(), Some(said.learned(LEAF)));
    assert_eq!(learned.unconfirmed_count(LEAF), 1);
    assert_eq!(learned.purge_unconfirmed(LEAF), [second.key()]);
    assert_eq!(learned.iter().count(), 1);
    assert_eq!(learned.forget(LEAF), [first.key()]);
    assert_eq!((learned.iter().count(), learned.len(LEAF)), (0, 0));
}

/// RFC 9494 §4.3.
#[test]
fn what_is_kept_for_long_is_the_last_resort() {
    let (mut learned, said) = taught();
    let route = said.prefix("10.0.0.1/32", 77);
    learned.insert(
        OTHER_LEAF,
        route,
        &said.received(),
        Some(said.learned(OTHER_LEAF)),
    );
    learned.mark(LEAF, Stale::Restarting);
    assert_eq!(
        &*learned.best(&route.key()).unwrap().learned.source.peer,
        "leaf1"
    );
    learned.mark(LEAF, Stale::LongLived);
    assert_eq!(
        &*learned.best(&route.key()).unwrap().learned.source.peer,
        "leaf2"
    );
}

#[test]
fn a_change_of_label_or_mobility_is_a_change_of_one_route() {
    let (mut learned, said) = taught();
    let route = said.prefix("10.0.0.1/32", 78);
    assert!(learned.insert(LEAF, route, &said.received(), Some(said.learned(LEAF))));
    assert_eq!(learned.best(&route.key()).unwrap().route, route);
    let moved = Said::by(1, 77).moved(1);
    assert!(learned.insert(LEAF, route, &said.received(), Some(moved.learned(LEAF))));
    assert_eq!(learned.len(LEAF), 2);
    assert!(
        moved
            .communities
            .iter()
            .any(|c| matches!(c, EvpnCommunity::Mobility(_)))
    );
}

/// FRR 6b9fd948: a segment whose next hop changed for ever left an entry behind each time.
#[test]
fn frr_6b9fd948_a_segment_whose_next_hop_changes_stays_one_entry() {
    let mut learned = Learned::default();
    let route = EvpnRoute::EthernetSegment(EthernetSegment {
        rd: Said::by(1, 77).rd(),
        esi: Esi([1; 10]),
        originator: [192, 0, 2, 1].into(),
    });
    for round in 0..10_000_u32 {
        let said = Said::by(u8::try_from(round % 200).unwrap(), 77);
        let path = Some(said.learned(LEAF));
        assert!(learned.insert(LEAF, route, &said.received(), path));
    }
    assert_eq!((learned.len(LEAF), learned.routes.len()), (1, 1));
    assert_eq!(learned.routes.values().flatten().count(), 1);
    assert!(learned.remove(LEAF, &route.key()));
    assert!(learned.routes.is_empty());
}
