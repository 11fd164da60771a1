//! Who answers: the agent's loop, or, for what concerns the speaker alone, the client's own task.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::by_hand::ByHand;
use super::drain::Drain;
use super::lines::{Lines, NoLine};
use super::message::{
    Done, DrainOrder, EvpnQuery, Fib, Line, Originate, ResetOrder, Routes, RoutesQuery, Taken,
    Withdraw,
};
use super::speaker::{self, Table, TenantTables};
use super::watch::{Journal, Watch};
use super::{Query, Reply, TIMEOUT, WATCHERS};
use crate::advertise::{Embedded, Live, Origination, Source};
use crate::config::Backend;
use crate::{bfd, fib};

/// A question for the agent's loop. Dropping `reply` tells the client that there is no answer.
#[derive(Debug)]
pub struct Request {
    pub query: Query,
    pub reply: oneshot::Sender<Reply>,
}

/// Routes in one part of an answer.
const PART: usize = 1000;

/// Where clients are served. Clones serve the same.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The agent's loop.
    pub(super) requests: mpsc::Sender<Request>,
    origination: Origination,
    live: watch::Receiver<Live>,
    journal: Journal,
    drain: Drain,
    watchers: Arc<Semaphore>,
}

/// Why an order is not carried out that only a speaker of ours could.
const FRRS: &str = "with bgp_backend = frr the sessions are FRR's: give this order to FRR";

/// True for orders, not for questions: to these there is an answer, an empty one.
fn is_for_speaker(query: &Query) -> bool {
    matches!(
        query,
        Query::Originate(_)
            | Query::Withdraw(_)
            | Query::Drain(_)
            | Query::Undrain
            | Query::Reset(_)
    )
}

impl Desk {
    /// A desk that passes on to `requests` what it cannot answer itself.
    pub fn new(requests: mpsc::Sender<Request>, speaker: &Embedded) -> Self {
        let journal = Journal::default();
        Self {
            requests,
            origination: speaker.origination().clone(),
            live: speaker.live(),
            drain: Drain::new(speaker.origination().clone(), journal.clone()),
            journal,
            watchers: Arc::new(Semaphore::new(WATCHERS)),
        }
    }

    /// Where to tell those who watch.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// Serves one client until it goes.
    pub(super) async fn serve(&self, mut lines: Lines) -> Result<(), NoLine> {
        loop {
            let query = match lines.request().await {
                Ok(line) => serde_json::from_slice(line),
                Err(NoLine::End) => return Ok(()),
                Err(error) => return refuse(&mut lines, error).await,
            };
            let reply = match query {
                Ok(query) if is_for_speaker(&query) && self.frr_has_the_sessions() => {
                    return Ok(lines.send(&Reply::Error(FRRS.into())).await?);
                }
                Ok(Query::Originate(wanted)) => self.originate(wanted, &mut lines).await,
                Ok(Query::Withdraw(unwanted)) => self.withdraw(unwanted, &mut lines).await,
                Ok(Query::Drain(order)) => Ok(self.begin_drain(order).await),
                Ok(Query::Undrain) => Ok(self.end_drain().await),
                Ok(Query::Reset(order)) => Ok(self.reset(order).await),
                Ok(Query::Watch) => return self.watch(&mut lines).await,
                Ok(Query::Neighbors { name }) => Ok(self.neighbors(name.as_deref()).await),
                Ok(Query::Bfd) => Ok(self.bfd().await),
                Ok(Query::Fib) => self.fib(&mut lines).await,
                Ok(Query::Evpn(wanted)) => self.evpn(&wanted, &mut lines).await,
                Ok(Query::Routes(wanted)) => self.routes(&wanted, &mut lines).await,
                Ok(query) => Ok(self.ask(query).await),
                Err(error) => Ok(Reply::Error(format!("not a request: {error}"))),
            };
            match reply {
                Ok(reply) => lines.send(&reply).await?,
                Err(error) => return refuse(&mut lines, error).await,
            }
        }
    }

    /// What the agent's loop says of itself.
    pub(crate) async fn summary(&self) -> Reply {
        self.ask(Query::Summary).await
    }

