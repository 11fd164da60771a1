//! The speaker's answers. Copies are taken on its thread, a little at a time; all else happens here.

mod neighbors;
mod routes;

use std::time::Duration;

use super::message::Summary;
use crate::advertise::Live;

pub(crate) use neighbors::{neighbors, peers, summaries};
pub(crate) use routes::{Table, learned_line, told};

/// `show summary` of the speaker alone. Without one that runs, no neighbour is told of.
pub(crate) async fn summary(live: &Live, problem: Option<String>, uptime: Duration) -> Summary {
    let peers = match &live.speaker {
        Some(speaker) => peers(speaker).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let peers = summaries(&live.config, &peers);
    Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_msec: milliseconds(uptime),
        router_id: live.router_id,
        asn: live.config.bgp.asn,
        peers_established: peers
            .values()
            .filter(|peer| peer.state == bgp::State::Established.name())
            .count(),
        peers_total: peers.len(),
        peers,
        problem,
        agent: None,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
