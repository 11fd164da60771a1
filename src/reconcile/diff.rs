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
    let unwanted = |key: &Key| {
        let found = observed.objects.get(key);
        found.filter(|found| found.owned && !desired.objects.contains_key(key))
    };
    let mut gone = BTreeSet::new();
    for key in observed.objects.keys().rev() {
        let link = with_it(key).filter(|link| unwanted(link).is_some());
        for key in link.into_iter().chain([key.clone()]) {
            if let Some(found) = unwanted(&key).filter(|_| gone.insert(key.clone())) {
                let value = found.value.clone();
                plan.steps.push(Step::Remove { key, value });
            }
        }
    }
    plan
}

/// The interface that goes before it is taken out of its VRF or bridge, if it goes at all. Else it is in the default VRF for a
/// moment, and its addresses in the local table, which is asked before any VRF's: packets of others end here.
pub(super) fn with_it(key: &Key) -> Option<Key> {
    match key {
        Key::Master { dev } => Some(link_key(dev)),
        _ => None,
    }
}

/// Adds what is missing; returns the desired objects that are then there.
fn wire<'a>(desired: &'a Desired, observed: &'a Observed, plan: &mut Plan) -> BTreeSet<&'a Key> {
    let mut present = BTreeSet::new();
    let wishes = desired.objects.iter();
    let coming = wishes.filter_map(|(key, wish)| brings(key, wish, observed.objects.get(key)));
    let mut made = Made::expecting(coming.cloned());
    let coming: BTreeSet<Arc<str>> = made.coming.clone();
    for (key, wish) in &desired.objects {
        let there =
            |name: &str| coming.contains(name) || observed.objects.contains_key(&link_key(name));
        match judge(key, wish, observed.objects.get(key), there, &mut made) {
            Verdict::Settled | Verdict::Awaited(_) => {
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

/// Interfaces that steps of the same pass make.
#[derive(Default)]
pub(super) struct Made {
    /// Created or created anew: nothing is on them.
    links: BTreeSet<Arc<str>>,
    /// What comes with something else: the other end of a pair, the device of a switch's internal port.
    coming: BTreeSet<Arc<str>>,
}

impl Made {
    fn wait_for(&self, device: &str) -> Verdict {
        let device = Arc::from(device);
        if self.coming.contains(&device) {
            Verdict::Awaited(device)
        } else {
            Verdict::Blocked(BlockReason::NoDevice(device))
        }
    }

    pub(super) fn expecting(coming: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self {
            links: BTreeSet::new(),
            coming: coming.into_iter().collect(),
        }
    }
}

/// The interface that comes with another object, once that is made.
pub(super) fn brings<'a>(
    key: &'a Key,
    wish: &'a Value,
    found: Option<&Found>,
) -> Option<&'a Arc<str>> {
    if found.is_some_and(|found| satisfies(&found.value, wish)) {
        return None;
    }
    match (key, wish) {
        (Key::SwitchPort { port, .. }, Value::SwitchPort { internal: true, .. }) => Some(port),
        (Key::Link { .. }, Value::Link(link)) => match &link.kind {
            LinkKind::Veth { peer } => Some(peer),
            _ => None,
        },
        _ => None,
    }
}

/// What to do about one desired object.
pub(super) enum Verdict {
    Settled,
    Do(Step),
    /// For an interface that another step of this pass brings.
    Awaited(Arc<str>),
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
    let devices = [key.device(wish), master(wish)];
    let devices = devices.into_iter().flatten();
    let mut on_new_device = false;
    for device in devices {
        if made.links.contains(device) {
            on_new_device = true;
        } else if !exists(device) {
            return made.wait_for(device);
        }
    }
    // What was on a device that is created anew is gone with it.
    let verdict = match found.filter(|_| !on_new_device) {
        Some(found) if satisfies(&found.value, wish) => Verdict::Settled,
        Some(found) => replace(key, wish, found),
        None => add(key, wish, made),
    };
    if let (Key::Link { name }, Verdict::Do(step)) = (key, &verdict)
        && creates(step, found)
    {
        made.links.insert(Arc::clone(name));
    }
    verdict
}

/// What an interface is to be enslaved to.
pub(super) fn master(wish: &Value) -> Option<&str> {
    match wish {
        Value::Master { master } => Some(master),
        _ => None,
    }
}

/// True when what exists is as good as what is wished.
pub(super) fn satisfies(found: &Value, wish: &Value) -> bool {
    match (found, wish) {
        (Value::Link(found), Value::Link(wish)) => {
            (wish.kind == LinkKind::Foreign || found.kind == wish.kind)
                && (found.up || !wish.up)
                && (wish.mac.is_none() || found.mac == wish.mac)
                && (wish.mtu.is_none() || found.mtu == wish.mtu)
        }
        _ => found == wish,
    }
}

fn add(key: &Key, wish: &Value, made: &Made) -> Verdict {
    if let (
        Key::Link { name },
        Value::Link(Link {
            kind: LinkKind::Foreign,
            ..
        }),
    ) = (key, wish)
    {
        return made.wait_for(name);
    }
    Verdict::Do(Step::Add {
        key: key.clone(),
        value: wish.clone(),
    })
}

fn replace(key: &Key, wish: &Value, found: &Found) -> Verdict {
    let ours_to_change = match (key, wish, &found.value) {
        // Setting an interface up, a sysctl, or how a bridge treats a port, needs no title to it.
        (Key::Sysctl { .. } | Key::BridgePort { .. }, _, _) => true,
        (Key::Link { .. }, Value::Link(wish), Value::Link(link))
            if wish.kind == LinkKind::Foreign || wish.kind == link.kind =>
        {
            let mac = wish.mac.is_none() || wish.mac == link.mac;
            let mtu = wish.mtu.is_none() || wish.mtu == link.mtu;
            // The other end of a pair is nobody's to remove, and ours to size: the wish has no kind for it.
            found.owned || (mac && (mtu || wish.kind == LinkKind::Foreign))
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
            _ if has_kind(link, wish) => {
                format!("somebody else's interface {name} has another hardware address or MTU")
            }
            LinkKind::Vrf { table } => format!("a VRF {name} with table {table} exists"),
            _ => format!("an interface {name} of another kind exists"),
        },
        (Key::Master { dev }, Value::Master { master }) => {
            format!("somebody else's interface {dev} is a member of {master}")
        }
        (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
            format!("somebody else's permanent neighbour {address} {mac} is on {dev}")
        }
        (Key::SwitchPort { port, .. }, _) => {
            format!("somebody else's port {port} is in Open vSwitch, with other settings")
        }
        _ => "somebody else's object is in its place".to_owned(),
    };
    Verdict::Blocked(BlockReason::Occupied(what.into()))
}

fn has_kind(link: &Link, wish: &Value) -> bool {
    matches!(wish, Value::Link(wish) if wish.kind == LinkKind::Foreign || wish.kind == link.kind)
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
