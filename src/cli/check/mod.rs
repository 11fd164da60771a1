//! `check`: every problem of the configuration and of the node, its place and its remedy.

mod facts;
mod node;

pub use facts::{BridgeFact, NodeFacts, SocketFact};
pub use node::node_findings;

use serde::Serialize;

use crate::config::{Problem, Severity};

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
