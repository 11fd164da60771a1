//! The agent against a living OVN: northd and ovn-controller of OVN 25.03, Open vSwitch with its userspace datapath, FRR for leaves.
//! What Neutron would write, [`interop::cloud::Neutron`] writes.

mod gateway;
mod migration;
mod network;
mod ping;
mod restarts;
mod steps;

use anyhow::Result;
use interop::Generation;
use interop::cloud::{Cloud, Plan};

/// What every test here needs.
const NEEDS: &[interop::Need] = &[
    interop::Need::Root,
    interop::Need::Program("ip"),
    interop::Need::Program("ping"),
    interop::Need::Program("/usr/lib/frr/bgpd"),
    interop::Need::Trixie,
];

/// A cloud with so many nodes, and one leaf of this generation. `options`: lines for the agents' `[DEFAULT]`.
fn cloud(leaf: Generation, nodes: usize, options: &str) -> Result<Cloud> {
    Cloud::build(&Plan {
        agent: env!("CARGO_BIN_EXE_ovn-bgp-agent").into(),
        leaves: vec![leaf],
        nodes,
        options: options.to_owned(),
    })
}
