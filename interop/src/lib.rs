//! labs

pub mod collector;
