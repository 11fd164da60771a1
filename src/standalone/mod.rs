//! `speaker`: the BGP speaker alone, without OVN. It originates what the operator says.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::advertise::{Embedded, EmbeddedError};
use crate::config::Config;
use crate::control::{self, BindError, Desk, Journal, Query, Reply, Request, Server};
use crate::metrics::{self, Collector, MetricsError};
use crate::peering::Ended;
use crate::reload::{self, Source};

/// Between two attempts to find a router-id.
const RETRY: Duration = Duration::from_secs(5);

/// Why the speaker ended.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    #[error(transparent)]
    Speaker(#[from] EmbeddedError),
    #[error(transparent)]
    SpeakerEnded(#[from] Ended),
    #[error(transparent)]
    Control(#[from] BindError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("cannot listen for signals: {0}")]
    Signal(std::io::Error),
}

/// Runs until SIGTERM or SIGINT. Neighbours are not told: their graceful-restart helpers keep the
/// routes for the speaker that follows. `source` is read again on SIGHUP.
pub async fn run(config: Arc<Config>, source: Source) -> Result<(), StandaloneError> {
    tracing::info!("the speaker starts, without OVN");
    let mut standalone = Standalone::start(config)?;
    let mut wakes = Wakes::new()?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    loop {
        match wakes.next(&mut standalone).await {
            Wake::Stop(signal) => {
                tracing::info!("{signal}: stopping; neighbours keep the routes while they help");
                return Ok(());
            }
            Wake::Reload => {
                standalone.reload(&source).await;
            }
            Wake::Request(request) if request.query == Query::Reload => {
                let reply = standalone.reload(&source).await;
                // The client may have gone.
                let _ = request.reply.send(reply);
            }
            Wake::Request(request) => standalone.answer(request).await,
            Wake::SpeakerEnded(ended) => return Err(ended.into()),
            Wake::Retry => standalone.start_speaker()?,
        }
    }
}

/// What the loop waits for.
enum Wake {
    Request(Request),
    SpeakerEnded(Ended),
    Retry,
    Reload,
    Stop(&'static str),
}

struct Standalone {
    config: Arc<Config>,
    speaker: Embedded,
    requests: mpsc::Receiver<Request>,
    journal: Journal,
    started_at: Instant,
}

impl Standalone {
    fn start(config: Arc<Config>) -> Result<Self, StandaloneError> {
        let speaker = Embedded::new(Arc::clone(&config));
        let (sender, requests) = mpsc::channel(8);
        let desk = Desk::new(sender, &speaker);
        let socket = &config.agent.control_socket;
        if !socket.as_os_str().is_empty() {
            tokio::spawn(Server::bind(socket)?.serve(desk.clone()));
        }
        let journal = desk.journal();
        if let Some(address) = config.bgp.metrics_listen {
            let collector = Collector::new(&speaker, desk, None);
            metrics::serve(address, collector)?;
        }
        let mut this = Self {
            config,
            speaker,
            requests,
            journal,
            started_at: Instant::now(),
        };
        this.start_speaker()?;
        Ok(this)
    }

    /// Starts the sessions; without a router-id later, when the node has an address.
    fn start_speaker(&mut self) -> Result<(), EmbeddedError> {
        if self.speaker.is_started() {
            return Ok(());
        }
        let said = self.speaker.problem().is_some();
        match self.speaker.start() {
            Ok(router_id) => tracing::info!(%router_id, "the BGP sessions start"),
            Err(EmbeddedError::NoRouterId) if said => {}
            Err(error @ EmbeddedError::NoRouterId) => tracing::error!(%error, "tried again"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads the configuration again and takes over what differs, unless it is not valid.
    async fn reload(&mut self, source: &Source) -> Reply {
        let outcome = reload::reload(source, &mut self.config, &mut self.speaker).await;
        control::reloaded(&self.journal, outcome)
    }

    async fn answer(&self, request: Request) {
        let reply = self.reply(&request.query).await;
        // The client may have gone.
        let _ = request.reply.send(reply);
    }
}

impl Standalone {
    async fn reply(&self, query: &Query) -> Reply {
        match query {
            Query::Summary => {
                let problem = self.speaker.problem().map(str::to_owned);
                let uptime = self.started_at.elapsed();
                Reply::Summary(control::speaker::summary(&self.speaker, problem, uptime).await)
            }
            _ => Reply::Error("this is a speaker without OVN: it exposes nothing".into()),
        }
    }
}

/// Timers and signals.
struct Wakes {
    retry: Interval,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Wakes {
    fn new() -> Result<Self, StandaloneError> {
        let on = |kind| signal(kind).map_err(StandaloneError::Signal);
        let mut retry = interval(RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        retry.reset();
        Ok(Self {
            retry,
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self, standalone: &mut Standalone) -> Wake {
        let Standalone {
            speaker, requests, ..
        } = standalone;
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Wake::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Wake::Stop("SIGINT"),
            _ = self.hangup.recv() => Wake::Reload,
            Some(request) = requests.recv() => Wake::Request(request),
            ended = speaker.ended() => Wake::SpeakerEnded(ended),
            _ = self.retry.tick() => Wake::Retry,
        }
    }
}
