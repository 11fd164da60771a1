//! The flows of the mapped bridges: observed and applied over each bridge's management socket,
//! `<OVS run directory>/<bridge>.mgmt`, in OpenFlow 1.4, or 1.3 where the bridge allows no more.
//!
//! A task per bridge keeps a connection, lists the flows with our cookies, is told when somebody
//! else changes one and lists them again. When ovs-vswitchd restarts or the bridge is made anew the
//! connection ends; the task connects again as soon as it can and lists what is left.
//!
//! Other cookies are neither listed nor touched.

mod bridge;
mod connection;
pub mod flow;
pub mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use self::bridge::{Order, Outbox};
pub use self::connection::ConnectionError;
use crate::reconcile::object::Key;
use crate::reconcile::{Found, Step};

/// Where ovs-vswitchd keeps its sockets unless `OVS_RUNDIR` says otherwise.
pub const DEFAULT_RUN_DIR: &str = "/var/run/openvswitch";

/// Lists of flows not yet taken by [`Switch::observe`]; a task with another one waits.
const OUTBOX: usize = 16;

/// Orders a bridge has not yet begun with.
const ORDERS: usize = 4;

/// A step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    #[error("bridge {0} is not connected: no OpenFlow connection to ovs-vswitchd")]
    NotConnected(Arc<str>),
    #[error("bridge {bridge} refused the flow (OpenFlow error type {kind}, code {code})")]
    Refused {
        bridge: Arc<str>,
        kind: u16,
        code: u16,
    },
    #[error("this is not a flow on a mapped bridge")]
    NotOurs,
}

/// All flows with our cookies on one bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub bridge: Arc<str>,
    pub flows: Vec<(Key, Found)>,
}

/// The node's Open vSwitch.
pub struct Switch {
    run_dir: PathBuf,
    bridges: BTreeMap<Arc<str>, Task>,
    outbox: Outbox,
    inbox: mpsc::Receiver<Observation>,
    writes_total: Arc<AtomicU64>,
}

struct Task {
    orders: mpsc::Sender<Order>,
    _running: AbortOnDropHandle<()>,
}

impl Switch {
    /// `run_dir` has the management sockets. Nothing is done before [`Switch::set_bridges`].
    pub fn new(run_dir: PathBuf) -> Self {
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        Self {
            run_dir,
            bridges: BTreeMap::new(),
            outbox,
            inbox,
            writes_total: Arc::default(),
        }
    }

    /// Keeps connections to these bridges and no others. Call it on a tokio runtime.
    pub fn set_bridges<'a>(&mut self, bridges: impl IntoIterator<Item = &'a Arc<str>>) {
        let mut old = std::mem::take(&mut self.bridges);
        for name in bridges {
            let task = old.remove(name).unwrap_or_else(|| self.start(name));
            self.bridges.insert(Arc::clone(name), task);
        }
    }

    fn start(&self, name: &Arc<str>) -> Task {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let bridge = bridge::Bridge {
            name: Arc::clone(name),
            socket: self.run_dir.join(format!("{name}.mgmt")),
            outbox: self.outbox.clone(),
            writes_total: Arc::clone(&self.writes_total),
        };
        let running = AbortOnDropHandle::new(tokio::spawn(bridge.run(receiver)));
        Task {
            orders,
            _running: running,
        }
    }

    /// Waits for the flows of some bridge: when it is connected, when somebody changed them and
    /// after [`Switch::refresh`]. May be dropped without losing any.
    pub async fn observe(&mut self) -> Observation {
        loop {
            match self.inbox.recv().await {
                // A bridge may have been dropped with its last words in the channel.
                Some(news) if self.bridges.contains_key(&news.bridge) => return news,
                Some(_) => {}
                // Not while `self.outbox` exists; if it were, there would be no news ever.
                None => std::future::pending().await,
            }
        }
    }

    /// Asks every connected bridge for its flows: the periodic safety net, and all there is for a
    /// bridge that is held to OpenFlow 1.3.
    pub fn refresh(&self) {
        for task in self.bridges.values() {
            // Full: it is busy, and lists them anyway when it is connected anew.
            let _ = task.orders.try_send(Order::List);
        }
    }

    /// Takes the steps that are about flows; one answer per step. The steps of one bridge are taken
    /// all at once (OpenFlow 1.4), or in order.
    pub async fn apply(&self, steps: &[Step]) -> Vec<Result<(), FlowError>> {
        let mut answers: Vec<Result<(), FlowError>> = vec![Err(FlowError::NotOurs); steps.len()];
        let mut by_bridge: BTreeMap<&Arc<str>, Vec<(usize, Step)>> = BTreeMap::new();
        for (at, step) in steps.iter().enumerate() {
            if let Some(bridge) = step.key().and_then(Key::bridge) {
                by_bridge
                    .entry(bridge)
                    .or_default()
                    .push((at, step.clone()));
            }
        }
        for (bridge, steps) in by_bridge {
            let (places, steps): (Vec<usize>, Vec<Step>) = steps.into_iter().unzip();
            let replies = self.order(bridge, steps).await;
            let count = places.len();
            let replies = replies
                .unwrap_or_else(|| vec![Err(FlowError::NotConnected(bridge.clone())); count]);
            for (place, reply) in places.into_iter().zip(replies) {
                if let Some(answer) = answers.get_mut(place) {
                    *answer = reply;
                }
            }
        }
        answers
    }

    async fn order(
        &self,
        bridge: &Arc<str>,
        steps: Vec<Step>,
    ) -> Option<Vec<Result<(), FlowError>>> {
        let task = self.bridges.get(bridge)?;
        let (reply, answers) = oneshot::channel();
        let order = Order::Apply { steps, reply };
        task.orders.send(order).await.ok()?;
        answers.await.ok()
    }

    /// How many changes were asked of bridges.
    pub fn writes_total(&self) -> u64 {
        self.writes_total.load(Ordering::Relaxed)
    }
}
