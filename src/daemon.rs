//! What `run` and `speaker` have in common as daemons: signals, the control socket, metrics, and how the
//! sessions start.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::advertise::{Embedded, EmbeddedError};
use crate::config::Config;
use crate::control::{self, BindError, Desk, Journal, Reply, Request, Server};
use crate::metrics::{self, Collector, Histogram, MetricsError};
use crate::peering::Ended;
use crate::reload::{self, Source};

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
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

/// Where operators turn to.
pub(crate) struct Front {
    /// What the desk cannot answer by itself.
    pub(crate) requests: mpsc::Receiver<Request>,
    journal: Journal,
}

impl Front {
    /// Opens the control socket and the metrics, as far as they are wanted. `ovn_to_advert` is a metric of those
    /// who follow OVN. Must be called within a tokio runtime.
    pub(crate) fn open(
        config: &Config,
        speaker: &Embedded,
        ovn_to_advert: Option<Arc<Histogram>>,
    ) -> Result<Self, DaemonError> {
        let (sender, requests) = mpsc::channel(8);
        let desk = Desk::new(sender, speaker);
        let socket = &config.agent.control_socket;
        if !socket.as_os_str().is_empty() {
            tokio::spawn(Server::bind(socket)?.serve(desk.clone()));
        }
        let journal = desk.journal();
        if let Some(address) = config.bgp.metrics_listen {
            metrics::serve(address, Collector::new(speaker, desk, ovn_to_advert))?;
        }
        Ok(Self { requests, journal })
    }

    /// Reads the configuration again and takes over what differs, unless it is not valid.
    pub(crate) async fn reload(
        &self,
        source: &Source,
        config: &mut Arc<Config>,
        speaker: &mut Embedded,
    ) -> Reply {
        let outcome = reload::reload(source, config, speaker).await;
        control::reloaded(&self.journal, outcome)
    }

    /// What that would do now.
    pub(crate) fn preview(source: &Source, config: &Config) -> Reply {
        control::previewed(reload::preview(source, config))
    }
}

/// What is asked of the daemon as a whole.
pub(crate) enum Order {
    Stop(&'static str),
    Reload,
}

/// The signals that daemons obey.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(crate) fn new() -> Result<Self, DaemonError> {
        let on = |kind| signal(kind).map_err(DaemonError::Signal);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// The next one. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Order {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Order::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Order::Stop("SIGINT"),
            _ = self.hangup.recv() => Order::Reload,
        }
    }
}

/// Starts the sessions. A node without a router-id may get an address, so that is no error, and tried again
/// (b019).
pub(crate) fn start_speaker(speaker: &mut Embedded) -> Result<(), EmbeddedError> {
    if speaker.is_started() {
        return Ok(());
    }
    let said = speaker.problem().is_some();
    match speaker.start() {
        Ok(router_id) => tracing::info!(%router_id, "the BGP sessions start"),
        Err(error @ EmbeddedError::NoRouterId) if said => {
            tracing::debug!(%error, "nothing is advertised yet, still");
        }
        Err(error @ EmbeddedError::NoRouterId) => {
            tracing::error!(%error, "nothing is advertised yet; the rest goes on");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
