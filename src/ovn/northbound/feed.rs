//! From rows of the OVSDB client to typed rows: what to monitor, and how to read it.

use uuid::Uuid;

use super::{
    FipMode, Nat, Northbound, Router, RouterPort, Row, StaticRoute, Switch, SwitchPort, Table,
};
use crate::ovn::row::{ColumnError, Reader, RowProblem};

impl Table {
    /// Every table, in the order in which it is best to monitor them.
    pub const ALL: [Self; 7] = [
        Self::Global,
        Self::Switch,
        Self::Router,
        Self::SwitchPort,
        Self::RouterPort,
        Self::Nat,
        Self::StaticRoute,
    ];

    /// The table's name in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::SwitchPort => "Logical_Switch_Port",
            Self::Switch => "Logical_Switch",
            Self::Router => "Logical_Router",
            Self::RouterPort => "Logical_Router_Port",
            Self::Nat => "NAT",
            Self::StaticRoute => "Logical_Router_Static_Route",
            Self::Global => "NB_Global",
        }
    }

    /// The table of that name, if it is one of these.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The columns read. A server may lack some of them.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::SwitchPort => SwitchPort::COLUMNS,
            Self::Switch => Switch::COLUMNS,
            Self::Router => Router::COLUMNS,
            Self::RouterPort => RouterPort::COLUMNS,
            Self::Nat => Nat::COLUMNS,
            Self::StaticRoute => StaticRoute::COLUMNS,
            Self::Global => FipMode::COLUMNS,
        }
    }
}

impl Northbound {
    /// Takes over a row that was inserted or changed (`Some`), or deleted (`None`). A row that does
    /// not parse is left out, and what is wrong with it returned.
    pub fn apply(
        &mut self,
        table: Table,
        uuid: Uuid,
        row: Option<Reader<'_>>,
    ) -> Option<RowProblem> {
        let (row, problem) = match row.map(|row| read(table, uuid, &row)) {
            Some(Ok(row)) => (row, None),
            Some(Err(error)) => (None, Some(error.of(table.name(), uuid))),
            None => (None, None),
        };
        self.replace(table, uuid, row);
        problem
    }
}

/// `None` for a row that is well but of no interest.
fn read(table: Table, uuid: Uuid, row: &Reader<'_>) -> Result<Option<Row>, ColumnError> {
    Ok(match table {
        Table::SwitchPort => Some(Row::SwitchPort(SwitchPort::read(uuid, row)?)),
        Table::Switch => Some(Row::Switch(Switch::read(uuid, row)?)),
        Table::Router => Some(Row::Router(Router::read(uuid, row)?)),
        Table::RouterPort => Some(Row::RouterPort(RouterPort::read(uuid, row)?)),
        Table::Nat => Nat::read(uuid, row)?.map(Row::Nat),
        Table::StaticRoute => Some(Row::StaticRoute(StaticRoute::read(uuid, row)?)),
        Table::Global => Some(Row::Global(FipMode::read(row)?)),
    })
}
