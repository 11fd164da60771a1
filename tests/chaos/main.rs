//! Short runs of chaos, for each of what agents can read and tell; `make chaos` runs at length. And what the runs would say if something
//! were wrong.

mod faults;

use interop::chaos::{Settings, Tenants, run};
use interop::cloud::Driver;
use interop::{Need, require};

fn random_changes(driver: Driver, tenants: Tenants, seed: u64) {
    let settings = Settings {
        agent: env!("CARGO_BIN_EXE_ovn-bgp-agent").into(),
        driver,
        tenants,
        changes: 60,
        seed,
    };
    let told = run(&settings);
    println!("{}", told.unwrap_or_else(|error| panic!("{error:#}")));
}

#[test]
fn all_agree_after_random_changes_and_nothing_is_left_of_them() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    random_changes(Driver::Northbound, Tenants::Hosts, 4);
}

#[test]
fn all_agree_after_random_changes_where_southbound_is_read_too() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    random_changes(Driver::NorthboundAndSouthbound, Tenants::Scopes, 5);
}

#[test]
fn all_agree_after_random_changes_where_southbound_alone_is_read() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    random_changes(Driver::Southbound, Tenants::Hosts, 6);
}

#[test]
fn all_agree_after_random_changes_where_subnets_are_told() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    random_changes(Driver::Northbound, Tenants::Subnets, 7);
}

#[test]
fn all_agree_after_random_changes_on_a_stretched_layer_2() {
    require!(Need::Root, Need::Program("/usr/lib/frr/bgpd"), Need::Trixie);
    random_changes(Driver::StretchedL2, Tenants::Scopes, 8);
}
