//! The loop: wait, snapshot, exposures, wiring, diff, apply, report.
//!
//! `inputs` are the connections, [`Core`] is the pure middle, and [`Agent`] carries news from the
//! one to the other. [`plan()`] stops there; [`run()`] takes the steps and answers the operator.

mod announce;
mod attributed;
mod conditions;
pub mod core;
mod database;
mod driver;
mod explain;
mod follow;
mod inputs;
mod leaks;
mod learners;
mod noted;
mod plan;
mod report;
mod run;
mod steps;
mod tenants;
#[cfg(test)]
mod tests;
mod untold;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::conditions::{Conditions, Rows};
pub use self::core::Core;
pub(crate) use self::driver::scope as southbound_scope;
pub use self::inputs::InputError;
use self::inputs::{Inputs, News};
pub use self::plan::{PlanError, explain_beyond, explain_without_agent, plan};
pub use self::run::{RunError, run};
pub(crate) use self::tenants::own_addresses;
use crate::advertise::frr::{self, Leak, Upkeep};
use crate::config::{self, Backend, Config, frr_peer};
use crate::exposure::{Options, Policy};
use crate::kernel::{Observation, rt_tables};
use crate::ovn::RowProblem;
use crate::ovsdb::{Change, Event};
use crate::peering::TenantNews;
use crate::reconcile::ownership::{Claim, TenantScope};
use crate::reconcile::{Domain, Found, Key, ownership};
use crate::router_advertisement::{NotTold, RouterAdvertisements};

/// How long the flows of a bridge may keep the first pass waiting. Without them the pass could not
/// tell which are there, and would write those again.
const FLOWS_PATIENCE: Duration = Duration::from_secs(1);

/// How long the Southbound database may keep a Northbound driver waiting, once all else has been read.
const SOUTHBOUND_PATIENCE: Duration = Duration::from_secs(3);

/// How long a Northbound driver goes by what the Southbound database said before it was lost.
const SOUTHBOUND_TRUST: Duration = Duration::from_secs(30);

/// The node as far as it is known, and the connections that tell.
pub struct Agent {
    config: Arc<Config>,
    rt_tables: PathBuf,
    inputs: Inputs,
    core: Core,
    /// What FRR is given, or was given by a former backend.
    leak: Leak,
    /// FRR's running configuration, once it is looked after.
    frr: Option<Upkeep>,
    rows: Rows,
    conditions: Conditions,
    seen: Seen,
    /// When all that must be read had been, but for flows.
    read_at: Option<Instant>,
    /// It has been said that what policies say is not told to everybody.
    untold_said: bool,
    /// Routers of provider networks that this node is.
    routers: RouterAdvertisements,
    /// What hosts of their networks cannot be told, as far as that has been said.
    not_told: BTreeSet<(Arc<str>, NotTold)>,
    /// What FRR is to have of tenants, once decided.
    frr_tenants: Option<Arc<frr::Tenants>>,
    /// What policies say of FRR's routes, once decided.
    frr_attributes: Option<attributed::Attributes>,
    /// An advert waits until FRR has been told of them.
    awaits_frr: bool,
    /// It has been said that there is no address for tunnels.
    no_vtep_said: bool,
    /// The ports of bridges are known as they are.
    ports_are_seen: bool,
}

/// What has been read at least once: nothing is changed on the node before all of it has.
#[derive(Debug, Default)]
struct Seen {
    vswitch: bool,
    northbound: bool,
    southbound: bool,
    /// The kernel as it is in the scope in force.
    kernel: bool,
    flows: BTreeSet<Arc<str>>,
    /// Bridges that did not answer in time are done without.
    flows_given_up: bool,
    /// It has been decided by all of it.
    decided: bool,
}

impl Agent {
    /// Connects. `rt_tables` is the file with the names of routing tables.
    fn open(config: Arc<Config>, rt_tables: PathBuf, rows: Rows) -> Result<Self, InputError> {
        let host = own_hostname();
        let leak = leak(&config);
        let options = Options::from(&config.agent);
        let table = config.agent.bgp_vrf_table_id;
        let mut core = Core::new(&host, table, config.agent.driver, options);
        core.watch_leak(leak.names().clone());
        core.watch_tenants(tenant_scope(&config.agent));
        let mut agent = Self {
            inputs: Inputs::open(&config, rt_tables.clone())?,
            core,
            leak,
            frr: None,
            config,
            rt_tables,
            rows,
            conditions: Conditions::default(),
            seen: Seen::default(),
            read_at: None,
            untold_said: false,
            routers: RouterAdvertisements::default(),
            not_told: BTreeSet::new(),
            frr_tenants: None,
            frr_attributes: None,
            awaits_frr: false,
            no_vtep_said: false,
            ports_are_seen: false,
        };
        agent.find_vtep();
        Ok(agent)
    }

