//! Pure: the diff of desired and observed objects, and the order of its steps.

pub mod object;
