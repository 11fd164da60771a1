//! What the tests share: a boot, and steps with names.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use interop::{Need, requirement, vm};

/// Plays `scene` in the machine: outside it boots one and runs the test `name` again, inside it plays.
pub(crate) fn play(name: &str, scene: fn(&mut Steps) -> Result<()>) {
    if vm::is_here() {
        let mut steps = Steps {
            began: Instant::now(),
        };
        if let Err(error) = scene(&mut steps) {
            panic!("{error:#}");
        }
    } else if requirement::is_met(&[Need::Root, Need::Vm, Need::Trixie, Need::Agent]) {
        let output = vm::play_test(name, Duration::from_secs(900));
        println!("{}", output.unwrap_or_else(|error| panic!("{error:#}")));
    }
}

/// Names what is shown, and tells how long it took.
pub(crate) struct Steps {
    began: Instant,
}

impl Steps {
    /// One thing that must hold; its name is in the error if it does not.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let done = work().with_context(|| name.to_owned())?;
        let (at, took) = (self.began.elapsed(), start.elapsed());
        println!(
            "[{:6.1} s] {name}: {} ms",
            at.as_secs_f32(),
            took.as_millis()
        );
        Ok(done)
    }
}
