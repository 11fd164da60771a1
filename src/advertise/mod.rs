//! Where prefixes go. One backend so far: the speaker in this process.

mod embedded;

pub use embedded::{Embedded, EmbeddedError};
