//! Where prefixes go. One backend so far: the speaker in this process.

mod embedded;
pub mod sessions;

pub use embedded::{Embedded, EmbeddedError};
