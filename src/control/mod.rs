//! The unix-socket API of the running agent: one JSON object per line, a request and its response.
//!
//! [`Server`] hands each request to the agent's loop over a channel, with a place for the reply;
//! [`ask`] is the client behind `show` and `explain`.

mod client;
mod message;
mod server;

pub use client::{AskError, ask};
pub use message::{
    Advertised, Explanation, ExposureLine, ExposureList, NeighborState, Neighbors, Query, Reply,
    RouteLine, Routes, Step, Summary, Verdict,
};
pub use server::{BindError, Request, Server};

use std::time::Duration;

/// Longest request line, in bytes.
const LONGEST_REQUEST: usize = 4096;
/// Longest response line, in bytes: some 100,000 routes.
const LONGEST_RESPONSE: usize = 64 << 20;
/// How long either side waits for the other.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Clients served at a time; more wait in the listen queue.
const CLIENTS: usize = 8;

#[cfg(test)]
mod tests;
