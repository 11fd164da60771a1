//! Short runs of chaos, one for each of what agents can read; `make chaos` runs at length.

use interop::chaos::{Settings, run};
use interop::cloud::Driver;
use interop::{Need, require};

fn random_changes(driver: Driver, seed: u64) {
    let settings = Settings {
        agent: env!("CARGO_BIN_EXE_ovn-bgp-agent").into(),
        driver,
        changes: 60,
        seed,
    };
    let told = run(&settings);
    println!("{}", told.unwrap_or_else(|error| panic!("{error:#}")));
}

#[test]
fn all_agree_after_random_changes_and_nothing_is_left_of_them() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    random_changes(Driver::Northbound, 4);
}

#[test]
fn all_agree_after_random_changes_where_southbound_is_read_too() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    random_changes(Driver::NorthboundAndSouthbound, 5);
}

#[test]
fn all_agree_after_random_changes_where_southbound_alone_is_read() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    random_changes(Driver::Southbound, 6);
}
