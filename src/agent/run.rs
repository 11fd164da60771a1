//! `run`: the loop itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::attributed::tried;
use super::conditions::Rows;
use super::inputs::{InputError, News};
use super::noted::Noted;
use super::report::Report;
use super::steps::Taken;
use super::{Agent, FLOWS_PATIENCE, SOUTHBOUND_PATIENCE};
use crate::advertise::{Embedded, Source as Origin};
use crate::config::{Backend, Config};
use crate::control::{Query, Reply, Request};
use crate::daemon::{DaemonError, Front, Order, Signals, start_speaker};
use crate::exposure::NoSystemId;
use crate::kernel::clear_table;
use crate::metrics::Histogram;
use crate::peering::Ended;
use crate::reload::Source;

/// How long OVN's database may keep a restarted agent from its neighbours, from when the node has been read:
/// Open vSwitch tells where it is. Then what the agent before it wired is advertised as it is.
const ADOPT_AFTER: Duration = Duration::from_secs(5);

/// What a former backend had FRR advertise is left alone for so long while no session comes up.
const SWEEP_AFTER: Duration = Duration::from_secs(30);

/// Between two attempts at what failed.
const RETRY: Duration = Duration::from_secs(5);

/// Why the agent ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    NoSystemId(#[from] NoSystemId),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

/// What the loop waits for besides its inputs.
enum Wake {
    News(News),
    Request(Request),
    SpeakerEnded(Ended),
    /// The safety net: read everything again, compare everything.
    Reconcile,
    /// Try again what failed.
    Retry,
    /// Something has waited long enough.
    Due,
    /// FRR has been told what adverts wait for.
    FrrTried,
    Order(Order),
}

/// Runs until SIGTERM or SIGINT. What it made stays, and neighbours are not told: their
/// graceful-restart helpers keep the routes for the agent that follows. `source` is read again on SIGHUP.
pub async fn run(config: Arc<Config>, rt_tables: PathBuf, source: Source) -> Result<(), RunError> {
    tracing::info!("Starting BGP Agent...");
    clear_vrf_routes(&config).await;
    let mut running = Running::start(config, rt_tables)?;
    let mut wakes = Wakes::new(&running.agent.config)?;
    loop {
        let wake = wakes.next(&mut running).await;
        match wake {
            Wake::Order(Order::Stop(signal)) => {
                tracing::info!("{signal}: stopping; everything stays as it is");
                running.note_now();
                return Ok(());
            }
            Wake::Order(Order::Reload) => {
                running.reload(&source).await;
                wakes.reconcile_every(running.agent.config.agent.reconcile_interval);
            }
            Wake::News(news) => {
                let of_ovn = matches!(news, News::Northbound(_) | News::Southbound(_));
                if running.started && of_ovn {
                    running.news_at.get_or_insert_with(Instant::now);
                }
                running.agent.take(news).await?;
            }
            Wake::Request(request) => {
                running.answer(request, &source).await;
                wakes.reconcile_every(running.agent.config.agent.reconcile_interval);
            }
            Wake::SpeakerEnded(ended) => return Err(DaemonError::from(ended).into()),
            Wake::Reconcile => running.reconcile(),
            Wake::Retry => running.retry().await?,
            Wake::Due => running.agent.decide(),
            Wake::FrrTried => running.agent.release_to_frr(),
        }
        running.proceed().await?;
    }
}

/// b009. A table that cannot be cleared is worth an error, and no reason to leave the node unwired.
async fn clear_vrf_routes(config: &Config) {
    if !config.agent.clear_vrf_routes_on_startup {
        return;
    }
    let table = config.agent.bgp_vrf_table_id;
    match clear_table(table).await {
        Ok(removed) => tracing::info!(table, removed, "cleared the routes of bgp_vrf_table_id"),
        Err(error) => tracing::error!(%error, "clear_vrf_routes_on_startup"),
    }
}

/// The running agent.
struct Running {
    agent: Agent,
    speaker: Embedded,
    report: Report,
    /// From news of OVN to the speaker that was told.
    ovn_to_advert: Arc<Histogram>,
    /// When the news came that the next pass acts on.
    news_at: Option<Instant>,
    front: Front,
    noted: Noted,
    started_at: Instant,
    /// When all but OVN's databases had been read.
    node_read_at: Option<Instant>,
    /// What the speaker originates is complete: its sessions may start.
    speakable: bool,
    /// The first pass is done.
    started: bool,
}

