//! The laws of the diff, on a small universe where everything collides with everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::diff::{diff, link_key, satisfies};
use super::object::{EtherType, Flow, Link, LinkKind, Route, vlan};
use super::*;
use crate::mac::MacAddr;

mod devices;
mod stories;

const DEVICES: [&str; 4] = ["br-ex", "br-ex.1", "br-ex.2", "br-two"];
const HOSTS: [&str; 4] = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"];

fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

fn host(text: &str) -> IpNet {
    IpNet::from(text.parse::<IpAddr>().unwrap())
}

/// The link a well-made wish has for a device of the universe.
fn link_wish(name: &str) -> Value {
    Value::Link(Link {
        kind: match name.split_once('.') {
            Some((parent, id)) => vlan(parent, id.parse().unwrap()),
            None => LinkKind::Foreign,
        },
        up: true,
        mac: None,
        mtu: None,
    })
}

/// Any object but a link, with any value.
fn object() -> impl Strategy<Value = (Key, Value)> {
    let dev = || select(DEVICES.as_slice()).prop_map(Arc::<str>::from);
    let address = || select(HOSTS.as_slice()).prop_map(host);
    prop_oneof![
        (dev(), any::<bool>()).prop_map(|(dev, on)| (
            Key::Sysctl {
                path: format!("net/ipv4/conf/{dev}/proxy_arp").into()
            },
            Value::Sysctl {
                value: if on { "1".into() } else { "0".into() }
            }
        )),
        (dev(), address())
            .prop_map(|(dev, address)| (Key::Address { dev, address }, Value::Address {})),
        (1..3u32, address(), dev()).prop_map(|(table, prefix, dev)| (
            Key::Route { table, prefix },
            Value::Route(Route::new(dev, None))
        )),
        (dev(), address(), 0..2u8).prop_map(|(dev, address, last)| (
            Key::Neighbour {
                dev,
                address: address.addr()
            },
            Value::Neighbour { mac: mac(last) }
        )),
        (1..3u32, address()).prop_map(|(table, to)| (
            Key::Rule {
                priority: 32000,
                to,
                table
            },
            Value::Rule {}
        )),
        (1..3u32, 0..2u8).prop_map(|(in_port, last)| (
            Key::Flow {
                bridge: "br-ex".into(),
                priority: 900,
                in_port,
                ether_type: EtherType::Ipv4,
                source: None,
            },
            Value::Flow(Flow {
                cookie: 999,
                set_eth_dst: mac(last),
                output: None,
            })
        )),
        (1..3u32).prop_map(|id| (
            Key::TableName {
                name: "br-ex".into()
            },
            Value::TableName { id }
        )),
    ]
}

fn objects() -> impl Strategy<Value = BTreeMap<Key, Value>> {
    proptest::collection::vec(object(), 0..12)
        .prop_map(|list| list.into_iter().collect())
        .prop_map(|mut objects: BTreeMap<Key, Value>| {
            let mut devices: BTreeSet<String> = objects
                .iter()
                .filter_map(|(key, value)| key.device(value).map(str::to_owned))
                .collect();
            let parents: Vec<String> = devices
                .iter()
                .filter_map(|d| d.split_once('.').map(|(p, _)| p.to_owned()))
                .collect();
            devices.extend(parents);
            for device in devices {
                objects.insert(link_key(&device), link_wish(&device));
            }
            objects
        })
}

fn desired() -> impl Strategy<Value = Desired> {
    (objects(), proptest::bits::u8::ANY).prop_map(|(objects, bits)| {
        let keys: Vec<Key> = objects.keys().cloned().collect();
        let adverts = HOSTS
            .iter()
            .enumerate()
            .filter(|(i, _)| bits & (1 << i) != 0)
            .map(|(i, text)| {
                let requires = keys.iter().skip(i).step_by(3).cloned().collect();
                let announcement = announced(bits.rotate_left(i as u32));
                let advert = Advert {
                    requires,
                    announcement,
                };
                (host(text).into(), advert)
            })
            .collect();
        Desired { objects, adverts }
    })
}

/// One of two announcements.
fn announced(seed: u8) -> Announcement {
    Announcement {
        next_hop: (seed % 2 == 1).then(|| "172.24.4.76".parse().unwrap()),
        ..Announcement::default()
    }
}

/// What a node that has done all it should says.
fn said(desired: &Desired) -> BTreeMap<Destination, Announcement> {
    let adverts = desired.adverts.iter();
    adverts
        .map(|(destination, advert)| (*destination, advert.announcement.clone()))
        .collect()
}

