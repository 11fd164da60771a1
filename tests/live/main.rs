//! The agent against a living OVN: northd and ovn-controller of OVN 25.03, Open vSwitch with its userspace datapath, FRR for leaves.
//! What Neutron would write, [`interop::cloud::Neutron`] writes.

mod balancers;
mod gateway;
mod lost_fips;
mod migration;
mod network;
mod ping;
mod restarts;
mod steps;
mod tenants;

use anyhow::Result;
use interop::Generation;
use interop::cloud::{Cloud, Driver, Plan};

/// What every test here needs.
const NEEDS: &[interop::Need] = &[
    interop::Need::Root,
    interop::Need::Program("ip"),
    interop::Need::Program("ping"),
    interop::Need::Program("/usr/lib/frr/bgpd"),
    interop::Need::Trixie,
];

/// What is behind gateways is exposed too.
const TENANTS: &str = "expose_tenant_networks = True";

/// A cloud with so many nodes, and one leaf of this generation. `options`: lines for the agents' `[DEFAULT]`.
fn cloud(leaf: Generation, nodes: usize, options: &str) -> Result<Cloud> {
    cloud_read_by(Driver::Northbound, leaf, nodes, options)
}

/// [`cloud`], whose agents read what this driver reads.
fn cloud_read_by(driver: Driver, leaf: Generation, nodes: usize, options: &str) -> Result<Cloud> {
    Cloud::build(&Plan {
        agent: env!("CARGO_BIN_EXE_ovn-bgp-agent").into(),
        leaves: vec![leaf],
        nodes,
        driver,
        options: options.to_owned(),
    })
}

/// Plays a scenario with one driver, if the machine has what it needs.
fn play(driver: Driver, scenario: fn(Driver) -> Result<()>) {
    if interop::requirement::is_met(NEEDS) {
        scenario(driver).unwrap_or_else(|error| panic!("{error:#}"));
    }
}