impl Running {
    fn start(config: Arc<Config>, rt_tables: PathBuf) -> Result<Self, RunError> {
        let speaker = Embedded::new(Arc::clone(&config));
        let ovn_to_advert = Arc::new(Histogram::default());
        let front = Front::open(&config, &speaker, Some(Arc::clone(&ovn_to_advert)))?;
        let noted = {
            let agent = &config.agent;
            Noted::beside(&agent.control_socket, &agent.driver.to_string())
        };
        let mut agent = Agent::open(config, rt_tables, Rows::Needed)?;
        agent.inputs.taught = speaker.tenants().learned();
        if agent.config.agent.bgp_backend != Backend::Embedded {
            agent.keep_frr();
        }
        Ok(Self {
            speaker,
            noted,
            agent,
            report: Report::default(),
            ovn_to_advert,
            news_at: None,
            front,
            started_at: Instant::now(),
            node_read_at: None,
            speakable: false,
            started: false,
        })
    }

    /// Does what there is to do.
    async fn proceed(&mut self) -> Result<(), RunError> {
        let agent = &mut self.agent;
        if agent.seen.vswitch && agent.core.node().is_none() {
            return Err(NoSystemId.into());
        }
        let now = Instant::now();
        agent.note_reading(now);
        agent.doubt_southbound(now);
        if agent.node_is_read() {
            self.node_read_at.get_or_insert(now);
        }
        if agent.is_ready() {
            self.pass().await?;
        } else if !self.speakable
            && agent.node_is_read()
            && !agent.ovn_is_read()
            && self.adopts_at().is_some_and(|at| at <= now)
        {
            self.adopt()?;
        }
        Ok(())
    }

    /// When OVN's database has kept the agent waiting for long enough.
    fn adopts_at(&self) -> Option<Instant> {
        Some(self.node_read_at? + ADOPT_AFTER)
    }

    async fn pass(&mut self) -> Result<(), RunError> {
        if !self.started {
            if self.agent.leak.is_wanted() {
                self.agent.adopt_leak();
            }
            self.agent.core.inherit();
            self.agent.adopt_adverts(self.speaker.adverts());
            if !self.agent.wired_before().is_empty() {
                self.speaker.took_over();
            }
        }
        self.agent.attribute();
        let tables = self.agent.tell_tenants(&self.speaker).await;
        if let Some(routers) = self.agent.core.take_routers() {
            self.speaker.teach(routers);
        }
        let taken = self.agent.act(&mut self.speaker).await;
        self.report.count(&taken);
        if tables || taken.adverts > 0 {
            self.noted.outdated();
            self.note();
        }
        if let Some(at) = self.news_at.take()
            && taken.adverts > 0
        {
            self.ovn_to_advert.observe(at.elapsed());
        }
        if !self.started {
            self.started = true;
            self.speakable = true;
            self.start_speaker()?;
            let writes = self.agent.inputs.writes_total();
            tracing::info!(
                exposures = self.agent.core.exposures().count(),
                writes,
                "BGP Agent Started..."
            );
            // Without systemd there is nobody to tell.
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        }
        Ok(())
    }

    /// Writes down what is advertised, if that has changed, and not a moment ago.
    fn note(&mut self) {
        let instances = self.speaker.tenants().instances(Origin::Ovn);
        self.noted.keep(self.speaker.adverts(), &instances);
    }

    fn note_now(&mut self) {
        let instances = self.speaker.tenants().instances(Origin::Ovn);
        self.noted.keep_now(self.speaker.adverts(), &instances);
    }

    /// OVN's database does not answer: advertise what is wired.
    fn adopt(&mut self) -> Result<(), RunError> {
        self.speakable = true;
        if self.agent.leak.is_wanted() {
            tracing::warn!(
                "{} cannot be reached: FRR goes on with what it was given before",
                self.agent.ovn_name()
            );
            return Ok(());
        }
        let before = self.noted.read();
        let mut known = self.agent.still_led(before.adverts);
        let tenants = self.speaker.tenants();
        tenants.set_instances(Origin::Ovn, before.instances);
        for prefix in self.agent.wired_before() {
            known.entry(prefix.into()).or_default();
        }
        tracing::warn!(
            prefixes = known.len(),
            "{} cannot be reached: advertising what an agent before this one has wired",
            self.agent.ovn_name()
        );
        if !known.is_empty() {
            self.speaker.took_over();
        }
        let adverts: Vec<_> = known.iter().map(|(p, said)| (*p, said)).collect();
        self.speaker.advertise(&adverts, &[]);
        self.start_speaker()
    }

