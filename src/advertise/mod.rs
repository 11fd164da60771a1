//! Where prefixes go. One backend so far: the speaker in this process.

mod boot;
mod embedded;
mod kernel_side;
mod live;
mod origination;
mod origins;
pub mod sessions;

pub use embedded::{Embedded, EmbeddedError, ReloadError};
pub use live::Live;
pub use origination::Origination;
pub use origins::{Changes, Origins, Source};
