//! `check`: every problem of the configuration and of the node, its place and its remedy.

mod facts;
mod frr;
mod node;

pub use facts::{BridgeFact, FrrFacts, NodeFacts, SocketFact};
pub use node::node_findings;

use serde::Serialize;

use super::orders::{self, ReloadArgs};
use crate::config::{Config, Loaded, Problem, Severity};
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

/// One problem, as it is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// File and line, or the part of the node.
    pub place: String,
    pub problem: String,
    pub remedy: String,
}

/// Checks the configuration and, unless it was told not to look, the node. `facts` are read only
/// then. Gives the report and the exit status: 1 with any finding.
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

/// The configuration's problems as findings.
pub fn config_findings(problems: &[Problem]) -> Vec<Finding> {
    let finding = |p: &Problem| Finding {
        severity: p.severity,
        place: p.place.to_string(),
        problem: match &p.option {
            Some(option) => format!("{option}: {}", p.fault),
            None => p.fault.to_string(),
        },
        remedy: p.fault.remedy(),
    };
    problems.iter().map(finding).collect()
}

/// Exit status: 1 with any finding.
pub fn status(findings: &[Finding]) -> u8 {
    u8::from(!findings.is_empty())
}

/// The findings as JSON.
pub fn render_json(findings: &[Finding]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(findings)
}

/// The findings for people, errors first.
pub fn render_text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "no problem found\n".into();
    }
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|f| f.severity);
    sorted.iter().fold(String::new(), |out, f| {
        let word = match f.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        out + &format!("{word}: {}: {}\n    {}\n", f.place, f.problem, f.remedy)
    })
}
