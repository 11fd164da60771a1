//! B6: tenants' tables (EVPN). 10,000 type-5 routes over ten tables out and in, one route among them, and hosts that move.
//!
//! The tables have equal prefixes. FRR has its VRFs as namespaces (`zebra -n`), and is fed kernel routes in them, which is
//! how a node's agent feeds it; ours is fed over its control socket. What is learned is counted in the tables, not in the
//! kernel: ours leaves the kernel to the agent.

mod dut;
pub(super) mod kernel;
mod peer;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::dut::Kind;
use super::stage::{Cost, Stage};
use super::table::{Table, quantile};
use super::tester::{ASN, address};
use super::{Options, PATIENCE, evpn_wire};
use dut::Dut;
use peer::Peer;

/// Routed tables.
const TABLES: u32 = 10;
/// Prefixes of each.
const EACH: u32 = 1000;
/// VNI of the first of them; the others follow.
const FIRST: u32 = 5000;
/// VNI of the bridged one.
const BRIDGED: u32 = 1001;
/// Hosts that move, each once a second.
const HOSTS: u16 = 1000;
/// Moves told at a time.
const AT_ONCE: u16 = 10;
/// Samples of one route.
const SAMPLES: u32 = 100;

/// Where a host is before and after it has moved.
const VTEPS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 10), Ipv4Addr::new(10, 9, 0, 11)];

/// Type 5, out and in.
pub(super) fn prefixes(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    let stage = Stage::new()?;
    let Some(mut dut) = dut::start(kind, &stage, &options.agent)? else {
        return Ok(());
    };
    let pids = dut.pids();
    let all = (TABLES * EACH) as usize;
    let (mut there, mut back, mut cpu, mut one) = (vec![], vec![], vec![], vec![]);
    stage.test(|| {
        let mut peer = Peer::establish(PATIENCE)?;
        // One to warm up, and one more for what is measured in between.
        for run in 0..=options.runs + 1 {
            let last = run > options.runs;
            let before = Cost::of(&pids).cpu;
            let announced =
                peer.until_after(|| dut.tell(0..EACH, true), |p| p.routes.len() == all)?;
            if last {
                let cost = Cost::of(&pids);
                table.put(kind, "10,000 told, RSS MB", cost.rss);
                one = latency(dut.as_mut(), &mut peer)?;
            }
            let withdrawn =
                peer.until_after(|| dut.tell(0..EACH, false), |p| p.routes.is_empty())?;
            if run > 0 && !last {
                let after = Cost::of(&pids).cpu;
                there.push(milliseconds(announced));
                back.push(milliseconds(withdrawn));
                cpu.push(milliseconds(after.saturating_sub(before)));
            }
        }
        Ok(())
    })?;
    table.put(kind, "10,000 announced, ms", quantile(&mut there, 0.5));
    table.put(kind, "10,000 withdrawn, ms", quantile(&mut back, 0.5));
    table.put(kind, "CPU ms there and back", quantile(&mut cpu, 0.5));
    table.put(
        kind,
        "one route among them, p50 ms",
        quantile(&mut one, 0.5),
    );
    table.put(
        kind,
        "one route among them, p99 ms",
        quantile(&mut one, 0.99),
    );
    drop(dut);
    learned(options, kind, table)
}

/// One prefix more in the first table, asked → read; it goes again between two samples.
fn latency(dut: &mut dyn Dut, peer: &mut Peer) -> Result<Vec<f64>> {
    let mut samples = Vec::new();
    let before = peer.routes.len();
    for _ in 0..SAMPLES {
        let took = peer.until_after(|| dut.tell_one(true), |p| p.routes.len() == before + 1)?;
        samples.push(milliseconds(took));
        peer.until_after(|| dut.tell_one(false), |p| p.routes.len() == before)?;
    }
    Ok(samples)
}

/// Type 5, from one peer into ten tables.
fn learned(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    let stage = Stage::new()?;
    let Some(mut dut) = dut::start(kind, &stage, &options.agent)? else {
        return Ok(());
    };
    let pids = dut.pids();
    let vnis = FIRST..FIRST + TABLES;
    let updates: Vec<u8> = vnis
        .flat_map(|vni| evpn_wire::prefixes(ASN, address(0), vni, EACH))
        .collect();
    let took = stage.test(|| {
        let mut peer = Peer::establish(PATIENCE)?;
        let before = Cost::of(&pids).cpu;
        let start = Instant::now();
        peer.send(&updates)?;
        // Asking costs the daemon time: less often the longer it takes.
        while dut.learned()? < (TABLES * EACH) as usize {
            ensure!(start.elapsed() < PATIENCE, "not all within {PATIENCE:?}");
            peer.pump(Duration::from_millis(2).max(start.elapsed() / 20))?;
        }
        let took = start.elapsed();
        let cost = Cost::of(&pids);
        let cpu = cost.cpu.saturating_sub(before);
        table.put(
            kind,
            "10,000 learned into their tables, ms",
            milliseconds(took),
        );
        table.put(kind, "10,000 learned, CPU ms", milliseconds(cpu));
        table.put(kind, "10,000 learned, RSS MB", cost.rss);
        Ok(took)
    })?;
    ensure!(took < PATIENCE);
    Ok(())
}

/// Type 2: a thousand moves a second, for a minute or as long as the soak lasts.
pub(super) fn moves(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    let stage = Stage::new()?;
    let Some(mut dut) = dut::start(kind, &stage, &options.agent)? else {
        return Ok(());
    };
    let pids = dut.pids();
    let lasts = options.soak.min(Duration::from_secs(60));
    let (start, end, rounds) = stage.test(|| {
        let mut peer = Peer::establish(PATIENCE)?;
        let began = Instant::now();
        let (mut start, mut round, mut told) = (None, 0u32, 0u32);
        let every = Duration::from_secs(1) / (u32::from(HOSTS) / u32::from(AT_ONCE));
        while began.elapsed() < lasts {
            for first in (0..HOSTS).step_by(usize::from(AT_ONCE)) {
                let mut moved = Vec::new();
                for host in first..first + AT_ONCE {
                    let [a, b] = VTEPS;
                    let ends = if round.is_multiple_of(2) {
                        (a, b)
                    } else {
                        (b, a)
                    };
                    moved.extend(evpn_wire::host_moves(ASN, ends, BRIDGED, host, round + 1));
                }
                peer.send(&moved)?;
                told += 1;
                peer.pump((every * told).saturating_sub(began.elapsed()))?;
            }
            round += 1;
            if start.is_none() && began.elapsed() > lasts / 5 {
                start = Some(Cost::of(&pids));
            }
        }
        // All have been read once the last is where it is said to be.
        let [a, b] = VTEPS;
        let last = if round.is_multiple_of(2) { a } else { b };
        let deadline = Instant::now() + PATIENCE;
        while dut.hosts_behind(last)? < usize::from(HOSTS) {
            ensure!(Instant::now() < deadline, "the hosts are not behind {last}");
            peer.pump(Duration::from_millis(200))?;
        }
        Ok((start.unwrap_or_default(), Cost::of(&pids), round))
    })?;
    let seconds = lasts.as_secs();
    let cpu = milliseconds(end.cpu.saturating_sub(start.cpu));
    table.put(
        kind,
        format!("moves in {seconds} s"),
        f64::from(rounds) * f64::from(HOSTS),
    );
    table.put(kind, "RSS MB after a fifth of the time", start.rss);
    table.put(kind, "RSS MB at the end", end.rss);
    table.put(kind, "CPU ms in the last four fifths", cpu);
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
