//! Which conditions the server has in force, which are on their way, which are wanted.

use std::collections::BTreeMap;

use crate::ovsdb::condition::Condition;
use crate::ovsdb::row::Monitor;

pub(in crate::ovsdb) type ByTable = BTreeMap<String, Condition>;

/// Conditions are numbered, so that the owner can tell which ones the rows at hand stand for.
#[derive(Debug)]
pub(super) struct Conditions {
    acked: (u64, ByTable),
    in_flight: Option<(u64, ByTable)>,
    wanted: (u64, ByTable),
}

impl Conditions {
    pub(super) fn new(monitor: &Monitor) -> Self {
        let tables = monitor.tables.iter();
        let first: ByTable = tables
            .map(|(name, table)| (name.clone(), table.condition.clone()))
            .collect();
        Self {
            acked: (0, first.clone()),
            in_flight: None,
            wanted: (0, first),
        }
    }

    /// The owner wants other rows; tables not named keep their condition.
    pub(super) fn change(&mut self, number: u64, tables: ByTable) {
        self.wanted.0 = number;
        let known = tables
            .into_iter()
            .filter(|(name, _)| self.acked.1.contains_key(name));
        self.wanted.1.extend(known.collect::<Vec<_>>());
    }

    /// The conditions for a new monitor. To resume, they have to be those under which the rows at
    /// hand were received; a full dump takes the newest at once.
    pub(super) fn begin(&mut self, resume: bool) -> &ByTable {
        if !resume {
            self.acked = self.wanted.clone();
        }
        &self.acked.1
    }

    /// The change to send now, if one is due and none is on its way: the tables that differ.
    pub(super) fn next_change(&mut self) -> Option<ByTable> {
        if self.in_flight.is_some() || self.acked.0 == self.wanted.0 {
            return None;
        }
        self.in_flight = Some(self.wanted.clone());
        let wanted = self.wanted.1.iter();
        let differing =
            wanted.filter(|(name, condition)| self.acked.1.get(*name) != Some(condition));
        Some(
            differing
                .map(|(name, condition)| (name.clone(), condition.clone()))
                .collect(),
        )
    }

    /// The server has taken the change; its rows have arrived before.
    pub(super) fn acknowledge(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.acked = in_flight;
        }
    }

    /// The connection is gone. True if a change was on its way: the rows at hand may then belong to
    /// either condition, so the next monitor must not resume (ovs-dev msg43798).
    pub(super) fn disconnect(&mut self) -> bool {
        self.in_flight.take().is_some()
    }

    /// Number of the conditions in force.
    pub(super) fn number(&self) -> u64 {
        self.acked.0
    }
}
