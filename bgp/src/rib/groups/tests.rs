//! Peers of any speed, with windows that open and close at random, hold what they were told, and end with what they
//! should hold.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::super::reader::Batch;
use super::*;
use crate::policy::{Filter, PrefixList, PrefixRule};
use crate::wire::NextHop;

const PEERS: u32 = 4;

fn net(last: u8) -> IpNet {
    format!("192.0.2.{last}/32").parse().unwrap()
}

fn with_med(med: u32) -> Arc<RouteAttributes> {
    Arc::new(RouteAttributes {
        med: Some(med),
        ..RouteAttributes::default()
    })
}

/// All routes, or those of the lower half.
fn profile(half: bool) -> ExportProfile {
    let lower = PrefixRule {
        permit: true,
        prefix: "192.0.2.0/29".parse().unwrap(),
        ge: Some(32),
        le: None,
    };
    let list = PrefixList {
        name: "half".into(),
        rules: vec![lower],
    };
    let filter = if half {
        Filter::prefixes(list)
    } else {
        Filter::default()
    };
    ExportProfile::external(filter, NextHop::V4(Ipv4Addr::new(10, 0, 0, 1)))
}

fn passes(half: bool, last: u8) -> bool {
    !half || last < 8
}

#[derive(Debug, Clone)]
enum Step {
    Offer(u8, Option<u32>),
    Join(u32, bool),
    Leave(u32),
    Refresh(u32),
    Regroup(u32, bool),
    RegroupAll(bool),
    Window(u32, Window),
    Tell(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let window = prop_oneof![Just(Window::Open), Just(Window::Full), Just(Window::Choked)];
    prop_oneof![
        10 => (0u8..16, proptest::option::weighted(0.6, 0u32..3)).prop_map(|(p, m)| Step::Offer(p, m)),
        2 => (0..PEERS, any::<bool>()).prop_map(|(p, h)| Step::Join(p, h)),
        1 => (0..PEERS).prop_map(Step::Leave),
        1 => (0..PEERS).prop_map(Step::Refresh),
        1 => (0..PEERS, any::<bool>()).prop_map(|(p, h)| Step::Regroup(p, h)),
        1 => any::<bool>().prop_map(Step::RegroupAll),
        4 => (0..PEERS, window).prop_map(|(p, w)| Step::Window(p, w)),
        6 => (1usize..4).prop_map(Step::Tell),
    ]
}

#[derive(Default)]
struct Peer {
    half: bool,
    held: BTreeMap<IpNet, Option<u32>>,
    /// What a refresh has yet to repeat.
    awaited: Option<BTreeSet<IpNet>>,
    end_of_rib: bool,
}

struct World {
    groups: UpdateGroups,
    originated: Originated,
    /// Of the routes offered, so that equal ones are the same, as the speaker's are.
    meds: [Arc<RouteAttributes>; 3],
    peers: BTreeMap<u32, Peer>,
    windows: RefCell<[Window; PEERS as usize]>,
}

impl World {
    fn new() -> Self {
        Self {
            groups: UpdateGroups::default(),
            originated: Originated::default(),
            meds: [0, 1, 2].map(with_med),
            peers: BTreeMap::new(),
            windows: RefCell::new([Window::Open; PEERS as usize]),
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Offer(last, med) => {
                let route = med.map(|med| Arc::clone(&self.meds[med as usize]));
                self.groups.offer(net(last), route.as_ref());
                match route {
                    Some(route) => self.originated.insert(net(last), route),
                    None => self.originated.remove(&net(last)),
                };
            }
            Step::Join(id, half) if !self.peers.contains_key(&id) => {
                self.groups
                    .join(PeerId(id), profile(half), &self.originated);
                let peer = Peer {
                    half,
                    ..Peer::default()
                };
                self.peers.insert(id, peer);
            }
            Step::Leave(id) => {
                self.groups.leave(PeerId(id));
                self.peers.remove(&id);
            }
            Step::Refresh(id) => {
                if let Some(peer) = self.peers.get_mut(&id)
                    && self.groups.refresh(PeerId(id), Family::IPV4_UNICAST, true)
                {
                    peer.awaited = Some(peer.held.keys().copied().collect());
                }
            }
            Step::Regroup(id, half) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.half = half;
                    self.groups
                        .regroup(&[(PeerId(id), profile(half))], &self.originated);
                }
            }
            Step::RegroupAll(half) => {
                let peers = self.peers.iter_mut();
                let wanted: Vec<_> = peers
                    .map(|(id, peer)| {
                        peer.half = half;
                        (PeerId(*id), profile(half))
                    })
                    .collect();
                self.groups.regroup(&wanted, &self.originated);
            }
            Step::Window(id, window) => self.windows.borrow_mut()[id as usize] = window,
            Step::Tell(times) => {
                for _ in 0..times {
                    self.tell();
                }
            }
            Step::Join(..) => {}
        }
    }

    /// One batch; false when there is none.
    fn tell(&mut self) -> bool {
        let windows = *self.windows.borrow();
        let window = |peer: PeerId| windows[peer.0 as usize];
        let Some(told) = self.groups.next(&window) else {
            return false;
        };
        for id in &told.peers {
            assert_ne!(
                window(*id),
                Window::Choked,
                "it was told although it cannot keep up"
            );
            self.peers
                .get_mut(&id.0)
                .expect("told who is here")
                .hear(&told.batch);
        }
        true
    }

    fn check(&self) {
        for (id, peer) in &self.peers {
            let sent = self.groups.sent(PeerId(*id));
            let sent: BTreeMap<_, _> = sent.map(|(p, route)| (*p, route.attributes.med)).collect();
            assert_eq!(sent, peer.held);
            assert_eq!(self.groups.counts(PeerId(*id)).0, peer.held.len());
            for prefix in (0..16).map(net) {
                let holds = self.groups.holders(&prefix).any(|holder| holder.0 == *id);
                assert_eq!(holds, peer.held.contains_key(&prefix));
            }
        }
    }
}

