//! The daemons under test, each configured and driven in the fastest way it offers.

mod bird;
mod frr;
mod gobgp;
mod ours;

use std::ops::Range;
use std::path::Path;

use anyhow::Result;

use super::stage::Stage;
use super::wire::Family;
use crate::Generation;

/// A running daemon under test. Its sessions are eBGP, it only listens, nothing is filtered.
pub(super) trait Dut {
    /// The order as this daemon is given it: found before the clock starts.
    fn words(&self, order: &Order) -> Result<String>;
    /// Gives the order; returns when that is done, not when the routes are out.
    fn tell(&mut self, words: &str) -> Result<()>;
    /// How many routes its table has that peers taught.
    fn learned(&mut self) -> Result<usize>;
    /// Every process that it is made of.
    fn pids(&self) -> Vec<u32>;
    /// Ends it at once (SIGKILL), and waits until it is gone.
    fn kill(self: Box<Self>);
}

/// What a daemon is to do.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Originate these numbered routes.
    Announce(Family, Range<u32>),
    /// Take them back.
    Withdraw(Family, Range<u32>),
}

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Bird(Generation),
    Frr(Generation),
    Gobgp(Generation),
}

/// What a benchmark asks of a daemon's configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Setup {
    /// Sessions that the tester will open.
    pub(super) peers: usize,
    /// Blocks of routes that will be announced and withdrawn: a daemon that is driven by its
    /// configuration has each ready as one static protocol.
    pub(super) blocks: Vec<(Family, Range<u32>)>,
    /// Learned routes go to the kernel.
    pub(super) fib: bool,
}

impl Kind {
    /// Those that are measured, ours first.
    pub const ALL: [Self; 6] = [
        Self::Ours,
        Self::Bird(Generation::Bookworm),
        Self::Bird(Generation::Trixie),
        Self::Frr(Generation::Bookworm),
        Self::Frr(Generation::Trixie),
        Self::Gobgp(Generation::Trixie),
    ];

    /// Name and version, for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Bird(Generation::Bookworm) => "BIRD 2.0.12",
            Self::Bird(Generation::Trixie) => "BIRD 3.1",
            Self::Frr(Generation::Bookworm) => "FRR 8.4",
            Self::Frr(Generation::Trixie) => "FRR 10.3",
            Self::Gobgp(Generation::Bookworm) => "GoBGP 3.10",
            Self::Gobgp(Generation::Trixie) => "GoBGP 3.36",
        }
    }

    /// Prepares what `setup` needs on `stage`, then starts the daemon on its core.
    pub(super) fn start(
        self,
        stage: &Stage,
        agent: &Path,
        setup: &Setup,
    ) -> Result<Box<dyn Dut + Send>> {
        self.prepare(stage, setup)?;
        self.launch(stage, agent, setup)
    }

    /// Writes the configuration: what [`Self::launch`] then starts with is not part of its time.
    pub(super) fn prepare(self, stage: &Stage, setup: &Setup) -> Result<()> {
        let dir = stage.dir.path();
        match self {
            Self::Ours => ours::prepare(dir, setup),
            Self::Bird(generation) => bird::prepare(dir, generation, setup),
            Self::Frr(_) => frr::prepare(dir, setup),
            Self::Gobgp(_) => gobgp::prepare(dir, setup),
        }
    }

    /// Starts the daemon, which may be started again after [`Dut::kill`].
    pub(super) fn launch(
        self,
        stage: &Stage,
        agent: &Path,
        setup: &Setup,
    ) -> Result<Box<dyn Dut + Send>> {
        super::stage::on_dut_core(|| -> Result<Box<dyn Dut + Send>> {
            Ok(match self {
                Self::Ours => Box::new(ours::Ours::launch(stage, agent)?),
                Self::Bird(generation) => Box::new(bird::Bird::launch(stage, generation, setup)?),
                Self::Frr(generation) => Box::new(frr::Frr::launch(stage, generation, setup)?),
                Self::Gobgp(generation) => Box::new(gobgp::Gobgp::launch(stage, generation)?),
            })
        })
    }
}
