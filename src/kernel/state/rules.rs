//! The rules that look up tables of ours.

use std::collections::BTreeSet;

use bgp::AddressMap;
use ipnet::IpNet;

use crate::reconcile::object::{Key, TableId};

/// Priority, destination and table.
pub(crate) type RuleId = (u32, IpNet, TableId);

/// The rules by their destination as the kernel has it, which may have host bits: it compares destinations
/// octet by octet, but matches packets under the mask. As objects, rules that match the same are the same.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// How many of each: the kernel allows twins.
    ours: AddressMap<RuleId, u32>,
    /// Of these, the destinations with host bits, by the rule without.
    with_host_bits: AddressMap<RuleId, BTreeSet<IpNet>>,
    /// Rules of others that a request to delete one of ours could hit: those with more selectors.
    look_alikes: AddressMap<RuleId, u32>,
}

impl Rules {
    /// A rule that selects on nothing but its destination came or went.
    pub(super) fn note(&mut self, id: RuleId, present: bool) {
        let there = count(&mut self.ours, id, present);
        let (priority, to, table) = id;
        if to == to.trunc() {
            return;
        }
        let masked = (priority, to.trunc(), table);
        let destinations = self.with_host_bits.entry(masked).or_default();
        if there {
            destinations.insert(to);
        } else {
            destinations.remove(&to);
        }
        if destinations.is_empty() {
            self.with_host_bits.remove(&masked);
        }
    }

    /// A rule with more selectors came or went.
    pub(super) fn note_look_alike(&mut self, id: RuleId, present: bool) {
        count(&mut self.look_alikes, id, present);
    }

    /// The rules as objects; one may be there twice.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.ours.keys().map(key)
    }

    /// The rule of an object as the kernel has it, to delete that one; `None` when there is none.
    pub(super) fn as_found(&self, masked: &RuleId) -> Option<RuleId> {
        if self.ours.contains_key(masked) {
            return Some(*masked);
        }
        let (priority, _, table) = *masked;
        let to = *self.with_host_bits.get(masked)?.first()?;
        Some((priority, to, table))
    }

    /// True when the kernel might delete a foreign rule in place of this one.
    pub(super) fn has_look_alike(&self, id: &RuleId) -> bool {
        self.look_alikes.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.ours.len()
    }
}

/// The object that a rule is.
pub(super) fn key(id: &RuleId) -> Key {
    let (priority, to, table) = *id;
    Key::Rule {
        priority,
        to: to.trunc(),
        table,
    }
}

/// Whether any is left.
fn count(counts: &mut AddressMap<RuleId, u32>, id: RuleId, present: bool) -> bool {
    let count = counts.entry(id).or_default();
    *count = if present {
        count.saturating_add(1)
    } else {
        count.saturating_sub(1)
    };
    let there = *count > 0;
    if !there {
        counts.remove(&id);
    }
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(to: &str) -> RuleId {
        (32000, to.parse().unwrap(), 201)
    }

    #[test]
    fn rules_that_match_the_same_are_one_object_until_the_last_is_gone() {
        let mut rules = Rules::default();
        let masked = id("10.0.0.0/24");
        rules.note(id("10.0.0.1/24"), true);
        rules.note(id("10.0.0.2/24"), true);
        assert!(rules.keys().all(|k| k == key(&masked)));
        assert_eq!(rules.as_found(&masked), Some(id("10.0.0.1/24")));
        rules.note(id("10.0.0.1/24"), false);
        assert_eq!(rules.as_found(&masked), Some(id("10.0.0.2/24")));
        rules.note(masked, true);
        assert_eq!(rules.as_found(&masked), Some(masked));
        rules.note(id("10.0.0.2/24"), false);
        rules.note(masked, false);
        assert_eq!(rules.as_found(&masked), None);
    }

    #[test]
    fn twins_are_counted() {
        let mut rules = Rules::default();
        rules.note(id("10.0.0.1/32"), true);
        rules.note(id("10.0.0.1/32"), true);
        rules.note(id("10.0.0.1/32"), false);
        assert!(rules.as_found(&id("10.0.0.1/32")).is_some());
    }
}
