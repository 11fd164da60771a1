//! Who decides: this node.

use std::sync::Arc;

use crate::ovn::BridgeMappings;

/// This node, as OVN knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `Open_vSwitch.external_ids:hostname`, or the host's own: what Neutron binds ports to.
    pub hostname: Arc<str>,
    /// `Open_vSwitch.external_ids:system-id`: the chassis name, which hosts gateways.
    pub chassis: Arc<str>,
    /// Which physical networks it reaches, through which bridges.
    pub mappings: BridgeMappings,
}

impl Node {
    /// Whether `host`, a hostname or a chassis name, is this node. OVN takes either in
    /// `options:requested-chassis`.
    pub fn is(&self, host: &str) -> bool {
        *self.hostname == *host || *self.chassis == *host
    }
}
