//! The embedded speaker against real routers, in network namespaces of their own.

mod bird;
mod frr;
mod lab;
mod latency;
mod order;
mod transport;
mod unnumbered;
