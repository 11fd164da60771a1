//! Labs on one machine: real routers, a real OVN, a real kernel.
//!
//! The pieces, from the ground up:
//!
//! | module | what it gives |
//! | --- | --- |
//! | [`netns`] | network namespaces, veth links, addresses, threads inside |
//! | [`rootfs`] | two Debian generations of every program, [`Place`]: whose programs, which namespace |
//! | [`process`] | daemons with a log that end with their owner, [`wait_until`] |
//! | [`ovsdb`], [`pki`] | ovsdb-server: standalone, from a snapshot, clustered, with TLS |
//! | [`ovs`], [`ovn`] | Open vSwitch, northd, chassis, VMs |
//! | [`frr`], [`bird`], [`gobgp`] | routers |
//! | [`collector`] | a BGP peer that only listens and records |
//! | [`scale`] | an OVN_Northbound of any size, and a meter of what is read of it |
//! | [`scrape`] | metrics, as Prometheus reads them |
//! | [`vm`] | a kernel with VRF, dummy, VLAN and the OVS datapath, under QEMU |
//! | [`topology`], [`runner`] | containerlab files, and playing them here |
//! | [`cloud`] | a living OVN with an agent per chassis, leaves, and what Neutron writes |
//! | [`evpn`] | tenants over VXLAN: two chassis, a VTEP without OVN, and a fabric |
//! | [`chaos`] | random legal changes on it, and what must hold after them |
//! | [`mod@bench`] | our speaker against the others |
//! | [`demo`] | the whole way of a floating IP, for people to watch |
//! | [`requirement`] | [`require!`]: skip with a reason, fail instead in CI |
//!
//! Everything cleans up behind itself when dropped; what a killed run left behind is swept by the next one.
#![allow(
    clippy::disallowed_methods,
    reason = "a lab runs other people's programs; the agent does not"
)]

pub mod adoption;
mod agent;
pub mod bench;
pub mod bird;
pub mod chaos;
pub mod cloud;
pub mod collector;
pub mod demo;
pub mod evpn;
pub mod exabgp;
pub mod frr;
pub mod gobgp;
pub mod latency;
pub mod matrix;
pub mod netns;
pub mod openbgpd;
pub mod ovn;
pub mod ovs;
pub mod ovsdb;
pub mod pki;
pub mod process;
pub mod requirement;
pub mod rootfs;
pub mod router;
pub mod runner;
pub mod scale;
pub mod scrape;
pub mod topology;
pub mod vm;

pub use netns::Namespace;
pub use process::{Daemon, eventually, eventually_within, output, wait_until};
pub use requirement::Need;
pub use rootfs::{Generation, Place};

use std::time::Duration;

/// How long a lab waits for a daemon to answer: generous, because two busy cores are slow and a
/// condition that holds ends the wait at once.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The agent, as cargo builds it beside the running program (a test, or `lab`): `cargo build --bin ovn-bgp-agent`.
pub fn agent_binary() -> std::path::PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let profile = here
        .ancestors()
        .skip(1)
        .find(|dir| !dir.ends_with("deps") && !dir.ends_with("examples"));
    profile
        .unwrap_or_else(|| std::path::Path::new("."))
        .join("ovn-bgp-agent")
}

/// A scratch directory under `/tmp`, with a path short enough for unix sockets (108 bytes) and the
/// same inside every root filesystem of [`rootfs`]. Removed when dropped, unless `LAB_KEEP` is set.
pub fn scratch() -> anyhow::Result<tempfile::TempDir> {
    let mut dir = tempfile::Builder::new().prefix("lab-").tempdir_in("/tmp")?;
    dir.disable_cleanup(std::env::var_os("LAB_KEEP").is_some());
    // daemons that drop to their own user (FRR) pass through
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), mode)?;
    Ok(dir)
}
