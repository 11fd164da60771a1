//! What `nb_ovn_bgp_driver` needs of OVN_Northbound and, for gateways that move and ports that migrate, of
//! OVN_Southbound.
//!
//! ```text
//!   this host    ─► its ports ─► their NAT rows ─► the routers and switches of those
//!                             └► the switches, and load balancers on provider networks
//!   this chassis ─► its gateway ports ─► their routers ─► router ports ─► tenant networks ─► ports there
//!                                                      ├► NAT, routes, load balancers ─► ports of VIPs
//! ```

mod bindings;
mod leads;
mod placement;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use uuid::Uuid;

pub use self::placement::placement_query;

use self::bindings::Bindings;
use self::leads::{Balancer, Leads, Nat, Port, Router, RouterPort, Switch};
use self::placement::Placement;
use super::columns::Columns;
use super::wanted::Want;
use super::{Needs, Own, TenantRows, Wanted, put};
use crate::ovn::northbound::SwitchPort;
use crate::ovsdb::{Change, Monitor};

const PORT: &str = "Logical_Switch_Port";
const ROUTER_PORT: &str = "Logical_Router_Port";
const ROUTER: &str = "Logical_Router";
const NAT: &str = "NAT";
const BALANCER: &str = "Load_Balancer";
const SWITCH: &str = "Logical_Switch";
const ROUTE: &str = "Logical_Router_Static_Route";
const DHCP: &str = "DHCP_Options";
const TABLES: [&str; 8] = [
    PORT,
    ROUTER_PORT,
    ROUTER,
    NAT,
    BALANCER,
    SWITCH,
    ROUTE,
    DHCP,
];

/// The monitor without what decides nothing: what ports are told, where no network belongs to a VNI.
fn trim(needs: Needs, monitor: Monitor) -> Monitor {
    let mut monitor = placement::trim(monitor);
    if !needs.vpns {
        monitor.tables.remove(DHCP);
        if let Some(port) = monitor.tables.get_mut(PORT) {
            let told = |column: &String| SwitchPort::DHCP.contains(&column.as_str());
            while port.columns.last().is_some_and(told) {
                port.columns.pop();
            }
        }
    }
    monitor
}

/// What the driver needs, as far as the rows seen so far tell.
#[derive(Clone, Debug)]
pub struct Interest {
    own: Own,
    needs: Needs,
    columns: TableColumns,
    leads: Leads,
    placement: Placement,
    bindings: Bindings,
    /// The Northbound rows under the first conditions are there: a port that is not among them is not there.
    northbound_read: bool,
    stale: bool,
    wanted: Wanted,
    wanted_bindings: Wanted,
}

#[derive(Clone, Debug)]
struct TableColumns {
    port: Columns,
    router_port: Columns,
    router: Columns,
    nat: Columns,
    balancer: Columns,
    switch: Columns,
}

impl TableColumns {
    fn of(monitor: &Monitor) -> Self {
        let of = |table| Columns::of(monitor, table);
        Self {
            port: of(PORT),
            router_port: of(ROUTER_PORT),
            router: of(ROUTER),
            nat: of(NAT),
            balancer: of(BALANCER),
            switch: of(SWITCH),
        }
    }
}

impl Interest {
    /// Of the node `own`. `northbound` and `southbound` are the driver's monitors, without conditions; the
    /// latter is `None` where that database is not connected.
    pub fn new(
        own: Own,
        needs: impl Into<Needs>,
        northbound: &Monitor,
        southbound: Option<&Monitor>,
    ) -> Self {
        let needs = needs.into();
        let mut interest = Self {
            columns: TableColumns::of(&trim(needs, northbound.clone())),
            bindings: Bindings::new(southbound),
            own,
            needs,
            leads: Leads::default(),
            placement: Placement::default(),
            northbound_read: false,
            stale: true,
            wanted: Wanted::default(),
            wanted_bindings: Wanted::default(),
        };
        interest.refresh();
        interest
    }

    /// The node is called so from now on.
    pub fn set_own(&mut self, own: Own) {
        self.stale |= self.own != own;
        self.own = own;
    }

    /// Another Northbound database is followed from now on: nothing is known of it yet.
    pub fn forget_northbound(&mut self) {
        self.leads = Leads::default();
        self.placement = Placement::default();
        self.northbound_read = false;
        self.stale = true;
    }

