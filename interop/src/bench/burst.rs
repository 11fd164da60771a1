//! B1 and B3: a block of routes to one peer and to many.

use std::ops::Range;
use std::time::Duration;

use anyhow::Result;

use super::dut::{Kind, Order, Setup};
use super::stage::{Cost, Stage};
use super::table::{Table, quantile};
use super::tester::Tester;
use super::trigger::{self, Trigger};
use super::wire::Family;
use super::{Options, PATIENCE};
use crate::Generation;

const BLOCKS: [(Family, u32); 5] = [
    (Family::V4, 100),
    (Family::V4, 1_000),
    (Family::V4, 10_000),
    (Family::V4, 50_000),
    (Family::V6, 10_000),
];

/// B1.
pub(super) fn one_peer(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    let blocks: Vec<_> = BLOCKS.iter().map(|(family, n)| (*family, 0..*n)).collect();
    let setup = Setup {
        peers: 1,
        blocks: blocks.clone(),
        fib: matches!(kind, Kind::Frr(_)),
    };
    let stage = Stage::new()?;
    let mut dut = kind.start(&stage, &options.agent, &setup)?;
    let pids = dut.pids();
    trigger::with(dut.as_mut(), |trigger| {
        stage.test(|| {
            let mut tester = Tester::establish(1, PATIENCE)?;
            for (family, routes) in &blocks {
                let label = format!("{} {family:?}", routes.len());
                let (mut times, mut cpu) = ([Vec::new(), Vec::new()], Vec::new());
                for run in 0..=options.runs {
                    let before = Cost::of(&pids).cpu;
                    let times_of_run = there_and_back(&mut tester, trigger, *family, routes)?;
                    if run > 0 {
                        times[0].push(milliseconds(times_of_run.0));
                        times[1].push(milliseconds(times_of_run.1));
                        cpu.push(milliseconds(Cost::of(&pids).cpu - before));
                    }
                }
                table.put(
                    kind,
                    format!("{label}, announce"),
                    quantile(&mut times[0], 0.5),
                );
                table.put(
                    kind,
                    format!("{label}, withdraw"),
                    quantile(&mut times[1], 0.5),
                );
                table.put(
                    kind,
                    format!("{label}, CPU there and back"),
                    quantile(&mut cpu, 0.5),
                );
            }
            Ok(())
        })
    })
}

/// B3.
pub(super) fn fan_out(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    if kind == Kind::Gobgp(Generation::Trixie) && options.daemons.is_empty() {
        // A quarter of an hour of GoBGP's command line tells nobody anything.
        return Ok(());
    }
    let routes = 0..10_000;
    for peers in [1, 16, 64] {
        let setup = Setup {
            peers,
            blocks: vec![(Family::V4, routes.clone())],
            fib: matches!(kind, Kind::Frr(_)),
        };
        let stage = Stage::new()?;
        let mut dut = kind.start(&stage, &options.agent, &setup)?;
        let pids = dut.pids();
        trigger::with(dut.as_mut(), |trigger| {
            stage.test(|| {
                let mut tester = Tester::establish(peers, PATIENCE)?;
                let (mut times, mut cpu) = (Vec::new(), Vec::new());
                for run in 0..=options.runs {
                    let before = Cost::of(&pids).cpu;
                    let (announce, _) = there_and_back(&mut tester, trigger, Family::V4, &routes)?;
                    if run > 0 {
                        times.push(milliseconds(announce));
                        cpu.push(milliseconds(Cost::of(&pids).cpu - before));
                    }
                }
                put(
                    &mut tester,
                    trigger,
                    Order::Announce(Family::V4, routes.clone()),
                    Family::V4,
                    &routes,
                    true,
                )?;
                let cost = Cost::of(&pids);
                table.put(
                    kind,
                    format!("{peers} peers, ms"),
                    quantile(&mut times, 0.5),
                );
                table.put(
                    kind,
                    format!("{peers} peers, CPU ms there and back"),
                    quantile(&mut cpu, 0.5),
                );
                table.put(kind, format!("{peers} peers, RSS MB"), cost.rss);
                Ok(())
            })
        })?;
    }
    Ok(())
}

/// Announces a block, then withdraws it; how long each took.
fn there_and_back(
    tester: &mut Tester,
    trigger: &mut Trigger,
    family: Family,
    routes: &Range<u32>,
) -> Result<(Duration, Duration)> {
    let there = Order::Announce(family, routes.clone());
    let back = Order::Withdraw(family, routes.clone());
    Ok((
        put(tester, trigger, there, family, routes, true)?,
        put(tester, trigger, back, family, routes, false)?,
    ))
}

/// Gives an order and waits until every peer has, or has not, all of the routes.
pub(super) fn put(
    tester: &mut Tester,
    trigger: &mut Trigger,
    order: Order,
    family: Family,
    routes: &Range<u32>,
    there: bool,
) -> Result<Duration> {
    trigger.pull(order.clone())?;
    let wanted = if there { routes.len() } else { 0 };
    let in_block = |set: &super::tester::Set| routes.clone().filter(|i| set.has(*i)).count();
    let at = tester.until(&format!("{order:?}"), PATIENCE, |t| {
        t.peers.iter().filter(|p| !p.stalled).all(|p| {
            let set = p.set(family);
            // The count of all is cheap, and right before the block is looked at.
            (!there || set.len() >= wanted) && in_block_is(set, wanted, routes, &in_block)
        })
    })?;
    Ok(at.saturating_duration_since(trigger.asked()?))
}

fn in_block_is(
    set: &super::tester::Set,
    wanted: usize,
    routes: &Range<u32>,
    count: &impl Fn(&super::tester::Set) -> usize,
) -> bool {
    // The last route of a block is mostly the last to come: look there first.
    let last = routes.end.saturating_sub(1);
    (set.has(last) == (wanted > 0)) && count(set) == wanted
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
