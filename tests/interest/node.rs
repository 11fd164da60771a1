//! A node that asks for what it needs, and one that reads everything.

use std::path::Path;
use std::sync::Arc;

use ovn_bgp_agent::exposure::{Decision, Exposure, Node, Options, TenantExposure, northbound};
use ovn_bgp_agent::ovn::interest::northbound::Interest;
use ovn_bgp_agent::ovn::interest::{ByTable, Needs, Own, TenantRows};
use ovn_bgp_agent::ovn::southbound::Scope;
use ovn_bgp_agent::ovn::{Northbound, Southbound, northbound as nb, southbound as sb};
use ovn_bgp_agent::ovsdb::{Condition, Monitor};

use crate::server::{Replica, Server};
use crate::snapshot::rows::insertions;

/// OVN_Northbound and OVN_Southbound of a snapshot, as the NB driver sees them.
#[derive(Clone)]
pub(crate) struct Cloud {
    pub(crate) northbound: Server,
    /// `None` where it is not connected.
    pub(crate) southbound: Option<Server>,
}

impl Cloud {
    pub(crate) fn northbound_only(dir: &Path) -> Self {
        Self {
            northbound: northbound(dir),
            southbound: None,
        }
    }

    pub(crate) fn with_southbound(dir: &Path) -> Self {
        Self {
            northbound: northbound(dir),
            southbound: Some(southbound(dir, Scope::Bindings)),
        }
    }
}

/// OVN_Southbound of a snapshot, as far as a driver reads it.
pub(crate) fn southbound(dir: &Path, scope: Scope) -> Server {
    let columns = |table: &str| sb::Table::named(table)?.columns(scope);
    let rows = insertions(&dir.join("sb.db.gz"), columns);
    Server::new(sb::monitor(scope), rows)
}

/// OVN_Northbound of a snapshot.
fn northbound(dir: &Path) -> Server {
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

/// How the node is named.
pub(crate) fn own(node: &Node) -> Own {
    Own {
        hostname: node.hostname.clone(),
        chassis: node.chassis.clone(),
    }
}

/// What a node that reads everything exposes.
pub(crate) fn exposures_of_all(
    cloud: &Cloud,
    node: &Node,
    options: &Options,
) -> Vec<Arc<Exposure>> {
    decision_of_all(cloud, node, options).exposures
}

/// What a node that reads everything decides.
pub(crate) fn decision_of_all(cloud: &Cloud, node: &Node, options: &Options) -> Decision {
    let mut rows = Rows::new(cloud);
    let changes = Replica::default().follow(&cloud.northbound, &nb::monitor());
    rows.northbound.apply(&changes);
    if let (Some(server), Some(southbound)) = (&cloud.southbound, &mut rows.southbound) {
        southbound.apply(&Replica::default().follow(server, &server.monitor));
    }
    rows.decide(node, options)
}

/// Typed rows of both databases.
struct Rows {
    northbound: Northbound,
    southbound: Option<Southbound>,
}

impl Rows {
    fn new(cloud: &Cloud) -> Self {
        let connected = cloud.southbound.is_some();
        Self {
            northbound: Northbound::default(),
            southbound: connected.then(|| Southbound::new(Scope::Bindings)),
        }
    }

    fn decide(&self, node: &Node, options: &Options) -> Decision {
        northbound::decide(northbound::Inputs {
            northbound: &self.northbound,
            southbound: self.southbound.as_ref(),
            node,
            options,
        })
    }
}

/// Asks for what it needs.
pub(crate) struct Filtered {
    interest: Interest,
    northbound: Replica,
    southbound: Replica,
    rows: Rows,
}

impl Filtered {
    pub(crate) fn new(cloud: &Cloud, node: &Node, options: &Options) -> Self {
        let southbound = cloud.southbound.as_ref().map(|server| &server.monitor);
        let monitor = &cloud.northbound.monitor;
        Self {
            interest: Interest::new(own(node), needs(options), monitor, southbound),
            northbound: Replica::default(),
            southbound: Replica::default(),
            rows: Rows::new(cloud),
        }
    }

    /// Follows the servers until nothing more is asked for. Answers how often something was.
    pub(crate) fn settle(&mut self, cloud: &Cloud) -> usize {
        for step in 0..20 {
            self.follow(cloud);
            self.place(&cloud.northbound);
            if !self.interest.refresh() {
                return step;
            }
        }
        panic!(
            "no fixpoint: {:#?}",
            self.interest.northbound().conditions()
        );
    }

    fn follow(&mut self, cloud: &Cloud) {
        let monitor = self.interest.restrict_northbound(nb::monitor());
        let mut changes = self.northbound.follow(&cloud.northbound, &monitor);
        self.interest.take_northbound(&mut changes);
        self.rows.northbound.apply(&changes);
        self.interest.northbound_is_read();
        if let (Some(server), Some(southbound)) = (&cloud.southbound, &mut self.rows.southbound) {
            let monitor = self.interest.southbound().restrict(server.monitor.clone());
            let changes = self.southbound.follow(server, &monitor);
            self.interest.take_southbound(&changes);
            southbound.apply(&changes);
        }
    }

    fn place(&mut self, server: &Server) {
        let unplaced: Vec<_> = self.interest.unplaced().collect();
        for port in unplaced {
            let network = server.switch_of(port);
            let change = self.interest.place(port, network.as_ref());
            self.rows.northbound.apply(&change);
        }
    }

    pub(crate) fn exposures(&self, node: &Node, options: &Options) -> Vec<Arc<Exposure>> {
        self.decision(node, options).exposures
    }

    pub(crate) fn decision(&self, node: &Node, options: &Options) -> Decision {
        self.rows.decide(node, options)
    }

    pub(crate) fn conditions(&self) -> (ByTable, ByTable) {
        let interest = &self.interest;
        (
            interest.northbound().conditions(),
            interest.southbound().conditions(),
        )
    }

    /// What it asks OVN_Northbound for.
    pub(crate) fn monitor(&self) -> Monitor {
        self.interest.restrict_northbound(nb::monitor())
    }

    /// How many rows it holds of OVN_Northbound.
    pub(crate) fn rows(&self) -> usize {
        self.northbound.len()
    }
}

fn needs(options: &Options) -> Needs {
    Needs {
        tenants: tenant_rows(options),
        vpns: options.method.has_tenants(),
    }
}

pub(crate) fn tenant_rows(options: &Options) -> TenantRows {
    use ovn_bgp_agent::config::TenantAdvertisement;
    match (options.tenants, options.advertisement) {
        (TenantExposure::Nothing, _) => TenantRows::None,
        (_, TenantAdvertisement::Subnet) => TenantRows::Interfaces,
        (_, TenantAdvertisement::Host) => TenantRows::Ports,
    }
}
