//! Everything the loop listens to, and the connections behind it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::conditions::Placed;
use super::database::{Database, Source};
use crate::config::Config;
use crate::kernel::{Kernel, KernelError, Observation};
use crate::openflow::{self, Switch};
use crate::ovn::vswitch;
use crate::ovsdb::{Event, ParseRemoteError};
use crate::peering::{LearnedTenants, TenantNews};
use crate::ports::Ports;

/// How long to leave the kernel alone after netlink failed.
const KERNEL_PAUSE: Duration = Duration::from_secs(1);

/// Why the inputs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{option}: {error}")]
    Remote {
        option: &'static str,
        error: ParseRemoteError,
    },
    #[error(
        "no Northbound remote: set ovn_nb_connection in [ovn], or external_ids:ovn-nb-remote in Open_vSwitch"
    )]
    NoNorthbound,
    #[error(
        "no Southbound remote: set ovn_sb_connection in [ovn], or external_ids:ovn-remote in Open_vSwitch"
    )]
    NoSouthbound,
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// One thing that happened.
#[derive(Debug)]
pub(super) enum News {
    Vswitch(Event),
    Northbound(Event),
    Southbound(Event),
    Placed(Placed),
    Kernel(Result<Observation, KernelError>),
    Flows(openflow::Observation),
    /// What peers teach of tenants' tables.
    Taught(TenantNews),
}

/// The connections of the loop.
pub(super) struct Inputs {
    pub vswitch: Database,
    /// Once it is known where it is, if the driver asks it.
    pub northbound: Option<Database>,
    /// The same.
    pub southbound: Option<Database>,
    /// The answer that will tell which networks some ports are on.
    pub placed: Option<oneshot::Receiver<Placed>>,
    pub kernel: Kernel,
    pub switch: Switch,
    /// Writes to what `vswitch` reads.
    pub ports: Ports,
    /// What peers teach of tenants' tables: filled once a speaker runs.
    pub taught: LearnedTenants,
    kernel_pause: Option<Instant>,
}

impl Inputs {
    /// Connects to what the configuration names. Needs a tokio runtime.
    pub(super) fn open(config: &Config, rt_tables: PathBuf) -> Result<Self, InputError> {
        let ovn = &config.ovn;
        let vswitch = Database::follow(
            Source::VSWITCH,
            &ovn.ovsdb_connection,
            config,
            vswitch::monitor(),
        )?;
        Ok(Self {
            vswitch,
            northbound: None,
            southbound: None,
            placed: None,
            kernel: Kernel::open(rt_tables)?,
            switch: Switch::new(run_dir(&ovn.ovsdb_connection)),
            ports: Ports::default(),
            taught: LearnedTenants::default(),
            kernel_pause: None,
        })
    }

    /// How many changes were asked of the kernel, the bridges and Open vSwitch's database.
    pub(super) fn writes_total(&self) -> u64 {
        self.kernel.writes_total() + self.switch.writes_total() + self.ports.writes_total()
    }

    /// Waits for news. May be dropped at any await without losing any.
    pub(super) async fn next(&mut self) -> News {
        let pause = self.kernel_pause;
        let news = tokio::select! {
            event = self.vswitch.next() => News::Vswitch(event),
            event = next_of(self.northbound.as_mut()) => News::Northbound(event),
            event = next_of(self.southbound.as_mut()) => News::Southbound(event),
            placed = answer(&mut self.placed) => News::Placed(placed),
            news = observe(&mut self.kernel, pause) => News::Kernel(news),
            flows = self.switch.observe() => News::Flows(flows),
            () = self.taught.filled() => News::Taught(self.taught.take()),
        };
        if let News::Kernel(result) = &news {
            self.kernel_pause = result.is_err().then(|| Instant::now() + KERNEL_PAUSE);
        }
        news
    }

    /// News that is there already.
    pub(super) async fn next_now(&mut self) -> Option<News> {
        tokio::select! {
            biased;
            news = self.next() => Some(news),
            () = std::future::ready(()) => None,
        }
    }
}

/// Takes the answer away when it comes.
async fn answer(placed: &mut Option<oneshot::Receiver<Placed>>) -> Placed {
    let answer = match placed {
        Some(placed) => placed.await,
        None => std::future::pending().await,
    };
    *placed = None;
    match answer {
        Ok(answer) => answer,
        // The question was dropped unanswered: the runtime ends.
        Err(_) => std::future::pending().await,
    }
}

async fn next_of(database: Option<&mut Database>) -> Event {
    match database {
        Some(database) => database.next().await,
        None => std::future::pending().await,
    }
}

async fn observe(kernel: &mut Kernel, pause: Option<Instant>) -> Result<Observation, KernelError> {
    if let Some(until) = pause {
        tokio::time::sleep_until(until).await;
    }
    kernel.observe().await
}

/// Where the bridges' management sockets are: beside the database's socket, else where
/// `OVS_RUNDIR` says, else where Debian has them.
fn run_dir(connection: &str) -> PathBuf {
    let socket = connection.strip_prefix("unix:").map(Path::new);
    let beside = socket
        .and_then(Path::parent)
        .filter(|dir| dir.is_absolute());
    beside.map_or_else(
        || {
            std::env::var_os("OVS_RUNDIR")
                .map_or_else(|| openflow::DEFAULT_RUN_DIR.into(), PathBuf::from)
        },
        Path::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn management_sockets_are_beside_the_databases() {
        assert_eq!(run_dir("unix:/run/lab/db.sock"), Path::new("/run/lab"));
        assert_eq!(
            run_dir("tcp:127.0.0.1:6640"),
            Path::new(openflow::DEFAULT_RUN_DIR)
        );
    }
}
