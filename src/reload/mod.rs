//! Reading the configuration again while running: on SIGHUP, and for `reload`.
//!
//! What will happen is worked out first, by comparing two configurations ([`plan`]), and told; then only
//! what differs is touched. A configuration that is not valid changes nothing.

mod options;
mod plan;
mod report;

use std::sync::Arc;

use crate::advertise::{self, Embedded};
use crate::cli::log::set_levels;
use crate::config::{Config, Loaded, Severity};
pub use plan::{effective, plan};
pub use report::{NeighbourReload, OptionReload, Outcome, ReloadReport};

/// Where the configuration comes from: the files, the environment and the command line the process was
/// started with, as they are by then.
pub struct Source(Box<dyn Fn() -> Loaded + Send>);

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The lines that say where and why.
    #[error("the configuration is not valid, so nothing was changed:\n{}", .0.join("\n"))]
    Invalid(Vec<String>),
    #[error(transparent)]
    Speaker(#[from] advertise::ReloadError),
}

impl Source {
    pub fn new(read: impl Fn() -> Loaded + Send + 'static) -> Self {
        Self(Box::new(read))
    }

    /// Reads everything again. The warnings are for the report.
    ///
    /// # Errors
    /// Something in it would stop a start.
    pub fn read(&self) -> Result<(Config, Vec<String>), ReloadError> {
        let loaded = (self.0)();
        let lines = |severity| {
            let of = loaded
                .problems
                .iter()
                .filter(move |p| p.severity == severity);
            of.map(ToString::to_string).collect::<Vec<_>>()
        };
        if loaded.is_valid() {
            let warnings = lines(Severity::Warning);
            Ok((loaded.config, warnings))
        } else {
            Err(ReloadError::Invalid(lines(Severity::Error)))
        }
    }
}

/// What a reload would do now. Nothing is touched.
///
/// # Errors
/// It would do nothing: the configuration is not valid.
pub fn preview(source: &Source, config: &Config) -> Result<ReloadReport, ReloadError> {
    source.read().map(|read| told(config, &read))
}

fn told(config: &Config, (new, warnings): &(Config, Vec<String>)) -> ReloadReport {
    ReloadReport {
        warnings: warnings.clone(),
        ..plan(config, new)
    }
}

/// Reads the configuration again and gives it to the speaker. The report is logged before anything is
/// touched; `config` is the new one afterwards.
///
/// # Errors
/// Nothing was changed, unless a thread of the speaker has ended.
pub async fn reload(
    source: &Source,
    config: &mut Arc<Config>,
    speaker: &mut Embedded,
) -> Result<ReloadReport, ReloadError> {
    let read = source.read()?;
    let report = told(config, &read);
    for line in report.lines() {
        tracing::info!("reload: {line}");
    }
    let new = effective(config, read.0);
    set_levels(&new.logging);
    *config = Arc::new(new);
    speaker.reload(Arc::clone(config)).await?;
    Ok(report)
}

/// Logs how a reload that nobody waits for went.
pub fn log(done: &Result<ReloadReport, ReloadError>) {
    match done {
        Ok(_) => tracing::info!("reload: done"),
        Err(error) => tracing::error!("reload: {error}"),
    }
}
