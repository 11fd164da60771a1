//! The loop's side of the embedded speaker: configuration to its settings, prefixes to its routes.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bgp::wire::{Asn, Family};
use bgp::{ExportPolicy, GracefulRestart, PeerConfig};
use ipnet::IpNet;

use crate::advertise::Embedded;
use crate::config::{self, Config, RemoteAs, Ttl, UpdateSource};
use crate::peering::{self, Neighbour, Password, Peering, PeeringHandle, Settings};

/// Why the speaker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SpeakerError {
    #[error("no BGP router-id: this node has no IPv4 address to take; set bgp_router_id")]
    NoRouterId,
    #[error("the speaker cannot start: {0}")]
    Spawn(#[from] std::io::Error),
}

/// The embedded speaker, before and after its start.
pub(super) struct Speaker {
    config: Arc<Config>,
    router_id: Option<Ipv4Addr>,
    running: Option<Running>,
    /// What is to be originated, or is.
    prefixes: BTreeSet<IpNet>,
}

struct Running {
    handle: PeeringHandle,
    events: tokio::sync::mpsc::UnboundedReceiver<peering::Event>,
}
