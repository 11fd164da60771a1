//! The unix-socket API of the running agent: one JSON object per line, a request and its response.
//!
//! [`Server`] hands each request to the agent's loop over a channel, with a place for the reply;
//! [`ask`] is the client behind `show` and `explain`.

mod by_hand;
mod client;
mod desk;
mod drain;
mod happened;
mod lines;
mod message;
mod reloaded;
mod server;
pub(crate) mod speaker;
mod watch;

pub use client::{AskError, Client, ask};
pub use desk::{Desk, Request};
pub use drain::Drained;
pub use message::{
    Advertised, AgentSummary, Attributes, Capabilities, Done, DrainOrder, EvpnMacLine,
    EvpnPrefixLine, EvpnQuery, EvpnRouteLine, EvpnTable, EvpnTables, EvpnWayLine, Explanation,
    ExposureLine, ExposureList, FamilyInfo, Fib, Happened, Happening, Hop, MessageStats, Neighbor,
    NeighborSummaries, NeighborSummary, Neighbors, OfNeighbor, Offer, Originate, Query, Reply,
    ResetOrder, RouteLine, RouterAdvertisementList, Routes, RoutesQuery, Step, Summary, Taken,
    Verdict, Withdraw,
};
pub(crate) use reloaded::{previewed, reloaded};
pub use server::{BindError, Server};
pub use watch::Journal;

use std::time::Duration;

/// Longest line from a client, in bytes; a request may have more than one.
const LONGEST_REQUEST: usize = 64 << 10;
/// Longest response line, in bytes: some 100,000 routes.
const LONGEST_RESPONSE: usize = 64 << 20;
/// How long either side waits for the other.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may keep its connection without asking anything.
const IDLE: Duration = Duration::from_secs(60);
/// Clients served at a time; more are refused.
const CLIENTS: usize = 32;
/// Of these, how many may watch.
const WATCHERS: usize = 16;

#[cfg(test)]
mod tests;
