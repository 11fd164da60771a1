//! The speaker as others find it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::config::Config;
use crate::fib;
use crate::peering::Handle;

/// The speaker at present: whoever follows it learns of its start and of a reload.
#[derive(Clone, Debug)]
pub struct Live {
    /// In force.
    pub config: Arc<Config>,
    /// The BGP identifier in use, once started.
    pub router_id: Option<Ipv4Addr>,
    /// The way to it, once started.
    pub speaker: Option<Handle>,
    /// The way to what installs learned routes, once started.
    pub fib: Option<fib::Handle>,
}
