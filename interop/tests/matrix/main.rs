//! The interop matrix: one test for each cell that `interop::matrix` declares to work, `router::feature`
//! (`cargo nextest run -p interop --test matrix frr_10_3::`). The tests are made from that table, so that a cell
//! without a test cannot be.

#![allow(
    clippy::disallowed_methods,
    reason = "a lab runs other people's programs; the agent does not"
)]

mod lab;
mod resilience;
mod routes;
mod sessions;
mod speaker;
mod volume;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use interop::Need;
use interop::matrix::{Cell, Feature, Record, declared};
use interop::requirement;
use interop::router::Kind;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let tests = Kind::ALL
        .into_iter()
        .flat_map(|kind| Feature::ALL.map(|feature| (kind, feature)))
        .filter(|(kind, feature)| !matches!(declared(*kind, *feature), Cell::Cannot(_)))
        .filter_map(|(kind, feature)| {
            let test = test(feature)?;
            let name = format!("{}::{}", kind.id(), feature.id());
            Some(Trial::test(name, move || run(kind, feature, test)))
        });
    libtest_mimic::run(&Arguments::from_args(), tests.collect()).exit_code()
}

/// Runs a cell's test, and notes its outcome.
fn run(kind: Kind, feature: Feature, test: Test) -> Result<(), Failed> {
    if !requirement::is_met(&[Need::Root, Need::Program("ip"), Need::Agent, kind.need()]) {
        return Ok(());
    }
    judge(kind, feature, test).map_err(|error| Failed::from(format!("{error:?}")))
}

fn judge(kind: Kind, feature: Feature, test: Test) -> Result<()> {
    let record = Record::begin(kind, feature)?;
    let outcome = test(kind);
    if let Cell::Fails(why) = declared(kind, feature) {
        ensure!(outcome.is_err(), "it works, but is declared to fail: {why}");
        return Ok(());
    }
    outcome?;
    record.passed()
}

type Test = fn(Kind) -> Result<()>;

/// What proves a feature, if it is here: what is about tenants is in `tests/evpn`.
fn test(feature: Feature) -> Option<Test> {
    Some(match feature {
        Feature::SessionIpv4 => sessions::ipv4,
        Feature::SessionIpv6 => sessions::ipv6,
        Feature::SessionLinkLocal => sessions::link_local,
        Feature::Md5 => sessions::md5,
        Feature::BothFamilies => routes::both_families,
        Feature::ExtendedNextHop => routes::extended_next_hop,
        Feature::Unnumbered => sessions::unnumbered,
        Feature::EcmpImport => routes::ecmp_import,
        Feature::RestartingSpeaker => resilience::restarting_speaker,
        Feature::RestartHelper => resilience::restart_helper,
        Feature::Bfd => resilience::bfd,
        Feature::GracefulShutdownSent => resilience::graceful_shutdown_sent,
        Feature::GracefulShutdownReceived => resilience::graceful_shutdown_received,
        Feature::RouteRefresh => volume::route_refresh,
        Feature::ExtendedMessages => volume::extended_messages,
        Feature::AddPath => volume::add_path,
        Feature::LargeCommunities => routes::large_communities,
        Feature::MaxPrefixes => volume::max_prefixes,
        Feature::EvpnPrefixes
        | Feature::EvpnHosts
        | Feature::EvpnTargets
        | Feature::EvpnRefresh
        | Feature::EvpnRestart
        | Feature::EvpnReflected => return None,
    })
}
