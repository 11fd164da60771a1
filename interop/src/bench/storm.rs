//! B4: many sessions at once, from a cold start and after a kill.

use std::time::Instant;

use anyhow::Result;

use super::dut::{Kind, Setup};
use super::stage::Stage;
use super::table::{Table, quantile};
use super::tester::Tester;
use super::{Options, PATIENCE};

/// From the start of the daemon's process until every session is Established and has had both End-of-RIBs.
pub(super) fn sessions(options: &Options, kind: Kind, table: &mut Table) -> Result<()> {
    if matches!(kind, Kind::Gobgp(_)) {
        // Sends End-of-RIB to peers that restart gracefully themselves only; the tester does not.
        return Ok(());
    }
    for peers in [1, 16, 64] {
        let setup = Setup {
            peers,
            ..Setup::default()
        };
        let stage = Stage::new()?;
        kind.prepare(&stage, &setup)?;
        let (mut up, mut complete) = (Vec::new(), Vec::new());
        for _ in 0..options.runs.clamp(1, 3) {
            let start = Instant::now();
            let (dut, times) = std::thread::scope(|scope| {
                let launched = scope.spawn(|| kind.launch(&stage, &options.agent, &setup));
                let times = stage.test(|| {
                    let mut tester = Tester::dial(peers, PATIENCE)?;
                    let up = tester.all_up(PATIENCE)?;
                    let complete = tester.until("End-of-RIB", PATIENCE, |t| {
                        t.peers.iter().all(|p| p.end_of_rib == [true; 2])
                    })?;
                    Ok([up, complete].map(|at| at.duration_since(start).as_secs_f64() * 1e3))
                });
                (launched.join(), times)
            });
            let dut = dut.map_err(|_| anyhow::anyhow!("the start panicked"))??;
            dut.kill();
            let [up_at, complete_at] = times?;
            up.push(up_at);
            complete.push(complete_at);
        }
        table.put(
            kind,
            format!("{peers} sessions, Established"),
            quantile(&mut up, 0.5),
        );
        table.put(
            kind,
            format!("{peers} sessions, End-of-RIB"),
            quantile(&mut complete, 0.5),
        );
    }
    Ok(())
}
