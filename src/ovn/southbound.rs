//! The Southbound rows the drivers use.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::row::{ColumnError, Reader};

/// `Port_Binding`: where a logical port is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortBinding {
    pub uuid: Uuid,
    pub logical_port: Arc<str>,
    /// `chassis`.
    pub chassis: Option<Uuid>,
}

/// `Chassis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chassis {
    pub uuid: Uuid,
    /// `name`: the `system-id` of its Open vSwitch.
    pub name: Arc<str>,
}

impl PortBinding {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["logical_port", "chassis"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            logical_port: row.string("logical_port")?.into(),
            chassis: row.uuids("chassis")?.first().copied(),
        })
    }
}

impl Chassis {
    /// The columns read.
    pub const COLUMNS: &[&str] = &["name"];

    pub(crate) fn read(uuid: Uuid, row: &Reader<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            uuid,
            name: row.string("name")?.into(),
        })
    }
}

/// A replica of the Southbound rows the NB driver uses.
#[derive(Clone, Debug, Default)]
pub struct Southbound {
    bindings: FxHashMap<Uuid, PortBinding>,
    chassis: FxHashMap<Uuid, Chassis>,
    by_port: FxHashMap<Arc<str>, Uuid>,
}

impl Southbound {
    /// Puts a binding in place of what was under `uuid`; `None` removes that. Answers the logical
    /// ports whose chassis may have changed.
    pub fn replace_binding(&mut self, uuid: Uuid, new: Option<PortBinding>) -> Vec<Arc<str>> {
        let mut ports = Vec::new();
        if let Some(old) = self.bindings.remove(&uuid) {
            if self.by_port.get(&old.logical_port) == Some(&uuid) {
                self.by_port.remove(&old.logical_port);
            }
            ports.push(old.logical_port);
        }
        if let Some(new) = new {
            ports.push(new.logical_port.clone());
            self.by_port.insert(new.logical_port.clone(), uuid);
            self.bindings.insert(uuid, new);
        }
        ports
    }

    /// Puts a chassis in place of what was under `uuid`; `None` removes that. Answers the logical
    /// ports bound there.
    pub fn replace_chassis(&mut self, uuid: Uuid, new: Option<Chassis>) -> Vec<Arc<str>> {
        match new {
            Some(new) => drop(self.chassis.insert(uuid, new)),
            None => drop(self.chassis.remove(&uuid)),
        }
        let bound = self.bindings.values().filter(|b| b.chassis == Some(uuid));
        bound.map(|b| b.logical_port.clone()).collect()
    }

    /// The name of the chassis a logical port is bound to.
    pub fn chassis_of(&self, logical_port: &str) -> Option<&Arc<str>> {
        let binding = self.bindings.get(self.by_port.get(logical_port)?)?;
        Some(&self.chassis.get(&binding.chassis?)?.name)
    }
}
