//! Who desires objects, and what one dump covers of them.

use std::sync::Arc;

use ipnet::IpNet;

use super::object::Key;

/// On whose behalf an object is desired. An object is desired while somebody holds it; where
/// holders differ about its value, the first in this order has its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The node: what is there whether or not anything is exposed.
    Base,
    /// A tenant subnet in which something is exposed, masked.
    Subnet(IpNet),
    /// One exposed prefix.
    Prefix(IpNet),
}

/// What one dump covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    Kernel,
    /// The flows of one bridge.
    Bridge(Arc<str>),
}

impl Domain {
    pub(super) fn covers(&self, key: &Key) -> bool {
        match self {
            Self::Kernel => !key.is_flow(),
            Self::Bridge(bridge) => key.bridge() == Some(bridge),
        }
    }
}
