//! What we offer in OPEN.

use std::time::{Duration, Instant};

use super::connection::Ends;
use crate::speaker::{GracefulRestart, PeerConfig};
use crate::wire::{
    AddPath, Asn, Capability, ExtendedNextHop, Family,
    GracefulRestart as GracefulRestartCapability, Open, RestartFamily, RouterId,
};

/// AFI of IPv6, as the family of a next hop (RFC 8950 §4).
pub(super) const NEXT_HOP_IPV6: u16 = 2;

/// The speaker's own side of every session.
#[derive(Debug, Clone)]
pub(crate) struct LocalSpeaker {
    pub(crate) asn: Asn,
    pub(crate) router_id: RouterId,
    pub(crate) graceful_restart: Option<GracefulRestart>,
    /// When this speaker came up: it counts as restarting until it has converged, for the restart time at most.
    pub(crate) started: Instant,
    /// Every peer that came back has told all it has.
    pub(crate) converged: bool,
}

impl LocalSpeaker {
    /// Our AS towards a peer.
    pub(super) fn asn_towards(&self, config: &PeerConfig) -> Asn {
        config.local_as.map_or(self.asn, |local| local.asn)
    }

    fn is_restarting(&self, restart: GracefulRestart, now: Instant) -> bool {
        !self.converged && now < self.started + restart.restart_time
    }
}

/// Our OPEN to this peer at `now`, over a connection with these ends.
pub(crate) fn open_for(
    config: &PeerConfig,
    local: &LocalSpeaker,
    ends: &Ends,
    now: Instant,
) -> Open {
    let asn = local.asn_towards(config);
    let families = config.families.iter();
    let mut capabilities: Vec<_> = families.copied().map(Capability::Multiprotocol).collect();
    capabilities.push(Capability::RouteRefresh);
    capabilities.push(Capability::EnhancedRouteRefresh);
    capabilities.push(Capability::FourOctetAs(asn));
    if config.extended_messages {
        capabilities.push(Capability::ExtendedMessage);
    }
    capabilities.extend(extended_next_hop(config));
    capabilities.extend(add_path(config));
    capabilities.extend(graceful_restart(config, local, now));
    if config.long_lived_stale.is_some() {
        // Without families we only help (RFC 9494 §3.1).
        capabilities.push(Capability::LongLivedGracefulRestart(Vec::new()));
    }
    if is_link_local(ends) {
        capabilities.push(Capability::LinkLocalNextHop);
    }
    Open {
        asn,
        hold_time: seconds(config.hold_time),
        router_id: local.router_id,
        capabilities,
    }
}

/// Both ends are on one link and say so: what draft-ietf-idr-linklocal-capability is for.
pub(super) fn is_link_local(ends: &Ends) -> bool {
    matches!(ends.local, std::net::IpAddr::V6(local) if local.is_unicast_link_local())
}

fn extended_next_hop(config: &PeerConfig) -> Option<Capability> {
    let wanted = config.extended_next_hop && config.families.contains(&Family::IPV4_UNICAST);
    wanted.then(|| {
        Capability::ExtendedNextHop(vec![ExtendedNextHop {
            family: Family::IPV4_UNICAST,
            next_hop_afi: NEXT_HOP_IPV6,
        }])
    })
}

/// We take several paths; a host has no second one to send.
fn add_path(config: &PeerConfig) -> Option<Capability> {
    let lines = config.families.iter().map(|family| AddPath {
        family: *family,
        receive: true,
        send: false,
    });
    config
        .add_path_receive
        .then(|| Capability::AddPath(lines.collect()))
}

/// As the restarting speaker we list every family; without, the capability says that we keep the peer's routes
/// while *it* restarts (RFC 4724 §3). R is set while we may be back from a restart, so that the peer does not
/// wait for our End-of-RIB before it tells us its routes; a start that nothing outlived is no restart. N is always set: a NOTIFICATION that is not a hard reset
/// does not mean that forwarding stopped (RFC 8538 §2).
fn graceful_restart(config: &PeerConfig, local: &LocalSpeaker, now: Instant) -> Option<Capability> {
    let mut capability = GracefulRestartCapability {
        notification: true,
        ..GracefulRestartCapability::default()
    };
    match local.graceful_restart {
        Some(restart) => {
            let families = config.families.iter().map(|family| RestartFamily {
                family: *family,
                forwarding: restart.forwarding_preserved,
            });
            capability.families = families.collect();
            capability.time = seconds(restart.restart_time).min(4095);
            capability.restarting =
                restart.forwarding_preserved && local.is_restarting(restart, now);
        }
        None if config.graceful_restart_helper => {}
        None => return None,
    }
    Some(Capability::GracefulRestart(capability))
}

fn seconds(time: Duration) -> u16 {
    u16::try_from(time.as_secs()).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[path = "offer/tests.rs"]
mod tests;