/// A state that can exist: every object's device is there.
fn observed() -> impl Strategy<Value = Observed> {
    let links = proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 4);
    let objects = proptest::collection::vec((object(), any::<bool>()), 0..12);
    let adverts = subsequence(HOSTS.as_slice(), 0..4);
    let adverts = (adverts, any::<u8>());
    (links, objects, adverts).prop_map(|(links, objects, (adverts, said))| {
        let adverts = adverts.into_iter();
        let mut state = Observed {
            adverts: adverts.map(|p| (host(p).into(), announced(said))).collect(),
            ..Observed::default()
        };
        for (name, (exists, up, odd)) in DEVICES.iter().zip(links) {
            let Value::Link(Link { mut kind, .. }) = link_wish(name) else {
                continue;
            };
            if odd && kind != LinkKind::Foreign {
                kind = vlan("br-two", 9);
            }
            let owned = kind != LinkKind::Foreign && up == exists;
            if exists {
                let value = Value::Link(Link {
                    kind,
                    up,
                    mac: None,
                    mtu: None,
                });
                state.objects.insert(link_key(name), Found { value, owned });
            }
        }
        for ((key, value), owned) in objects {
            let removable = !matches!(key, Key::Sysctl { .. } | Key::TableName { .. });
            // Nobody else's routes are in our tables: those of BGP and the kernel are not observed.
            let route = matches!(key, Key::Route { .. });
            let owned = (owned || route) && removable;
            state.objects.insert(key, Found { value, owned });
        }
        drop_dangling(&mut state);
        state
    })
}

/// What the kernel does when a device goes: everything on it goes too.
fn drop_dangling(state: &mut Observed) {
    loop {
        let links: BTreeSet<Key> = state.objects.keys().cloned().collect();
        let before = state.objects.len();
        state
            .objects
            .retain(|key, found| match key.device(&found.value) {
                Some(device) => links.contains(&link_key(device)),
                None => true,
            });
        if state.objects.len() == before {
            return;
        }
    }
}

/// A node that does what it is told.
fn apply(state: &mut Observed, step: &Step) {
    match step {
        Step::Withdraw { destination } => {
            state.adverts.remove(destination);
        }
        Step::Advertise {
            destination,
            announcement,
        } => {
            state.adverts.insert(*destination, announcement.clone());
        }
        Step::Add { key, value } | Step::Replace { key, value } => {
            put(state, key, value);
        }
        Step::Remove { key, .. } => {
            state.objects.remove(key);
            drop_dangling(state);
        }
    }
}

fn put(state: &mut Observed, key: &Key, value: &Value) {
    let before = state.objects.get(key).cloned();
    let found = match (value, before.as_ref().map(|f| &f.value)) {
        (Value::Link(wish), Some(Value::Link(found)))
            if wish.kind == LinkKind::Foreign || wish.kind == found.kind =>
        {
            let kind = found.kind.clone();
            let owned = before.as_ref().is_some_and(|f| f.owned);
            let value = Value::Link(Link {
                kind,
                up: true,
                mac: None,
                mtu: None,
            });
            Found { value, owned }
        }
        (Value::Link(_), Some(_)) => {
            state.objects.remove(key);
            drop_dangling(state);
            Found::owned(value.clone())
        }
        (Value::Sysctl { .. } | Value::TableName { .. }, _) => Found::foreign(value.clone()),
        _ => Found::owned(value.clone()),
    };
    state.objects.insert(key.clone(), found);
}

fn has_its_device(state: &Observed, key: &Key, value: &Value) -> bool {
    key.device(value)
        .is_none_or(|device| state.objects.contains_key(&link_key(device)))
}

fn reconciler(desired: &Desired, observed: &Observed) -> Reconciler {
    let mut reconciler = Reconciler::new();
    for (key, found) in &observed.objects {
        reconciler.observe(key.clone(), Some(found.clone()));
    }
    for (destination, announcement) in &observed.adverts {
        reconciler.succeeded(&Step::Advertise {
            destination: *destination,
            announcement: announcement.clone(),
        });
    }
    reconciler.full();
    want(&mut reconciler, desired);
    reconciler
}

fn want(reconciler: &mut Reconciler, desired: &Desired) {
    let objects = desired.objects.clone().into_iter().collect();
    reconciler.hold(Holder::Base, objects);
    for text in HOSTS {
        let prefix = host(text);
        reconciler.set_advert(prefix, desired.adverts.get(&prefix.into()).cloned());
    }
}

