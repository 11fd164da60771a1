//! The agent against a living OVN: northd and ovn-controller of OVN 25.03, Open vSwitch with its userspace datapath, FRR for a leaf.
//! What Neutron would write, [`neutron`] writes.
#![allow(
    clippy::disallowed_methods,
    reason = "a lab runs other people's programs"
)]

mod cloud;
mod fabric;
mod gateway;
mod migration;
mod neutron;
mod node;
mod ping;
mod steps;

/// What every test here needs.
const NEEDS: &[interop::Need] = &[
    interop::Need::Root,
    interop::Need::Program("ip"),
    interop::Need::Program("ping"),
    interop::Need::Program("/usr/lib/frr/bgpd"),
    interop::Need::Trixie,
];
