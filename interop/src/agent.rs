//! The agent of a node: how it is called, and what it said last where a test fails.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::Place;

/// How the agent of a node is called.
pub(crate) struct Command {
    place: Place,
    program: PathBuf,
    pub(crate) config: PathBuf,
    /// In place of the machine's own, which several nodes would share.
    pub(crate) rt_tables: PathBuf,
}

impl Command {
    /// Of an agent whose files are in `dir`. Its configuration is still to be written.
    pub(crate) fn new(place: Place, program: PathBuf, dir: &Path) -> Result<Self> {
        let rt_tables = dir.join("rt_tables");
        std::fs::write(
            &rt_tables,
            "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n",
        )?;
        Ok(Self {
            place,
            program,
            config: dir.join("bgp-agent.conf"),
            rt_tables,
        })
    }

    pub(crate) fn words(&self, words: &[&str]) -> Result<std::process::Command> {
        let mut command = self.place.command(&self.program.display().to_string())?;
        command
            .args(words)
            .arg("--config-file")
            .arg(&self.config)
            .env("RT_TABLES", &self.rt_tables);
        Ok(command)
    }
}

/// Prints the end of its log, in a thread that panics.
pub(crate) fn tell_last_words(host: &str, log: impl FnOnce() -> String) {
    if std::thread::panicking() {
        let log = log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        eprintln!("the agent of {host} said last:\n{last}");
    }
}
