//! Who decides: this node.

use std::sync::Arc;

use crate::ovn::BridgeMappings;
use crate::ovn::vswitch::NodeIds;

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

/// Without a chassis name nothing can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Open_vSwitch.external_ids:system-id is not set: is ovn-controller set up on this node? \
     (ovs-vsctl set Open_vSwitch . external_ids:system-id=<chassis name>)"
)]
pub struct NoSystemId;

impl Node {
    /// This node as its Open vSwitch says; `host` is the host's own name, for want of one there.
    ///
    /// # Errors
    ///
    /// If there is no `system-id`.
    pub fn new(ids: &NodeIds, host: &str) -> Result<Self, NoSystemId> {
        Ok(Self {
            hostname: ids.hostname.clone().unwrap_or_else(|| host.into()),
            chassis: ids.system_id.clone().ok_or(NoSystemId)?,
            mappings: ids.mappings.clone(),
        })
    }

    /// Whether `host`, a hostname or a chassis name, is this node. OVN takes either in
    /// `options:requested-chassis`.
    pub fn is(&self, host: &str) -> bool {
        *self.hostname == *host || *self.chassis == *host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(system_id: Option<&str>, hostname: Option<&str>) -> NodeIds {
        NodeIds {
            system_id: system_id.map(Into::into),
            hostname: hostname.map(Into::into),
            ..NodeIds::default()
        }
    }

    #[test]
    fn b001_without_system_id_there_is_no_node() {
        let error = Node::new(&ids(None, Some("host-1")), "host-1").unwrap_err();
        assert!(error.to_string().contains("system-id"), "{error}");
    }

    #[test]
    fn b002_without_hostname_the_hosts_own_is_used() {
        let hostname = |ids| Node::new(&ids, "own").map(|node| node.hostname.to_string());
        assert_eq!(hostname(ids(Some("c"), None)), Ok("own".to_owned()));
        assert_eq!(
            hostname(ids(Some("c"), Some("given"))),
            Ok("given".to_owned())
        );
    }
}
