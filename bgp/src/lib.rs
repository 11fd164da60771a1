//! A sans-IO BGP speaker for hosts.
//!
//! The crate opens no socket, reads no clock and starts no thread. A shell feeds it [`Input`]s with the
//! time at which they happened, and drains [`Output`]s until [`Output::Timeout`] says when to call again:
//!
//! ```
//! use std::time::Instant;
//! use bgp::{Input, Output, PeerConfig, RemoteAs, Route, Speaker, SpeakerConfig};
//! use bgp::wire::{Asn, RouterId};
//!
//! let now = Instant::now();
//! let mut speaker = Speaker::new(
//!     SpeakerConfig {
//!         asn: Asn(65001),
//!         router_id: RouterId([192, 0, 2, 1].into()),
//!         graceful_restart: None,
//!         multipath: bgp::Multipath::default(),
//!         graceful_shutdown: false,
//!         seed: 1,
//!     },
//!     now,
//! );
//! let leaf = PeerConfig::new("leaf1", "192.0.2.254".parse().unwrap(), RemoteAs::External);
//! let peer = speaker.add_peer(leaf, now);
//! speaker.originate([Route::new("198.51.100.7/32".parse().unwrap())], now);
//! while let output = speaker.poll_output()
//!     && !matches!(output, Output::Timeout(_))
//! {
//!     // Connect, Send, Close: act on the sockets. Event: tell who watches.
//! }
//! speaker.handle_input(Input::Timeout, now);
//! # let _ = peer;
//! ```
//!
//! * [`Speaker::originate`] and [`Speaker::withdraw`] say what this node attracts; only host prefixes leave
//!   (see [`PeerConfig::export`]).
//! * [`Event`]s tell of sessions, of routes learned, and of prefixes handed to each peer.
//! * [`Speaker::peers`], [`Speaker::routes`] and [`Speaker::learned`] show what is.
//!
//! ```text
//!   Input ──► session (RFC 4271 state machine per peer) ── UPDATE ──► rib: Adj-RIB-In ──► best path ──► Event
//!                 │  ▲                                                                                  (learned)
//!                 │  └──── UPDATEs, a bounded window ◄── packing ◄── rib: Adj-RIB-Out ◄── policy ◄── originate
//!                 ▼
//!              Output
//! ```
//!
//! [`wire`] is the codec and knows nothing of the rest; [`bfd`] watches paths, and stands by itself.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bfd;
pub mod discovery;
pub mod evpn;
mod hash;
mod policy;
mod rib;
mod session;
mod speaker;
pub mod wire;

pub use hash::{AddressHash, AddressMap, AddressSet};
pub use policy::{
    Filter, Filters, Match, Policy, PrefixList, PrefixRule, Set, Term, is_host_prefix,
};
pub use rib::{ExportedRoute, LearnedPath, PathSource, RouteAttributes, Stale, Via};
pub use session::{
    ConnectionId, DownReason, Ends, IdleReason, MessageCount, MessageCounters, Negotiated, State,
};
pub use speaker::{
    AllowAsIn, Change, Event, GracefulRestart, Input, LocalAs, MaxPrefixes, Multipath, OtherOrigin,
    Output, PeerConfig, PeerId, PeerStatus, RemoteAs, Route, Speaker, SpeakerConfig, Withheld,
};
