//! What is bound where, as OVN_Southbound says: it knows of failovers and migrations before northd has
//! copied them to OVN_Northbound.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::ovn::interest::columns::Columns;
use crate::ovn::interest::{Own, put};
use crate::ovsdb::{Change, Monitor};

pub(super) const BINDING: &str = "Port_Binding";
const CHASSIS: &str = "Chassis";

/// Port bindings and chassis.
#[derive(Clone, Debug, Default)]
pub(super) struct Bindings {
    /// `None` where the database is not followed.
    columns: Option<(Columns, Columns)>,
    /// The driver does not go by what is known, because the database has been lost for long.
    disregarded: bool,
    bindings: FxHashMap<Uuid, Binding>,
    chassis: FxHashMap<Uuid, Option<Arc<str>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Binding {
    port: Option<Arc<str>>,
    chassis: Box<[Uuid]>,
}

impl Bindings {
    pub(super) fn new(monitor: Option<&Monitor>) -> Self {
        let columns = |monitor| (Columns::of(monitor, BINDING), Columns::of(monitor, CHASSIS));
        Self {
            columns: monitor.map(columns),
            ..Self::default()
        }
    }

    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        self.bindings.clear();
        self.chassis.clear();
    }

    /// Whether the database is followed.
    pub(super) fn is_followed(&self) -> bool {
        self.columns.is_some()
    }

    /// Whether ports that are bound here are found by it.
    pub(super) fn is_heeded(&self) -> bool {
        self.is_followed() && !self.disregarded
    }

    /// True if that makes a difference.
    pub(super) fn heed(&mut self, heeded: bool) -> bool {
        let differs = self.disregarded == heeded;
        self.disregarded = !heeded;
        differs && self.is_followed()
    }

    /// True if something differs.
    pub(super) fn note(&mut self, change: &Change) -> bool {
        let Some((binding, chassis)) = &self.columns else {
            return false;
        };
        let (uuid, row) = (change.uuid, change.new.as_deref());
        match &*change.table {
            BINDING => {
                let new = row.map(|row| {
                    let cells = binding.cells(row);
                    Binding {
                        port: cells.text("logical_port").cloned(),
                        chassis: cells.rows("chassis"),
                    }
                });
                put(&mut self.bindings, uuid, new)
            }
            CHASSIS => {
                let new = row.map(|row| chassis.cells(row).text("name").cloned());
                put(&mut self.chassis, uuid, new)
            }
            _ => false,
        }
    }

    /// The rows of this node's chassis: one, but for the instant in which it is made anew.
    pub(super) fn own_chassis(&self, own: &Own) -> Vec<Uuid> {
        let chassis = self.chassis.iter();
        chassis
            .filter(|(_, name)| name.as_ref() == Some(&own.chassis))
            .map(|(uuid, _)| *uuid)
            .collect()
    }

    /// The logical ports that are bound to one of these chassis.
    pub(super) fn bound_to(&self, chassis: &[Uuid]) -> Vec<&Arc<str>> {
        let here = |binding: &&Binding| binding.chassis.iter().any(|uuid| chassis.contains(uuid));
        let bindings = self.bindings.values().filter(here);
        bindings
            .filter_map(|binding| binding.port.as_ref())
            .collect()
    }
}
