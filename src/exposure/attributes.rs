//! What a policy says of a route, besides whether it is advertised.

use std::sync::Arc;

use bgp::wire::{Community, ExtendedCommunity, LargeCommunity};

/// Path attributes of an exposure's route. The default leaves all to the speaker.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    /// Standard communities (RFC 1997), sorted.
    pub communities: Arc<[Community]>,
    /// Extended communities (RFC 4360), sorted.
    pub extended_communities: Arc<[ExtendedCommunity]>,
    /// Large communities (RFC 8092), sorted.
    pub large_communities: Arc<[LargeCommunity]>,
    /// LOCAL_PREF, told to internal peers only.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// Which rules said so, for `explain`. Nobody else is told.
    pub rule: Option<Arc<str>>,
}

impl Attributes {
    /// What neighbours are told: everything but who decided it.
    #[must_use]
    pub fn announced(&self) -> Self {
        Self {
            rule: None,
            ..self.clone()
        }
    }

    /// Whether neighbours are told anything special.
    pub fn is_special(&self) -> bool {
        self.announced() != Self::default()
    }
}
