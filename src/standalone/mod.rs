//! `speaker`: the BGP speaker alone, without OVN. It originates what the operator says.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::advertise::Embedded;
use crate::config::Config;
use crate::control::{self, Query, Reply, Request};
use crate::daemon::{DaemonError, Front, Order, Signals, start_speaker};
use crate::peering::Ended;
use crate::reload::Source;

/// Between two attempts to find a router-id.
const RETRY: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT. Neighbours are not told: their graceful-restart helpers keep the
/// routes for the speaker that follows. `source` is read again on SIGHUP.
pub async fn run(config: Arc<Config>, source: Source) -> Result<(), DaemonError> {
    tracing::info!("the speaker starts, without OVN");
    let mut standalone = Standalone::start(config)?;
    let mut wakes = Wakes::new()?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    loop {
        match wakes.next(&mut standalone).await {
            Wake::Order(Order::Stop(signal)) => {
                tracing::info!("{signal}: stopping; neighbours keep the routes while they help");
                return Ok(());
            }
            Wake::Order(Order::Reload) => {
                standalone.reload(&source).await;
            }
            Wake::Request(request) => {
                let reply = standalone.reply(&request.query, &source).await;
                // The client may have gone.
                let _ = request.reply.send(reply);
            }
            Wake::SpeakerEnded(ended) => return Err(ended.into()),
            Wake::Retry => start_speaker(&mut standalone.speaker)?,
        }
    }
}

/// What the loop waits for.
enum Wake {
    Order(Order),
    Request(Request),
    SpeakerEnded(Ended),
    Retry,
}

struct Standalone {
    config: Arc<Config>,
    speaker: Embedded,
    front: Front,
    started_at: Instant,
}

impl Standalone {
    fn start(config: Arc<Config>) -> Result<Self, DaemonError> {
        let mut speaker = Embedded::new(Arc::clone(&config));
        // There is no OVN here.
        speaker.teach(Arc::default());
        let front = Front::open(&config, &speaker, None)?;
        start_speaker(&mut speaker)?;
        Ok(Self {
            config,
            speaker,
            front,
            started_at: Instant::now(),
        })
    }

    async fn reload(&mut self, source: &Source) -> Reply {
        let Self {
            config,
            speaker,
            front,
            ..
        } = self;
        front.reload(source, config, speaker).await
    }

    async fn reply(&mut self, query: &Query, source: &Source) -> Reply {
        match query {
            Query::Reload => self.reload(source).await,
            Query::ReloadPreview => Front::preview(source, &self.config),
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
    signals: Signals,
}

impl Wakes {
    fn new() -> Result<Self, DaemonError> {
        let mut retry = interval(RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        retry.reset();
        Ok(Self {
            retry,
            signals: Signals::new()?,
        })
    }

    async fn next(&mut self, standalone: &mut Standalone) -> Wake {
        let Standalone { speaker, front, .. } = standalone;
        tokio::select! {
            biased;
            order = self.signals.next() => Wake::Order(order),
            Some(request) = front.requests.recv() => Wake::Request(request),
            ended = speaker.ended() => Wake::SpeakerEnded(ended),
            _ = self.retry.tick() => Wake::Retry,
        }
    }
}
