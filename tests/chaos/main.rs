//! A short run of chaos; `make chaos` runs at length.

use interop::chaos::{Settings, run};
use interop::{Need, require};

#[test]
fn random_changes_leave_everybody_agreeing_and_nothing_behind() {
    require!(
        Need::Root,
        Need::Program("ip"),
        Need::Program("/usr/lib/frr/bgpd"),
        Need::Trixie
    );
    let settings = Settings {
        agent: env!("CARGO_BIN_EXE_ovn-bgp-agent").into(),
        changes: 60,
        seed: 4,
    };
    println!(
        "{}",
        run(&settings).unwrap_or_else(|error| panic!("{error:#}"))
    );
}
