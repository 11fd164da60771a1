//! BIRD: blocks of routes are static protocols, switched over its control socket.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Dut, Order, Setup};
use crate::bench::stage::Stage;
use crate::bench::tester::{ASN, DUT, DUT_ASN, address};
use crate::bench::wire::Family;
use crate::process::wait_until;
use crate::{Daemon, Generation, PATIENCE, Place};

/// A running BIRD.
pub(super) struct Bird {
    daemon: Daemon,
    control: BufReader<UnixStream>,
    blocks: Vec<(Family, Range<u32>)>,
}

fn block(family: Family, routes: &Range<u32>) -> String {
    format!("b{family:?}_{}_{}", routes.start, routes.end)
}

pub(super) fn prepare(dir: &Path, generation: Generation, setup: &Setup) -> Result<()> {
    let mut text = format!(
        "router id {DUT};\nlog \"{}\" {{ error, fatal }};\nprotocol device {{}}\n",
        dir.join("bird.err").display()
    );
    if generation == Generation::Trixie {
        text.push_str("threads 1;\n");
    }
    for (family, routes) in &setup.blocks {
        let channel = if *family == Family::V4 {
            "ipv4"
        } else {
            "ipv6"
        };
        writeln!(
            text,
            "protocol static {} {{\n disabled;\n {channel};",
            block(*family, routes)
        )?;
        for i in routes.clone() {
            writeln!(text, " route {} blackhole;", family.prefix(i))?;
        }
        text.push_str("}\n");
    }
    if setup.fib {
        text.push_str("protocol kernel { ipv4 { export where source = RTS_BGP; }; }\n");
    }
    for n in 0..setup.peers {
        let peer = address(n);
        // Not transit: what one peer taught is not told to another.
        writeln!(
            text,
            "protocol bgp p{n} {{\n local {DUT} as {DUT_ASN};\n neighbor {peer} as {ASN};\n passive on;\n hold time 180;\n\
             ipv4 {{ import all; export where source = RTS_STATIC; next hop self; }};\n\
             ipv6 {{ import all; export where source = RTS_STATIC; next hop address 2001:db8:9::1; }};\n}}"
        )?;
    }
    Ok(std::fs::write(dir.join("bird.conf"), text)?)
}

impl Bird {
    pub(super) fn launch(stage: &Stage, generation: Generation, setup: &Setup) -> Result<Self> {
        let dir = stage.dir.path();
        let place = Place::inside(&stage.dut).with(generation);
        let file = |name: &str| dir.join(name).display().to_string();
        let mut command = place.command("bird")?;
        command.args([
            "-f",
            "-c",
            &file("bird.conf"),
            "-s",
            &file("bird.ctl"),
            "-P",
            &file("bird.pid"),
        ]);
        let _ = std::fs::remove_file(dir.join("bird.ctl"));
        let daemon = Daemon::spawn("bird", dir, &mut command)?;
        wait_until(PATIENCE, "BIRD's control socket", || {
            UnixStream::connect(dir.join("bird.ctl")).is_ok()
        })?;
        let mut control = BufReader::new(UnixStream::connect(dir.join("bird.ctl"))?);
        reply(&mut control)?;
        Ok(Self {
            daemon,
            control,
            blocks: setup.blocks.clone(),
        })
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        self.control
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())?;
        reply(&mut self.control).with_context(|| line.to_owned())
    }

    fn switch(&self, word: &str, family: Family, routes: &Range<u32>) -> Result<String> {
        let known = self.blocks.contains(&(family, routes.clone()));
        ensure!(known, "no block {routes:?} in BIRD's configuration");
        Ok(format!("{word} {}", block(family, routes)))
    }
}

/// Lines up to the one whose number ends a reply: `NNNN ` and not `NNNN-`.
fn reply(control: &mut BufReader<UnixStream>) -> Result<String> {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        ensure!(control.read_line(&mut line)? > 0, "BIRD hung up");
        let end = line
            .get(..4)
            .is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()))
            && line.get(4..5) == Some(" ");
        ensure!(
            !(end && (line.starts_with('8') || line.starts_with('9'))),
            "{line}"
        );
        all.push_str(&line);
        if end {
            return Ok(all);
        }
    }
}

impl Dut for Bird {
    fn words(&self, order: &Order) -> Result<String> {
        match order {
            Order::Announce(family, routes) => self.switch("enable", *family, routes),
            Order::Withdraw(family, routes) => self.switch("disable", *family, routes),
        }
    }

    fn tell(&mut self, words: &str) -> Result<()> {
        self.ask(words).map(drop)
    }

    fn learned(&mut self) -> Result<usize> {
        let text = self.ask("show route count where source = RTS_BGP")?;
        // "1007-50000 of 50000 routes for 50000 networks in table master4"
        let line = text
            .lines()
            .find(|l| l.contains("table master4"))
            .context("no master4")?;
        let number = line.trim_start_matches("1007-").trim();
        number
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .with_context(|| line.to_owned())
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.daemon.pid()]
    }

    fn kill(self: Box<Self>) {
        self.daemon.kill();
    }
}
