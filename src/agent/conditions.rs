//! Asking OVN's databases for the rows that this node needs, and for no others.
//!
//! What is needed follows from what is there ([`crate::ovn::interest`]), so it takes a few rounds until all
//! of it has arrived. In between, rows may be there without those that qualify them (a subnet without the
//! SNAT rule that hides it), so nothing is decided meanwhile, for [`HOLD_AT_MOST`] at the longest.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::Agent;
use super::database::Database;
use crate::config::{Driver, TenantAdvertisement};
use crate::exposure::{Node, Options, Policy, TenantExposure};
use crate::ovn::interest::{Needs, Own, TenantRows, northbound, southbound};
use crate::ovn::{northbound as nb, southbound as sb};
use crate::ovsdb::{Change, Event, Method, Monitor, OperationResult, TransactError};

/// How long decisions wait for rows that have been asked for: many times what a server at rest needs. One
/// that is busy for longer must not keep the node from what it knows already.
const HOLD_AT_MOST: Duration = Duration::from_secs(1);

/// How much of the databases is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// What this node needs.
    Needed,
    /// Everything: whoever wants to know of each candidate why it is not exposed here.
    All,
}

/// What this node needs.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    interest: Interest,
    /// Since when decisions wait.
    held_since: Option<Instant>,
}

#[derive(Debug, Default)]
enum Interest {
    /// Everything is read, or the node is not known yet.
    #[default]
    None,
    Northbound(Box<northbound::Interest>),
    Southbound(Box<southbound::Interest>),
}

/// The server's answer to the question which switches list some ports.
#[derive(Debug)]
pub(super) struct Placed {
    ports: Vec<Uuid>,
    result: Result<Vec<OperationResult>, TransactError>,
}

impl Conditions {
    /// The node is this one from now on.
    pub(super) fn set_node(&mut self, rows: Rows, driver: Driver, options: &Options, node: &Node) {
        let own = Own {
            hostname: Arc::clone(&node.hostname),
            chassis: Arc::clone(&node.chassis),
        };
        match &mut self.interest {
            Interest::Northbound(interest) => interest.set_own(own),
            Interest::Southbound(interest) => interest.set_own(own),
            Interest::None if rows == Rows::Needed => {
                self.interest = Interest::new(driver, options, own);
                self.set_policy(&options.policy);
            }
            Interest::None => {}
        }
    }

    /// These policies count from now on.
    pub(super) fn set_policy(&mut self, policy: &Policy) {
        if let Interest::Southbound(interest) = &mut self.interest {
            interest.heed_router_names(policy.names_routers());
        }
    }

    /// The driver's Northbound monitor with the conditions that hold now.
    pub(super) fn northbound(&self, monitor: Monitor) -> Monitor {
        match &self.interest {
            Interest::Northbound(interest) => interest.restrict_northbound(monitor),
            Interest::None | Interest::Southbound(_) => monitor,
        }
    }

    /// The driver's Southbound monitor with the conditions that hold now.
    pub(super) fn southbound(&self, monitor: Monitor) -> Monitor {
        match &self.interest {
            Interest::Northbound(interest) => interest.southbound().restrict(monitor),
            Interest::Southbound(interest) => interest.wanted().restrict(monitor),
            Interest::None => monitor,
        }
    }

    /// Another Northbound database is followed from now on.
    pub(super) fn forget_northbound(&mut self) {
        if let Interest::Northbound(interest) = &mut self.interest {
            interest.forget_northbound();
        }
    }

    /// Another Southbound database is followed from now on.
    pub(super) fn forget_southbound(&mut self) {
        match &mut self.interest {
            Interest::Northbound(interest) => interest.forget_southbound(),
            Interest::Southbound(interest) => interest.forget(),
            Interest::None => {}
        }
    }

    /// Takes in rows of OVN_Northbound, and completes those of ports that do not name their network.
    pub(super) fn take_northbound(&mut self, changes: &mut [Change]) {
        if let Interest::Northbound(interest) = &mut self.interest {
            interest.take_northbound(changes);
        }
    }

    /// Takes in rows of OVN_Southbound.
    pub(super) fn take_southbound(&mut self, changes: &[Change]) {
        match &mut self.interest {
            Interest::Northbound(interest) => interest.take_southbound(changes),
            Interest::Southbound(interest) => interest.take(changes),
            Interest::None => {}
        }
    }

    /// Asks again for the networks that no switch was found for.
    pub(super) fn retry(&mut self) {
        if let Interest::Northbound(interest) = &mut self.interest {
            interest.forget_failures();
        }
    }
}

impl Interest {
    fn new(driver: Driver, options: &Options, own: Own) -> Self {
        let southbound = |reach| {
            let monitor = sb::monitor(super::driver::scope(driver));
            Self::Southbound(Box::new(southbound::Interest::new(
                own.clone(),
                reach,
                &monitor,
            )))
        };
        match driver {
            Driver::Northbound => {
                let bindings = sb::monitor(sb::Scope::Bindings);
                let own = own.clone();
                let needs = Needs {
                    tenants: tenant_rows(options),
                    vpns: options.method.has_tenants(),
                };
                let interest =
                    northbound::Interest::new(own, needs, &nb::monitor(), Some(&bindings));
                Self::Northbound(Box::new(interest))
            }
            Driver::StretchedL2 => southbound(southbound::Reach::Routers),
            Driver::Evpn => southbound(southbound::Reach::Gateways),
            Driver::Native => southbound(southbound::Reach::Routing),
            Driver::Southbound => southbound(southbound::Reach::Node(tenant_rows(options))),
        }
    }
}

