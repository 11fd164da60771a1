//! The embedded speaker against real routers, in network namespaces of their own.

mod bird;
mod frr;
mod frr_config;
mod lab;
mod latency;
mod many_sessions;
mod order;
mod ranges;
mod reload;
mod transport;
mod unnumbered;
