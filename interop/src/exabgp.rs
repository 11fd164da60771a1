//! ExaBGP: one daemon from a configuration text. It has no table: what peers say comes out as JSON, and what it shall
//! say goes in as commands, both by way of a program that it runs.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::PATIENCE;
use crate::ovsdb::text;
use crate::process::Daemon;
use crate::rootfs::Place;

/// The name of the program in the configuration: `api { processes [ table ]; … }`.
pub const PROCESS: &str = "table";

/// A running ExaBGP.
#[derive(Debug)]
pub struct Exabgp {
    dir: PathBuf,
    daemon: Daemon,
}

impl Exabgp {
    /// Starts ExaBGP with `config` (without its process section) in `dir`, and waits until it is at work.
    pub fn start(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let (program, events) = (dir.join("program"), dir.join("events"));
        let commands = dir.join("commands");
        std::fs::write(&events, "")?;
        std::fs::write(&commands, "")?;
        // `tail` ends with the shell that `cat` becomes, and that with ExaBGP
        let script = format!(
            "#!/bin/sh\ntail -n +1 -f --pid=$$ {} & exec cat >> {}\n",
            text(&commands),
            text(&events)
        );
        std::fs::write(&program, script)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        let process = format!(
            "process {PROCESS} {{ run {}; encoder json; }}\n",
            text(&program)
        );
        let file = dir.join("exabgp.conf");
        std::fs::write(&file, process + config)?;
        let mut command = place.command("exabgp")?;
        command.arg(text(&file)).envs([
            ("exabgp_daemon_drop", "false"),
            ("exabgp_daemon_user", "root"),
            ("exabgp_api_cli", "false"),
        ]);
        let mut daemon = Daemon::spawn("exabgp", dir, &mut command)?;
        let log = daemon.log().to_owned();
        daemon.wait_ready(PATIENCE, || {
            std::fs::read_to_string(&log)
                .is_ok_and(|text| text.contains("loaded new configuration successfully"))
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            daemon,
        })
    }

    /// Gives it a command of its API.
    pub fn command(&self, line: &str) -> Result<()> {
        let path = self.dir.join("commands");
        let mut file = std::fs::File::options().append(true).open(path)?;
        writeln!(file, "{line}").context("cannot tell ExaBGP")
    }

    /// Everything peers said so far, in order.
    pub fn events(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.dir.join("events"))?;
        // between the events are the words that answer commands, and perhaps half an event at the end
        let events = text.lines().filter(|line| line.starts_with('{'));
        Ok(events
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(self) {
        self.daemon.kill();
    }

    /// The last lines it said.
    pub fn log_tail(&self) -> String {
        self.daemon.log_tail()
    }
}
