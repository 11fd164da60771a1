//! What operators trip over: every problem of the configuration and of the node, with its place and its remedy.
//!
//! ```text
//!   files, /proc, /sys, sockets, OVSDB ─► facts (the shell: reads, decides nothing) ─► rules (pure) ─► findings
//! ```
//!
//! Nothing is ever written, and nothing that cannot be seen stops the rest: it is a finding itself.

mod code;
#[cfg(test)]
mod docs;
pub mod facts;
mod rules;

use serde::Serialize;

pub use code::{Code, Severity};
pub use facts::{NodeFacts, gather};
pub use rules::node_findings;

use crate::config::Problem;

/// One finding, as it is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub code: Code,
    /// File and line, or the part of the node.
    pub place: String,
    pub problem: String,
    pub remedy: String,
}

/// The configuration's problems as findings.
pub fn config_findings(problems: &[Problem]) -> Vec<Finding> {
    let finding = |p: &Problem| Finding {
        severity: p.severity.into(),
        code: Code::from(&p.fault),
        place: p.place.to_string(),
        problem: match &p.option {
            Some(option) => format!("{option}: {}", p.fault),
            None => p.fault.to_string(),
        },
        remedy: p.fault.remedy(),
    };
    problems.iter().map(finding).collect()
}
