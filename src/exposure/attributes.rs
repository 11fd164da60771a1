//! What a policy says of a route, besides whether it is advertised.

use std::sync::Arc;

use bgp::wire::Community;

/// Path attributes of an exposure's route. The default leaves all to the speaker.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    /// Standard communities, sorted.
    pub communities: Arc<[Community]>,
    /// LOCAL_PREF, told to internal peers only.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// Which rule said so, for `explain`.
    pub rule: Option<Arc<str>>,
}
