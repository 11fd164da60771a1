//! `check`: every problem of the configuration and of the node, its place and its remedy.

use super::orders::{self, ReloadArgs};
pub use crate::check::{Finding, Severity, config_findings};
use crate::check::{NodeFacts, node_findings};
use crate::config::{Config, Loaded};
use crate::control::AskError;

/// Arguments of `check`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Look at the configuration only
    #[arg(long)]
    pub config_only: bool,
}

/// Checks the configuration and, unless it was told not to look, the node. `facts` are read only
/// then. Gives the report and the exit status: 1 with any error or warning.
pub fn run(args: &Args, loaded: &Loaded, facts: impl FnOnce() -> NodeFacts) -> (String, u8) {
    let mut findings = config_findings(&loaded.problems);
    if !args.config_only {
        findings.extend(node_findings(&facts(), &loaded.config));
    }
    let report = if args.json {
        // Findings are text throughout, so they are always JSON.
        render_json(&findings).map_or_else(|error| error.to_string(), |text| text + "\n")
    } else {
        render_text(&findings)
    };
    (report, status(&findings))
}

/// What a reload would do with the running agent, a line each; nothing when none runs. That is no finding.
pub fn reload_preview(config: &Config) -> String {
    let told = match orders::reload(ReloadArgs { dry_run: true }, config) {
        Ok(lines) => lines,
        Err(AskError::NotRunning(_) | AskError::TurnedOff) => return String::new(),
        // Its first line says why; what follows are findings.
        Err(error) => {
            let error = error.to_string();
            format!("do nothing: {}", error.lines().next().unwrap_or_default())
        }
    };
    let line = |line: &str| format!("reload would: {line}\n");
    told.lines().map(line).collect()
}

/// Exit status: 1 with any error or warning.
pub fn status(findings: &[Finding]) -> u8 {
    u8::from(findings.iter().any(|f| f.severity != Severity::Info))
}

/// The findings as JSON.
pub fn render_json(findings: &[Finding]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(findings)
}

/// The findings for people, errors first.
pub fn render_text(findings: &[Finding]) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|f| f.severity);
    let lines = sorted.iter().map(|f| {
        let (word, code) = (f.severity.word(), f.code.name());
        format!(
            "{word}: {}: {} [{code}]\n    {}\n",
            f.place, f.problem, f.remedy
        )
    });
    let problem = status(findings) == 1;
    let verdict = (!problem).then(|| "no problem found\n".to_owned());
    lines.chain(verdict).collect()
}
