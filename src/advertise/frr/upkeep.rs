//! Keeps FRR's running configuration as the backend needs it: at start, when FRR comes back, when what is
//! wanted changes, and every `frr_reconcile_interval`.
//!
//! FRR's restart is noticed by a connection to bgpd's own socket, over which nothing is said: it ends with
//! bgpd. The agent's loop never waits for FRR: this is a task of its own, and its news are a [`Status`].

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::leaking::CannotLeak;
use super::running::Running;
use super::vtysh::{Rejection, Vtysh, VtyshError};
use super::wanted::Wanted;

/// Between two looks for a bgpd that is not there, and at one that has just come and has not read its
/// configuration yet.
const SOON: Duration = Duration::from_millis(200);

/// How long a bgpd is looked at so often after it has come.
const SETTLING: Duration = Duration::from_secs(30);

/// How FRR stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Not asked yet.
    #[default]
    Unknown,
    /// As wanted.
    InPlace,
    /// Nothing of ours is in it, and nothing should be.
    Clean,
    /// What is wrong, and what to do.
    Problem(String),
}

/// Why FRR is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum UpkeepError {
    #[error("cannot reach bgpd at {path}: {error}{remedy}")]
    Unreachable {
        path: String,
        error: String,
        remedy: &'static str,
    },
    #[error(transparent)]
    Vtysh(#[from] VtyshError),
    #[error(transparent)]
    Cannot(#[from] CannotLeak),
    #[error("FRR refuses '{command}': {answer}")]
    Rejected { command: String, answer: String },
}

/// What to keep, where, how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub wanted: Wanted,
    pub vtysh: Vtysh,
    /// `bgp_router_id`; else FRR's own is taken.
    pub router_id: Option<Ipv4Addr>,
    /// `frr_reconcile_interval`
    pub interval: Duration,
}

/// The task. It ends with this.
#[derive(Debug)]
pub struct Upkeep {
    task: JoinHandle<()>,
    settings: watch::Sender<Arc<Settings>>,
    status: watch::Receiver<Status>,
}

impl Upkeep {
    /// Starts. Needs a tokio runtime with I/O.
    pub fn spawn(settings: Settings) -> Self {
        let (settings, of) = watch::channel(Arc::new(settings));
        let (news, status) = watch::channel(Status::Unknown);
        let task = tokio::spawn(Keeper { settings: of, news }.run());
        Self {
            task,
            settings,
            status,
        }
    }

    /// Wants something else from now on.
    pub fn change(&self, settings: Settings) {
        self.settings.send_if_modified(|current| {
            let differs = **current != settings;
            if differs {
                *current = Arc::new(settings);
            }
            differs
        });
    }

    /// How FRR stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    settings: watch::Receiver<Arc<Settings>>,
    news: watch::Sender<Status>,
}

impl Keeper {
    async fn run(mut self) {
        loop {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            let bgpd = connect(&settings.vtysh).await;
            match bgpd {
                Ok(bgpd) => {
                    let clean = self.serve(&bgpd, &settings).await;
                    drop(bgpd);
                    if clean {
                        self.idle().await;
                    }
                }
                // What we put into it has gone with it.
                Err(_) if matches!(settings.wanted, Wanted::Nothing { .. }) => {
                    self.tell(Ok(Status::Clean));
                    self.idle().await;
                }
                Err(error) => {
                    self.tell(Err(error));
                    sleep(SOON).await;
                }
            }
        }
    }

    /// As long as this bgpd lives and the same is wanted. True if there is nothing more to look for.
    async fn serve(&mut self, bgpd: &UnixStream, settings: &Settings) -> bool {
        let came = Instant::now();
        loop {
            let done = look(settings).await;
            let settled = done.is_ok() || came.elapsed() > SETTLING;
            let again = Instant::now() + if settled { settings.interval } else { SOON };
            let clean = done == Ok(Status::Clean);
            self.tell(done);
            if clean {
                return true;
            }
            tokio::select! {
                () = gone(bgpd) => return false,
                changed = self.settings.changed() => {
                    // The task ends with its owner, which sends them.
                    return if changed.is_ok() { false } else { std::future::pending().await };
                }
                () = sleep_until(again) => {}
            }
        }
    }

