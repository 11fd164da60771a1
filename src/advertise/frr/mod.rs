//! `bgp_backend = frr`: prefixes go to the fabric through an FRR that this node has already.
//!
//! [`Leak`] is what the kernel has for FRR to find (pure, compared like all wiring), and
//! [`Upkeep`] is what FRR's running configuration needs to find it (text compared with text, sent through
//! vtysh): for leaking, and for [`Tenants`]. With another backend both take away what this one has left.

mod attributed;
mod leak;
mod leaking;
mod peering;
mod running;
mod tenants;
mod upkeep;
mod vtysh;
mod wanted;

pub use attributed::{Attributed, lost_in_frr};
pub use leak::Leak;
pub use leaking::{CannotLeak, Leaking, Redistribute};
pub use peering::Peering;
pub use running::{Instance, Running};
pub use tenants::{CannotHost, Difference, Redistributed, Tenant, Tenants};
pub use upkeep::{Settings, Status, TIMES, Upkeep};
pub use vtysh::{Rejection, Vtysh, VtyshError, With};
pub use wanted::{Wanted, leaks};
