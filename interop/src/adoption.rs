//! Adoption in the virtual machine: Debian's Python agent and FRR make a node what it is, then ours takes it over.
//!
//! `interop/vm/adoption.sh` is what happens inside; this reads what it left.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{rootfs, vm};

/// What the machine left behind: one directory per agent.
#[derive(Debug)]
pub struct Handover {
    dir: tempfile::TempDir,
    /// What the machine said.
    pub output: String,
}

/// What is compared between two agents' nodes.
pub const KINDS: [&str; 5] = ["rules", "routes", "neighbours", "proxies", "flows"];

impl Handover {
    /// Boots the machine and plays both agents; only the Python one if `agent` is `None`.
    pub fn play(agent: Option<&Path>) -> Result<Self> {
        let dir = crate::scratch()?;
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("vm");
        for script in ["node.sh", "adoption.sh"] {
            std::fs::copy(scripts.join(script), dir.path().join(script))?;
        }
        if let Some(agent) = agent {
            std::fs::copy(agent, dir.path().join("ovn-bgp-agent"))
                .with_context(|| format!("no agent at {}", agent.display()))?;
        }
        let root = rootfs::python_agent_root()?;
        let outcome = vm::boot(
            &root,
            dir.path(),
            "sh /share/adoption.sh",
            Duration::from_secs(900),
        )?;
        let this = Self {
            dir,
            output: outcome.output,
        };
        ensure!(
            outcome.status == 0,
            "status {}: {}\n{}",
            outcome.status,
            this.output,
            this.logs()
        );
        Ok(this)
    }

    /// The lines of one kind (see [`KINDS`]; `links`, `addresses`, `pings`) at one stage: `python`, `ours`, `again` (restarted),
    /// `nothing` (all wiring taken away), `anew`, `without` (the VLAN network).
    pub fn lines(&self, stage: &str, kind: &str) -> Result<BTreeSet<String>> {
        let text = self.text(&format!("{stage}/{kind}"))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// A file of the shared directory.
    pub fn text(&self, file: &str) -> Result<String> {
        std::fs::read_to_string(self.dir.path().join(file))
            .with_context(|| format!("the machine left no {file}"))
    }

    /// The ends of both agents' logs; ours is started three times.
    pub fn logs(&self) -> String {
        ["python.log", "ours-1.log", "ours-2.log", "ours-3.log"]
            .iter()
            .filter_map(|file| Some(format!("{file}:\n{}\n", tail(&self.text(file).ok()?))))
            .collect()
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
