//! What each of several peers holds is what policy says, whatever happened on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::wire::{Community, Family};
use bgp::{Change, Filter, Filters, Match, Policy, PrefixList, Route, RouteAttributes, Set, Term};
use ipnet::IpNet;
use proptest::prelude::*;

use crate::pair::{host, net};
use crate::several::{Known, Several};

const INTERNAL: u32 = 65001;
const ASNS: [u32; 4] = [65002, 65002, INTERNAL, 65004];
const PREFIXES: u16 = 12;
const RED: Community = Community(0xfde9_0001);

/// Filters that a peer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Export {
    Hosts,
    All,
    /// A MED of 1 does not pass; the others get another one and a community.
    Rewritten,
    Nothing,
}

impl Export {
    fn filters(self) -> Filters {
        let policy = |terms| {
            let name = "test".into();
            let policy = Some(Arc::new(Policy { name, terms }));
            Filters::both(Filter {
                prefixes: None,
                policy,
            })
        };
        match self {
            Self::Hosts => Filters::host_prefixes(),
            Self::All => Filters::default(),
            Self::Rewritten => policy(vec![
                Term {
                    permit: false,
                    matches: vec![Match::Med(1)],
                    sets: Vec::new(),
                },
                Term {
                    permit: true,
                    matches: Vec::new(),
                    sets: vec![
                        Set::Med(77),
                        Set::Communities {
                            communities: vec![RED],
                            additive: true,
                        },
                    ],
                },
            ]),
            Self::Nothing => Filters::both(Filter::prefixes(PrefixList::default())),
        }
    }

    /// What these filters make of a route, written anew.
    fn expected(self, prefix: &IpNet, route: &RouteAttributes, asn: u32) -> Option<Known> {
        let mut known = Known {
            as_path: if asn == INTERNAL { "" } else { "65001" }.to_owned(),
            med: route.med,
            local_pref: (asn == INTERNAL).then_some(100),
            communities: route.communities.clone(),
        };
        match self {
            Self::Hosts if prefix.prefix_len() < 32 => return None,
            Self::Rewritten if route.med == Some(1) => return None,
            Self::Nothing => return None,
            Self::Rewritten => {
                known.med = Some(77);
                known.communities.push(RED);
            }
            Self::Hosts | Self::All => {}
        }
        Some(known)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Originate(u16, u32),
    Withdraw(u16),
    /// Every prefix with attributes that fill a message each: windows close.
    Fat(u32),
    Stall(usize),
    Unstall(usize),
    Refresh(usize),
    Down(usize),
    Up(usize),
    Policy(usize, Export),
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..ASNS.len();
    let export = prop_oneof![
        Just(Export::Hosts),
        Just(Export::All),
        Just(Export::Rewritten),
        Just(Export::Nothing)
    ];
    prop_oneof![
        8 => (0..PREFIXES, 0u32..3).prop_map(|(p, med)| Step::Originate(p, med)),
        4 => (0..PREFIXES).prop_map(Step::Withdraw),
        4 => (0u32..3).prop_map(Step::Fat),
        3 => peer.clone().prop_map(Step::Stall),
        2 => peer.clone().prop_map(Step::Unstall),
        2 => peer.clone().prop_map(Step::Refresh),
        1 => peer.clone().prop_map(Step::Down),
        2 => peer.clone().prop_map(Step::Up),
        2 => (peer, export).prop_map(|(p, e)| Step::Policy(p, e)),
    ]
}

/// The prefix of a number; the last few are no host prefixes.
fn prefix(number: u16) -> IpNet {
    if number < PREFIXES - 3 {
        host(number)
    } else {
        net(&format!("10.{number}.0.0/16"))
    }
}

struct World {
    several: Several,
    originated: BTreeMap<IpNet, RouteAttributes>,
    exports: [Export; ASNS.len()],
}

impl World {
    fn originate(&mut self, number: u16, attributes: RouteAttributes) {
        let prefix = prefix(number);
        self.originated.insert(prefix, attributes.clone());
        let now = self.several.now;
        let attributes = attributes.into();
        let route = Route { prefix, attributes };
        self.several.speaker.originate([route], now);
    }

    fn apply(&mut self, step: Step) {
        let now = self.several.now;
        match step {
            Step::Originate(number, med) => self.originate(number, with_med(med, 0)),
            Step::Withdraw(number) => {
                self.originated.remove(&prefix(number));
                self.several.speaker.withdraw([prefix(number)], now);
            }
            Step::Fat(med) => {
                for number in 0..PREFIXES {
                    self.originate(number, with_med(med + u32::from(number), 1000));
                }
            }
            Step::Stall(peer) => self.several.remotes[peer].stalled = true,
            Step::Unstall(peer) => self.several.unstall(peer),
            Step::Refresh(peer) => self.several.refresh(peer),
            Step::Down(peer) => self.several.down(peer),
            Step::Up(peer) => self.several.up(peer),
            Step::Policy(peer, export) => {
                self.exports[peer] = export;
                self.several
                    .reconfigure(peer, |config| config.export = export.filters());
            }
        }
        self.several.drain();
    }

    /// The speaker knows exactly what it has told each peer.
    fn check_books(&self) {
        for remote in &self.several.remotes {
            let told = self.several.speaker.adj_rib_out(remote.peer);
            let told: BTreeMap<_, _> = told
                .map(|(prefix, route)| (*prefix, route.attributes.med))
                .collect();
            let held: BTreeMap<_, _> = remote
                .table
                .iter()
                .map(|(p, known)| (*p, known.med))
                .collect();
            assert_eq!(told, held);
            let mut peers = self.several.speaker.peers();
            let status = peers.find(|status| status.id == remote.peer).unwrap();
            assert_eq!(status.sent, held.len());
            assert!(
                status.pending <= 2 * usize::from(PREFIXES),
                "{}",
                status.pending
            );
        }
    }