impl Peer {
    fn hear(&mut self, batch: &Batch) {
        match batch {
            Batch::Announce(runs) => {
                for (route, prefixes) in runs {
                    for prefix in prefixes {
                        self.held.insert(*prefix, route.attributes.med);
                        self.confirm(prefix);
                    }
                }
            }
            Batch::Withdraw(prefixes) => {
                for prefix in prefixes {
                    assert!(
                        self.held.remove(prefix).is_some(),
                        "withdrew what was not told"
                    );
                    self.confirm(prefix);
                }
            }
            Batch::EndOfRib => {
                assert!(!self.end_of_rib, "once");
                self.end_of_rib = true;
            }
            Batch::EndOfRefresh => {
                let left = self.awaited.take().expect("a refresh that began");
                assert!(left.is_empty(), "{left:?} were not told again");
            }
        }
    }

    fn confirm(&mut self, prefix: &IpNet) {
        if let Some(awaited) = &mut self.awaited {
            awaited.remove(prefix);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn peers_hold_what_they_were_told_and_end_with_what_they_should(
        steps in proptest::collection::vec(step(), 0..150),
    ) {
        let mut world = World::new();
        for step in steps {
            world.apply(step);
            world.check();
        }
        *world.windows.borrow_mut() = [Window::Open; PEERS as usize];
        let mut told = 0;
        while world.tell() {
            world.check();
            told += 1;
            prop_assert!(told < 1000, "it ends");
        }
        for (id, peer) in &world.peers {
            let routes = world.originated.iter();
            let expected: BTreeMap<_, _> = routes
                .filter(|(prefix, _)| (0..16).any(|last| net(last) == **prefix && passes(peer.half, last)))
                .map(|(prefix, route)| (*prefix, route.med))
                .collect();
            prop_assert_eq!(&peer.held, &expected);
            prop_assert!(peer.end_of_rib && peer.awaited.is_none());
            prop_assert_eq!(world.groups.counts(PeerId(*id)), (expected.len(), 0));
        }
        for group in &world.groups.groups {
            prop_assert!(group.is_settled(), "all read together again, nothing is kept");
        }
    }
}

fn drained(world: &mut World) -> Vec<(Vec<u32>, Batch)> {
    let windows = *world.windows.borrow();
    let window = |peer: PeerId| windows[peer.0 as usize];
    std::iter::from_fn(|| world.groups.next(&window))
        .map(|told| (told.peers.iter().map(|peer| peer.0).collect(), told.batch))
        .collect()
}

fn announced(batch: &Batch) -> Vec<IpNet> {
    match batch {
        Batch::Announce(runs) => runs
            .iter()
            .flat_map(|(_, prefixes)| prefixes.clone())
            .collect(),
        _ => Vec::new(),
    }
}

/// Two peers that have heard everything.
fn settled() -> World {
    let mut world = World::new();
    world.apply(Step::Join(0, false));
    world.apply(Step::Join(1, false));
    drained(&mut world);
    world
}

#[test]
fn peers_that_keep_up_are_told_together_routes_of_one_attribute_set_at_once() {
    let mut world = settled();
    for (last, med) in [(1, 0), (2, 1), (3, 0)] {
        world.apply(Step::Offer(last, Some(med)));
    }
    let told = drained(&mut world);
    let [(peers, batch)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(
        (&peers[..], announced(batch)),
        (&[0, 1][..], vec![net(1), net(3), net(2)])
    );
}

#[test]
fn sessions_that_come_up_together_are_told_everything_together() {
    let mut world = World::new();
    (0..16).for_each(|last| world.apply(Step::Offer(last, Some(0))));
    (0..3).for_each(|id| world.apply(Step::Join(id, false)));
    let told = drained(&mut world);
    assert_eq!((told[0].0.len(), announced(&told[0].1).len()), (3, 16));
    let ends = told.iter().filter(|(_, batch)| *batch == Batch::EndOfRib);
    assert_eq!(ends.count(), 3);
}

#[test]
fn a_flap_that_nobody_heard_of_leaves_nothing_to_tell() {
    let mut world = settled();
    world.apply(Step::Offer(1, Some(0)));
    world.apply(Step::Offer(1, None));
    assert!(drained(&mut world).is_empty());
    world.apply(Step::Offer(1, Some(0)));
    drained(&mut world);
    world.apply(Step::Offer(1, None));
    world.apply(Step::Offer(1, Some(0)));
    assert!(drained(&mut world).is_empty(), "a withdrawal taken back");
}

#[test]
fn a_route_withdrawn_during_a_refresh_is_withdrawn_and_one_that_flaps_is_refreshed() {
    let mut world = settled();
    world.apply(Step::Offer(1, Some(0)));
    world.apply(Step::Offer(2, Some(0)));
    drained(&mut world);
    world.groups.refresh(PeerId(0), Family::IPV4_UNICAST, false);
    world.apply(Step::Offer(1, None));
    world.apply(Step::Offer(2, None));
    world.apply(Step::Offer(2, Some(0)));
    let mut told = drained(&mut world);
    told.retain(|(peers, _)| peers.contains(&0));
    let batches: Vec<_> = told.into_iter().map(|(_, batch)| batch).collect();
    assert_eq!(batches[0], Batch::Withdraw(vec![net(1)]));
    assert_eq!(announced(&batches[1]), [net(2)]);
}

#[test]
fn flaps_while_nobody_reads_take_no_memory() {
    let mut world = settled();
    *world.windows.borrow_mut() = [Window::Full; PEERS as usize];
    for round in 0..10_000 {
        world.apply(Step::Offer(1, Some(round % 3)));
        world.apply(Step::Offer(1, None));
    }
    let waiting = world.groups.groups.iter().map(UpdateGroup::queued).max();
    assert!(waiting < Some(200), "{waiting:?}");
}

#[test]
fn peers_that_came_while_the_others_did_not_read_are_told_together() {
    let mut world = World::new();
    world.apply(Step::Join(0, false));
    drained(&mut world);
    world.windows.borrow_mut()[0] = Window::Full;
    world.apply(Step::Offer(1, Some(0)));
    world.apply(Step::Join(1, false));
    world.apply(Step::Join(2, false));
    drained(&mut world);
    world.apply(Step::Offer(2, Some(0)));
    let told = drained(&mut world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0].0[..], announced(&told[0].1)),
        (&[1, 2][..], vec![net(2)])
    );
}

#[test]
fn routes_that_all_differ_leave_in_batches_of_a_bounded_number_of_messages() {
    let mut world = World::new();
    for last in 0..=255 {
        let route = with_med(u32::from(last));
        world.groups.offer(net(last), Some(&route));
        world.originated.insert(net(last), route);
    }
    world.apply(Step::Join(0, false));
    let runs = |batch: &Batch| match batch {
        Batch::Announce(runs) => runs.len(),
        _ => 0,
    };
    let walked: Vec<_> = drained(&mut world)
        .iter()
        .map(|(_, batch)| runs(batch))
        .collect();
    assert_eq!(walked, [64, 64, 64, 64, 0]);
    for last in 0..=255 {
        world
            .groups
            .offer(net(last), Some(&with_med(1000 + u32::from(last))));
    }
    let changed: Vec<_> = drained(&mut world)
        .iter()
        .map(|(_, batch)| runs(batch))
        .collect();
    assert_eq!(changed, [64, 64, 64, 64]);
}
