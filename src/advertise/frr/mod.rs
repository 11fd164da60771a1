//! `bgp_backend = frr`: prefixes go to the fabric through an FRR that this node has already.
//!
//! Two halves: [`Leak`] is what the kernel has for FRR to find (pure, compared like all wiring), and
//! [`Upkeep`] is what FRR's running configuration needs to find it (text compared with text, sent through
//! vtysh). With another backend both halves take away what this one has left.

mod leak;
mod leaking;
mod peering;
mod running;
mod upkeep;
mod vtysh;
mod wanted;

pub use leak::Leak;
pub use leaking::{CannotLeak, Leaking, Redistribute};
pub use peering::Peering;
pub use running::{Instance, Running};
pub use upkeep::{Settings, Status, Upkeep};
pub use vtysh::{Rejection, Vtysh, VtyshError};
pub use wanted::Wanted;
