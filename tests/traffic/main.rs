//! What users notice: packets, while the speaker, a leaf or an uplink goes away and comes back.
#![allow(
    clippy::disallowed_methods,
    reason = "the speaker is a program here, and real routers the judges"
)]

mod drain;
mod fabric;
mod lab;
mod leaf;
mod node;
mod ping;
mod reboot;
mod restart;
mod takeover;
mod uplink;
