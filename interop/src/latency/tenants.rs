//! How long it takes from a row in OVN_Northbound to an UPDATE of type 5: a provider network in a VNI, `exposing_method = vrf`.
//!
//! The agent tells a tenant's prefix once the kernel has its way into the tenant's VRF, so a kernel with VRF devices is needed
//! ([`kernel_has_vrfs`]). Where the virtual machine has to stand in, whose processor is emulated, nothing but the ratio counts:
//! so the same changes are made, in turn, on a second node whose network has no VNI.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;

use super::{AS, Kind, NODE, Stage, VMS, Way, milliseconds};
use crate::bench::on_core;
use crate::collector::{Event, Table, TenantPrefix};
use crate::{Namespace, PATIENCE, wait_until};

const VNI: u32 = 1001;
/// Ports that are there already.
const PRESENT: u32 = 100;
/// Changes of a network of which nothing else is exposed, at most: each makes or removes all devices of the tenant.
const FIRST_AND_LAST: u32 = 20;
/// An agent that has not run for so long has done all it had to do.
const REST: Duration = Duration::from_millis(20);

/// VXLAN (RFC 9012 §4.1), as every route of type 5 says here.
const ENCAPSULATION: [u8; 8] = [3, 0x0c, 0, 0, 0, 0, 0, 8];
/// Type and subtype of the Router's MAC (RFC 9135 §8.1).
const ROUTERS_MAC: [u8; 2] = [6, 3];
/// EXTENDED COMMUNITIES (RFC 4360 §2).
const EXTENDED_COMMUNITIES: u8 = 16;

/// Whether devices of VRFs can be made here.
///
/// # Errors
/// No namespace can be made.
pub fn kernel_has_vrfs() -> Result<bool> {
    let probe = Namespace::new("probe")?;
    Ok(probe.ip("link add vrf0 type vrf table 10").is_ok())
}

