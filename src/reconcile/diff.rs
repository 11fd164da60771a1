//! The rule for one object, and the diff of two whole states that follows from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::object::{Key, Link, LinkKind, Value};
use super::{BlockReason, Blocked, Desired, Found, Observed, Plan, Step};

/// Everything to do to get from `observed` to `desired`, supposing that each step succeeds.
pub fn diff(desired: &Desired, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    for &destination in observed.adverts.keys() {
        if !desired.adverts.contains_key(&destination) {
            plan.steps.push(Step::Withdraw { destination });
        }
    }
    let mut present = wire(desired, observed, &mut plan);
    for (&destination, advert) in &desired.adverts {
        let wired = advert.requires.iter().all(|key| present.contains(key));
        let announcement = &advert.announcement;
        if wired && observed.adverts.get(&destination) != Some(announcement) {
            plan.steps.push(Step::Advertise {
                destination,
                announcement: announcement.clone(),
            });
        }
    }
    present.clear();
    for (key, found) in observed.objects.iter().rev() {
        if !desired.objects.contains_key(key) && found.owned {
            plan.steps.push(Step::Remove {
                key: key.clone(),
                value: found.value.clone(),
            });
        }
    }
    plan
}

/// Adds what is missing; returns the desired objects that are then there.
fn wire<'a>(desired: &'a Desired, observed: &'a Observed, plan: &mut Plan) -> BTreeSet<&'a Key> {
    let mut present = BTreeSet::new();
    let mut made = Made::default();
    for (key, wish) in &desired.objects {
        let seen = |name: &str| observed.objects.contains_key(&link_key(name));
        match judge(key, wish, observed.objects.get(key), seen, &mut made) {
            Verdict::Settled => {
                present.insert(key);
            }
            Verdict::Do(step) => {
                present.insert(key);
                plan.steps.push(step);
            }
            Verdict::Blocked(reason) => plan.blocked.push(Blocked {
                key: key.clone(),
                reason,
            }),
        }
    }
    present
}

/// The identity of an interface.
pub(super) fn link_key(name: &str) -> Key {
    Key::Link {
        name: Arc::from(name),
    }
}

/// Interfaces that earlier steps of the same pass make.
#[derive(Default)]
pub(super) struct Made {
    /// Created or created anew: nothing is on them.
    links: BTreeSet<Arc<str>>,
}

/// What to do about one desired object.
pub(super) enum Verdict {
    Settled,
    Do(Step),
    Blocked(BlockReason),
}

/// The rule for one desired object. Call it in the order of keys; `exists` tells which interfaces
/// were observed.
pub(super) fn judge(
    key: &Key,
    wish: &Value,
    found: Option<&Found>,
    exists: impl Fn(&str) -> bool,
    made: &mut Made,
) -> Verdict {
    let device = key.device(wish);
    let on_new_device = device.is_some_and(|d| made.links.contains(d));
    if let Some(device) = device
        && !on_new_device
        && !exists(device)
    {
        return Verdict::Blocked(BlockReason::NoDevice(Arc::from(device)));
    }
    // What was on a device that is created anew is gone with it.
    let verdict = match found.filter(|_| !on_new_device) {
        Some(found) if satisfies(&found.value, wish) => Verdict::Settled,
        Some(found) => replace(key, wish, found),
        None => add(key, wish),
    };
    if let (Key::Link { name }, Verdict::Do(step)) = (key, &verdict)
        && creates(step, found)
    {
        made.links.insert(Arc::clone(name));
    }
    verdict
}

/// True when what exists is as good as what is wished.
pub(super) fn satisfies(found: &Value, wish: &Value) -> bool {
    match (found, wish) {
        (Value::Link(found), Value::Link(wish)) => {
            (wish.kind == LinkKind::Foreign || found.kind == wish.kind)
                && (found.up || !wish.up)
                && (wish.mac.is_none() || found.mac == wish.mac)
        }
        _ => found == wish,
    }
}

fn add(key: &Key, wish: &Value) -> Verdict {
    if let (
        Key::Link { name },
        Value::Link(Link {
            kind: LinkKind::Foreign,
            ..
        }),
    ) = (key, wish)
    {
        return Verdict::Blocked(BlockReason::NoDevice(Arc::clone(name)));
    }
    Verdict::Do(Step::Add {
        key: key.clone(),
        value: wish.clone(),
    })
}

fn replace(key: &Key, wish: &Value, found: &Found) -> Verdict {
    let ours_to_change = match (key, wish, &found.value) {
        // Setting an interface up, or a sysctl, needs no title to it.
        (Key::Sysctl { .. }, _, _) => true,
        (Key::Link { .. }, Value::Link(wish), Value::Link(found))
            if wish.kind == LinkKind::Foreign || wish.kind == found.kind =>
        {
            true
        }
        // Two names for a number, or two numbers for a name, would mislead everybody.
        (Key::TableName { .. }, _, _) => false,
        _ => found.owned,
    };
    if ours_to_change {
        return Verdict::Do(Step::Replace {
            key: key.clone(),
            value: wish.clone(),
        });
    }
    let what = match (key, &found.value) {
        (Key::TableName { name }, Value::TableName { id }) => {
            format!("rt_tables already has {id} for {name}")
        }
        (Key::Link { name }, Value::Link(link)) => match link.kind {
            LinkKind::Vrf { table } => format!("a VRF {name} with table {table} exists"),
            _ => format!("an interface {name} of another kind exists"),
        },
        (Key::Master { dev }, Value::Master { master }) => {
            format!("somebody else's interface {dev} is a member of {master}")
        }
        (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
            format!("somebody else's permanent neighbour {address} {mac} is on {dev}")
        }
        _ => "somebody else's object is in its place".to_owned(),
    };
    Verdict::Blocked(BlockReason::Occupied(what.into()))
}

/// True when the step leaves an interface with nothing on it.
fn creates(step: &Step, found: Option<&Found>) -> bool {
    match step {
        Step::Add { .. } => true,
        Step::Replace { value, .. } => match (value, found.map(|f| &f.value)) {
            (Value::Link(wish), Some(Value::Link(found))) => {
                wish.kind != LinkKind::Foreign && wish.kind != found.kind
            }
            _ => false,
        },
        _ => false,
    }
}
