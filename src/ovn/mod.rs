//! Typed rows of OVN's databases and of the local Open vSwitch, with the indexes the drivers ask for.
//!
//! Fed by [`crate::ovsdb`]; pure otherwise. A row that does not parse is reported once (table, uuid,
//! column, why), again when it changes and still fails, and left out: nothing else stops.

mod annotations;
mod index;
pub mod interest;
mod mappings;
mod mtu;
pub mod northbound;
mod row;
mod scopes;
pub mod southbound;
mod vips;
mod vpn;
pub mod vswitch;

pub use annotations::Annotations;
pub use mappings::{BridgeMapping, BridgeMappings, InvalidMapping};
pub use mtu::Mtu;
pub use northbound::Northbound;
pub use row::{LeftOut, RowProblem};
pub use scopes::AddressScopes;
pub use southbound::Southbound;
pub use vips::Vip;
pub use vpn::{Membership, NotAMember, Vpn, VpnKind};
pub use vswitch::Vswitch;
