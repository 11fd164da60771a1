//! `plan`, and `explain` without a running agent: connect, compute, write nothing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::conditions::Rows;
use super::database::Database;
use super::explain::explain;
use super::inputs::{InputError, News};
use super::{Agent, FLOWS_PATIENCE, SOUTHBOUND_PATIENCE, driver};
use crate::cli::plan::{Change, Op, Plan};
use crate::config::Config;
use crate::control::Explanation;
use crate::exposure::Node;
use crate::ovsdb::Event;
use crate::reconcile::{Desired, Observed, Step, diff};
use crate::wiring;

/// How long an input may be out of reach, if `ovsdb_connection_timeout` is not shorter: longer than the first attempts at
/// every remote. One that is reached may take its time: a large cloud is sent in one message, and the client gives up
/// whoever is silent.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("{0}")]
    Node(String),
    #[error("cannot reach {what} within {patience:?}{}", last.as_ref().map(|l| format!(": {l}")).unwrap_or_default())]
    Unreachable {
        what: &'static str,
        patience: Duration,
        /// The last failure.
        last: Option<String>,
    },
    #[error("the kernel cannot be observed: {0}")]
    Kernel(#[from] crate::kernel::KernelError),
}

/// What the agent would do on this node.
pub async fn plan(config: Arc<Config>, rt_tables: PathBuf) -> Result<Plan, PlanError> {
    let mut agent = read_all(config, rt_tables).await?;
    let node = agent.core.node().ok_or_else(no_node)?;
    let mut plan = Plan {
        chassis_name: node.hostname.to_string(),
        chassis_id: node.chassis.to_string(),
        driver: agent.config.agent.driver.to_string(),
        exposing_method: agent.config.agent.exposing_method.to_string(),
        decision: agent.core.decision().unwrap_or_default(),
        changes: Vec::new(),
    };
    let observed = Observed {
        objects: agent.observed(),
        ..Observed::default()
    };
    let decision = &plan.decision;
    // What peers taught an agent is not for a plan to take away.
    let taught = agent.core.taught_before();
    let facts = agent.core.wiring().facts();
    let desired: Desired = wiring::desired(&decision.exposures, &decision.tenants, taught, facts);
    let mut steps = diff(&desired, &observed).steps;
    steps.extend(agent.plan_leak());
    plan.changes = steps.into_iter().filter_map(change).collect();
    Ok(plan)
}

/// Explains one address as far as that can be told without the agent's neighbours.
pub async fn explain_without_agent(
    config: Arc<Config>,
    rt_tables: PathBuf,
    ip: IpAddr,
) -> Result<Explanation, PlanError> {
    let agent = read_all(config, rt_tables).await?;
    Ok(explain(&agent.core, ip, None))
}

/// The running agent's answer; where it follows no row with the address, what all rows of OVN say. Those are read
/// here, by whoever asks: a node of a large cloud must not hold what concerns others.
pub async fn explain_beyond(
    config: Arc<Config>,
    rt_tables: PathBuf,
    answer: Explanation,
) -> Explanation {
    if !answer.no_row {
        return answer;
    }
    match explain_without_agent(config, rt_tables, answer.ip).await {
        Ok(explained) if explained.no_row => answer,
        Ok(explained) => explained,
        Err(error) => super::explain::unread(answer, &error),
    }
}

fn change(step: Step) -> Option<Change> {
    let (op, key, value) = match step {
        Step::Add { key, value } => (Op::Add, key, value),
        Step::Replace { key, value } => (Op::Replace, key, value),
        Step::Remove { key, value } => (Op::Remove, key, value),
        Step::Advertise { .. } | Step::Withdraw { .. } => return None,
    };
    Some(Change { op, key, value })
}

fn no_node() -> PlanError {
    PlanError::Node(crate::exposure::NoSystemId.to_string())
}

/// Reads every input once.
async fn read_all(config: Arc<Config>, rt_tables: PathBuf) -> Result<Agent, PlanError> {
    let patience = config.ovn.ovsdb_connection_timeout.min(PATIENCE);
    let mut agent = Agent::open(config, rt_tables, Rows::All)?;
    agent.leak.sweep();
    let mut deadline = Instant::now() + patience;
    let (mut awaited, mut last) = (agent.awaited(), None);
    while !agent.is_ready() {
        let due = due(&agent, deadline);
        match tokio::time::timeout_at(due, agent.inputs.next()).await {
            Ok(news) => {
                last = failure(&news).or(last);
                if let News::Kernel(Err(error)) = news {
                    return Err(error.into());
                }
                agent.take(news).await?;
            }
            // What can be done without is done without from now on.
            Err(_) if due < deadline => agent.decide(),
            Err(_) if agent.hears(awaited) => deadline = Instant::now() + patience,
            Err(_) => return Err(unreachable_input(&agent, patience, last)),
        }
        let now_awaited = agent.awaited();
        if std::mem::replace(&mut awaited, now_awaited) != now_awaited {
            // Each has its own time: where the next one is may have to be read first.
            deadline = Instant::now() + patience;
        }
        if agent.seen.vswitch && agent.core.node().is_none() {
            let ids = agent.core.vswitch().node_ids();
            let ids = ids.cloned().unwrap_or_default();
            Node::new(&ids, "").map_err(|error| PlanError::Node(error.to_string()))?;
        }
        agent.note_reading(Instant::now());
    }
    Ok(agent)
}

/// When to look again, news or none: after `deadline` at the latest.
fn due(agent: &Agent, deadline: Instant) -> Instant {
    let now = Instant::now();
    let patience = [FLOWS_PATIENCE, SOUTHBOUND_PATIENCE];
    let ends = patience
        .into_iter()
        .filter_map(|patience| Some(agent.read_at? + patience));
    ends.filter(|at| *at > now)
        .min()
        .map_or(deadline, |at| at.min(deadline))
}

/// What has to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Vswitch,
    Ovn,
    Kernel,
}

impl Agent {
    fn awaited(&self) -> Awaited {
        if !self.seen.vswitch {
            Awaited::Vswitch
        } else if !self.ovn_is_read() {
            Awaited::Ovn
        } else {
            Awaited::Kernel
        }
    }

    /// Whether it is reached, so that it is but slow.
    fn hears(&self, awaited: Awaited) -> bool {
        let connected = |database: Option<&Database>| database.is_some_and(Database::is_connected);
        match awaited {
            Awaited::Vswitch => self.inputs.vswitch.is_connected(),
            Awaited::Ovn if driver::needs_northbound(self.config.agent.driver) => {
                connected(self.inputs.northbound.as_ref())
            }
            Awaited::Ovn => connected(self.inputs.southbound.as_ref()),
            // It says itself when it does not answer.
            Awaited::Kernel => false,
        }
    }
}

fn failure(news: &News) -> Option<String> {
    match news {
        News::Vswitch(Event::Disconnected { remote, error, .. })
        | News::Northbound(Event::Disconnected { remote, error, .. })
        | News::Southbound(Event::Disconnected { remote, error, .. }) => {
            Some(format!("{remote}: {error}"))
        }
        _ => None,
    }
}

fn unreachable_input(agent: &Agent, patience: Duration, last: Option<String>) -> PlanError {
    let what = match agent.awaited() {
        Awaited::Vswitch => "Open_vSwitch",
        Awaited::Ovn => agent.ovn_name(),
        Awaited::Kernel => "the kernel",
    };
    PlanError::Unreachable {
        what,
        patience,
        last,
    }
}
