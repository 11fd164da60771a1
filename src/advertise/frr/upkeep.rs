//! Keeps FRR's running configuration as the backend needs it: at start, when FRR comes back, when what is
//! wanted changes, and every `frr_reconcile_interval`.
//!
//! FRR's restart is noticed by a connection to bgpd's own socket, over which nothing is said: it ends with
//! bgpd. Where tenants are wanted zebra is watched likewise. The agent's loop never waits for FRR: this is a task of its own, and its news are a [`Status`].

use std::collections::BTreeSet;
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
use super::tenants::{self, CannotHost, Tenants};
use super::vtysh::{Rejection, Vtysh, VtyshError, With};
use super::wanted::Wanted;

/// Between two looks for a bgpd that is not there, and at one that has just come and has not read its
/// configuration yet.
const SOON: Duration = Duration::from_millis(200);

/// How long a bgpd is looked at so often after it has come.
const SETTLING: Duration = Duration::from_secs(30);

/// How often the same is said to a FRR that takes it and does not have it, before that is told.
pub const TIMES: usize = 3;

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
    #[error("cannot reach {daemon} at {path}: {error}{remedy}")]
    Unreachable {
        daemon: &'static str,
        path: String,
        error: String,
        remedy: String,
    },
    #[error(transparent)]
    Vtysh(#[from] VtyshError),
    #[error(transparent)]
    Cannot(#[from] CannotLeak),
    #[error(transparent)]
    CannotHost(#[from] CannotHost),
    #[error("FRR refuses '{command}': {answer}")]
    Rejected { command: String, answer: String },
    #[error("FRR takes '{command}' without a word and does not have it")]
    Unheeded { command: String },
}

/// What to keep, where, how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub wanted: Wanted,
    /// `None`: not decided yet, or not with this backend; nothing of tenants is touched.
    pub tenants: Option<Arc<Tenants>>,
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
    /// With what FRR has been looked at last, whatever came of it.
    tried: watch::Receiver<Option<Arc<Settings>>>,
}

impl Upkeep {
    /// Starts. Needs a tokio runtime with I/O.
    pub fn spawn(settings: Settings) -> Self {
        let (settings, of) = watch::channel(Arc::new(settings));
        let (news, status) = watch::channel(Status::Unknown);
        let (tell, tried) = watch::channel(None);
        let keeper = Keeper {
            settings: of,
            news,
            tried: tell,
        };
        Self {
            task: tokio::spawn(keeper.run()),
            settings,
            status,
            tried,
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

    /// True once FRR has been told what is wanted now, or could not be.
    pub fn has_tried(&self) -> bool {
        let wanted = self.settings.borrow();
        let tried = self.tried.borrow();
        tried
            .as_ref()
            .is_some_and(|tried| Arc::ptr_eq(tried, &wanted))
    }

    /// Returns once [`Self::has_tried`].
    pub async fn tried(&mut self) {
        while !self.has_tried() {
            if self.tried.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
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
    tried: watch::Sender<Option<Arc<Settings>>>,
}

/// What is watched of FRR.
struct Daemons {
    bgpd: UnixStream,
    /// Where tenants are wanted.
    zebra: Option<UnixStream>,
}

impl Daemons {
    async fn connect(settings: &Settings) -> Result<Self, UpkeepError> {
        let bgpd = connect(&settings.vtysh, "bgpd").await?;
        let zebra = match settings.tenants {
            Some(_) => Some(connect(&settings.vtysh, "zebra").await?),
            None => None,
        };
        Ok(Self { bgpd, zebra })
    }

    /// Returns when one of them has ended.
    async fn gone(&self) {
        let zebra = async {
            match &self.zebra {
                Some(zebra) => gone(zebra).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = gone(&self.bgpd) => {}
            () = zebra => {}
        }
    }
}

impl Settings {
    /// Nothing of ours is to be in FRR, so that one look is enough.
    fn is_nothing(&self) -> bool {
        matches!(self.wanted, Wanted::Nothing { .. }) && self.tenants.is_none()
    }
}

impl Keeper {
    async fn run(mut self) {
        loop {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            match Daemons::connect(&settings).await {
                Ok(daemons) => {
                    let clean = self.serve(&daemons, &settings).await;
                    drop(daemons);
                    if clean {
                        self.idle().await;
                    }
                }
                // What we put into it has gone with it.
                Err(_) if settings.is_nothing() => {
                    self.tell(&settings, Ok(Status::Clean));
                    self.idle().await;
                }
                Err(error) => {
                    self.tell(&settings, Err(error));
                    sleep(SOON).await;
                }
            }
        }
    }

    /// As long as these daemons live and the same is wanted. True if there is nothing more to look for.
    async fn serve(&mut self, daemons: &Daemons, settings: &Arc<Settings>) -> bool {
        let came = Instant::now();
        loop {
            let done = look(settings).await;
            let settled = done.is_ok() || came.elapsed() > SETTLING;
            let again = Instant::now() + if settled { settings.interval } else { SOON };
            let clean = done == Ok(Status::Clean);
            self.tell(settings, done);
            if clean {
                return true;
            }
            tokio::select! {
                () = daemons.gone() => return false,
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
    fn tell(&self, settings: &Arc<Settings>, done: Result<Status, UpkeepError>) {
        self.tried.send_replace(Some(Arc::clone(settings)));
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

async fn connect(vtysh: &Vtysh, daemon: &'static str) -> Result<UnixStream, UpkeepError> {
    let path = vtysh.sockets.join(format!("{daemon}.vty"));
    UnixStream::connect(&path).await.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                format!(": {daemon} does not run; start FRR, and see frr_vty_socket")
            }
            io::ErrorKind::PermissionDenied => {
                ": run as root, or join the group of the socket (frrvty)".to_owned()
            }
            _ => String::new(),
        };
        UpkeepError::Unreachable {
            daemon,
            path: path.display().to_string(),
            error: error.to_string(),
            remedy,
        }
    })
}

/// Returns when the daemon has ended.
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
    let with = match settings.tenants {
        Some(_) => With::All,
        None => With::Bgpd,
    };
    let running = read(settings, with).await?;
    // Tenants do not wait for what keeps the rest, nor the rest for them.
    let tenants = look_at_tenants(settings, &running).await;
    let rest = look_at_rest(settings, &running).await;
    tenants?;
    rest?;
    Ok(match settings.is_nothing() {
        true => Status::Clean,
        false => Status::InPlace,
    })
}

async fn look_at_rest(settings: &Settings, running: &Running) -> Result<(), UpkeepError> {
    let router_id = router_id(settings, running).await?;
    let commands = settings.wanted.commands(running, router_id)?;
    let headline = || settings.wanted.headline(&commands);
    send(settings, With::Bgpd, &commands, headline).await?;
    Ok(settings.wanted.complete(running)?)
}

/// What runs.
async fn read(settings: &Settings, with: With) -> Result<Running, UpkeepError> {
    let text = settings.vtysh.show(with, "show running-config").await?;
    Ok(Running::parse(&text))
}

/// What is sent is looked for afterwards, and said again where it is not there: of lines that mgmtd passes on (FRR 10) one is
/// lost now and then, on a busy machine, and nobody is told.
async fn look_at_tenants(settings: &Settings, running: &Running) -> Result<(), UpkeepError> {
    let Some(wanted) = &settings.tenants else {
        return Ok(());
    };
    let mut difference = compare(settings, wanted, running).await?;
    let mut unheeded = None;
    for _ in 0..TIMES {
        let commands = std::mem::take(&mut difference.commands);
        if commands.is_empty() {
            break;
        }
        send(settings, With::All, &commands, || {
            tenants::headline(&commands)
        })
        .await?;
        let running = read(settings, With::All).await?;
        difference = compare(settings, wanted, &running).await?;
        let is_lost = |command: &&String| difference.commands.contains(*command);
        unheeded = commands.iter().find(is_lost).cloned();
    }
    if let Some(command) = unheeded {
        return Err(UpkeepError::Unheeded { command });
    }
    if let Some(problem) = difference.problems.into_iter().next() {
        return Err(problem.into());
    }
    Ok(wanted.complete(running)?)
}

async fn compare(
    settings: &Settings,
    wanted: &Tenants,
    running: &Running,
) -> Result<tenants::Difference, UpkeepError> {
    let active = match wanted.asks_for_vrfs(running) {
        true => tenants::active(&settings.vtysh.show(With::All, "show vrf").await?),
        false => BTreeSet::new(),
    };
    Ok(wanted.difference(running, &active)?)
}

/// Sends what is missing, if anything is.
async fn send(
    settings: &Settings,
    with: With,
    commands: &[String],
    headline: impl Fn() -> String,
) -> Result<(), UpkeepError> {
    if commands.is_empty() {
        return Ok(());
    }
    tracing::info!("{}", headline());
    tracing::debug!(?commands, "to FRR");
    let rejected = settings.vtysh.configure(with, commands).await?;
    for Rejection { command, answer } in &rejected {
        tracing::error!(command, answer, "FRR refuses a line");
    }
    match rejected.into_iter().next() {
        Some(Rejection { command, answer }) => Err(UpkeepError::Rejected { command, answer }),
        None => Ok(()),
    }
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
    let summary = settings
        .vtysh
        .show(With::Bgpd, "show bgp summary json")
        .await?;
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
