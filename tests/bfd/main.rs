//! BFD against real daemons, in network namespaces of their own.

mod bird;
mod frr;
mod lab;
mod neighbour;
mod precision;
