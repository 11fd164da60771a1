//! BIRD: one daemon from a configuration text; 2.0 or 3.1, by generation.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::PATIENCE;
use crate::ovsdb::text;
use crate::process::{Daemon, wait_until};
use crate::rootfs::Place;

/// A running BIRD.
#[derive(Debug)]
pub struct Bird {
    place: Place,
    dir: PathBuf,
    daemon: Daemon,
}

impl Bird {
    /// Starts BIRD with `config` in `dir`, and waits until it answers.
    pub fn start(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        Self::spawn(place, dir, config, &[])
    }

    /// Starts it again after [`Self::kill`], as a restarting speaker (RFC 4724).
    pub fn restart(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        Self::spawn(place, dir, config, &["-R"])
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(self) {
        self.daemon.kill();
    }

    /// Stops it where it stands (SIGSTOP), until it is killed.
    pub fn freeze(&self) -> Result<()> {
        self.daemon.signal(Signal::SIGSTOP)
    }

    fn spawn(place: &Place, dir: &Path, config: &str, options: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = dir.join("bird.conf");
        std::fs::write(&file, config)?;
        let mut command = place.command("bird")?;
        command.args(["-f", "-c", &text(&file), "-s", &text(&dir.join("bird.ctl"))]);
        command.args(["-P", &text(&dir.join("bird.pid"))]);
        command.args(options);
        let mut daemon = Daemon::spawn("bird", dir, &mut command)?;
        let control = dir.join("bird.ctl");
        daemon.wait_ready(PATIENCE, || {
            std::os::unix::net::UnixStream::connect(&control).is_ok()
        })?;
        Ok(Self {
            place: place.clone(),
            dir: dir.to_owned(),
            daemon,
        })
    }

    /// `birdc -r <line>`, split at blanks.
    pub fn show(&self, line: &str) -> Result<String> {
        self.birdc(&["-r"], line)
    }

    /// `birdc <line>`: what changes something.
    pub fn control(&self, line: &str) -> Result<String> {
        self.birdc(&[], line)
    }

    /// Waits until the protocol of that name is up.
    pub fn wait_established(&self, protocol: &str) -> Result<()> {
        wait_until(PATIENCE, &format!("BIRD's {protocol}"), || {
            self.show(&format!("show protocols {protocol}"))
                .is_ok_and(|t| t.contains("Established"))
        })
    }

    /// The BGP next hops of an exact prefix, best first; empty if it is not there.
    pub fn next_hops(&self, prefix: &str) -> Result<Vec<String>> {
        let Ok(shown) = self.show(&format!("show route for {prefix} all")) else {
            return Ok(Vec::new()); // "Network not found", with status 1
        };
        let hops = shown.lines().filter_map(|l| {
            l.trim()
                .strip_prefix("BGP.next_hop:")
                .or_else(|| l.trim().strip_prefix("bgp_next_hop:"))
        });
        let first = hops.filter_map(|rest| rest.split_whitespace().next());
        Ok(if shown.contains(prefix) {
            first.map(str::to_owned).collect()
        } else {
            Vec::new()
        })
    }

    fn birdc(&self, options: &[&str], line: &str) -> Result<String> {
        let control = text(&self.dir.join("bird.ctl"));
        let mut args = vec!["-s", control.as_str()];
        args.extend(options);
        args.extend(line.split_whitespace());
        self.place
            .run("birdc", &args)
            .with_context(|| format!("birdc {line}"))
    }
}
