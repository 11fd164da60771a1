//! Ours: `ovn-bgp-agent speaker`, driven over its control socket.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Dut, Order, Setup};
use crate::bench::stage::Stage;
use crate::bench::tester::{ASN, DUT, DUT_ASN, address};
use crate::bench::wire::Family;
use crate::process::wait_until;
use crate::{Daemon, PATIENCE, Place};

/// Prefixes to a line of a request.
const LINE: usize = 1000;

/// A running speaker.
pub(super) struct Ours {
    daemon: Daemon,
    control: BufReader<UnixStream>,
}

pub(super) fn prepare(dir: &Path, setup: &Setup) -> Result<()> {
    let socket = dir.join("control.sock");
    let mut text = format!(
        "[DEFAULT]\ncontrol_socket = {}\n[bgp]\nas = {DUT_ASN}\nrouter_id = {DUT}\nlisten = {DUT}\nhold_time = 180\nnext_hop_ipv6 = 2001:db8:9::1\nfib_import = {}\n",
        socket.display(),
        if setup.fib { "any" } else { "none" },
    );
    for n in 0..setup.peers {
        let peer = address(n);
        writeln!(
            text,
            "[bgp_neighbor {peer}]\nremote_as = {ASN}\npassive = true\nimport_prefixes = any\n"
        )?;
    }
    Ok(std::fs::write(dir.join("bgp-agent.conf"), text)?)
}

impl Ours {
    pub(super) fn launch(stage: &Stage, agent: &Path) -> Result<Self> {
        let dir = stage.dir.path();
        let socket = dir.join("control.sock");
        let mut command = Place::inside(&stage.dut).command(&agent.display().to_string())?;
        command.args([
            "speaker",
            "--config-file",
            &dir.join("bgp-agent.conf").display().to_string(),
        ]);
        let daemon = Daemon::spawn("ovn-bgp-agent", dir, &mut command)?;
        wait_until(PATIENCE, "the speaker's control socket", || {
            UnixStream::connect(&socket).is_ok()
        })?;
        let control = BufReader::new(UnixStream::connect(&socket)?);
        Ok(Self { daemon, control })
    }

    fn ask(&mut self, lines: &str) -> Result<Value> {
        self.control.get_mut().write_all(lines.as_bytes())?;
        let mut answer = String::new();
        ensure!(
            self.control.read_line(&mut answer)? > 0,
            "the speaker hung up"
        );
        let answer: Value = serde_json::from_str(&answer)?;
        ensure!(answer["reply"] != "error", "{answer}");
        Ok(answer)
    }
}

/// One request; the prefixes follow in lines of bounded length.
fn request(query: &str, family: Family, routes: Range<u32>) -> Result<String> {
    let prefixes: Vec<String> = routes.map(|i| family.prefix(i).to_string()).collect();
    if prefixes.len() <= LINE {
        let line = json!({"query": query, "prefixes": prefixes});
        return Ok(format!("{line}\n"));
    }
    let mut lines = format!("{}\n", json!({"query": query, "more": true}));
    for chunk in prefixes.chunks(LINE) {
        writeln!(lines, "{}", json!(chunk))?;
    }
    lines.push_str("[]\n");
    Ok(lines)
}

impl Dut for Ours {
    fn words(&self, order: &Order) -> Result<String> {
        match order {
            Order::Announce(family, routes) => request("originate", *family, routes.clone()),
            Order::Withdraw(family, routes) => request("withdraw", *family, routes.clone()),
        }
    }

    fn tell(&mut self, words: &str) -> Result<()> {
        self.ask(words).map(drop)
    }

    fn learned(&mut self) -> Result<usize> {
        let answer = self.ask("{\"query\": \"neighbors\"}\n")?;
        let neighbors = answer["body"].as_object().context("no neighbors")?;
        let counts = neighbors.values().filter_map(|n| n["pfxRcd"].as_u64());
        Ok(usize::try_from(counts.sum::<u64>())?)
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.daemon.pid()]
    }

    fn kill(self: Box<Self>) {
        self.daemon.kill();
    }
}
