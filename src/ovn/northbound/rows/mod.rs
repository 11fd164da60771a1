//! Typed rows of OVN_Northbound: only the columns a driver uses.

mod balancer;
mod dhcp;
mod global;
mod nat;
mod router;
mod switch;

use std::sync::Arc;

pub use self::balancer::{Balancer, Octavia, Purpose};
pub use self::dhcp::{DhcpOptions, Told};
pub use self::global::FipMode;
pub use self::nat::{Fip, Nat, Snat};
pub use self::router::{Router, RouterPort, StaticRoute};
pub use self::switch::{Interface, PortAddress, PortKind, Switch, SwitchPort};

/// The id of a router, from its name or its id: Neutron writes `neutron-<uuid>` as the name of the
/// `Logical_Router` and in most references to it, and the bare uuid in others.
pub fn router_id(text: &str) -> &str {
    text.strip_prefix("neutron-").unwrap_or(text)
}

fn non_empty(text: Option<&Arc<str>>) -> Option<Arc<str>> {
    text.filter(|t| !t.is_empty()).cloned()
}

fn list(text: &str) -> Vec<Arc<str>> {
    text.split(',')
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(Arc::from)
        .collect()
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e| format!("'{text}': {e}"))
}
