//! Typed rows, indexes and the snapshot.
