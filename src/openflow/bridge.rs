//! The task that keeps one bridge's connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::connection::{Connection, ConnectionError};
use super::wire::FlowMod;
use super::{FlowError, Observation, flow};
use crate::reconcile::Step;

/// The first pause after a failed connection, and the longest. Trying costs microseconds, and a
/// restarted ovs-vswitchd has no flows until it is found.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

pub(super) type Outbox = mpsc::Sender<Observation>;

/// What the task is asked.
pub(super) enum Order {
    List,
    Apply {
        steps: Vec<Step>,
        reply: oneshot::Sender<Vec<Result<(), FlowError>>>,
    },
}

pub(super) struct Bridge {
    pub(super) name: Arc<str>,
    pub(super) socket: PathBuf,
    pub(super) outbox: Outbox,
    pub(super) writes_total: Arc<AtomicU64>,
}

impl Bridge {
    /// Until it is aborted, or nobody is left to give orders.
    pub(super) async fn run(self, mut orders: mpsc::Receiver<Order>) {
        let (mut pause, mut told) = (PAUSES.0, false);
        loop {
            let opening = Connection::open(&self.socket);
            let Some(opened) = self.meanwhile(opening, &mut orders).await else {
                return;
            };
            let error = match opened {
                Ok(connection) => {
                    tracing::info!(bridge = %self.name, monitored = connection.monitored, "bridge connected");
                    (pause, told) = (PAUSES.0, false);
                    match self.serve(connection, &mut orders).await {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(bridge = %self.name, %error, "bridge not connected");
            }
            let pausing = tokio::time::sleep(pause);
            if self.meanwhile(pausing, &mut orders).await.is_none() {
                return;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Lists and changes flows until the connection fails; `Ok` when there will be no more orders.
    async fn serve(
        &self,
        mut connection: Connection,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<(), ConnectionError> {
        loop {
            if connection.changed {
                let flows = connection.flows(flow::OUR_COOKIES).await?;
                let objects = flows.iter().map(|f| flow::object(&self.name, f));
                let news = Observation {
                    bridge: Arc::clone(&self.name),
                    flows: objects.collect(),
                };
                if !self.tell(news, &mut connection, orders).await? {
                    return Ok(());
                }
                continue;
            }
            tokio::select! {
                heard = connection.listen() => connection.dispatch(&heard?).await?,
                order = orders.recv() => match order {
                    Some(order) => self.follow(order, &mut connection).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Delivers news; goes on taking orders while nobody fetches them, because who gives orders
    /// may be who should fetch. False when there will be no more orders.
    async fn tell(
        &self,
        news: Observation,
        connection: &mut Connection,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<bool, ConnectionError> {
        let permit = loop {
            tokio::select! {
                permit = self.outbox.reserve() => break permit,
                order = orders.recv() => match order {
                    Some(order) => {
                        // What is in hand is older than what the order leaves.
                        connection.changed = true;
                        self.follow(order, connection).await?;
                    }
                    None => return Ok(false),
                },
            }
        };
        match permit {
            Ok(permit) => permit.send(news),
            Err(_) => return Ok(false),
        }
        Ok(true)
    }

    async fn follow(
        &self,
        order: Order,
        connection: &mut Connection,
    ) -> Result<(), ConnectionError> {
        let (steps, reply) = match order {
            Order::List => {
                connection.changed = true;
                return Ok(());
            }
            Order::Apply { steps, reply } => (steps, reply),
        };
        let wanted: Vec<Option<FlowMod>> = steps.iter().map(request).collect();
        let flows: Vec<FlowMod> = wanted.iter().flatten().cloned().collect();
        self.writes_total
            .fetch_add(flows.len() as u64, Ordering::Relaxed);
        let mut outcomes = connection.change(&flows).await?.into_iter();
        let answers = wanted.iter().map(|wanted| {
            let outcome = wanted.as_ref().and_then(|_| outcomes.next());
            match outcome {
                Some(Ok(())) => Ok(()),
                Some(Err((kind, code))) => Err(FlowError::Refused {
                    bridge: Arc::clone(&self.name),
                    kind,
                    code,
                }),
                None => Err(FlowError::NotOurs),
            }
        });
        // Who does not wait any more will see the outcome in the next list.
        let _ = reply.send(answers.collect());
        Ok(())
    }

    /// Waits for something, refusing orders until it is done. `None` when there will be no more.
    async fn meanwhile<T>(
        &self,
        wanted: impl Future<Output = T>,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Option<T> {
        tokio::pin!(wanted);
        loop {
            tokio::select! {
                done = &mut wanted => return Some(done),
                order = orders.recv() => match order? {
                    Order::Apply { steps, reply } => {
                        let refusal = FlowError::NotConnected(Arc::clone(&self.name));
                        let _ = reply.send(vec![Err(refusal); steps.len()]);
                    }
                    Order::List => {}
                },
            }
        }
    }
}

fn request(step: &Step) -> Option<FlowMod> {
    match step {
        Step::Add { key, value } | Step::Replace { key, value } => flow::add(key, value),
        Step::Remove { key, .. } => flow::remove(key),
        Step::Withdraw { .. } | Step::Advertise { .. } => None,
    }
}