    async fn ask(&self, query: Query) -> Reply {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.requests.send(Request { query, reply }).await.ok()?;
            answer.await.ok()
        };
        match timeout(TIMEOUT, asked).await {
            Ok(Some(reply)) => reply,
            Ok(None) => Reply::Error("the agent is stopping".into()),
            Err(_) => Reply::Error("the agent is busy: no answer in time".into()),
        }
    }

    fn frr_has_the_sessions(&self) -> bool {
        self.live.borrow().config.agent.bgp_backend == Backend::Frr
    }

    fn live(&self) -> Live {
        self.live.borrow().clone()
    }

    async fn watch(&self, lines: &mut Lines) -> Result<(), NoLine> {
        let Ok(_place) = self.watchers.try_acquire() else {
            let why = format!("{WATCHERS} clients are watching; end one of them");
            return Ok(lines.send(&Reply::Error(why)).await?);
        };
        let watch = Watch::new(self.live.clone(), &self.journal);
        lines.send(&Reply::Watching).await?;
        Ok(watch.run(lines).await?)
    }

    async fn begin_drain(&self, order: DrainOrder) -> Reply {
        let after = order.withdraw_after_msec.map(Duration::from_millis);
        if let Err(error) = self.drain.begin(&self.live(), after).await {
            return Reply::Error(error.to_string());
        }
        let next = match after {
            Some(after) => format!("the routes are withdrawn in {} s", after.as_secs_f64()),
            None => "the routes stay".to_owned(),
        };
        done(format!(
            "neighbors are asked to prefer other paths; {next}; 'undrain' takes it back"
        ))
    }

    async fn end_drain(&self) -> Reply {
        match self.drain.end(&self.live()).await {
            Ok(()) => done("neighbors are told of this node's routes as usual".to_owned()),
            Err(error) => Reply::Error(error.to_string()),
        }
    }

    async fn reset(&self, order: ResetOrder) -> Reply {
        match speaker::reset(&self.live(), order).await {
            Ok(lines) => Reply::Done(Done { lines }),
            Err(error) => Reply::Error(error.to_string()),
        }
    }

    async fn neighbors(&self, name: Option<&str>) -> Reply {
        match speaker::neighbors(&self.live(), name).await {
            Ok(neighbors) => Reply::Neighbors(neighbors),
            Err(ended) => Reply::Error(ended.to_string()),
        }
    }

    async fn bfd(&self) -> Reply {
        match self.live().speaker {
            Some(speaker) => match speaker.bfd().await {
                Ok(snapshot) => Reply::Bfd(snapshot),
                Err(ended) => Reply::Error(ended.to_string()),
            },
            None => Reply::Bfd(bfd::Snapshot::default()),
        }
    }

    /// Part by part: a table of any size holds up nobody.
    async fn routes(&self, wanted: &RoutesQuery, lines: &mut Lines) -> Result<Reply, NoLine> {
        let table = Table::copy(&self.live(), &self.origination, wanted).await;
        let mut table = match table {
            Ok(table) => table,
            Err(error) => return Ok(Reply::Error(error.to_string())),
        };
        loop {
            let routes = match table.next().await {
                Ok(routes) => routes,
                Err(ended) => return Ok(Reply::Error(ended.to_string())),
            };
            let more = !table.is_empty();
            let part = Reply::Routes(Routes { routes, more });
            if !more {
                return Ok(part);
            }
            lines.send(&part).await?;
        }
    }

    /// Table by table.
    async fn evpn(&self, wanted: &EvpnQuery, lines: &mut Lines) -> Result<Reply, NoLine> {
        let mut tables = match TenantTables::of(&self.live(), wanted).await {
            Ok(tables) => tables,
            Err(error) => return Ok(Reply::Error(error.to_string())),
        };
        loop {
            let part = match tables.next().await {
                Ok(part) => part,
                Err(ended) => return Ok(Reply::Error(ended.to_string())),
            };
            let more = part.more;
            let part = Reply::Evpn(part);
            if !more {
                return Ok(part);
            }
            lines.send(&part).await?;
        }
    }

    /// Part by part, like the routes.
    async fn fib(&self, lines: &mut Lines) -> Result<Reply, NoLine> {
        let mut left = match self.live().fib {
            Some(fib) => match fib.status().await {
                Ok(snapshot) => snapshot,
                Err(ended) => return Ok(Reply::Error(ended.to_string())),
            },
            None => fib::Snapshot::default(),
        };
        loop {
            let fib = left.take_part(PART);
            let more = !left.is_told();
            let part = Reply::Fib(Fib { fib, more });
            if !more {
                return Ok(part);
            }
            lines.send(&part).await?;
        }
    }

    /// The speaker gets each line's prefixes at once: the first are with the neighbours while the last
    /// are still read.
    async fn originate(&self, wanted: Originate, lines: &mut Lines) -> Result<Reply, NoLine> {
        let attributes = Arc::new(bgp::RouteAttributes::from(wanted.attributes));
        let tenants = self.origination.tenants();
        let table = wanted.vni.map(|vni| (vni, tenants.kind(vni)));
        if let Some((vni, None)) = table {
            let why = format!("this node has no table of VNI {vni}: 'show evpn' lists them");
            return Ok(Reply::Error(why));
        }
        if let Some(mac) = wanted.mac {
            let host = ByHand {
                mac,
                addresses: &wanted.prefixes,
                gateway: wanted.default_gateway,
            };
            return Ok(host.originate(tenants, table));
        }
        let originate = |prefixes: Vec<IpNet>| {
            let routes = prefixes.into_iter().map(|prefix| bgp::Route {
                prefix,
                attributes: Arc::clone(&attributes),
            });
            match wanted.vni {
                Some(vni) => tenants.originate(Source::Operator, vni, routes),
                None => self.origination.originate(Source::Operator, routes),
            }
        };
        each_line(wanted.prefixes, wanted.more, lines, originate).await
    }

    async fn withdraw(&self, unwanted: Withdraw, lines: &mut Lines) -> Result<Reply, NoLine> {
        let tenants = self.origination.tenants();
        if let Some(vni) = unwanted.vni {
            let hosts = tenants.hosts_of(Source::Operator, vni);
            if let Some(mac) = unwanted.mac {
                let known = hosts.into_iter().filter(|known| known.0 == mac.0);
                let known: Vec<_> = known.collect();
                let prefixes = known.len();
                tenants.withdraw_hosts(Source::Operator, vni, known);
                return Ok(Reply::Taken(Taken { prefixes }));
            }
            if unwanted.all {
                let held = tenants.of(Source::Operator, vni);
                let prefixes = held.len() + hosts.len();
                tenants.withdraw(Source::Operator, vni, held);
                tenants.withdraw_hosts(Source::Operator, vni, hosts);
                return Ok(Reply::Taken(Taken { prefixes }));
            }
            let withdraw = |prefixes| tenants.withdraw(Source::Operator, vni, prefixes);
            return each_line(unwanted.prefixes, unwanted.more, lines, withdraw).await;
        }
        if unwanted.all {
            let held = self
                .origination
                .with(|origins| origins.of(Source::Operator).count());
            self.origination.withdraw_all(Source::Operator);
            let prefixes = held + tenants.withdraw_all(Source::Operator);
            return Ok(Reply::Taken(Taken { prefixes }));
        }
        let withdraw = |prefixes| self.origination.withdraw(Source::Operator, prefixes);
        each_line(unwanted.prefixes, unwanted.more, lines, withdraw).await
    }
}

/// Hands over the prefixes of the request itself, then those of the lines that follow.
async fn each_line(
    first: Vec<IpNet>,
    more: bool,
    lines: &mut Lines,
    mut take: impl FnMut(Vec<IpNet>),
) -> Result<Reply, NoLine> {
    let mut taken = Taken {
        prefixes: first.len(),
    };
    take(first);
    if !more {
        return Ok(Reply::Taken(taken));
    }
    loop {
        let Line { prefixes } = serde_json::from_slice(lines.more().await?).map_err(|error| {
            let taken = taken.prefixes;
            NoLine::Malformed(format!(
                "not a list of prefixes: {error}; {taken} before it were taken"
            ))
        })?;
        if prefixes.is_empty() {
            return Ok(Reply::Taken(taken));
        }
        taken.prefixes += prefixes.len();
        take(prefixes);
    }
}

/// Tells why, and ends: what follows cannot be told from the rest of this request.
async fn refuse(lines: &mut Lines, error: NoLine) -> Result<(), NoLine> {
    lines.send(&Reply::Error(error.to_string())).await?;
    Err(error)
}

fn done(line: String) -> Reply {
    Reply::Done(Done { lines: vec![line] })
}
