//! Keeping the indexes, and noting what a change may concern.
//!
//! Each table has two steps, taken with the old row and with the new one: `link` or `unlink` it in the
//! indexes, and `affect` what may be decided by it. What a row leads to is found with the indexes as
//! they are then, so that rows may come and go in any order.

mod balancers;
mod dhcp;
mod ports;
mod routers;

use uuid::Uuid;

use super::{FipMode, Northbound, Row, Table};

/// A closure that takes the content of one variant of [`Row`].
macro_rules! only {
    ($variant:path) => {
        |row| match row {
            $variant(row) => Some(row),
            _ => None,
        }
    };
}

impl Northbound {
    /// Puts a row in place of what `table` has under `uuid`; `None` removes that.
    pub fn replace(&mut self, table: Table, uuid: Uuid, row: Option<Row>) {
        match table {
            Table::SwitchPort => {
                self.replace_port(uuid, row.and_then(only!(Row::SwitchPort)));
            }
            Table::Switch => self.replace_switch(uuid, row.and_then(only!(Row::Switch))),
            Table::Router => self.replace_router(uuid, row.and_then(only!(Row::Router))),
            Table::RouterPort => {
                self.replace_router_port(uuid, row.and_then(only!(Row::RouterPort)));
            }
            Table::Nat => self.replace_nat(uuid, row.and_then(only!(Row::Nat))),
            Table::StaticRoute => {
                self.replace_static_route(uuid, row.and_then(only!(Row::StaticRoute)));
            }
            Table::Balancer => self.replace_balancer(uuid, row.and_then(only!(Row::Balancer))),
            Table::DhcpOptions => {
                self.replace_dhcp_options(uuid, row.and_then(only!(Row::DhcpOptions)));
            }
            Table::Global => self.replace_global(uuid, row.and_then(only!(Row::Global))),
        }
    }

    fn replace_global(&mut self, uuid: Uuid, new: Option<FipMode>) {
        let before = self.fip_mode();
        match new {
            Some(mode) => drop(self.fip_modes.insert(uuid, mode)),
            None => drop(self.fip_modes.remove(&uuid)),
        }
        self.affected.everything |= before != self.fip_mode();
    }

    /// Notes that what is bound to this logical port may be decided otherwise, for a reason outside
    /// this database. `cr-<name>` is the gateway side of a router port.
    pub fn affect_port_named(&mut self, name: &str) {
        for uuid in self.ports_by_name.get(name).to_vec() {
            self.affect_port(uuid);
        }
        for uuid in self.children.get(name).to_vec() {
            self.affect_port(uuid);
        }
        if let Some(router_port) = name.strip_prefix("cr-") {
            for uuid in self.router_ports_by_name.get(router_port).to_vec() {
                self.affect_gateway(uuid);
            }
        }
    }
}
