//! Where prefixes go: the embedded speaker.
