//! `plan`, and `explain` without a running agent: connect, compute, write nothing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::conditions::Rows;
use super::explain::explain;
use super::inputs::{InputError, News};
use super::{Agent, FLOWS_PATIENCE, SOUTHBOUND_PATIENCE};
use crate::cli::plan::{Change, Op, Plan};
use crate::config::Config;
use crate::control::Explanation;
use crate::exposure::Node;
use crate::ovsdb::Event;
use crate::reconcile::{Desired, Observed, Step, diff};
use crate::wiring;

/// How long inputs may take, if `ovsdb_connection_timeout` is not shorter: longer than the first
/// attempts at every remote.
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
    let deadline = Instant::now() + patience;
    let mut last = None;
    while !agent.is_ready() {
        match tokio::time::timeout_at(due(&agent, deadline), agent.inputs.next()).await {
            Ok(news) => {
                last = failure(&news).or(last);
                if let News::Kernel(Err(error)) = news {
                    return Err(error.into());
                }
                agent.take(news).await?;
            }
            Err(_) if agent.read_at.is_some() && Instant::now() < deadline => {}
            Err(_) => return Err(unreachable_input(&agent, patience, last)),
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

/// When to look again, news or none.
fn due(agent: &Agent, deadline: Instant) -> Instant {
    let Some(read_at) = agent.read_at else {
        return deadline;
    };
    let patience = [FLOWS_PATIENCE, SOUTHBOUND_PATIENCE].map(|patience| read_at + patience);
    let now = Instant::now();
    patience
        .into_iter()
        .filter(|at| *at > now)
        .min()
        .unwrap_or(now)
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
    let what = if !agent.seen.vswitch {
        "Open_vSwitch"
    } else if !agent.ovn_is_read() {
        agent.ovn_name()
    } else {
        "the kernel"
    };
    PlanError::Unreachable {
        what,
        patience,
        last,
    }
}
