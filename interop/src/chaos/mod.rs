//! Random legal changes on a living OVN with three agents and two leaves. In every quiet moment all must agree; in the end nothing may be left.
//!
//! A seed gives the same changes again; when they meet which event is the machine's business.

mod audit;
mod change;
mod expected;
mod hands;
mod kernel;
mod legal;
mod stage;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use fastrand::Rng;

use crate::cloud::Driver;
pub use stage::Stage;

/// What to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The agent's program.
    pub agent: PathBuf,
    /// What the agents read.
    pub driver: Driver,
    /// What they tell of tenant networks.
    pub tenants: Tenants,
    /// How many changes, before everything is taken down again.
    pub changes: usize,
    /// Makes the changes.
    pub seed: u64,
}

/// What agents tell of tenant networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tenants {
    /// Every host.
    #[default]
    Hosts,
    /// Their subnets: `advertisement_method_tenant_networks = subnet`.
    Subnets,
    /// Hosts in two address scopes; subnets change their scopes.
    Scopes,
}

/// So many changes at the most come without a pause.
const BURST: usize = 6;

/// Runs, and says how it went; an error says which changes led to what.
pub fn run(settings: &Settings) -> Result<String> {
    let mut stage = Stage::set(&settings.agent, settings.driver, settings.tenants)?;
    let told = play(&mut stage, settings);
    told.map_err(|error| error.context(stage.preserve()))
}

fn play(stage: &mut Stage, settings: &Settings) -> Result<String> {
    let start = Instant::now();
    let mut rng = Rng::with_seed(settings.seed);
    let mut left = settings.changes;
    while left > 0 {
        let burst = rng.usize(1..=BURST).min(left);
        left -= burst;
        stage
            .burst(&mut rng, burst)
            .with_context(|| format!("seed {}, {left} changes before the end", settings.seed))?;
        if stage.quiet.is_multiple_of(100) {
            let told = start.elapsed().as_secs();
            println!("{left} changes left after {told} s: {}", stage.world);
        }
    }
    stage.clear()?;
    Ok(format!(
        "{:?}, {:?}, seed {}: {} changes, {} quiet moments in which all agreed (northd's copy of a gateway's place outdated in {}), \
         nothing left; {} s",
        settings.driver,
        settings.tenants,
        settings.seed,
        settings.changes,
        stage.quiet,
        stage.outdated,
        start.elapsed().as_secs()
    ))
}
