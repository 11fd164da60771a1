//! FRR: zebra and bgpd; routes are kernel routes that it redistributes, made by one `ip -batch` that stays open.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Dut, Order, Setup};
use crate::bench::stage::Stage;
use crate::bench::tester::{ASN, DUT, DUT_ASN, address};
use crate::bench::wire::Family;
use crate::process::{run, wait_until};
use crate::{Daemon, Generation, PATIENCE, Place};

/// A running FRR, and the `ip` that feeds it.
pub(super) struct Frr {
    daemons: Vec<Daemon>,
    feeder: Child,
    lines: ChildStdin,
    dir: PathBuf,
}

pub(super) fn prepare(dir: &Path, setup: &Setup) -> Result<()> {
    let mut text = format!(
        "router bgp {DUT_ASN}\n bgp router-id {DUT}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n bgp graceful-restart\n"
    );
    for n in 0..setup.peers {
        let peer = address(n);
        writeln!(
            text,
            " neighbor {peer} remote-as {ASN}\n neighbor {peer} passive\n neighbor {peer} advertisement-interval 0"
        )?;
    }
    for family in ["ipv4", "ipv6"] {
        writeln!(
            text,
            " address-family {family} unicast\n  redistribute kernel"
        )?;
        for n in 0..setup.peers {
            // Not transit: what peers teach is not told to others, only what is ours.
            let peer = address(n);
            writeln!(
                text,
                "  neighbor {peer} activate\n  neighbor {peer} filter-list own out"
            )?;
        }
        text.push_str(" exit-address-family\n");
    }
    text.push_str("exit\nbgp as-path access-list own seq 5 permit ^$\n");
    std::fs::write(dir.join("vtysh.conf"), "")?;
    Ok(std::fs::write(dir.join("frr.conf"), text)?)
}

impl Frr {
    pub(super) fn launch(stage: &Stage, generation: Generation, setup: &Setup) -> Result<Self> {
        let dir = stage.dir.path();
        let place = Place::inside(&stage.dut).with(generation);
        own(dir, generation)?;
        let path = dir.display().to_string();
        let mut daemons = Vec::new();
        for name in ["zebra", "bgpd"] {
            let mut command = place.command(&format!("/usr/lib/frr/{name}"))?;
            command.args([
                "-i",
                &format!("{path}/{name}.pid"),
                "-z",
                &format!("{path}/zserv.api"),
            ]);
            command.args(["--vty_socket", &path, "-A", "127.0.0.1", "-P", "0"]);
            command.args([
                "-f",
                &format!("{path}/frr.conf"),
                "--log",
                "stdout",
                "--log-level",
                "errors",
            ]);
            if name == "bgpd" && !setup.fib {
                command.arg("-n");
            }
            let vty = dir.join(format!("{name}.vty"));
            let _ = std::fs::remove_file(&vty);
            let daemon = Daemon::spawn(name, dir, &mut command)?;
            wait_until(PATIENCE, "FRR's vty", || UnixStream::connect(&vty).is_ok())?;
            daemons.push(daemon);
        }
        let mut feeder = Place::inside(&stage.dut).command("ip")?;
        let mut feeder = feeder
            .args(["-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = feeder.stdin.take().context("no pipe to ip")?;
        Ok(Self {
            daemons,
            feeder,
            lines,
            dir: dir.to_owned(),
        })
    }
}

/// Lines for `ip -batch`.
fn batch(word: &str, family: Family, routes: Range<u32>) -> Result<String> {
    let mut text = String::new();
    for i in routes {
        // Through a device that is up: zebra redistributes no blackholes of the kernel's.
        writeln!(text, "route {word} {} dev eth0", family.prefix(i))?;
    }
    Ok(text)
}

/// The daemons run as user frr, whose number the generation's tree knows.
fn own(dir: &Path, generation: Generation) -> Result<()> {
    let passwd = std::fs::read_to_string(generation.file("/etc/passwd")?)?;
    let line = passwd.lines().find(|l| l.starts_with("frr:"));
    let line = line.context("no user frr: apt-get install frr")?;
    let ids: Vec<&str> = line.split(':').skip(2).take(2).collect();
    run("chown", ["-R", &ids.join(":"), &dir.display().to_string()]).map(drop)
}

/// Asks a daemon over its vty socket: the command, a zero; the answer ends with three zeros and a status.
fn ask(dir: &Path, daemon: &str, command: &str) -> Result<String> {
    let mut vty = UnixStream::connect(dir.join(format!("{daemon}.vty")))?;
    let mut answer = String::new();
    for line in ["enable", command] {
        vty.write_all(line.as_bytes())?;
        vty.write_all(&[0])?;
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while !(bytes.len() >= 4 && bytes[bytes.len() - 4..bytes.len() - 1] == [0; 3]) {
            let n = vty.read(&mut chunk)?;
            ensure!(n > 0, "{daemon} hung up");
            bytes.extend_from_slice(&chunk[..n]);
        }
        bytes.truncate(bytes.len() - 4);
        answer = String::from_utf8_lossy(&bytes).into_owned();
    }
    Ok(answer)
}

impl Dut for Frr {
    fn words(&self, order: &Order) -> Result<String> {
        match order {
            Order::Announce(family, routes) => batch("add", *family, routes.clone()),
            Order::Withdraw(family, routes) => batch("del", *family, routes.clone()),
        }
    }

    fn tell(&mut self, words: &str) -> Result<()> {
        self.lines.write_all(words.as_bytes())?;
        Ok(self.lines.flush()?)
    }

    fn learned(&mut self) -> Result<usize> {
        let text = ask(&self.dir, "bgpd", "show bgp ipv4 unicast summary json")?;
        let json: serde_json::Value = serde_json::from_str(&text).context(text)?;
        let peers = json["peers"].as_object().context("no peers")?;
        let counts = peers.values().filter_map(|p| p["pfxRcd"].as_u64());
        Ok(usize::try_from(counts.sum::<u64>())?)
    }

    fn pids(&self) -> Vec<u32> {
        self.daemons.iter().map(Daemon::pid).collect()
    }

    fn kill(mut self: Box<Self>) {
        for daemon in self.daemons.drain(..) {
            daemon.kill();
        }
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        let _ = self.feeder.kill();
        let _ = self.feeder.wait();
    }
}
