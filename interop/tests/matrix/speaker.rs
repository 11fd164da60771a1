//! Our side: `ovn-bgp-agent speaker` with a `bgp-agent.conf`, asked and told by its command line, as an operator would.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use interop::process::wait_for;
use interop::{Daemon, Namespace, agent_binary, wait_until};
use serde_json::Value;

use crate::lab::{End, LINKS, OUR_AS, PATIENCE, THEIR_AS, Way};

/// The neighbour's name in the configuration, on the first link.
pub(crate) const NEIGHBOR: &str = "router0";

/// A `bgp-agent.conf` for a speaker.
#[derive(Clone)]
pub(crate) struct Configuration {
    way: Way,
    links: usize,
    bgp: Vec<String>,
    neighbor: Vec<String>,
}

impl Configuration {
    pub(crate) fn new(way: Way) -> Self {
        Self {
            way,
            links: 1,
            bgp: Vec::new(),
            neighbor: Vec::new(),
        }
    }

    /// A neighbour on both links.
    pub(crate) fn on_both_links(&mut self) {
        self.links = LINKS.len();
    }

    /// A line of `[bgp]`.
    pub(crate) fn bgp(&mut self, line: &str) {
        self.bgp.push(line.to_owned());
    }

    /// A line of every `[bgp_neighbor …]`.
    pub(crate) fn neighbor(&mut self, line: &str) {
        self.neighbor.push(line.to_owned());
    }

    fn text(&self, dir: &Path) -> String {
        let mut text = format!(
            "[DEFAULT]\ncontrol_socket = {}\n[bgp]\nas = {OUR_AS}\nrouter_id = {}\ngraceful_restart_time = 60\n{}\n\
             [bfd_profile fast]\ntransmit_interval = 100\nreceive_interval = 100\n",
            dir.join("control.sock").display(),
            End::Ours.v4(0),
            self.bgp.join("\n"),
        );
        for (link, interface) in LINKS.into_iter().enumerate().take(self.links) {
            let theirs = End::Theirs;
            let address = match self.way {
                Way::V4 => format!("address = {}", theirs.v4(link)),
                Way::V6 => format!("address = {}", theirs.v6(link)),
                Way::LinkLocal => {
                    format!("address = {}\ninterface = {interface}", theirs.link_local())
                }
                Way::Unnumbered => format!("interface = {interface}"),
            };
            let _ = write!(
                text,
                "[bgp_neighbor router{link}]\n{address}\nremote_as = {THEIR_AS}\nhold_time = 9\nconnect_retry_time = 1\n\
                 idle_hold_time = 2\nimport_prefixes = any\n{}\n",
                self.neighbor.join("\n")
            );
        }
        text
    }
}

/// One path in our table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned {
    pub(crate) next_hops: Vec<IpAddr>,
    pub(crate) as_path: String,
    pub(crate) communities: Vec<String>,
    pub(crate) large_communities: Vec<String>,
    pub(crate) local_preference: Option<u64>,
}

pub(crate) struct Speaker<'lab> {
    namespace: &'lab Namespace,
    dir: PathBuf,
    configuration: Configuration,
    daemon: Option<Daemon>,
}

impl<'lab> Speaker<'lab> {
    pub(crate) fn start(
        namespace: &'lab Namespace,
        dir: &Path,
        configuration: Configuration,
    ) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut this = Self {
            namespace,
            dir: dir.to_owned(),
            configuration,
            daemon: None,
        };
        this.spawn()?;
        Ok(this)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Starts it again, with a changed configuration.
    pub(crate) fn restart(&mut self, change: impl FnOnce(&mut Configuration)) -> Result<()> {
        self.kill();
        change(&mut self.configuration);
        self.spawn()
    }

