//! Which databases are followed, and when what they say counts.

use tokio::time::Instant;

use super::database::{Database, Source};
use super::inputs::InputError;
use super::{Agent, SOUTHBOUND_PATIENCE, SOUTHBOUND_TRUST, conditions, driver, log_event};
use crate::config::Driver;
use crate::ovn::northbound::FipMode;
use crate::ovn::{northbound, southbound};
use crate::ovsdb::{Event, ServerFacts};

impl Agent {
    /// Follows what the driver needs, where the configuration or Open vSwitch says it is.
    pub(super) fn follow_databases(&mut self) -> Result<(), InputError> {
        let driver = self.config.agent.driver;
        if driver::needs_northbound(driver) {
            self.follow_northbound()?;
        }
        self.follow_southbound(driver)
    }

    fn follow_northbound(&mut self) -> Result<(), InputError> {
        let configured = self.config.ovn.northbound.connection.clone();
        let ids = self.core.vswitch().node_ids();
        let remotes = configured.or_else(|| Some(ids?.northbound.as_ref()?.to_string()));
        let followed = self.inputs.northbound.as_ref();
        let remotes = remotes.ok_or(InputError::NoNorthbound);
        let monitor = self.conditions.northbound(northbound::monitor());
        let follow =
            |remotes: &str| Database::follow(Source::NORTHBOUND, remotes, &self.config, monitor);
        match another(followed, remotes, follow)? {
            None => {}
            Some(database) => {
                if followed.is_some() {
                    // Nothing is changed before the other database has been read, and then only what differs.
                    self.core.forget_northbound();
                    self.conditions.forget_northbound();
                    self.inputs.placed = None;
                    (self.seen.northbound, self.seen.decided) = (false, false);
                }
                self.inputs.northbound = Some(database);
            }
        }
        Ok(())
    }

    /// The Northbound driver goes by the Southbound database where there is one: it knows first where a
    /// gateway is. The others cannot do without.
    fn follow_southbound(&mut self, driver: Driver) -> Result<(), InputError> {
        let configured = self.config.ovn.southbound.connection.clone();
        let ids = self.core.vswitch().node_ids();
        let remotes = configured.or_else(|| Some(ids?.southbound.as_ref()?.to_string()));
        if remotes.is_none() && driver::needs_northbound(driver) {
            return Ok(());
        }
        let followed = self.inputs.southbound.as_ref();
        let remotes = remotes.ok_or(InputError::NoSouthbound);
        let monitor = southbound::monitor(driver::scope(driver));
        let monitor = self.conditions.southbound(monitor);
        let follow =
            |remotes: &str| Database::follow(Source::SOUTHBOUND, remotes, &self.config, monitor);
        match another(followed, remotes, follow)? {
            None => {}
            Some(database) => {
                if followed.is_some() {
                    self.core.forget_southbound();
                    self.conditions.forget_southbound();
                    self.core.heed_southbound(false);
                    (self.seen.southbound, self.seen.decided) = (false, false);
                }
                self.inputs.southbound = Some(database);
            }
        }
        Ok(())
    }

    /// Asks the databases for the rows that are of interest by now. A database counts as read once all of
    /// them are there: rows lead to rows.
    pub(super) fn ask(&mut self) {
        self.ask_for_rows();
        let placed = self.ports_are_placed();
        if let Some(northbound) = &self.inputs.northbound
            && northbound.is_complete()
            && placed
            && !self.seen.northbound
        {
            self.seen.northbound = true;
            if self.core.northbound().fip_mode() == FipMode::Unset {
                tracing::warn!(
                    "NB_Global.external_ids:neutron:fip-distributed is not set: floating IPs are taken as distributed"
                );
            }
        }
        if let Some(southbound) = &self.inputs.southbound
            && southbound.is_complete()
            && southbound.lost_at().is_none()
        {
            self.seen.southbound = true;
            self.core.heed_southbound(true);
        }
    }

    pub(super) fn take_northbound_state(&self, event: &Event) {
        log_event("OVN_Northbound", event);
        conditions::note_method("OVN_Northbound", event);
        if let Event::Connected(facts) = event
            && lacks(facts, "Logical_Router_Port", "status")
        {
            tracing::warn!(
                "OVN_Northbound has no column Logical_Router_Port.status (OVN 23.09 has): gateway ports are withheld, \
                 unless ovn_sb_connection tells where they are"
            );
        }
    }

    pub(super) fn take_southbound_state(&self, event: &Event) {
        log_event("OVN_Southbound", event);
        conditions::note_method("OVN_Southbound", event);
        if let Event::Connected(facts) = event
            && self.config.agent.driver == Driver::Native
            && lacks(facts, "Advertised_Route", "ip_prefix")
        {
            tracing::warn!(
                "OVN_Southbound has no table Advertised_Route (OVN 25.03 has): ovn_native finds nothing to advertise"
            );
        }
    }

    /// A Southbound database that has been away for long says nothing of where gateways are: Northbound's copy
    /// is then newer. The drivers that have no other go on by what was read (fail static).
    pub(super) fn doubt_southbound(&mut self, now: Instant) {
        if self.doubt_at().is_some_and(|at| at <= now) {
            self.core.heed_southbound(false);
            self.core.update();
        }
    }

    /// When that is.
    pub(super) fn doubt_at(&self) -> Option<Instant> {
        let driver = self.config.agent.driver;
        let southbound = self.inputs.southbound.as_ref();
        let lost_at = southbound
            .filter(|_| driver::needs_northbound(driver))?
            .lost_at()?;
        (self.core.heeds_southbound()).then(|| lost_at + SOUTHBOUND_TRUST)
    }

    /// True once the databases without which the driver cannot decide have been read.
    pub(super) fn ovn_is_read(&self) -> bool {
        if driver::needs_northbound(self.config.agent.driver) {
            self.seen.northbound
        } else {
            self.seen.southbound
        }
    }

    /// The database without which the driver cannot decide.
    pub(super) fn ovn_name(&self) -> &'static str {
        if driver::needs_northbound(self.config.agent.driver) {
            Source::NORTHBOUND.name
        } else {
            Source::SOUTHBOUND.name
        }
    }

    /// True while one that is followed, and could be done without, may still be read in time.
    pub(super) fn waits_for_southbound(&self) -> bool {
        let patience = self
            .read_at
            .is_none_or(|at| at + SOUTHBOUND_PATIENCE > Instant::now());
        self.inputs.southbound.is_some() && !self.seen.southbound && patience
    }
}

/// The database to follow in place of the one that is followed; `None` when that is to stay.
fn another(
    followed: Option<&Database>,
    remotes: Result<String, InputError>,
    follow: impl FnOnce(&str) -> Result<Database, InputError>,
) -> Result<Option<Database>, InputError> {
    let new = match (&remotes, followed) {
        (Ok(remotes), Some(database)) if database.remotes == *remotes => return Ok(None),
        _ => remotes.and_then(|remotes| follow(&remotes)),
    };
    match (new, followed) {
        (Ok(database), _) => Ok(Some(database)),
        // Somebody's slip must not cost the node what it follows.
        (Err(error), Some(database)) => {
            tracing::error!(%error, "the remotes stay as they were: {}", database.remotes);
            Ok(None)
        }
        (Err(error), None) => Err(error),
    }
}

fn lacks(facts: &ServerFacts, table: &str, column: &str) -> bool {
    let mut missing = facts.missing.iter();
    missing.any(|m| m.table == table && m.column.as_deref().is_none_or(|c| c == column))
}