    fn expected(&self, peer: usize) -> BTreeMap<IpNet, Known> {
        let routes = self.originated.iter();
        let expected = routes.filter_map(|(prefix, route)| {
            let known = self.exports[peer].expected(prefix, route, ASNS[peer])?;
            Some((*prefix, known))
        });
        expected.collect()
    }
}

fn with_med(med: u32, communities: u32) -> RouteAttributes {
    RouteAttributes {
        med: Some(med),
        communities: (0..communities)
            .map(|n| Community(0x1000_0000 + n))
            .collect(),
        ..RouteAttributes::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_peer_ends_with_what_policy_says(steps in proptest::collection::vec(step(), 0..80)) {
        let mut world = World {
            several: Several::new(&ASNS),
            originated: BTreeMap::new(),
            exports: [Export::Hosts; ASNS.len()],
        };
        for step in steps {
            world.apply(step);
            world.check_books();
        }
        for peer in 0..ASNS.len() {
            world.several.up(peer);
            world.several.unstall(peer);
        }
        for peer in 0..ASNS.len() {
            prop_assert_eq!(&world.several.remotes[peer].table, &world.expected(peer));
            let mut peers = world.several.speaker.peers();
            let status = peers.find(|status| status.id == world.several.remotes[peer].peer).unwrap();
            prop_assert_eq!(status.pending, 0);
        }
        world.check_books();
    }
}

#[test]
fn a_peer_that_does_not_read_holds_nobody_back_and_catches_up_with_one_change_per_route() {
    let mut several = Several::new(&[65002, 65002]);
    let now = several.now;
    several.remotes[0].stalled = true;
    let rounds = 40;
    for round in 0..rounds {
        let routes = (0..40).map(|number| Route {
            prefix: host(number),
            attributes: with_med(round, 900).into(),
        });
        several.speaker.originate(routes.clone(), now);
        several.drain();
        let med = |known: &Known| known.med;
        assert!(
            several.remotes[1]
                .table
                .values()
                .all(|known| med(known) == Some(round))
        );
        let attributes = with_med(round, 900);
        assert_eq!(several.remotes[1].table.len(), 40, "{attributes:?}");
    }
    let told = several.remotes[0].updates;
    several.unstall(0);
    assert_eq!(several.remotes[0].table, several.remotes[1].table);
    assert!(
        several.remotes[0].updates - told <= 40,
        "only the last round"
    );
    // They read together again: one message reaches both.
    several.speaker.withdraw([host(1)], now);
    several.drain();
    assert_eq!(several.remotes[0].table, several.remotes[1].table);
}

#[test]
fn peers_of_one_policy_are_sent_the_very_same_octets() {
    let mut several = Several::new(&[65002, 65003, INTERNAL]);
    let now = several.now;
    several
        .speaker
        .originate((0..100).map(|n| Route::new(host(n))), now);
    let mut sent = Vec::new();
    loop {
        match several.speaker.poll_output() {
            bgp::Output::Send { bytes, .. } => sent.push(bytes),
            bgp::Output::Timeout(_) => break,
            _ => {}
        }
    }
    assert_eq!(sent.len(), 3);
    let shared = sent
        .iter()
        .filter(|bytes| bytes.as_ptr() == sent[0].as_ptr());
    assert_eq!(shared.count(), 2, "the two external peers share one buffer");
}

#[test]
fn a_change_of_the_export_filter_tells_only_what_differs() {
    let mut several = Several::new(&[65002, 65002]);
    let now = several.now;
    several
        .speaker
        .originate((0..PREFIXES).map(|n| Route::new(prefix(n))), now);
    several.drain();
    let (told, ends) = (several.remotes[0].updates, several.remotes[0].end_of_ribs);
    let change = several.reconfigure(0, |config| config.export = Filters::default());
    assert_eq!(change, Change::Refreshed);
    assert_eq!(
        several.remotes[0].updates,
        told + 1,
        "three more prefixes, one message"
    );
    assert_eq!(several.remotes[0].end_of_ribs, ends, "the session goes on");
    assert_eq!(several.remotes[0].table.len(), usize::from(PREFIXES));
    assert_eq!(several.remotes[1].table.len(), usize::from(PREFIXES) - 3);
    assert!(
        several.remotes[0]
            .table
            .keys()
            .all(|p| Family::of(p) == Family::IPV4_UNICAST)
    );
}

#[test]
fn a_route_that_no_message_holds_is_withdrawn_and_harms_no_other() {
    let mut several = Several::new(&[65002]);
    let now = several.now;
    let originate = |several: &mut Several, number, communities| {
        let route = Route {
            prefix: host(number),
            attributes: with_med(1, communities).into(),
        };
        several.speaker.originate([route], now);
    };
    originate(&mut several, 1, 1);
    several.drain();
    assert_eq!(several.remotes[0].table.len(), 1);
    originate(&mut several, 1, 1100);
    originate(&mut several, 2, 2);
    several.drain();
    let held: Vec<_> = several.remotes[0].table.keys().copied().collect();
    assert_eq!(held, [host(2)]);
    assert_eq!(
        several.speaker.adj_rib_out(several.remotes[0].peer).count(),
        1
    );
}
