//! Tenants' tables (EVPN) of our speaker against other people's routers, in network namespaces.

mod frr;
mod gobgp;
mod lab;
mod reflected;
mod tool;
mod unnumbered;
mod variants;
