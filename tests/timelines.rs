//! What happened to a real cloud, message by message: however the messages are batched, a node ends where
//! the last snapshot puts it, and is at every moment where a fresh look would put it.

mod snapshot;

use std::collections::BTreeSet;
use std::path::Path;

use ovn_bgp_agent::exposure::northbound::{Inputs, Standing, decide};
use ovn_bgp_agent::exposure::{Method, Node, Options};
use ovn_bgp_agent::ovn::northbound::Table;
use ovn_bgp_agent::ovn::southbound::{self, Scope};
use ovn_bgp_agent::ovn::{Northbound, Southbound};
use ovn_bgp_agent::ovsdb::Change;
use proptest::prelude::*;

use snapshot::rows::node;

type Messages = Vec<Vec<Change>>;

fn messages(dir: &Path) -> Messages {
    timed(dir).into_iter().map(|(_, changes)| changes).collect()
}

fn timed(dir: &Path) -> Vec<(f64, Vec<Change>)> {
    snapshot::recording::messages(dir, "nb", |table| Some(Table::named(table)?.columns()))
}

/// A node that follows the Northbound database.
struct Follower<'a> {
    nb: Northbound,
    southbound: Option<Southbound>,
    standing: Standing,
    node: &'a Node,
    options: &'a Options,
}

impl<'a> Follower<'a> {
    fn new(node: &'a Node, options: &'a Options) -> Self {
        Self {
            nb: Northbound::default(),
            southbound: None,
            standing: Standing::default(),
            node,
            options,
        }
    }

    /// Takes in some messages at once.
    fn take(&mut self, messages: &[Vec<Change>]) {
        assert_eq!(self.nb.apply(messages.iter().flatten()), []);
        self.update();
    }

    /// Takes in a message of the Southbound database.
    fn take_southbound(&mut self, changes: &[Change]) {
        let southbound = &mut self.southbound;
        let southbound = southbound.get_or_insert_with(|| Southbound::new(Scope::Bindings));
        assert_eq!(southbound.apply(changes), []);
        for port in southbound.take_affected().rebound {
            self.nb.affect_port_named(&port);
        }
        self.update();
    }

    fn update(&mut self) {
        let affected = self.nb.take_affected();
        let inputs = Inputs {
            northbound: &self.nb,
            southbound: self.southbound.as_ref(),
            node: self.node,
            options: self.options,
        };
        self.standing.update(inputs, affected);
    }

    /// The prefixes in force, which are those of a fresh decision.
    fn exposed(&self) -> BTreeSet<String> {
        let decision = decide(Inputs {
            northbound: &self.nb,
            southbound: self.southbound.as_ref(),
            node: self.node,
            options: self.options,
        });
        let mut kept: Vec<_> = self.standing.exposures().cloned().collect();
        kept.sort();
        assert_eq!(kept, decision.exposures);
        assert_eq!(*self.standing.tenants(), decision.tenants);
        snapshot::prefixes(&decision)
    }
}

#[test]
fn a_timeline_ends_where_its_last_snapshot_is() {
    let mut changed = 0;
    for dir in snapshot::timelines() {
        let messages = messages(&dir);
        for combo in snapshot::combos(&dir.join("end"), "nb") {
            for (host, expected) in &combo.advertised {
                let node = node(&dir.join("end"), host);
                let mut at_once = Follower::new(&node, &combo.options);
                at_once.take(&messages);
                let place = format!("{} {} on {host}", dir.display(), combo.name);
                assert_eq!(at_once.exposed(), *expected, "{place}");
                let mut one_by_one = Follower::new(&node, &combo.options);
                let mut before = BTreeSet::new();
                for message in messages.chunks(1) {
                    one_by_one.take(message);
                    let now = one_by_one.exposed();
                    changed += usize::from(now != before);
                    before = now;
                }
                assert_eq!(before, *expected, "{place}");
            }
        }
    }
    assert!(changed > 100, "the timelines move: {changed} changes");
}

