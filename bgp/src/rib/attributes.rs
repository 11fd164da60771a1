//! What an originated route carries besides its prefix, stored once however many routes share it.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use crate::wire::evpn::Label;
use crate::wire::{
    Community, ExtendedCommunity, LargeCommunity, Origin, PathAttributes, UnknownAttribute,
    attribute_code,
};

/// Attributes the originator of a route chooses; the rest (AS_PATH, and what is left out here) follows from the
/// session the route leaves by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteAttributes {
    /// ORIGIN; incomplete unless set, as of every route that was redistributed.
    pub origin: Origin,
    /// Next hop, of the route's family or (RFC 8950) IPv6; the session's own address unless set.
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC (RFC 4271 §5.1.4); absent unless set.
    pub med: Option<u32>,
    /// LOCAL_PREF towards internal peers; 100 unless set.
    pub local_pref: Option<u32>,
    /// Standard communities (RFC 1997), in the order given.
    pub communities: Vec<Community>,
    /// Extended communities (RFC 4360).
    pub extended_communities: Vec<ExtendedCommunity>,
    /// Large communities (RFC 8092).
    pub large_communities: Vec<LargeCommunity>,
    /// PMSI_TUNNEL of a type-3 route (RFC 7432 §11.1): ingress replication, by this label to that VTEP.
    pub pmsi_tunnel: Option<(Label, IpAddr)>,
    /// A network that is offered as a whole on purpose: [`PrefixList::host_prefixes`](crate::PrefixList), which
    /// keeps back what was not meant to leave, lets it pass.
    pub as_network: bool,
}

impl Default for RouteAttributes {
    fn default() -> Self {
        Self {
            origin: Origin::Incomplete,
            next_hop: None,
            med: None,
            local_pref: None,
            communities: Vec::new(),
            extended_communities: Vec::new(),
            large_communities: Vec::new(),
            pmsi_tunnel: None,
            as_network: false,
        }
    }
}

impl RouteAttributes {
    /// The default, shared by all who ask.
    #[must_use]
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<RouteAttributes>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// The attributes before any session has added its own.
    pub(crate) fn path_attributes(&self) -> PathAttributes {
        PathAttributes {
            origin: self.origin,
            med: self.med,
            local_pref: self.local_pref,
            communities: self.communities.clone(),
            extended_communities: self.extended_communities.clone(),
            large_communities: self.large_communities.clone(),
            unknown: self.pmsi_tunnel.map(pmsi_tunnel).into_iter().collect(),
            ..PathAttributes::default()
        }
    }
}

/// RFC 6514 §5: flags, type, label, and for ingress replication the tunnel's end.
fn pmsi_tunnel((label, vtep): (Label, IpAddr)) -> UnknownAttribute {
    const OPTIONAL_TRANSITIVE: u8 = 0xc0;
    const INGRESS_REPLICATION: u8 = 6;
    let mut value = vec![0, INGRESS_REPLICATION];
    value.extend(label.octets());
    match vtep {
        IpAddr::V4(vtep) => value.extend(vtep.octets()),
        IpAddr::V6(vtep) => value.extend(vtep.octets()),
    }
    UnknownAttribute {
        flags: OPTIONAL_TRANSITIVE,
        code: attribute_code::PMSI_TUNNEL,
        value: value.into(),
    }
}