    fn spawn(&mut self) -> Result<()> {
        let file = self.file();
        std::fs::write(&file, self.configuration.text(&self.dir))?;
        let mut command = self
            .namespace
            .command(&agent_binary().display().to_string());
        command.arg("speaker").arg("--config-file").arg(&file);
        self.daemon = Some(Daemon::spawn("speaker", &self.dir, &mut command)?);
        let socket = self.dir.join("control.sock");
        let daemon = self.daemon.as_mut().context("no daemon")?;
        daemon.wait_ready(PATIENCE, || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        })
    }

    fn file(&self) -> PathBuf {
        self.dir.join("bgp-agent.conf")
    }

    /// A command of `ovn-bgp-agent`, about this speaker.
    pub(crate) fn run(&self, words: &[&str]) -> Result<String> {
        let mut command = std::process::Command::new(agent_binary());
        command.args(words).arg("--config-file").arg(self.file());
        interop::output(&mut command)
    }

    fn json(&self, words: &[&str]) -> Result<Value> {
        let said = self.run(&[words, &["--json"]].concat())?;
        serde_json::from_str(&said).with_context(|| format!("{words:?}: {said}"))
    }

    pub(crate) fn originate(&self, words: &[&str]) -> Result<()> {
        self.run(&[&["originate"], words].concat()).map(drop)
    }

    pub(crate) fn withdraw(&self, prefix: &str) -> Result<()> {
        self.run(&["withdraw", prefix]).map(drop)
    }

    /// `show neighbors`: this one.
    pub(crate) fn neighbor(&self, name: &str) -> Result<Value> {
        let mut neighbors = self.json(&["show", "neighbors"])?;
        let neighbor = neighbors.get_mut(name).map(Value::take);
        neighbor.with_context(|| format!("no neighbour {name} in {neighbors}"))
    }

    pub(crate) fn is_established(&self, name: &str) -> bool {
        self.neighbor(name)
            .is_ok_and(|neighbor| neighbor["bgpState"] == "Established")
    }

    pub(crate) fn wait_established(&self, name: &str) -> Result<()> {
        let up = wait_until(PATIENCE, "our session", || self.is_established(name));
        if let Err(error) = up {
            bail!("{error:#}\n{}", self.report());
        }
        Ok(())
    }

    /// Why the last session ended.
    pub(crate) fn wait_reset(&self) -> Result<String> {
        wait_for(PATIENCE, "the session's end", || {
            let neighbor = self.neighbor(NEIGHBOR).ok()?;
            let down = neighbor["bgpState"] != "Established";
            let reason = neighbor["lastResetDueTo"].as_str().filter(|_| down)?;
            Some(reason.to_owned())
        })
    }

    /// The paths that are chosen among what neighbours teach to exactly this prefix.
    pub(crate) fn learned(&self, prefix: &str) -> Result<Vec<Learned>> {
        self.paths(prefix, &["show", "routes"])
    }

    /// Every path that the neighbour teaches to exactly this prefix.
    pub(crate) fn received(&self, prefix: &str) -> Result<Vec<Learned>> {
        self.paths(prefix, &["show", "routes", "--received", NEIGHBOR])
    }

    fn paths(&self, prefix: &str, words: &[&str]) -> Result<Vec<Learned>> {
        let shown = self.json(words)?;
        let lines = shown["routes"].as_array().context("no routes")?.iter();
        Ok(lines
            .filter(|line| line["prefix"] == prefix && line["peer"].is_string())
            .map(learned)
            .collect())
    }

    /// What it says about itself, for a test that failed.
    pub(crate) fn report(&self) -> String {
        let said = [
            &["show", "neighbors", "--json"][..],
            &["show", "routes", "--json"],
        ];
        let said = said.map(|words| self.run(words).unwrap_or_else(|e| format!("{e:#}")));
        let log = self.daemon.as_ref().map(Daemon::log_tail);
        said.join("\n") + &log.unwrap_or_default()
    }
}

fn learned(line: &Value) -> Learned {
    let words = |name: &str| {
        let list = line[name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let hops = line["nexthops"].as_array().into_iter().flatten();
    Learned {
        next_hops: hops
            .filter_map(|hop| hop["ip"].as_str()?.parse().ok())
            .collect(),
        as_path: line["path"].as_str().unwrap_or_default().to_owned(),
        communities: words("community"),
        large_communities: words("largeCommunity"),
        local_preference: line["locPrf"].as_u64(),
    }
}
