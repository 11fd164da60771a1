//! The Southbound rows the NB driver uses, where SB is connected: who binds a port.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::row::{ColumnError, Reader, RowProblem};
use crate::ovsdb::Change;

const CHASSIS: &str = "Chassis";
const PORT_BINDING: &str = "Port_Binding";

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
            logical_port: row.string("logical_port")?.clone(),
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
            name: row.string("name")?.clone(),
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
    /// Takes over what the client reports. Answers the logical ports whose chassis may have changed
    /// (for [`super::Northbound::affect_port_named`]), and the rows that do not parse.
    pub fn apply<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> (Vec<Arc<str>>, Vec<RowProblem>) {
        let (mut ports, mut problems) = (Vec::new(), Vec::new());
        for change in changes {
            let uuid = change.uuid;
            let row = change.new.as_deref();
            match &*change.table {
                CHASSIS => {
                    let read = |row| Chassis::read(uuid, &Reader::new(Chassis::COLUMNS, row));
                    let row = sound(row.map(read), CHASSIS, uuid, &mut problems);
                    ports.extend(self.replace_chassis(uuid, row));
                }
                PORT_BINDING => {
                    let columns = PortBinding::COLUMNS;
                    let read = |row| PortBinding::read(uuid, &Reader::new(columns, row));
                    let row = sound(row.map(read), PORT_BINDING, uuid, &mut problems);
                    ports.extend(self.replace_binding(uuid, row));
                }
                _ => {}
            }
        }
        (ports, problems)
    }

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

    /// A port binding by `logical_port`.
    pub fn binding_named(&self, logical_port: &str) -> Option<&PortBinding> {
        self.bindings.get(self.by_port.get(logical_port)?)
    }

    /// The name of the chassis a logical port is bound to.
    pub fn chassis_of(&self, logical_port: &str) -> Option<&Arc<str>> {
        let binding = self.bindings.get(self.by_port.get(logical_port)?)?;
        Some(&self.chassis.get(&binding.chassis?)?.name)
    }
}

/// The row, if it parses; else what is wrong with it is noted.
fn sound<T>(
    row: Option<Result<T, ColumnError>>,
    table: &'static str,
    uuid: Uuid,
    problems: &mut Vec<RowProblem>,
) -> Option<T> {
    match row? {
        Ok(row) => Some(row),
        Err(error) => {
            problems.push(error.of(table, uuid));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ovsdb::{self, Datum};

    fn change(table: &str, number: u128, columns: Option<[Datum; 2]>) -> Change {
        let row = columns.map(|columns| Arc::new(ovsdb::Row::new(columns.map(Some))));
        Change {
            table: table.into(),
            uuid: Uuid::from_u128(number),
            old: None,
            new: row,
        }
    }

    fn chassis(number: u128, name: &str) -> Change {
        change(CHASSIS, number, Some([name.into(), Datum::empty()]))
    }

    fn binding(number: u128, port: &str, chassis: Option<u128>) -> Change {
        let chassis = Datum::set(chassis.map(Uuid::from_u128));
        change(PORT_BINDING, number, Some([port.into(), chassis]))
    }

    #[test]
    fn a_bindings_chassis_is_known_by_name_in_any_order() {
        let rows = [chassis(1, "chassis-1"), binding(2, "vm", Some(1))];
        for order in [[&rows[0], &rows[1]], [&rows[1], &rows[0]]] {
            let mut sb = Southbound::default();
            let (ports, problems) = sb.apply(order);
            assert_eq!(problems, []);
            assert_eq!(ports.last().map(|p| &**p), Some("vm"));
            assert_eq!(sb.chassis_of("vm").map(|c| &**c), Some("chassis-1"));
        }
    }

    #[test]
    fn unbound_deleted_and_moved_bindings() {
        let mut sb = Southbound::default();
        sb.apply([&chassis(1, "chassis-1"), &chassis(9, "chassis-9")]);
        sb.apply([&binding(2, "vm", Some(1))]);
        let (ports, _) = sb.apply([&binding(2, "vm", Some(9))]);
        assert!(ports.iter().all(|port| &**port == "vm"));
        assert_eq!(sb.chassis_of("vm").map(|c| &**c), Some("chassis-9"));
        sb.apply([&binding(2, "vm", None)]);
        assert_eq!(sb.chassis_of("vm"), None);
        // A binding made anew before the old one is seen to go.
        sb.apply([&binding(3, "vm", Some(1)), &change(PORT_BINDING, 2, None)]);
        assert_eq!(sb.chassis_of("vm").map(|c| &**c), Some("chassis-1"));
    }

    #[test]
    fn a_row_that_does_not_parse_is_reported() {
        let mut sb = Southbound::default();
        let (_, problems) = sb.apply([&change(CHASSIS, 1, Some([Datum::empty(), Datum::empty()]))]);
        assert_eq!((problems[0].table, problems[0].column), ("Chassis", "name"));
    }
}
