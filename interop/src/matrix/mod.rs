//! The interop matrix: which feature works with which router.
//!
//! [`declared`] says what is expected of every cell. Every cell that is expected to work is one test
//! (`interop/tests/matrix`; of tenants `tests/evpn`), which notes its outcome with [`Record`]; `lab matrix` draws docs/interop.md's table from
//! these notes, and a test compares that table with the declared one, so that neither can rot.

mod table;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub use crate::router::Kind;
pub use table::{cells, document, section};

/// A row of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// A session over IPv4.
    SessionIpv4,
    /// A session over IPv6.
    SessionIpv6,
    /// A session between link-local addresses.
    SessionLinkLocal,
    /// TCP-MD5 on IPv4 and IPv6.
    Md5,
    /// IPv4 and IPv6 routes on one session, both ways, announced and withdrawn.
    BothFamilies,
    /// IPv4 routes with IPv6 next hops, both ways.
    ExtendedNextHop,
    /// A session by interface, found by router advertisements.
    Unnumbered,
    /// A default route from two uplinks becomes one route with two next hops.
    EcmpImport,
    /// Graceful restart: we are killed and come back.
    RestartingSpeaker,
    /// Graceful restart: the router is killed and comes back.
    RestartHelper,
    /// BFD notices a router that fell silent.
    Bfd,
    /// Our routes carry GRACEFUL_SHUTDOWN while we drain.
    GracefulShutdownSent,
    /// The router's routes with GRACEFUL_SHUTDOWN are the last choice.
    GracefulShutdownReceived,
    /// The router asks for everything again.
    RouteRefresh,
    /// Messages over 4096 octets.
    ExtendedMessages,
    /// Several paths to one prefix.
    AddPath,
    /// Large communities, both ways.
    LargeCommunities,
    /// The router teaches more than it may.
    MaxPrefixes,
    /// Prefixes of tenants, type 5, of IPv4 and IPv6, both ways, announced and withdrawn.
    EvpnPrefixes,
    /// Hosts and who gets what is flooded, types 2 and 3, both ways, announced and withdrawn.
    EvpnHosts,
    /// Route targets by explicit lists on either side.
    EvpnTargets,
    /// ROUTE-REFRESH of the EVPN family.
    EvpnRefresh,
    /// Graceful restart of the EVPN family: we end and come back.
    EvpnRestart,
    /// The router reflects between us and a VTEP: next hops are those of the VTEPs.
    EvpnReflected,
}