    /// Starts the sessions, once there is something to say.
    fn start_speaker(&mut self) -> Result<(), RunError> {
        if self.speakable && !self.agent.leak.is_wanted() {
            start_speaker(&mut self.speaker).map_err(DaemonError::from)?;
        }
        Ok(())
    }

    async fn reload(&mut self, source: &Source) -> Reply {
        let config = &mut self.agent.config;
        let reply = self.front.reload(source, config, &mut self.speaker).await;
        self.agent.change_frr();
        // Tenants' targets and distinguishers follow from the AS and the router-id.
        self.agent.find_vtep();
        self.agent.change_policy();
        reply
    }

    async fn retry(&mut self) -> Result<(), RunError> {
        self.note();
        self.agent.core.reconciler_mut().retry();
        self.agent.leak.retry();
        self.agent.find_vtep();
        self.agent.decide();
        self.start_speaker()?;
        self.sweep_former_backend().await;
        Ok(())
    }

    /// Once the neighbours have from us what they had through FRR, or none has come for a while. Before the first pass
    /// they have no more of it than hosts that are wired.
    async fn sweep_former_backend(&mut self) {
        if !self.started || !self.agent.leak.is_patient() || !self.speaker.is_started() {
            return;
        }
        let neighbors = self.speaker.status().await.unwrap_or_default().neighbors;
        let told = neighbors.iter().any(|n| n.state == "Established");
        if told || self.started_at.elapsed() > SWEEP_AFTER {
            self.agent.sweep_leak();
        }
    }

    fn reconcile(&mut self) {
        tracing::debug!("Running reconciliation loop to ensure routes/rules are in place.");
        let agent = &mut self.agent;
        agent.inputs.kernel.refresh();
        agent.inputs.switch.refresh();
        agent.conditions.retry();
        agent.ask();
        let reconciler = agent.core.reconciler_mut();
        reconciler.full();
        reconciler.retry();
        agent.leak.full();
        agent.leak.retry();
    }

    async fn answer(&mut self, request: Request, source: &Source) {
        let reply = match request.query {
            Query::Reload => self.reload(source).await,
            Query::ReloadPreview => Front::preview(source, &self.agent.config),
            query => {
                let (agent, speaker) = (&self.agent, &self.speaker);
                self.report.answer(agent, speaker, &query).await
            }
        };
        // The client may have gone.
        let _ = request.reply.send(reply);
    }

    /// When something that is waited for is given up.
    fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        let agent = &self.agent;
        let adopt = self.adopts_at().filter(|_| !self.speakable);
        let patience = |patience| {
            let read_at = agent.read_at.filter(|_| !self.started);
            read_at.map(|at| at + patience)
        };
        let times = [
            adopt,
            patience(FLOWS_PATIENCE),
            patience(SOUTHBOUND_PATIENCE),
            agent.doubt_at(),
            agent.held_until(),
        ];
        times.into_iter().flatten().filter(|at| *at > now).min()
    }
}

/// Timers and signals.
struct Wakes {
    reconcile: Interval,
    retry: Interval,
    signals: Signals,
}

impl Wakes {
    fn new(config: &Config) -> Result<Self, RunError> {
        Ok(Self {
            reconcile: timer(config.agent.reconcile_interval),
            retry: timer(RETRY),
            signals: Signals::new()?,
        })
    }

    /// Another interval between full comparisons, from now on.
    fn reconcile_every(&mut self, period: Duration) {
        if self.reconcile.period() != period {
            self.reconcile = timer(period);
        }
    }

    async fn next(&mut self, running: &mut Running) -> Wake {
        let due = running.due();
        let Running {
            agent,
            speaker,
            front,
            ..
        } = running;
        tokio::select! {
            biased;
            order = self.signals.next() => Wake::Order(order),
            news = agent.inputs.next() => Wake::News(news),
            Some(request) = front.requests.recv() => Wake::Request(request),
            ended = speaker.ended() => Wake::SpeakerEnded(ended),
            _ = self.reconcile.tick() => Wake::Reconcile,
            _ = self.retry.tick() => Wake::Retry,
            () = wait_until(due) => Wake::Due,
            () = tried(&mut agent.frr, agent.awaits_frr) => Wake::FrrTried,
        }
    }
}

fn timer(period: Duration) -> Interval {
    let mut timer = interval(period.max(Duration::from_secs(1)));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.reset();
    timer
}

async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

impl Report {
    fn count(&mut self, taken: &Taken) {
        self.changes_applied += taken.done;
        self.changes_failed += taken.failed;
    }
}