#[test]
fn with_both_databases_a_timeline_ends_there_too() {
    enum Message {
        Northbound(Vec<Change>),
        Southbound(Vec<Change>),
    }
    for dir in snapshot::timelines() {
        let nb = timed(&dir).into_iter();
        let mut messages: Vec<_> = nb.map(|(t, c)| (t, Message::Northbound(c))).collect();
        let columns = |table: &str| southbound::Table::named(table)?.columns(Scope::Bindings);
        let sb = snapshot::recording::messages(&dir, "sb", columns);
        let sb = sb.into_iter();
        messages.extend(sb.map(|(t, c)| (t, Message::Southbound(c))));
        messages.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let combos = snapshot::combos(&dir.join("end"), "nb");
        let combo = combos.iter().find(|c| c.name == "nb/tenant").unwrap();
        for (host, expected) in &combo.advertised {
            let node = node(&dir.join("end"), host);
            let mut follower = Follower::new(&node, &combo.options);
            for (_, message) in &messages {
                match message {
                    Message::Northbound(changes) => follower.take(std::slice::from_ref(changes)),
                    Message::Southbound(changes) => follower.take_southbound(changes),
                }
                follower.exposed();
            }
            assert_eq!(follower.exposed(), *expected, "{} on {host}", dir.display());
        }
    }
}

#[test]
fn the_recording_holds_the_rows_of_the_last_snapshot() {
    for dir in snapshot::timelines() {
        let end = snapshot::rows::northbound(&dir.join("end"));
        let mut followed = Northbound::default();
        followed.apply(messages(&dir).iter().flatten());
        let ports = |nb: &Northbound| nb.ports().map(|p| p.name.clone()).collect::<BTreeSet<_>>();
        assert_eq!(ports(&followed), ports(&end), "{}", dir.display());
    }
}

/// The same with every provider network in a VNI of its own.
#[test]
fn in_vnis_a_timeline_is_at_every_moment_where_a_fresh_look_is() {
    for dir in snapshot::timelines() {
        let combos = snapshot::combos(&dir.join("end"), "nb");
        let combo = combos.iter().find(|combo| combo.name == "nb/tenant");
        for (kind, method) in [("l3", Method::Vrf), ("l2", Method::L2Vni)] {
            let options = Options {
                method,
                ..combo.unwrap().options.clone()
            };
            let mut messages = messages(&dir);
            for message in &mut messages {
                snapshot::rows::annotate(message, kind);
            }
            for (host, expected) in &combo.unwrap().advertised {
                let node = node(&dir.join("end"), host);
                let mut follower = Follower::new(&node, &options);
                for message in messages.chunks(1) {
                    follower.take(message);
                    follower.exposed();
                }
                let place = format!("{} {kind} on {host}", dir.display());
                let exposed = follower.exposed();
                assert_eq!(exposed.is_empty(), expected.is_empty(), "{place}");
                if method == Method::Vrf {
                    assert!(exposed.is_superset(expected), "{place}: {exposed:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_batching_ends_the_same(
        timeline in 0..5usize,
        combo in any::<prop::sample::Index>(),
        host in any::<prop::sample::Index>(),
        sizes in proptest::collection::vec(1..12usize, 30..60),
    ) {
        let dir = &snapshot::timelines()[timeline];
        let messages = messages(dir);
        let combos = snapshot::combos(&dir.join("end"), "nb");
        let combo = combo.get(&combos);
        let hosts: Vec<_> = combo.advertised.iter().collect();
        let (host, expected) = host.get(&hosts);
        let node = node(&dir.join("end"), host);
        let mut follower = Follower::new(&node, &combo.options);
        let mut rest = &messages[..];
        for size in sizes.iter().cycle() {
            let (batch, others) = rest.split_at((*size).min(rest.len()));
            follower.take(batch);
            follower.exposed();
            rest = others;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(follower.exposed(), (*expected).clone());
    }
}
