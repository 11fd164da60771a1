//! B7: churn for minutes, with one of sixteen peers that never reads.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::dut::{Kind, Order, Setup};
use super::stage::{Cost, Stage};
use super::table::{Table, quantile};
use super::tester::Tester;
use super::trigger;
use super::wire::Family;
use super::{Options, PATIENCE};

const PEERS: usize = 16;
/// Between two changes.
const EVERY: Duration = Duration::from_millis(10);
/// Routes that come and go in turn.
const BLOCKS: u32 = 50;

/// A hundred changes a second; a change is done when all peers but the stuck one have read it.
pub(super) fn churn(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    if matches!(kind, Kind::Gobgp(_)) {
        return Ok(());
    }
    let block = |n: u32| n * 20..n * 20 + 20;
    let setup = Setup {
        peers: PEERS,
        blocks: (0..BLOCKS).map(|n| (Family::V4, block(n))).collect(),
        fib: matches!(kind, Kind::Frr(_)),
    };
    let stage = Stage::new()?;
    let mut dut = kind.start(&stage, &options.agent, &setup)?;
    let pids = dut.pids();
    let (mut waits, start, end) = trigger::with(dut.as_mut(), |trigger| {
        stage.test(|| {
            let mut tester = Tester::establish(PEERS, PATIENCE)?;
            tester.peers[PEERS - 1].stalled = true;
            let began = Instant::now();
            let (mut waits, mut start) = (Vec::new(), None);
            for n in 0.. {
                let elapsed = began.elapsed();
                if start.is_none() && elapsed > options.soak / 5 {
                    start = Some(Cost::of(&pids));
                }
                if elapsed > options.soak {
                    break;
                }
                let routes = block(n / 2 % BLOCKS);
                let there = n % 2 == 0;
                let order = if there {
                    Order::Announce
                } else {
                    Order::Withdraw
                };
                let next = Instant::now() + EVERY;
                trigger.pull(order(Family::V4, routes.clone()))?;
                let at = tester.until("a change", PATIENCE, |t| {
                    t.peers
                        .iter()
                        .filter(|p| !p.stalled)
                        .all(|p| routes.clone().all(|i| p.v4.has(i) == there))
                })?;
                waits.push(at.saturating_duration_since(trigger.asked()?).as_secs_f64() * 1e3);
                tester.listen(next.saturating_duration_since(Instant::now()))?;
            }
            Ok((waits, start.unwrap_or_default(), Cost::of(&pids)))
        })
    })?;
    table.put(
        kind,
        "20 routes to 15 peers, p50 ms",
        quantile(&mut waits, 0.5),
    );
    table.put(
        kind,
        "20 routes to 15 peers, p99 ms",
        quantile(&mut waits, 0.99),
    );
    table.put(kind, "RSS MB after a fifth of the time", start.rss);
    table.put(kind, "RSS MB at the end", end.rss);
    table.put(
        kind,
        "CPU ms in the last four fifths",
        (end.cpu - start.cpu).as_secs_f64() * 1e3,
    );
    Ok(())
}
