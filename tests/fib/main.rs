//! Learned routes in a real kernel, and the node's addresses out of it.

mod bulk;
mod connected;
mod lab;
mod peers;
mod restart;
mod routers;
mod routes;
