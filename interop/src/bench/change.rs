//! B2: one route at a time, with many there already.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::burst::put;
use super::dut::{Kind, Order, Setup};
use super::stage::Stage;
use super::table::{Table, quantile};
use super::tester::Tester;
use super::trigger;
use super::wire::Family;
use super::{Options, PATIENCE};

/// The route that comes and goes.
const ONE: u32 = 60_000;
/// Changes at most, and for how long.
const CHANGES: usize = 1000;
const TIME: Duration = Duration::from_secs(8);
/// Between two changes: nothing is measured that still works on the last one.
const PAUSE: Duration = Duration::from_millis(4);

/// The median and the 99th percentile of a change, announcements and withdrawals alike.
pub(super) fn latency(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    for held in [0, 10_000, 50_000] {
        if held > 10_000 && matches!(kind, Kind::Gobgp(_)) {
            continue;
        }
        let mut blocks = vec![(Family::V4, ONE..ONE + 1)];
        if held > 0 {
            blocks.push((Family::V4, 0..held));
        }
        let setup = Setup {
            peers: 1,
            blocks,
            fib: matches!(kind, Kind::Frr(_)),
        };
        let stage = Stage::new()?;
        let mut dut = kind.start(&stage, &options.agent, &setup)?;
        let mut samples = trigger::with(dut.as_mut(), |trigger| {
            stage.test(|| {
                let mut tester = Tester::establish(1, PATIENCE)?;
                if held > 0 {
                    let fill = Order::Announce(Family::V4, 0..held);
                    put(&mut tester, trigger, fill, Family::V4, &(0..held), true)?;
                }
                let end = Instant::now() + TIME;
                let mut samples = Vec::with_capacity(CHANGES);
                while samples.len() < CHANGES && Instant::now() < end {
                    let there = samples.len() % 2 == 0;
                    let order = if there {
                        Order::Announce
                    } else {
                        Order::Withdraw
                    };
                    tester.listen(PAUSE)?;
                    trigger.pull(order(Family::V4, ONE..ONE + 1))?;
                    let at = tester
                        .until("one change", PATIENCE, |t| t.peers[0].v4.has(ONE) == there)?;
                    let took = at.saturating_duration_since(trigger.asked()?);
                    samples.push(took.as_secs_f64() * 1e3);
                }
                Ok(samples)
            })
        })?;
        table.put(
            kind,
            format!("{held} held, p50"),
            quantile(&mut samples, 0.5),
        );
        table.put(
            kind,
            format!("{held} held, p99"),
            quantile(&mut samples, 0.99),
        );
    }
    Ok(())
}
