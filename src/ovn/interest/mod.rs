//! Which rows of OVN's databases this node needs: the conditions of its monitors (ovsdb-server(7),
//! `monitor_cond` and `monitor_cond_change`).
//!
//! A cloud has tens of thousands of ports, a node some dozens of them. It starts with what it can name
//! without having seen anything (ports whose row names this host, gateways whose row names this chassis)
//! and asks for what those rows lead to, row by row, until nothing new comes: a *fixpoint*. What no row
//! leads to any more is asked for no more. Exposures are decided when the fixpoint is reached, and are the
//! same as with every row of the database.
//!
//! Pure: rows in, conditions out. What a row leads to follows from its own content and from which ports
//! and gateways are here, never from the mere presence of another row that it keeps present itself: so no
//! two rows hold each other in the replica, and the conditions depend on the databases alone, not on their
//! history.
//!
//! A clause names a monitored column, or `_uuid` in the tables that are read by id (`Table::BY_ID`); of another
//! one ovsdb-server can die, so the client asks for every row instead.
//!
//! The server pays for conditions: at every change of one it holds each row of the table against every
//! clause, unless all clauses of the table are `==`, which it looks up by hash (ovsdb/condition.c). So
//! tables with a clause per port are asked with `==` only, the large ones among the others by network, and
//! nothing at all is said when nothing changes.

mod columns;
pub mod northbound;
pub mod southbound;
mod wanted;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

pub use wanted::{ByTable, Wanted};

/// How this node is named in OVN's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Name of the host: `options:requested-chassis`, `neutron:host_id`.
    pub hostname: Arc<str>,
    /// Name of the chassis (`system-id`): `status:hosting-chassis`, also `options:requested-chassis`.
    pub chassis: Arc<str>,
}

impl Own {
    /// Whether a host or chassis of this name is this node.
    fn is(&self, name: &str) -> bool {
        *self.hostname == *name || *self.chassis == *name
    }

    /// Both names; the same one twice counts once.
    fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let other = (self.chassis != self.hostname).then_some(&self.chassis);
        std::iter::once(&self.hostname).chain(other)
    }
}

/// How much of the tenant networks behind gateways here is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TenantRows {
    /// Nothing: tenant networks are not exposed.
    #[default]
    None,
    /// The routers' interfaces: subnets are exposed.
    Interfaces,
    /// Every port.
    Ports,
}

/// What is needed beyond what is on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub tenants: TenantRows,
    /// Which networks belong to a VNI, and what their ports are told of them.
    pub vpns: bool,
}

impl From<TenantRows> for Needs {
    fn from(tenants: TenantRows) -> Self {
        Self {
            tenants,
            vpns: false,
        }
    }
}

/// Puts what a row leads to in place of what is there. True if that differs.
fn put<T: PartialEq>(rows: &mut FxHashMap<Uuid, T>, uuid: Uuid, new: Option<T>) -> bool {
    if rows.get(&uuid) == new.as_ref() {
        return false;
    }
    match new {
        Some(new) => drop(rows.insert(uuid, new)),
        None => drop(rows.remove(&uuid)),
    }
    true
}
