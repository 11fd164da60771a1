//! What the benchmark of latencies with tenants sees (`lab latency tenants`), by the same code: every change of a row is told in its
//! table, and taken back. Nothing is timed here.

use anyhow::{Result, ensure};
use interop::latency::tenants::prove;

use crate::stage::{Steps, play};

const NAME: &str = "measured::vm_every_change_of_a_row_is_told_in_its_vni_and_taken_back";
const CHANGES: u32 = 3;

#[test]
fn vm_every_change_of_a_row_is_told_in_its_vni_and_taken_back() {
    play(NAME, scene);
}

fn scene(steps: &mut Steps) -> Result<()> {
    let proved = steps.step(
        "ports and floating IPs, the network's first ones too",
        || prove(&interop::agent_binary(), CHANGES),
    )?;
    // ports and floating IPs come and go, where nothing else is and where something is
    ensure!(proved == CHANGES * 2 * 2 * 2, "{proved}");
    Ok(())
}
