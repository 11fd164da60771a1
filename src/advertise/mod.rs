//! Where prefixes go. One backend so far: the speaker in this process.

mod embedded;
mod origination;
mod origins;
pub mod sessions;

pub use embedded::{Embedded, EmbeddedError};
pub use origination::Origination;
pub use origins::{Changes, Origins, Source};
