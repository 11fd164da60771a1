//! What the Southbound drivers need of OVN_Southbound.
//!
//! ```text
//!   this chassis ─► ports bound here ─► all floating IPs, and the switches with a localnet port
//!                └► gateways bound here ─► their routers ─► other ends ─► all on tenant switches
//!   routers and switches ─► groups of datapaths ─► load balancers ─► all on the switch of a VIP
//! ```
//!
//! `ovn_evpn_driver` needs the second line alone, `ovn_native` the routers of all ports bound here that dynamic routing may
//! be on, with the routes that they want advertised.
//!
//! Where nothing less will do, switches are read whole, as ovn-controller reads them: `datapath ==` is a clause
//! that the server looks up by hash, which none on `external_ids` would be.

mod leads;
mod rules;
#[cfg(test)]
mod tests;

use self::leads::{Balancer, Binding, Leads};
use super::columns::Columns;
use super::{Own, TenantRows, Wanted, put};
use crate::ovsdb::{Change, Monitor};

const BINDING: &str = "Port_Binding";
const DATAPATH: &str = "Datapath_Binding";
const GROUP: &str = "Logical_DP_Group";
const BALANCER: &str = "Load_Balancer";
const CHASSIS: &str = "Chassis";
const ROUTE: &str = "Advertised_Route";

/// What a driver exposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What is bound to this chassis, and what is behind gateways bound to it.
    Node(TenantRows),
    /// What is behind any gateway, whatever chassis it is bound to: stretched L2.
    Routers,
    /// What is behind gateways bound to this chassis: EVPN.
    Gateways,
    /// What routers with a port bound to this chassis want advertised: OVN's dynamic routing.
    Routing,
}

impl Reach {
    /// The tables whose rows are asked for; there are others of which every row is read, or none.
    fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Node(_) | Self::Routers | Self::Gateways => &[BINDING, DATAPATH, GROUP, BALANCER],
            Self::Routing => &[BINDING, DATAPATH, ROUTE],
        }
    }
}

/// What a driver needs, as far as the rows seen so far tell.
#[derive(Clone, Debug)]
pub struct Interest {
    own: Own,
    reach: Reach,
    routers_tell: bool,
    columns: TableColumns,
    leads: Leads,
    stale: bool,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
struct TableColumns {
    binding: Columns,
    datapath: Columns,
    group: Columns,
    balancer: Columns,
    chassis: Columns,
}

impl Interest {
    /// Of the node `own`. `monitor` is the driver's, without conditions.
    pub fn new(own: Own, reach: Reach, monitor: &Monitor) -> Self {
        let of = |table| Columns::of(monitor, table);
        let mut interest = Self {
            own,
            reach,
            routers_tell: false,
            columns: TableColumns {
                binding: of(BINDING),
                datapath: of(DATAPATH),
                group: of(GROUP),
                balancer: of(BALANCER),
                chassis: of(CHASSIS),
            },
            leads: Leads::default(),
            stale: true,
            wanted: Wanted::default(),
        };
        interest.refresh();
        interest
    }

    /// The node is called so from now on.
    pub fn set_own(&mut self, own: Own) {
        self.stale |= self.own != own;
        self.own = own;
    }

    /// Whether what is said of routes goes by the name of their router, as a policy file may.
    pub fn heed_router_names(&mut self, heeded: bool) {
        self.stale |= self.routers_tell != heeded;
        self.routers_tell = heeded;
    }

    /// Another database is followed from now on: nothing is known of it yet.
    pub fn forget(&mut self) {
        self.leads = Leads::default();
        self.stale = true;
    }

    /// Takes in what the client reports.
    pub fn take(&mut self, changes: &[Change]) {
        for change in changes {
            self.stale |= self.note(change);
        }
    }

    /// Works out anew what is needed, if anything that decides it has changed since the last call.
    /// True if that differs from before.
    pub fn refresh(&mut self) -> bool {
        if !std::mem::take(&mut self.stale) {
            return false;
        }
        let wanted = rules::apply(&rules::View {
            own: &self.own,
            reach: self.reach,
            routers_tell: self.routers_tell,
            leads: &self.leads,
        });
        let differs = wanted != self.wanted;
        self.wanted = wanted;
        differs
    }

    /// What is needed.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// True if what a row leads to has changed.
    fn note(&mut self, change: &Change) -> bool {
        let (uuid, row) = (change.uuid, change.new.as_deref());
        let (columns, leads) = (&self.columns, &mut self.leads);
        match &*change.table {
            BINDING => {
                let new = row.map(|row| Binding::read(&columns.binding.cells(row)));
                put(&mut leads.bindings, uuid, new)
            }
            BALANCER => {
                let new = row.map(|row| Balancer::read(&columns.balancer.cells(row)));
                put(&mut leads.balancers, uuid, new)
            }
            GROUP => {
                let new = row.map(|row| columns.group.cells(row).rows("datapaths"));
                put(&mut leads.groups, uuid, new)
            }
            DATAPATH => {
                let new = row.map(|row| {
                    let cells = columns.datapath.cells(row);
                    match cells.text("type") {
                        Some(kind) => **kind == *"logical-router",
                        None => cells.entry("external_ids", "logical-router").is_some(),
                    }
                });
                put(&mut leads.datapaths, uuid, new)
            }
            CHASSIS => {
                let new = row.map(|row| columns.chassis.cells(row).text("name").cloned());
                put(&mut leads.chassis, uuid, new)
            }
            _ => false,
        }
    }
}
