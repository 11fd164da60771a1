//! What we offer in OPEN, whether the peer's OPEN is acceptable, and what both sides agreed on.

use std::time::{Duration, Instant};

use super::reset::Reset;
use crate::speaker::{GracefulRestart, PeerConfig, RemoteAs};
use crate::wire::notification::{code, open_subcode};
use crate::wire::{
    Asn, Capability, CodecOptions, Family, GracefulRestart as GracefulRestartCapability, Open,
    RestartFamily, RouterId,
};

/// The speaker's own side of every session.
#[derive(Debug, Clone)]
pub(crate) struct LocalSpeaker {
    pub(crate) asn: Asn,
    pub(crate) router_id: RouterId,
    pub(crate) graceful_restart: Option<GracefulRestart>,
    /// When this speaker came up: it counts as restarting for the restart time.
    pub(crate) started: Instant,
}

/// What two OPENs agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// Our AS in this session.
    pub local_as: Asn,
    /// The peer's AS.
    pub remote_as: Asn,
    /// The peer's BGP Identifier.
    pub remote_id: RouterId,
    /// The lower of both offers; zero: no keepalives.
    pub hold_time: Duration,
    /// Our keepalive interval before jitter; `None` with a hold time of zero.
    pub keepalive: Option<Duration>,
    /// Families that both sides offered.
    pub families: Vec<Family>,
    /// The peer answers ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// The peer's Graceful Restart capability.
    pub graceful_restart: Option<GracefulRestartCapability>,
    /// How messages are written and read.
    pub codec: CodecOptions,
}

impl Negotiated {
    /// The peer is in our AS.
    pub fn is_internal(&self) -> bool {
        self.local_as == self.remote_as
    }
}

/// Our OPEN to this peer at `now`.
pub(crate) fn open_for(config: &PeerConfig, local: &LocalSpeaker, now: Instant) -> Open {
    let asn = config.local_as.map_or(local.asn, |local| local.asn);
    let families = config.families.iter();
    let mut capabilities: Vec<_> = families.copied().map(Capability::Multiprotocol).collect();
    capabilities.push(Capability::RouteRefresh);
    capabilities.push(Capability::FourOctetAs(asn));
    if let Some(restart) = local.graceful_restart {
        capabilities.push(graceful_restart(config, local, restart, now));
    }
    Open {
        asn,
        hold_time: seconds(config.hold_time),
        router_id: local.router_id,
        capabilities,
    }
}

/// F is always set: the kernel's routes outlive this process. R is set while we may be back from a
/// restart, so that the peer does not wait for our End-of-RIB before it tells us its routes (RFC 4724 §3, §4.2).
fn graceful_restart(
    config: &PeerConfig,
    local: &LocalSpeaker,
    restart: GracefulRestart,
    now: Instant,
) -> Capability {
    let families = config.families.iter().map(|family| RestartFamily {
        family: *family,
        forwarding: true,
    });
    Capability::GracefulRestart(GracefulRestartCapability {
        restarting: now < local.started + restart.restart_time,
        notification: false,
        time: seconds(restart.restart_time).min(4095),
        families: families.collect(),
    })
}

/// RFC 4271 §6.2 with the checks that depend on configuration; the codec has made the others.
pub(crate) fn negotiate(
    config: &PeerConfig,
    local: &LocalSpeaker,
    open: &Open,
) -> Result<Negotiated, Reset> {
    let local_as = config.local_as.map_or(local.asn, |local| local.asn);
    check_as(config.remote_as, local_as, open.asn)?;
    let internal = open.asn == local_as;
    if internal && open.router_id == local.router_id {
        let id = open.router_id.0;
        let why = format!("the peer's identifier {id} is our own");
        let subcode = open_subcode::BAD_IDENTIFIER;
        return Err(Reset::new(code::OPEN, subcode, &id.octets(), why));
    }
    let hold_time = Duration::from_secs(open.hold_time.into()).min(config.hold_time);
    Ok(Negotiated {
        local_as,
        remote_as: open.asn,
        remote_id: open.router_id,
        hold_time,
        keepalive: (!hold_time.is_zero()).then(|| config.keepalive.min(hold_time / 3)),
        families: common_families(config, open)?,
        route_refresh: open.capabilities.contains(&Capability::RouteRefresh),
        graceful_restart: open
            .capabilities
            .iter()
            .find_map(|capability| match capability {
                Capability::GracefulRestart(restart) => Some(restart.clone()),
                _ => None,
            }),
        codec: CodecOptions {
            four_octet_as: has_four_octet_as(open),
            internal_peer: internal,
            ..CodecOptions::default()
        },
    })
}

fn check_as(expected: RemoteAs, local: Asn, remote: Asn) -> Result<(), Reset> {
    if expected.accepts(local, remote) {
        return Ok(());
    }
    let wanted = match expected {
        RemoteAs::Number(number) => format!("AS {number} is configured"),
        RemoteAs::Internal => format!("remote_as is internal (AS {local})"),
        RemoteAs::External => format!("remote_as is external (not AS {local})"),
        RemoteAs::Auto => String::new(),
    };
    let why = format!("the peer is in AS {remote}, {wanted}");
    let data = remote.two_octets().to_be_bytes();
    Err(Reset::new(
        code::OPEN,
        open_subcode::BAD_PEER_AS,
        &data,
        why,
    ))
}

/// None in common: the peer is told which we wanted (RFC 5492 §3).
fn common_families(config: &PeerConfig, open: &Open) -> Result<Vec<Family>, Reset> {
    let offered = open.families();
    let wanted = config.families.iter().copied();
    let common: Vec<_> = wanted.filter(|family| offered.contains(family)).collect();
    if !common.is_empty() {
        return Ok(common);
    }
    let mut data = Vec::new();
    for family in &config.families {
        let [high, low] = family.afi.to_be_bytes();
        data.extend([1, 4, high, low, 0, family.safi]);
    }
    let names: Vec<_> = offered.iter().map(ToString::to_string).collect();
    let why = format!(
        "no address family in common: the peer offers {}",
        names.join(", ")
    );
    let subcode = open_subcode::UNSUPPORTED_CAPABILITY;
    Err(Reset::new(code::OPEN, subcode, &data, why))
}

fn has_four_octet_as(open: &Open) -> bool {
    open.capabilities
        .iter()
        .any(|capability| matches!(capability, Capability::FourOctetAs(_)))
}

fn seconds(time: Duration) -> u16 {
    u16::try_from(time.as_secs()).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[path = "negotiation/tests.rs"]
mod tests;
