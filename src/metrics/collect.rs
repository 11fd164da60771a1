//! What is, asked as `show` asks it.

use std::sync::Arc;
use std::time::Instant;

use bgp::PeerStatus;
use tokio::sync::watch;

use super::exposition::{Exposition, Kind};
use super::histogram::Histogram;
use super::tenants::{self, TableCount};
use super::{node, process, sessions};
use crate::advertise::{Embedded, Live, Origination, Source};
use crate::control::{Desk, Reply};
use crate::peering::{Ended, Handle};

/// Where metrics come from. Clones ask the same.
#[derive(Clone, Debug)]
pub struct Collector {
    live: watch::Receiver<Live>,
    origination: Origination,
    desk: Desk,
    /// From a change in OVN to its route.
    ovn_to_advert: Option<Arc<Histogram>>,
    started_at: Instant,
}

/// The speaker at one moment.
#[derive(Debug, Default)]
struct Speaking {
    peers: Vec<PeerStatus>,
    learned: usize,
    listen_errors: usize,
    tenants: Vec<TableCount>,
}

impl Collector {
    /// Asks this speaker, and, through the desk, the agent around it.
    pub fn new(speaker: &Embedded, desk: Desk, ovn_to_advert: Option<Arc<Histogram>>) -> Self {
        Self {
            live: speaker.live(),
            origination: speaker.origination().clone(),
            desk,
            ovn_to_advert,
            started_at: Instant::now(),
        }
    }

    /// All metrics, as of now.
    pub(super) async fn text(&self) -> String {
        let mut text = Exposition::default();
        let version = env!("CARGO_PKG_VERSION");
        text.family(
            "ovn_bgp_agent_build_info",
            Kind::Gauge,
            "The version that runs.",
        )
        .sample(&[("version", version)], 1);
        let live = self.live.borrow().clone();
        if let Some(speaker) = &live.speaker {
            // A speaker that has ended ends the process as well.
            let speaking = speaking(speaker).await.unwrap_or_default();
            self.speaker(&mut text, &speaking);
            text.family(
                "ovn_bgp_agent_bgp_update_to_wire_seconds",
                Kind::Histogram,
                "From a change of what is originated to the first UPDATE handed to a session.",
            )
            .histogram(&[], &speaker.told_after().snapshot());
        }
        if let Some(speaker) = &live.speaker
            && let Ok(snapshot) = speaker.bfd().await
        {
            node::write_bfd(&mut text, &snapshot);
        }
        if let Some(fib) = &live.fib
            && let Ok(snapshot) = fib.status().await
        {
            node::write_fib(&mut text, &snapshot);
        }
        if let Some(histogram) = &self.ovn_to_advert {
            text.family(
                "ovn_bgp_agent_ovn_to_advert_seconds",
                Kind::Histogram,
                "From news of OVN to the speaker that was told of it, wiring included.",
            )
            .histogram(&[], &histogram.snapshot());
        }
        if let Reply::Summary(summary) = self.desk.summary().await {
            text.single(
                "ovn_bgp_agent_drained",
                Kind::Gauge,
                "0: not; 1: neighbors are asked to prefer other paths; 2: the routes are withdrawn.",
                summary.drain as u8,
            );
            if let Some(agent) = &summary.agent {
                node::write_agent(&mut text, agent);
            }
        }
        process::write(&mut text, self.started_at.elapsed());
        text.into_text()
    }

    fn speaker(&self, text: &mut Exposition, speaking: &Speaking) {
        sessions::write(text, &speaking.peers);
        let mut originated = text.family(
            "ovn_bgp_agent_bgp_originated_prefixes",
            Kind::Gauge,
            "Prefixes this node originates, by who wants it.",
        );
        for (name, source) in [
            ("ovn", Source::Ovn),
            ("connected", Source::Connected),
            ("operator", Source::Operator),
            ("configuration", Source::Configuration),
        ] {
            let held = self.origination.with(|origins| origins.of(source).count());
            originated.sample(&[("source", name)], held);
        }
        text.single(
            "ovn_bgp_agent_bgp_learned_prefixes",
            Kind::Gauge,
            "Prefixes that neighbors teach.",
            speaking.learned,
        );
        text.single(
            "ovn_bgp_agent_bgp_listen_errors",
            Kind::Gauge,
            "Addresses that could not be listened on.",
            speaking.listen_errors,
        );
        tenants::write(text, &speaking.tenants);
    }
}

async fn speaking(speaker: &Handle) -> Result<Speaking, Ended> {
    speaker
        .look(|view| Speaking {
            peers: view.speaker.peers().collect(),
            learned: view.speaker.learned().count(),
            listen_errors: view.listen_errors.len(),
            tenants: tenants::counts(view.speaker),
        })
        .await
}
