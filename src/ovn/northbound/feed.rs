//! From rows of the OVSDB client to typed rows: what to monitor, and how to read it.

use uuid::Uuid;

use super::{
    Balancer, DhcpOptions, FipMode, Nat, Northbound, Router, RouterPort, Row, StaticRoute, Switch,
    SwitchPort, Table,
};
use crate::ovn::Annotations;
use crate::ovn::row::{ColumnError, Reader, RowProblem};
use crate::ovsdb::{self, Change, Clause, Condition, Monitor};

/// What to follow of OVN_Northbound.
pub fn monitor() -> Monitor {
    let monitored = |monitor: Monitor, table: Table| {
        monitor.with_table(table.name(), table.columns(), table.condition())
    };
    let tables = Table::ALL.into_iter();
    tables
        .fold(Monitor::default(), monitored)
        .with_rows_by_id(&Table::BY_ID.map(Table::name))
}

impl Table {
    /// Every table, in the order in which it is best to monitor them.
    pub const ALL: [Self; 9] = [
        Self::Global,
        Self::Switch,
        Self::Router,
        Self::SwitchPort,
        Self::RouterPort,
        Self::Nat,
        Self::StaticRoute,
        Self::Balancer,
        Self::DhcpOptions,
    ];

    /// Those whose rows a node asks for by id ([`crate::ovn::interest`]), because others refer to them.
    pub const BY_ID: [Self; 5] = [
        Self::RouterPort,
        Self::Nat,
        Self::StaticRoute,
        Self::Balancer,
        Self::DhcpOptions,
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
            Self::Balancer => "Load_Balancer",
            Self::DhcpOptions => "DHCP_Options",
            Self::Global => "NB_Global",
        }
    }

    /// The table of that name, if it is one of these.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The rows of interest, as far as the server can tell them.
    fn condition(self) -> Condition {
        let any = |column, values: [&'static str; 2]| {
            Condition::AnyOf(values.map(|value| Clause::equal(column, value)).into())
        };
        match self {
            Self::Nat => any("type", Nat::TYPES),
            Self::StaticRoute => any("ip_prefix", StaticRoute::DEFAULTS),
            _ => Condition::All,
        }
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
            Self::Balancer => Balancer::COLUMNS,
            Self::DhcpOptions => DhcpOptions::COLUMNS,
            Self::Global => FipMode::COLUMNS,
        }
    }
}

impl Northbound {
    /// Takes over what the client reports. Rows that do not parse are left out, and what is wrong
    /// with each returned.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) -> Vec<RowProblem> {
        let changes = changes.into_iter();
        changes.flat_map(|change| self.apply_one(change)).collect()
    }

    fn apply_one(&mut self, change: &Change) -> Vec<RowProblem> {
        let Some(table) = Table::named(&change.table) else {
            return Vec::new();
        };
        let uuid = change.uuid;
        let row = change.new.as_deref();
        let (row, problems) = match row.map(|row| self.read(table, uuid, row)) {
            Some(Ok(row)) => {
                let annotations = row.as_ref().and_then(Row::annotations);
                let known = self.annotations(table, uuid);
                let new = annotations.filter(|new| known != Some(*new));
                let problems = new.map(|new| new.problems(table.name(), uuid));
                let mut problems = problems.unwrap_or_default();
                problems.extend(self.switch_problems(uuid, row.as_ref()));
                (row, problems)
            }
            Some(Err(error)) => (None, vec![error.of(table.name(), uuid)]),
            None => (None, Vec::new()),
        };
        self.replace(table, uuid, row);
        problems
    }

    /// What a network's row has begun to say of its VPN and its MTU that cannot be read.
    fn switch_problems(&self, uuid: Uuid, row: Option<&Row>) -> Vec<RowProblem> {
        let Some(Row::Switch(new)) = row else {
            return Vec::new();
        };
        let (known, table) = (self.switches.get(&uuid), Table::Switch.name());
        let vpn = known.is_none_or(|known| known.vpn != new.vpn);
        let mtu = known.is_none_or(|known| known.mtu != new.mtu);
        let vpn = vpn.then(|| new.vpn.problem(table, uuid)).flatten();
        let mtu = mtu.then(|| new.mtu.problem(table, uuid)).flatten();
        vpn.into_iter().chain(mtu).collect()
    }

    /// What a row that is there says of routes.
    fn annotations(&self, table: Table, uuid: Uuid) -> Option<&Annotations> {
        match table {
            Table::SwitchPort => self.ports.get(&uuid).map(|row| &row.annotations),
            Table::Switch => self.switches.get(&uuid).map(|row| &row.annotations),
            Table::Router => self.routers.get(&uuid).map(|row| &row.annotations),
            Table::RouterPort => self.router_ports.get(&uuid).map(|row| &row.annotations),
            Table::Nat => self.fip(uuid).map(|row| &row.annotations),
            Table::Balancer => self.balancers.get(&uuid).map(|row| &row.annotations),
            Table::StaticRoute | Table::DhcpOptions | Table::Global => None,
        }
    }

    /// `None` for a row that is well but of no interest.
    fn read(
        &mut self,
        table: Table,
        uuid: Uuid,
        row: &ovsdb::Row,
    ) -> Result<Option<Row>, ColumnError> {
        let row = &Reader::new(table.columns(), row);
        Ok(match table {
            Table::SwitchPort => Some(Row::SwitchPort(SwitchPort::read(uuid, row)?)),
            Table::Switch => Some(Row::Switch(Switch::read(uuid, row)?)),
            Table::Router => Some(Row::Router(Router::read(uuid, row)?)),
            Table::RouterPort => {
                self.set_lacks_hosting_chassis(row.lacks("status"));
                Some(Row::RouterPort(RouterPort::read(uuid, row)?))
            }
            Table::Nat => Nat::read(uuid, row)?.map(Row::Nat),
            Table::StaticRoute => Some(Row::StaticRoute(StaticRoute::read(uuid, row)?)),
            Table::Balancer => Some(Row::Balancer(Balancer::read(uuid, row)?)),
            Table::DhcpOptions => Some(Row::DhcpOptions(DhcpOptions::read(uuid, row)?)),
            Table::Global => Some(Row::Global(FipMode::read(row)?)),
        })
    }
}

impl Row {
    /// What it says of routes.
    fn annotations(&self) -> Option<&Annotations> {
        match self {
            Self::SwitchPort(row) => Some(&row.annotations),
            Self::Switch(row) => Some(&row.annotations),
            Self::Router(row) => Some(&row.annotations),
            Self::RouterPort(row) => Some(&row.annotations),
            Self::Nat(row) => row.as_fip().map(|row| &row.annotations),
            Self::Balancer(row) => Some(&row.annotations),
            Self::StaticRoute(_) | Self::DhcpOptions(_) | Self::Global(_) => None,
        }
    }
}
