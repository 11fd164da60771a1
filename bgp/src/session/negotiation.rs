//! Whether the peer's OPEN is acceptable, and what both sides agreed on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::connection::Ends;
use super::offer::{LocalSpeaker, NEXT_HOP_IPV6, is_link_local};
use super::reset::Reset;
use crate::speaker::{PeerConfig, RemoteAs};
use crate::wire::notification::{code, open_subcode};
use crate::wire::{
    Asn, Capability, CodecOptions, ExtendedNextHop, Family,
    GracefulRestart as GracefulRestartCapability, LongLivedFamily, Open, RouterId,
};

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
    /// The peer brackets what it sends again, and understands when we do (RFC 7313).
    pub enhanced_refresh: bool,
    /// The peer's Graceful Restart capability.
    pub graceful_restart: Option<GracefulRestartCapability>,
    /// Only a hard reset ends the session for graceful restart as well (RFC 8538): both sides set N.
    pub graceful_notification: bool,
    /// The peer's Long-Lived Graceful Restart capability, where we help (RFC 9494).
    pub long_lived: Vec<LongLivedFamily>,
    /// A link-local address alone may be a next hop (draft-ietf-idr-linklocal-capability).
    pub link_local_next_hop: bool,
    /// How messages are written and read.
    pub codec: CodecOptions,
}

impl Negotiated {
    /// The peer is in our AS.
    pub fn is_internal(&self) -> bool {
        self.local_as == self.remote_as
    }
}

/// RFC 4271 §6.2 with the checks that depend on configuration; the codec has made the others.
pub(crate) fn negotiate(
    config: &PeerConfig,
    local: &LocalSpeaker,
    ends: &Ends,
    open: &Open,
) -> Result<Negotiated, Reset> {
    let local_as = local.asn_towards(config);
    check_as(config.remote_as, local_as, open.asn)?;
    let internal = open.asn == local_as;
    if internal && open.router_id == local.router_id {
        let id = open.router_id.0;
        let why = format!("the peer's identifier {id} is our own");
        let subcode = open_subcode::BAD_IDENTIFIER;
        return Err(Reset::new(code::OPEN, subcode, &id.octets(), why));
    }
    let families = common_families(config, open)?;
    let hold_time = Duration::from_secs(open.hold_time.into()).min(config.hold_time);
    let offered = |capability| open.capabilities.contains(&capability);
    let graceful_restart = graceful_restart(open);
    let we_offered = config.graceful_restart_helper || local.graceful_restart.is_some();
    Ok(Negotiated {
        local_as,
        remote_as: open.asn,
        remote_id: open.router_id,
        hold_time,
        keepalive: (!hold_time.is_zero()).then(|| config.keepalive.min(hold_time / 3)),
        route_refresh: offered(Capability::RouteRefresh),
        enhanced_refresh: offered(Capability::EnhancedRouteRefresh),
        graceful_notification: we_offered && graceful_restart.is_some_and(|gr| gr.notification),
        long_lived: long_lived(config, open, graceful_restart),
        graceful_restart: graceful_restart.cloned(),
        link_local_next_hop: is_link_local(ends) && offered(Capability::LinkLocalNextHop),
        codec: CodecOptions {
            four_octet_as: has_four_octet_as(open),
            extended_message: config.extended_messages && offered(Capability::ExtendedMessage),
            internal_peer: internal,
            add_path_receive: add_path_receive(config, open, &families),
            add_path_send: BTreeSet::new(),
            extended_next_hop: extended_next_hop(config, open, &families),
            evpn: families.contains(&Family::L2VPN_EVPN),
        },
        families,
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

/// The last one counts when there are several (RFC 5492 §4 leaves it open, RFC 4724 §3 asks for this).
fn graceful_restart(open: &Open) -> Option<&GracefulRestartCapability> {
    let mut last_first = open.capabilities.iter().rev();
    last_first.find_map(|capability| match capability {
        Capability::GracefulRestart(restart) => Some(restart),
        _ => None,
    })
}

/// Means nothing without the Graceful Restart capability beside it (RFC 9494 §4.1), nor where we do not help.
fn long_lived(
    config: &PeerConfig,
    open: &Open,
    graceful_restart: Option<&GracefulRestartCapability>,
) -> Vec<LongLivedFamily> {
    if config.long_lived_stale.is_none() || graceful_restart.is_none() {
        return Vec::new();
    }
    let mut last_first = open.capabilities.iter().rev();
    let lines = last_first.find_map(|capability| match capability {
        Capability::LongLivedGracefulRestart(lines) => Some(lines.clone()),
        _ => None,
    });
    lines.unwrap_or_default()
}

/// Families whose paths the peer numbers: it sends several, we take several (RFC 7911 §4).
fn add_path_receive(config: &PeerConfig, open: &Open, families: &[Family]) -> BTreeSet<Family> {
    if !config.add_path_receive {
        return BTreeSet::new();
    }
    let lines = open.capabilities.iter().filter_map(|capability| {
        let Capability::AddPath(lines) = capability else {
            return None;
        };
        Some(lines)
    });
    let sent = lines.flatten().filter(|line| line.send);
    let sent = sent.map(|line| line.family);
    sent.filter(|family| families.contains(family)).collect()
}

/// Families whose next hops may be IPv6 addresses: both sides said so for the same pair (RFC 8950 §4).
fn extended_next_hop(config: &PeerConfig, open: &Open, families: &[Family]) -> BTreeSet<Family> {
    let pair = ExtendedNextHop {
        family: Family::IPV4_UNICAST,
        next_hop_afi: NEXT_HOP_IPV6,
    };
    let offered = open.capabilities.iter().any(|capability| {
        matches!(capability, Capability::ExtendedNextHop(lines) if lines.contains(&pair))
    });
    let agreed = config.extended_next_hop && offered && families.contains(&pair.family);
    agreed.then_some(pair.family).into_iter().collect()
}

#[cfg(test)]
#[path = "negotiation/tests.rs"]
mod tests;