impl Feature {
    /// All, in the order of the table's rows.
    pub const ALL: [Self; 24] = [
        Self::SessionIpv4,
        Self::SessionIpv6,
        Self::SessionLinkLocal,
        Self::Md5,
        Self::BothFamilies,
        Self::ExtendedNextHop,
        Self::Unnumbered,
        Self::EcmpImport,
        Self::RestartingSpeaker,
        Self::RestartHelper,
        Self::Bfd,
        Self::GracefulShutdownSent,
        Self::GracefulShutdownReceived,
        Self::RouteRefresh,
        Self::ExtendedMessages,
        Self::AddPath,
        Self::LargeCommunities,
        Self::MaxPrefixes,
        Self::EvpnPrefixes,
        Self::EvpnHosts,
        Self::EvpnTargets,
        Self::EvpnRefresh,
        Self::EvpnRestart,
        Self::EvpnReflected,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::SessionIpv4 => "session over IPv4",
            Self::SessionIpv6 => "session over IPv6",
            Self::SessionLinkLocal => "session between link-local addresses",
            Self::Md5 => "TCP-MD5",
            Self::BothFamilies => "both families, both ways",
            Self::ExtendedNextHop => "IPv6 next hops for IPv4 (RFC 8950)",
            Self::Unnumbered => "unnumbered",
            Self::EcmpImport => "ECMP import into the kernel",
            Self::RestartingSpeaker => "graceful restart, we restart",
            Self::RestartHelper => "graceful restart, we help",
            Self::Bfd => "BFD",
            Self::GracefulShutdownSent => "graceful shutdown sent",
            Self::GracefulShutdownReceived => "graceful shutdown received",
            Self::RouteRefresh => "route refresh",
            Self::ExtendedMessages => "extended messages",
            Self::AddPath => "add-path, received",
            Self::LargeCommunities => "large communities",
            Self::MaxPrefixes => "max-prefix",
            Self::EvpnPrefixes => "EVPN prefixes (type 5), both families, both ways",
            Self::EvpnHosts => "EVPN hosts and flooding (types 2, 3), both ways",
            Self::EvpnTargets => "EVPN route targets by explicit lists",
            Self::EvpnRefresh => "EVPN route refresh",
            Self::EvpnRestart => "EVPN graceful restart, we restart",
            Self::EvpnReflected => "EVPN reflected by it, next hops unchanged",
        }
    }

    /// As an identifier: the name of its test.
    pub fn id(self) -> &'static str {
        match self {
            Self::SessionIpv4 => "session_ipv4",
            Self::SessionIpv6 => "session_ipv6",
            Self::SessionLinkLocal => "session_link_local",
            Self::Md5 => "md5",
            Self::BothFamilies => "both_families",
            Self::ExtendedNextHop => "extended_next_hop",
            Self::Unnumbered => "unnumbered",
            Self::EcmpImport => "ecmp_import",
            Self::RestartingSpeaker => "restarting_speaker",
            Self::RestartHelper => "restart_helper",
            Self::Bfd => "bfd",
            Self::GracefulShutdownSent => "graceful_shutdown_sent",
            Self::GracefulShutdownReceived => "graceful_shutdown_received",
            Self::RouteRefresh => "route_refresh",
            Self::ExtendedMessages => "extended_messages",
            Self::AddPath => "add_path",
            Self::LargeCommunities => "large_communities",
            Self::MaxPrefixes => "max_prefixes",
            Self::EvpnPrefixes => "evpn_prefixes",
            Self::EvpnHosts => "evpn_hosts",
            Self::EvpnTargets => "evpn_targets",
            Self::EvpnRefresh => "evpn_refresh",
            Self::EvpnRestart => "evpn_restart",
            Self::EvpnReflected => "evpn_reflected",
        }
    }

    /// The command that runs its tests. Scenes of tenants need more than a neighbour: they are the agent's (`tests/evpn`).
    pub fn command(self) -> &'static str {
        if EVPN.contains(&self) {
            "cargo nextest run --test evpn"
        } else {
            "cargo nextest run -p interop --test matrix"
        }
    }
}

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It works: a test proves it.
    Works,
    /// The router cannot do it, for this reason.
    Cannot(&'static str),
    /// It should work and does not, for this reason: a test proves that too.
    Fails(&'static str),
}

/// What is expected of a cell.
pub fn declared(kind: Kind, feature: Feature) -> Cell {
    let exception = EXCEPTIONS
        .iter()
        .find(|(kinds, features, _)| kinds.contains(&kind) && features.contains(&feature));
    exception.map_or(Cell::Works, |(_, _, cell)| *cell)
}

/// What is about tenants' tables.
const EVPN: &[Feature] = &[
    Feature::EvpnPrefixes,
    Feature::EvpnHosts,
    Feature::EvpnTargets,
    Feature::EvpnRefresh,
    Feature::EvpnRestart,
    Feature::EvpnReflected,
];

/// Cells that do not work, or not yet.
const EXCEPTIONS: &[(&[Kind], &[Feature], Cell)] = {
    use Cell::Cannot;
    use Feature::*;
    use Kind::*;
    &[
        (
            &[Gobgp310, Gobgp336, Openbgpd, Exabgp],
            &[Unnumbered],
            Cannot("sends no router advertisements and learns no neighbour from them"),
        ),
        (
            &[Exabgp],
            &[SessionLinkLocal],
            Cannot("takes no interface with a link-local address"),
        ),
        (
            &[Gobgp310, Gobgp336, Openbgpd, Exabgp],
            &[Bfd],
            Cannot("has no BFD"),
        ),
        (
            &[Gobgp310, Gobgp336],
            &[ExtendedMessages],
            Cannot("does not know the capability"),
        ),
        (
            &[Openbgpd],
            &[RestartHelper],
            Cannot("does not restart gracefully itself: its capability names no family"),
        ),
        (
            &[Exabgp],
            &[RestartingSpeaker],
            Cannot("keeps no table, so it can keep nothing for us"),
        ),
        (&[Bird2, Bird3], EVPN, Cannot("has no EVPN")),
        (
            &[Openbgpd, Exabgp],
            EVPN,
            Cannot("has no tables of tenants: not tested with EVPN"),
        ),
        (
            &[Frr8, Frr10],
            &[EvpnRestart],
            Cannot("is no helper for EVPN: it forgets, and is told everything again"),
        ),
    ]
};

/// Notes the outcome of a cell's test: `failed` from the moment it is made, until [`Record::passed`].
#[derive(Debug)]
pub struct Record {
    file: PathBuf,
}

impl Record {
    /// The test begins.
    pub fn begin(kind: Kind, feature: Feature) -> Result<Self> {
        let dir = results()?.join(kind.id());
        std::fs::create_dir_all(&dir)?;
        let file = dir.join(feature.id());
        std::fs::write(&file, FAILED)?;
        Ok(Self { file })
    }

    /// It passed.
    pub fn passed(self) -> Result<()> {
        std::fs::write(&self.file, PASSED)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

const PASSED: &str = "passed";
const FAILED: &str = "failed";

/// Where outcomes are noted: `$LAB_MATRIX`, or `matrix` beside what is made for the labs.
pub fn results() -> Result<PathBuf> {
    match std::env::var_os("LAB_MATRIX") {
        Some(dir) => Ok(dir.into()),
        None => Ok(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/matrix")),
    }
}

/// A cell by the outcome of its last test.
pub fn tested(kind: Kind, feature: Feature) -> Result<Cell> {
    let declared = declared(kind, feature);
    if let Cell::Cannot(_) = declared {
        return Ok(declared);
    }
    let file = results()?.join(kind.id()).join(feature.id());
    let outcome = std::fs::read_to_string(&file).with_context(|| {
        format!(
            "no outcome of {}::{}: {}",
            kind.id(),
            feature.id(),
            feature.command()
        )
    })?;
    match (outcome.as_str(), declared) {
        (PASSED, Cell::Fails(why)) => bail!(
            "{}::{} works, but is declared to fail ({why})",
            kind.id(),
            feature.id()
        ),
        (PASSED, _) => Ok(Cell::Works),
        (_, Cell::Fails(why)) => Ok(Cell::Fails(why)),
        _ => Ok(Cell::Fails("its test fails")),
    }
}
