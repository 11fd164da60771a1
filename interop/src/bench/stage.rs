//! Where a benchmark plays: a namespace for the daemon under test, pinned to the last core, and one for the
//! tester, on the first.

use std::time::Duration;

use anyhow::Result;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::tester::{DUT, address};
use crate::netns::connect;
use crate::{Namespace, scratch};

/// Most peers of a benchmark.
pub(super) const PEERS: usize = 64;

/// Two namespaces and a directory; everything ends with it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) dut: Namespace,
    pub(super) tester: Namespace,
    pub(super) dir: tempfile::TempDir,
}

impl Stage {
    pub(super) fn new() -> Result<Self> {
        let (dut, tester) = (Namespace::new("dut")?, Namespace::new("tester")?);
        connect((&dut, "eth0"), (&tester, "eth0"))?;
        dut.address("eth0", &format!("{DUT}/24"))?;
        dut.address("eth0", "2001:db8:9::1/64")?;
        for n in 0..PEERS {
            tester.address("eth0", &format!("{}/24", address(n)))?;
        }
        Ok(Self {
            dut,
            tester,
            dir: scratch()?,
        })
    }

    /// Runs `work` in the tester's namespace, on its core.
    pub(super) fn test<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.tester.inside(|| {
            pin(0)?;
            work()
        })?
    }
}

/// Runs `start` on the core of the daemon under test: what it starts stays there.
pub(super) fn on_dut_core<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    let cores = cores();
    pin(cores.saturating_sub(1))?;
    let started = start();
    let mut all = CpuSet::new();
    for core in 0..cores {
        all.set(core)?;
    }
    sched_setaffinity(Pid::from_raw(0), &all)?;
    started
}

fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What processes have cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// On a core, all threads together.
    pub(super) cpu: Duration,
    /// Resident now, MB.
    pub(super) rss: f64,
    /// Resident, with what is shared counted by share, MB.
    pub(super) pss: f64,
}

impl Cost {
    /// Of these processes now; one that has ended counts nothing.
    pub(super) fn of(pids: &[u32]) -> Self {
        let mut sum = Self::default();
        for pid in pids {
            sum.cpu += on_core(*pid);
            sum.rss += kilobytes(&format!("/proc/{pid}/status"), "VmRSS:") / 1024.0;
            sum.pss += kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:") / 1024.0;
        }
        sum
    }
}

/// How long all threads of a process have been on a core.
pub(crate) fn on_core(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let nanoseconds = tasks.into_iter().flatten().flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn kilobytes(file: &str, key: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).unwrap_or(0.0)
}
