//! FRR: zebra, bgpd and bfdd of one node, from a configuration text.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::ovsdb::text;
use crate::process::{Daemon, run, wait_until};
use crate::rootfs::{Generation, Place};
use crate::{Namespace, PATIENCE};

/// A running FRR.
#[derive(Debug)]
pub struct Frr {
    place: Place,
    dir: PathBuf,
    daemons: Vec<(&'static str, Daemon)>,
    zebra_option: Option<&'static str>,
    /// Where zebra sees other things than the rest.
    zebra_place: Place,
}

impl Frr {
    /// Starts zebra, bgpd and bfdd with `config`, in `dir`, and waits until they answer.
    pub fn start(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        Self::start_daemons(place, dir, config, &["zebra", "bgpd", "bfdd"])
    }

    /// [`Self::start`] with only these daemons, zebra first.
    pub fn start_daemons(
        place: &Place,
        dir: &Path,
        config: &str,
        daemons: &[&'static str],
    ) -> Result<Self> {
        Self::new(place, dir).launch(config, daemons)
    }

    /// [`Self::start`] with a zebra that leaves its routes in the kernel when it ends (`-r`).
    pub fn start_retaining(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        Self::start_with_zebra_option(place, dir, config, "--retain")
    }

    /// [`Self::start`] with a zebra that puts an IPv6 route over its predecessor in one step. Unless it is told so it
    /// deletes the predecessor first, and packets that come in between find no route.
    pub fn start_replacing(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        Self::start_with_zebra_option(place, dir, config, "--v6-rr-semantics")
    }

    /// zebra and bgpd with a zebra that has namespaces for VRFs (`zebra -n`): `vrfs` by their names. It takes every namespace
    /// that it finds for one, so these are all that it finds. A kernel without VRF devices has EVPN of type 5 this way.
    pub fn start_with_namespaces(
        place: &Place,
        dir: &Path,
        config: &str,
        vrfs: &[(&str, &Namespace)],
    ) -> Result<Self> {
        // By a directory of its own, over the machine's /run/netns.
        let names = dir.join("netns");
        std::fs::create_dir_all(&names)?;
        let mut zebra = place.clone();
        let hold = |name: &str| dir.join(format!("hold-{name}"));
        for (name, vrf) in vrfs {
            std::fs::write(hold(name), "")?;
            std::fs::write(names.join(name), "")?;
            zebra = zebra.mount(Path::new(&vrf.path()), &text(&hold(name)));
        }
        zebra = zebra.mount(&names, "/run/netns");
        for (name, _) in vrfs {
            // As it is below the root filesystem, where it was mounted first.
            let held = place.generation().file(&text(&hold(name)))?;
            zebra = zebra.mount(&held, &format!("/run/netns/{name}"));
        }
        if place.generation() == Generation::Bookworm {
            let this = Self {
                zebra_option: Some("-n"),
                zebra_place: zebra,
                ..Self::new(place, dir)
            };
            return this.launch(config, &["zebra", "bgpd"]);
        }
        // FRR 10 has what is said of VRFs from mgmtd, by sockets that are nowhere else than in /run/frr.
        let this = Self {
            zebra_option: Some("-w"),
            zebra_place: zebra.mount(dir, "/run/frr"),
            ..Self::new(&place.clone().mount(dir, "/run/frr"), dir)
        };
        this.launch(config, &["mgmtd", "zebra", "bgpd"])
    }

    fn start_with_zebra_option(
        place: &Place,
        dir: &Path,
        config: &str,
        option: &'static str,
    ) -> Result<Self> {
        let this = Self {
            zebra_option: Some(option),
            ..Self::new(place, dir)
        };
        this.launch(config, &["zebra", "bgpd", "bfdd"])
    }

    fn new(place: &Place, dir: &Path) -> Self {
        Self {
            place: place.clone(),
            dir: dir.to_owned(),
            daemons: Vec::new(),
            zebra_option: None,
            zebra_place: place.clone(),
        }
    }

    fn launch(mut self, config: &str, daemons: &[&'static str]) -> Result<Self> {
        std::fs::create_dir_all(&self.dir)?;
        std::fs::write(self.dir.join("frr.conf"), config)?;
        std::fs::write(self.dir.join("vtysh.conf"), "")?;
        self.own_dir()?;
        for name in daemons {
            self.start_daemon(name)?;
        }
        if daemons.contains(&"mgmtd") {
            // What it has for zebra before that is lost.
            wait_until(PATIENCE, "zebra at mgmtd", || {
                let adapters = self.vtysh("show mgmt backend-adapter all");
                adapters.is_ok_and(|text| text.contains("zebra"))
            })?;
        }
        // FRR 10 reads the whole file in vtysh; daemons skip what is not theirs
        self.vtysh_raw(&["-b"])?;
        Ok(self)
    }

    /// Ends one daemon at once (SIGKILL).
    pub fn kill(&mut self, name: &str) {
        if let Some(at) = self.daemons.iter().position(|(n, _)| *n == name) {
            self.daemons.remove(at).1.kill();
        }
    }

    /// Ends every daemon at once (SIGKILL): what zebra gave the kernel stays there.
    pub fn kill_all(self) {
        for (_, daemon) in self.daemons {
            daemon.kill();
        }
    }

    /// Stops the daemons as `frrinit.sh stop` does, zebra last.
    pub fn stop(self) {
        for (_, daemon) in self.daemons.into_iter().rev() {
            daemon.stop();
        }
    }

    /// Stops every daemon where it stands (SIGSTOP), until it is killed.
    pub fn freeze(&self) -> Result<()> {
        let mut daemons = self.daemons.iter();
        daemons.try_for_each(|(_, daemon)| daemon.signal(Signal::SIGSTOP))
    }

    /// Starts a daemon again after [`Self::kill`], with the configuration of the start.
    pub fn revive(&mut self, name: &'static str) -> Result<()> {
        self.start_daemon(name)?;
        self.vtysh_raw(&["-b"]).map(drop)
    }

    /// `vtysh -c <command>`.
    pub fn vtysh(&self, command: &str) -> Result<String> {
        self.vtysh_raw(&["-c", command])
    }

    /// Several lines of configuration, as typed after `configure terminal`.
    pub fn configure(&self, lines: &[&str]) -> Result<()> {
        let mut args = vec!["-c", "configure terminal"];
        args.extend(lines.iter().flat_map(|line| ["-c", line]));
        self.vtysh_raw(&args).map(drop)
    }

    /// `vtysh -c '<command> json'`, parsed.
    pub fn json(&self, command: &str) -> Result<Value> {
        let answer = self.vtysh(&format!("{command} json"))?;
        serde_json::from_str(&answer).with_context(|| format!("{command}: {answer}"))
    }

    /// The next hops of a prefix in the BGP table, best path first; empty if it is not there.
    pub fn next_hops(&self, prefix: &str) -> Result<Vec<IpAddr>> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let route = self.json(&format!("show bgp {family} unicast {prefix}"))?;
        let mut hops: Vec<(bool, IpAddr)> = Vec::new();
        for path in route["paths"].as_array().into_iter().flatten() {
            let best = path["bestpath"]["overall"].as_bool().unwrap_or(false);
            let global = path["nexthops"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|h| h["scope"] != "link-local");
            let ip = global
                .and_then(|h| h["ip"].as_str())
                .and_then(|ip| ip.parse().ok());
            hops.extend(ip.map(|ip| (!best, ip)));
        }
        hops.sort_unstable();
        Ok(hops.into_iter().map(|(_, ip)| ip).collect())
    }

    /// Every prefix of the BGP table of a family (`ipv4` or `ipv6`), sorted.
    pub fn prefixes(&self, family: &str) -> Result<Vec<String>> {
        let table = self.json(&format!("show bgp {family} unicast"))?;
        let mut all: Vec<String> = table["routes"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(p, _)| p.clone())
            .collect();
        all.sort_unstable();
        Ok(all)
    }

    /// Whether the session with `peer` is established.
    pub fn is_established(&self, peer: &str) -> bool {
        self.json(&format!("show bgp neighbors {peer}"))
            .is_ok_and(|n| n[peer]["bgpState"] == "Established")
    }

    /// Waits for [`Self::is_established`].
    pub fn wait_established(&self, peer: &str) -> Result<()> {
        wait_until(PATIENCE, &format!("session with {peer}"), || {
            self.is_established(peer)
        })
    }

    /// Every process that it is made of.
    pub fn pids(&self) -> Vec<u32> {
        self.daemons
            .iter()
            .map(|(_, daemon)| daemon.pid())
            .collect()
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn start_daemon(&mut self, name: &'static str) -> Result<()> {
        let dir = text(&self.dir);
        let place = if name == "zebra" {
            &self.zebra_place
        } else {
            &self.place
        };
        let mut command = place.command(&format!("/usr/lib/frr/{name}"))?;
        command.args(["-i", &format!("{dir}/{name}.pid")]);
        command.args(["--vty_socket", &dir, "-A", "127.0.0.1", "-P", "0"]);
        command.args(["--log", "stdout", "--log-level", "informational"]);
        // It has no file of its own, and speaks to zebra as mgmtd.
        if name != "mgmtd" {
            let socket = format!("{dir}/zserv.api");
            command.args(["-z", &socket, "-f", "/dev/null"]);
        }
        if name == "zebra" || name == "mgmtd" {
            command.args(self.zebra_option);
        }
        // later versions have no control socket any more
        if name == "bfdd" && self.place.generation() == Generation::Bookworm {
            command.args(["--bfdctl", &format!("{dir}/bfdd.sock")]);
        }
        let vty = self.dir.join(format!("{name}.vty"));
        let _ = std::fs::remove_file(&vty);
        let mut daemon = Daemon::spawn(name, &self.dir, &mut command)?;
        daemon.wait_ready(PATIENCE, || {
            std::os::unix::net::UnixStream::connect(&vty).is_ok()
        })?;
        self.daemons.push((name, daemon));
        Ok(())
    }

    fn vtysh_raw(&self, args: &[&str]) -> Result<String> {
        let dir = text(&self.dir);
        let mut all = vec!["--vty_socket", dir.as_str(), "--config_dir", dir.as_str()];
        all.extend(args);
        self.place.run("vtysh", &all)
    }

    /// The daemons run as user frr, whose number the root filesystem knows.
    fn own_dir(&self) -> Result<()> {
        let passwd = std::fs::read_to_string(self.place.generation().file("/etc/passwd")?)?;
        let line = passwd
            .lines()
            .find(|l| l.starts_with("frr:"))
            .context("no user frr: apt-get install frr")?;
        let ids: Vec<&str> = line.split(':').skip(2).take(2).collect();
        run("chown", ["-R", &ids.join(":"), &text(&self.dir)]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::connect;
    use crate::{Need, require, scratch};

    #[test]
    fn two_generations_hold_a_session() {
        require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
        let (dir, a, b) = (
            scratch().unwrap(),
            Namespace::new("a").unwrap(),
            Namespace::new("b").unwrap(),
        );
        connect((&a, "eth0"), (&b, "eth0")).unwrap();
        a.address("eth0", "10.9.0.1/24").unwrap();
        b.address("eth0", "10.9.0.2/24").unwrap();
        let config = |id: u8, peer: u8, network: &str| {
            format!(
                "router bgp 64999\n bgp router-id 10.9.0.{id}\n no bgp network import-check\n neighbor 10.9.0.{peer} remote-as internal\n \
                 address-family ipv4 unicast\n  network {network}\n exit-address-family\n"
            )
        };
        let old = Frr::start(
            &Place::inside(&a),
            &dir.path().join("a"),
            &config(1, 2, "198.51.100.1/32"),
        )
        .unwrap();
        let new = Place::inside(&b).with(Generation::Trixie);
        let new = Frr::start(
            &new,
            &dir.path().join("b"),
            &config(2, 1, "198.51.100.2/32"),
        )
        .unwrap();
        old.wait_established("10.9.0.2").unwrap();
        for (frr, prefix, hop) in [
            (&old, "198.51.100.2/32", "10.9.0.2"),
            (&new, "198.51.100.1/32", "10.9.0.1"),
        ] {
            wait_until(PATIENCE, prefix, || {
                frr.next_hops(prefix)
                    .is_ok_and(|h| h == [hop.parse::<IpAddr>().unwrap()])
            })
            .unwrap();
        }
        assert_eq!(
            old.prefixes("ipv4").unwrap(),
            ["198.51.100.1/32", "198.51.100.2/32"]
        );
    }
}
