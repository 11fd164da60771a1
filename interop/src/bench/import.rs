//! B5: what a peer teaches, into the RIB and into the kernel.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::dut::{Dut, Kind, Setup};
use super::stage::{Cost, Stage};
use super::table::Table;
use super::tester::{ASN, Tester, address};
use super::{Options, PATIENCE, wire};

const ROUTES: u32 = 50_000;

/// 50,000 routes, one and two hundred to an UPDATE, without and with the kernel.
pub(super) fn routes(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    for (per_update, fib) in [(1, false), (200, false), (200, true)] {
        if fib && matches!(kind, Kind::Gobgp(_)) {
            continue;
        }
        let setup = Setup {
            peers: 1,
            blocks: Vec::new(),
            fib,
        };
        let stage = Stage::new()?;
        let mut dut = kind.start(&stage, &options.agent, &setup)?;
        let pids = dut.pids();
        let before = Cost::of(&pids).cpu;
        let took = stage.test(|| teach(dut.as_mut(), per_update, fib.then_some(pids[0])))?;
        let cost = Cost::of(&pids);
        let label = format!(
            "{per_update} an UPDATE{}",
            if fib { ", into the kernel" } else { "" }
        );
        table.put(kind, format!("{label}, ms"), took.as_secs_f64() * 1e3);
        table.put(
            kind,
            format!("{label}, CPU ms"),
            (cost.cpu - before).as_secs_f64() * 1e3,
        );
        table.put(kind, format!("{label}, RSS MB"), cost.rss);
    }
    Ok(())
}

/// From the first octet until the daemon's table, or the kernel's of process `kernel`, has all.
fn teach(dut: &mut dyn Dut, per_update: usize, kernel: Option<u32>) -> Result<Duration> {
    let mut tester = Tester::establish(1, PATIENCE)?;
    tester.until("End-of-RIB", PATIENCE, |t| {
        t.peers[0].end_of_rib == [true; 2]
    })?;
    let updates = wire::announce(0, ROUTES, per_update, ASN, address(0));
    let present = kernel.map_or(0, prefixes);
    let start = Instant::now();
    tester.send(0, &updates);
    tester.until("the routes are sent", PATIENCE, Tester::sent)?;
    loop {
        let learned = match kernel {
            Some(pid) => prefixes(pid) - present,
            None => dut.learned()?,
        };
        if learned >= ROUTES as usize {
            return Ok(start.elapsed());
        }
        ensure!(
            start.elapsed() < PATIENCE,
            "{learned} of {ROUTES} routes within {PATIENCE:?}"
        );
        // Asking costs the daemon time: less often the longer it takes.
        tester.listen(Duration::from_millis(2).max(start.elapsed() / 50))?;
    }
}

/// Prefixes in the main IPv4 table of a process's namespace.
fn prefixes(pid: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/fib_triestat")).unwrap_or_default();
    let numbers = text
        .lines()
        .filter_map(|l| l.trim().strip_prefix("Prefixes:"));
    numbers
        .filter_map(|n| n.trim().parse::<usize>().ok())
        .max()
        .unwrap_or(0)
}
