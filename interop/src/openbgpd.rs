//! OpenBGPD: one daemon from a configuration text. On Linux it has no routes in the kernel.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::PATIENCE;
use crate::ovsdb::text;
use crate::process::Daemon;
use crate::rootfs::Place;

/// Where Debian's bgpd confines its processes to.
const CHROOT: &str = "/run/openbgpd";

/// A running OpenBGPD.
#[derive(Debug)]
pub struct Openbgpd {
    place: Place,
    dir: PathBuf,
    daemon: Daemon,
}

impl Openbgpd {
    /// Starts bgpd with `config` in `dir`, and waits until it answers.
    pub fn start(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        let cell = dir.join("cell");
        std::fs::create_dir_all(&cell)?;
        let file = Self::write(dir, config)?;
        let socket = dir.join("bgpd.sock");
        let _ = std::fs::remove_file(&socket);
        let mut command = place.clone().mount(&cell, CHROOT).command("bgpd")?;
        command.args(["-d", "-f", &text(&file)]);
        let mut daemon = Daemon::spawn("bgpd", dir, &mut command)?;
        daemon.wait_ready(PATIENCE, || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        })?;
        Ok(Self {
            place: place.clone(),
            dir: dir.to_owned(),
            daemon,
        })
    }

    /// Takes another configuration.
    pub fn configure(&self, config: &str) -> Result<()> {
        Self::write(&self.dir, config)?;
        self.bgpctl("reload").map(drop)
    }

    /// `bgpctl <line>`, split at blanks.
    pub fn bgpctl(&self, line: &str) -> Result<String> {
        self.bgpctl_command(&[], line)
            .and_then(|mut command| crate::output(&mut command))
    }

    /// `bgpctl -j <line>`, parsed.
    pub fn json(&self, line: &str) -> Result<Value> {
        let answer = crate::output(&mut self.bgpctl_command(&["-j"], line)?)?;
        serde_json::from_str(&answer).with_context(|| format!("bgpctl {line}: {answer}"))
    }

    /// Ends it at once (SIGKILL); its other processes follow.
    pub fn kill(self) {
        self.daemon.kill();
    }

    /// The last lines it said.
    pub fn log_tail(&self) -> String {
        self.daemon.log_tail()
    }

    fn bgpctl_command(&self, options: &[&str], line: &str) -> Result<Command> {
        let mut command = self.place.command("bgpctl")?;
        command.args(["-s", &text(&self.dir.join("bgpd.sock"))]);
        command.args(options).args(line.split_whitespace());
        Ok(command)
    }

    /// It refuses a file that others may read.
    fn write(dir: &Path, config: &str) -> Result<PathBuf> {
        let file = dir.join("bgpd.conf");
        let socket = text(&dir.join("bgpd.sock"));
        std::fs::write(&file, format!("socket \"{socket}\"\n{config}"))?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
}
