//! Which of OVN's routers learn what peers teach, and in which tables. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::exposure::native::Teacher;
use crate::fib::Routers;
use crate::reconcile::object::TableId;

/// The routers as they were last told, and whether they may be others by now.
#[derive(Debug)]
pub(super) struct Learners {
    told: Option<Arc<Routers>>,
    news: Option<Arc<Routers>>,
    doubted: bool,
    /// Tables that are a tenant's, and were complained of.
    clashing: BTreeSet<TableId>,
}

impl Default for Learners {
    fn default() -> Self {
        Self {
            told: None,
            news: None,
            doubted: true,
            clashing: BTreeSet::new(),
        }
    }
}

impl Learners {
    /// What decides of them has changed.
    pub(super) fn doubt(&mut self) {
        self.doubted = true;
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// These learn from now on, but in the tables of `tenants`: what is in those is the tenants' VRF; and not in a table of
    /// routers of several instances: ovn-controller would give all of them what is one's. Answers what is wrong, once.
    pub(super) fn set(&mut self, mut routers: Routers, tenants: &BTreeSet<TableId>) -> Vec<String> {
        self.doubted = false;
        let clashing = routers.extract_if(.., |table, learning| {
            tenants.contains(table) || learning.teacher == Teacher::Several
        });
        let clashing: Vec<_> = clashing.collect();
        let new = clashing.iter().filter(|(t, _)| !self.clashing.contains(t));
        let complaints = new.map(|(table, learning)| {
            let whose = match tenants.contains(table) {
                true => format!("that of VNI {table}"),
                false => "also that of a router of another VNI".to_owned(),
            };
            format!(
                "router {} learns nothing: its table {table} is {whose}; set dynamic-routing-vrf-id in its options",
                learning.router
            )
        });
        let complaints = complaints.collect();
        self.clashing = clashing.into_iter().map(|(table, _)| table).collect();
        if self.told.as_deref() != Some(&routers) {
            let routers = Arc::new(routers);
            self.told = Some(Arc::clone(&routers));
            self.news = Some(routers);
        }
        complaints
    }

    /// Those that learn, if that is news.
    pub(super) fn take(&mut self) -> Option<Arc<Routers>> {
        self.news.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::native::Learning;

    fn routers(tables: &[TableId]) -> Routers {
        let learning = |table: &TableId| Learning {
            router: format!("router-{table}").into(),
            vrf: format!("ovnvrf{table}").into(),
            ..Learning::default()
        };
        tables
            .iter()
            .map(|table| (*table, learning(table)))
            .collect()
    }

    #[test]
    fn what_is_known_is_told_once_and_nothing_is_told_too() {
        let mut learners = Learners::default();
        assert!(learners.is_doubted() && learners.take().is_none());
        learners.set(Routers::default(), &BTreeSet::new());
        assert_eq!(learners.take(), Some(Arc::default()));
        learners.set(Routers::default(), &BTreeSet::new());
        assert_eq!(learners.take(), None);
        learners.set(routers(&[7]), &BTreeSet::new());
        assert_eq!(learners.take().as_deref(), Some(&routers(&[7])));
    }

    #[test]
    fn a_table_of_routers_of_two_tenants_is_nobodys() {
        let mut learners = Learners::default();
        let mut two = routers(&[7, 8]);
        if let Some(learning) = two.get_mut(&8) {
            learning.teacher = Teacher::Several;
        }
        let complaints = learners.set(two, &BTreeSet::new());
        assert!(complaints[0].contains("another VNI"), "{complaints:?}");
        assert_eq!(learners.take().as_deref(), Some(&routers(&[7])));
    }

    #[test]
    fn a_tenants_table_is_no_routers_and_that_is_said_once() {
        let mut learners = Learners::default();
        let complaints = learners.set(routers(&[7, 77]), &BTreeSet::from([77]));
        assert!(complaints[0].contains("router-77"), "{complaints:?}");
        assert_eq!(learners.take().as_deref(), Some(&routers(&[7])));
        let tenants = BTreeSet::from([77]);
        assert_eq!(
            learners.set(routers(&[7, 77]), &tenants),
            Vec::<String>::new()
        );
        assert_eq!(learners.take(), None);
    }
}
