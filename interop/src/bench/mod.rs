//! The speaker against FRR, BIRD and GoBGP, by one neutral tester in one run: `lab bench`, or `make bench`.
//!
//! | module | what |
//! | --- | --- |
//! | `stage` | namespaces, cores, what processes cost |
//! | `wire`, `tester` | BGP peers that share no code with any daemon |
//! | `dut` | each daemon, configured and driven in the fastest way it offers |
//! | `evpn_wire` | the tester's EVPN |
//! | `burst`, `change`, `storm`, `import`, `tenants`, `soak` | the benchmarks |
//! | `scale` | the whole agent on a node of a large cloud, comparing when there is nothing to do, and repairing what others took away |
//! | `table` | medians, and the ratio to the best peer |
//!
//! The daemon runs on the last core, the tester and whatever feeds the daemon on the first. The clock of a
//! figure starts when the daemon is asked (the octet is written to its socket, or to the pipe of `ip -batch`) and stops
//! when the tester has read the last route. Sets of routes are compared, not messages counted.

mod burst;
mod change;
mod dut;
mod evpn_wire;
mod import;
mod scale;
mod soak;
mod stage;
mod storm;
mod table;
mod tenants;
mod tester;
mod trigger;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

pub use dut::Kind;
pub(crate) use stage::on_core;
use table::Table;

/// How long anything may take before a benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The agent's binary.
    pub agent: PathBuf,
    /// Runs of each burst, after one to warm up.
    pub runs: usize,
    /// How long the soak lasts.
    pub soak: Duration,
    /// Benchmarks by name (`burst`, `change`, `fanout`, `storm`, `import`, `evpn`, `kernel`, `moves`,
    /// `soak`, `scale`, `spread`, `resync`, `repairs`); empty: all.
    pub only: Vec<String>,
    /// Daemons whose name contains one of these; empty: all.
    pub daemons: Vec<String>,
    /// Databases of a large cloud for `scale`, which otherwise makes one.
    pub snapshot: Option<PathBuf>,
}

impl Options {
    fn kinds(&self) -> Vec<Kind> {
        let wanted = |kind: &Kind| {
            let name = kind.name().to_lowercase();
            self.daemons.is_empty()
                || self
                    .daemons
                    .iter()
                    .any(|d| name.contains(&d.to_lowercase()))
        };
        Kind::ALL.into_iter().filter(wanted).collect()
    }
}

/// A benchmark: what one daemon's figures are, into the table.
type Benchmark = fn(&Options, Kind, &mut Table) -> Result<()>;

const BENCHMARKS: [(&str, &str, Benchmark); 9] = [
    (
        "burst",
        "B1 export of a block to one peer, milliseconds",
        burst::one_peer,
    ),
    (
        "change",
        "B2 one route, asked → read by the peer, milliseconds",
        change::latency,
    ),
    (
        "fanout",
        "B3 10,000 routes to several peers",
        burst::fan_out,
    ),
    (
        "storm",
        "B4 sessions from the daemon's start to End-of-RIB at all, milliseconds",
        storm::sessions,
    ),
    ("import", "B5 50,000 routes from one peer", import::routes),
    (
        "evpn",
        "B6 EVPN: 10,000 type-5 routes over 10 tables, out and in",
        tenants::prefixes,
    ),
    (
        "kernel",
        "B6 EVPN: type-5 routes from a peer's UPDATE into the kernel's table",
        tenants::kernel::latency,
    ),
    (
        "moves",
        "B6 EVPN: 1,000 MAC addresses that move once a second",
        tenants::moves,
    ),
    (
        "soak",
        "B7 churn with a peer that reads nothing",
        soak::churn,
    ),
];

/// A benchmark of the agent alone: no other daemon does what it does.
type Alone = fn(&Options) -> Result<()>;

const ALONE: [(&str, Alone); 4] = [
    ("scale", |options| {
        scale::measure(&options.agent, options.snapshot.as_deref())
    }),
    ("spread", |options| {
        scale::spread(&options.agent, options.snapshot.as_deref())
    }),
    ("resync", |options| scale::resync(&options.agent)),
    ("repairs", |options| scale::repairs(&options.agent)),
];

/// Measures and prints tables.
///
/// # Errors
/// An option names nothing, or a lab does not come up. A daemon that fails a benchmark has a dash in its table.
pub fn run(options: &Options) -> Result<()> {
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|o| o == name);
    for name in &options.only {
        let mut known = BENCHMARKS.map(|(name, ..)| name).to_vec();
        known.extend(ALONE.map(|(name, _)| name));
        ensure!(
            known.contains(&name.as_str()),
            "no benchmark {name}: there are {}",
            known.join(", ")
        );
    }
    let kinds = options.kinds();
    ensure!(!kinds.is_empty(), "no daemon is called that");
    for (name, title, measure) in BENCHMARKS {
        if !wanted(name) {
            continue;
        }
        let mut table = Table::new(title, &kinds);
        for kind in &kinds {
            if let Err(error) = measure(options, *kind, &mut table) {
                eprintln!("{name}, {}: {error:#}", kind.name());
            }
        }
        println!("{table}");
    }
    let mut alone = ALONE.iter().filter(|(name, _)| wanted(name));
    alone.try_for_each(|(_, measure)| measure(options))
}
