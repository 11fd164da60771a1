//! `ovn-bgp-agent`: tells a routed fabric which OVN addresses this node attracts, and wires the
//! node so that their traffic gets in and out of OVN.
//!
//! Data goes one way. Nothing downstream asks a question of something upstream:
//!
//! ```text
//!    OVN NB / SB (OVSDB)     Open_vSwitch (OVSDB)    kernel (netlink), bridges (OpenFlow)    BGP peers
//!           │                        │                          │                              │
//!       [ovsdb] ─── rows ──────► [ovn] typed snapshot    [kernel] [openflow] observed     [peering] + bgp
//!   ─ pure ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ │ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─│ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▲
//!                              [exposure] which prefix, why,      │                            │
//!                                    │    and which not           │                            │
//!                                 [wiring] ───── desired ──► [reconcile] diff, order           │
//!   ─ acts ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ │ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─│
//!                                                                 └─► [kernel] [openflow] ► [advertise]
//! ```
//!
//! [`agent`] is the loop that joins them; [`cli`], [`config`] and [`control`] face the operator.

pub mod advertise;
pub mod agent;
pub mod bfd;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod exposure;
pub mod fib;
pub mod kernel;
pub mod mac;
pub mod metrics;
pub mod openflow;
pub mod ovn;
pub mod ovsdb;
pub mod peering;
pub mod ports;
pub mod reconcile;
pub mod reload;
pub mod route_settings;
pub mod router_advertisement;
pub mod standalone;
mod utc;
pub mod wiring;
