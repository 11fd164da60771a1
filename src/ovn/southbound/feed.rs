//! From rows of the OVSDB client to typed rows: what to monitor, and how to read it.

use uuid::Uuid;

use super::Table;
use super::{
    AdvertisedRoute, BindingKind, Chassis, Datapath, DatapathGroup, LoadBalancer, PortBinding, Row,
    Scope, Southbound,
};
use crate::ovn::row::{ColumnError, Reader, RowProblem};
use crate::ovsdb::{self, Change, Condition, Monitor};

/// What to follow of OVN_Southbound.
pub fn monitor(scope: Scope) -> Monitor {
    let monitored = |monitor: Monitor, table: &Table| match table.columns(scope) {
        Some(columns) => monitor.with_table(table.name(), columns, Condition::All),
        None => monitor,
    };
    Table::ALL
        .iter()
        .fold(Monitor::default(), monitored)
        .with_rows_by_id(&Table::BY_ID.map(Table::name))
}

impl Table {
    /// Every table, in the order in which it is best to monitor them.
    pub const ALL: [Self; 6] = [
        Self::Chassis,
        Self::Datapath,
        Self::DatapathGroup,
        Self::LoadBalancer,
        Self::PortBinding,
        Self::AdvertisedRoute,
    ];

    /// Those whose rows a node asks for by id ([`crate::ovn::interest`]), because others refer to them.
    pub const BY_ID: [Self; 1] = [Self::Datapath];

    /// The table's name in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::PortBinding => "Port_Binding",
            Self::Datapath => "Datapath_Binding",
            Self::Chassis => "Chassis",
            Self::LoadBalancer => "Load_Balancer",
            Self::DatapathGroup => "Logical_DP_Group",
            Self::AdvertisedRoute => "Advertised_Route",
        }
    }

    /// The table of that name, if it is one of these.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The columns read, `None` where the scope leaves the table out. A server may lack some of
    /// them.
    pub fn columns(self, scope: Scope) -> Option<&'static [&'static str]> {
        match (self, scope) {
            (Self::PortBinding, Scope::Everything | Scope::Routing) => Some(PortBinding::COLUMNS),
            (Self::PortBinding, Scope::Bindings) => Some(PortBinding::BINDING_COLUMNS),
            (Self::Chassis, _) => Some(Chassis::COLUMNS),
            (Self::Datapath, Scope::Routing) => Some(Datapath::ROUTING_COLUMNS),
            (Self::AdvertisedRoute, Scope::Routing) => Some(AdvertisedRoute::COLUMNS),
            (_, Scope::Bindings | Scope::Routing) | (Self::AdvertisedRoute, _) => None,
            (Self::Datapath, Scope::Everything) => Some(Datapath::COLUMNS),
            (Self::LoadBalancer, Scope::Everything) => Some(LoadBalancer::COLUMNS),
            (Self::DatapathGroup, Scope::Everything) => Some(DatapathGroup::COLUMNS),
        }
    }
}

impl Southbound {
    /// Takes over what the client reports of [`monitor`] with the same scope. Rows that do not parse
    /// are left out, and what is wrong with each returned.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) -> Vec<RowProblem> {
        let changes = changes.into_iter();
        changes.flat_map(|change| self.apply_one(change)).collect()
    }

    fn apply_one(&mut self, change: &Change) -> Vec<RowProblem> {
        let table = Table::named(&change.table);
        let columns = table.and_then(|table| Some((table, table.columns(self.scope)?)));
        let Some((table, columns)) = columns else {
            return Vec::new();
        };
        let uuid = change.uuid;
        let row = change.new.as_deref();
        let (row, problems) = match row.map(|row| read(table, columns, uuid, row)) {
            Some(Ok(row)) => {
                let problems = self.new_problems(table, uuid, &row);
                (Some(row), problems)
            }
            Some(Err(error)) => (None, vec![error.of(table.name(), uuid)]),
            None => (None, Vec::new()),
        };
        self.replace(table, uuid, row);
        problems
    }

    /// What of a row's annotations cannot be read, unless it has been told.
    fn new_problems(&self, table: Table, uuid: Uuid, row: &Row) -> Vec<RowProblem> {
        let new = match row {
            Row::PortBinding(new) => new,
            Row::Datapath(new) => {
                let known = self.datapaths.get(&uuid);
                let is_new = known.is_none_or(|known| known.mtu != new.mtu);
                let problem = is_new.then(|| new.mtu.problem(table.name(), uuid));
                return problem.flatten().into_iter().collect();
            }
            _ => return Vec::new(),
        };
        let known = self.bindings.get(&uuid);
        let mut problems = Vec::new();
        if known.is_none_or(|known| known.annotations != new.annotations) {
            problems.extend(new.annotations.problems(table.name(), uuid));
        }
        if known.is_none_or(|known| known.bgpvpn != new.bgpvpn) {
            problems.extend(new.bgpvpn.problems(table.name(), uuid));
        }
        if let BindingKind::Localnet(localnet) = &new.kind
            && known.is_none_or(|known| known.kind != new.kind)
        {
            problems.extend(localnet.mtu.problem(table.name(), uuid));
        }
        problems
    }
}

fn read(
    table: Table,
    columns: &'static [&'static str],
    uuid: Uuid,
    row: &ovsdb::Row,
) -> Result<Row, ColumnError> {
    let row = &Reader::new(columns, row);
    Ok(match table {
        Table::PortBinding => Row::PortBinding(PortBinding::read(uuid, row)?),
        Table::Datapath => Row::Datapath(Datapath::read(uuid, row)?),
        Table::Chassis => Row::Chassis(Chassis::read(uuid, row)?),
        Table::LoadBalancer => Row::LoadBalancer(LoadBalancer::read(uuid, row)?),
        Table::DatapathGroup => Row::DatapathGroup(DatapathGroup::read(uuid, row)?),
        Table::AdvertisedRoute => Row::AdvertisedRoute(AdvertisedRoute::read(uuid, row)?),
    })
}
