//! Random legal changes on a living OVN with three agents and two leaves. In every quiet moment all must agree; in the end nothing may be left.
//!
//! A seed gives the same changes again; when they meet which event is the machine's business.

mod audit;
mod change;
mod hands;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use crate::cloud::objects::Network;
use crate::cloud::{Cloud, Driver, Plan};
use crate::{Generation, PATIENCE, wait_until};
use change::Change;
use hands::Hands;
use world::World;

/// What to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The agent's program.
    pub agent: PathBuf,
    /// What the agents read.
    pub driver: Driver,
    /// How many changes, before everything is taken down again.
    pub changes: usize,
    /// Makes the changes.
    pub seed: u64,
}

/// So many changes at the most come without a pause.
const BURST: usize = 6;

/// Runs, and says how it went; an error says which changes led to what.
pub fn run(settings: &Settings) -> Result<String> {
    let plan = Plan {
        agent: settings.agent.clone(),
        leaves: Generation::ALL.into(),
        nodes: 3,
        driver: settings.driver,
        options: "expose_tenant_networks = True".to_owned(),
    };
    let public = Network::provider(1, "physnet1");
    let mut chaos = Chaos {
        hands: Hands::new(Cloud::build(&plan)?),
        // SB has no word of `enabled`
        world: World::new(public.clone(), settings.driver != Driver::Southbound),
        recent: Vec::new(),
        quiet: 0,
    };
    let start = Instant::now();
    chaos.settle()?;
    let before = audit::footprints(&chaos.hands.cloud)?;
    chaos.hands.cloud.neutron.create_network(&public)?;

    let mut rng = Rng::with_seed(settings.seed);
    let mut left = settings.changes;
    while left > 0 {
        let burst = rng.usize(1..=BURST).min(left);
        left -= burst;
        chaos
            .burst(&mut rng, burst)
            .with_context(|| format!("seed {}, {left} changes before the end", settings.seed))?;
        if chaos.quiet.is_multiple_of(100) {
            let told = start.elapsed().as_secs();
            println!("{left} changes left after {told} s: {}", chaos.world);
        }
    }
    for change in Change::teardown(&chaos.world.clone()) {
        chaos.make(change)?;
    }
    chaos.hands.cloud.neutron.delete_network(&public)?;
    chaos.settle().context("after everything was deleted")?;
    chaos.check_nothing_is_left(&before)?;
    Ok(format!(
        "{:?}, seed {}: {} changes, {} quiet moments in which all agreed, nothing left; {} s",
        settings.driver,
        settings.seed,
        settings.changes,
        chaos.quiet,
        start.elapsed().as_secs()
    ))
}

struct Chaos {
    hands: Hands,
    world: World,
    /// Since the last quiet moment.
    recent: Vec<String>,
    quiet: usize,
}

impl Chaos {
    fn burst(&mut self, rng: &mut Rng, changes: usize) -> Result<()> {
        self.recent.clear();
        for _ in 0..changes {
            let change = Change::random(&self.world, rng, self.hands.cloud.nodes.len());
            self.make(change)?;
        }
        self.settle()
            .with_context(|| format!("after {:#?}", self.recent))
    }

    fn make(&mut self, change: Change) -> Result<()> {
        self.recent.push(change.to_string());
        self.hands
            .make(&change, &self.world)
            .with_context(|| change.to_string())?;
        change.apply(&mut self.world);
        Ok(())
    }

    /// Waits until all agree.
    fn settle(&mut self) -> Result<()> {
        self.hands.give_back()?;
        let mut last = Ok(());
        let agreed = wait_until(PATIENCE, "all agree", || {
            last = audit::audit(&self.hands.cloud, &self.world);
            last.is_ok()
        });
        self.quiet += 1;
        agreed.or(last)
    }

    fn check_nothing_is_left(&self, before: &[String]) -> Result<()> {
        let mut after = Vec::new();
        let _ = wait_until(PATIENCE, "nothing left", || {
            after = audit::footprints(&self.hands.cloud).unwrap_or_default();
            after == before
        });
        ensure!(
            after == before,
            "something is left: before\n{}\nafter\n{}",
            before.join("\n"),
            after.join("\n")
        );
        Ok(())
    }
}
