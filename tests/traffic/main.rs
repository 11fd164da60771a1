//! What users notice: packets, while the speaker, a leaf or an uplink goes away and comes back.
#![allow(
    clippy::disallowed_methods,
    reason = "the speaker is a program here, and real routers the judges"
)]

mod lab;
mod leaf;
mod ping;
mod restart;
mod uplink;
