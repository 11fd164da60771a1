//! A node that asks for what it needs, and one that reads everything.

use std::path::Path;
use std::sync::Arc;

use ovn_bgp_agent::exposure::northbound::{Inputs, decide};
use ovn_bgp_agent::exposure::{Exposure, Node, Options, TenantExposure};
use ovn_bgp_agent::ovn::interest::northbound::Interest;
use ovn_bgp_agent::ovn::interest::{ByTable, Own, TenantRows};
use ovn_bgp_agent::ovn::{Northbound, northbound as nb};
use ovn_bgp_agent::ovsdb::{Condition, Monitor};

use crate::server::{Replica, Server};
use crate::snapshot::rows::insertions;

/// OVN_Northbound of a snapshot.
pub(crate) fn northbound(dir: &Path) -> Server {
    let columns = |table: &str| Some(nb::Table::named(table)?.columns());
    Server::new(everything(), insertions(&dir.join("nb.db.gz"), columns))
}

/// The driver's monitor, without conditions.
fn everything() -> Monitor {
    let mut monitor = nb::monitor();
    for table in monitor.tables.values_mut() {
        table.condition = Condition::All;
    }
    monitor
}

/// Reads everything.
pub(crate) struct Whole {
    northbound: Northbound,
}

impl Whole {
    pub(crate) fn new(server: &Server) -> Self {
        let mut northbound = Northbound::default();
        northbound.apply(&Replica::default().follow(server, &nb::monitor()));
        Self { northbound }
    }

    pub(crate) fn exposures(&self, node: &Node, options: &Options) -> Vec<Arc<Exposure>> {
        exposures(&self.northbound, node, options)
    }
}

/// Asks for what it needs.
pub(crate) struct Filtered {
    interest: Interest,
    replica: Replica,
    northbound: Northbound,
}

impl Filtered {
    pub(crate) fn new(server: &Server, node: &Node, options: &Options) -> Self {
        let own = Own {
            hostname: node.hostname.clone(),
            chassis: node.chassis.clone(),
        };
        Self {
            interest: Interest::new(own, tenant_rows(options), &server.monitor, None),
            replica: Replica::default(),
            northbound: Northbound::default(),
        }
    }

    /// Follows the server until nothing more is asked for. Answers how often something was.
    pub(crate) fn settle(&mut self, server: &Server) -> usize {
        for step in 0..20 {
            let monitor = self.interest.restrict_northbound(nb::monitor());
            let mut changes = self.replica.follow(server, &monitor);
            self.interest.take_northbound(&mut changes);
            self.northbound.apply(&changes);
            self.interest.northbound_is_read();
            let unplaced: Vec<_> = self.interest.unplaced().collect();
            for port in unplaced {
                let network = server.switch_of(port);
                let change = self.interest.place(port, network.as_ref());
                self.northbound.apply(&change);
            }
            if !self.interest.refresh() {
                return step;
            }
        }
        panic!(
            "no fixpoint: {:#?}",
            self.interest.northbound().conditions()
        );
    }

    pub(crate) fn exposures(&self, node: &Node, options: &Options) -> Vec<Arc<Exposure>> {
        exposures(&self.northbound, node, options)
    }

    pub(crate) fn conditions(&self) -> ByTable {
        self.interest.northbound().conditions()
    }

    pub(crate) fn rows(&self) -> usize {
        self.replica.len()
    }
}

fn tenant_rows(options: &Options) -> TenantRows {
    use ovn_bgp_agent::config::TenantAdvertisement;
    match (options.tenants, options.advertisement) {
        (TenantExposure::Nothing, _) => TenantRows::None,
        (_, TenantAdvertisement::Subnet) => TenantRows::Interfaces,
        (_, TenantAdvertisement::Host) => TenantRows::Ports,
    }
}

fn exposures(northbound: &Northbound, node: &Node, options: &Options) -> Vec<Arc<Exposure>> {
    let inputs = Inputs {
        northbound,
        southbound: None,
        node,
        options,
    };
    decide(inputs).exposures
}