    /// Takes in one thing that happened, and all that is there already with it.
    async fn take(&mut self, news: News) -> Result<(), InputError> {
        self.take_one(news)?;
        while let Some(news) = self.inputs.next_now().await {
            self.take_one(news)?;
        }
        self.ask();
        self.decide();
        Ok(())
    }

    /// The policy file may have changed.
    fn change_policy(&mut self) {
        let policy = Policy::from(&self.config.agent);
        self.conditions.set_policy(&policy);
        self.core.set_policy(policy);
        self.untold_said = false;
        self.ask();
        self.decide();
    }

    /// Watches what concerns the agent now.
    fn watch(&mut self) {
        if self.inputs.kernel.set_scope(self.core.scope()) {
            self.seen.kernel = false;
        }
    }

    /// A pass has cleared the bridges that are mapped no more: they are of no concern now.
    fn retire(&mut self) {
        if self.core.retire() {
            self.follow_bridges();
            self.watch();
        }
    }

    fn follow_bridges(&mut self) {
        let bridges: Vec<_> = self.core.watched_bridges().cloned().collect();
        self.inputs.switch.set_bridges(&bridges);
        self.seen.flows.retain(|bridge| bridges.contains(bridge));
    }

    fn take_one(&mut self, news: News) -> Result<(), InputError> {
        match news {
            News::Vswitch(Event::Changes(changes)) => self.take_vswitch(&changes)?,
            News::Northbound(Event::Changes(mut changes)) => {
                self.conditions.take_northbound(&mut changes);
                warn_of_rows(&self.core.take_northbound(&changes));
            }
            News::Vswitch(event) => {
                self.seen.vswitch |= matches!(event, Event::Synced { .. });
                log_event("Open_vSwitch", &event);
            }
            News::Southbound(Event::Changes(changes)) => {
                self.conditions.take_southbound(&changes);
                warn_of_rows(&self.core.take_southbound(&changes));
            }
            News::Northbound(event) => self.take_northbound_state(&event),
            News::Southbound(event) => self.take_southbound_state(&event),
            News::Placed(placed) => self.take_placed(placed),
            News::Kernel(Ok(observation)) => self.take_kernel(observation),
            News::Kernel(Err(error)) => tracing::warn!(%error, "the kernel cannot be observed"),
            News::Flows(flows) => {
                let domain = Domain::Bridge(Arc::clone(&flows.bridge));
                self.core.reconciler_mut().observe_all(&domain, flows.flows);
                self.seen.flows.insert(flows.bridge);
            }
            News::Taught(news) => self.take_taught(&news),
        }
        Ok(())
    }

    fn take_vswitch(&mut self, changes: &[Change]) -> Result<(), InputError> {
        self.ports_are_seen = false;
        let known = self.core.node().cloned();
        warn_of_rows(&self.core.take_vswitch(changes));
        if self.core.node() != known.as_ref() {
            self.take_node();
        }
        match self.core.node() {
            Some(_) => self.follow_databases(),
            None => Ok(()),
        }
    }

    /// Open vSwitch says who this node is, or that it has changed.
    fn take_node(&mut self) {
        let Some(node) = self.core.node() else { return };
        let (driver, options) = (self.config.agent.driver, Options::from(&self.config.agent));
        self.conditions.set_node(self.rows, driver, &options, node);
        tracing::info!(hostname = %node.hostname, "Loaded chassis {}.", node.chassis);
        for invalid in node.mappings.invalid() {
            tracing::warn!("{invalid}");
        }
        match rt_tables::read(&self.rt_tables) {
            Ok(text) => {
                for error in self.core.take_table_names(&text) {
                    tracing::error!(%error, "a bridge cannot be wired");
                }
            }
            Err(error) => tracing::error!(%error, "no bridge can be wired"),
        }
        self.follow_bridges();
        // What was read of the kernel before is nothing of these bridges.
        self.watch();
    }

    fn take_taught(&mut self, news: &TenantNews) {
        self.core.teach(news);
        if news.converged {
            self.core.forget_inherited();
        }
        for (vni, mac) in &news.duplicates {
            tracing::warn!(vni, %mac, "a MAC address moves too often: it is on two nodes, or there is a loop (RFC 7432 section 15.1)");
        }
    }

