//! What becomes of learned routes, as it happens.

use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use super::snapshot::HopSnapshot;

/// The kernel has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// When.
    pub at: Instant,
    /// Of which route.
    pub prefix: IpNet,
    /// What.
    pub change: RouteChange,
}

/// What has become of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteChange {
    /// The kernel has it, for the first time or with other next hops.
    Installed {
        /// How.
        next_hops: Vec<HopSnapshot>,
        /// Preferred source address.
        source: Option<IpAddr>,
    },
    /// The kernel has it no more.
    Removed {
        /// Why it is not wanted; `None`: it moves to another table or metric.
        reason: Option<String>,
    },
    /// The kernel will not have it, or will not let go of it; it is tried again.
    Refused {
        /// In its words.
        reason: String,
    },
}
