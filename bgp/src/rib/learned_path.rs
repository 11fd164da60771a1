//! A path to a prefix, as a peer taught it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::wire::{Asn, Community, NextHop, Origin, PathAttributes, RouterId};

/// LOCAL_PREF of a path that has none (the default everywhere).
pub(crate) const DEFAULT_LOCAL_PREF: u32 = 100;

/// Where a path was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSource {
    /// The peer's configured name.
    pub peer: Arc<str>,
    /// Its address, the last tie-break.
    pub address: IpAddr,
    /// The interface of the session, where its addresses mean nothing without one: link-local ones.
    pub link: Option<Arc<str>>,
    /// Its BGP Identifier.
    pub router_id: RouterId,
    /// Learned over eBGP.
    pub external: bool,
}

/// Where the traffic of a path goes. Paths that agree in it are forwarded alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Via {
    /// What the path says.
    pub next_hop: NextHop,
    /// The interface of the session, where its addresses mean nothing without one.
    pub link: Option<Arc<str>>,
    /// Of an external peer: the next hop is the peer, or beside it.
    pub external: bool,
}

/// Why a path is kept although its peer is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stale {
    /// The peer restarts (RFC 4724 §4.2): as good as any other path.
    Restarting,
    /// The peer is away for longer (RFC 9494 §4.3): used only where there is no other path.
    LongLived,
}

/// One peer's path to a prefix, as the import policy left it. What came in one UPDATE shares its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedPath {
    /// Who taught it.
    pub source: Arc<PathSource>,
    /// Where its traffic goes.
    pub next_hop: NextHop,
    /// AS_PATH, communities and the rest.
    pub attributes: Arc<PathAttributes>,
    /// Kept for a peer that is away.
    pub stale: Option<Stale>,
    /// AS_PATH length, counted once: a comparison must not walk the path.
    path_length: u32,
}

impl LearnedPath {
    /// A path that is not stale.
    pub fn new(
        source: Arc<PathSource>,
        next_hop: NextHop,
        attributes: Arc<PathAttributes>,
    ) -> Self {
        let path_length = u32::try_from(attributes.as_path.len()).unwrap_or(u32::MAX);
        Self {
            source,
            next_hop,
            attributes,
            stale: None,
            path_length,
        }
    }

    /// The path while its peer is away; for long, with the community that says so (RFC 9494 §4.2).
    pub(crate) fn kept(&self, stale: Stale) -> Self {
        let mut kept = self.clone();
        kept.stale = Some(stale);
        if stale == Stale::LongLived && !self.has_community(Community::LLGR_STALE) {
            let mut attributes = (*self.attributes).clone();
            attributes.communities.push(Community::LLGR_STALE);
            kept.attributes = Arc::new(attributes);
        }
        kept
    }

    /// Kept for long, here or at a router before us: any other path is preferred (RFC 9494 §4.3).
    pub fn is_last_resort(&self) -> bool {
        self.has_community(Community::LLGR_STALE)
    }

    /// LOCAL_PREF; 100 when nobody said.
    pub fn local_pref(&self) -> u32 {
        self.attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF)
    }

    /// AS_PATH length: a set counts one (RFC 4271 §9.1.2.2 a).
    pub fn path_length(&self) -> u32 {
        self.path_length
    }

    /// ORIGIN.
    pub fn origin(&self) -> Origin {
        self.attributes.origin
    }

    /// MULTI_EXIT_DISC; 0 when absent (RFC 4271 §9.1.2.2 c).
    pub fn med(&self) -> u32 {
        self.attributes.med.unwrap_or(0)
    }

    /// The neighbouring AS, within which MEDs compare; `None` for a route of our own AS.
    pub fn neighbor_as(&self) -> Option<Asn> {
        self.attributes.as_path.first()
    }

    /// The router that brought the route into our AS (RFC 4456 §9), else the peer.
    pub fn originator(&self) -> RouterId {
        self.attributes
            .originator_id
            .unwrap_or(self.source.router_id)
    }

    /// Routers that reflected the route, nearest first.
    pub fn cluster_list(&self) -> &[Ipv4Addr] {
        &self.attributes.cluster_list
    }

    /// Whether it carries this community.
    pub fn has_community(&self, community: Community) -> bool {
        self.attributes.communities.contains(&community)
    }

    /// The next hop without the link-local address beside a global one.
    pub fn next_hop_address(&self) -> IpAddr {
        address(self.next_hop)
    }

    /// Where its traffic goes.
    pub fn via(&self) -> Via {
        Via {
            next_hop: self.next_hop,
            link: self.source.link.clone(),
            external: self.source.external,
        }
    }
}

/// The first or only address of a next hop.
pub(crate) fn address(next_hop: NextHop) -> IpAddr {
    match next_hop {
        NextHop::V4(address) => address.into(),
        NextHop::V6 { address, .. } => address.into(),
    }
}
