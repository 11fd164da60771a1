//! Where prefixes go: to the speaker in this process, or to an FRR beside it.

mod boot;
mod embedded;
pub mod frr;
mod kernel_side;
mod live;
mod origination;
mod origins;
pub mod sessions;
mod tenants;
mod told;

pub use embedded::{Embedded, EmbeddedError, ReloadError};
pub use live::Live;
pub use origination::Origination;
pub use origins::{Changes, Origins, Source};
pub use tenants::TenantOrigination;