    fn take_kernel(&mut self, observation: Observation) {
        if observation.is_of_links() {
            self.core.take_links();
            self.ports_are_seen = false;
        }
        let reconciler = self.core.reconciler_mut();
        match observation {
            Observation::Dump(objects) => {
                let (leaked, objects): (Vec<_>, Vec<_>) = objects
                    .into_iter()
                    .partition(|(key, _)| self.leak.takes(key));
                self.leak.observe_all(leaked);
                reconciler.observe_all(&Domain::Kernel, objects);
                self.seen.kernel = true;
            }
            Observation::Same => {
                reconciler.observe_same(&Domain::Kernel);
                self.seen.kernel = true;
            }
            Observation::Changes(changes) => {
                for (key, found) in changes {
                    if self.leak.takes(&key) {
                        self.leak.observe(key, found);
                    } else {
                        reconciler.observe(key, found);
                    }
                }
            }
        }
        let bridges: Vec<_> = self.core.bridges().cloned().collect();
        for bridge in bridges {
            let mac = self.inputs.kernel.mac(&bridge);
            self.core.take_mac(&bridge, mac);
        }
    }

    /// Everything has been read once: what is missing may be added, what is unwanted removed.
    fn is_ready(&self) -> bool {
        self.node_is_read()
            && self.ovn_is_read()
            && self.seen.decided
            && !self.waits_for_southbound()
            && (self.seen.flows_given_up || self.flows_seen())
    }

    /// All but OVN's databases has been read once.
    fn node_is_read(&self) -> bool {
        self.seen.vswitch && self.seen.kernel && self.core.node().is_some()
    }

    /// Notes when all that must be read has been, and what is done without by then.
    fn note_reading(&mut self, now: Instant) {
        if self.read_at.is_none() && self.ovn_is_read() && self.node_is_read() {
            self.read_at = Some(now);
        }
        if self.read_at.is_some_and(|at| at + FLOWS_PATIENCE <= now) {
            self.seen.flows_given_up = true;
        }
    }

    fn flows_seen(&self) -> bool {
        let mut bridges = self
            .core
            .bridges()
            .filter(|b| self.core.vswitch().has_bridge(b));
        bridges.all(|bridge| self.seen.flows.contains(bridge))
    }

    /// What exists on the node, as far as it concerns the agent.
    fn observed(&self) -> std::collections::BTreeMap<Key, Found> {
        self.core.reconciler().all_observed()
    }
}

/// What FRR leaks, by its configured names.
fn leak(config: &Config) -> Leak {
    let agent = &config.agent;
    let names = ownership::Leak {
        vrf: agent.bgp_vrf.as_str().into(),
        table: agent.bgp_vrf_table_id,
        nic: agent.bgp_nic.as_str().into(),
        loopback: frr_peer::addresses().into(),
    };
    let leak = Leak::new(names, agent.bgp_backend);
    match agent.bgp_backend == Backend::Frr && !frr::leaks(agent) {
        true => leak.of_tenants_alone(),
        false => leak,
    }
}

/// Which devices of tenants are ours. Without EVPN, too: a driver or method before this one may have had it.
fn tenant_scope(agent: &config::Agent) -> TenantScope {
    TenantScope {
        claim: match agent.has_tenant_tables() {
            true => Claim::Adopting,
            false => Claim::Marked,
        },
        keeps_vrfs: !agent.delete_vrf_on_disconnect,
        speaks: agent.bgp_backend != Backend::Frr,
    }
}

fn warn_of_rows(problems: &[RowProblem]) {
    for problem in problems {
        tracing::warn!("{problem}");
    }
}

fn log_event(database: &str, event: &Event) {
    match event {
        Event::Connected(facts) => {
            tracing::info!(remote = %facts.remote, method = ?facts.method, "connected to {database}");
            for missing in &facts.missing {
                tracing::debug!(table = missing.table, column = ?missing.column, "{database} lacks it");
            }
        }
        Event::Disconnected {
            remote,
            error,
            retry_in,
        } => {
            tracing::warn!(%remote, %error, ?retry_in, "{database} is not connected; everything stays as it is");
        }
        Event::Synced { resumed, .. } => tracing::debug!(resumed, "{database} is in sync"),
        Event::Changes(_) => {}
    }
}

/// The host's own name, for want of `external_ids:hostname` (b002).
fn own_hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