fn tenant_rows(options: &Options) -> TenantRows {
    match (options.tenants, options.advertisement) {
        (TenantExposure::Nothing, _) => TenantRows::None,
        (_, TenantAdvertisement::Subnet) => TenantRows::Interfaces,
        (_, TenantAdvertisement::Host) => TenantRows::Ports,
    }
}

impl Agent {
    /// Asks the databases for the rows that are needed by now.
    pub(super) fn ask_for_rows(&mut self) {
        let inputs = &mut self.inputs;
        let followed = inputs.southbound.as_ref();
        let heeded =
            self.core.heeds_southbound() || followed.is_some_and(|sb| sb.lost_at().is_none());
        let (north, south) = (inputs.northbound.as_mut(), inputs.southbound.as_mut());
        let (mut for_north, mut for_south) = Default::default();
        match &mut self.conditions.interest {
            Interest::None => {}
            Interest::Northbound(interest) => {
                if north.as_ref().is_some_and(|nb| nb.is_complete()) {
                    interest.northbound_is_read();
                }
                interest.heed_southbound(heeded);
                if interest.refresh() {
                    for_north = interest.northbound().conditions();
                    for_south = interest.southbound().conditions();
                }
                if let Some(north) = &north {
                    ask_for_networks(&mut inputs.placed, interest, north);
                }
            }
            Interest::Southbound(interest) => {
                if interest.refresh() {
                    for_south = interest.wanted().conditions();
                }
            }
        }
        if let Some(north) = north {
            north.ask(for_north);
        }
        if let Some(south) = south {
            south.ask(for_south);
        }
        self.hold();
    }

    /// Takes in which networks ports are on.
    pub(super) fn take_placed(&mut self, placed: Placed) {
        let Interest::Northbound(interest) = &mut self.conditions.interest else {
            return;
        };
        let results = match placed.result {
            Ok(results) => results,
            Err(error @ (TransactError::Refused { .. } | TransactError::Malformed(_))) => {
                tracing::warn!(%error, "OVN_Northbound does not tell which networks localnet ports are on");
                Vec::new()
            }
            // It is asked again once it is connected.
            Err(_) => return,
        };
        let mut results = results.into_iter();
        for port in placed.ports {
            let row = results
                .next()
                .and_then(|result| result.rows.into_iter().next());
            let name = row.and_then(|row| Some(Arc::from(row.get("name")?.as_str()?)));
            if let Some(change) = interest.place(port, name.as_ref()) {
                super::warn_of_rows(&self.core.take_northbound(&[change]));
            }
        }
    }

    /// Decisions wait while rows that have been asked for are on their way.
    fn hold(&mut self) {
        let on_its_way = |database: Option<&Database>| {
            database.is_some_and(|db| db.lost_at().is_none() && !db.is_complete())
        };
        let inputs = &self.inputs;
        let waits = inputs.placed.is_some()
            || on_its_way(inputs.northbound.as_ref())
            || on_its_way(inputs.southbound.as_ref());
        if matches!(self.conditions.interest, Interest::None) || !waits {
            self.conditions.held_since = None;
        } else {
            self.conditions.held_since.get_or_insert_with(Instant::now);
        }
    }

    /// True when the network of every port is known, or known to be none.
    pub(super) fn ports_are_placed(&self) -> bool {
        match &self.conditions.interest {
            Interest::Northbound(interest) => interest.unplaced().next().is_none(),
            Interest::None | Interest::Southbound(_) => true,
        }
    }

    /// Until when decisions wait, if they do.
    pub(super) fn held_until(&self) -> Option<Instant> {
        Some(self.conditions.held_since? + HOLD_AT_MOST)
    }

    /// Decides, unless rows are on their way.
    pub(super) fn decide(&mut self) {
        let held = self.held_until();
        if held.is_some_and(|until| until > Instant::now()) {
            return;
        }
        self.observe_ports();
        self.core.update();
        for complaint in self.core.take_complaints() {
            tracing::warn!("{complaint}");
        }
        self.warn_of_untold();
        self.watch();
        // The first changes are made by a decision that nothing is missing from.
        self.seen.decided |= held.is_none() && self.ovn_is_read() && !self.waits_for_southbound();
    }
}

/// Asks for the networks of ports that do not name theirs, one question at a time.
fn ask_for_networks(
    placed: &mut Option<oneshot::Receiver<Placed>>,
    interest: &northbound::Interest,
    database: &Database,
) {
    let ports: Vec<_> = interest.unplaced().collect();
    if placed.is_some() || ports.is_empty() || database.lost_at().is_some() {
        return;
    }
    let handle = database.handle();
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let result = handle.transact(northbound::placement_query(&ports)).await;
        // Nobody waits for it when the agent ends.
        let _ = tell.send(Placed { ports, result });
    });
    *placed = Some(told);
}

/// Servers before OVS 2.6 know no conditions.
pub(super) fn note_method(database: &str, event: &Event) {
    if let Event::Connected(facts) = event
        && facts.method == Method::Plain
    {
        tracing::warn!(
            remote = %facts.remote,
            "{database}: the server knows no conditional monitoring; every row is read"
        );
    }
}
