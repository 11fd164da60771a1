//! Ports whose rows do not name their network. Neutron writes `neutron:network_name` on every port but the
//! localnet ports, of which a provider network has one; they are found in `Logical_Switch.ports` alone.
//! Following that column would cost every node a line for every port of each provider network, and news
//! whenever any of those comes or goes; so the server is asked once per port for the switch that lists it.
//! A port never changes its switch: it is made for one and lives as long as that lists it.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::{PORT, SWITCH};
use crate::ovn::interest::columns::Columns;
use crate::ovsdb::{Atom, Change, Clause, Datum, Monitor, Operation, Row};

const KEY: &str = "neutron:network_name";

/// The networks of ports that do not name theirs.
#[derive(Clone, Debug, Default)]
pub(super) struct Placement {
    /// The rows as the server has them, and what is known of their network.
    ports: FxHashMap<Uuid, (Arc<Row>, Network)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Network {
    Unknown,
    /// No switch lists the port.
    None,
    Known(Arc<str>),
}

/// Asks for the name of the switch that lists each of these ports, one operation for each.
pub fn placement_query(ports: &[Uuid]) -> Vec<Operation> {
    let query = |port: &Uuid| Operation::Select {
        table: SWITCH.to_owned(),
        clauses: vec![Clause::includes("ports", *port)],
        columns: vec!["name".to_owned()],
    };
    ports.iter().map(query).collect()
}

/// The monitor without `Logical_Switch.ports`. That column is the last, so that the others stay where they
/// are.
pub(super) fn trim(mut monitor: Monitor) -> Monitor {
    if let Some(switch) = monitor.tables.get_mut(SWITCH)
        && switch.columns.last().is_some_and(|name| name == "ports")
    {
        switch.columns.pop();
    }
    monitor
}

impl Placement {
    /// Puts the network into a port's row, if it is not there and is known.
    pub(super) fn complete(&mut self, change: &mut Change, columns: &Columns) {
        let uuid = change.uuid;
        let Some(row) = change.new.clone() else {
            self.ports.remove(&uuid);
            return;
        };
        if columns.cells(&row).entry("external_ids", KEY).is_some() {
            self.ports.remove(&uuid);
            return;
        }
        let known = self.ports.remove(&uuid);
        let network = known.map_or(Network::Unknown, |(_, network)| network);
        if let Network::Known(name) = &network {
            change.new = Some(Arc::new(with_network(&row, columns, name)));
        }
        self.ports.insert(uuid, (row, network));
    }

    /// Whether the port's own row does not name its network.
    pub(super) fn has(&self, port: Uuid) -> bool {
        self.ports.contains_key(&port)
    }

    pub(super) fn forget_failures(&mut self) {
        for (_, network) in self.ports.values_mut() {
            if *network == Network::None {
                *network = Network::Unknown;
            }
        }
    }

    pub(super) fn unplaced(&self) -> impl Iterator<Item = Uuid> + '_ {
        let unknown = self.ports.iter();
        unknown
            .filter(|(_, (_, network))| *network == Network::Unknown)
            .map(|(uuid, _)| *uuid)
    }

    /// What the server answered about a port; the change that brings its row again.
    pub(super) fn place(&mut self, uuid: Uuid, network: Option<&Arc<str>>) -> Option<Change> {
        let (row, known) = self.ports.get_mut(&uuid)?;
        let network = network.map_or(Network::None, |name| Network::Known(Arc::clone(name)));
        let told = std::mem::replace(known, network);
        (told != *known).then(|| Change {
            table: PORT.into(),
            uuid,
            old: None,
            new: Some(Arc::clone(row)),
        })
    }
}

fn with_network(row: &Row, columns: &Columns, network: &Arc<str>) -> Row {
    let at = columns.position("external_ids");
    Row::new((0..row.len()).map(|index| match row.get(index) {
        Some(ids) if Some(index) == at => {
            let network = (Atom::from(KEY), Atom::String(Arc::clone(network)));
            let pairs = ids.pairs().iter().cloned().chain([network]);
            Some(Datum::map(pairs))
        }
        held => held.cloned(),
    }))
}