/// Makes `changes` of each kind, in a VNI and without one, with the agent at `agent`, and prints a table.
///
/// # Errors
/// A lab does not come up, or a change does not reach the peer as it should.
pub fn measure(agent: &Path, changes: u32) -> Result<()> {
    ensure!(changes <= VMS, "{changes} changes: there are {VMS} VMs");
    let first = changes.min(FIRST_AND_LAST);
    println!(
        "NB transaction committed → UPDATE at the peer, milliseconds; {changes} changes of each kind with {PRESENT} prefixes present, \
         {first} with none"
    );
    println!(
        "| change | unicast p50 | p99 | max | type 5 p50 | p99 | max | type 5 / unicast, p50 |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut stages = both(agent, PRESENT)?;
    for (kind, [comes, goes]) in [
        (Kind::Port, ["VM port bound", "VM port unbound"]),
        (Kind::FloatingIp, ["FIP associated", "FIP disassociated"]),
    ] {
        let taken = take(&mut stages, kind, changes)?;
        print!("{}{}", line(comes, taken.came), line(goes, taken.went));
    }
    drop(stages);
    let taken = take(&mut both(agent, 0)?, Kind::Port, first)?;
    let [comes, goes] = [
        "the network's first VM port bound",
        "its last VM port unbound",
    ];
    print!("{}{}", line(comes, taken.came), line(goes, taken.went));
    Ok(())
}

/// Makes some changes of each kind in a VNI, with the eyes on what is told: every announcement and every withdrawal, and the
/// way of the prefix in the kernel's table at that moment. Tells how many.
///
/// # Errors
/// Something is told that should not be, or is not told.
pub fn prove(agent: &Path, changes: u32) -> Result<u32> {
    let agent = agent.canonicalize()?;
    let mut proved = 0;
    for present in [0, 2] {
        let mut stage = running(&agent, present, Way::Vni(VNI))?;
        for kind in [Kind::Port, Kind::FloatingIp] {
            for n in 0..changes {
                for comes in [true, false] {
                    stage.change(kind, n, comes)?;
                    stage.has_way(kind.prefix(n), comes)?;
                    proved += 1;
                }
            }
        }
        let held = stage.collector.with(|table| table.tenants.len());
        ensure!(held == present as usize, "{held} prefixes are left");
        stage.rest(present)?;
    }
    Ok(proved)
}

/// The nodes without and with a VNI.
fn both(agent: &Path, present: u32) -> Result<[Stage; 2]> {
    let agent = agent
        .canonicalize()
        .with_context(|| format!("no agent at {}", agent.display()))?;
    Ok([
        running(&agent, present, Way::Underlay)?,
        running(&agent, present, Way::Vni(VNI))?,
    ])
}

/// A node whose agent has told all, and is at rest.
fn running(agent: &Path, present: u32, way: Way) -> Result<Stage> {
    let mut stage = Stage::build(agent, present, way)?;
    stage.start_agent()?;
    let family = match way {
        Way::Underlay => 1,
        Way::Vni(_) => 25,
    };
    let ended = stage.collector.wait(PATIENCE, |table| {
        let end = |(_, event): &(Instant, Event)| *event == Event::EndOfRib(family);
        table.history.iter().any(end).then_some(())
    });
    ended.with_context(|| format!("no End-of-RIB of AFI {family}"))?;
    stage.rest(present)?;
    Ok(stage)
}

/// Samples of the two nodes, in the order of [`both`].
#[derive(Default)]
struct Taken {
    came: [Vec<Duration>; 2],
    went: [Vec<Duration>; 2],
}

/// Each change on one node after the other, when both are at rest.
fn take(stages: &mut [Stage; 2], kind: Kind, changes: u32) -> Result<Taken> {
    let mut taken = Taken::default();
    for n in 0..changes {
        for (comes, samples) in [(true, &mut taken.came), (false, &mut taken.went)] {
            for (stage, samples) in stages.iter_mut().zip(samples) {
                let took = stage.change(kind, n, comes)?;
                samples.push(took.committed);
                let present = stage.size + u32::from(comes);
                stage.rest(present)?;
            }
        }
    }
    Ok(taken)
}

fn line(change: &str, samples: [Vec<Duration>; 2]) -> String {
    let [unicast, tenant] = samples.map(|mut samples| {
        let cells = [50, 99, 100].map(|percent| milliseconds(&mut samples, percent));
        // it is sorted now
        let median = samples.get(samples.len().div_ceil(2).saturating_sub(1));
        (cells.join(" | "), median.copied().unwrap_or_default())
    });
    let ratio = tenant.1.as_secs_f64() / unicast.1.as_secs_f64();
    format!("| {change} | {} | {} | {ratio:.2} |\n", unicast.0, tenant.0)
}

impl Stage {
    /// Waits until nothing is left to do with `present` prefixes, so that no change pays for the one before it.
    fn rest(&self, present: u32) -> Result<()> {
        let pid = self.pid()?;
        if let (0, Way::Vni(vni)) = (present, self.way) {
            let gone = || self.node.ip(&format!("link show vrf-{vni}")).is_err();
            wait_until(PATIENCE, "a node without the tenant's devices", gone)?;
        }
        let mut last = (on_core(pid), Instant::now());
        wait_until(PATIENCE, "rest", || {
            let ran = on_core(pid);
            if ran != last.0 {
                last = (ran, Instant::now());
            }
            last.1.elapsed() >= REST
        })
    }

    /// What the peer has just been told of a prefix the kernel's table has already, by way of a VRF; what was withdrawn goes.
    fn has_way(&self, prefix: IpNet, present: bool) -> Result<()> {
        let Way::Vni(vni) = self.way else {
            return Ok(());
        };
        let table = || {
            let shown = self.node.ip(&format!("route show table {vni} {prefix}"));
            shown.is_ok_and(|route| route.contains(&prefix.addr().to_string()))
        };
        if !present {
            return wait_until(PATIENCE, "the end of a route", || !table());
        }
        ensure!(table(), "{prefix} was told before it had its way");
        let vrf = self.node.ip(&format!("-d link show vrf-{vni}"))?;
        ensure!(vrf.contains(&format!("vrf table {vni}")), "{vrf}");
        Ok(())
    }
}

/// A prefix in a VNI as this node tells it: `<VTEP>:<VNI>` distinguishes it (RFC 4364 §4.2, type 1).
pub(super) fn tenant_prefix(vni: u32, prefix: IpNet) -> TenantPrefix {
    let [_, _, high, low] = vni.to_be_bytes();
    let [a, b, c, d] = vtep();
    TenantPrefix {
        rd: [0, 1, a, b, c, d, high, low],
        tag: 0,
        prefix,
    }
}

fn vtep() -> [u8; 4] {
    let vtep: Result<std::net::Ipv4Addr, _> = NODE.parse();
    vtep.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED).octets()
}