    /// Nothing is wanted and nothing is there.
    async fn idle(&mut self) {
        if self.settings.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Says what is news, once.
    fn tell(&self, done: Result<Status, UpkeepError>) {
        let status = done.unwrap_or_else(|error| Status::Problem(error.to_string()));
        let news = self.news.send_if_modified(|current| {
            let differs = *current != status;
            if differs {
                current.clone_from(&status);
            }
            differs
        });
        match status {
            Status::Problem(problem) if news => {
                tracing::error!("FRR: {problem}; the rest goes on, and this is tried again");
            }
            Status::InPlace if news => tracing::info!("FRR is configured as it should be"),
            _ => {}
        }
    }
}

async fn connect(vtysh: &Vtysh) -> Result<UnixStream, UpkeepError> {
    let path = vtysh.sockets.join("bgpd.vty");
    UnixStream::connect(&path).await.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ": bgpd does not run; start FRR, and see frr_vty_socket"
            }
            io::ErrorKind::PermissionDenied => {
                ": run as root, or join the group of the socket (frrvty)"
            }
            _ => "",
        };
        UpkeepError::Unreachable {
            path: path.display().to_string(),
            error: error.to_string(),
            remedy,
        }
    })
}

/// Returns when bgpd has ended.
async fn gone(bgpd: &UnixStream) {
    let mut unasked = [0; 64];
    loop {
        if bgpd.readable().await.is_err() {
            return;
        }
        match bgpd.try_read(&mut unasked) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

/// Compares what runs with what is wanted, and sends the difference.
async fn look(settings: &Settings) -> Result<Status, UpkeepError> {
    let running = Running::parse(&settings.vtysh.show("show running-config").await?);
    let router_id = router_id(settings, &running).await?;
    let commands = settings.wanted.commands(&running, router_id)?;
    if !commands.is_empty() {
        tracing::info!("{}", settings.wanted.headline());
        tracing::debug!(?commands, "to FRR");
        let rejected = settings.vtysh.configure(&commands).await?;
        for Rejection { command, answer } in &rejected {
            tracing::error!(command, answer, "FRR refuses a line");
        }
        if let Some(Rejection { command, answer }) = rejected.into_iter().next() {
            return Err(UpkeepError::Rejected { command, answer });
        }
    }
    settings.wanted.complete(&running)?;
    Ok(match settings.wanted {
        Wanted::Nothing { .. } => Status::Clean,
        _ => Status::InPlace,
    })
}

/// The configured one, else the one that FRR is configured with, else the one it uses (b019).
async fn router_id(
    settings: &Settings,
    running: &Running,
) -> Result<Option<Ipv4Addr>, UpkeepError> {
    if !settings.wanted.needs_router_id() {
        return Ok(None);
    }
    let configured = running.default_instance().and_then(|i| i.router_id());
    if let Some(router_id) = settings.router_id.or(configured) {
        return Ok(Some(router_id));
    }
    let summary = settings.vtysh.show("show bgp summary json").await?;
    Ok(summary_router_id(&summary))
}

/// FRR says it once per address family that has neighbours.
fn summary_router_id(summary: &str) -> Option<Ipv4Addr> {
    let summary: serde_json::Value = serde_json::from_str(summary).ok()?;
    let mut families = summary.as_object()?.values();
    families.find_map(|family| {
        let id: Ipv4Addr = family.get("routerId")?.as_str()?.parse().ok()?;
        (!id.is_unspecified()).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b019_a_router_id_is_found_in_whichever_family_has_neighbours() {
        let found = |text: &str| summary_router_id(text);
        let v4 = r#"{"ipv4Unicast":{"routerId":"192.0.2.1","as":64999}}"#;
        assert_eq!(found(v4), Some(Ipv4Addr::new(192, 0, 2, 1)));
        let v6 = r#"{"ipv6Unicast":{"routerId":"192.0.2.2"}}"#;
        assert_eq!(found(v6), Some(Ipv4Addr::new(192, 0, 2, 2)));
        for nothing in [
            "{}",
            "",
            "% BGP instance not found",
            r#"{"a":{"routerId":"0.0.0.0"}}"#,
        ] {
            assert_eq!(found(nothing), None, "{nothing}");
        }
    }
}
