//! The speaker alone as operators use it: the program, its control socket, a real router behind a veth.
#![allow(
    clippy::disallowed_methods,
    reason = "the speaker is a program here, and a real router the judge"
)]

mod lab;
mod metrics;
mod orders;
mod originate;
mod restart;
mod watch;