/// What the peer holds of a tenant's prefix after it has come or gone: label, next hop, target, encapsulation and router MAC.
pub(super) fn told_rightly(table: &Table, vni: u32, prefix: IpNet, present: bool) -> Result<()> {
    let leaked = &table.routes;
    ensure!(leaked.is_empty(), "told in the default table: {leaked:?}");
    let told = table.tenants.get(&tenant_prefix(vni, prefix));
    if !present {
        ensure!(told.is_none(), "still told: {told:?}");
        return Ok(());
    }
    let told = told.with_context(|| format!("{prefix} is not held"))?;
    let next_hop = IpAddr::from(vtep());
    let right = (told.vni, told.route.next_hop, told.gateway.is_unspecified());
    ensure!(right == (vni, next_hop, true), "{told:?}");
    let communities = told.route.others.get(&EXTENDED_COMMUNITIES);
    let mut communities = communities.into_iter().flat_map(|all| all.chunks(8));
    // RFC 8365 §5.1.2.1 aside: AS and VNI, two-octet AS (RFC 4360 §3.1)
    let [a, b] = u16::try_from(AS)?.to_be_bytes();
    let [v3, v2, v1, v0] = vni.to_be_bytes();
    let target = [0, 2, a, b, v3, v2, v1, v0];
    let (mut has_target, mut has_encapsulation, mut has_mac) = (false, false, false);
    for community in communities.by_ref() {
        has_target |= community == target;
        has_encapsulation |= community == ENCAPSULATION;
        has_mac |= community.starts_with(&ROUTERS_MAC);
    }
    let all = (has_target, has_encapsulation, has_mac);
    ensure!(all == (true, true, true), "{told:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::collector::{Route, TenantRoute};

    const TARGET: [u8; 8] = [0, 2, 0xfd, 0xe7, 0, 0, 3, 0xe9];

    fn prefix() -> IpNet {
        "172.24.0.9/32".parse().unwrap()
    }

    fn table(communities: &[[u8; 8]]) -> Table {
        let route = Route {
            next_hop: NODE.parse().unwrap(),
            as_path: Vec::new(),
            others: BTreeMap::from([(EXTENDED_COMMUNITIES, communities.concat())]),
            at: Instant::now(),
        };
        let told = TenantRoute {
            gateway: "0.0.0.0".parse().unwrap(),
            vni: VNI,
            route,
        };
        Table {
            tenants: BTreeMap::from([(tenant_prefix(VNI, prefix()), told)]),
            ..Table::default()
        }
    }

    fn right() -> Table {
        table(&[ENCAPSULATION, TARGET, [6, 3, 10, 1, 2, 3, 4, 5]])
    }

    #[test]
    fn a_route_of_this_node_and_vni_is_right_and_its_end_is() {
        assert_eq!(
            tenant_prefix(VNI, prefix()).rd,
            [0, 1, 10, 255, 0, 2, 3, 0xe9]
        );
        told_rightly(&right(), VNI, prefix(), true).unwrap();
        told_rightly(&Table::default(), VNI, prefix(), false).unwrap();
    }

    #[test]
    fn what_is_not_told_or_told_otherwise_is_wrong() {
        let wrong = |table: &Table, present| told_rightly(table, VNI, prefix(), present).is_err();
        assert!(wrong(&Table::default(), true), "not told");
        assert!(wrong(&right(), false), "still told");
        assert!(wrong(&table(&[ENCAPSULATION, TARGET]), true), "no MAC");
        assert!(
            wrong(&table(&[ENCAPSULATION, [6, 3, 0, 0, 0, 0, 0, 1]]), true),
            "no target"
        );
        assert!(
            told_rightly(&right(), VNI + 1, prefix(), true).is_err(),
            "another VNI"
        );
        let mut other = right();
        for route in other.tenants.values_mut() {
            route.vni += 1;
        }
        assert!(wrong(&other, true), "another label");
        let mut leaked = right();
        let held = leaked.tenants.values().next().unwrap().route.clone();
        leaked.routes.insert(prefix(), held);
        assert!(wrong(&leaked, true), "in the default table too");
    }

    #[test]
    fn a_line_has_both_and_their_ratio() {
        let samples = |times: &[u64]| times.iter().copied().map(Duration::from_millis).collect();
        let text = line("a change", [samples(&[1, 3, 2]), samples(&[6, 4, 5])]);
        let wanted = "| a change | 2.00 | 3.00 | 3.00 | 5.00 | 6.00 | 6.00 | 2.50 |\n";
        assert_eq!(text, wanted);
    }
}
