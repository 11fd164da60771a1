//! The speaker's answers. Copies are taken on its thread, a little at a time; all else happens here.

mod duplicates;
mod evpn;
mod neighbors;
mod reset;
mod routes;

use std::time::Duration;

use super::drain::Drained;
use super::message::Summary;
use crate::advertise::Embedded;

pub(crate) use duplicates::duplicates;
pub(crate) use evpn::TenantTables;
pub(crate) use neighbors::neighbors;
use neighbors::summaries;
pub(crate) use reset::reset;
pub(crate) use routes::{Table, Told, learned_line, told};

/// `show summary` of the speaker alone. Before it has started, no neighbour is told of.
pub(crate) async fn summary(
    speaker: &Embedded,
    problem: Option<String>,
    uptime: Duration,
) -> Summary {
    let live = speaker.live().borrow().clone();
    let seen = match &live.speaker {
        Some(handle) => handle
            .look(|view| {
                let peers = view.speaker.peers().collect::<Vec<_>>();
                (peers, view.speaker.is_draining())
            })
            .await
            .unwrap_or_default(),
        None => Default::default(),
    };
    let (peers, draining) = seen;
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
        drain: match (draining, speaker.origination().is_held()) {
            (_, true) => Drained::Withdrawn,
            (true, false) => Drained::Leaving,
            (false, false) => Drained::No,
        },
        problem,
        agent: None,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
