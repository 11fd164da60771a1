//! What a reload does, told beforehand.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Everything a reload does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReloadReport {
    /// Every neighbour, those that are unchanged included, in the order of the configuration; removed
    /// ones last.
    pub neighbors: Vec<NeighbourReload>,
    /// Options that differ and are no neighbour's.
    pub options: Vec<OptionReload>,
    /// Problems of the new configuration that do not keep it from being used.
    pub warnings: Vec<String>,
}

/// What happens to one neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourReload {
    pub name: String,
    pub outcome: Outcome,
    /// The options that ask for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// What happens to a neighbour's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Unchanged,
    /// Taken over; the neighbour notices nothing.
    Applied,
    /// Routes are judged anew; the session stays.
    Refreshed,
    /// The session ends and comes back.
    Restarted,
    Added,
    Removed,
}

/// What happens to an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OptionReload {
    /// `[section] option`.
    pub option: String,
    /// It counts only for the next process.
    pub needs_restart: bool,
}

impl ReloadReport {
    /// True when nothing differs.
    pub fn is_empty(&self) -> bool {
        let unchanged = |n: &NeighbourReload| n.outcome == Outcome::Unchanged;
        self.options.is_empty() && self.neighbors.iter().all(unchanged)
    }

    /// The report for people and logs, a line each. Passwords are not part of it.
    pub fn lines(&self) -> Vec<String> {
        let (unchanged, changed): (Vec<_>, Vec<_>) = self
            .neighbors
            .iter()
            .partition(|n| n.outcome == Outcome::Unchanged);
        let mut lines: Vec<_> = changed.iter().map(ToString::to_string).collect();
        lines.extend(self.options.iter().map(ToString::to_string));
        if self.is_empty() {
            lines.push("nothing differs".to_owned());
        } else if !unchanged.is_empty() {
            let neighbors = if unchanged.len() == 1 {
                "neighbor"
            } else {
                "neighbors"
            };
            lines.push(format!("{} {neighbors} unchanged", unchanged.len()));
        }
        lines.extend(
            self.warnings
                .iter()
                .map(|warning| format!("warning: {warning}")),
        );
        lines
    }
}

impl fmt::Display for NeighbourReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "neighbor {}: {}", self.name, self.outcome)?;
        if self.because.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.because.join(", "))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchanged => "unchanged",
            Self::Applied => "applied",
            Self::Refreshed => "routes refreshed",
            Self::Restarted => "session restarted",
            Self::Added => "added",
            Self::Removed => "removed",
        })
    }
}

impl fmt::Display for OptionReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.needs_restart {
            "needs a restart of the agent"
        } else {
            "applied"
        };
        write!(f, "{}: {outcome}", self.option)
    }
}