    /// The same of the Southbound database.
    pub fn forget_southbound(&mut self) {
        self.bindings.forget();
        self.stale = true;
    }

    /// The driver's Northbound monitor, asking only for what is needed now.
    #[must_use]
    pub fn restrict_northbound(&self, monitor: Monitor) -> Monitor {
        self.wanted.restrict(trim(self.needs, monitor))
    }

    /// Takes in what the client of OVN_Northbound reports, and completes it: ports whose row does not name
    /// their network get it, as far as it is known.
    pub fn take_northbound(&mut self, changes: &mut [Change]) {
        for change in changes {
            if *change.table == *PORT {
                self.placement.complete(change, &self.columns.port);
            }
            self.stale |= self.note(change);
        }
    }

    /// Takes in what the client of OVN_Southbound reports.
    pub fn take_southbound(&mut self, changes: &[Change]) {
        for change in changes {
            self.stale |= self.bindings.note(change);
        }
    }

    /// The Northbound rows under the conditions in force have arrived.
    pub fn northbound_is_read(&mut self) {
        self.stale |= !self.northbound_read;
        self.northbound_read = true;
    }

    /// Whether the driver goes by the Southbound database from now on.
    pub fn heed_southbound(&mut self, heeded: bool) {
        self.stale |= self.bindings.heed(heeded);
    }

    /// Works out anew what is needed, if anything that decides it has changed since the last call.
    /// True if that differs from before, in either database.
    pub fn refresh(&mut self) -> bool {
        if !std::mem::take(&mut self.stale) {
            return false;
        }
        let (wanted, bindings) = rules::apply(&rules::View {
            own: &self.own,
            needs: self.needs,
            leads: &self.leads,
            placement: &self.placement,
            bindings: &self.bindings,
            northbound_read: self.northbound_read,
            switches_tell: self.columns.switch.position("external_ids").is_some()
                || self.columns.switch.position("load_balancer").is_some(),
        });
        let differs = wanted != self.wanted || bindings != self.wanted_bindings;
        self.wanted = wanted;
        self.wanted_bindings = bindings;
        differs
    }

    /// What is needed of OVN_Northbound.
    pub fn northbound(&self) -> &Wanted {
        &self.wanted
    }

    /// What is needed of OVN_Southbound.
    pub fn southbound(&self) -> &Wanted {
        &self.wanted_bindings
    }

    /// Ports whose network nobody has told: to be asked for with [`placement_query`], and told to
    /// [`Interest::place`].
    pub fn unplaced(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.placement.unplaced()
    }

    /// The switch that lists these ports, or none; and the completed rows that are to be told to the driver.
    pub fn place(&mut self, port: Uuid, network: Option<&Arc<str>>) -> Option<Change> {
        let mut change = self.placement.place(port, network)?;
        self.placement.complete(&mut change, &self.columns.port);
        self.stale |= self.note(&change);
        Some(change)
    }

    /// Ports that no switch was found for are unplaced again.
    pub fn forget_failures(&mut self) {
        self.placement.forget_failures();
    }

    /// True if what a row leads to has changed.
    fn note(&mut self, change: &Change) -> bool {
        let (uuid, row) = (change.uuid, change.new.as_deref());
        let (columns, leads) = (&self.columns, &mut self.leads);
        match &*change.table {
            PORT => {
                let new = row.map(|row| Port::read(&columns.port.cells(row)));
                leads.put_port(uuid, new)
            }
            ROUTER_PORT => {
                let new = row.map(|row| RouterPort::read(&columns.router_port.cells(row)));
                put(&mut leads.router_ports, uuid, new)
            }
            ROUTER => {
                let new = row.map(|row| Router::read(&columns.router.cells(row)));
                put(&mut leads.routers, uuid, new)
            }
            NAT => {
                let new = row.map(|row| Nat::read(&columns.nat.cells(row)));
                put(&mut leads.nats, uuid, new)
            }
            BALANCER => {
                let new = row.map(|row| Balancer::read(&columns.balancer.cells(row)));
                put(&mut leads.balancers, uuid, new)
            }
            SWITCH => {
                let new = row.map(|row| Switch::read(&columns.switch.cells(row)));
                put(&mut leads.switches, uuid, new)
            }
            _ => false,
        }
    }
}
