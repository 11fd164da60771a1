//! A node: our speaker in a namespace, as a program that is stopped, killed and replaced.

use std::path::{Path, PathBuf};
use std::process::Command;

use interop::netns::Namespace;
use interop::{Daemon, PATIENCE, Place, wait_until};
use serde_json::Value;

pub(crate) struct Node {
    speaker: Option<Daemon>,
    program: PathBuf,
    pub(crate) namespace: Namespace,
    dir: PathBuf,
    starts: u32,
}

impl Node {
    /// Nothing runs yet; its files are in a directory of its own below `dir`.
    pub(crate) fn new(label: &str, dir: &Path) -> Self {
        let namespace = Namespace::new(label).unwrap();
        for scope in ["all", "default"] {
            let key = format!("net.ipv4.conf.{scope}.rp_filter");
            namespace.sysctl(&key, "0").unwrap();
        }
        // `ip route get` then finds the way that packets take.
        namespace.sysctl("net.ipv6.auto_flowlabels", "0").unwrap();
        let dir = dir.join(label);
        std::fs::create_dir(&dir).unwrap();
        let program = dir.join("ovn-bgp-agent");
        std::fs::copy(env!("CARGO_BIN_EXE_ovn-bgp-agent"), &program).unwrap();
        Self {
            speaker: None,
            program,
            namespace,
            dir,
            starts: 0,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes the configuration of the speaker: these sections, and where its control socket is.
    pub(crate) fn configure(&self, sections: &str) {
        let socket = self.path("control.sock");
        let text = format!(
            "[DEFAULT]\ncontrol_socket = {}\n{sections}",
            socket.display()
        );
        std::fs::write(self.path("bgp-agent.conf"), text).unwrap();
    }

    /// Starts the speaker and waits for its sessions.
    pub(crate) fn start(&mut self) {
        self.launch();
        self.wait_established();
    }

    fn launch(&mut self) {
        self.starts += 1;
        let name = format!("speaker-{}", self.starts);
        let mut command = self.command(&["speaker"]);
        self.speaker = Some(Daemon::spawn(&name, &self.dir, &mut command).unwrap());
    }

    /// SIGTERM, as `systemctl stop`.
    pub(crate) fn stop(&mut self) {
        self.speaker.take().expect("it runs").stop();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.speaker.take().expect("it runs").kill();
    }

    /// Another program in the place of the one that runs, as a package does it.
    pub(crate) fn install(&self) {
        let next = self.path("ovn-bgp-agent.next");
        std::fs::copy(env!("CARGO_BIN_EXE_ovn-bgp-agent"), &next).unwrap();
        std::fs::rename(next, &self.program).unwrap();
    }

    /// Waits until every session is established, as far as we know.
    pub(crate) fn wait_established(&self) {
        let up = wait_until(PATIENCE, "established", || {
            let neighbors = self.neighbors();
            let all = neighbors.as_object().filter(|all| !all.is_empty());
            all.is_some_and(|all| all.values().all(|one| one["bgpState"] == "Established"))
        });
        assert!(up.is_ok(), "{}", self.log());
    }

    pub(crate) fn neighbors(&self) -> Value {
        self.json("neighbors")
    }

    /// On how many paths BFD is up with what was agreed, 3 × 100 ms.
    pub(crate) fn quick_paths(&self) -> usize {
        let shown = self.json("bfd");
        let paths = shown.as_array().or_else(|| shown["peers"].as_array());
        let quick = |path: &&Value| path["status"] == "up" && path["detection-time"] == 300;
        paths.map_or(0, |paths| paths.iter().filter(quick).count())
    }

    /// `show <what> --json`; null while nobody answers.
    fn json(&self, what: &str) -> Value {
        let output = self.command(&["show", what, "--json"]).output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default()
    }

    /// Gives an order to the running speaker, and waits until it is done.
    pub(crate) fn order(&self, words: &[&str]) {
        interop::output(&mut self.command(words)).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        let log = self.speaker.as_ref().map(Daemon::log_text);
        log.unwrap_or_default()
    }

    fn command(&self, words: &[&str]) -> Command {
        let place = Place::inside(&self.namespace);
        let mut command = place.command(&self.program.to_string_lossy()).unwrap();
        command
            .arg("--config-file")
            .arg(self.path("bgp-agent.conf"))
            .args(words);
        command
    }
}

/// How many next hops of a route lead out of devices whose name begins so.
pub(crate) fn ways(namespace: &Namespace, prefix: &str, device: &str) -> usize {
    let family = if prefix.contains(':') { "-6" } else { "-4" };
    let shown = namespace.ip(&format!("{family} route show {prefix}"));
    let shown = shown.unwrap_or_default();
    shown.matches(&format!(" dev {device}")).count()
}