/// Runs to the end against the model; the steps taken.
fn run(reconciler: &mut Reconciler, state: &mut Observed) -> Vec<Step> {
    let mut taken = Vec::new();
    for _ in 0..10 {
        let plan = reconciler.next_steps();
        if plan.steps.is_empty() {
            return taken;
        }
        for step in plan.steps {
            apply(state, &step);
            reconciler.succeeded(&step);
            taken.push(step);
        }
    }
    panic!("never settles: {taken:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn applying_the_diff_gives_what_is_desired(desired in desired(), observed in observed()) {
        let plan = diff(&desired, &observed);
        let mut state = observed.clone();
        for step in &plan.steps {
            apply(&mut state, step);
        }
        let blocked: BTreeSet<&Key> = plan.blocked.iter().map(|b| &b.key).collect();
        for (key, wish) in &desired.objects {
            let found = state.objects.get(key);
            let settled = found.is_some_and(|f| satisfies(&f.value, wish));
            prop_assert_eq!(settled, !blocked.contains(key), "{:?} {:?}", key, found);
        }
        for (key, found) in &state.objects {
            prop_assert!(!found.owned || desired.objects.contains_key(key), "left: {:?}", key);
        }
        let again = diff(&desired, &state);
        prop_assert_eq!(&again.steps, &vec![]);
    }

    #[test]
    fn the_diff_of_equals_is_empty(desired in desired()) {
        let mut state = Observed {
            adverts: said(&desired),
            ..Observed::default()
        };
        for (key, value) in &desired.objects {
            state.objects.insert(key.clone(), Found::owned(value.clone()));
        }
        prop_assert_eq!(diff(&desired, &state), Plan::default());
    }

    #[test]
    fn no_prefix_of_the_steps_leaves_an_object_without_its_device(
        desired in desired(),
        observed in observed(),
    ) {
        let plan = diff(&desired, &observed);
        let mut state = observed.clone();
        for step in &plan.steps {
            if let Step::Add { key, value } | Step::Replace { key, value } = step {
                prop_assert!(has_its_device(&state, key, value), "{:?}", step);
            }
            apply(&mut state, step);
        }
    }

    #[test]
    fn foreign_objects_are_in_no_step(desired in desired(), observed in observed()) {
        for step in diff(&desired, &observed).steps {
            let Some(key) = step.key() else { continue };
            let foreign = observed.objects.get(key).is_some_and(|f| !f.owned);
            let settable = matches!(key, Key::Sysctl { .. } | Key::Link { .. });
            let only_set = settable && matches!(step, Step::Replace { .. });
            prop_assert!(!foreign || only_set || on_new_device(&desired, &observed, key), "{:?}", step);
        }
    }

    #[test]
    fn an_advert_goes_out_only_with_its_wiring_and_stays(
        desired in desired(),
        observed in observed(),
    ) {
        let plan = diff(&desired, &observed);
        let mut state = observed.clone();
        for step in &plan.steps {
            if let Step::Advertise { destination, .. } = step {
                for key in desired.adverts[destination].requires.iter() {
                    let found = state.objects.get(key);
                    prop_assert!(found.is_some_and(|f| satisfies(&f.value, &desired.objects[key])));
                }
            }
            if let Step::Withdraw { destination } = step {
                prop_assert!(!desired.adverts.contains_key(destination));
            }
            apply(&mut state, step);
        }
        for prefix in desired.adverts.keys().filter(|p| observed.adverts.contains_key(p)) {
            prop_assert!(state.adverts.contains_key(prefix));
        }
    }

    #[test]
    fn the_incremental_steps_are_those_of_the_whole_diff(
        desired in desired(),
        observed in observed(),
    ) {
        let mut reconciler = reconciler(&desired, &observed);
        let mut state = observed.clone();
        let steps = run(&mut reconciler, &mut state);
        prop_assert_eq!(steps, diff(&desired, &observed).steps);
    }

    #[test]
    fn a_change_costs_the_same_steps_as_starting_afresh(
        first in desired(),
        second in desired(),
        start in observed(),
        drift in observed(),
    ) {
        let mut reconciler = reconciler(&first, &start);
        let mut state = start;
        run(&mut reconciler, &mut state);
        want(&mut reconciler, &second);
        state.objects = drift.objects;
        reconciler.observe_all(&Domain::Kernel, pick(&state, |key| !key.is_flow()));
        let bridge = Domain::Bridge("br-ex".into());
        reconciler.observe_all(&bridge, pick(&state, Key::is_flow));
        let expected = diff(&second, &state).steps;
        prop_assert_eq!(run(&mut reconciler, &mut state), expected);
        reconciler.full();
        prop_assert_eq!(reconciler.next_steps().steps, vec![]);
    }
}

fn pick(state: &Observed, wanted: impl Fn(&Key) -> bool) -> Vec<(Key, Found)> {
    let chosen = state.objects.iter().filter(|(key, _)| wanted(key));
    chosen.map(|(k, f)| (k.clone(), f.clone())).collect()
}

fn on_new_device(desired: &Desired, observed: &Observed, key: &Key) -> bool {
    let Some(device) = desired.objects.get(key).and_then(|v| key.device(v)) else {
        return false;
    };
    let link = link_key(device);
    match (desired.objects.get(&link), observed.objects.get(&link)) {
        (Some(wish), Some(found)) => !satisfies(&found.value, wish),
        _ => true,
    }
}
