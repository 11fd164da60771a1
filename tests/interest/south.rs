//! Nodes with the Southbound drivers: one that asks for what it needs, and one that reads everything.

use std::path::Path;

use ovn_bgp_agent::exposure::{Decision, Node, Options, evpn, native, southbound, stretched_l2};
use ovn_bgp_agent::ovn::Southbound;
use ovn_bgp_agent::ovn::interest::ByTable;
use ovn_bgp_agent::ovn::interest::southbound::{Interest, Reach};
use ovn_bgp_agent::ovn::southbound::Scope;

use crate::edits;
use crate::node::{self, own, tenant_rows};
use crate::server::{Replica, Server};

/// The drivers that decide by OVN_Southbound, by their word in `expected.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Southbound,
    StretchedL2,
    Evpn,
    Native,
}

impl Driver {
    pub(crate) const ALL: [(Self, &str); 4] = [
        (Self::Southbound, "sb"),
        (Self::StretchedL2, "stretched"),
        (Self::Evpn, "evpn"),
        // Of no snapshot is it known; the options are the same: none.
        (Self::Native, "evpn"),
    ];

    fn decide(self, sb: &Southbound, node: &Node, options: &Options) -> Decision {
        match self {
            Self::Southbound => southbound::decide(southbound::Inputs {
                southbound: sb,
                node,
                options,
            }),
            Self::StretchedL2 => stretched_l2::decide(stretched_l2::Inputs {
                southbound: sb,
                options,
            }),
            Self::Evpn => evpn::decide(evpn::Inputs {
                southbound: sb,
                node,
                options,
            }),
            Self::Native => native::decide(native::Inputs {
                southbound: sb,
                node,
                options,
            }),
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Native => Scope::Routing,
            Self::Southbound | Self::StretchedL2 | Self::Evpn => Scope::Everything,
        }
    }
}

/// A database that the driver finds something in. Of the snapshots, one has tenants of EVPN.
pub(crate) fn server(driver: Driver, dir: &Path) -> Server {
    let mut server = node::southbound(dir, driver.scope());
    match driver {
        Driver::Evpn if !dir.ends_with("14_bgpvpn") => edits::join_all(&mut server),
        Driver::Native => edits::advertise_all(&mut server),
        Driver::Evpn | Driver::Southbound | Driver::StretchedL2 => {}
    }
    server
}

/// What a node that reads everything exposes.
pub(crate) fn decision_of_all(
    driver: Driver,
    server: &Server,
    node: &Node,
    options: &Options,
) -> Decision {
    let mut southbound = Southbound::new(driver.scope());
    southbound.apply(&Replica::default().follow(server, &server.monitor));
    driver.decide(&southbound, node, options)
}

/// Asks for what it needs.
pub(crate) struct Filtered {
    driver: Driver,
    interest: Interest,
    replica: Replica,
    southbound: Southbound,
}

impl Filtered {
    pub(crate) fn new(driver: Driver, server: &Server, node: &Node, options: &Options) -> Self {
        let reach = match driver {
            Driver::Southbound => Reach::Node(tenant_rows(options)),
            Driver::StretchedL2 => Reach::Routers,
            Driver::Evpn => Reach::Gateways,
            Driver::Native => Reach::Routing,
        };
        let mut interest = Interest::new(own(node), reach, &server.monitor);
        interest.heed_router_names(options.policy.names_routers());
        Self {
            driver,
            interest,
            replica: Replica::default(),
            southbound: Southbound::new(driver.scope()),
        }
    }

    /// Follows the server until nothing more is asked for.
    pub(crate) fn settle(&mut self, server: &Server) {
        for _ in 0..20 {
            let monitor = self.interest.wanted().restrict(server.monitor.clone());
            let changes = self.replica.follow(server, &monitor);
            self.interest.take(&changes);
            self.southbound.apply(&changes);
            if !self.interest.refresh() {
                return;
            }
        }
        panic!("no fixpoint: {:#?}", self.interest.wanted().conditions());
    }

    pub(crate) fn decision(&self, node: &Node, options: &Options) -> Decision {
        self.driver.decide(&self.southbound, node, options)
    }

    pub(crate) fn conditions(&self) -> ByTable {
        self.interest.wanted().conditions()
    }
}
