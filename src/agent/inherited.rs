//! What peers taught an agent before this one stays in the kernel until they have taught this one.
//!
//! Traffic to other VTEPs goes on through a restart: peers keep our routes (RFC 4724 §4.2), and we keep theirs.

use crate::reconcile::{Holder, Key, Reconciler, Value};

/// Counts what is there, and can only have come from peers, as wished for the time being. Call it before the first
/// steps are taken, with what is wished by then.
pub(super) fn inherit(reconciler: &mut Reconciler) {
    let observed = reconciler.all_observed();
    let there = observed.into_iter().filter(|(_, found)| found.owned);
    let taught = there.filter(|(key, found)| {
        let device = device(key, &found.value).map(|name| Key::Link { name: name.into() });
        let stays = |device: Key| reconciler.desired(&device).is_some();
        device.is_some_and(stays) && reconciler.desired(key).is_none()
    });
    let taught = taught.map(|(key, found)| (key, found.value)).collect();
    reconciler.hold(Holder::Inherited, taught);
}

/// Peers have taught all they have: what they did not is no more.
pub(super) fn disown(reconciler: &mut Reconciler) {
    reconciler.hold(Holder::Inherited, Vec::new());
}

/// The bridge or VXLAN device of a tenant, of what leads to other VTEPs.
fn device<'a>(key: &'a Key, value: &'a Value) -> Option<&'a str> {
    let name = match (key, value) {
        (Key::Route { .. }, Value::Route(route)) => &route.dev,
        (Key::Neighbour { dev, .. } | Key::Fdb { dev, .. } | Key::Flood { dev, .. }, _) => dev,
        _ => return None,
    };
    let number = name
        .strip_prefix("br-")
        .or_else(|| name.strip_prefix("vxlan-"))?;
    number.parse::<u32>().ok().map(|_| &**name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::object::{Link, LinkKind, Route};
    use crate::reconcile::{Found, Step};

    fn route(prefix: &str) -> (Key, Value) {
        let key = Key::Route {
            table: 7,
            prefix: prefix.parse().unwrap(),
        };
        let route = Route::new("br-7".into(), "192.0.2.2".parse().ok());
        (key, Value::Route(route))
    }

    fn bridge() -> (Key, Value) {
        let key = Key::Link {
            name: "br-7".into(),
        };
        (key, Value::Link(Link::up(LinkKind::Bridge)))
    }

    fn restarted(wished: bool) -> Reconciler {
        let mut reconciler = Reconciler::new();
        for (key, value) in [bridge(), route("10.0.0.5/32"), route("10.0.0.6/32")] {
            reconciler.observe(key, Some(Found::owned(value)));
        }
        if wished {
            reconciler.hold(Holder::Tenant(7), vec![bridge()]);
        }
        inherit(&mut reconciler);
        reconciler.full();
        reconciler
    }

    fn removed(reconciler: &mut Reconciler) -> usize {
        let mut removed = 0;
        loop {
            let steps = reconciler.next_steps().steps;
            if steps.is_empty() {
                return removed;
            }
            for step in steps {
                assert!(matches!(step, Step::Remove { .. }), "{step:?}");
                reconciler.succeeded(&step);
                removed += 1;
            }
        }
    }

    #[test]
    fn what_peers_taught_stays_through_a_restart_until_they_have_taught_again() {
        let mut reconciler = restarted(true);
        assert_eq!(removed(&mut reconciler), 0);
        let holder = Holder::Taught {
            vni: 7,
            subject: crate::reconcile::Taught::Prefix("10.0.0.5/32".parse().unwrap()),
        };
        reconciler.hold(holder, vec![route("10.0.0.5/32")]);
        disown(&mut reconciler);
        assert_eq!(removed(&mut reconciler), 1, "what was not taught again");
        assert!(reconciler.is_settled(&route("10.0.0.5/32").0));
    }

    #[test]
    fn nothing_is_inherited_of_a_tenant_that_is_no_more() {
        assert_eq!(removed(&mut restarted(false)), 3);
    }
}
